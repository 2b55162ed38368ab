/* Domains, accounts and aliases: create, change, delete, list; every refusal; audit and maintenance
 * log. */
#include "account_suite.h"
#include "base/buf.h"
#include "mail/account/audit.h"

struct collected {
    char text[8192];
    size_t n;
};

static bool add_domain(const struct domain *d, void *arg)
{
    struct collected *c = arg;
    c->n += (size_t)snprintf(c->text + c->n, sizeof(c->text) - c->n,
                             "%s%s%s %d %s %" PRId64 " %" PRId64 "\n", d->name,
                             d->enabled ? "" : " off", d->primary ? " primary" : "", d->unknown,
                             d->unknown_to, d->quota_bytes, d->max_message_bytes);
    return true;
}

static bool add_account(const struct account *a, void *arg)
{
    struct collected *c = arg;
    c->n += (size_t)snprintf(c->text + c->n, sizeof(c->text) - c->n,
                             "%s|%s|%s|%s|%d|%d|%" PRId64 "|%" PRId64 "|%" PRId64 "\n", a->address,
                             a->local, a->domain, a->name, a->enabled, a->local_only,
                             a->quota_bytes, a->soft_quota_bytes, a->max_message_bytes);
    return true;
}

static bool add_audit(const struct audit_row *r, void *arg)
{
    struct collected *c = arg;
    c->n += (size_t)snprintf(c->text + c->n, sizeof(c->text) - c->n, "%s: %s %s: %s -> %s\n",
                             r->admin, r->object, r->field, r->old_value ? r->old_value : "-",
                             r->new_value ? r->new_value : "-");
    return true;
}

static bool add_alias(const char *address, const char *targets, void *arg)
{
    struct collected *c = arg;
    c->n += (size_t)snprintf(c->text + c->n, sizeof(c->text) - c->n, "%s=%s\n", address, targets);
    return true;
}

static void assert_audit(size_t limit, const char *want)
{
    struct collected c = { .n = 0 };
    OK(audit_each(suite_db, limit, add_audit, &c, EI));
    assert_string_equal(c.text, want);
}

static void domains(void **state)
{
    (void)state;
    struct collected c = { .n = 0 };
    mk_domain("Example.ORG");
    mk_domain("bücher.example.");
    OK(domain_create(acc, "root",
                     &(struct domain_spec){ .name = "big.test",
                                            .enabled = "no",
                                            .quota = "2GiB",
                                            .max_message = "10MB",
                                            .unknown = "delete" },
                     EI));
    OK(domain_each(acc, add_domain, &c, EI));
    assert_string_equal(c.text, "big.test off 2  2147483648 10000000\n"
                                "example.org primary 0  0 0\n"
                                "xn--bcher-kva.example 0  0 0\n");
    assert_true(account_domain_is_local(acc, SV("example.org")));
    assert_true(account_domain_is_local(acc, SV("EXAMPLE.org.")));
    assert_true(account_domain_is_local(acc, SV("B\xc3\x9c"
                                                "CHER.example")));
    assert_true(account_domain_is_local(acc, SV("xn--bcher-kva.example")));
    assert_false(account_domain_is_local(acc, SV("big.test")));
    assert_false(account_domain_is_local(acc, SV("other.test")));
    OK(domain_update(acc, "root", SV("big.test"),
                     &(struct domain_spec){ .enabled = "yes", .primary = "yes" }, EI));
    assert_true(account_domain_is_local(acc, SV("big.test")));
    c = (struct collected){ .n = 0 };
    OK(domain_each(acc, add_domain, &c, EI));
    assert_non_null(strstr(c.text, "big.test primary 2"));
    assert_non_null(strstr(c.text, "example.org 0"));
    assert_audit(3, "root: domain big.test primary: no -> yes\n"
                    "root: domain big.test enabled: no -> yes\n"
                    "root: domain example.org primary: yes -> no\n");
    OK(domain_delete(acc, "root", SV("example.org"), false, REFERENCES_REFUSE, EI));
    assert_false(account_domain_is_local(acc, SV("example.org")));
}

