/* Rules of content filters, on each database: order, checks, what is compiled, hits. */
#include "account_suite.h"

#include "mail/account/filter_store.h"

static bool add_name(const struct filter_info *i, void *arg)
{
    char *text = arg;
    snprintf(text + strlen(text), 1000 - strlen(text), "%s%s;", i->name, i->off ? "(off)" : "");
    return true;
}

static const char *all(const char *owner)
{
    static char text[1000];
    text[0] = '\0';
    OK(filters_each(acc, sv_c(owner), add_name, text, EI));
    return text;
}

static void put(const char *owner, const char *text)
{
    OK(filters_put(acc, "t", sv_c(owner), sv_c(text), false, EI));
}

static void order(void **state _unused_)
{
    put("", "rule \"a\" then stop\nrule \"b\" off then stop");
    put("", "rule \"c\" then stop");
    assert_string_equal(all(""), "a;b(off);c;");
    OK(filters_move(acc, "t", SV(""), SV("c"), 1, EI));
    assert_string_equal(all(""), "c;a;b(off);");
    OK(filters_move(acc, "t", SV(""), SV("c"), 99, EI));
    assert_string_equal(all(""), "a;b(off);c;");
    OK(filters_move(acc, "t", SV(""), SV("a"), 2, EI));
    assert_string_equal(all(""), "b(off);a;c;");
    put("", "rule \"a\" off then stop");
    assert_string_equal(all(""), "b(off);a(off);c;");
    OK(filters_delete(acc, "t", SV(""), SV("a"), EI));
    assert_string_equal(all(""), "b(off);c;");
    assert_int_equal(suite_number("SELECT place FROM mail_filter WHERE name = 'c'"), 2);
    BAD(E_NOTFOUND, "no rule 'a'", filters_delete(acc, "t", SV(""), SV("a"), EI));
    BAD(E_NOTFOUND, "no rule 'a'", filters_move(acc, "t", SV(""), SV("a"), 1, EI));
    BAD(E_RANGE, "1 is the first", filters_move(acc, "t", SV(""), SV("c"), 0, EI));
}

/* An import replaces what is there, keeps the hits of rules that stay, and can be empty. */
static void import(void **state _unused_)
{
    put("", "rule \"a\" then stop\nrule \"b\" then stop");
    suite_sql("UPDATE mail_filter SET hits = 5 WHERE name = 'b'");
    OK(filters_put(acc, "t", SV(""), SV("rule \"c\" then stop\nrule \"b\" then delete"), true, EI));
    assert_string_equal(all(""), "c;b;");
    assert_int_equal(suite_number("SELECT hits FROM mail_filter WHERE name = 'b'"), 5);
    OK(filters_put(acc, "t", SV(""), SV("# none"), true, EI));
    assert_string_equal(all(""), "");
    BAD(E_PARSE, "has no rule", filters_put(acc, "t", SV(""), SV(" "), false, EI));
}

static void refused(void **state _unused_)
{
    mk_domain("a.test");
    mk_account("u@a.test", "password1");
    BAD(E_PARSE, "line 2, column 6",
        filters_put(acc, "t", SV(""), SV("rule \"a\" then stop\nrule b"), false, EI));
    assert_string_equal(all(""), "");
    BAD(E_CONFLICT, "'command' is for rules of the server",
        filters_put(acc, "t", SV("a.test"), SV("rule \"a\" then command \"x\""), false, EI));
    BAD(E_CONFLICT, "'tls' is not known any more",
        filters_put(acc, "t", SV("u@a.test"), SV("rule \"a\" if tls then stop"), false, EI));
    BAD(E_NOTFOUND, "domain 'b.test' does not exist",
        filters_put(acc, "t", SV("b.test"), SV("rule \"a\" then stop"), false, EI));
    BAD(E_NOTFOUND, "account 'x@a.test' does not exist",
        filters_each(acc, SV("x@a.test"), add_name, NULL, EI));
    assert_int_equal(suite_number("SELECT COUNT(*) FROM mail_filter"), 0);
    /* One more than may be. */
    struct buf b;
    buf_init(&b, MiB);
    for (int i = 0; i < FILTER_MAX_RULES; i++)
        buf_addf(&b, "rule \"%d\" then stop\n", i);
    OK(filters_put(acc, "t", SV(""), buf_sv(&b), false, EI));
    BAD(E_LIMIT, "at most 500",
        filters_put(acc, "t", SV(""), SV("rule \"a\" then stop"), false, EI));
    buf_done(&b);
}

static int64_t id_of(const char *sql)
{
    return suite_number(sql);
}

/* A change is in force at once; hits are counted for the rule of that name. */
static void compiled(void **state _unused_)
{
    const struct filter_list *l = NULL, *old;
    mk_domain("a.test");
    int64_t domain = id_of("SELECT id FROM domain");
    assert_int_equal(account_filters(acc, FILTER_SERVER, 0, &l, EI), E_NOTFOUND);
    put("", "rule \"a\" off if body contains \"x\" then stop");
    assert_int_equal(account_filters(acc, FILTER_SERVER, 0, &l, EI), E_NOTFOUND);
    put("", "rule \"b\" if tls then stop");
    OK(account_filters(acc, FILTER_SERVER, 0, &l, EI));
    assert_int_equal(l->rules.n, 2);
    assert_string_equal(l->name, "server");
    assert_false(l->slow);
    old = l;
    put("", "rule \"a\" if body contains \"x\" then stop");
    OK(account_filters(acc, FILTER_SERVER, 0, &l, EI));
    assert_true(l->slow);
    assert_false(old->slow);
    filter_list_unref(old);
    account_filter_hit(acc, l, 1);
    account_filter_hit(acc, l, 1);
    filter_list_unref(l);
    assert_int_equal(account_filters(acc, FILTER_DOMAIN, domain, &l, EI), E_NOTFOUND);
    put("A.Test", "rule \"b\" then stop");
    OK(account_filters(acc, FILTER_DOMAIN, domain, &l, EI));
    assert_string_equal(l->name, "a.test");
    account_filter_hit(acc, l, 0);
    filter_list_unref(l);
    account_filter_hits_write(acc);
    assert_int_equal(suite_number("SELECT hits FROM mail_filter WHERE level = 1 AND name = 'b'"),
                     2);
    assert_int_equal(suite_number("SELECT hits FROM mail_filter WHERE level = 2 AND name = 'b'"),
                     1);
    assert_int_equal(suite_number("SELECT COUNT(*) FROM mail_filter WHERE hit_ms > 0"), 2);
}

