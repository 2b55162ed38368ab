/* Messages and ended sessions as the API gives them, and to whom. */
#include "api_test.h"

#include "event/event.h"

enum { MESSAGES = 240 };
static const char *const addresses[] = { "one@a.test",   "two@a.test",    "u@b.test",
                                         "dom@b.test",   "far@away.test", "other@c.test",
                                         "three@a.test", "four@a.test",   "UPPER@B.TEST",
                                         "five@a.test",  "x@d.test",      "y@d.test" };

struct made {
    uint64_t key, session;
    char id[12];
    const char *sender, *account; /* account: NULL = nobody had logged in */
    const char *rcpts[3];
    unsigned n_rcpts;
    enum { DELIVERED, BOUNCED, REFUSED, INCOMPLETE, WAITING, SHAPES } shape;
};
static struct made made[MESSAGES];

static bool is_b(const char *address)
{
    return sv_iends(sv_c(address), SV("@b.test"));
}

static bool names_b(const struct made *m)
{
    bool yes = is_b(m->sender);
    for (unsigned i = 0; i < m->n_rcpts; i++)
        yes |= is_b(m->rcpts[i]);
    return yes;
}

/* The recipient's rule and script choose a folder, which has his address in its name here. */
static void tell_delivered(const struct made *m, unsigned i, const struct logctx *c)
{
    char folder[100];
    snprintf(folder, sizeof(folder), "of-%s", m->rcpts[i]);
    event(filter_hit, c, F_STR(rule, folder), F_STR(owner, m->rcpts[i]), F_STR(what, "stop"));
    event(sieve_filed, c, F_ADDR(rcpt, m->rcpts[i]), F_STR(folder, folder), F_STR(script, "main"),
          F_INT(line, 1));
    event(delivery_local, c, F_ADDR(rcpt, m->rcpts[i]), F_STR(reply, "250 2.1.5 ok"));
}

static void tell(const struct made *m)
{
    struct logctx c = { .type = LOG_SMTP,
                        .service = 1 + SVC_SMTP,
                        .source = "192.0.2.77",
                        .session = m->session,
                        .message = m->key,
                        .message_id = m->id,
                        .account = m->account };
    for (unsigned i = 0; i < m->n_rcpts; i++)
        if (m->shape == REFUSED)
            event(smtp_rcpt_refused, &c, F_ADDR(rcpt, m->rcpts[i]), F_CODE(code, 550),
                  F_STR(reply, "550 5.7.1 We do not relay"));
        else
            event(smtp_rcpt_accepted, &c, F_ADDR(rcpt, m->rcpts[i]));
    if (m->shape == REFUSED || m->shape == INCOMPLETE)
        event(smtp_message_incomplete, &c, F_ADDR(sender, m->sender), F_ADDR(rcpt, m->rcpts[0]));
    else
        event(smtp_message_accepted, &c, F_ADDR(sender, m->sender), F_ADDR(rcpt, m->rcpts[0]),
              F_INT(rcpts, m->n_rcpts), F_BYTES(bytes, 100));
    c.session = 0;
    for (unsigned i = 0; i < m->n_rcpts; i++)
        if (m->shape == DELIVERED)
            tell_delivered(m, i, &c);
        else if (m->shape == WAITING)
            event(delivery_deferred, &c, F_ADDR(rcpt, m->rcpts[i]),
                  F_STR(reply, "451 4.4.1 Connecting"), F_INT(attempts, 1));
        else if (m->shape == BOUNCED)
            event(delivery_failed, &c, F_ADDR(rcpt, m->rcpts[i]),
                  F_STR(reply, "550 5.1.1 User unknown"));
}

/* Logins: of nobody's, of one in b.test by name, of one in a.test. */
static void tell_logins(void)
{
    static const struct {
        const char *peer, *account, *user;
    } rows[] = { { "198.51.100.7", NULL, "token" },
                 { "203.0.113.9", NULL, "u@b.test" },
                 { "203.0.113.10", "one@a.test", "one@a.test" } };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct logctx c = { .type = LOG_IMAP,
                            .service = 1 + SVC_IMAP,
                            .session = 0x950000000000 + i,
                            .account = rows[i].account };
        snprintf(c.source, sizeof(c.source), "%s", rows[i].peer);
        event(auth_failed, &c, F_STR(proto, "IMAP"), F_ADDR(user, rows[i].user),
              F_STR(reason, "wrong password"));
    }
}

