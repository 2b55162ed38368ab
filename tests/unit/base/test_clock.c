/* Tests of base/clock.h: the test offsets, and the formats in several time zones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"

#include <pthread.h>
#include <unistd.h>

static void set_zone(const char *tz)
{
    setenv("TZ", tz, 1);
    tzset();
    /* The cache holds a second, not a zone: take it off the seconds that the tests use. */
    char t[16];
    clock_hms(-1, t);
}

static void test_running(void **state)
{
    (void)state;
    time_t before = time(NULL);
    int64_t wall = clock_wall_s();
    assert_true(wall >= before && wall <= time(NULL) + 1);
    assert_true(llabs(clock_wall_ms() / 1000 - clock_wall_s()) <= 1);
    int64_t m0 = clock_mono_us(), ms0 = clock_mono_ms();
    assert_true(llabs(m0 / 1000 - ms0) < 1000);
    usleep(2000);
    assert_true(clock_mono_us() >= m0 + 2000);
}

static void test_advance(void **state)
{
    (void)state;
    int64_t m0 = clock_mono_ms(), w0 = clock_wall_ms();
    clock_test_advance(3600 * 1000);
    int64_t m1 = clock_mono_ms() - m0, w1 = clock_wall_ms() - w0;
    assert_true(m1 >= 3600 * 1000 && m1 < 3660 * 1000);
    assert_true(w1 >= 3600 * 1000 - 10 && w1 < 3660 * 1000);
}

static void test_freeze(void **state)
{
    (void)state;
    int64_t before = clock_mono_us();
    clock_test_freeze(1317804432123);
    int64_t m0 = clock_mono_us();
    assert_true(m0 >= before);
    assert_true(clock_wall_ms() == 1317804432123);
    assert_true(clock_wall_s() == 1317804432);
    usleep(2000);
    assert_true(clock_wall_ms() == 1317804432123);
    assert_true(clock_mono_us() == m0);
    clock_test_advance(1500);
    assert_true(clock_wall_ms() == 1317804433623);
    assert_true(clock_mono_us() == m0 + 1500000);

    clock_test_freeze(5000);
    assert_true(clock_wall_ms() == 5000);
    assert_true(clock_mono_us() == m0 + 1500000); /* another date moves only the wall clock */

    clock_test_advance(100000000);
    m0 = clock_mono_us();
    clock_test_freeze(0);
    assert_true(clock_mono_us() >= m0); /* not even now back */
    usleep(2000);
    assert_true(clock_mono_us() >= m0 + 2000);
    assert_true(clock_wall_ms() > 1317804432123);
}

static void test_formats(void **state)
{
    (void)state;
    char t[40];
    set_zone("UTC-2"); /* POSIX sign: two hours east */
    clock_rfc5322(1317804432, t);
    assert_string_equal(t, "Wed, 05 Oct 2011 10:47:12 +0200");
    clock_imap(1317804432, t);
    assert_string_equal(t, " 5-Oct-2011 10:47:12 +0200");
    clock_hms(1317804432, t);
    assert_string_equal(t, "10:47:12");
    clock_ymd(1317804432, t);
    assert_string_equal(t, "20111005");
    clock_ymdhms(1317804432, t);
    assert_string_equal(t, "20111005104712");
    clock_imap(1317804432 + 10 * 86400, t);
    assert_string_equal(t, "15-Oct-2011 10:47:12 +0200");

    set_zone("XXX3:30");
    clock_rfc5322(0, t);
    assert_string_equal(t, "Wed, 31 Dec 1969 20:30:00 -0330");
    clock_imap(951782400, t);
    assert_string_equal(t, "28-Feb-2000 20:30:00 -0330");
    set_zone("XXX0:30");
    clock_rfc5322(951782400, t);
    assert_string_equal(t, "Mon, 28 Feb 2000 23:30:00 -0030");
    set_zone("UTC0");
    clock_rfc5322(951782400, t);
    assert_string_equal(t, "Tue, 29 Feb 2000 00:00:00 +0000");
}

