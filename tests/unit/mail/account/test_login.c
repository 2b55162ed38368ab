/* Logins by password: policy matrix, locks with the clock of tests, log lines, verified passwords,
 * what an unknown user costs, app passwords, SCRAM keys that appear later. */
#include "account_suite.h"
#include "base/buf.h"
#include "mail/account/later.h"
#include "mail/account/mimic.h"

static const struct auth_peer imap = { .service = "IMAP",
                                       .ip = "192.0.2.1",
                                       .hostname = "mx.a.test" };

static int login_from(const char *ip, const char *user, const char *password)
{
    struct auth_peer p = imap;
    const struct account *a = NULL;
    p.ip = ip;
    int r = auth_password(acc, &p, sv_c(user), sv_c(password), &a, EI);
    if (r == 0) {
        assert_non_null(a);
        account_unref(a);
    } else {
        assert_null(a);
    }
    return r;
}

static int login(const char *user, const char *password)
{
    return login_from("192.0.2.1", user, password);
}

static void world(void)
{
    mk_domain("a.test");
    mk_domain("b.test");
    mk_account("u@a.test", "{PLAIN}secret-a");
    mk_account("u@b.test", "{PLAIN}secret-b");
    mk_account("slow@a.test", "slow-secret");
}

static void policy_matrix(void **state)
{
    (void)state;
    static const struct {
        const char *policy, *user, *password;
        int want;
    } rows[] = {
        { "both", "u", "secret-a", 0 },
        { "both", "u@a.test", "secret-a", 0 },
        { "both", "u@b.test", "secret-b", 0 },
        { "both", "U@B.Test", "secret-b", 0 },
        { "both", "u", "secret-b", E_AUTH },
        { "address", "u", "secret-a", E_AUTH },
        { "address", "u@a.test", "secret-a", 0 },
        { "address", "u@b.test", "secret-b", 0 },
        { "name", "u", "secret-a", 0 },
        { "name", "u@a.test", "secret-a", E_AUTH },
        { "name", "u@b.test", "secret-b", E_AUTH },
    };
    world();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char pairs[100];
        snprintf(pairs, sizeof(pairs), "auth.max_failures=0;auth.login_policy=%s", rows[i].policy);
        suite_conf(pairs);
        int r = login(rows[i].user, rows[i].password);
        if (r != rows[i].want)
            fail_msg("%s: %s: %d", rows[i].policy, rows[i].user, r);
        const struct account *a = NULL;
        r = account_find_login(acc, sv_c(rows[i].user), &a, EI);
        bool wrong_password =
            strcmp(rows[i].user, "u") == 0 && strcmp(rows[i].password, "secret-b") == 0;
        assert_int_equal(r, rows[i].want == 0 || wrong_password ? 0 : E_NOTFOUND);
        account_unref(a);
    }
    /* The primary domain decides what a short name means. */
    suite_conf("");
    OK(domain_update(acc, "t", SV("b.test"), &(struct domain_spec){ .primary = "yes" }, EI));
    assert_int_equal(login("u", "secret-b"), 0);
}