static int begin_with_mail(void **state)
{
    unsigned seed = 4711; /* the same mail in each run */
    int r = begin(state);
    assert_int_equal(event_start(dir, MOD_SMTP, -1, NULL), 0);
    event_configure(&(struct event_conf){ .enabled = true, .transcripts = true });
    for (unsigned i = 0; i < MESSAGES; i++) {
        struct made *m = &made[i];
        m->key = 0x1000 + i;
        m->session = 0x900000000000 + i;
        snprintf(m->id, sizeof(m->id), "TST%05u", i);
        seed = seed * 1103515245 + 12345;
        m->sender = addresses[(seed >> 16) % ARRAY_LEN(addresses)];
        m->account = (seed >> 8) % 3 == 0 ? m->sender : (seed >> 8) % 3 == 1 ? "boss@a.test" : NULL;
        m->n_rcpts = 1 + (seed >> 20) % 3;
        m->shape = (seed >> 24) % SHAPES;
        for (unsigned k = 0; k < m->n_rcpts; k++)
            m->rcpts[k] = addresses[((seed >> 10) + k) % ARRAY_LEN(addresses)];
        tell(m);
    }
    tell_logins();
    event_flush();
    return r;
}

static int end_with_mail(void **state)
{
    event_stop();
    return end(state);
}

/* All ids of a list, page by page. */
static json_t *all(const struct api_caller *who, const char *path, unsigned limit)
{
    json_t *ids = json_array(), *row;
    _cleanup_(freep) char *cursor = NULL;
    size_t i;
    for (unsigned pages = 0;; pages++) {
        _cleanup_(freep) char *p =
            xasprintf("%s%slimit=%u%s%s", path, strchr(path, '?') ? "&" : "?", limit,
                      cursor ? "&cursor=" : "", cursor ? cursor : "");
        assert_true(pages < 1000);
        if (ask(who, "GET", p, NULL) != 200)
            fail_msg("%s: %s", p, json_dumps(got.body, 0));
        assert_true(json_array_size(json_object_get(got.body, "items")) <= limit);
        json_array_foreach(json_object_get(got.body, "items"), i, row)
            json_array_append(ids, json_object_get(row, "id"));
        free(cursor);
        cursor = NULL;
        if (!json_is_string(json_object_get(got.body, "next_cursor")))
            return ids;
        cursor = xstrdup(text("next_cursor"));
    }
}

static size_t count_of(json_t *ids, const char *id)
{
    size_t i, n = 0;
    json_t *v;
    json_array_foreach(ids, i, v) n += json_is_string(v) && !strcmp(json_string_value(v), id);
    return n;
}

static void each_message_once_the_newest_first(void **state _unused_)
{
    static const unsigned limits[] = { 1, 7, 100, 1000 };
    for (size_t k = 0; k < ARRAY_LEN(limits); k++) {
        json_t *ids = all(root, "/messages", limits[k]);
        assert_int_equal(json_array_size(ids), MESSAGES);
        for (size_t i = 0; i < MESSAGES; i++)
            assert_string_equal(json_string_value(json_array_get(ids, i)),
                                made[MESSAGES - 1 - i].id);
        json_decref(ids);
    }
}