static void test_summer_time(void **state)
{
    (void)state;
    char t[40];
    set_zone("CET-1CEST,M3.5.0,M10.5.0/3");
    clock_rfc5322(1301187599, t);
    assert_string_equal(t, "Sun, 27 Mar 2011 01:59:59 +0100");
    clock_rfc5322(1301187600, t);
    assert_string_equal(t, "Sun, 27 Mar 2011 03:00:00 +0200");
    clock_rfc5322(1301187599, t);
    assert_string_equal(t, "Sun, 27 Mar 2011 01:59:59 +0100");
}

static void test_cache(void **state)
{
    (void)state;
    /* Every second anew, and the same one again, agrees with localtime_r. */
    set_zone("CET-1CEST,M3.5.0,M10.5.0/3");
    for (int64_t s = 1301180000; s < 1301200000; s += 7) {
        time_t when = s;
        struct tm tm;
        char want[64], t[40];
        assert_non_null(localtime_r(&when, &tm));
        assert_true(strftime(want, sizeof(want), "%a, %d %b %Y %H:%M:%S %z", &tm) > 0);
        clock_rfc5322(s, t);
        assert_string_equal(t, want);
        clock_rfc5322(s, t);
        assert_string_equal(t, want);
    }
}

static void test_extremes(void **state)
{
    (void)state;
    static const int64_t when[] = { INT64_MIN, INT64_MAX,    -62167219200 - 86400 * 400,
                                    -1,        253402300800, 67767976233532799 };
    char t[40];
    set_zone("UTC0");
    for (size_t i = 0; i < ARRAY_LEN(when); i++) {
        clock_rfc5322(when[i], t);
        assert_int_equal(strlen(t), 31);
        clock_imap(when[i], t);
        assert_int_equal(strlen(t), 26);
        clock_ymdhms(when[i], t);
        assert_int_equal(strlen(t), 14);
        assert_int_equal(strspn(t, "0123456789"), 14);
    }
    clock_ymdhms(INT64_MAX, t);
    assert_string_equal(t, "19700101000000");
    clock_ymd(253402300800, t); /* the year 10000 */
    assert_string_equal(t, "99990101");
}

static void *format_many(void *arg)
{
    (void)arg;
    char t[40];
    for (int64_t s = 1317804432; s < 1317804432 + 20000; s++) {
        clock_ymdhms(s, t);
        clock_test_advance(1);
        clock_mono_us();
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    int64_t m0 = clock_mono_ms();
    pthread_t th[4];
    for (size_t i = 0; i < ARRAY_LEN(th); i++)
        assert_int_equal(pthread_create(&th[i], NULL, format_many, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(th); i++)
        assert_int_equal(pthread_join(th[i], NULL), 0);
    assert_true(clock_mono_ms() >= m0 + 80000); /* no advance was lost */
}

static void test_trickles(void **state)
{
    (void)state;
    int64_t start = clock_mono_us();
    clock_test_advance(10000);
    assert_false(clock_trickles(start, 0, 100, 60000)); /* in the time that everybody has */
    clock_test_advance(60000);
    assert_true(clock_trickles(start, 0, 100, 60000)); /* 10 s over it */
    assert_true(clock_trickles(start, 900, 100, 60000));
    assert_false(clock_trickles(start, 1100, 100, 60000));
    assert_false(clock_trickles(start, 0, 0, 60000));
    assert_false(clock_trickles(start, UINT64_MAX, 1, 60000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_running),  cmocka_unit_test(test_advance),
        cmocka_unit_test(test_freeze),   cmocka_unit_test(test_formats),
        cmocka_unit_test(test_cache),    cmocka_unit_test(test_summer_time),
        cmocka_unit_test(test_extremes), cmocka_unit_test(test_threads),
        cmocka_unit_test(test_trickles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
