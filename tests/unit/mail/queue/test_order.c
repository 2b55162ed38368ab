/* What the administrator does with a message while it is being delivered: recorded at once, done
 * when the attempt ends. */
#include "queue_test.h"

#include <pthread.h>
#include <stdatomic.h>

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

static void restart(void)
{
    env_crash(&e);
    env_open(&e);
}

static struct queue_steered steer_spec(struct queue_steer s)
{
    struct queue_steered done;
    struct errinfo ei;
    s.admin = "boss";
    if (queue_steer(e.q, &s, &done, &ei) < 0)
        fail_msg("%s", ei.text);
    return done;
}

static struct queue_steered steer(enum queue_action action)
{
    return steer_spec((struct queue_steer){ .action = action, .priority = PRIORITY_HIGH });
}

static struct message *take(enum rcpt_kind kind)
{
    struct message *m;
    assert_int_equal(queue_take(e.q, kind, &m, 1), 1);
    return m;
}

static struct message *accept_and_take(unsigned remote)
{
    struct message *m = make_message(500, 0, remote);
    must_accept(e.q, m);
    message_unref(m);
    return take(RCPT_REMOTE);
}

/* Without an attempt that is due, and not because it rests. */
static void defer(struct message *m)
{
    queue_tell(e.q, m, QUEUE_PEER_ANSWERED, NULL);
    settle_as(e.q, m, RCPT_REMOTE, RCPT_WAITING, "451 later");
}

struct seen {
    struct queue_info i;
    enum queue_action ordered;
};

static bool see(const struct queue_info *i, void *arg)
{
    struct seen *s = arg;
    s->i = *i;
    s->ordered = i->ordered ? *i->ordered : QUEUE_ACTIONS;
    return true;
}

static struct seen the_message(void)
{
    struct seen s = { 0 };
    queue_each(e.q, see, &s);
    return s;
}

static void test_held_when_the_attempt_ends(void **state)
{
    (void)state;
    struct message *m = accept_and_take(1);
    assert_int_equal(the_message().ordered, QUEUE_ACTIONS);
    assert_int_equal(steer(QUEUE_HOLD).n[STEER_LATER], 1);
    assert_int_equal(the_message().ordered, QUEUE_HOLD);
    assert_true(the_message().i.active);
    assert_int_equal(steer(QUEUE_HOLD).n[STEER_AS_IT_WAS], 1);
    assert_int_equal(steer(QUEUE_SEND_NOW).n[STEER_AS_IT_WAS], 1);
    defer(m);
    assert_true(the_message().i.held && !the_message().i.active);
    assert_int_equal(the_message().i.attempts, 1);
    restart();
    assert_true(the_message().i.held);
    assert_int_equal(the_message().i.attempts, 1);
    assert_int_equal(steer(QUEUE_RELEASE).n[STEER_DONE], 1);
    assert_false(the_message().i.held);
}

/* kill -9 in the middle of the attempt. */
static void test_order_outlives_a_crash(void **state)
{
    (void)state;
    struct message *m = accept_and_take(1);
    steer(QUEUE_HOLD);
    message_unref(m);
    restart();
    assert_true(the_message().i.held);
    steer(QUEUE_RELEASE);
    m = take(RCPT_REMOTE);
    check_content(m);
    assert_int_equal(steer(QUEUE_DELETE).n[STEER_LATER], 1);
    message_unref(m);
    restart();
    assert_int_equal(queue_count(e.q), 0);
}

static void test_deleted_when_the_attempt_ends(void **state)
{
    (void)state;
    struct message *m = accept_and_take(1);
    assert_int_equal(
        steer_spec((struct queue_steer){ .action = QUEUE_DELETE, .dry_run = true }).n[STEER_LATER],
        1);
    assert_int_equal(the_message().ordered, QUEUE_ACTIONS); /* it was only asked */
    assert_int_equal(steer(QUEUE_DELETE).n[STEER_LATER], 1);
    assert_int_equal(steer(QUEUE_DELETE).n[STEER_AS_IT_WAS], 1);
    assert_int_equal(queue_count(e.q), 1);
    defer(m);
    assert_int_equal(queue_count(e.q), 0);
    m = accept_and_take(2); /* one gets it, the other would have waited */
    steer(QUEUE_DELETE);
    m->rcpts[0].state = RCPT_DELIVERED;
    queue_tell(e.q, m, QUEUE_PEER_ANSWERED, NULL);
    queue_settle(e.q, m, RCPT_REMOTE);
    assert_int_equal(queue_count(e.q), 0);
    restart();
    assert_int_equal(queue_count(e.q), 0);
}

