/* What accounts have sent: hours and days that pass. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/base.h"
#include "base/clock.h"
#include "os/file.h"
#include "server/smtp/sent.h"

/* messages and recipients of the last hour, then of the day */
static void assert_sent(struct sent *s, int64_t id, int64_t mh, int64_t rh, int64_t md, int64_t rd)
{
    struct sent_lately l = sent_ask(s, id);
    assert_int_equal(l.hour.messages, mh);
    assert_int_equal(l.hour.rcpts, rh);
    assert_int_equal(l.day.messages, md);
    assert_int_equal(l.day.rcpts, rd);
}

static void test_counts(void **state)
{
    (void)state;
    struct sent *s = sent_new();
    assert_sent(s, 1, 0, 0, 0, 0);
    sent_add(s, 1, 3);
    sent_add(s, 1, 4);
    sent_add(s, 2, 1);
    assert_sent(s, 1, 2, 7, 2, 7);
    assert_sent(s, 2, 1, 1, 1, 1);
    assert_sent(s, 3, 0, 0, 0, 0);
    assert_sent(s, sent_domain(1), 0, 0, 0, 0);
    sent_add(s, sent_domain(1), 2);
    assert_sent(s, sent_domain(1), 1, 2, 1, 2);
    assert_sent(s, 1, 2, 7, 2, 7);
    sent_free(s);
    sent_add(NULL, 1, 1);
    assert_sent(NULL, 1, 0, 0, 0, 0);
}

static void test_windows(void **state)
{
    (void)state;
    struct sent *s = sent_new();
    sent_add(s, 1, 10);
    clock_test_advance(30 * 60 * 1000);
    sent_add(s, 1, 5);
    assert_sent(s, 1, 2, 15, 2, 15);
    clock_test_advance(31 * 60 * 1000);
    assert_sent(s, 1, 1, 5, 2, 15);
    clock_test_advance(30 * 60 * 1000);
    assert_sent(s, 1, 0, 0, 2, 15);
    clock_test_advance(INT64_C(24) * 3600 * 1000);
    assert_sent(s, 1, 0, 0, 0, 0);
    sent_add(s, 1, 2);
    assert_sent(s, 1, 1, 2, 1, 2);
    clock_test_advance(INT64_C(400) * 24 * 3600 * 1000);
    assert_sent(s, 1, 0, 0, 0, 0);
    sent_free(s);
}

/* More accounts than are remembered: nothing grows without bound, and nobody is counted wrong. */
static void test_many(void **state)
{
    (void)state;
    struct sent *s = sent_new();
    for (int64_t i = 1; i <= 100010; i++)
        sent_add(s, i, 1);
    assert_sent(s, 1, 1, 1, 1, 1);
    assert_sent(s, 100010, 0, 0, 0, 0);
    sent_free(s);
}

static void test_file(void **state)
{
    (void)state;
    char path[] = "/tmp/test_sent.XXXXXX";
    close(mkstemp(path));
    unlink(path);
    struct sent *s = sent_new();
    assert_int_equal(sent_load(s, path, NULL), 0); /* there is none yet */
    assert_int_equal(sent_save(s, path, NULL), 0);
    assert_int_equal(access(path, F_OK), -1); /* nothing to be saved */
    sent_add(s, 1, 10);
    clock_test_advance(30 * 60 * 1000);
    sent_add(s, 1, 5);
    sent_add(s, 2, 1);
    assert_int_equal(sent_save(s, path, NULL), 0);
    sent_free(s);

    clock_test_advance(31 * 60 * 1000); /* passes while nobody counts, too */
    s = sent_new();
    assert_int_equal(sent_load(s, path, NULL), 0);
    assert_sent(s, 1, 1, 5, 2, 15);
    assert_sent(s, 2, 1, 1, 1, 1);
    sent_add(s, 1, 1);
    assert_int_equal(sent_save(s, path, NULL), 0);
    sent_free(s);

    clock_test_advance(-INT64_C(48) * 3600 * 1000); /* the clock was wrong */
    s = sent_new();
    assert_int_equal(sent_load(s, path, NULL), 0);
    assert_sent(s, 1, 0, 0, 0, 0);
    sent_free(s);

    clock_test_advance(INT64_C(80) * 3600 * 1000);
    s = sent_new();
    assert_int_equal(sent_load(s, path, NULL), 0);
    assert_sent(s, 1, 0, 0, 0, 0);
    sent_free(s);

    assert_int_equal(os_write_file_atomic(path, SV("another version"), 0600, NULL), 0);
    s = sent_new();
    assert_int_equal(sent_load(s, path, NULL), 0);
    assert_sent(s, 1, 0, 0, 0, 0);
    sent_free(s);
    unlink(path);
    assert_int_equal(sent_save(NULL, path, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_file),
    };
    return cmocka_run_group_tests_name("server/smtp/sent", tests, NULL, NULL);
}
