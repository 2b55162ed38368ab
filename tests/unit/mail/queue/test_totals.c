/* The numbers of messages by state that the queue keeps are those that counting gives, whatever is
 * done to the messages, and items are in order of arrival. */
#include "queue_test.h"

enum { STEPS = 600, MOST = 60 };

static struct env e;

static int setup(void **state)
{
    (void)state;
    env_make(&e);
    settings("1MiB", "64MiB", "1h");
    clock_test_freeze(1700000000000);
    env_open(&e);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    clock_test_freeze(0);
    if (e.q)
        env_close(&e);
    env_remove(&e);
    return 0;
}

static const char *const logins[] = { "", "ann@example.org", "bob@example.org" };

struct held {
    const char *login;
    size_t n;
};

static bool count_held(const struct queue_info *i, void *arg)
{
    struct held *h = arg;
    h->n += queue_state_of(i, clock_wall_ms()) == QS_HELD && !strcmp(i->login, h->login);
    return true;
}

static size_t most_held;

static void check_held(void)
{
    for (size_t i = 0; i < ARRAY_LEN(logins); i++) {
        struct held counted = { .login = logins[i] };
        queue_each(e.q, count_held, &counted);
        assert_int_equal(queue_held_of(e.q, sv_c(logins[i])), counted.n);
        most_held = MAX(most_held, counted.n);
    }
}

static bool count(const struct queue_info *i, void *arg)
{
    struct queue_totals *t = arg;
    t->total++;
    t->states[queue_state_of(i, clock_wall_ms())]++;
    if (!t->oldest_ms || i->received_ms < t->oldest_ms)
        t->oldest_ms = i->received_ms;
    return true;
}

static void check_totals(void)
{
    struct queue_totals counted = { 0 }, kept;
    queue_totals(e.q, clock_wall_ms(), &kept);
    queue_each(e.q, count, &counted);
    assert_int_equal(kept.total, counted.total);
    for (int i = 0; i < QS_COUNT; i++)
        if (kept.states[i] != counted.states[i])
            fail_msg("state %d: %zu are kept, %zu counted", i, kept.states[i], counted.states[i]);
    assert_true(kept.oldest_ms == counted.oldest_ms);
    assert_int_equal(queue_count(e.q), counted.total);
    check_held();
}

static struct message *taken[MOST];
static size_t n_taken;

static void accept_one(void)
{
    _cleanup_(message_unrefp) struct message *m = make_message(200, rand_below(2), 1);
    m->received_ms -= rand_below(5) * 100; /* its content took a while */
    message_set(&m->auth_user, sv_c(logins[rand_below(ARRAY_LEN(logins))]));
    m->moderation = rand_below(10) ? MODERATION_NONE : MODERATION_WAITS;
    if (queue_count(e.q) < MOST)
        must_accept(e.q, m);
}

static bool due(enum rcpt_kind kind)
{
    return kind == RCPT_LOCAL ? !list_empty(&e.q->ready) : sched_runnable(e.q);
}

static void take_one(void)
{
    if (!n_taken && due(RCPT_REMOTE)) /* else the destination may be full */
        n_taken += queue_take(e.q, RCPT_REMOTE, &taken[n_taken], 1);
}

static void settle_one(void)
{
    struct message *local[1];
    if (due(RCPT_LOCAL) && queue_take(e.q, RCPT_LOCAL, local, 1))
        settle_as(e.q, local[0], RCPT_LOCAL, RCPT_DELIVERED, "");
    if (!n_taken)
        return;
    struct message *m = taken[--n_taken];
    switch (rand_below(3)) {
    case 0:
        queue_give_back(e.q, m, RCPT_REMOTE);
        return;
    case 1:
        settle_as(e.q, m, RCPT_REMOTE, RCPT_DELIVERED, "");
        return;
    default:
        settle_as(e.q, m, RCPT_REMOTE, RCPT_WAITING, "451 later");
    }
}

static bool some(const struct queue_info *i _unused_, void *arg _unused_)
{
    return rand_below(4) == 0;
}

static void steer_some(void)
{
    static const enum queue_action actions[] = { QUEUE_HOLD,   QUEUE_RELEASE, QUEUE_SEND_NOW,
                                                 QUEUE_RETURN, QUEUE_DELETE,  QUEUE_PRIORITY,
                                                 QUEUE_APPROVE };
    struct queue_steer s = { .action = actions[rand_below(ARRAY_LEN(actions))],
                             .priority = PRIORITY_LOW,
                             .admin = "boss",
                             .want = some };
    struct queue_steered done;
    assert_int_equal(queue_steer(e.q, &s, &done, NULL), 0);
}

static void pause_some(void)
{
    assert_true(queue_pause(e.q, PAUSE_SENDER, SV("example.org"), rand_below(2), "boss", NULL) >=
                0);
}

static void start_again(void)
{
    if (n_taken)
        return;
    env_crash(&e);
    env_open(&e);
}

static void test_kept_is_counted(void **state)
{
    (void)state;
    for (int i = 0; i < STEPS; i++) {
        switch (rand_below(12)) {
        case 0:
            clock_test_advance(rand_below(2) ? 1000 : 3600000);
            break;
        case 1:
        case 2:
            take_one();
            break;
        case 3:
        case 4:
            settle_one();
            break;
        case 5:
            steer_some();
            break;
        case 6:
            pause_some();
            break;
        case 7:
            start_again();
            break;
        default:
            accept_one();
        }
        check_totals();
    }
    while (n_taken)
        queue_give_back(e.q, taken[--n_taken], RCPT_REMOTE);
    check_totals();
}

static bool see(const struct queue_info *i, void *arg)
{
    int64_t *last = arg;
    assert_true(i->received_ms >= *last);
    *last = i->received_ms;
    return true;
}

static bool see_back(const struct queue_info *i, void *arg)
{
    int64_t *last = arg;
    assert_true(i->received_ms <= *last);
    *last = i->received_ms;
    return true;
}

/* Also what was overdue when it was accepted, between others that are and are not. */
static void test_in_order_of_arrival(void **state)
{
    (void)state;
    static const int64_t ages[] = {
        0, 5000, 20000000, 3000, 15000000, 18000000, 1000, 25000000, 0
    };
    int64_t last = 0;
    for (size_t i = 0; i < ARRAY_LEN(ages); i++) {
        _cleanup_(message_unrefp) struct message *m = make_message(200, 0, 1);
        m->received_ms -= ages[i];
        must_accept(e.q, m);
        if (i % 3 == 2)
            check_totals(); /* the border moves */
    }
    check_totals();
    queue_each(e.q, see, &last);
    queue_each_newest(e.q, see_back, &last);
    struct queue_totals t;
    queue_totals(e.q, clock_wall_ms(), &t);
    assert_int_equal(t.states[QS_OVERDUE], 4);
    assert_int_equal(t.states[QS_QUEUED], 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_kept_is_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_in_order_of_arrival, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