static void wrong_and_odd(void **state)
{
    (void)state;
    static const char *const users[] = { "",           "@",   "u@", "nobody", "nobody@a.test",
                                         "u@far.test", "u v", "\"", "\xff",   "u@a.test@a.test",
                                         "u@\xc3\x28" };
    world();
    suite_conf("auth.max_failures=0;auth.max_failures_ip=0");
    for (size_t i = 0; i < ARRAY_LEN(users); i++)
        assert_int_equal(login(users[i], "secret-a"), E_AUTH);
    const struct account *a = NULL;
    char longer[5000];
    memset(longer, 'x', sizeof(longer));
    assert_int_equal(auth_password(acc, &imap, sv_n(longer, sizeof(longer)), SV("x"), &a, EI),
                     E_AUTH);
    assert_int_equal(auth_password(acc, &imap, SV("u"), sv_n(longer, sizeof(longer)), &a, EI),
                     E_AUTH);
    assert_int_equal(auth_password(acc, &imap, SV("slow"), sv_n(longer, sizeof(longer)), &a, EI),
                     E_AUTH);
    assert_int_equal(auth_password(acc, &imap, sv_n("u\0", 2), SV("secret-a"), &a, EI), E_AUTH);
    assert_int_equal(auth_password(acc, &imap, SV("u"), sv_n("secret-a\0", 9), &a, EI), E_AUTH);
    assert_int_equal(auth_password(acc, &imap, SV("u"), SV_NULL, &a, EI), E_AUTH);
    assert_int_equal(auth_password(acc, &imap, SV_NULL, SV_NULL, &a, EI), E_AUTH);
    assert_int_equal(login("slow", ""), E_AUTH);
    assert_int_equal(login("slow", "slow-secret"), 0);
    OK(account_update(acc, "t", SV("u@a.test"), &(struct account_spec){ .enabled = "no" }, EI));
    assert_int_equal(login("u", "secret-a"), E_AUTH);
    OK(account_update(acc, "t", SV("u@a.test"),
                      &(struct account_spec){ .enabled = "yes", .password = "" }, EI));
    assert_int_equal(login("u", "secret-a"), E_AUTH);
    assert_int_equal(login("u", ""), E_AUTH);
    OK(domain_update(acc, "t", SV("b.test"), &(struct domain_spec){ .enabled = "no" }, EI));
    assert_int_equal(login("u@b.test", "secret-b"), E_AUTH);
    /* A stored hash that is damaged refuses, and says so to the administrator only. */
    suite_sql("UPDATE password SET scheme = 'ARGON2ID', hash = 'junk' WHERE account_id = 1");
    OK(domain_update(acc, "t", SV("b.test"), &(struct domain_spec){ .enabled = "yes" }, EI));
    BAD(E_AUTH, "wrong user name or password", login("u", "secret-a"));
}

static void lock_account(void **state)
{
    (void)state;
    world();
    suite_conf("auth.max_failures=3;auth.lock_time=60s");
    for (int i = 0; i < 2; i++)
        assert_int_equal(login("u", "wrong"), E_AUTH);
    assert_int_equal(login("u@a.test", "secret-a"), 0); /* clears */
    assert_int_equal(login("u", "wrong"), E_AUTH);
    assert_int_equal(login("u@a.test", "wrong"), E_AUTH); /* both spellings count together */
    assert_int_equal(login("U@A.test", "wrong"), E_AUTH);
    BAD(E_LIMIT, "too many failures", login("u", "secret-a"));
    assert_int_equal(login_from("198.51.100.7", "u@a.test", "secret-a"), E_LIMIT);
    assert_int_equal(login("u@b.test", "secret-b"), 0); /* others are free */
    clock_test_advance(59000);
    assert_int_equal(login("u", "secret-a"), E_LIMIT);
    clock_test_advance(1001);
    assert_int_equal(login("u", "secret-a"), 0);
    /* Unknown names are locked just the same. */
    for (int i = 0; i < 3; i++)
        assert_int_equal(login("ghost@a.test", "wrong"), E_AUTH);
    assert_int_equal(login("ghost@a.test", "wrong"), E_LIMIT);
    /* A new password ends the lock, and nothing else that is changed does. */
    for (int i = 0; i < 3; i++)
        assert_int_equal(login("u", "wrong"), E_AUTH);
    OK(account_update(acc, "t", SV("u@a.test"), &(struct account_spec){ .name = "x" }, EI));
    assert_int_equal(login("u", "secret-a"), E_LIMIT);
    OK(account_update(acc, "t", SV("u@a.test"),
                      &(struct account_spec){ .password = "{PLAIN}secret-a" }, EI));
    assert_int_equal(login("u", "secret-a"), 0);
    /* Old failures are forgotten. */
    assert_int_equal(login("u", "wrong"), E_AUTH);
    assert_int_equal(login("u", "wrong"), E_AUTH);
    clock_test_advance(61000);
    assert_int_equal(login("u", "wrong"), E_AUTH);
    assert_int_equal(login("u", "secret-a"), 0);
    suite_conf("auth.max_failures=0");
    for (int i = 0; i < 20; i++)
        assert_int_equal(login("u", "wrong"), E_AUTH);
    assert_int_equal(login("u", "secret-a"), 0);
}

