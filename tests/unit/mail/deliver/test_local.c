/* Tests of local delivery: one file for all, quota and unknown accounts, notices, latency, batches,
 * restarts. */
#include "house.h"

#define BODY "Subject: hi\r\n\r\nbody\r\n"

static int setup(void **state)
{
    (void)state;
    house_open(NULL, 0);
    use_names(NULL, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    house_close();
    return 0;
}

static void test_one_file_for_all(void **state)
{
    (void)state;
    struct message *m = new_message("x@else.test", BODY);
    mk_account("cid@home.test", NULL);
    m->session_id = 0x2770;
    to_local(m, "ann@home.test");
    to_local(m, "bob@home.test");
    to_local(m, "cid@home.test");
    to_local(m, "ann@home.test"); /* an alias of hers: once */
    submit(m);
    house_start();
    WAIT_FOR(queue_count(house.queue) == 0);
    static const char *const who[] = { "ann@home.test", "bob@home.test", "cid@home.test" };
    for (size_t i = 0; i < ARRAY_LEN(who); i++) {
        unsigned links;
        char *text = inbox_newest(who[i], &links);
        assert_int_equal(inbox_count(who[i]), 1);
        assert_string_equal(
            text, "Return-Path: <x@else.test>\r\nReceived: from x by y;\r\n\ttoday\r\n" BODY);
        assert_int_equal(links, 3);
        free(text);
    }
    house_stop();
    OK(buf_terminate(&house.log));
    assert_contains(house.log.p, "SYSTEM          [2770] ");
    assert_contains(house.log.p, "HandleLocalMail Begin\n");
    assert_contains(house.log.p, "HandleLocalMail End\n");
}

static void test_large_file_is_linked(void **state)
{
    (void)state;
    struct message *m = new_message("x@else.test", BODY);
    int fd;
    to_local(m, "ann@home.test");
    OK(queue_spool_begin(house.queue, m, &fd, &ei));
    OK(os_write_all(fd, m->content.p, m->content.n));
    close(fd);
    message_drop_content(m);
    submit(m);
    house_start();
    WAIT_FOR(queue_count(house.queue) == 0);
    char *text = inbox_newest("ann@home.test", NULL);
    assert_contains(text, BODY);
    free(text);
}

static void test_full_mailbox_bounces(void **state)
{
    (void)state;
    mk_account("small@home.test", "10");
    struct message *m = new_message("ann@home.test", BODY);
    to_local(m, "small@home.test");
    to_local(m, "bob@home.test");
    submit(m);
    house_start();
    WAIT_FOR(queue_count(house.queue) == 0 && inbox_count("ann@home.test") == 1);
    assert_int_equal(inbox_count("bob@home.test"), 1);
    assert_int_equal(inbox_count("small@home.test"), 0);
    char *text = inbox_newest("ann@home.test", NULL);
    assert_contains(
        text, "Final-Recipient: rfc822; small@home.test\r\nAction: failed\r\nStatus: 5.2.2\r\n"
              "Diagnostic-Code: x-posthorn; 552 5.2.2 Mailbox has exceeded the limit\r\n");
    assert_null(strstr(text, "rfc822; bob@"));
    free(text);
}

static void test_deleted_account_bounces(void **state)
{
    (void)state;
    struct message *m = new_message("ann@home.test", BODY);
    mk_account("gone@home.test", NULL);
    to_local(m, "gone@home.test");
    OK(account_delete(house.accounts, "test", SV("gone@home.test"), &ei));
    submit(m);
    house_start();
    WAIT_FOR(queue_count(house.queue) == 0 && inbox_count("ann@home.test") == 1);
    char *text = inbox_newest("ann@home.test", NULL);
    assert_contains(text, "Status: 5.1.1\r\n");
    free(text);
}

/* Nobody is told: null sender, a bounce, NOTIFY=NEVER, a sender who does not exist. */
static void test_no_notice(void **state)
{
    (void)state;
    mk_account("small@home.test", "10");
    static const char *const senders[] = { "", "ann@home.test", "ann@home.test",
                                           "nobody@home.test" };
    for (size_t i = 0; i < ARRAY_LEN(senders); i++) {
        struct message *m = new_message(senders[i], BODY);
        struct rcpt *r = to_local(m, "small@home.test");
        m->bounce = i == 1;
        r->notify = i == 2 ? NOTIFY_NEVER : 0;
        submit(m);
    }
    house_start();
    WAIT_FOR(queue_count(house.queue) == 0);
    house_stop();
    open_queue();
    assert_int_equal(queue_count(house.queue), 0);
    assert_int_equal(inbox_count("ann@home.test"), 0);
}

static void test_success_notice(void **state)
{
    (void)state;
    struct message *m = new_message("ann@home.test", BODY);
    message_set(&m->envid, SV("env-7"));
    struct rcpt *r = to_local(m, "bob@home.test");
    r->notify = NOTIFY_SUCCESS;
    message_set(&r->orcpt, SV("rfc822;robert@home.test"));
    submit(m);
    house_start();
    WAIT_FOR(queue_count(house.queue) == 0 && inbox_count("ann@home.test") == 1);
    char *text = inbox_newest("ann@home.test", NULL);
    assert_contains(text, "Original-Envelope-Id: env-7\r\n");
    assert_contains(
        text,
        "Original-Recipient: rfc822;robert@home.test\r\nFinal-Recipient: rfc822; bob@home.test\r\n"
        "Action: delivered\r\nStatus: 2.1.5\r\n");
    assert_contains(text, "Content-Type: text/rfc822-headers\r\n");
    free(text);
}

static void test_bounce_leaves_for_elsewhere(void **state)
{
    (void)state;
    const struct conf_pair none[] = { { "deliver.remote_workers", "1" } };
    house_conf(none, 1);
    mk_account("small@home.test", "10");
    struct message *m = new_message("far@else.test", BODY);
    to_local(m, "small@home.test");
    char original[12];
    memcpy(original, m->id, sizeof(original));
    submit(m);
    static const struct name slow[] = { { "else.test", DNS_MX, E_TIMEOUT, 0, NULL } };
    use_names(slow, 1);
    house_start();
    WAIT_FOR(queue_count(house.queue) == 1 && deferred());
    struct message *view = NULL;
    OK(queue_view(house.queue, sv_c(queue_first().id), &view));
    assert_true(view->bounce);
    assert_string_equal(view->sender, "");
    assert_string_equal(view->rcpts[0].address, "far@else.test");
    message_unref(view);
    house_stop();
    OK(buf_terminate(&house.log));
    char want[60];
    snprintf(want, sizeof(want), ".tm$ original %s\n", original);
    assert_contains(house.log.p, want);
}

static void test_delay_warning(void **state)
{
    (void)state;
    const struct conf_pair quick[] = { { "queue.delay_warning", "1s" } };
    static const struct name slow[] = { { "else.test", DNS_MX, E_TIMEOUT, 0, NULL } };
    use_names(slow, 1);
    struct message *m = new_message("ann@home.test", BODY);
    to_remote(m, "u@else.test");
    submit(m);
    house_start();
    WAIT_FOR(deferred());
    assert_int_equal(inbox_count("ann@home.test"), 0);
    house_conf(quick, 1);
    usleep(1100000);
    queue_retry(house.queue, SV(""));
    WAIT_FOR(inbox_count("ann@home.test") == 1 && queue_count(house.queue) == 1);
    WAIT_FOR(queue_first().attempts == 2 && deferred()); /* retry passes over what is at work */
    char *text = inbox_newest("ann@home.test", NULL);
    assert_contains(text, "Action: delayed\r\nStatus: 4.4.3\r\n");
    assert_contains(text, "Will-Retry-Until: ");
    free(text);
    WAIT_FOR(deferred() &&
             queue_first().attempts == 2); /* the notice came before its attempt ended */
    queue_retry(house.queue, SV(""));      /* told once */
    WAIT_FOR(queue_first().attempts == 3);
    assert_int_equal(inbox_count("ann@home.test"), 1);
}

static void test_latency_and_batches(void **state)
{
    (void)state;
    house_start();
    int64_t best = INT64_MAX, sum = 0;
    for (unsigned i = 1; i <= 30; i++) {
        struct message *m = new_message("x@else.test", BODY);
        to_local(m, "ann@home.test");
        int64_t t0 = clock_mono_us();
        submit(m);
        while (queue_count(house.queue))
            usleep(50);
        int64_t us = clock_mono_us() - t0;
        best = MIN(best, us);
        sum += us;
    }
    printf("accept to delivered: best %" PRId64 " us, mean %" PRId64 " us\n", best, sum / 30);
    int64_t t0 = clock_mono_us();
    for (unsigned i = 0; i < 2000; i++) {
        struct message *m = new_message("x@else.test", BODY);
        to_local(m, i % 2 ? "ann@home.test" : "bob@home.test");
        submit(m);
    }
    queue_idle_wait(house.queue);
    printf("2000 messages in %" PRId64 " ms\n", (clock_mono_us() - t0) / 1000);
    assert_int_equal(inbox_count("ann@home.test"), 1030);
    assert_int_equal(inbox_count("bob@home.test"), 1000);
}

/* Delivered, but the record of it is lost: the second delivery is recognised. */
static void test_repeated_delivery(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct message *m = new_message("x@else.test", BODY);
        m->key = 4711;
        to_local(m, "ann@home.test");
        submit(m);
        if (i == 0)
            house_start();
        WAIT_FOR(queue_count(house.queue) == 0);
    }
    assert_int_equal(inbox_count("ann@home.test"), 1);
}

