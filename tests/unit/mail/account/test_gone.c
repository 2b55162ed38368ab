/* What belongs to an account or a domain goes with it, and with nothing else: the tables are taken
 * from the schema itself, so that a new one cannot be forgotten. */
#include "account_suite.h"
#include "mail/account/filter_store.h"
#include "mail/account/members.h"
#include "mail/account/remote_store.h"
#include "mail/account/script.h"
#include "mail/account/web_auth.h"

enum { TABLES_MAX = 32 };
struct tables {
    char name[TABLES_MAX][32];
    int64_t rows[TABLES_MAX];
    size_t n;
};

/* Columns that hold an account's id, or that of a remote account, which belongs to one. */
static bool of_accounts(struct sv columns)
{
    return sv_find_sv(columns, SV(" account_id ")) >= 0 ||
           sv_find_sv(columns, SV(" list_id ")) >= 0 ||
           sv_find_sv(columns, SV(" owner_id ")) >= 0 ||
           sv_find_sv(columns, SV(" remote_id ")) >= 0;
}

static void find_tables(struct tables *t)
{
    const struct sv begin = SV("CREATE TABLE ");

    *t = (struct tables){ .n = 1, .name[0] = "account" };
    for (size_t i = 0; i < account_migrations_count; i++) {
        struct sv sql = sv_c(account_migrations[i].sql);

        for (ssize_t at; (at = sv_find_sv(sql, begin)) >= 0;) {
            sql = sv_skip(sql, (size_t)at + begin.n);
            struct sv statement = sv_take(sql, MIN((size_t)sv_find(sql, ';'), sql.n));

            if (!of_accounts(statement))
                continue;
            assert_true(t->n < TABLES_MAX);
            sv_copy(t->name[t->n++], sizeof(t->name[0]),
                    sv_take(statement, (size_t)sv_find(statement, '(') - 1));
        }
    }
    assert_true(t->n > 10);
}

static int64_t rows_of(const char *table)
{
    char sql[80];

    snprintf(sql, sizeof(sql), "SELECT COUNT(*) FROM %s", table);
    return suite_number(sql);
}

static void count(struct tables *t)
{
    for (size_t i = 0; i < t->n; i++)
        t->rows[i] = rows_of(t->name[i]);
}

/* A domain with an account and a list, and a row of theirs in each table. */
static void fill(const char *domain)
{
    char user[64], list[64], secret[WEB_SECRET + 4], app[40], sql[128];
    int64_t id;

    mk_domain(domain);
    snprintf(user, sizeof(user), "u@%s", domain);
    snprintf(list, sizeof(list), "l@%s", domain);
    OK(account_create(acc, "t", sv_c(user),
                      &(struct account_spec){ .password = "{PLAIN}secret-1",
                                              .aliases = "sales",
                                              .role = "domain-admin",
                                              .admin_domains = domain,
                                              .option[OPT_COPY_INCOMING] = "x@elsewhere.test" },
                      EI));
    OK(account_create(acc, "t", sv_c(list), &(struct account_spec){ .option[OPT_KIND] = "list" },
                      EI));
    OK(account_members_change(acc, "t", sv_c(list), &(struct member_change){ .add = user }, EI));
    OK(account_app_password_create(acc, "t", sv_c(user), "phone", app, EI));
    OK(api_token_create(acc, "t", sv_c(user), "script", "self", 0, &id, secret, EI));
    snprintf(sql, sizeof(sql), "SELECT id FROM account WHERE address = '%s'", user);
    id = suite_number(sql);
    OK(web_session_create(acc, id, "192.0.2.1", "test", 60000, secret, EI));
    OK(account_script_put(acc, "t", sv_c(user), SV("s"), SV("keep;"), EI));
    OK(account_script_remember(acc, id, 'v', SV("x"), 1, clock_wall_ms() + 60000, false, EI));
    OK(filters_put(acc, "t", sv_c(user), SV("rule \"a\" then stop"), false, EI));
    OK(remote_create(acc, "t", sv_c(user),
                     &(struct remote_spec){
                         .protocol = "pop3", .host = "pop.test", .user = "u", .password = "p" },
                     &id, EI));
    OK(remote_seen_add(acc, id, "x", clock_wall_ms(), EI));
}

static void assert_filled(const struct tables *t)
{
    for (size_t i = 0; i < t->n; i++)
        if (!rows_of(t->name[i]))
            fail_msg("fill() puts nothing into table %s", t->name[i]);
}

static void assert_as_before(const struct tables *t)
{
    for (size_t i = 0; i < t->n; i++) {
        int64_t rows = rows_of(t->name[i]);

        if (rows != t->rows[i])
            fail_msg("table %s has %" PRId64 " rows, and %" PRId64 " before", t->name[i], rows,
                     t->rows[i]);
    }
}

static void with_account(void **state _unused_)
{
    struct tables t;

    find_tables(&t);
    fill("a.test");
    assert_filled(&t);
    count(&t);
    fill("b.test");
    OK(account_delete(acc, "t", SV("u@b.test"), EI));
    OK(account_delete(acc, "t", SV("l@b.test"), EI));
    assert_as_before(&t);
}

