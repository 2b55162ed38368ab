/* What cached lookups and logins cost. Prints the figures; fails only on an order of magnitude,
 * because machines and sanitizers differ. */
#include "account_suite.h"

#define N 200000

static void report(const char *what, int64_t started_us, unsigned n, double limit_us)
{
    double each = (double)(clock_mono_us() - started_us) / n;
    printf("%-44s %8.3f us\n", what, each);
    assert_true(each < limit_us);
}

static void lookups(void **state)
{
    (void)state;
    mk_domain("bench.test");
    for (int i = 0; i < 100; i++) {
        char address[40];
        snprintf(address, sizeof(address), "u%03d@bench.test", i);
        mk_account(address, "{PLAIN}bench");
    }
    mk_account("slow@bench.test", "slow-secret");
    struct resolved r;
    int64_t t = clock_mono_us();
    for (unsigned i = 0; i < N; i++) {
        OK(account_resolve(acc, SV("u042@bench.test"), &r, EI));
        resolved_done(&r);
    }
    report("resolve, cached", t, N, 50);
    t = clock_mono_us();
    for (unsigned i = 0; i < N; i++) {
        OK(account_resolve(acc, SV("nobody@bench.test"), &r, EI));
        resolved_done(&r);
    }
    report("resolve of an unknown address, cached", t, N, 50);
    t = clock_mono_us();
    for (unsigned i = 0; i < N; i++)
        assert_true(account_domain_is_local(acc, SV("bench.test")));
    report("domain is local, cached", t, N, 50);
    t = clock_mono_us();
    for (unsigned i = 0; i < 20000; i++) {
        char address[40];
        snprintf(address, sizeof(address), "ghost%u@bench.test", i);
        OK(account_resolve(acc, sv_c(address), &r, EI));
        resolved_done(&r);
    }
    report("resolve of an unknown address, database", t, 20000, 2000);
}

static int login(const char *user, const char *password)
{
    static const struct auth_peer p = { .service = "IMAP", .ip = "192.0.2.1", .hostname = "h" };
    const struct account *a = NULL;
    int r = auth_password(acc, &p, sv_c(user), sv_c(password), &a, EI);
    account_unref(a);
    return r;
}

static void logins(void **state)
{
    (void)state;
    mk_domain("bench.test");
    mk_account("u042@bench.test", "{PLAIN}bench");
    mk_account("slow@bench.test", "slow-secret");
    suite_conf("auth.max_failures=0;auth.max_failures_ip=0");
    int64_t t = clock_mono_us();
    for (unsigned i = 0; i < N; i++)
        OK(login("u042@bench.test", "bench"));
    report("login with {PLAIN}", t, N, 100);
    t = clock_mono_us();
    for (unsigned i = 0; i < N; i++)
        assert_true(auth_is_fast(acc, SV("u042@bench.test")));
    report("auth_is_fast", t, N, 100);
    OK(login("slow", "slow-secret"));
    t = clock_mono_us();
    for (unsigned i = 0; i < N; i++)
        OK(login("slow", "slow-secret"));
    report("login with Argon2id, verified recently", t, N, 200);
    struct conf *c = NULL;
    OK(conf_build(NULL, 0, &c, EI));
    conf_publish(c);
    OK(account_update(acc, "t", SV("slow@bench.test"),
                      &(struct account_spec){ .password = "slow-secret" }, EI));
    t = clock_mono_us();
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(login("slow", "wrong-secret"), E_AUTH);
    report("login with Argon2id, wrong password", t, 4, 5e6);
}

static double wrong_logins(const char *name, unsigned n)
{
    int64_t t = clock_mono_us();
    for (unsigned i = 0; i < n; i++) {
        char user[40];
        snprintf(user, sizeof(user), name, i);
        assert_int_equal(login(user, "wrong-secret"), E_AUTH);
    }
    return (double)(clock_mono_us() - t) / n;
}

/* The time of a refusal must not tell who exists. */
static void unknown_users(void **state)
{
    (void)state;
    struct conf *c = NULL;
    mk_domain("bench.test");
    suite_conf("auth.max_failures=0;auth.max_failures_ip=0;auth.argon2_memory=8MiB");
    OK(account_create(acc, "t", SV("u0@bench.test"),
                      &(struct account_spec){ .password = "slow-secret" }, EI));
    OK(conf_build(
        (const struct conf_pair[]){ { "auth.max_failures", "0" }, { "auth.max_failures_ip", "0" } },
        2, &c, EI));
    conf_publish(c);
    double known = wrong_logins("u0@bench.test", 8);
    double unknown = wrong_logins("ghost%u@bench.test", 8);
    printf("Argon2id refused: known %.0f us, unknown %.0f us\n", known, unknown);
    assert_true(known / unknown > 0.3 && known / unknown < 3);
    OK(account_update(acc, "t", SV("u0@bench.test"),
                      &(struct account_spec){ .password = "{PLAIN}x" }, EI));
    clock_test_advance(61000);
    known = wrong_logins("u0@bench.test", 20000);
    unknown = wrong_logins("ghost%u@bench.test", 20000);
    printf("{PLAIN} refused: known %.2f us, unknown %.2f us\n", known, unknown);
    assert_true(unknown < known + 500);
}

static const struct CMUnitTest tests[] = {
    SUITE_TEST(lookups),
    SUITE_TEST(logins),
    SUITE_TEST(unknown_users),
};
SUITE_MAIN("speed")
