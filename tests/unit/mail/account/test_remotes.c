/* Remote accounts: fields, claiming what is due, and what was taken. */
#include "account_suite.h"

#include "base/clock.h"
#include "mail/account/remote_store.h"

static const struct remote_spec usual = { .host = "pop.test", .user = "u", .password = "secret" };

static int64_t make(const char *address, const struct remote_spec *s)
{
    int64_t id = 0;
    OK(remote_create(acc, "r", sv_c(address), s, &id, EI));
    return id;
}

static struct remote_account found;

static bool keep(const struct remote_account *r, void *arg)
{
    int64_t id = *(int64_t *)arg;
    if (r->id == id) {
        remote_account_done(&found);
        found = *r;
        found.address = xstrdup(r->address);
        found.host = xstrdup(r->host);
        found.user = xstrdup(r->user);
        found.password = xstrdup(r->password);
        found.last_result = xstrdup(r->last_result);
        found.domains = xstrdup(r->domains);
    }
    return true;
}

static const struct remote_account *get(int64_t id)
{
    remote_account_done(&found);
    OK(remote_each(acc, SV_NULL, keep, &id, EI));
    return &found;
}

static void accounts(void)
{
    OK(domain_create(acc, "r", &(struct domain_spec){ .name = "a.test" }, EI));
    OK(account_create(acc, "r", SV("ann@a.test"), &(struct account_spec){ 0 }, EI));
    OK(account_create(acc, "r", SV("ben@a.test"), &(struct account_spec){ 0 }, EI));
}

static void refused(int code, const char *part, struct remote_spec s)
{
    int64_t id = 0;
    s.host = s.host ? s.host : "pop.test";
    s.user = s.user ? s.user : "u";
    s.password = s.password ? s.password : "p";
    BAD(code, part, remote_create(acc, "r", SV("ann@a.test"), &s, &id, EI));
}

static void fields(void **state)
{
    (void)state;
    accounts();
    int64_t id = make("ann@a.test", &usual);
    const struct remote_account *r = get(id);
    assert_string_equal(r->address, "ann@a.test");
    assert_int_equal(r->port, 995);
    assert_true(r->verify && r->enabled && r->tls == REMOTE_TLS && r->leave_days == REMOTE_FOREVER);
    OK(remote_update(acc, "r", SV("ann@a.test"), id,
                     &(struct remote_spec){ .protocol = "imap", .tls = "starttls", .leave = "14" },
                     EI));
    r = get(id);
    assert_true(r->port == 143 && r->leave_days == 14);
    assert_string_equal(r->password, "secret");
    OK(remote_update(acc, "r", SV("ann@a.test"), id,
                     &(struct remote_spec){ .port = "1143", .interval = "5m", .verify = "no" },
                     EI));
    OK(remote_update(acc, "r", SV("ann@a.test"), id, &(struct remote_spec){ .tls = "tls" }, EI));
    r = get(id);
    assert_true(r->port == 1143 && r->interval_s == 300 && !r->verify);

    refused(E_CONFLICT, "domains: are for the protocol atrn",
            (struct remote_spec){ .domains = "a.test" });
    refused(E_PARSE, "domain", (struct remote_spec){ .protocol = "atrn", .domains = "a b" });
    int64_t turn = make("ben@a.test", &(struct remote_spec){ .protocol = "atrn",
                                                             .host = "x.test",
                                                             .user = "u",
                                                             .password = "p",
                                                             .domains = " B.test; a.test;" });
    r = get(turn);
    assert_true(r->protocol == REMOTE_ATRN && r->tls == REMOTE_STARTTLS && r->port == 366);
    assert_string_equal(r->domains, "b.test;a.test");
    OK(remote_delete(acc, "r", SV("ben@a.test"), turn, EI));
    r = get(id);

    refused(E_PARSE, "protocol:", (struct remote_spec){ .protocol = "imap4" });
    refused(E_PARSE, "host:", (struct remote_spec){ .host = "a b" });
    refused(E_PARSE, "host:", (struct remote_spec){ .host = "pop.test:110" });
    refused(E_PARSE, "tls:", (struct remote_spec){ .tls = "may" });
    refused(E_RANGE, "port:", (struct remote_spec){ .port = "70000" });
    refused(E_PARSE, "leave:", (struct remote_spec){ .leave = "-2" });
    refused(E_RANGE, "interval:", (struct remote_spec){ .interval = "5s" });
    refused(E_PARSE, "user:", (struct remote_spec){ .user = "a\r\nDELE 1" });
    refused(E_PARSE, "password: is needed", (struct remote_spec){ .password = "" });
    BAD(E_NOTFOUND, "of 'ben@a.test' does not exist",
        remote_update(acc, "r", SV("ben@a.test"), id, &(struct remote_spec){ .port = "1" }, EI));
    BAD(E_NOTFOUND, "does not exist",
        remote_create(acc, "r", SV("no@a.test"), &usual, &(int64_t){ 0 }, EI));
    assert_int_equal(suite_number("SELECT COUNT(*) FROM audit WHERE old_value LIKE '%secret%'"
                                  " OR new_value LIKE '%secret%'"),
                     0);
    OK(account_delete(acc, "r", SV("ann@a.test"), EI));
    assert_int_equal(suite_number("SELECT COUNT(*) FROM remote_account"), 0);
    remote_account_done(&found);
}