static void filters(void **state _unused_)
{
    json_t *by_rcpt = all(root, "/messages?recipient=u@b.test", 9),
           *by_sender = all(root, "/messages?sender=far@away.test", 9),
           *by_any = all(root, "/messages?address=u@b.test", 9),
           *bounced = all(root, "/messages?status=bounced", 9),
           *both = all(root, "/messages?sender=one@a.test&recipient=u@b.test&ip=192.0.2.77", 9);
    size_t total = 0;
    for (size_t i = 0; i < MESSAGES; i++) {
        const struct made *m = &made[i];
        bool to_u = false, from_far = !strcmp(m->sender, "far@away.test"),
             from_u = !strcmp(m->sender, "u@b.test");
        for (unsigned k = 0; k < m->n_rcpts; k++)
            to_u |= !strcmp(m->rcpts[k], "u@b.test");
        if (count_of(by_rcpt, m->id) != to_u)
            fail_msg("%s %d: %zu", m->id, m->shape, count_of(by_rcpt, m->id));
        assert_int_equal(count_of(by_sender, m->id), from_far);
        assert_int_equal(count_of(by_any, m->id), to_u || from_u);
        assert_int_equal(count_of(bounced, m->id), m->shape == BOUNCED);
        assert_int_equal(count_of(both, m->id), to_u && !strcmp(m->sender, "one@a.test"));
        total += to_u;
    }
    assert_true(total > 20 && json_array_size(both) > 0);
    json_decref(by_rcpt);
    json_decref(by_sender);
    json_decref(by_any);
    json_decref(bounced);
    json_decref(both);
    assert_int_equal(ask(root, "GET", "/messages?session=0000900000000005", NULL), 200);
    json_t *row = json_array_get(json_object_get(got.body, "items"), 0);
    assert_string_equal(json_string_value(json_object_get(row, "id")), "TST00005");
    assert_int_equal(json_array_size(json_object_get(got.body, "items")), 1);
    ask(root, "GET", "/messages?to=1h", NULL);
    assert_int_equal(json_array_size(json_object_get(got.body, "items")), 0);
}

/* Nothing of a message that is not his; of one that he only receives nothing but his part. */
static void a_domain_admin_never_sees_other_mail(void **state _unused_)
{
    json_t *ids = all(dom, "/messages", 13);
    for (size_t i = 0; i < MESSAGES; i++) {
        const struct made *m = &made[i];
        char path[80], *body;
        assert_int_equal(count_of(ids, m->id), names_b(m));
        snprintf(path, sizeof(path), "/messages/%016" PRIX64, m->key);
        assert_int_equal(ask(dom, "GET", path, NULL), names_b(m) ? 200 : 404);
        snprintf(path, sizeof(path), "/messages/%s", m->id);
        assert_int_equal(ask(dom, "GET", path, NULL), names_b(m) ? 200 : 404);
        body = json_dumps(got.body, 0);
        assert_null(strstr(body, "192.0.2.77"));
        assert_null(strstr(body, "boss@a.test"));
        for (unsigned k = 0; k < m->n_rcpts && !is_b(m->sender); k++)
            if (!is_b(m->rcpts[k]) && strcmp(m->rcpts[k], m->sender) && strstr(body, m->rcpts[k]))
                fail_msg("%s is in %s", m->rcpts[k], body);
        for (unsigned k = 0; k < m->n_rcpts; k++) { /* also of those who are sent mail by his */
            char folder[100];
            snprintf(folder, sizeof(folder), "of-%s", m->rcpts[k]);
            assert_int_equal(strstr(body, folder) != NULL,
                             m->shape == DELIVERED && is_b(m->rcpts[k]));
        }
        if (names_b(m))
            assert_int_equal(json_is_string(json_object_get(got.body, "session")),
                             m->account && is_b(m->account));
        free(body);
        snprintf(path, sizeof(path), "/search?q=%s", m->id);
        ask(dom, "GET", path, NULL);
        assert_int_equal(json_array_size(json_object_get(got.body, "items")), names_b(m));
    }
    assert_true(json_array_size(ids) > 50 && json_array_size(ids) < MESSAGES - 50);
    json_decref(ids);
    ids = all(dom, "/messages?ip=192.0.2.77", 50);
    for (size_t i = 0; i < MESSAGES; i++)
        assert_int_equal(count_of(ids, made[i].id), names_b(&made[i]));
    json_decref(ids);
    ids = all(dom, "/messages?address=one@a.test", 50);
    for (size_t i = 0; i < MESSAGES; i++)
        assert_true(names_b(&made[i]) || !count_of(ids, made[i].id));
    json_decref(ids);
}

