/* Who waits for work is woken for it, once for each piece, and time wakes one of all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "mail/queue/takers.h"

enum { THREADS = 12, PIECES = 20000 };

static struct takers t;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned work, done, returns;
static int64_t until;
static bool ends;

/* As the queue's: takes a piece, wakes the next one for what is left. */
static void *taker(void *arg)
{
    pthread_mutex_lock(&lock);
    while (!ends) {
        if (!work) {
            pthread_cond_broadcast(&changed);
            takers_wait(&t, &lock, until);
            returns++;
            continue;
        }
        work--;
        takers_relieve(&t);
        if (work)
            takers_wake(&t);
        pthread_mutex_unlock(&lock);
        pthread_mutex_lock(&lock);
        done++;
    }
    pthread_mutex_unlock(&lock);
    return arg;
}

static pthread_t threads[THREADS];

static bool all_wait(void)
{
    return t.watched && t.sleeping == THREADS - 1;
}

static void wait_for_all(void)
{
    while (!all_wait())
        pthread_cond_wait(&changed, &lock);
}

static int setup(void **state)
{
    (void)state;
    takers_init(&t);
    work = done = returns = 0;
    until = INT64_MAX;
    ends = false;
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, taker, NULL), 0);
    pthread_mutex_lock(&lock);
    wait_for_all();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ends = true;
    takers_wake_all(&t);
    pthread_mutex_unlock(&lock);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    takers_done(&t);
    return 0;
}

static void test_every_piece_is_taken(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PIECES; i++) {
        work++;
        takers_wake(&t);
        if (i % 7 == 0) {
            pthread_mutex_unlock(&lock);
            pthread_mutex_lock(&lock);
        }
    }
    while (done < PIECES)
        pthread_cond_wait(&changed, &lock);
    wait_for_all();
    assert_int_equal(work, 0);
}

/* Told of an earlier time, the watch looks again; when that has come, it is the only one who does.
 */
static void test_time_wakes_one(void **state)
{
    (void)state;
    returns = 0;
    until = clock_wall_ms() + 30;
    takers_due(&t, until);
    while (returns < 2)
        pthread_cond_wait(&changed, &lock);
    until = INT64_MAX;
    while (t.watched_until != INT64_MAX || !all_wait())
        pthread_cond_wait(&changed, &lock);
    assert_in_range(returns, 2, 4);
    takers_due(&t, clock_wall_ms() + 30);
    unsigned before = returns;
    while (returns == before || !all_wait())
        pthread_cond_wait(&changed, &lock);
    assert_int_equal(returns, before + 1);
}

/* It was woken, found nothing that can be taken now, and knows of something that comes before what
 * the watch waits for. */
static void test_who_waits_again_tells_the_watch(void **state)
{
    (void)state;
    returns = 0;
    until = clock_wall_ms() + 30;
    takers_wake(&t);
    while (!returns || !all_wait())
        pthread_cond_wait(&changed, &lock);
    assert_int_equal(t.watched_until, until);
    while (clock_wall_ms() < until || returns < 2)
        pthread_cond_wait(&changed, &lock);
    until = INT64_MAX;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_piece_is_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(test_time_wakes_one, setup, teardown),
        cmocka_unit_test_setup_teardown(test_who_waits_again_tells_the_watch, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
