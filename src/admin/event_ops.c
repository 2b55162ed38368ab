/* What happened: events, messages, sessions, and why. Reads files, which work the same with and
 * without a running server; a running one first writes what it has in memory. */
#include "admin/admin_priv.h"

#include "admin/event_json.h"
#include "base/clock.h"
#include "conf/conf.h"

enum { MAX_ROWS = 5000, MAX_LINES = 20000, MAX_MESSAGES = 200, BUDGET_MS = 10000 };

/* --- arguments --- */

static json_t *bad(const char *name, const char *value, const char *allowed)
{
    return admin_error(E_PARSE, "%s: '%.60s' is not %s", name, value, allowed);
}

/* since=1h: that long ago. dflt_ms 0: open. */
static json_t *take_since(const struct admin_call *c, int64_t dflt_ms, int64_t *ret_us)
{
    const char *v = admin_arg(c, "since");
    int64_t ms = dflt_ms;

    if (v && conf_parse_duration(sv_c(v), &ms) < 0)
        return bad("since", v, "a duration, such as 30m, 1h, 7d");
    *ret_us = ms ? clock_wall_us() - ms * 1000 : 0;
    return NULL;
}

static json_t *take_limit(const struct admin_call *c, size_t dflt, size_t *ret)
{
    const char *v = admin_arg(c, "limit");
    uint64_t n = dflt;

    if (v && (sv_to_u64(sv_c(v), &n) < 0 || n == 0 || n > MAX_ROWS))
        return bad("limit", v, "a number from 1 to 5000");
    *ret = (size_t)n;
    return NULL;
}

static bool parse_hex(const char *text, uint64_t *ret)
{
    size_t n = strlen(text);

    if (n == 0 || n > 16 || strspn(text, "0123456789abcdefABCDEF") != n)
        return false;
    *ret = strtoull(text, NULL, 16);
    return true;
}

static int index_of(const char *v, const char *const *names, int n)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(v, names[i]))
            return i;
    return -1;
}

/* What was acknowledged before the question is part of the answer. */
static void write_latest(const struct admin_call *c)
{
    static const enum module recording[] = { MOD_SMTP, MOD_ACCESS };

    event_flush();
    for (size_t i = 0; i < ARRAY_LEN(recording) && c->a->ask; i++)
        json_decref(c->a->ask(c->a->arg, recording[i], "events.flush", NULL));
}

/* --- events --- */

static bool add_event(const struct event_view *e, void *rows)
{
    json_array_append_new(rows, event_json(e));
    return true;
}

static json_t *take_filters(const struct admin_call *c, struct event_query *q)
{
    const char *session = admin_arg(c, "session"), *service = admin_arg(c, "service"),
               *severity = admin_arg(c, "severity");

    q->name = sv_c(admin_arg(c, "name"));
    q->address = sv_c(admin_arg(c, "address"));
    q->ip = sv_c(admin_arg(c, "ip"));
    q->msgid = sv_c(admin_arg(c, "id"));
    if (session && !parse_hex(session, &q->session))
        return bad("session", session, "a session's key of 16 hex digits");
    if (service && (q->service = 1 + index_of(service, service_names, SVC_COUNT)) == 0)
        return bad("service", service,
                   "a service; allowed: smtp, submission, smtp-client, pop3, "
                   "imap, control");
    if (severity) {
        int s = index_of(severity, event_severities, SEV_COUNT);
        if (s < 0)
            return bad("severity", severity, "one; allowed: info, notice, warning, error");
        q->severity = (enum event_severity)s;
    }
    return NULL;
}

static json_t *list_events(const struct admin_call *c)
{
    struct event_query q = { .budget_ms = BUDGET_MS };
    struct event_cursor cursor = { 0 };
    const char *from = admin_arg(c, "cursor");
    char text[EVENT_CURSOR_TEXT];
    struct errinfo ei = { 0 };
    bool more = false;
    json_t *error = take_filters(c, &q), *rows;
    int r;

    if (!error)
        error = take_since(c, 0, &q.from_us);
    if (!error)
        error = take_limit(c, 100, &q.limit);
    if (!error && from && event_cursor_parse(sv_c(from), &cursor) < 0)
        error = bad("cursor", from, "one of an answer before");
    if (error)
        return error;
    write_latest(c);
    rows = json_array();
    r = event_query(c->a->data_dir, &q, &cursor, add_event, rows, &more, &ei);
    if (r < 0)
        return admin_rows(r, rows, &ei);
    event_cursor_text(&cursor, text);
    return json_pack("{s:b, s:o, s:s?}", "ok", 1, "rows", rows, "next_cursor", more ? text : NULL);
}