static void verdicts(void **state _unused_)
{
    static const char *const statuses[SHAPES] = { "delivered", "bounced", "refused", "incomplete",
                                                  "waiting" };
    static const char *const rows[SHAPES] = { NULL, "smtp.err.c.gone", "smtp.err.550.relay", NULL,
                                              "smtp.err.c.connecting" };
    for (size_t i = 0; i < MESSAGES; i++) {
        char path[40];
        snprintf(path, sizeof(path), "/messages/%s", made[i].id);
        assert_int_equal(ask(root, "GET", path, NULL), 200);
        json_t *v = json_object_get(got.body, "verdict");
        const char *row = json_string_value(json_object_get(v, "explanation"));
        assert_string_equal(text("status"), statuses[made[i].shape]);
        assert_int_equal(json_array_size(json_object_get(got.body, "lanes")), made[i].n_rcpts);
        if (rows[made[i].shape])
            assert_string_equal(row, rows[made[i].shape]);
        else
            assert_null(row);
    }
}

static void say(uint64_t session, const char *account, const char *line, bool ends)
{
    struct logctx c = { .type = LOG_SMTP,
                        .id = (uint32_t)session,
                        .service = 1 + SVC_SUBMISSION,
                        .source = "192.0.2.9",
                        .session = session,
                        .account = account };
    event(smtp_session_start, &c, F_IP(local, "198.51.100.1"));
    log_in(&c, sv_c(line));
    if (ends)
        event(session_end, &c, F_STR(outcome, "success"), F_STR(why, "quit"), F_MS(duration, 5),
              F_BYTES(bytes_in, 7), F_INT(commands, 3));
}

static void sessions_that_are_over(void **state _unused_)
{
    say(0xaaaa0000beefULL, "u@b.test", "NOOP his", true);
    say(0xaaaa0000dadaULL, "one@a.test", "NOOP not his", true);
    say(0xaaaa0000fadeULL, NULL, "NOOP nobody's", true);
    say(0xaaaa0000feedULL, "u@b.test", "NOOP crashed", false);
    event_flush();
    json_t *ids = all(root, "/sessions?state=history", 2);
    assert_int_equal(json_array_size(ids), 3);
    assert_int_equal(count_of(ids, "0000AAAA0000BEEF"), 1);
    json_decref(ids);
    ids = all(dom, "/sessions?state=history", 2);
    assert_int_equal(json_array_size(ids), 1);
    assert_int_equal(count_of(ids, "0000AAAA0000BEEF"), 1);
    json_decref(ids);
    ids = all(root, "/sessions?state=history&account=ONE@a.test", 2);
    assert_int_equal(count_of(ids, "0000AAAA0000DADA"), json_array_size(ids));
    json_decref(ids);

    assert_int_equal(ask(dom, "GET", "/sessions/0000aaaa0000beef", NULL), 200);
    assert_string_equal(text("state"), "ended");
    assert_string_equal(text("local"), "198.51.100.1");
    assert_string_equal(text("peer"), "192.0.*.*");
    assert_int_equal(ask(dom, "GET", "/sessions/BEEF", NULL), 200);
    assert_int_equal(ask(dom, "GET", "/sessions/0000AAAA0000DADA", NULL), 404);
    assert_int_equal(ask(dom, "GET", "/sessions/0000AAAA0000FADE/transcript", NULL), 404);
    assert_int_equal(ask(dom, "GET", "/sessions/0000AAAA0000DADA/transcript", NULL), 404);
    assert_int_equal(ask(root, "GET", "/sessions/0000AAAA0000FEED", NULL), 200);
    assert_true(json_is_null(json_object_get(got.body, "ended_at")));
    assert_int_equal(ask(root, "GET", "/sessions/0000AAAA00000001", NULL), 404);

    assert_int_equal(ask(dom, "GET", "/sessions/0000AAAA0000BEEF/transcript", NULL), 200);
    char *body = json_dumps(got.body, 0);
    assert_non_null(strstr(body, "NOOP his"));
    assert_null(strstr(body, "not his"));
    free(body);
    ask(root, "GET", "/audit?object=getTranscript%20000&limit=1", NULL);
    json_t *row = json_array_get(json_object_get(got.body, "items"), 0);
    assert_string_equal(json_string_value(json_object_get(row, "admin")), "dom@b.test");
}