static void lock_address(void **state)
{
    (void)state;
    world();
    suite_conf("auth.max_failures=0;auth.max_failures_ip=10;auth.lock_time=60s");
    for (int i = 0; i < 10; i++) {
        char name[32];
        snprintf(name, sizeof(name), "user%d", i);
        assert_int_equal(login_from("203.0.113.9", name, "x"), E_AUTH);
    }
    assert_int_equal(login_from("203.0.113.9", "u", "secret-a"), E_LIMIT);
    assert_int_equal(login_from("203.0.113.8", "u", "secret-a"), 0);
    clock_test_advance(60001);
    assert_int_equal(login_from("203.0.113.9", "u", "secret-a"), 0);
    /* IPv6: the whole /64; a good login does not reset the address. */
    for (int i = 0; i < 10; i++) {
        char ip[64];
        snprintf(ip, sizeof(ip), "2001:db8:0:1::%x", i + 1);
        assert_int_equal(login_from(ip, "u", i == 5 ? "secret-a" : "x"), i == 5 ? 0 : E_AUTH);
    }
    assert_int_equal(login_from("2001:db8:0:1:ffff::1", "u", "x"), E_AUTH);
    assert_int_equal(login_from("2001:db8:0:1:ffff::2", "u", "secret-a"), E_LIMIT);
    assert_int_equal(login_from("2001:db8:0:2::1", "u", "secret-a"), 0);
    /* A device that fails now and then, all day, does not lock its office out. */
    for (int i = 0; i < 100; i++) {
        assert_int_equal(login_from("203.0.113.77", "u", "x"), E_AUTH);
        clock_test_advance(7000);
    }
    struct auth_peer trusted = imap;
    const struct account *a = NULL;
    trusted.trusted = true;
    for (int i = 0; i < 30; i++)
        assert_int_equal(auth_password(acc, &trusted, SV("u"), SV("x"), &a, EI), E_AUTH);
}

static void database_gone(void **state)
{
    (void)state;
    struct sasl *s;
    struct buf out;
    const struct account *a = NULL;
    world();
    suite_conf("auth.max_failures=1");
    buf_init(&out, 4096);
    suite_sql("ALTER TABLE password RENAME TO password_away");
    assert_int_equal(login("u", "secret-a"), E_TEMP);
    assert_int_equal(login("u", "wrong"), E_TEMP);
    OK(sasl_start(acc, &imap, SV("SCRAM-SHA-256"), &s, EI));
    assert_int_equal(sasl_step(s, SV("n,,n=u,r=abc"), &out, &a, EI), E_TEMP);
    assert_int_equal(out.n, 0);
    sasl_free(s);
    buf_done(&out);
    suite_sql("ALTER TABLE password_away RENAME TO password");
    assert_int_equal(login("u", "secret-a"), 0); /* neither counted nor remembered */
}

static void log_lines(void **state)
{
    (void)state;
    struct buf log;
    world();
    buf_init(&log, 64 * KiB);
    suite_conf("auth.max_failures=3;auth.lock_time=10m");
    log_test_capture(&log);
    log_set_level(LOG_AUTH, LOG_DEBUG);
    login("u", "wrong");
    login("U", "wrong");
    login("u", "secret-a");
    for (int i = 0; i < 3; i++)
        login("no\nbody", "wrong");
    login("no\nbody", "wrong");
    log_test_capture(NULL);
    buf_terminate(&log);
    static const char *const want[] = {
        "Login policy [IMAP] - increased failed login count to 1, user=u\n",
        "Authentication [IMAP] - Result=0, User=u, Method=0\n",
        "Login policy [IMAP] - increased failed login count to 2, user=U\n",
        "Authentication [IMAP] - Result=0, User=U, Method=0\n",
        "Login policy [IMAP] - cleared failed login count, user=u@a.test\n",
        "Authentication [IMAP] - Result=1, User=u@a.test, Method=0\n",
        "increased failed login count to 3, user=no\\",
        "locked for 10 min, user=no\\",
    };
    const char *at = log.p;
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        at = strstr(at, want[i]);
        if (!at)
            fail_msg("missing: %s in %s", want[i], log.p);
    }
    assert_null(strstr(log.p, "wrong"));
    assert_null(strstr(log.p, "secret"));
    buf_done(&log);
}