/* --- messages --- */

static bool is_message_id(const char *s)
{
    struct sv v = sv_c(s);
    uint64_t n;

    for (size_t i = 0; i < 3 && i < v.n; i++)
        if (ascii_upper(v.p[i]) < 'A' || ascii_upper(v.p[i]) > 'Z')
            return false;
    return v.n == 8 && sv_to_u64(sv_skip(v, 3), &n) == 0;
}

/* The key of the message that has this id. */
static uint64_t own_key(const struct event_timeline *t, struct sv id)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->events[i].record.head.message &&
            sv_ieq(record_text(&t->events[i].record, FIELD_msgid), id))
            return t->events[i].record.head.message;
    return 0;
}

static json_t *not_known(const char *id)
{
    return admin_error(E_NOTFOUND,
                       "nothing is known of message '%.40s': mistyped, or older than "
                       "events.retention_days",
                       id);
}

static json_t *message_by_id(const struct admin_call *c, const char *id, bool with_events)
{
    struct event_timeline t;
    json_t *verdict, *rows = json_array();
    uint64_t key;

    write_latest(c);
    event_timeline(c->a->data_dir, sv_c(id), 0, &t);
    key = own_key(&t, sv_c(id));
    if (!key) {
        event_timeline_done(&t);
        json_decref(rows);
        return not_known(id);
    }
    for (size_t i = 0; i < t.n && with_events; i++)
        json_array_append_new(rows, event_json(&t.events[i]));
    verdict = event_verdict_json(&t, key);
    event_timeline_done(&t);
    return json_pack("{s:b, s:o, s:o, s:b}", "ok", 1, "message", verdict, "rows", rows, "cut",
                     (int)t.cut);
}

/* Keys of messages in the order of their finding. */
struct keys {
    uint64_t v[MAX_MESSAGES];
    size_t n, limit;
    struct sv from, to;
};

static bool add_key(const struct event_view *e, void *arg)
{
    struct keys *k = arg;
    uint64_t key = e->record.head.message;

    for (size_t i = 0; i < k->n; i++)
        if (k->v[i] == key)
            return true;
    if (key)
        k->v[k->n++] = key;
    return k->n < k->limit;
}

static json_t *messages_of(const struct admin_call *c, const struct event_query *q, size_t limit)
{
    struct keys k = { .limit = MIN(limit, (size_t)MAX_MESSAGES) };
    json_t *rows = json_array();
    struct errinfo ei = { 0 };
    int r;

    write_latest(c);
    r = event_query(c->a->data_dir, q, NULL, add_key, &k, NULL, &ei);

    for (size_t i = 0; i < k.n && r >= 0; i++) {
        struct event_timeline t;
        json_t *m, *at;

        event_timeline(c->a->data_dir, SV_NULL, k.v[i], &t);
        m = event_verdict_json(&t, k.v[i]);
        at = t.n ? event_time_json(t.events[0].record.head.time_us) : json_null();
        json_object_set_new(m, "time", at);
        json_array_append_new(rows, m);
        event_timeline_done(&t);
    }
    return admin_rows(r, rows, &ei);
}

static json_t *trace(const struct admin_call *c)
{
    const char *what = admin_arg(c, "what");
    struct event_query q = { .budget_ms = BUDGET_MS };
    size_t limit;
    json_t *error;

    if (is_message_id(what))
        return message_by_id(c, what, true);
    error = take_since(c, 3600 * 1000, &q.from_us);
    if (!error)
        error = take_limit(c, 50, &limit);
    if (error)
        return error;
    if (strchr(what, '@'))
        q.address = sv_c(what);
    else
        q.ip = sv_c(what);
    return messages_of(c, &q, limit);
}