static size_t looks(void)
{
    ask(root, "GET", "/audit?object=0000AAAA0000DADA&admin=root", NULL);
    return json_array_size(json_object_get(got.body, "items"));
}

static void who_follows_a_transcript_looks_once(void **state _unused_)
{
    size_t before = looks();
    assert_int_equal(ask(root, "GET", "/sessions/0000AAAA0000DADA/transcript?limit=1", NULL), 200);
    assert_int_equal(json_array_size(json_object_get(got.body, "items")), 1);
    _cleanup_(freep) char *cursor = xstrdup(text("next_cursor"));
    _cleanup_(freep) char *next =
        xasprintf("/sessions/0000AAAA0000DADA/transcript?cursor=%s", cursor);
    for (int i = 0; i < 3; i++)
        assert_int_equal(ask(root, "GET", next, NULL), 200);
    assert_int_equal(looks(), before + 1);
    assert_int_equal(ask(root, "GET", "/sessions/0000AAAA0000DADA/transcript", NULL), 200);
    assert_int_equal(looks(), before + 2);
    /* The place in another's transcript opens nothing unseen. */
    _cleanup_(freep) char *other =
        xasprintf("/sessions/0000AAAA0000BEEF/transcript?cursor=%s", cursor);
    assert_int_equal(ask(root, "GET", other, NULL), 200);
    ask(root, "GET", "/audit?object=0000AAAA0000BEEF&admin=root", NULL);
    assert_int_equal(json_array_size(json_object_get(got.body, "items")), 1);
}

static void reply_codes(void **state _unused_)
{
    assert_int_equal(
        ask(root, "GET", "/reference/reply-codes?reply=550%205.7.1%20We%20do%20not%20relay", NULL),
        200);
    json_t *row = json_array_get(json_object_get(got.body, "items"), 0);
    assert_string_equal(json_string_value(json_object_get(row, "id")), "smtp.err.550.relay");
    assert_string_equal(json_string_value(json_object_get(row, "setting")), "net.trusted_ips");
    json_t *ids = all(root, "/reference/reply-codes", 11);
    assert_true(json_array_size(ids) > 60);
    json_decref(ids);
    ask(root, "GET", "/reference/reply-codes?code=421&q=errors", NULL);
    assert_int_equal(json_array_size(json_object_get(got.body, "items")), 1);
}

static const char *event_text(size_t i, const char *name)
{
    json_t *item = json_array_get(json_object_get(got.body, "items"), i);
    const char *s = json_string_value(json_object_get(item, name));
    return s ? s : "";
}

static size_t events_of(const struct api_caller *who, const char *query)
{
    char path[300];
    snprintf(path, sizeof(path), "/event-log?limit=2000&%s", query);
    if (ask(who, "GET", path, NULL) != 200)
        fail_msg("%s: %s", path, json_dumps(got.body, 0));
    return json_array_size(json_object_get(got.body, "items"));
}

