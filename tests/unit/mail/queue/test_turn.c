/* What a customer fetches: messages by their recipients, beside the scheduler, over restarts. */
#include "queue_test.h"

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

static void accept_to(const char *first, const char *second)
{
    struct message *m = make_message(500, 0, 0);
    message_add_rcpt(m, sv_c(first), RCPT_REMOTE);
    if (second)
        message_add_rcpt(m, sv_c(second), RCPT_REMOTE);
    must_accept(e.q, m);
    message_unref(m);
}

static bool is_mine(const struct rcpt *r, void *arg)
{
    return strstr(r->address, arg) != NULL;
}

static struct queue_turn *turn(const char *domain, size_t want)
{
    size_t n = 99;
    struct queue_turn *t = queue_turn_begin(e.q, is_mine, (void *)domain, &n);
    assert_int_equal(n, want);
    return t;
}

/* The next message: mine get the state, the others are skipped. */
static void expect_turn(struct queue_turn *t, const char *domain, const char *first,
                        enum rcpt_state state)
{
    char key[300];
    struct message *m = queue_turn_next(t);
    if (!m)
        fail_msg("no message for %s", first);
    assert_false(queue_where(e.q, m, key));
    assert_string_equal(m->rcpts[0].address, first);
    assert_non_null(m->content.p ? m->content.p : m->spool_path);
    for (size_t i = 0; i < m->n_rcpts; i++) {
        bool mine = strstr(m->rcpts[i].address, domain);
        m->rcpts[i].skipped = !mine;
        if (mine)
            m->rcpts[i].state = state;
        if (mine)
            message_set(&m->rcpts[i].answer, SV("451 as the customer said"));
    }
    queue_settle(e.q, m, RCPT_REMOTE);
}

static void expect_no_more(struct queue_turn *t)
{
    assert_null(queue_turn_next(t));
    queue_turn_end(t);
}

static void test_in_order_and_only_mine(void **state)
{
    (void)state;
    accept_to("a@one.test", NULL);
    accept_to("b@two.test", NULL);
    accept_to("c@one.test", "d@two.test");
    struct queue_turn *t = turn("@one.test", 2);
    accept_to("late@one.test", NULL); /* for the next turn */
    expect_turn(t, "@one.test", "a@one.test", RCPT_DELIVERED);
    expect_turn(t, "@one.test", "c@one.test", RCPT_DELIVERED);
    expect_no_more(t);
    assert_int_equal(queue_count(e.q), 3);
    env_crash(&e); /* what was recorded is durable */
    env_open(&e);
    t = turn("@one.test", 1);
    expect_turn(t, "@one.test", "late@one.test", RCPT_DELIVERED);
    expect_no_more(t);
    t = turn("@two.test", 2);
    expect_turn(t, "@two.test", "b@two.test", RCPT_DELIVERED);
    struct message *m = queue_turn_next(t);
    assert_string_equal(m->rcpts[1].address, "d@two.test");
    assert_int_equal(m->rcpts[0].state, RCPT_DELIVERED);
    m->rcpts[1].state = RCPT_DELIVERED;
    queue_settle(e.q, m, RCPT_REMOTE);
    expect_no_more(t);
    assert_int_equal(queue_count(e.q), 0);
}

/* A deferred one waits for its time, and is fetched before it; an untouched one is as it was. */
static void test_before_it_is_due(void **state)
{
    (void)state;
    accept_to("a@one.test", NULL);
    struct queue_turn *t = turn("@one.test", 1);
    expect_turn(t, "@one.test", "a@one.test", RCPT_WAITING);
    expect_no_more(t);
    assert_false(sched_runnable(e.q));
    t = turn("@one.test", 1);
    struct message *m = queue_turn_next(t);
    assert_int_equal(m->attempts, 1);
    queue_give_back(e.q, m, RCPT_REMOTE);
    queue_turn_end(t);
    t = turn("@one.test", 1);
    expect_turn(t, "@one.test", "a@one.test", RCPT_DELIVERED);
    expect_no_more(t);
}

/* What others do meanwhile: taken, held, paused, deleted. */
static void test_what_is_not_there_any_more(void **state)
{
    (void)state;
    struct message *got;
    struct errinfo ei;
    accept_to("a@one.test", NULL);
    accept_to("b@one.test", NULL);
    accept_to("c@one.test", NULL);
    struct queue_turn *t = turn("@one.test", 3);
    assert_int_equal(queue_take(e.q, RCPT_REMOTE, &got, 1), 1);
    assert_string_equal(got->rcpts[0].address, "a@one.test");
    struct message *m = queue_turn_next(t);
    assert_string_equal(m->rcpts[0].address, "b@one.test");
    queue_give_back(e.q, m, RCPT_REMOTE);
    assert_int_equal(queue_pause(e.q, PAUSE_ALL, SV(""), true, "boss", &ei), 1);
    expect_no_more(t);
    queue_turn_end(turn("@one.test", 0));
    queue_give_back(e.q, got, RCPT_REMOTE);
    assert_int_equal(queue_pause(e.q, PAUSE_ALL, SV(""), false, "boss", &ei), 1);
    t = turn("@one.test", 3);
    expect_turn(t, "@one.test", "a@one.test", RCPT_DELIVERED);
    expect_turn(t, "@one.test", "b@one.test", RCPT_DELIVERED);
    queue_stop(e.q);
    expect_no_more(t); /* c waits */
    assert_int_equal(queue_count(e.q), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_in_order_and_only_mine, setup, teardown),
        cmocka_unit_test_setup_teardown(test_before_it_is_due, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_not_there_any_more, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