static bool is_between(const struct event_view *e, void *arg)
{
    const struct keys *k = arg;
    struct sv sender = record_text(&e->record, FIELD_sender),
              rcpt = record_text(&e->record, FIELD_rcpt);

    /* Each event knows one of them at least; the timeline has both. */
    return e->record.head.message && (!k->from.n || !sender.p || sv_ieq(sender, k->from)) &&
           (!k->to.n || !rcpt.p || sv_ieq(rcpt, k->to));
}

static json_t *why(const struct admin_call *c)
{
    const char *id = admin_arg(c, "id"), *from = admin_arg(c, "from"), *to = admin_arg(c, "to");
    struct keys k = { .from = sv_c(from), .to = sv_c(to) };
    struct event_query q = { .match = is_between, .match_arg = &k, .budget_ms = BUDGET_MS };
    size_t limit;
    json_t *error;

    if (id && !is_message_id(id))
        return bad("id", id, "a message id, such as OSA88513");
    if (id)
        return message_by_id(c, id, false);
    if (!from && !to)
        return admin_error(E_PARSE, "name a message id, or from=, to= and since=");
    error = take_since(c, 24 * 3600 * 1000, &q.from_us);
    if (!error)
        error = take_limit(c, 10, &limit);
    if (error)
        return error;
    q.address = to ? sv_c(to) : sv_c(from);
    return messages_of(c, &q, limit);
}

/* --- sessions --- */

struct low_bits {
    uint64_t id, mask;
};

static bool has_low_bits(const struct event_view *e, void *arg)
{
    const struct low_bits *l = arg;

    return (e->record.head.session & l->mask) == l->id;
}

static bool take_session(const struct event_view *e, void *arg)
{
    *(uint64_t *)arg = e->record.head.session;
    return false;
}

/* 16 digits are the key; 8 the id in the list of sessions, 4 the bracket of the log: then it is the
 * latest one that ends in them. */
static uint64_t find_session(const struct admin_call *c, const char *text)
{
    struct low_bits l = { 0 };
    struct event_query q = {
        .name = SV("session.start"), .match = has_low_bits, .match_arg = &l, .limit = 1
    };
    uint64_t found = 0;
    size_t n = strlen(text);

    if (!parse_hex(text, &l.id) || n == 16)
        return l.id;
    l.mask = n > 4 ? UINT32_MAX : UINT16_MAX;
    event_query(c->a->data_dir, &q, NULL, take_session, &found, NULL, NULL);
    return found;
}

static bool add_line(const struct transcript_line *l, void *rows)
{
    json_array_append_new(rows, event_line_json(l));
    return json_array_size(rows) < MAX_LINES;
}

static bool keep_event(const struct event_view *e, void *arg)
{
    *(json_t **)arg = event_json(e);
    return false;
}

static json_t *show_session(const struct admin_call *c)
{
    const char *text = admin_arg(c, "id");
    struct event_query q = { .name = SV("session.end"), .limit = 1 };
    json_t *rows, *end = NULL;
    uint64_t key;

    write_latest(c);
    q.session = key = find_session(c, text);

    if (!key)
        return admin_error(E_NOTFOUND,
                           "no session '%.40s' is known; `posthorn tool events "
                           "name=session.end` lists the ended ones, `sessions` the live ones",
                           text);
    rows = json_array();
    event_transcript(c->a->data_dir, key, NULL, add_line, rows);
    event_query(c->a->data_dir, &q, NULL, keep_event, &end, NULL, NULL);
    return json_pack("{s:b, s:o, s:o, s:o}", "ok", 1, "session", json_sprintf("%016" PRIX64, key),
                     "end", end ? end : json_null(), "rows", rows);
}

const struct admin_op admin_event_ops[] = {
    { "event.list",
      "[name] [address] [ip] [id] [session] [service] [severity] [since] [limit] "
      "[cursor]",
      "Events, newest first.", list_events },
    { "message.trace", "what [since] [limit]",
      "The timeline of a message id; or the messages of an address or IP.", trace },
    { "message.why", "[id] [from] [to] [since] [limit]", "What became of a message, and why.",
      why },
    { "session.show", "id", "Transcript and totals of a session.", show_session },
    { 0 },
};