static void bad_domains(void **state)
{
    (void)state;
    static const char *const names[] = { "",         "-a.test",  "a-.test",  "a..test",
                                         "a b.test", ".test",    "a_b.test", "[1.2.3.4]",
                                         "1.2.3.4",  "a@b.test", "x\x01y" };
    mk_domain("a.test");
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        int r = domain_create(acc, "t", &(struct domain_spec){ .name = names[i] }, EI);
        if (r != E_PARSE && r != E_RANGE)
            fail_msg("domain '%s' was not refused: %d", names[i], r);
    }
    char label[80];
    memset(label, 'a', 64);
    snprintf(label + 64, 10, ".test");
    BAD(E_PARSE, "label", domain_create(acc, "t", &(struct domain_spec){ .name = label }, EI));
    BAD(E_EXISTS, "'a.test' exists already",
        domain_create(acc, "t", &(struct domain_spec){ .name = "A.test" }, EI));
    BAD(E_NOTFOUND, "'nix.test' does not exist",
        domain_update(acc, "t", SV("nix.test"), &(struct domain_spec){ .enabled = "no" }, EI));
    BAD(E_NOTFOUND, "does not exist",
        domain_delete(acc, "t", SV("nix.test"), false, REFERENCES_REFUSE, EI));
    BAD(E_PARSE, "enabled: 'maybe'",
        domain_update(acc, "t", SV("a.test"), &(struct domain_spec){ .enabled = "maybe" }, EI));
    BAD(E_PARSE, "unknown: 'bounce'",
        domain_update(acc, "t", SV("a.test"), &(struct domain_spec){ .unknown = "bounce" }, EI));
    BAD(E_PARSE, "needs an address",
        domain_update(acc, "t", SV("a.test"), &(struct domain_spec){ .unknown = "forward" }, EI));
    BAD(E_NOTFOUND, "'who@a.test' does not exist",
        domain_update(acc, "t", SV("a.test"),
                      &(struct domain_spec){ .unknown = "forward", .unknown_to = "who@a.test" },
                      EI));
    BAD(E_PARSE, "quota: '5 apples'",
        domain_update(acc, "t", SV("a.test"), &(struct domain_spec){ .quota = "5 apples" }, EI));
    BAD(E_RANGE, "too large",
        domain_update(acc, "t", SV("a.test"), &(struct domain_spec){ .quota = "9999999TiB" }, EI));
    BAD(E_PARSE, "not a size",
        domain_update(acc, "t", SV("a.test"), &(struct domain_spec){ .max_message = "-1" }, EI));
    BAD(E_CONFLICT, "make another domain primary",
        domain_update(acc, "t", SV("a.test"), &(struct domain_spec){ .primary = "no" }, EI));
    BAD(E_UNSUPPORTED, "cannot be renamed",
        domain_update(acc, "t", SV("a.test"), &(struct domain_spec){ .name = "b.test" }, EI));
    mk_domain("b.test");
    BAD(E_CONFLICT, "primary", domain_delete(acc, "t", SV("a.test"), false, REFERENCES_REFUSE, EI));
    mk_account("u@b.test", "{PLAIN}secret");
    BAD(E_CONFLICT, "has 1 accounts",
        domain_delete(acc, "t", SV("b.test"), false, REFERENCES_REFUSE, EI));
    OK(domain_delete(acc, "t", SV("b.test"), true, REFERENCES_REFUSE, EI));
    assert_int_equal(suite_number("SELECT COUNT(*) FROM account"), 0);
    assert_int_equal(suite_number("SELECT COUNT(*) FROM password"), 0);
    OK(domain_delete(acc, "t", SV("a.test"), false, REFERENCES_REFUSE,
                     EI)); /* the last one may go */
}

static bool keep_limits(const struct domain *d, void *arg)
{
    memcpy(arg, d->limit, sizeof(d->limit));
    return true;
}