static int64_t claim(int64_t now, const int64_t *busy, size_t n)
{
    struct remote_account r = { 0 };
    int got = remote_claim(acc, now, now + 100, busy, n, &r, EI);
    int64_t id = r.id;
    assert_true(got == (id != 0));
    remote_account_done(&r);
    return id;
}

static void due(void **state)
{
    (void)state;
    accounts();
    int64_t a = make("ann@a.test", &usual), b = make("ben@a.test", &usual);
    make("ben@a.test",
         &(struct remote_spec){ .host = "x.test", .user = "u", .password = "p", .enabled = "no" });
    assert_int_equal(claim(1000, NULL, 0), a);
    assert_int_equal(claim(1000, &b, 1), 0);
    assert_int_equal(claim(1000, NULL, 0), b);
    assert_int_equal(claim(1000, NULL, 0), 0);
    assert_int_equal(claim(1100, NULL, 0), a);

    const struct remote_result failed = { "it is away", 2, 3, 5000 };
    OK(remote_finish(acc, a, 1200, &failed, EI));
    const struct remote_account *r = get(a);
    assert_string_equal(r->last_result, "it is away");
    assert_true(r->last_count == 2 && r->failures == 3 && r->next_ms == 5000);
    /* A wish that came meanwhile stays. */
    OK(remote_due_now(acc, SV("ann@a.test"), a, EI));
    OK(remote_finish(acc, a, 1200, &failed, EI));
    assert_int_equal(claim(1001, &b, 1), a);
    OK(account_update(acc, "r", SV("ben@a.test"), &(struct account_spec){ .enabled = "no" }, EI));
    assert_int_equal(claim(4000, &a, 1), 0);
    remote_account_done(&found);
}

struct seen {
    unsigned n, gone;
};

static void count(struct sv id, int64_t since_ms, bool gone, void *arg)
{
    struct seen *s = arg;
    assert_int_equal(id.n, REMOTE_SEEN_ID);
    assert_int_equal(since_ms, 1000);
    s->n++;
    s->gone += gone;
}

static struct seen seen(int64_t id)
{
    struct seen s = { 0 };
    OK(remote_seen_each(acc, id, count, &s, EI));
    return s;
}

static void taken(void **state)
{
    (void)state;
    char x[REMOTE_SEEN_ID + 1], y[REMOTE_SEEN_ID + 1];
    const int64_t day = 86400000;
    accounts();
    int64_t id = make("ann@a.test", &usual);
    remote_seen_id(id, SV("abc"), x);
    remote_seen_id(id, SV("ABC"), y);
    assert_string_not_equal(x, y);
    OK(remote_seen_add(acc, id, x, 1000, EI));
    OK(remote_seen_add(acc, id, y, 1000, EI));
    assert_int_equal(remote_seen_add(acc, id, x, 2000, EI), E_CONFLICT);
    OK(remote_seen_listed(acc, id, x, false, day, EI));
    OK(remote_seen_prune(acc, id, 20 * day, EI));
    assert_true(seen(id).n == 2 && seen(id).gone == 1);
    OK(remote_seen_listed(acc, id, x, true, 20 * day, EI));
    OK(remote_seen_prune(acc, id, 40 * day, EI));
    assert_true(seen(id).n == 2 && seen(id).gone == 0);
    OK(remote_seen_listed(acc, id, x, false, 40 * day, EI));
    OK(remote_seen_prune(acc, id, 71 * day, EI));
    assert_int_equal(seen(id).n, 1);
    OK(remote_delete(acc, "r", SV("ann@a.test"), id, EI));
    assert_int_equal(seen(id).n, 0);
}

static const struct CMUnitTest tests[] = {
    SUITE_TEST(fields),
    SUITE_TEST(due),
    SUITE_TEST(taken),
};
SUITE_MAIN("remotes")
