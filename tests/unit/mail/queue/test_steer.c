/* What the administrator does with messages, over restarts; deadlines of what waits. */
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

static bool is_to(const struct queue_info *i, void *arg)
{
    return strstr(i->rcpt, arg) != NULL;
}

static struct queue_steered steer(enum queue_action action, const char *to, enum priority p)
{
    struct queue_steer s = {
        .action = action, .priority = p, .admin = "boss", .want = is_to, .arg = (void *)to
    };
    struct queue_steered done;
    struct errinfo ei;
    if (queue_steer(e.q, &s, &done, &ei) < 0)
        fail_msg("%s", ei.text);
    return done;
}

static void accept_to(const char *rcpt)
{
    struct message *m = make_message(500, 0, 0);
    message_add_rcpt(m, sv_c(rcpt), RCPT_REMOTE);
    must_accept(e.q, m);
    message_unref(m);
}

/* The recipient of the next message, which is delivered. */
static void expect_next(const char *rcpt)
{
    struct message *got;
    assert_true(sched_runnable(e.q));
    assert_int_equal(queue_take(e.q, RCPT_REMOTE, &got, 1), 1);
    assert_string_equal(got->rcpts[0].address, rcpt);
    queue_tell(e.q, got, QUEUE_PEER_ANSWERED, NULL);
    settle_as(e.q, got, RCPT_REMOTE, RCPT_DELIVERED, "");
}

static void expect_nothing(void)
{
    assert_false(sched_runnable(e.q));
    assert_true(list_empty(&e.q->notices));
}

static void restart(void)
{
    env_crash(&e);
    env_open(&e);
}

static void test_hold_and_release(void **state)
{
    (void)state;
    accept_to("a@one.test");
    accept_to("b@one.test");
    accept_to("c@two.test");
    assert_int_equal(steer(QUEUE_HOLD, "@one.test", 0).n[STEER_DONE], 2);
    assert_int_equal(steer(QUEUE_HOLD, "@", 0).n[STEER_AS_IT_WAS], 2); /* c is held now, too */
    assert_int_equal(steer(QUEUE_SEND_NOW, "@", 0).n[STEER_HELD], 3);
    expect_nothing();
    for (int i = 0; i < 2; i++) { /* kill -9, then an orderly end */
        restart();
        expect_nothing();
        assert_int_equal(queue_count(e.q), 3);
        env_close(&e);
        env_open(&e);
        expect_nothing();
    }
    assert_int_equal(steer(QUEUE_RELEASE, "c@", 0).n[STEER_DONE], 1);
    restart();
    expect_next("c@two.test");
    steer(QUEUE_RELEASE, "@one.test", 0);
    expect_next("a@one.test");
    expect_next("b@one.test");
    expect_nothing();
}

/* Held mail does not grow too old; released, it gets its attempt. */
static void test_held_does_not_expire(void **state)
{
    (void)state;
    clock_test_freeze(1700000000000);
    accept_to("a@one.test");
    steer(QUEUE_HOLD, "a@", 0);
    clock_test_advance(10ll * 86400000);
    sched_move_due(e.q, RCPT_REMOTE);
    expect_nothing();
    steer(QUEUE_RELEASE, "a@", 0);
    expect_next("a@one.test");
}

static void test_priority(void **state)
{
    (void)state;
    accept_to("a@one.test");
    accept_to("b@one.test");
    accept_to("c@one.test");
    assert_int_equal(steer(QUEUE_PRIORITY, "a@", PRIORITY_LOW).n[STEER_DONE], 1);
    assert_int_equal(steer(QUEUE_PRIORITY, "c@", PRIORITY_HIGH).n[STEER_DONE], 1);
    assert_int_equal(steer(QUEUE_PRIORITY, "c@", PRIORITY_HIGH).n[STEER_AS_IT_WAS], 1);
    restart();
    expect_next("c@one.test");
    expect_next("b@one.test");
    expect_next("a@one.test");
}

