/* Tests of stats/failures.h: counting, locks, forgetting, displacement, and several processes and
 * threads at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "stats/failures.h"
#include "segment.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

static unsigned fail_once(const char *name, int64_t limit, bool *ret_locked)
{
    return failures_add(FAILURE_NAME, sv_c(name), limit, 60000, ret_locked);
}

static void test_count_and_lock(void **state)
{
    (void)state;
    bool locked;
    assert_int_equal(fail_once("u@a.test", 3, &locked), 1);
    assert_int_equal(fail_once("U@A.test", 3, &locked), 2);
    assert_false(locked);
    assert_false(failures_locked(FAILURE_NAME, SV("u@a.test")));
    assert_int_equal(fail_once("u@a.test", 3, &locked), 3);
    assert_true(locked);
    assert_true(failures_locked(FAILURE_NAME, SV("u@a.TEST")));
    assert_false(failures_locked(FAILURE_IP, SV("u@a.test")));
    assert_false(failures_locked(FAILURE_NAME, SV("v@a.test")));
    assert_int_equal(fail_once("u@a.test", 3, &locked), 4);
    assert_false(locked); /* only one of them made the lock */
    clock_test_advance(59000);
    assert_true(failures_locked(FAILURE_NAME, SV("u@a.test")));
    clock_test_advance(1000);
    assert_false(failures_locked(FAILURE_NAME, SV("u@a.test")));
    assert_int_equal(fail_once("u@a.test", 3, &locked), 1);
    for (int i = 0; i < 100; i++)
        fail_once("free@a.test", 0, &locked);
    assert_false(failures_locked(FAILURE_NAME, SV("free@a.test")));
    assert_int_equal(failures_clear(FAILURE_NAME, SV("Free@a.test")), 100);
    assert_int_equal(failures_clear(FAILURE_NAME, SV("free@a.test")), 0);
    assert_int_equal(failures_clear(FAILURE_NAME, SV("never@a.test")), 0);
}

/* Names are forgotten after the last failure, addresses after the first. */
static void test_windows(void **state)
{
    (void)state;
    bool locked;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(fail_once("u", 0, &locked), i + 1);
        unsigned n = failures_add(FAILURE_IP, SV("192.0.2.1"), 0, 60000, &locked);
        assert_int_equal(n, i < 2 ? i + 1 : 1);
        clock_test_advance(31000);
    }
}

static void test_large_count(void **state)
{
    (void)state;
    bool locked = false;
    for (int i = 1; i < 100000; i++)
        failures_add(FAILURE_IP, SV("192.0.2.1"), 100000, 86400000, &locked);
    assert_false(locked);
    assert_int_equal(failures_add(FAILURE_IP, SV("192.0.2.1"), 100000, 86400000, &locked), 100000);
    assert_true(locked);
    for (int i = 0; i < 100000; i++)
        failures_add(FAILURE_IP, SV("192.0.2.1"), 0, 86400000, &locked);
    assert_true(failures_locked(FAILURE_IP, SV("192.0.2.1"))); /* a full counter stays full */
}

/* Invented names must not push a lock out of the table. */
static void test_lock_under_flood(void **state)
{
    (void)state;
    bool locked = false;
    for (int i = 0; i < 3; i++)
        failures_add(FAILURE_NAME, SV("victim@a.test"), 3, 600000, &locked);
    assert_true(locked);
    for (int i = 0; i < 300000; i++) {
        char name[40];
        snprintf(name, sizeof(name), "x%d@a.test", i);
        failures_add(FAILURE_NAME, sv_c(name), 3, 600000, &locked);
    }
    assert_true(failures_locked(FAILURE_NAME, SV("Victim@a.test")));
}

/* What one module counts the other one knows, also after it has died. */
static void test_two_processes(void **state)
{
    (void)state;
    bool locked;
    pid_t pid = fork();
    if (pid == 0) {
        struct shm *mine;
        if (shm_attach(seg_fd, &mine, NULL) < 0)
            _exit(1);
        shm_use(mine, MOD_SMTP);
        fail_once("u@a.test", 3, &locked);
        fail_once("u@a.test", 3, &locked);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    shm_module_reset(seg, MOD_SMTP);
    assert_int_equal(fail_once("u@a.test", 3, &locked), 3);
    assert_true(locked);
}

enum { THREADS = 4, ROUNDS = 20000 };
static atomic_int locks_made;

static void *counter(void *arg)
{
    (void)arg;
    bool locked;
    for (int i = 0; i < ROUNDS; i++) {
        char name[40];
        fail_once("shared@a.test", THREADS * ROUNDS / 2, &locked);
        atomic_fetch_add(&locks_made, locked);
        snprintf(name, sizeof(name), "x%d@a.test", i % 500);
        fail_once(name, 0, &locked);
        failures_locked(FAILURE_NAME, sv_c(name));
        failures_clear(FAILURE_NAME, sv_c(name));
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    pthread_t t[THREADS];
    bool locked;
    fail_once("shared@a.test", 0, &locked); /* its place is taken: nothing is lost from here on */
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&t[i], NULL, counter, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    assert_int_equal(atomic_load(&locks_made), 1);
    assert_int_equal(failures_clear(FAILURE_NAME, SV("shared@a.test")), THREADS * ROUNDS + 1);
}

static void test_address_key(void **state)
{
    (void)state;
    char a[64], b[64];
    assert_true(sv_eq(failures_ip_key("192.0.2.1", a), SV("192.0.2.1")));
    assert_true(
        sv_eq(failures_ip_key("2001:db8:1:2:3:4:5:6", a), failures_ip_key("2001:db8:1:2::9", b)));
    assert_false(
        sv_eq(failures_ip_key("2001:db8:1:2::1", a), failures_ip_key("2001:db8:1:3::1", b)));
    assert_true(sv_eq(failures_ip_key("::ffff:192.0.2.1", a), SV("::ffff:192.0.2.1")));
    assert_int_equal(failures_ip_key(NULL, a).n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_count_and_lock, setup, teardown),
        cmocka_unit_test_setup_teardown(test_windows, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large_count, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lock_under_flood, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_processes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_threads, setup, teardown),
        cmocka_unit_test(test_address_key),
    };
    clock_test_freeze(1700000000000);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