static void domain_send_limits(void **state)
{
    (void)state;
    int64_t found[DOMAIN_LIMITS] = { 0 };
    const struct account *a;
    OK(domain_create(acc, "root",
                     &(struct domain_spec){ .name = "a.test",
                                            .limit = { [DOMAIN_MAX_MESSAGES_HOUR] = "20",
                                                       [DOMAIN_TOTAL_RECIPIENTS_DAY] = " 900 " } },
                     EI));
    assert_audit(2, "root: domain a.test total_recipients_day: 0 -> 900\n"
                    "root: domain a.test max_messages_hour: 0 -> 20\n");
    mk_account("u@a.test", NULL);
    OK(account_find_address(acc, SV("u@a.test"), &a, EI));
    assert_int_equal(a->domain_limit[DOMAIN_MAX_MESSAGES_HOUR], 20);
    assert_int_equal(a->domain_limit[DOMAIN_MAX_MESSAGES_DAY], 0);
    assert_int_equal(a->domain_limit[DOMAIN_TOTAL_RECIPIENTS_DAY], 900);
    account_unref(a);
    for (size_t i = 0; i < DOMAIN_LIMITS; i++) {
        struct domain_spec s = { .name = NULL };
        char text[24];
        snprintf(text, sizeof(text), "%zu", 100 + i);
        s.limit[i] = text;
        OK(domain_update(acc, "root", SV("a.test"), &s, EI));
    }
    OK(domain_each(acc, keep_limits, found, EI));
    OK(account_find_address(acc, SV("u@a.test"), &a, EI));
    for (size_t i = 0; i < DOMAIN_LIMITS; i++) {
        assert_int_equal(found[i], 100 + i);
        assert_int_equal(a->domain_limit[i], 100 + i);
    }
    account_unref(a);
    BAD(E_RANGE, "total_messages_day: 'many' is no number from 0 to 1000000000",
        domain_update(acc, "t", SV("a.test"),
                      &(struct domain_spec){ .limit = { [DOMAIN_TOTAL_MESSAGES_DAY] = "many" } },
                      EI));
    BAD(E_RANGE, "max_recipients_hour: '-1' is no number",
        domain_update(acc, "t", SV("a.test"),
                      &(struct domain_spec){ .limit = { [DOMAIN_MAX_RECIPIENTS_HOUR] = "-1" } },
                      EI));
    OK(domain_each(acc, keep_limits, found, EI));
    assert_int_equal(found[DOMAIN_TOTAL_MESSAGES_DAY], 100 + DOMAIN_TOTAL_MESSAGES_DAY);
}

static void accounts_crud(void **state)
{
    (void)state;
    struct collected c = { .n = 0 };
    mk_domain("a.test");
    OK(domain_update(acc, "t", SV("a.test"),
                     &(struct domain_spec){ .quota = "5MiB", .max_message = "1MiB" }, EI));
    OK(account_create(acc, "root", SV("Ann@A.test"),
                      &(struct account_spec){ .name = "Ann \xc3\x96",
                                              .password = "{PLAIN}pw",
                                              .quota = "1GiB",
                                              .soft_quota = "500MB",
                                              .max_message = "2MiB",
                                              .local_only = "yes",
                                              .aliases = "info; sales@a.test ;info" },
                      EI));
    mk_account("bob@a.test", NULL);
    mk_account("\"with space\"@a.test", NULL);
    OK(account_each(acc, SV("a.test"), add_account, &c, EI));
    const struct account *a;
    OK(account_find_address(acc, SV("ANN@a.test"), &a, EI));
    assert_string_equal(a->address, "ann@a.test");
    assert_string_equal(a->local, "ann");
    assert_string_equal(a->domain, "a.test");
    assert_string_equal(a->name, "Ann \xc3\x96");
    assert_int_equal(a->quota_bytes, 1 << 30);
    assert_int_equal(a->soft_quota_bytes, 500000000);
    assert_int_equal(a->max_message_bytes, 1 << 20); /* the smaller limit holds */
    assert_true(a->local_only && a->enabled);
    struct buf aliases;
    buf_init(&aliases, 1000);
    OK(account_aliases(acc, a->id, &aliases, EI));
    buf_terminate(&aliases);
    assert_string_equal(aliases.p, "info@a.test;sales@a.test");
    buf_done(&aliases);
    const struct account *same;
    OK(account_find_id(acc, a->id, &same, EI));
    assert_string_equal(same->address, a->address);
    account_unref(same);
    int64_t id = a->id;
    account_unref(a);

    assert_non_null(strstr(c.text, "bob@a.test|bob|a.test||1|0|5242880|0|1048576\n"));
    assert_non_null(strstr(c.text, "\"with space\"@a.test|\"with space\"|a.test|"));
    OK(account_update(acc, "root", SV("ann@a.test"),
                      &(struct account_spec){ .enabled = "no", .quota = "0", .aliases = "sales" },
                      EI));
    assert_audit(3, "root: account ann@a.test aliases: info@a.test;sales@a.test -> sales@a.test\n"
                    "root: account ann@a.test quota: 1073741824 -> 0\n"
                    "root: account ann@a.test enabled: yes -> no\n");
    OK(account_find_address(acc, SV("ann@a.test"), &a, EI));
    assert_false(a->enabled);
    assert_int_equal(a->quota_bytes, 5 << 20);
    account_unref(a);
    OK(account_delete(acc, "root", SV("ann@a.test"), EI));
    BAD(E_NOTFOUND, "'ann@a.test' does not exist",
        account_find_address(acc, SV("ann@a.test"), &a, EI));
    BAD(E_NOTFOUND, "does not exist", account_find_id(acc, id, &a, EI));
    mk_account("ann@a.test", NULL);
    OK(account_find_address(acc, SV("ann@a.test"), &a, EI));
    assert_true(a->id > id + 1); /* ids are never used again: mailboxes are named by them */
    account_unref(a);
}

