/* Threads that wait in queue_take get what is due later, also what is placed in between. */
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
    const struct takers *waiting = &e.q->takers[*kind];
    pthread_mutex_lock(&e.q->lock);
    unsigned before = waiting->watched + waiting->sleeping;
    pthread_mutex_unlock(&e.q->lock);
    bool waits = false;
    assert_int_equal(pthread_create(&t, NULL, take, kind), 0);
    while (!waits) {
        pthread_mutex_lock(&e.q->lock);
        waits = waiting->watched + waiting->sleeping > before;
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

/* The other one is told to stop. */
static struct message *taken_by_one_of(pthread_t a, pthread_t b)
{
    struct timespec until;
    void *m[2] = { NULL, NULL };
    clock_gettime(CLOCK_REALTIME, &until);
    pthread_t *first = &a;
    for (unsigned i = 0; i < PATIENCE_S * 20; i++, first = first == &a ? &b : &a) {
        until.tv_nsec += 50000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        if (pthread_timedjoin_np(*first, &m[0], &until) == 0) {
            queue_stop(e.q);
            pthread_join(first == &a ? b : a, &m[1]);
            return m[0];
        }
    }
    queue_stop(e.q);
    pthread_join(a, NULL);
    pthread_join(b, NULL);
    fail_msg("nobody woke who waits");
    return NULL;
}

static void short_waits(void)
{
    struct conf_pair pairs[] = {
        { "queue.journal_segment", "1MiB" },
        { "queue.min_free_space", "0" },
        { "queue.retry_schedule", "1s" },
    };
    struct conf *c;
    struct errinfo ei;
    if (conf_build(pairs, ARRAY_LEN(pairs), &c, &ei) < 0)
        fail_msg("%s", ei.text);
    conf_publish(c);
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

/* It waits behind the first one, whose server is silent. To say so wakes a thread that then finds
 * nothing to take; the other one has to hear when the server is probed. */
static void test_remote_behind_a_silent_server(void **state)
{
    (void)state;
    enum rcpt_kind remote = RCPT_REMOTE;
    short_waits();
    struct message *first = first_of(RCPT_REMOTE, 0, 1), *second;
    queue_tell(e.q, first, QUEUE_PEER_FAILED, "451 4.4.1 no answer");
    pthread_t a = taker_of(&remote), b = taker_of(&remote);
    settle_as(e.q, first, RCPT_REMOTE, RCPT_FAILED, "451 4.4.1 no answer"); /* too old, say */
    second = make_message(300, 0, 1);
    must_accept(e.q, second);
    message_unref(second);
    second = taken_by_one_of(a, b);
    assert_non_null(second);
    settle_as(e.q, second, RCPT_REMOTE, RCPT_DELIVERED, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_local_beside_a_pause, setup, teardown),
        cmocka_unit_test_setup_teardown(test_remote_that_was_put_off, setup, teardown),
        cmocka_unit_test_setup_teardown(test_remote_behind_a_silent_server, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
