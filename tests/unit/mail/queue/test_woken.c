/* A thread that waits in queue_take gets what is due later, also what is placed in between. */
#include "queue_test.h"

#include <pthread.h>
#include <time.h>

enum { SOON_MS = 50, PATIENCE_S = 20 };

static struct env e;

static int setup(void **state)
{
    (void)state;
    return env_start(&e);
}

static int teardown(void **state)
{
    (void)state;
    return env_end(&e);
}

static void *take(void *kind)
{
    struct message *m = NULL;
    return queue_take(e.q, *(const enum rcpt_kind *)kind, &m, 1) == 1 ? m : NULL;
}

static pthread_t taker_of(enum rcpt_kind *kind)
{
    pthread_t t;
    bool waits = false;
    assert_int_equal(pthread_create(&t, NULL, take, kind), 0);
    while (!waits) {
        pthread_mutex_lock(&e.q->lock);
        waits = e.q->takers[*kind].watched;
        pthread_mutex_unlock(&e.q->lock);
        sched_yield();
    }
    return t;
}

static struct message *taken_by(pthread_t t)
{
    struct timespec until;
    void *m = NULL;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    if (pthread_timedjoin_np(t, &m, &until) != 0) {
        queue_stop(e.q);
        pthread_join(t, NULL);
        fail_msg("nobody woke who waits");
    }
    return m;
}

static struct message *first_of(enum rcpt_kind kind, unsigned local, unsigned remote)
{
    struct message *m = make_message(300, local, remote), *got = NULL;
    must_accept(e.q, m);
    message_unref(m);
    assert_int_equal(queue_take(e.q, kind, &got, 1), 1);
    return got;
}

/* Its other recipient waits for the end of a pause. */
static void test_local_beside_a_pause(void **state)
{
    (void)state;
    struct errinfo ei;
    enum rcpt_kind local = RCPT_LOCAL;
    assert_int_equal(queue_pause(e.q, PAUSE_ALL, SV(""), true, "boss", &ei), 1);
    struct message *m = first_of(RCPT_LOCAL, 1, 1);
    pthread_t t = taker_of(&local);
    m->next_try_ms = clock_wall_ms() + SOON_MS;
    settle_as(e.q, m, RCPT_LOCAL, RCPT_WAITING, "451 later");
    m = taken_by(t);
    assert_non_null(m);
    settle_as(e.q, m, RCPT_LOCAL, RCPT_DELIVERED, "");
}

static void test_remote_that_was_put_off(void **state)
{
    (void)state;
    enum rcpt_kind remote = RCPT_REMOTE;
    struct message *m = first_of(RCPT_REMOTE, 0, 1);
    pthread_t t = taker_of(&remote);
    m->next_try_ms = clock_wall_ms() + SOON_MS;
    settle_as(e.q, m, RCPT_REMOTE, RCPT_WAITING, "451 later");
    m = taken_by(t);
    assert_non_null(m);
    settle_as(e.q, m, RCPT_REMOTE, RCPT_DELIVERED, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_local_beside_a_pause, setup, teardown),
        cmocka_unit_test_setup_teardown(test_remote_that_was_put_off, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