static bool is_far1(const struct queue_info *i, const struct rcpt *r, void *arg)
{
    (void)i;
    (void)arg;
    return !strcmp(r->address, "far1@example.net");
}

/* Who reaches one recipient takes the message away from that one only. */
static void test_own_recipients_only(void **state)
{
    (void)state;
    struct message *m = accept_and_take(3);
    struct queue_steer own = { .action = QUEUE_HOLD, .reaches = is_far1 };
    assert_int_equal(steer_spec(own).n[STEER_SHARED], 1);
    own.action = QUEUE_DELETE;
    assert_int_equal(steer_spec(own).n[STEER_LATER], 1);
    defer(m);
    assert_int_equal(the_message().i.n_waiting, 2);
    restart();
    assert_int_equal(the_message().i.n_waiting, 2);
    steer(QUEUE_SEND_NOW);
    m = take(RCPT_REMOTE);
    assert_int_equal(m->rcpts[1].state, RCPT_FAILED);
    assert_true(m->rcpts[1].told && !m->rcpts[0].told);
    check_content(m);
    settle_as(e.q, m, RCPT_REMOTE, RCPT_DELIVERED, "");
    assert_int_equal(queue_count(e.q), 0);
}

/* At once, and not after a pause as when a notice could not be made. */
static void test_returned_when_the_attempt_ends(void **state)
{
    (void)state;
    struct message *m = accept_and_take(1);
    char key[300];
    assert_int_equal(steer(QUEUE_RETURN).n[STEER_LATER], 1);
    defer(m);
    m = take(RCPT_REMOTE);
    assert_true(m->returning);
    assert_false(queue_where(e.q, m, key));
    settle_as(e.q, m, RCPT_REMOTE, RCPT_FAILED, "554 returned");
    assert_int_equal(queue_count(e.q), 0);
}

static void test_several_orders(void **state)
{
    (void)state;
    struct message *m = accept_and_take(1);
    assert_int_equal(steer(QUEUE_PRIORITY).n[STEER_LATER], 1);
    assert_int_equal(steer(QUEUE_HOLD).n[STEER_LATER], 1);
    assert_int_equal(steer(QUEUE_RELEASE).n[STEER_LATER], 1);
    defer(m);
    assert_int_equal(the_message().i.priority, PRIORITY_HIGH);
    assert_false(the_message().i.held);
    assert_int_equal(the_message().ordered, QUEUE_ACTIONS);
}

static void test_delivered_meanwhile(void **state)
{
    (void)state;
    static const enum queue_action actions[] = { QUEUE_HOLD, QUEUE_DELETE, QUEUE_RETURN,
                                                 QUEUE_PRIORITY };
    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        struct message *m = accept_and_take(1);
        assert_int_equal(steer(actions[i]).n[STEER_LATER], 1);
        queue_tell(e.q, m, QUEUE_PEER_ANSWERED, NULL);
        settle_as(e.q, m, RCPT_REMOTE, RCPT_DELIVERED, "");
        assert_int_equal(queue_count(e.q), 0);
    }
    restart();
    assert_int_equal(queue_count(e.q), 0);
}

static void test_given_back(void **state)
{
    (void)state;
    struct message *m = accept_and_take(1);
    steer(QUEUE_HOLD);
    queue_give_back(e.q, m, RCPT_REMOTE);
    assert_true(the_message().i.held && !the_message().i.active);
    steer(QUEUE_RELEASE);
    m = take(RCPT_REMOTE);
    steer(QUEUE_DELETE);
    queue_give_back(e.q, m, RCPT_REMOTE);
    assert_int_equal(queue_count(e.q), 0);
}

/* Its state is in a file by now, or in the journal again. */
static void test_state_in_files(void **state)
{
    (void)state;
    struct message *m = make_message(500, 0, 2);
    must_accept(e.q, m);
    message_unref(m);
    assert_int_equal(queue_checkpoint(e.q), 0);
    m = take(RCPT_REMOTE);
    assert_int_equal(steer(QUEUE_HOLD).n[STEER_LATER], 1);
    m->rcpts[0].state = RCPT_DELIVERED;
    assert_int_equal(queue_checkpoint(e.q), 0);
    assert_int_equal(steer(QUEUE_PRIORITY).n[STEER_LATER], 1);
    defer(m);
    restart();
    assert_true(the_message().i.held);
    assert_int_equal(the_message().i.priority, PRIORITY_HIGH);
    assert_int_equal(the_message().i.n_waiting, 1);
}