/* Mail to many waits behind the rest. */
static void test_list_mail_is_low(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        enum priority want;
    } cases[] = {
        { "Subject: x\r\n\r\nList-Id: no header", PRIORITY_NORMAL },
        { "list-id: <l.test>\r\nSubject: x\r\n\r\n", PRIORITY_LOW },
        { "Precedence: Bulk\r\n\r\n", PRIORITY_LOW },
        { "Precedence: first-class\r\n\r\n", PRIORITY_NORMAL },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct message *m = message_new();
        struct buf b;
        buf_init(&b, 4096);
        assert_int_equal(buf_add_str(&b, cases[i].header), 0);
        message_take_content(m, &b);
        message_assign_ids(m);
        message_add_rcpt(m, SV("u@one.test"), RCPT_REMOTE);
        must_accept(e.q, m);
        assert_int_equal(m->priority, cases[i].want);
        message_unref(m);
    }
}

/* Returned: handed to a deliverer without a place, also after a crash. */
static void test_return(void **state)
{
    (void)state;
    struct message *got;
    char key[300];
    accept_to("a@one.test");
    steer(QUEUE_HOLD, "a@", 0);
    assert_int_equal(steer(QUEUE_RETURN, "a@", 0).n[STEER_DONE], 1);
    restart();
    assert_int_equal(queue_take(e.q, RCPT_REMOTE, &got, 1), 1);
    assert_false(queue_where(e.q, got, key));
    assert_true(got->returning && !got->held);
    check_content(got);
    settle_as(e.q, got, RCPT_REMOTE, RCPT_FAILED, "554 returned");
    assert_int_equal(queue_count(e.q), 0);
}

static void test_delete_many(void **state)
{
    (void)state;
    for (int i = 0; i < 600; i++)
        accept_to(i % 2 ? "a@one.test" : "b@two.test");
    struct message *got;
    assert_int_equal(queue_take(e.q, RCPT_REMOTE, &got, 1), 1);
    struct queue_steered done = steer(QUEUE_DELETE, "b@", 0);
    assert_int_equal(done.n[STEER_DONE], 299);
    assert_int_equal(done.n[STEER_LATER], 1);
    settle_as(e.q, got, RCPT_REMOTE, RCPT_DELIVERED, "");
    restart();
    assert_int_equal(queue_count(e.q), 300);
    struct queue_steer all = { .action = QUEUE_DELETE, .dry_run = true };
    assert_int_equal(queue_steer(e.q, &all, &done, NULL), 0);
    assert_int_equal(done.n[STEER_DONE], 300);
    assert_int_equal(queue_count(e.q), 300); /* it was only asked */
    all.dry_run = false;
    assert_int_equal(queue_steer(e.q, &all, &done, NULL), 0);
    assert_int_equal(queue_count(e.q), 0);
}

/* The program ends meanwhile: what is not done yet is left, and counts. */
static void test_cancelled(void **state)
{
    (void)state;
    atomic_bool cancel = true;
    for (unsigned i = 0; i < 600; i++)
        accept_to("x@a.test");
    struct queue_steer all = { .action = QUEUE_DELETE, .cancel = &cancel };
    struct queue_steered done;
    struct errinfo ei;
    assert_int_equal(queue_steer(e.q, &all, &done, &ei), E_CLOSED);
    assert_int_equal(done.n[STEER_FAILED], 600);
    assert_int_equal(queue_count(e.q), 600);
    atomic_store(&cancel, false);
    assert_int_equal(queue_steer(e.q, &all, &done, &ei), 0);
    assert_int_equal(done.n[STEER_DONE], 600);
}

/* A post is approved or rejected once, whatever an administrator holds or releases meanwhile. */
static void test_moderation(void **state)
{
    (void)state;
    static const enum moderation becomes[] = { MODERATION_APPROVED, MODERATION_REJECTED };
    static const enum queue_action action[] = { QUEUE_APPROVE, QUEUE_REJECT };
    for (size_t i = 0; i < 2; i++) {
        struct message *m = make_message(500, 1, 0), *got;
        m->moderation = MODERATION_WAITS;
        must_accept(e.q, m);
        message_unref(m);
        assert_int_equal(queue_take(e.q, RCPT_LOCAL, &got, 1), 1);
        got->next_try_ms = clock_wall_ms() + 86400000;
        queue_settle(e.q, got, RCPT_LOCAL);
        queue_idle_wait(e.q);
        restart();
        assert_int_equal(steer(QUEUE_RELEASE, "@", 0).n[STEER_AS_IT_WAS], 1);
        assert_int_equal(steer(QUEUE_HOLD, "@", 0).n[STEER_DONE], 1);
        assert_int_equal(steer(action[i], "@", 0).n[STEER_DONE], 1);
        assert_int_equal(steer(QUEUE_APPROVE, "@", 0).n[STEER_AS_IT_WAS], 1);
        assert_int_equal(steer(QUEUE_REJECT, "@", 0).n[STEER_AS_IT_WAS], 1);
        assert_true(list_empty(&e.q->ready)); /* still held by the administrator */
        restart();
        assert_int_equal(steer(QUEUE_RELEASE, "@", 0).n[STEER_DONE], 1);
        assert_int_equal(queue_take(e.q, RCPT_LOCAL, &got, 1), 1);
        assert_int_equal(got->moderation, becomes[i]);
        settle_as(e.q, got, RCPT_LOCAL, RCPT_DELIVERED, "");
        assert_int_equal(queue_count(e.q), 0);
    }
    accept_to("a@one.test"); /* is no post */
    assert_int_equal(steer(QUEUE_APPROVE, "@", 0).n[STEER_AS_IT_WAS], 1);
}