static void bad_accounts(void **state)
{
    (void)state;
    static const char *const names[] = { "",           "u",          "@a.test",     "u@",
                                         "a b@a.test", ".u@a.test",  "u.@a.test",   "u..v@a.test",
                                         "u,v@a.test", "u@v@a.test", "\"u@a.test",  "u\x01@a.test",
                                         "u@-x.test",  "<u@a.test>", "(c)u@a.test", "\xff@a.test",
                                         "u;v@a.test" };
    mk_domain("a.test");
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        int r = account_create(acc, "t", sv_c(names[i]), NULL, EI);
        if (r != E_PARSE && r != E_RANGE)
            fail_msg("account '%s' was not refused: %d", names[i], r);
    }
    char longer[100];
    memset(longer, 'x', 65);
    snprintf(longer + 65, 20, "@a.test");
    BAD(E_RANGE, "longer than 64", account_create(acc, "t", sv_c(longer), NULL, EI));
    /* The longest address there may be, through every table; and one more byte. */
    char domain[200], address[300];
    for (size_t i = 0; i < 189; i++)
        domain[i] = i % 50 == 49 ? '.' : 'd';
    domain[189] = '\0';
    mk_domain(domain);
    longer[64] = '\0';
    snprintf(address, sizeof(address), "%s@%s", longer, domain);
    assert_int_equal(strlen(address), 254);
    OK(account_create(acc, "t", sv_c(address), &(struct account_spec){ .aliases = "al" }, EI));
    OK(account_delete(acc, "t", sv_c(address), EI));
    OK(alias_set(acc, "t", sv_c(address), "x@far.test", EI));
    OK(alias_delete(acc, "t", sv_c(address), EI));
    OK(domain_update(acc, "t", SV("a.test"), &(struct domain_spec){ .primary = "yes" }, EI));
    OK(domain_delete(acc, "t", sv_c(domain), false, REFERENCES_REFUSE, EI));
    domain[189] = 'd';
    snprintf(address, sizeof(address), "%s@%.190s", longer, domain);
    suite_sql("DELETE FROM audit");
    BAD(E_RANGE, "longer than 254", account_create(acc, "t", sv_c(address), NULL, EI));
    BAD(E_PARSE, "UTF-8",
        account_create(acc, "t", SV("v@a.test"), &(struct account_spec){ .name = "\xff" }, EI));
    BAD(E_PARSE, "UTF-8",
        account_create(acc, "t", SV("v@a.test"),
                       &(struct account_spec){ .password = "{PLAIN}\xff" }, EI));
    BAD(E_NOTFOUND, "domain 'b.test' does not exist; create it first",
        account_create(acc, "t", SV("u@b.test"), NULL, EI));
    mk_account("u@a.test", NULL);
    BAD(E_EXISTS, "'u@a.test' exists already", account_create(acc, "t", SV("U@A.TEST"), NULL, EI));
    BAD(E_RANGE, "min_password_length=8",
        account_create(acc, "t", SV("v@a.test"), &(struct account_spec){ .password = "short" },
                       EI));
    BAD(E_UNSUPPORTED, "unknown scheme {NTLM}; known: ARGON2ID",
        account_create(acc, "t", SV("v@a.test"), &(struct account_spec){ .password = "{NTLM}abc" },
                       EI));
    BAD(E_PARSE, "not a {SHA512-CRYPT} hash",
        account_create(acc, "t", SV("v@a.test"),
                       &(struct account_spec){ .password = "{SHA512-CRYPT}$5$x" }, EI));
    BAD(E_PARSE, "quota",
        account_create(acc, "t", SV("v@a.test"), &(struct account_spec){ .quota = "lots" }, EI));
    BAD(E_PARSE, "local_only",
        account_create(acc, "t", SV("v@a.test"), &(struct account_spec){ .local_only = "2" }, EI));
    BAD(E_PARSE, "control",
        account_create(acc, "t", SV("v@a.test"), &(struct account_spec){ .name = "a\nb" }, EI));
    BAD(E_EXISTS, "an account has this address",
        account_create(acc, "t", SV("v@a.test"), &(struct account_spec){ .aliases = "u" }, EI));
    BAD(E_CONFLICT, "own address",
        account_create(acc, "t", SV("v@a.test"), &(struct account_spec){ .aliases = "v" }, EI));
    BAD(E_NOTFOUND, "domain 'c.test'",
        account_create(acc, "t", SV("v@a.test"), &(struct account_spec){ .aliases = "x@c.test" },
                       EI));
    BAD(E_PARSE, "",
        account_create(acc, "t", SV("v@a.test"), &(struct account_spec){ .aliases = "a b" }, EI));
    BAD(E_NOTFOUND, "'w@a.test' does not exist",
        account_update(acc, "t", SV("w@a.test"), &(struct account_spec){ .name = "W" }, EI));
    BAD(E_NOTFOUND, "does not exist", account_delete(acc, "t", SV("w@a.test"), EI));
    /* Nothing of the refused ones stayed. */
    assert_int_equal(suite_number("SELECT COUNT(*) FROM account"), 1);
    assert_int_equal(suite_number("SELECT COUNT(*) FROM alias"), 0);
    assert_int_equal(suite_number("SELECT COUNT(*) FROM audit"), 1); /* that one's own */
    OK(account_create(acc, "t", SV("v@a.test"), &(struct account_spec){ .aliases = "x" }, EI));
    BAD(E_EXISTS, "alias already", account_create(acc, "t", SV("x@a.test"), NULL, EI));
}

