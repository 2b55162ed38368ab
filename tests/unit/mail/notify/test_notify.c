/* The bus inside one process: who is told what, and that threads may come and go meanwhile. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/rand.h"
#include "mail/notify/notify.h"
#include "stats/shm.h"

static struct {
    uint64_t handle;
    int64_t account, folder;
} posts[100];
static size_t n_posts;
static unsigned n_hints;
static atomic_uint n_async;

static void on_post(uint64_t handle, int64_t account, int64_t folder)
{
    if (n_posts < ARRAY_LEN(posts)) {
        posts[n_posts].handle = handle;
        posts[n_posts].account = account;
        posts[n_posts].folder = folder;
    }
    n_posts++;
}

static void on_hint(int64_t account, int64_t folder)
{
    assert_true(account > 0 && folder > 0);
    n_hints++;
}

static int setup(void **state)
{
    (void)state;
    notify_set_hooks(&(struct notify_hooks){ .post = on_post, .hint = on_hint });
    n_posts = 0;
    n_hints = 0;
    return 0;
}

static void test_only_waiters_of_the_account_are_told(void **state)
{
    (void)state;
    notify_changed(7, 1, 0);
    assert_int_equal(n_posts, 0);
    assert_int_equal(n_hints, 0); /* nobody waits anywhere */
    notify_subscribe(7, 100);
    notify_subscribe(7, 101);
    notify_subscribe(8, 200);
    notify_changed(7, 3, 101);
    assert_int_equal(n_posts, 1);
    assert_int_equal(posts[0].handle, 100);
    assert_int_equal(posts[0].account, 7);
    assert_int_equal(posts[0].folder, 3);
    assert_int_equal(n_hints, 1);
    notify_received(8, 4);
    assert_int_equal(n_posts, 2);
    assert_int_equal(posts[1].handle, 200);
    assert_int_equal(n_hints, 1); /* a hint is not passed on */
    notify_unsubscribe(7, 100);
    notify_unsubscribe(7, 100); /* twice does no harm */
    notify_unsubscribe(7, 999);
    notify_changed(7, 3, 0);
    assert_int_equal(n_posts, 3);
    assert_int_equal(posts[2].handle, 101);
    notify_unsubscribe(7, 101);
    notify_unsubscribe(8, 200);
    assert_false(interest_any(7));
    assert_false(interest_any(8));
    notify_changed(7, 3, 0);
    assert_int_equal(n_posts, 3);
}

static void test_many_waiters_of_many_accounts(void **state)
{
    (void)state;
    for (int64_t a = 1; a <= 1000; a++) {
        for (uint64_t h = 1; h <= 90; h++)
            notify_subscribe(a, (uint64_t)a * 1000 + h);
    }
    notify_changed(500, 1, 0);
    assert_int_equal(n_posts, 90);
    for (int64_t a = 1; a <= 1000; a++) {
        for (uint64_t h = 90; h >= 1; h--)
            notify_unsubscribe(a, (uint64_t)a * 1000 + h);
        assert_false(interest_any(a) && a == 1000);
    }
}

static void count_post(uint64_t handle, int64_t account, int64_t folder)
{
    (void)folder;
    if (handle / 1000 != (uint64_t)account)
        abort();
    atomic_fetch_add(&n_async, 1);
}

static void *churn(void *arg)
{
    uint64_t me = (uint64_t)(uintptr_t)arg;
    for (unsigned i = 0; i < 5000; i++) {
        int64_t a = 1 + (int64_t)rand_below(5);
        notify_subscribe(a, (uint64_t)a * 1000 + me);
        notify_changed(a, 1, 0);
        notify_received(1 + (int64_t)rand_below(5), 1);
        notify_unsubscribe(a, (uint64_t)a * 1000 + me);
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    pthread_t t[4];
    notify_set_hooks(&(struct notify_hooks){ .post = count_post });
    for (uintptr_t i = 0; i < ARRAY_LEN(t); i++)
        assert_int_equal(pthread_create(&t[i], NULL, churn, (void *)(i + 1)), 0);
    for (size_t i = 0; i < ARRAY_LEN(t); i++)
        pthread_join(t[i], NULL);
    assert_true(atomic_load(&n_async) >= 20000);
    for (int64_t a = 1; a <= 5; a++)
        assert_false(interest_any(a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_only_waiters_of_the_account_are_told, setup),
        cmocka_unit_test_setup(test_many_waiters_of_many_accounts, setup),
        cmocka_unit_test_setup(test_threads, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
