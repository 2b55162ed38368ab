/* Routes of outgoing mail, on each database: order, checks, what is audited, what is found. */
#include "account_suite.h"

#include "conf/routes.h"
#include "mail/account/route_store.h"
#include "mail/account/settings_store.h"

static struct route_spec relay(const char *host)
{
    return (struct route_spec){ .host = host };
}

static void create(const char *pattern, struct route_spec s)
{
    OK(route_create(acc, "r@a.test", sv_c(pattern), &s, EI));
}

/* "pattern=host;..." in order */
static const char *all(void)
{
    static char text[1000];
    struct conf_routes *l = NULL;
    size_t n = 0;
    text[0] = '\0';
    OK(routes_read(suite_db, &l, EI));
    for (size_t i = 0; i < l->n; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s=%s;", l->v[i].pattern, l->v[i].host);
    conf_routes_free(l);
    return text;
}

static void order(void **state)
{
    (void)state;
    create("*", relay("last"));
    create("*.b.test", relay("second"));
    create("B.Test", (struct route_spec){ .host = "first:587", .position = "1" });
    assert_string_equal(all(), "b.test=first:587;*=last;*.b.test=second;");
    OK(route_update(acc, "r", SV("*"), &(struct route_spec){ .position = "9" }, EI));
    assert_string_equal(all(), "b.test=first:587;*.b.test=second;*=last;");
    OK(route_update(acc, "r", SV("*"), &(struct route_spec){ .position = "2" }, EI));
    assert_string_equal(all(), "b.test=first:587;*=last;*.b.test=second;");
    OK(route_delete(acc, "r", SV("b.test"), EI));
    assert_string_equal(all(), "*=last;*.b.test=second;");
    assert_int_equal(suite_number("SELECT place FROM mail_route WHERE pattern = '*.b.test'"), 2);
    BAD(E_NOTFOUND, "does not exist", route_delete(acc, "r", SV("b.test"), EI));
    BAD(E_NOTFOUND, "does not exist",
        route_update(acc, "r", SV("b.test"), &(struct route_spec){ .host = "" }, EI));
    BAD(E_EXISTS, "exists already",
        route_create(acc, "r", SV("*"), &(struct route_spec){ .host = "" }, EI));
}

static void refused(int code, const char *part, struct route_spec s)
{
    BAD(code, part, route_create(acc, "r", SV("x.test"), &s, EI));
    assert_string_equal(all(), "");
}

static void checks(void **state)
{
    (void)state;
    static const char *const patterns[] = {
        "", "*x", "a b", "*.*", "[127.0.0.1]", "-a.test", "a..b"
    };
    for (size_t i = 0; i < ARRAY_LEN(patterns); i++)
        BAD(E_PARSE, "is not a domain, *.domain",
            route_create(acc, "r", sv_c(patterns[i]), &(struct route_spec){ .host = "" }, EI));
    refused(E_PARSE, "host: 'a:0' is not valid", relay("a:0"));
    refused(E_PARSE, "host: 'a b' is not valid", relay("a b"));
    refused(E_PARSE, "tls: 'maybe' is not a choice; allowed: default, never, may",
            (struct route_spec){ .tls = "maybe" });
    refused(E_PARSE, "family: 'ipv5' is not", (struct route_spec){ .family = "ipv5" });
    refused(E_PARSE, "source_ip: 'here' is not", (struct route_spec){ .source_ip = "here" });
    refused(E_PARSE, "position: '0' is not", (struct route_spec){ .position = "0" });
    refused(E_CONFLICT, "give its host", (struct route_spec){ .user = "u", .password = "p" });
    refused(E_CONFLICT, "password: is missing", (struct route_spec){ .host = "h", .user = "u" });
    refused(E_CONFLICT, "user: is missing", (struct route_spec){ .host = "h", .password = "p" });
    refused(E_PARSE, "user: control", (struct route_spec){ .user = "a\nb" });
    refused(E_CONFLICT, "does not go with family ipv6-only",
            (struct route_spec){ .source_ip = "127.0.0.1", .family = "ipv6-only" });
    create("B\xc3\xbc"
           "cher.test",
           relay("[::1]:26"));
    assert_string_equal(all(), "xn--bcher-kva.test=[::1]:26;");
}

static void secrets(void **state)
{
    (void)state;
    create("a.test", (struct route_spec){ .host = "h", .user = "u", .password = " secret1 " });
    OK(route_update(acc, "r", SV("a.test"), &(struct route_spec){ .password = "secret2" }, EI));
    OK(route_update(acc, "r", SV("a.test"), &(struct route_spec){ .tls = "VERIFY" }, EI));
    assert_int_equal(suite_number("SELECT COUNT(*) FROM audit WHERE object = 'route a.test'"
                                  " AND field = 'password' AND new_value = '(changed)'"),
                     2);
    assert_int_equal(suite_number("SELECT COUNT(*) FROM audit WHERE old_value LIKE '%secret%'"
                                  " OR new_value LIKE '%secret%'"),
                     0);
    assert_int_equal(suite_number("SELECT COUNT(*) FROM audit WHERE field = 'tls'"
                                  " AND old_value = 'default' AND new_value = 'verify'"),
                     1);
    /* The login goes as a whole. */
    BAD(E_CONFLICT, "password: is missing",
        route_update(acc, "r", SV("a.test"), &(struct route_spec){ .password = "" }, EI));
    OK(route_update(acc, "r", SV("a.test"), &(struct route_spec){ .user = "", .password = "" },
                    EI));
}

static const char *host_of(const struct conf *c, const char *domain)
{
    const struct conf_route *r = conf_route_find(c, sv_c(domain));
    return r ? r->host : "none";
}

static void found(void **state)
{
    (void)state;
    struct conf *c = NULL;
    OK(settings_load(suite_db, &c, EI));
    assert_string_equal(host_of(c, "a.test"), "none");
    conf_unref(c);
    create("a.test", relay("one"));
    create("*.a.test", relay("two"));
    create("b.test", relay(""));
    create("*.test", relay("three"));
    OK(settings_load(suite_db, &c, EI));
    assert_string_equal(host_of(c, "A.test"), "one");
    assert_string_equal(host_of(c, "x.a.test"), "two");
    assert_string_equal(host_of(c, "y.x.a.TEST"), "two");
    assert_string_equal(host_of(c, "xa.test"), "three");
    assert_string_equal(host_of(c, "b.test"), "");
    assert_string_equal(host_of(c, "test"), "none");
    assert_string_equal(host_of(c, ""), "none");
    conf_unref(c);
}

static int make_backup(const char *name, const char *host)
{
    return domain_create(
        acc, "r", &(struct domain_spec){ .name = name, .type = "backup", .backup_host = host }, EI);
}

static void backup_domains(void **state)
{
    (void)state;
    struct conf *c = NULL;
    struct resolved to;
    OK(domain_create(acc, "r", &(struct domain_spec){ .name = "home.test" }, EI));
    create("*", relay("all"));
    uint64_t before = epoch_get(EPOCH_SETTINGS);
    OK(make_backup("old.test", "primary.test:26"));
    assert_true(epoch_get(EPOCH_SETTINGS) > before);
    OK(make_backup("another.test", ""));
    BAD(E_PARSE, "backup_host: 'a b' is not valid", make_backup("third.test", "a b"));
    OK(settings_load(suite_db, &c, EI));
    assert_string_equal(host_of(c, "Old.Test"), "primary.test:26");
    assert_string_equal(host_of(c, "another.test"), "all");
    assert_string_equal(host_of(c, "sub.old.test"), "all");
    assert_non_null(conf_backup_find(c, SV("another.TEST")));
    assert_null(conf_backup_find(c, SV("home.test")));
    conf_unref(c);

    assert_false(account_domain_is_local(acc, SV("old.test")));
    assert_true(account_domain_is_backup(acc, SV("old.test")));
    assert_false(account_domain_is_backup(acc, SV("home.test")));
    OK(account_resolve(acc, SV("anybody@old.test"), &to, EI));
    assert_true(to.kind == RESOLVE_REMOTE && to.backup);
    resolved_done(&to);
    OK(account_resolve(acc, SV("anybody@far.test"), &to, EI));
    assert_true(to.kind == RESOLVE_REMOTE && !to.backup);
    resolved_done(&to);

    BAD(E_CONFLICT, "backup domain",
        account_create(acc, "r", SV("a@old.test"), &(struct account_spec){ 0 }, EI));
    BAD(E_CONFLICT, "backup domain", alias_set(acc, "r", SV("a@old.test"), "b@far.test", EI));
    BAD(E_CONFLICT, "primary",
        domain_update(acc, "r", SV("old.test"), &(struct domain_spec){ .primary = "yes" }, EI));
    OK(account_create(acc, "r", SV("a@home.test"), &(struct account_spec){ 0 }, EI));
    OK(domain_update(acc, "r", SV("old.test"),
                     &(struct domain_spec){ .type = "local", .backup_host = "" }, EI));
    OK(domain_update(acc, "r", SV("old.test"), &(struct domain_spec){ .primary = "yes" }, EI));
    BAD(E_CONFLICT, "has accounts or aliases",
        domain_update(acc, "r", SV("home.test"), &(struct domain_spec){ .type = "backup" }, EI));
    BAD(E_CONFLICT, "backup_host: is for domains of type backup",
        domain_update(acc, "r", SV("home.test"), &(struct domain_spec){ .backup_host = "x" }, EI));
    before = epoch_get(EPOCH_SETTINGS);
    OK(domain_update(acc, "r", SV("another.test"), &(struct domain_spec){ .enabled = "no" }, EI));
    assert_true(epoch_get(EPOCH_SETTINGS) > before);
    OK(account_resolve(acc, SV("anybody@another.test"), &to, EI));
    assert_int_equal(to.kind, RESOLVE_DISABLED);
    resolved_done(&to);
    OK(settings_load(suite_db, &c, EI));
    assert_null(conf_backup_find(c, SV("another.test")));
    conf_unref(c);
}

static void fetched_as(int64_t account_id, const char *want)
{
    struct buf b;
    buf_init(&b, 1 * KiB);
    OK(account_fetches(acc, account_id, &b, EI));
    assert_true(sv_eq(buf_sv(&b), sv_c(want)));
    buf_done(&b);
}

static void fetched_domains(void **state)
{
    (void)state;
    const struct account *a;
    struct conf *c = NULL;
    OK(domain_create(acc, "r", &(struct domain_spec){ .name = "home.test" }, EI));
    OK(account_create(acc, "r", SV("a@home.test"), &(struct account_spec){ 0 }, EI));
    OK(account_find_address(acc, SV("a@home.test"), &a, EI));
    struct domain_spec s = { .name = "z.test", .type = "backup", .fetched_by = "A@home.test" };
    OK(domain_create(acc, "r", &s, EI));
    s.name = "b.test";
    OK(domain_create(acc, "r", &s, EI));
    s.name = "off.test";
    s.enabled = "no";
    OK(domain_create(acc, "r", &s, EI));
    OK(make_backup("nobodys.test", ""));
    fetched_as(a->id, "b.test,z.test");
    fetched_as(a->id + 1, "");
    OK(settings_load(suite_db, &c, EI));
    assert_true(conf_backup_find(c, SV("z.test"))->fetched);
    assert_false(conf_backup_find(c, SV("nobodys.test"))->fetched);
    conf_unref(c);
    BAD(E_NOTFOUND, "fetched_by: account 'b@home.test' does not exist",
        domain_update(acc, "r", SV("z.test"), &(struct domain_spec){ .fetched_by = "b@home.test" },
                      EI));
    BAD(E_CONFLICT, "fetched_by: is for domains of type backup",
        domain_update(acc, "r", SV("z.test"), &(struct domain_spec){ .type = "local" }, EI));
    uint64_t before = epoch_get(EPOCH_SETTINGS);
    OK(domain_update(acc, "r", SV("z.test"), &(struct domain_spec){ .fetched_by = "" }, EI));
    assert_true(epoch_get(EPOCH_SETTINGS) > before);
    fetched_as(a->id, "b.test");
    /* It goes with the account; the domain stays. */
    int64_t id = a->id;
    account_unref(a);
    before = epoch_get(EPOCH_SETTINGS);
    OK(account_delete(acc, "r", SV("a@home.test"), EI));
    assert_true(epoch_get(EPOCH_SETTINGS) > before);
    fetched_as(id, "");
    assert_true(account_domain_is_backup(acc, SV("b.test")));
}

static void noted(void *arg, const char *object, const char *field, const char *old_value,
                  const char *new_value)
{
    (void)object, (void)old_value, (void)new_value;
    *(unsigned *)arg += strcmp(field, "host") == 0;
}

static void epochs_and_dry_runs(void **state)
{
    (void)state;
    unsigned n = 0;
    create("a.test", relay("one"));
    uint64_t before = epoch_get(EPOCH_SETTINGS);
    account_set_dry_run(&(struct dry_run){ noted, &n });
    OK(route_update(acc, "r", SV("a.test"), &(struct route_spec){ .host = "two" }, EI));
    account_set_dry_run(NULL);
    assert_int_equal(n, 1);
    assert_string_equal(all(), "a.test=one;");
    assert_true(epoch_get(EPOCH_SETTINGS) == before);
    OK(route_update(acc, "r", SV("a.test"), &(struct route_spec){ .host = "two" }, EI));
    assert_true(epoch_get(EPOCH_SETTINGS) > before);
}

static const struct CMUnitTest tests[] = {
    SUITE_TEST(order),
    SUITE_TEST(checks),
    SUITE_TEST(secrets),
    SUITE_TEST(found),
    SUITE_TEST(backup_domains),
    SUITE_TEST(fetched_domains),
    SUITE_TEST(epochs_and_dry_runs),
};
SUITE_MAIN("routes")