static void aliases(void **state)
{
    (void)state;
    struct collected c = { .n = 0 };
    mk_domain("a.test");
    mk_account("u@a.test", NULL);
    OK(alias_set(acc, "t", SV("Team@a.test"), "u@a.test; Max.Moritz@Far.test", EI));
    OK(alias_set(acc, "t", SV("all@a.test"), "team@a.test", EI));
    OK(account_update(acc, "t", SV("u@a.test"), &(struct account_spec){ .aliases = "team;me" },
                      EI));
    OK(alias_each(acc, SV("a.test"), add_alias, &c, EI));
    assert_string_equal(c.text, "all@a.test=team@a.test\nme@a.test=u@a.test\n"
                                "team@a.test=u@a.test;Max.Moritz@Far.test;u@a.test\n");
    BAD(E_CONFLICT, "lead back to itself",
        alias_set(acc, "t", SV("team@a.test"), "all@a.test", EI));
    BAD(E_CONFLICT, "lead back to itself", alias_set(acc, "t", SV("x@a.test"), "X@a.test", EI));
    BAD(E_EXISTS, "an account has", alias_set(acc, "t", SV("u@a.test"), "v@far.test", EI));
    BAD(E_NOTFOUND, "domain 'far.test'", alias_set(acc, "t", SV("u@far.test"), "v@far.test", EI));
    BAD(E_PARSE, "write user@domain", alias_set(acc, "t", SV("x@a.test"), "nobody", EI));
    BAD(E_NOTFOUND, "does not exist", alias_delete(acc, "t", SV("x@a.test"), EI));
    /* A chain as long as resolving goes, and one more. */
    for (int i = 0; i < 11; i++) {
        char from[40], to[40];
        snprintf(from, sizeof(from), "c%d@a.test", i);
        snprintf(to, sizeof(to), i ? "c%d@a.test" : "u@a.test", i - 1);
        if (i < 10)
            OK(alias_set(acc, "t", sv_c(from), to, EI));
        else
            BAD(E_CONFLICT, "longer than 10", alias_set(acc, "t", sv_c(from), to, EI));
    }
    OK(alias_delete(acc, "t", SV("team@a.test"), EI));
    assert_audit(1, "t: alias team@a.test alias: existed -> -\n");
    OK(account_delete(acc, "t", SV("u@a.test"), EI));
    assert_int_equal(suite_number("SELECT COUNT(*) FROM alias WHERE account_id <> 0"), 0);
}

