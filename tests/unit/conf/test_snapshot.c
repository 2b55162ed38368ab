/* Tests of snapshots: typed values, text, and pinning beside publishing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "conf/conf.h"

#include <pthread.h>
#include <stdatomic.h>

static struct conf *build(const struct conf_pair *pairs, size_t n)
{
    struct conf *c = NULL;
    struct errinfo ei;
    if (conf_build(pairs, n, &c, &ei) < 0)
        fail_msg("%s", ei.text);
    return c;
}

static void test_defaults(void **state)
{
    (void)state;
    _cleanup_(conf_unrefp) const struct conf *c = conf_pin(); /* nothing was published */
    assert_true(c->smtp.max_message_size == 50 * (int64_t)MiB);
    assert_true(c->net.session_timeout == 300000);
    assert_true(c->net.tls);
    assert_false(c->smtp.vrfy);
    assert_true(c->log.smtp == 2);
    assert_true(c->auth.plain_without_tls == 1);
    assert_string_equal(c->system.hostname, "");
    assert_string_equal(c->pop3.listen, "0.0.0.0:110;[::]:110");
}

static void test_pairs(void **state)
{
    (void)state;
    const struct conf_pair pairs[] = {
        { "smtp.max_errors", "7" },
        { "system.hostname", "a.example" },
        { "system.hostname", "b.example" }, /* the last one counts */
        { "c_system_adv_protocols_sessiontimeout", "10m" },
        { "net.trusted_ips", " 10.0.0.0/8 ;" },
        { "log.imap", "none" },
        { "smtp.vrfy", "on" },
    };
    _cleanup_(conf_unrefp) const struct conf *c = build(pairs, ARRAY_LEN(pairs));
    assert_true(c->smtp.max_errors == 7);
    assert_string_equal(c->system.hostname, "b.example");
    assert_true(c->net.session_timeout == 600000);
    assert_string_equal(c->net.trusted_ips, "10.0.0.0/8");
    assert_true(c->log.imap == 0);
    assert_true(c->smtp.vrfy);
    static const char *const texts[][2] = {
        { "smtp.max_errors", "7" },       { "system.hostname", "b.example" },
        { "net.session_timeout", "10m" }, { "log.imap", "none" },
        { "smtp.vrfy", "yes" },           { "smtp.max_message_size", "50MiB" },
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        _cleanup_(freep) char *t = conf_text(c, conf_find(sv_c(texts[i][0])));
        assert_string_equal(t, texts[i][1]);
    }
}

static void test_refused(void **state)
{
    (void)state;
    const struct conf_pair pairs[] = { { "smtp.max_errors", "7" }, { "smtp.max_hops", "x" } };
    struct conf *c = NULL;
    struct errinfo ei;
    assert_int_equal(conf_build(pairs, 2, &c, &ei), E_PARSE);
    assert_null(c);
    assert_string_equal(ei.text, "smtp.max_hops: 'x' is not a number; allowed: 1 to 1000 Received "
                                 "lines");
}

static void test_pin_keeps(void **state)
{
    (void)state;
    conf_publish(build(&(struct conf_pair){ "system.hostname", "one.example" }, 1));
    const struct conf *old = conf_pin();
    conf_publish(build(&(struct conf_pair){ "system.hostname", "two.example" }, 1));
    const struct conf *now = conf_pin();
    assert_string_equal(old->system.hostname, "one.example");
    assert_string_equal(now->system.hostname, "two.example");
    conf_unref(old);
    conf_unref(now);
    conf_unref(NULL);
}

static _Atomic bool stop;
static _Atomic uint64_t pins;

/* Each published snapshot has the same number in two settings of different rooms. */
static void *reader(void *arg)
{
    (void)arg;
    uint64_t n = 0;
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        const struct conf *c = conf_pin();
        if (c->smtp.max_errors != c->smtp.max_hops || c->system.hostname[0] != 'h')
            abort();
        conf_unref(c);
        n++;
    }
    atomic_fetch_add(&pins, n);
    return NULL;
}

static void *short_reader(void *arg)
{
    for (int i = 0; i < 3; i++)
        conf_unref(conf_pin());
    return arg;
}

static struct conf *numbered(int i)
{
    _cleanup_(freep) char *n = xasprintf("%d", i % 900 + 1);
    _cleanup_(freep) char *host = xasprintf("h%d.example", i);
    const struct conf_pair pairs[] = { { "smtp.max_errors", n },
                                       { "smtp.max_hops", n },
                                       { "system.hostname", host } };
    return build(pairs, 3);
}

static void test_threads(void **state)
{
    (void)state;
    pthread_t t[4];
    conf_publish(numbered(0));
    int64_t t0 = clock_mono_us();
    for (int i = 0; i < 4; i++)
        pthread_create(&t[i], NULL, reader, NULL);
    for (int i = 1; i < 300; i++) {
        pthread_t one;
        pthread_create(&one, NULL, short_reader, NULL);
        conf_publish(numbered(i));
        pthread_join(one, NULL);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    print_message("4 threads pinned %.1f million times in %.2f s\n",
                  (double)atomic_load(&pins) / 1e6, (double)(clock_mono_us() - t0) / 1e6);
}

static void test_cost(void **state)
{
    (void)state;
    enum { ROUNDS = 1000000 };
    int64_t t0 = clock_mono_us();
    for (int i = 0; i < ROUNDS; i++)
        conf_unref(conf_pin());
    print_message("pin and unref: %.1f ns\n", (double)(clock_mono_us() - t0) * 1000 / ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults), cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_refused),  cmocka_unit_test(test_pin_keeps),
        cmocka_unit_test(test_threads),  cmocka_unit_test(test_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
