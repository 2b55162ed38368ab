/* Who receives: exact, alias chains, loops, catch-all, subaddress, postmaster, disabled; caches. */
#include "account_suite.h"
#include "mail/account/accounts_priv.h"
#include "mail/account/pattern.h"
#include "mail/account/settings_store.h"
#include "stats/shm.h"

static const char *const kinds[] = {
    "remote", "local", "forward", "discard", "unknown", "disabled"
};

/* "local u@a.test v@a.test -> x@far.test" */
static const char *resolve(const char *address)
{
    static char text[2000];
    struct resolved r;
    OK(account_resolve(acc, sv_c(address), &r, EI));
    size_t n = (size_t)snprintf(text, sizeof(text), "%s", kinds[r.kind]);
    for (size_t i = 0; i < r.n; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, " %s", r.accounts[i]->address);
    for (size_t i = 0; i < r.n_forward; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s %s", i ? "" : " ->", r.forward[i]);
    resolved_done(&r);
    return text;
}

#define IS(address, want)                                                                          \
    do {                                                                                           \
        assert_string_equal(resolve(address), want);                                               \
        assert_string_equal(resolve(address), want); /* from the cache */                          \
    } while (0)

static void world(void)
{
    mk_domain("a.test");
    mk_domain("b.test");
    mk_domain("off.test");
    mk_account("first@a.test", NULL);
    mk_account("u@a.test", NULL);
    mk_account("v@a.test", NULL);
    mk_account("gone@a.test", NULL);
    mk_account("u+exact@a.test", NULL);
    mk_account("w@off.test", NULL);
    OK(account_update(acc, "t", SV("gone@a.test"), &(struct account_spec){ .enabled = "no" }, EI));
    OK(domain_update(acc, "t", SV("off.test"), &(struct domain_spec){ .enabled = "no" }, EI));
}

static void exact_and_alias(void **state)
{
    (void)state;
    world();
    OK(account_update(acc, "t", SV("u@a.test"), &(struct account_spec){ .aliases = "team;me" },
                      EI));
    OK(account_update(acc, "t", SV("v@a.test"), &(struct account_spec){ .aliases = "team" }, EI));
    OK(alias_set(acc, "t", SV("team@a.test"), "Far.Away@Remote.test;gone@a.test;nobody@a.test",
                 EI));
    OK(alias_set(acc, "t", SV("all@b.test"), "team@a.test;first@a.test;me@a.test", EI));
    OK(alias_set(acc, "t", SV("dead@a.test"), "gone@a.test", EI));
    OK(alias_set(acc, "t", SV("nowhere@a.test"), "nobody@a.test", EI));
    IS("u@a.test", "local u@a.test");
    IS("U@A.TEST.", "local u@a.test");
    IS("\"u\"@a.test", "local u@a.test");
    IS("\"\\u\"@a.test", "local u@a.test");
    IS("me@a.test", "local u@a.test");
    IS("team@a.test", "forward u@a.test v@a.test -> Far.Away@Remote.test");
    IS("all@b.test", "forward u@a.test v@a.test first@a.test -> Far.Away@Remote.test");
    IS("gone@a.test", "disabled");
    IS("dead@a.test", "disabled");
    IS("nowhere@a.test", "unknown");
    IS("nobody@a.test", "unknown");
    IS("x@far.test", "remote");
    IS("x@[192.0.2.1]", "remote");
    IS("w@off.test", "disabled");
}

static void subaddress(void **state)
{
    (void)state;
    world();
    OK(alias_set(acc, "t", SV("team@a.test"), "u@a.test;v@a.test", EI));
    IS("u+tag@a.test", "local u@a.test");
    IS("u+a+b@a.test", "local u@a.test");
    IS("u+@a.test", "local u@a.test");
    IS("u+exact@a.test", "local u+exact@a.test");
    IS("team+x@a.test", "local u@a.test v@a.test");
    IS("+u@a.test", "unknown");
    IS("x+u@a.test", "unknown");
    IS("u-tag@a.test", "unknown");
    suite_conf("auth.subaddress_separator=-_");
    IS("u-tag@a.test", "local u@a.test");
    IS("u_tag@a.test", "local u@a.test");
    IS("u+tag@a.test", "unknown");
    suite_conf("auth.subaddress_separator=");
    IS("u-tag@a.test", "unknown");
}

static void row_alias(int id, const char *address, int account_id, const char *target)
{
    char sql[300];
    snprintf(sql, sizeof(sql),
             "INSERT INTO alias (id, address, domain_id, account_id, target)"
             " VALUES (%d, '%s', 1, %d, '%s')",
             id, address, account_id, target);
    suite_sql(sql);
}

static void loops_and_chains(void **state)
{
    (void)state;
    world();
    /* alias_set refuses loops; rows may come from elsewhere. */
    row_alias(9001, "l1@a.test", 0, "l2@a.test");
    row_alias(9002, "l2@a.test", 0, "l1@a.test");
    row_alias(9003, "l2@a.test", 0, "u@a.test");
    row_alias(9004, "junk@a.test", 0, "not an address");
    row_alias(9005, "junk@a.test", 0, "v@a.test");
    row_alias(9006, "ghost@a.test", 777, "");
    IS("l1@a.test", "local u@a.test");
    IS("l2@a.test", "local u@a.test");
    IS("junk@a.test", "local v@a.test");
    IS("ghost@a.test", "unknown");
    for (int i = 0; i < 12; i++) {
        char source[40], target[40];
        snprintf(source, sizeof(source), "c%d@a.test", i);
        snprintf(target, sizeof(target), i ? "c%d@a.test" : "u@a.test", i - 1);
        row_alias(9100 + i, source, 0, target);
    }
    IS("c0@a.test", "local u@a.test");
    IS("c9@a.test", "local u@a.test");
    IS("c11@a.test", "unknown");
}

static void unknown_action(void **state)
{
    (void)state;
    world();
    mk_domain("c.test");
    OK(domain_update(acc, "t", SV("a.test"),
                     &(struct domain_spec){ .unknown = "forward", .unknown_to = "u@a.test" }, EI));
    OK(domain_update(acc, "t", SV("b.test"), &(struct domain_spec){ .unknown = "delete" }, EI));
    OK(domain_update(acc, "t", SV("c.test"),
                     &(struct domain_spec){ .unknown = "forward", .unknown_to = "Box@far.test" },
                     EI));
    IS("whoever@a.test", "local u@a.test");
    IS("gone@a.test", "disabled"); /* a disabled account is not unknown */
    IS("whoever@b.test", "discard");
    IS("whoever@c.test", "forward -> Box@far.test");
    /* Two catch-alls that point at each other. */
    OK(domain_update(acc, "t", SV("c.test"), &(struct domain_spec){ .unknown_to = "x@b.test" },
                     EI));
    OK(domain_update(acc, "t", SV("b.test"),
                     &(struct domain_spec){ .unknown = "forward", .unknown_to = "x@c.test" }, EI));
    IS("whoever@c.test", "unknown");
    OK(domain_update(acc, "t", SV("a.test"), &(struct domain_spec){ .unknown = "reject" }, EI));
    IS("whoever@a.test", "unknown");
}

static void postmaster(void **state)
{
    (void)state;
    IS("postmaster", "unknown"); /* no domain at all */
    world();
    IS("postmaster", "local first@a.test");
    IS("PostMaster@a.test", "local first@a.test");
    IS("postmaster@b.test", "local first@a.test"); /* nobody there: the primary domain's */
    OK(account_update(acc, "t", SV("first@a.test"), &(struct account_spec){ .enabled = "no" }, EI));
    IS("postmaster@a.test", "local u@a.test");
    OK(alias_set(acc, "t", SV("postmaster@a.test"), "v@a.test", EI));
    IS("postmaster", "local v@a.test");
    mk_account("postmaster@b.test", NULL);
    IS("postmaster@b.test", "local postmaster@b.test");
    BAD(E_PARSE, "has no domain",
        account_resolve(acc, SV("abuse"), &(struct resolved){ .n = 0 }, EI));
}

static void bad_addresses(void **state)
{
    (void)state;
    static const char *const bad[] = { "",           "@",          "@a.test",       "u@",
                                       "u v@a.test", "\"u@a.test", "\"u\"x@a.test", "u@a..test",
                                       "u@a,test",   "<u@a.test>", "u@a\x01.test",  "u@\xff.test" };
    struct resolved r;
    world();
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(account_resolve(acc, sv_c(bad[i]), &r, EI), E_PARSE);
    char longer[600];
    memset(longer, 'x', sizeof(longer));
    assert_int_equal(account_resolve(acc, sv_n(longer, sizeof(longer)), &r, EI), E_PARSE);
    longer[1] = '@';
    assert_int_equal(account_resolve(acc, sv_n(longer, sizeof(longer)), &r, EI), E_PARSE);
    assert_int_equal(account_resolve(acc, sv_n("u\0v@a.test", 10), &r, EI), E_PARSE);
    assert_int_equal(account_resolve(acc, sv_n("u@a.test\0x", 10), &r, EI), E_PARSE);
}

static void owning(void **state)
{
    (void)state;
    world();
    const struct account *u, *first;
    OK(account_update(acc, "t", SV("u@a.test"), &(struct account_spec){ .aliases = "me" }, EI));
    OK(alias_set(acc, "t", SV("chain@b.test"), "me@a.test;x@far.test", EI));
    OK(domain_update(acc, "t", SV("b.test"),
                     &(struct domain_spec){ .unknown = "forward", .unknown_to = "u@a.test" }, EI));
    OK(account_find_address(acc, SV("u@a.test"), &u, EI));
    OK(account_find_address(acc, SV("first@a.test"), &first, EI));
    assert_true(account_owns_address(acc, u, SV("U@a.test")));
    assert_true(account_owns_address(acc, u, SV("u+x@a.test")));
    assert_true(account_owns_address(acc, u, SV("me@a.test")));
    assert_true(account_owns_address(acc, u, SV("chain@b.test")));
    assert_false(account_owns_address(acc, u, SV("any@b.test")));
    assert_false(account_owns_address(acc, u, SV("v@a.test")));
    assert_false(account_owns_address(acc, u, SV("x@far.test")));
    assert_false(account_owns_address(acc, u, SV("u")));
    assert_false(account_owns_address(acc, first, SV("postmaster@a.test")));
    account_unref(u);
    account_unref(first);
}

/* Another process changes the database and bumps the epoch: here a second handle. */
static void other_handle(void **state)
{
    (void)state;
    world();
    struct accounts *other;
    OK(accounts_open(suite_db, &other, EI));
    IS("new@a.test", "unknown");
    IS("u@a.test", "local u@a.test");
    suite_sql("UPDATE account SET enabled = 0 WHERE address = 'u@a.test'");
    IS("u@a.test", "local u@a.test"); /* nobody said so */
    OK(account_create(other, "t", SV("new@a.test"), NULL, EI));
    IS("new@a.test", "local new@a.test");
    IS("u@a.test", "disabled");
    accounts_close(other);
}

static void flood(void **state)
{
    (void)state;
    world();
    IS("u@a.test", "local u@a.test");
    OK(domain_update(acc, "t", SV("b.test"), &(struct domain_spec){ .unknown = "delete" }, EI));
    for (int i = 0; i < 30000; i++) {
        char address[64];
        struct resolved r;
        snprintf(address, sizeof(address),
                 i % 3 == 0   ? "r%d@a.test"
                 : i % 3 == 1 ? "u+%d@a.test"
                              : "r%d@b.test",
                 i);
        OK(account_resolve(acc, sv_c(address), &r, EI));
        resolved_done(&r);
    }
    size_t missing = cache_count(acc->missing);
    assert_true(missing <= 65536 / 4);
    assert_true(cache_count(acc->found) < 100);
    /* What exists is still cached: no database needed. */
    suite_sql("UPDATE account SET enabled = 0 WHERE address = 'u@a.test'");
    assert_string_equal(resolve("u@a.test"), "local u@a.test");
}

/* A result outlives what it came from. */
static void counted(void **state)
{
    (void)state;
    world();
    struct resolved r;
    OK(account_resolve(acc, SV("u@a.test"), &r, EI));
    OK(account_delete(acc, "t", SV("u@a.test"), EI));
    IS("u@a.test", "unknown");
    accounts_close(acc);
    assert_string_equal(r.accounts[0]->address, "u@a.test");
    resolved_done(&r);
    OK(accounts_open(suite_db, &acc, EI));
}

static void items(void **state)
{
    (void)state;
    static const struct {
        const char *item, *address;
        bool fits;
    } rows[] = {
        { "a", "a1@domain.test", true },
        { "@domain.test", "a2@domain.test", true },
        { "b@", "xb@any.test", true },
        { "b@", "b1@any.test", false },
        { "sales-*@a.test", "sales-x@a.test", true },
        { "sales-*@a.test", "sales@a.test", false },
        { "sales-*@a.test", "sales-x@b.test", false },
        { "?@a.test", "x@a.test", true },
        { "?@a.test", "xy@a.test", false },
        { "*", "x@a.test", true },
        { "*a*b*", "xaxbx@c.test", true },
        { "*a*b", "xaxbx@c.test", false },
        { "", "x@a.test", false },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (pattern_item_fits(sv_c(rows[i].item), sv_c(rows[i].address)) != rows[i].fits)
            fail_msg("'%s' and '%s'", rows[i].item, rows[i].address);
    static const char *const no[] = { "", "[]", "[a", "a]", "[a b]", "[a]b", "[a@b]" };
    for (size_t i = 0; i < ARRAY_LEN(no); i++)
        assert_false(pattern_is_name(sv_c(no[i])));
    assert_true(pattern_is_name(SV("[Sales-1.x_]")));
}

static void patterns(void **state)
{
    (void)state;
    struct errinfo why;
    world();
    OK(domain_update(acc, "t", SV("a.test"),
                     &(struct domain_spec){ .unknown = "forward", .unknown_to = "first@a.test" },
                     EI));
    IS("sales-1@a.test", "local first@a.test");
    OK(pattern_set(acc, "t", SV("Sales"), "sales-*@a.test\n u@a.test ;Offers", EI));
    OK(pattern_set(acc, "t", SV("[All]"), "[sales];x@", EI));
    OK(alias_set(acc, "t", SV("[SALES]@a.test"), "v@a.test;y@far.test", EI));
    OK(account_update(acc, "t", SV("u@a.test"), &(struct account_spec){ .aliases = "[all];me" },
                      EI));
    /* At once; both patterns fit; what somebody has, and other domains, are not theirs. */
    IS("Sales-1@a.test", "forward u@a.test v@a.test -> y@far.test");
    IS("myoffers@a.test", "forward u@a.test v@a.test -> y@far.test");
    IS("x@a.test", "local u@a.test");
    IS("u@a.test", "local u@a.test");
    IS("u+offers@a.test", "local u@a.test");
    IS("other@a.test", "local first@a.test");
    IS("offers@b.test", "unknown");
    IS("[sales]@a.test", "local first@a.test"); /* as any unknown address */
    const struct account *u = NULL;
    OK(account_find_address(acc, SV("u@a.test"), &u, EI));
    assert_true(account_owns_address(acc, u, SV("x@a.test")));
    account_unref(u);
    OK(pattern_set(acc, "t", SV("sales"), "other", EI));
    IS("other@a.test", "forward u@a.test v@a.test -> y@far.test");
    IS("sales-1@a.test", "local first@a.test");
    /* What cannot be. */
    static const struct {
        const char *name, *items;
        int error;
    } bad[] = {
        { "sales", "[all]", E_CONFLICT }, { "sales", "[sales]", E_CONFLICT },
        { "x", "[none]", E_NOTFOUND },    { "x", " ;\n", E_PARSE },
        { "x", "a b@c.test", E_PARSE },   { "x", "[a b]", E_PARSE },
        { "x y", "a", E_PARSE },          { "", "a", E_PARSE },
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(pattern_set(acc, "t", sv_c(bad[i].name), bad[i].items, &why),
                         bad[i].error);
    assert_int_equal(alias_set(acc, "t", SV("[none]@a.test"), "v@a.test", &why), E_NOTFOUND);
    assert_int_equal(alias_set(acc, "t", SV("[sales@a.test"), "v@a.test", &why), E_PARSE);
    assert_int_equal(pattern_delete(acc, "t", SV("sales"), &why), E_CONFLICT);
    assert_int_equal(pattern_delete(acc, "t", SV("none"), &why), E_NOTFOUND);
    OK(alias_delete(acc, "t", SV("[sales]@a.test"), EI));
    assert_int_equal(pattern_delete(acc, "t", SV("sales"), &why), E_CONFLICT); /* [all] has it */
    OK(account_update(acc, "t", SV("u@a.test"), &(struct account_spec){ .aliases = "" }, EI));
    OK(pattern_delete(acc, "t", SV("[ALL]"), EI));
    OK(pattern_delete(acc, "t", SV("sales"), EI));
    IS("other@a.test", "local first@a.test");
}

static const char *forwards_to(const char *account)
{
    static char text[200];
    const struct account *a = NULL;
    OK(account_find_address(acc, sv_c(account), &a, EI));
    snprintf(text, sizeof(text), "%s", account_recipients(a, OPT_FORWARD_TO));
    account_unref(a);
    return text;
}

static int set_forward(const char *account, const char *to, struct errinfo *ei)
{
    struct account_spec s = { .option = { [OPT_FORWARD_TO] = to } };
    return account_update(acc, "t", sv_c(account), &s, ei);
}

#define REFUSED(want, call)                                                                        \
    do {                                                                                           \
        assert_true((call) < 0);                                                                   \
        assert_string_equal(why.text, want);                                                       \
    } while (0)

/* Where mail goes: what is an address of the items, of patterns in patterns too. */
static void recipients(void **state)
{
    (void)state;
    struct errinfo why = { 0 };
    world();
    OK(pattern_set(acc, "t", SV("inner"), "V@a.test;*@b.test;info;10.0.0.0/8", EI));
    OK(pattern_set(acc, "t", SV("team"), "[inner];y@far.test;v@a.test", EI));
    OK(set_forward("u@a.test", "z@far.test;[Team];Y@far.test", EI));
    assert_string_equal(forwards_to("u@a.test"), "z@far.test;v@a.test;y@far.test");
    const struct account *u = NULL;
    OK(account_find_address(acc, SV("u@a.test"), &u, EI));
    assert_string_equal(account_option(u, OPT_FORWARD_TO), "z@far.test;[team];Y@far.test");
    account_unref(u);
    OK(pattern_set(acc, "t", SV("inner"), "first@a.test", EI));
    assert_string_equal(forwards_to("u@a.test"), "z@far.test;first@a.test;y@far.test;v@a.test");
    REFUSED("pattern '[inner]': forward_to of u@a.test: pattern '[team]' has the account itself, "
            "u@a.test: its mail would go round; use a pattern without it",
            pattern_set(acc, "t", SV("inner"), "x@far.test;U@a.test", &why));
    REFUSED("forward_to: pattern '[team]' has the account itself, first@a.test: its mail would go "
            "round; use a pattern without it",
            set_forward("first@a.test", "[team]", &why));
    REFUSED("pattern '[team]': forward_to of u@a.test: pattern '[team]' has no whole address to "
            "send to; add one, such as user@example.org, to its items",
            pattern_set(acc, "t", SV("team"), "@far.test", &why));
    REFUSED("forward_to: pattern '[none]' does not exist; create it first",
            set_forward("u@a.test", "[none]", &why));
    REFUSED("pattern '[team]': is used by 'forward_to of u@a.test'; take it out there first",
            pattern_delete(acc, "t", SV("team"), &why));
    assert_string_equal(forwards_to("u@a.test"), "z@far.test;first@a.test;y@far.test;v@a.test");
}

/* A setting that names a pattern, and what a change of it may not do. */
static void in_settings(void **state)
{
    (void)state;
    struct errinfo why = { 0 };
    struct conf *c = NULL;
    world();
    REFUSED("net.trusted_ips: '[near]': pattern '[near]' does not exist; create it first, with IP "
            "addresses among its items",
            settings_set(suite_db, "t", SV("net.trusted_ips"), SV("[near]"), &why));
    OK(pattern_set(acc, "t", SV("near"), "a@b.test;10.0.0.0/8", EI));
    OK(settings_set(suite_db, "t", SV("net.trusted_ips"), SV("[Near]"), EI));
    uint64_t before = epoch_get(EPOCH_SETTINGS);
    OK(pattern_set(acc, "t", SV("near"), "a@b.test;::1", EI));
    assert_true(epoch_get(EPOCH_SETTINGS) > before);
    OK(settings_load(suite_db, &c, EI));
    assert_string_equal(c->net.trusted_ips, "::1");
    conf_unref(c);
    REFUSED("pattern '[near]': net.trusted_ips: '[Near]': pattern '[Near]' has no IP address and "
            "no network; add one to its items",
            pattern_set(acc, "t", SV("near"), "a@b.test", &why));
    REFUSED("pattern '[near]': is used by 'setting net.trusted_ips'; take it out there first",
            pattern_delete(acc, "t", SV("near"), &why));
    OK(settings_reset(suite_db, "t", SV("net.trusted_ips"), EI));
    OK(pattern_delete(acc, "t", SV("near"), EI));
}

/* As many items as there may be, one more, and their order. */
static void many_items(void **state)
{
    (void)state;
    struct errinfo why;
    struct buf b;
    world();
    buf_init(&b, 1 * MiB);
    for (int i = 0; i < PATTERN_ITEMS_MAX; i++)
        OK(buf_addf(&b, "n%d@a.test\n", i));
    OK(buf_terminate(&b));
    OK(pattern_set(acc, "t", SV("many"), b.p, EI));
    OK(alias_set(acc, "t", SV("[many]@a.test"), "v@a.test", EI));
    IS("n0@a.test", "local v@a.test");
    IS("n9999@a.test", "local v@a.test");
    IS("m@a.test", "unknown");
    OK(buf_addf(&b, "one-more"));
    OK(buf_terminate(&b));
    assert_int_equal(pattern_set(acc, "t", SV("many"), b.p, &why), E_RANGE);
    buf_done(&b);
}

static const struct CMUnitTest tests[] = {
    SUITE_TEST(items),          SUITE_TEST(patterns),
    SUITE_TEST(many_items),     SUITE_TEST(recipients),
    SUITE_TEST(in_settings),    SUITE_TEST(exact_and_alias),
    SUITE_TEST(subaddress),     SUITE_TEST(loops_and_chains),
    SUITE_TEST(unknown_action), SUITE_TEST(postmaster),
    SUITE_TEST(bad_addresses),  SUITE_TEST(owning),
    SUITE_TEST(other_handle),   SUITE_TEST(flood),
    SUITE_TEST(counted),
};
SUITE_MAIN("resolve")