static void secrets_and_logs(void **state)
{
    (void)state;
    struct buf log;
    buf_init(&log, 64 * KiB);
    log_test_capture(&log);
    log_set_level(LOG_MAINTENANCE, LOG_SUMMARY);
    mk_domain("a.test");
    OK(account_create(acc, "root", SV("u@a.test"), &(struct account_spec){ .password = "geheim-1" },
                      EI));
    OK(account_update(acc, "root", SV("u@a.test"),
                      &(struct account_spec){ .password = "{PLAIN}geheim-2" }, EI));
    OK(account_update(acc, "root", SV("u@a.test"), &(struct account_spec){ .enabled = "yes" }, EI));
    log_test_capture(NULL);
    buf_terminate(&log);
    int lines = 0;
    for (const char *p = log.p; (p = strstr(p, "'account u@a.test' updated 'root'")); p++)
        lines++;
    assert_int_equal(lines, 2); /* the last call changed nothing */
    assert_null(strstr(log.p, "geheim"));
    buf_done(&log);
    assert_audit(3, "root: account u@a.test password: (changed) -> (changed)\n"
                    "root: account u@a.test password: - -> (changed)\n"
                    "root: account u@a.test account: - -> created\n");
    assert_int_equal(suite_number("SELECT COUNT(*) FROM password WHERE plain IS NOT NULL"), 0);
    suite_conf("auth.keep_plain=yes");
    OK(account_update(acc, "root", SV("u@a.test"), &(struct account_spec){ .password = "geheim-3" },
                      EI));
    assert_int_equal(suite_number("SELECT COUNT(*) FROM password WHERE plain = 'geheim-3'"), 1);
}

static bool stop_at_two(const struct account *a, void *arg)
{
    (void)a;
    return ++*(int *)arg < 2;
}

static bool count_all(const struct account *a, void *arg)
{
    const struct account *again = NULL;
    OK(account_find_id(acc, a->id, &again, EI)); /* the callback may use the room */
    account_unref(again);
    ++*(int *)arg;
    return true;
}

static void listing(void **state)
{
    (void)state;
    mk_domain("a.test");
    mk_domain("b.test");
    suite_sql(
        "INSERT INTO account (id, domain_id, address, name, enabled, quota_bytes, soft_quota_bytes,"
        " max_message_bytes, local_only, created_ms) VALUES (900, 2, 'x@b.test', '', 1, 0, 0, 0, "
        "0, 0)");
    for (int i = 0; i < 1001; i++) {
        char sql[300];
        snprintf(sql, sizeof(sql),
                 "INSERT INTO account (id, domain_id, address, name, enabled, quota_bytes, "
                 "soft_quota_bytes,"
                 " max_message_bytes, local_only, created_ms) VALUES (%d, 1, 'u%04d@a.test', '', "
                 "1, 0, 0, 0, 0, 0)",
                 1000 + i, i);
        suite_sql(sql);
    }
    int n = 0;
    OK(account_each(acc, SV("a.test"), count_all, &n, EI));
    assert_int_equal(n, 1001);
    n = 0;
    OK(account_each(acc, SV_NULL, count_all, &n, EI));
    assert_int_equal(n, 1002);
    n = 0;
    OK(account_each(acc, SV_NULL, stop_at_two, &n, EI));
    assert_int_equal(n, 2);
}

static const struct CMUnitTest tests[] = {
    SUITE_TEST(domains),       SUITE_TEST(bad_domains),
    SUITE_TEST(accounts_crud), SUITE_TEST(bad_accounts),
    SUITE_TEST(aliases),       SUITE_TEST(secrets_and_logs),
    SUITE_TEST(listing),       SUITE_TEST(domain_send_limits),
};
SUITE_MAIN("accounts")