static void events_are_asked_for(void **state _unused_)
{
    assert_int_equal(events_of(root, "name=auth.failed"), 3);
    assert_string_equal(event_text(0, "sentence"),
                        "Login as one@a.test was refused: wrong password");
    assert_string_equal(event_text(0, "severity"), "notice");
    assert_int_equal(events_of(root, "name=auth."), 3);
    assert_int_equal(events_of(root, "name=auth.&service=pop3"), 0);
    assert_int_equal(events_of(root, "name=auth.&severity=warning"), 0);
    assert_int_equal(events_of(root, "peer=203.0.113.9"), 1);
    assert_int_equal(events_of(root, "peer=203.0.113.0/24"), 2);
    assert_int_equal(events_of(root, "name=auth.&peer=0.0.0.0/0"), 3);
    assert_int_equal(events_of(root, "name=auth.&account=u%40b.test"), 1);
    assert_int_equal(events_of(root, "session=0000950000000002"), 1);
    assert_int_equal(events_of(root, "q=as+one%40a.test;wrong"), 1);
    assert_int_equal(events_of(root, "name=auth.&to=2001-01-01T00:00:00Z"), 0);
    assert_true(events_of(root, "message=TST00001") > 0);
    size_t n = json_array_size(json_object_get(got.body, "items"));
    assert_int_equal(events_of(root, "message=0000000000001001"), n);
    static const char *const wrong[][2] = { { "name=auth.nothing", "name" },
                                            { "peer=203.0.113.0/33", "peer" },
                                            { "peer=here", "peer" },
                                            { "session=zzzzzzzzzzzzzzzz", "session" },
                                            { "message=XXXXXXXXX", "message" },
                                            { "severity=loud", "severity" },
                                            { "cursor=MHwwfHg", "cursor" } };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        char path[100];
        snprintf(path, sizeof(path), "/event-log?%s", wrong[i][0]);
        assert_int_equal(ask(root, "GET", path, NULL), 400);
        json_t *f = json_array_get(json_object_get(got.body, "fields"), 0);
        assert_string_equal(json_string_value(json_object_get(f, "name")), wrong[i][1]);
    }
    assert_int_equal(ask(root, "GET", "/reference/events?q=auth.failed", NULL), 200);
    assert_string_equal(event_text(0, "name"), "auth.failed");
}

/* Each event once, by pages of any size. */
static void events_in_pages(void **state _unused_)
{
    size_t n = events_of(root, "name=smtp.");
    char cursor[400] = "", path[500];
    size_t seen = 0;
    assert_true(n > MESSAGES);
    do {
        snprintf(path, sizeof(path), "/event-log?name=smtp.&limit=37%s%s",
                 *cursor ? "&cursor=" : "", cursor);
        assert_int_equal(ask(root, "GET", path, NULL), 200);
        seen += json_array_size(json_object_get(got.body, "items"));
        snprintf(cursor, sizeof(cursor), "%s", text("next_cursor"));
    } while (*cursor);
    assert_int_equal(seen, n);
}

/* What is his: events of his accounts and messages; addresses of clients to their half. */
static void a_domain_admin_sees_his_events(void **state _unused_)
{
    assert_int_equal(events_of(dom, "name=auth.failed"), 1);
    assert_string_equal(event_text(0, "sentence"), "Login as u@b.test was refused: wrong password");
    char *all = json_dumps(got.body, 0);
    assert_null(strstr(all, "203.0.113.9"));
    free(all);
    assert_int_equal(events_of(dom, "name=auth.&peer=203.0.1.1"), 1); /* as far as he sees */
    assert_int_equal(events_of(dom, "name=auth.&peer=203.0.0.0/16"), 1);
    assert_int_equal(events_of(dom, "name=auth.&peer=198.51.0.0/16"), 0);
    assert_int_equal(ask(dom, "GET", "/event-log?peer=203.0.113.0/24", NULL), 400);
    /* The session of a login that failed is nobody's. */
    assert_int_equal(events_of(dom, "session=0000950000000001"), 0);
    for (size_t i = 0; i < MESSAGES; i++) {
        char query[60];
        snprintf(query, sizeof(query), "message=%s", made[i].id);
        if (!names_b(&made[i]) && events_of(dom, query) > 0)
            fail_msg("%s is seen: %s", made[i].id, json_dumps(got.body, 0));
        if (is_b(made[i].sender) && made[i].shape == DELIVERED)
            assert_true(events_of(dom, query) > 0);
    }
    assert_true(events_of(dom, "name=smtp.") > 0);
    for (size_t i = 0; i < json_array_size(json_object_get(got.body, "items")); i++) {
        json_t *item = json_array_get(json_object_get(got.body, "items"), i);
        char *one = json_dumps(item, 0);
        if (!strcasestr(one, "@b.test"))
            fail_msg("of nobody in b.test: %s", one);
        free(one);
    }
    static const char *const others[] = { "one@a.test", "far@away.test", "boss@a.test" };
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        char query[60];
        size_t n;
        snprintf(query, sizeof(query), "account=%s", others[i]);
        n = events_of(dom, query);
        for (size_t k = 0; k < n; k++) {
            char *one =
                json_dumps(json_array_get(json_object_get(got.body, "items"), k), JSON_COMPACT);
            if (!strstr(one, others[i]))
                fail_msg("found by %s, which is not shown: %s", others[i], one);
            free(one);
        }
    }
}