/* Hits that nobody asks about are written when the process ends. */
static void hits_at_end(void **state _unused_)
{
    const struct filter_list *l = NULL;
    put("", "rule \"a\" then stop");
    OK(account_filters(acc, FILTER_SERVER, 0, &l, EI));
    account_filter_hit(acc, l, 0);
    filter_list_unref(l);
    accounts_close(acc);
    OK(accounts_open(suite_db, &acc, EI));
    assert_int_equal(suite_number("SELECT hits FROM mail_filter"), 1);
}

static void gone_with_owner(void **state _unused_)
{
    mk_domain("a.test");
    mk_account("u@a.test", "password1");
    mk_account("v@a.test", "password1");
    put("", "rule \"a\" then stop");
    put("a.test", "rule \"a\" then stop");
    put("u@a.test", "rule \"a\" then stop");
    put("v@a.test", "rule \"a\" then move \"x\"");
    OK(account_delete(acc, "t", SV("u@a.test"), EI));
    assert_int_equal(suite_number("SELECT COUNT(*) FROM mail_filter"), 3);
    OK(domain_delete(acc, "t", SV("a.test"), true, REFERENCES_REFUSE, EI));
    assert_int_equal(suite_number("SELECT COUNT(*) FROM mail_filter"), 1);
}

static void replaced(void **state _unused_)
{
    const struct filter_list *l = NULL;
    put("", "rule \"a\" then stop\nrule \"b\" then stop\nrule \"c\" then stop");
    OK(account_filters(acc, FILTER_SERVER, 0, &l, EI));
    account_filter_hit(acc, l, 1);
    filter_list_unref(l);
    account_filter_hits_write(acc);
    OK(filters_replace(acc, "t", SV(""), SV("b"), SV("rule \"B 2\" then score 1"), EI));
    OK(filters_turn(acc, "t", SV(""), SV("B 2"), false, EI));
    OK(account_filters(acc, FILTER_SERVER, 0, &l, EI));
    assert_int_equal(l->rules.n, 3);
    assert_true(l->rules.v[1]->off);
    assert_true(sv_eq(l->rules.v[1]->text, SV("rule \"B 2\" off then score 1")));
    filter_list_unref(l);
    assert_int_equal(suite_number("SELECT hits FROM mail_filter WHERE name = 'B 2'"), 1);
    assert_int_equal(filters_replace(acc, "t", SV(""), SV("a"), SV("rule \"c\" then stop"), EI),
                     E_EXISTS);
    assert_int_equal(filters_replace(acc, "t", SV(""), SV("x"), SV("rule \"x\" then stop"), EI),
                     E_NOTFOUND);
    assert_int_equal(filters_replace(acc, "t", SV(""), SV("a"), SV(""), EI), E_PARSE);
    assert_int_equal(filters_turn(acc, "t", SV(""), SV("b"), false, EI), E_NOTFOUND);
}

static void not_of_lists(void **state _unused_)
{
    struct account_spec spec = { .option = { [OPT_KIND] = "list" } };
    struct errinfo ei;
    mk_domain("a.test");
    OK(account_create(acc, "t", SV("l@a.test"), &spec, EI));
    assert_int_equal(filters_put(acc, "t", SV("l@a.test"), SV("rule \"a\" then stop"), false, &ei),
                     E_CONFLICT);
    OK(filters_put(acc, "t", SV("l@a.test"), SV(""), true, EI));
}

static bool add_owner(enum filter_level level, const char *owner, void *arg)
{
    struct buf *b = arg;
    OK(buf_addf(b, "%d %s;", level, owner));
    return true;
}

static void owners(void **state _unused_)
{
    struct buf b;
    mk_domain("b.test");
    mk_domain("a.test");
    mk_account("u@a.test", "password1");
    put("u@a.test", "rule \"a\" then stop");
    put("b.test", "rule \"a\" then stop\nrule \"b\" then stop");
    put("a.test", "rule \"a\" then stop");
    put("", "rule \"a\" then stop");
    buf_init(&b, 1000);
    OK(filters_owners(acc, add_owner, &b, EI));
    OK(buf_terminate(&b));
    assert_string_equal(b.p, "1 ;2 a.test;2 b.test;4 u@a.test;");
    buf_done(&b);
}

int main(void);
static const struct CMUnitTest tests[] = {
    SUITE_TEST(order),    SUITE_TEST(import),      SUITE_TEST(refused),
    SUITE_TEST(compiled), SUITE_TEST(hits_at_end), SUITE_TEST(gone_with_owner),
    SUITE_TEST(replaced), SUITE_TEST(owners),      SUITE_TEST(not_of_lists),
};
SUITE_MAIN("filters")