/* --- many at a time --- */

enum { MESSAGES = 150, DELIVERERS = 3, STEERERS = 2 };

static atomic_uint attempts, delivered, orders;
static atomic_bool over;

static void *deliver(void *arg)
{
    (void)arg;
    struct message *m;
    while (queue_take(e.q, RCPT_REMOTE, &m, 1)) {
        unsigned n = atomic_fetch_add(&attempts, 1);
        queue_tell(e.q, m, QUEUE_PEER_ANSWERED, NULL);
        for (int i = 0; i < 100; i++) /* an attempt takes its time */
            sched_yield();
        if (n % 7 == 0) {
            queue_give_back(e.q, m, RCPT_REMOTE);
            continue;
        }
        bool goes = n % 50 == 0;
        delivered += goes && m->rcpts[0].state == RCPT_WAITING;
        settle_as(e.q, m, RCPT_REMOTE, goes ? RCPT_DELIVERED : RCPT_WAITING, "");
    }
    return NULL;
}

static void *steer_many(void *arg)
{
    (void)arg;
    static const enum queue_action round[] = { QUEUE_HOLD, QUEUE_RELEASE, QUEUE_SEND_NOW,
                                               QUEUE_PRIORITY };
    for (unsigned i = 0; !atomic_load(&over); i++) {
        struct queue_steer s = { .action = round[i % ARRAY_LEN(round)],
                                 .priority = (enum priority)(i % PRIORITIES) };
        struct queue_steered done;
        assert_int_equal(queue_steer(e.q, &s, &done, NULL), 0);
        assert_int_equal(done.n[STEER_FAILED], 0);
        atomic_fetch_add(&orders, (unsigned)done.n[STEER_LATER]);
    }
    return NULL;
}

static void *add_many(void *arg)
{
    (void)arg;
    for (int i = 0; i < MESSAGES; i++) {
        struct message *m = make_message(200, 0, 1);
        must_accept(e.q, m);
        message_unref(m);
    }
    return NULL;
}

/* Whoever comes first: nobody waits for ever, no result and no order is lost. */
static void test_deliverers_and_administrators(void **state)
{
    (void)state;
    pthread_t d[DELIVERERS], s[STEERERS], a;
    atomic_store(&over, false);
    for (size_t i = 0; i < DELIVERERS; i++)
        assert_int_equal(pthread_create(&d[i], NULL, deliver, NULL), 0);
    for (size_t i = 0; i < STEERERS; i++)
        assert_int_equal(pthread_create(&s[i], NULL, steer_many, NULL), 0);
    assert_int_equal(pthread_create(&a, NULL, add_many, NULL), 0);
    pthread_join(a, NULL);
    while ((atomic_load(&attempts) < 2 * MESSAGES || atomic_load(&orders) < 100) &&
           queue_count(e.q))
        sched_yield();
    atomic_store(&over, true);
    for (size_t i = 0; i < STEERERS; i++)
        pthread_join(s[i], NULL);
    queue_stop(e.q);
    for (size_t i = 0; i < DELIVERERS; i++)
        pthread_join(d[i], NULL);
    assert_int_equal(queue_count(e.q) + atomic_load(&delivered), MESSAGES);
    restart();
    assert_int_equal(queue_count(e.q) + atomic_load(&delivered), MESSAGES);
    steer(QUEUE_DELETE);
    assert_int_equal(queue_count(e.q), 0);
    print_message("%u orders while being delivered\n", atomic_load(&orders));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_held_when_the_attempt_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(test_order_outlives_a_crash, setup, teardown),
        cmocka_unit_test_setup_teardown(test_deleted_when_the_attempt_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(test_own_recipients_only, setup, teardown),
        cmocka_unit_test_setup_teardown(test_returned_when_the_attempt_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(test_several_orders, setup, teardown),
        cmocka_unit_test_setup_teardown(test_delivered_meanwhile, setup, teardown),
        cmocka_unit_test_setup_teardown(test_given_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_state_in_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_deliverers_and_administrators, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