/* Of all this mail, what his address has sent or was to receive; and nothing else in it. */
static void one_sees_ones_own_mail(void **state _unused_)
{
    static const char *const who[] = { "u@b.test", "one@a.test", "dom@b.test" };
    for (size_t w = 0; w < ARRAY_LEN(who); w++) {
        struct api_caller me = *dom; /* whatever else he may see */
        me.who = (char *)(uintptr_t)who[w];
        size_t shown = 0;
        for (size_t i = 0; i < MESSAGES; i++) {
            const struct made *m = &made[i];
            bool sent = !strcmp(m->sender, who[w]), gets = false;
            char path[60];
            for (unsigned k = 0; k < m->n_rcpts; k++)
                gets |= !strcmp(m->rcpts[k], who[w]);
            snprintf(path, sizeof(path), "/self/messages/%s", m->id);
            int status = ask(&me, "GET", path, NULL);
            if (status != (sent || gets ? 200 : 404))
                fail_msg("%s: %s is %d", who[w], m->id, status);
            shown += sent || gets;
            for (unsigned k = 0; k < m->n_rcpts && gets && !sent; k++) {
                char *all = json_dumps(got.body, 0);
                if (strcmp(m->rcpts[k], who[w]) != 0 && strcmp(m->rcpts[k], m->sender) != 0 &&
                    strstr(all, m->rcpts[k]))
                    fail_msg("%s is shown %s of %s: %s", who[w], m->rcpts[k], m->id, all);
                free(all);
            }
        }
        json_t *ids = all(&me, "/self/messages", 50);
        assert_int_equal(json_array_size(ids), shown);
        json_decref(ids);
    }
    struct api_caller local = *root;
    local.account_id = 0;
    assert_int_equal(ask(&local, "GET", "/self/messages", NULL), 409);
    assert_int_equal(ask(NULL, "GET", "/self/messages", NULL), 401);
}

static void rights(void **state _unused_)
{
    struct api_caller none = *root;
    none.scopes = SCOPE_BIT(SCOPE_SELF);
    static const char *const paths[] = { "/messages",
                                         "/messages/TST00001",
                                         "/sessions?state=history",
                                         "/sessions/0000AAAA0000BEEF",
                                         "/event-log",
                                         "/sessions/0000AAAA0000BEEF/transcript" };
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        assert_int_equal(ask(NULL, "GET", paths[i], NULL), 401);
        assert_int_equal(ask(&none, "GET", paths[i], NULL), 403);
    }
    ask(&none, "GET", "/search?q=TST00001", NULL);
    assert_int_equal(json_array_size(json_object_get(got.body, "items")), 0);
    assert_int_equal(ask(root, "GET", "/messages?cursor=MHwwfHg", NULL), 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_message_once_the_newest_first),
        cmocka_unit_test(filters),
        cmocka_unit_test(a_domain_admin_never_sees_other_mail),
        cmocka_unit_test(verdicts),
        cmocka_unit_test(sessions_that_are_over),
        cmocka_unit_test(who_follows_a_transcript_looks_once),
        cmocka_unit_test(reply_codes),
        cmocka_unit_test(events_are_asked_for),
        cmocka_unit_test(events_in_pages),
        cmocka_unit_test(a_domain_admin_sees_his_events),
        cmocka_unit_test(one_sees_ones_own_mail),
        cmocka_unit_test(rights),
    };
    int r = cmocka_run_group_tests(tests, begin_with_mail, end_with_mail);
    json_decref(got.body);
    return r;
}