static void verified_passwords(void **state)
{
    (void)state;
    world();
    assert_true(auth_is_fast(acc, SV("u")));
    assert_false(auth_is_fast(acc, SV("slow")));
    assert_int_equal(login("slow", "wrong-secret"), E_AUTH);
    assert_false(auth_is_fast(acc, SV("slow")));
    assert_int_equal(login("slow", "slow-secret"), 0);
    assert_true(auth_is_fast(acc, SV("slow@a.test")));
    assert_true(auth_is_fast_with(acc, SV("slow"), SV("slow-secret")));
    assert_false(auth_is_fast_with(acc, SV("slow"), SV("wrong-secret")));
    assert_int_equal(login("slow", "wrong-secret"), E_AUTH);
    assert_int_equal(login("slow", "slow-secret"), 0);
    clock_test_advance(5 * 60 * 1000 + 1);
    assert_false(auth_is_fast(acc, SV("slow")));
    assert_int_equal(login("slow", "slow-secret"), 0);
    assert_true(auth_is_fast(acc, SV("slow")));
    OK(account_update(acc, "t", SV("slow@a.test"),
                      &(struct account_spec){ .password = "new-secret" }, EI));
    assert_false(auth_is_fast(acc, SV("slow")));
    assert_int_equal(login("slow", "slow-secret"), E_AUTH);
    assert_int_equal(login("slow", "new-secret"), 0);
}

/* Unknown names imitate the installation: the share of fast ones is that of the accounts. */
static void unknown_users(void **state)
{
    (void)state;
    int fast = 0;
    assert_false(
        auth_is_fast(acc, SV("anybody@a.test"))); /* no account yet: as new ones would be */
    mk_domain("a.test");
    for (int i = 0; i < 30; i++) {
        char address[40];
        snprintf(address, sizeof(address), "u%d@a.test", i);
        mk_account(address, i < 20 ? "{PLAIN}abc" : "{CRYPT}$1$saltsalt$TgSjy78ElG..7yBJossD0.");
    }
    clock_test_advance(61000);
    for (int i = 0; i < 600; i++) {
        char name[40];
        snprintf(name, sizeof(name), "ghost%d@a.test", i);
        bool is = auth_is_fast(acc, sv_c(name));
        assert_int_equal(is, auth_is_fast(acc, sv_c(name)));
        fast += is;
    }
    assert_true(fast > 320 && fast < 480); /* two thirds */
    /* Another node, or this one after a restart, answers the same. */
    struct accounts *other;
    OK(accounts_open(suite_db, &other, EI));
    for (int i = 0; i < 50; i++) {
        char name[40];
        snprintf(name, sizeof(name), "ghost%d@a.test", i);
        assert_int_equal(auth_is_fast(acc, sv_c(name)), auth_is_fast(other, sv_c(name)));
    }
    accounts_close(other);
}

static char app_list[400];

static bool add_app(const char *label, int64_t created_s, int64_t used_s, void *arg)
{
    size_t n = strlen(app_list);
    (void)arg;
    assert_true(created_s > 0);
    snprintf(app_list + n, sizeof(app_list) - n, "%s %s;", label, used_s ? "used" : "new");
    return true;
}