static bool is_of_one(const struct queue_info *i, const struct rcpt *r, void *arg)
{
    (void)i;
    (void)arg;
    return strstr(r->address, "@one.test") != NULL;
}

static struct queue_steered steer_own(enum queue_action action)
{
    struct queue_steer s = { .action = action, .admin = "boss", .reaches = is_of_one };
    struct queue_steered done;
    struct errinfo ei;
    if (queue_steer(e.q, &s, &done, &ei) < 0)
        fail_msg("%s", ei.text);
    return done;
}

/* Who reaches some recipients only deletes these; the others get the message, and no notice is due.
 * What would concern all is refused. */
static void test_own_recipients_only(void **state)
{
    (void)state;
    struct message *m = make_message(500, 0, 0), *got;
    message_add_rcpt(m, SV("a@one.test"), RCPT_REMOTE);
    message_add_rcpt(m, SV("b@two.test"), RCPT_REMOTE);
    message_add_rcpt(m, SV("c@one.test"), RCPT_REMOTE);
    must_accept(e.q, m);
    message_unref(m);
    accept_to("d@one.test");
    accept_to("e@two.test");
    static const enum queue_action whole[] = { QUEUE_HOLD, QUEUE_RETURN, QUEUE_RELEASE };
    for (size_t i = 0; i < ARRAY_LEN(whole); i++) {
        struct queue_steer s = { .action = whole[i], .dry_run = true, .reaches = is_of_one };
        struct queue_steered done;
        assert_int_equal(queue_steer(e.q, &s, &done, NULL), 0);
        assert_int_equal(done.n[STEER_SHARED], 2);
        assert_int_equal(done.n[STEER_DONE] + done.n[STEER_AS_IT_WAS], 1);
    }
    struct queue_steered done = steer_own(QUEUE_DELETE);
    assert_int_equal(done.n[STEER_DONE], 2);
    assert_int_equal(done.n[STEER_SHARED], 1);
    assert_int_equal(queue_count(e.q), 2);
    for (int i = 0; i < 2; i++) { /* kill -9, then an orderly end */
        restart();
        env_close(&e);
        env_open(&e);
    }
    assert_int_equal(queue_count(e.q), 2);
    assert_int_equal(queue_take(e.q, RCPT_REMOTE, &got, 1), 1);
    assert_int_equal(got->n_rcpts, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(got->rcpts[i].state, i == 1 ? RCPT_WAITING : RCPT_FAILED);
        assert_int_equal(got->rcpts[i].told, i != 1);
    }
    check_content(got);
    queue_tell(e.q, got, QUEUE_PEER_ANSWERED, NULL);
    got->rcpts[1].state = RCPT_DELIVERED;
    queue_settle(e.q, got, RCPT_REMOTE);
    expect_next("e@two.test");
    assert_int_equal(queue_count(e.q), 0);
}