static void with_domain(void **state _unused_)
{
    struct tables t;

    find_tables(&t);
    fill("a.test");
    OK(filters_put(acc, "t", SV("a.test"), SV("rule \"a\" then stop"), false, EI));
    count(&t);
    fill("b.test");
    OK(filters_put(acc, "t", SV("b.test"), SV("rule \"a\" then stop"), false, EI));
    OK(alias_set(acc, "t", SV("info@b.test"), "u@a.test", EI));
    OK(domain_delete(acc, "t", SV("b.test"), true, REFERENCES_REFUSE, EI));
    assert_as_before(&t);
    OK(domain_delete(acc, "t", SV("a.test"), true, REFERENCES_REFUSE, EI));
    for (size_t i = 0; i < t.n; i++)
        assert_int_equal(rows_of(t.name[i]), 0);
}

/* What leads to a domain from outside is named, and goes with it only when that is asked for. */
static void references(void **state _unused_)
{
    mk_domain("a.test");
    mk_domain("gone.test");
    mk_domain("c.test");
    mk_account("u@a.test", "{PLAIN}secret");
    mk_account("x@gone.test", "{PLAIN}secret");
    OK(account_create(acc, "t", SV("l@a.test"),
                      &(struct account_spec){ .option[OPT_KIND] = "list" }, EI));
    OK(domain_delete(acc, "t", SV("c.test"), false, REFERENCES_REFUSE,
                     EI)); /* nothing leads there */
    OK(alias_set(acc, "t", SV("one@a.test"), "x@GONE.test;u@a.test", EI));
    OK(alias_set(acc, "t", SV("two@a.test"), "y@gone.test", EI));
    OK(alias_set(acc, "t", SV("own@gone.test"), "u@a.test", EI));
    OK(alias_set(acc, "t", SV("below@a.test"), "y@sub.gone.test", EI));
    OK(account_members_change(acc, "t", SV("l@a.test"),
                              &(struct member_change){ .add = "x@gone.test;z@far.test" }, EI));
    OK(account_update(acc, "t", SV("u@a.test"),
                      &(struct account_spec){ .option[OPT_FORWARD_TO] = "x@gone.test;f@far.test",
                                              .option[OPT_COPY_INCOMING] = "x@gone.test",
                                              .option[OPT_AUTO_REPLY] = "x@gone.test" },
                      EI));
    OK(domain_update(acc, "t", SV("a.test"),
                     &(struct domain_spec){ .unknown = "forward", .unknown_to = "x@gone.test" },
                     EI));
    BAD(E_CONFLICT,
        "lead: alias one@a.test, alias two@a.test, members of l@a.test, copy_incoming of u@a.test, "
        "forward_to of u@a.test and 1 more",
        domain_delete(acc, "t", SV("gone.test"), true, REFERENCES_REFUSE, EI));
    assert_int_equal(suite_number("SELECT COUNT(*) FROM account WHERE address = 'x@gone.test'"), 1);
    suite_sql("DELETE FROM audit");
    OK(domain_delete(acc, "t", SV("gone.test"), true, REFERENCES_REMOVE, EI));
    assert_int_equal(suite_number("SELECT COUNT(*) FROM alias"), 2); /* one -> u, below */
    assert_int_equal(suite_number("SELECT COUNT(*) FROM list_member"), 1);
    assert_int_equal(suite_number("SELECT COUNT(*) FROM account_option WHERE value = 'f@far.test'"),
                     1);
    assert_int_equal(
        suite_number("SELECT COUNT(*) FROM account_option WHERE name = 'copy_incoming'"), 0);
    assert_int_equal(suite_number("SELECT COUNT(*) FROM account_option WHERE name = 'auto_reply'"),
                     1);
    assert_int_equal(suite_number("SELECT COUNT(*) FROM domain WHERE unknown_action = 0"), 1);
    assert_int_equal(suite_number("SELECT COUNT(*) FROM audit WHERE object = 'account u@a.test'"),
                     2);
    assert_int_equal(suite_number("SELECT COUNT(*) FROM audit WHERE object = 'domain a.test'"), 2);
    mk_domain("gone.test"); /* and it may be left */
    OK(alias_set(acc, "t", SV("two@a.test"), "y@gone.test", EI));
    BAD(E_CONFLICT, "references=keep leaves them",
        domain_delete(acc, "t", SV("gone.test"), false, REFERENCES_REFUSE, EI));
    OK(domain_delete(acc, "t", SV("gone.test"), false, REFERENCES_KEEP, EI));
    assert_int_equal(suite_number("SELECT COUNT(*) FROM alias"), 3);
}

int main(void);
static const struct CMUnitTest tests[] = { SUITE_TEST(with_account), SUITE_TEST(with_domain),
                                           SUITE_TEST(references) };
SUITE_MAIN("gone")