/* Several threads share its mailboxes; some forward, one has a script, and one is full. All that
 * keep it have the same file, except a few copies for threads whose source was expunged just then.
 */
static void test_to_many(void **state)
{
    (void)state;
    enum { MANY = 150 };
    char address[40];
    unsigned links = 0;
    house_conf((struct conf_pair[]){ { "deliver.local_workers", "4" } }, 1);
    struct message *m = new_message("ann@home.test", BODY);
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(address, sizeof(address), "m%03u@home.test", i);
        mk_account(address, i == 77 ? "10" : NULL);
        if (i % 10 == 9) {
            struct account_spec s = { .option[OPT_FORWARD_TO] = "bob@home.test" };
            OK(account_update(house.accounts, "test", sv_c(address), &s, &ei));
        }
        to_local(m, address);
    }
    submit(m);
    house_start();
    WAIT_FOR(queue_count(house.queue) == 0);
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(address, sizeof(address), "m%03u@home.test", i);
        assert_int_equal(inbox_count(address), i != 77);
    }
    assert_int_equal(inbox_count("bob@home.test"), MANY / 10);
    char *text = inbox_newest("m000@home.test", &links);
    assert_int_equal(links, MANY - 1);
    free(text);
    text = inbox_newest("ann@home.test", NULL);
    assert_contains(text, "m077@home.test");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_file_for_all, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large_file_is_linked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_mailbox_bounces, setup, teardown),
        cmocka_unit_test_setup_teardown(test_deleted_account_bounces, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_notice, setup, teardown),
        cmocka_unit_test_setup_teardown(test_success_notice, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bounce_leaves_for_elsewhere, setup, teardown),
        cmocka_unit_test_setup_teardown(test_delay_warning, setup, teardown),
        cmocka_unit_test_setup_teardown(test_latency_and_batches, setup, teardown),
        cmocka_unit_test_setup_teardown(test_repeated_delivery, setup, teardown),
        cmocka_unit_test_setup_teardown(test_to_many, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