static void test_pauses(void **state)
{
    (void)state;
    struct errinfo ei;
    assert_int_equal(queue_pause(e.q, PAUSE_DESTINATION, SV("ONE.test"), true, "boss", &ei), 1);
    assert_int_equal(queue_pause(e.q, PAUSE_DESTINATION, SV("one.test"), true, "boss", &ei), 0);
    assert_int_equal(queue_pause(e.q, PAUSE_SENDER, SV("other.test"), true, "boss", &ei), 1);
    assert_int_equal(queue_pause(e.q, PAUSE_SENDER, SV(""), true, "boss", &ei), E_PARSE);
    accept_to("a@one.test");
    expect_nothing();
    restart();
    expect_nothing();
    accept_to("b@two.test");
    expect_next("b@two.test");
    assert_int_equal(queue_pause(e.q, PAUSE_SENDER, SV("example.org"), true, "boss", &ei), 1);
    accept_to("b@two.test"); /* from sender@example.org */
    expect_nothing();
    assert_int_equal(queue_pause(e.q, PAUSE_SENDER, SV("example.org"), false, "boss", &ei), 1);
    expect_next("b@two.test");
    assert_int_equal(queue_pause(e.q, PAUSE_DESTINATION, SV("one.test"), false, "boss", &ei), 1);
    assert_int_equal(queue_pause(e.q, PAUSE_ALL, SV(""), true, "boss", &ei), 1);
    restart();
    expect_nothing();
    assert_int_equal(queue_pause(e.q, PAUSE_ALL, SV(""), false, "boss", &ei), 1);
    expect_next("a@one.test");
}

/* What waits for a server that is away is told of, and expires, without attempts. */
static void test_deadlines(void **state)
{
    (void)state;
    struct message *got;
    char key[300];
    clock_test_freeze(1700000000000);
    accept_to("a@dead.test");
    accept_to("b@dead.test");
    assert_int_equal(queue_take(e.q, RCPT_REMOTE, &got, 1), 1);
    queue_tell(e.q, got, QUEUE_PEER_FAILED, "451 4.4.1 away");
    settle_as(e.q, got, RCPT_REMOTE, RCPT_WAITING, "451 4.4.1 away");
    sched_move_due(e.q, RCPT_REMOTE);
    expect_nothing();
    steer(QUEUE_HOLD, "a@", 0); /* only b is looked at */
    for (int round = 0; round < 2; round++) {
        clock_test_advance(round ? 4ll * 86400000 : 4ll * 3600000);
        sched_move_due(e.q, RCPT_REMOTE);
        assert_false(list_empty(&e.q->notices));
        assert_int_equal(queue_take(e.q, RCPT_REMOTE, &got, 1), 1);
        assert_false(queue_where(e.q, got, key));
        assert_string_equal(got->rcpts[0].answer, "451 4.4.1 away");
        got->rcpts[0].skipped = true;
        got->delay_told = true;
        if (round == 1)
            break;
        struct message *keep = message_ref(got);
        queue_settle(e.q, got, RCPT_REMOTE);
        assert_int_equal(keep->attempts, 0);
        message_unref(keep);
    }
    assert_true(queue_expired(e.q, got, NULL));
    settle_as(e.q, got, RCPT_REMOTE, RCPT_FAILED, "554 away");
    assert_int_equal(queue_count(e.q), 1);
}

/* What is asked for again and again is told of its end all the same, while its server is away. */
static void test_sent_now_and_too_old(void **state)
{
    (void)state;
    struct message *got;
    char key[300];
    clock_test_freeze(1700000000000);
    accept_to("a@dead.test");
    accept_to("b@dead.test");
    assert_int_equal(queue_take(e.q, RCPT_REMOTE, &got, 1), 1);
    queue_tell(e.q, got, QUEUE_PEER_FAILED, "451 4.4.1 away");
    settle_as(e.q, got, RCPT_REMOTE, RCPT_WAITING, "451 4.4.1 away");
    clock_test_advance(10ll * 86400000);
    steer(QUEUE_SEND_NOW, "b@", 0);
    assert_int_equal(queue_take(e.q, RCPT_REMOTE, &got, 1), 1);
    assert_string_equal(got->rcpts[0].address, "b@dead.test");
    assert_false(queue_where(e.q, got, key));
    settle_as(e.q, got, RCPT_REMOTE, RCPT_FAILED, "554 away");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_hold_and_release),
        TEST(test_held_does_not_expire),
        TEST(test_priority),
        TEST(test_list_mail_is_low),
        TEST(test_return),
        TEST(test_delete_many),
        TEST(test_pauses),
        TEST(test_deadlines),
        TEST(test_cancelled),
        TEST(test_moderation),
        TEST(test_own_recipients_only),
        TEST(test_sent_now_and_too_old),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
