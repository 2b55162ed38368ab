/* Mail that has become old is forwarded: which, once, kept or deleted. */
#include "house.h"

#include "mail/deliver/older.h"

static const int64_t now_ms = 1790000000000, day_s = 86400;

static void set_fields(const char *to, const char *days, const char *deletes)
{
    struct account_spec s = { .option = { [0] = NULL } };
    s.option[OPT_OLDER_TO] = to;
    s.option[OPT_OLDER_DAYS] = days;
    s.option[OPT_OLDER_DELETE] = deletes;
    OK(account_update(house.accounts, "test", SV("ann@home.test"), &s, &ei));
}

static void put(const char *subject, int64_t days_old)
{
    const struct account *a = NULL;
    struct mailbox *mb = NULL;
    char text[300];
    static uint64_t key = 77;
    int n = snprintf(text, sizeof(text),
                     "Return-Path: <x@else.test>\r\nReceived: from x by y;\r\n\ttoday\r\n"
                     "Subject: %s\r\n\r\nbody\r\n",
                     subject);
    OK(account_find_address(house.accounts, SV("ann@home.test"), &a, &ei));
    OK(mailbox_open(house.store, a->id, sv_c(a->address), &mb, &ei));
    struct mailbox_add add = { .key = key++,
                               .content = sv_n(text, (size_t)n),
                               .size = (uint64_t)n,
                               .internal_date_s = now_ms / 1000 - days_old * day_s - 60 };
    OK(mailbox_add(mb, mailbox_inbox_id(mb), &add, 1, false, 0, NULL, NULL, &ei));
    OK(add.ret_error);
    mailbox_unref(mb);
    account_unref(a);
}

static void night(unsigned days)
{
    older_run(house.deliver, now_ms + (int64_t)days * day_s * 1000);
    WAIT_FOR(queue_count(house.queue) == 0);
}

static void test_old_ones_once(void **state)
{
    (void)state;
    house_start();
    put("day-21", 21);
    put("day-19", 19);
    set_fields("bob@home.test", "20", "no");
    night(0);
    assert_int_equal(inbox_count("bob@home.test"), 1);
    char *text = inbox_newest("bob@home.test", NULL);
    assert_true(strncmp(text, "Return-Path: <ann@home.test>\r\nReceived: by mx.home.test ", 54) ==
                0);
    assert_contains(text, "\r\nDelivered-To: ann@home.test\r\nReceived: from x by y;");
    assert_contains(text, "Subject: day-21\r\n");
    free(text);
    assert_int_equal(inbox_count("ann@home.test"), 2);
    OK(buf_terminate(&house.log));
    assert_contains(house.log.p,
                    "Forwarded mails older than 20 days from 'ann@home.test' to 'bob@home.test'");
    night(0);
    assert_int_equal(inbox_count("bob@home.test"), 1);
    night(1); /* 20 days and a minute */
    assert_int_equal(inbox_count("bob@home.test"), 2);
    night(2);
    assert_int_equal(inbox_count("bob@home.test"), 2);
}

static void test_deleted(void **state)
{
    (void)state;
    house_start();
    put("day-21", 21);
    put("day-19", 19);
    set_fields("bob@home.test", "20", "yes");
    night(0);
    assert_int_equal(inbox_count("bob@home.test"), 1);
    assert_int_equal(inbox_count("ann@home.test"), 1);
}

/* What has no target stays until it has one. */
static void test_nobody_to_send_it_to(void **state)
{
    (void)state;
    house_start();
    put("day-21", 21);
    set_fields("nobody@home.test", "20", "yes");
    night(0);
    assert_int_equal(inbox_count("ann@home.test"), 1);
    set_fields("bob@home.test", "0", "yes");
    night(0);
    assert_int_equal(inbox_count("ann@home.test"), 1);
    assert_int_equal(inbox_count("bob@home.test"), 0);
    set_fields("bob@home.test", "20", "yes");
    night(0);
    assert_int_equal(inbox_count("ann@home.test"), 0);
    assert_int_equal(inbox_count("bob@home.test"), 1);
}

static void test_days(void **state)
{
    (void)state;
    setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1); /* needs no files */
    tzset();
    const int64_t midnight = 1790028000000; /* 2026-09-22 00:00 there */
    assert_false(older_is_due(midnight - 3600000, midnight - 1000));
    assert_true(older_is_due(midnight - 3600000, midnight));
    assert_true(older_is_due(midnight - 1000, midnight + 1000));
    assert_false(older_is_due(midnight, midnight + 86399000));
    assert_true(older_is_due(midnight, midnight + 86400000));
    assert_false(older_is_due(midnight + 1000, midnight - 1000)); /* the clock went back */
    unsetenv("TZ");
    tzset();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_old_ones_once, house_setup, house_teardown),
        cmocka_unit_test_setup_teardown(test_deleted, house_setup, house_teardown),
        cmocka_unit_test_setup_teardown(test_nobody_to_send_it_to, house_setup, house_teardown),
        cmocka_unit_test(test_days),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