static void app_passwords(void **state)
{
    (void)state;
    char one[40], two[40], typed[80];
    world();
    OK(account_app_password_create(acc, "root", SV("slow@a.test"), "phone", one, EI));
    OK(account_app_password_create(acc, "root", SV("slow@a.test"), "laptop", two, EI));
    assert_int_equal(strlen(one), 29);
    assert_string_not_equal(one, two);
    assert_true(auth_is_fast_with(acc, SV("slow"), sv_c(one)));
    assert_int_equal(login("slow", one), 0);
    assert_int_equal(login("slow", "slow-secret"), 0);
    assert_int_equal(login("u", one), E_AUTH);
    size_t n = 0;
    for (size_t i = 0; one[i]; i++) {
        if (one[i] != '-')
            typed[n++] = ascii_upper(one[i]);
    }
    typed[n] = '\0';
    assert_int_equal(login("slow@a.test", typed), 0); /* without the groups, in capitals */
    typed[3] = typed[3] == 'A' ? 'B' : 'A';
    assert_int_equal(login("slow@a.test", typed), E_AUTH);
    later_wait(acc);
    app_list[0] = '\0';
    OK(account_app_password_each(acc, SV("slow@a.test"), add_app, NULL, EI));
    assert_string_equal(app_list, "phone used;laptop new;");
    BAD(E_EXISTS, "'phone'",
        account_app_password_create(acc, "t", SV("slow@a.test"), "phone", two, EI));
    BAD(E_NOTFOUND, "no app password 'tv'",
        account_app_password_delete(acc, "t", SV("slow@a.test"), "tv", EI));
    BAD(E_NOTFOUND, "does not exist",
        account_app_password_create(acc, "t", SV("x@a.test"), "tv", two, EI));
    BAD(E_PARSE, "label", account_app_password_create(acc, "t", SV("slow@a.test"), "", two, EI));
    BAD(E_PARSE, "control",
        account_app_password_create(acc, "t", SV("slow@a.test"), "a\nb", two, EI));
    OK(account_app_password_delete(acc, "t", SV("slow@a.test"), "phone", EI));
    assert_int_equal(login("slow", one), E_AUTH);
    /* Nothing in the database gives the password away. */
    char sql[200];
    snprintf(sql, sizeof(sql),
             "SELECT COUNT(*) FROM app_password WHERE hash LIKE '%%%.8s%%' OR salt LIKE '%%%.8s%%'",
             two, two);
    assert_int_equal(suite_number(sql), 0);
    assert_int_equal(suite_number("SELECT COUNT(*) FROM audit WHERE field = 'app_password'"), 3);
    /* An account may have app passwords only. */
    OK(account_update(acc, "t", SV("slow@a.test"), &(struct account_spec){ .password = "" }, EI));
    OK(account_app_password_create(acc, "t", SV("slow@a.test"), "only", two, EI));
    assert_int_equal(login("slow", two), 0);
    for (int i = 0; i < 48; i++) {
        char label[20];
        snprintf(label, sizeof(label), "n%d", i);
        OK(account_app_password_create(acc, "t", SV("slow@a.test"), label, two, EI));
    }
    BAD(E_LIMIT, "50 app passwords",
        account_app_password_create(acc, "t", SV("slow@a.test"), "more", two, EI));
}

static void scram_keys_later(void **state)
{
    (void)state;
    mk_domain("a.test");
    mk_account("u@a.test", "{SSHA}13528LZ4GRQwF5JHthEUB7KFpLsBc2FsdA==");
    assert_int_equal(login("u", "wrong"), E_AUTH);
    later_wait(acc);
    assert_int_equal(suite_number("SELECT COUNT(*) FROM password WHERE scram_sha256 <> ''"), 0);
    uint64_t epoch = epoch_get(EPOCH_ACCOUNTS);
    assert_int_equal(login("u", "p\xc3\xa4ssw\xc3\xb6rd 1"), 0);
    later_wait(acc);
    assert_int_equal(
        suite_number("SELECT COUNT(*) FROM password WHERE scram_sha256 <> '' AND scram_sha1 <> ''"),
        1);
    assert_int_equal(epoch_get(EPOCH_ACCOUNTS), epoch);
    /* {PLAIN} needs none. */
    OK(account_update(acc, "t", SV("u@a.test"), &(struct account_spec){ .password = "{PLAIN}abc" },
                      EI));
    assert_int_equal(login("u", "abc"), 0);
    later_wait(acc);
    assert_int_equal(suite_number("SELECT COUNT(*) FROM password WHERE scram_sha256 <> ''"), 0);
}

static void mechanism_lists(void **state)
{
    (void)state;
    static const struct {
        const char *pairs;
        bool tls, trusted;
        const char *cb, *want;
        bool plain;
    } rows[] = {
        { "", true, false, "tls-exporter",
          "SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-1 PLAIN LOGIN", true },
        { "", true, false, NULL, "SCRAM-SHA-256 SCRAM-SHA-1 PLAIN LOGIN", true },
        { "", false, false, NULL, "SCRAM-SHA-256 SCRAM-SHA-1", false },
        { "", false, false, "tls-exporter", "SCRAM-SHA-256 SCRAM-SHA-1", false },
        { "", false, true, NULL, "SCRAM-SHA-256 SCRAM-SHA-1 PLAIN LOGIN", true },
        { "auth.plain_without_tls=never", false, true, NULL, "SCRAM-SHA-256 SCRAM-SHA-1", false },
        { "auth.plain_without_tls=always", false, false, NULL,
          "SCRAM-SHA-256 SCRAM-SHA-1 PLAIN LOGIN", true },
        { "auth.no_plain=yes", true, true, NULL, "SCRAM-SHA-256 SCRAM-SHA-1", false },
        { "auth.cram_md5=yes;auth.digest_md5=yes;auth.scram_sha1=no", true, false, NULL,
          "SCRAM-SHA-256 DIGEST-MD5 CRAM-MD5 PLAIN LOGIN", true },
        { "auth.plain=no;auth.login=no;auth.scram_sha1=no;auth.scram_sha256=no;"
          "auth.scram_sha1_plus=no;auth.scram_sha256_plus=no",
          true, false, "tls-unique", "", true },
        /* Each mechanism has a switch of its own. */
        { "auth.scram_sha256_plus=no", true, false, "tls-exporter",
          "SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-1 PLAIN LOGIN", true },
        { "auth.scram_sha1_plus=no", true, false, "tls-exporter",
          "SCRAM-SHA-256-PLUS SCRAM-SHA-256 SCRAM-SHA-1 PLAIN LOGIN", true },
        { "auth.scram_sha256=no", true, false, "tls-exporter",
          "SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-1 PLAIN LOGIN", true },
        { "auth.scram_sha1=no", true, false, "tls-exporter",
          "SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-256 PLAIN LOGIN", true },
        { "auth.plain=no", true, false, NULL, "SCRAM-SHA-256 SCRAM-SHA-1 LOGIN", true },
        { "auth.login=no", true, false, NULL, "SCRAM-SHA-256 SCRAM-SHA-1 PLAIN", true },
        { "auth.digest_md5=yes", true, false, NULL,
          "SCRAM-SHA-256 SCRAM-SHA-1 DIGEST-MD5 PLAIN LOGIN", true },
        { "auth.cram_md5=yes", true, false, NULL, "SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN",
          true },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct auth_peer p = imap;
        struct buf out;
        buf_init(&out, 1000);
        suite_conf(rows[i].pairs);
        p.tls = rows[i].tls;
        p.trusted = rows[i].trusted;
        p.cb_type = rows[i].cb;
        p.cb_data = rows[i].cb ? SV("12345678") : SV_NULL;
        OK(auth_mechanisms(&p, "", " ", &out));
        buf_terminate(&out);
        assert_string_equal(out.p ? out.p : "", rows[i].want);
        assert_int_equal(auth_plain_allowed(&p), rows[i].plain);
        buf_done(&out);
    }
    struct buf out;
    buf_init(&out, 1000);
    suite_conf("auth.login=no");
    OK(auth_mechanisms(&imap, "AUTH=", " ", &out));
    assert_true(sv_eq(buf_sv(&out), SV("AUTH=SCRAM-SHA-256 AUTH=SCRAM-SHA-1")));
    buf_done(&out);
}

static const struct CMUnitTest tests[] = {
    SUITE_TEST(policy_matrix),   SUITE_TEST(wrong_and_odd), SUITE_TEST(lock_account),
    SUITE_TEST(lock_address),    SUITE_TEST(log_lines),     SUITE_TEST(verified_passwords),
    SUITE_TEST(unknown_users),   SUITE_TEST(app_passwords), SUITE_TEST(scram_keys_later),
    SUITE_TEST(mechanism_lists), SUITE_TEST(database_gone),
};
SUITE_MAIN("logins")
