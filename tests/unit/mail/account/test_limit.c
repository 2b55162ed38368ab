/* Limits at several levels: row acc.limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "mail/account/limit.h"

static void assert_limit(int64_t account, int64_t domain, int64_t server, int64_t max,
                         const char *level)
{
    struct limit l = limit_of(account, domain, server);
    assert_int_equal(l.max, max);
    assert_string_equal(limit_level_names[l.level], level);
}

static void test_smallest_of_those_that_are_set(void **state)
{
    (void)state;
    assert_limit(1, 5, 10, 1, "account");
    assert_limit(0, 5, 10, 5, "domain");
    assert_limit(0, 0, 10, 10, "server");
    assert_limit(0, 0, 0, 0, "none");
    assert_limit(20, 5, 10, 5, "domain");
    assert_limit(20, 50, 10, 10, "server");
    assert_limit(20, 0, 0, 20, "account");
    assert_limit(20, 0, 30, 20, "account");
    assert_limit(INT64_MAX, 0, 0, INT64_MAX, "account");
}

static void test_of_equal_ones_the_nearest(void **state)
{
    (void)state;
    assert_limit(5, 5, 5, 5, "account");
    assert_limit(6, 5, 5, 5, "domain");
}

static void test_exceeded(void **state)
{
    (void)state;
    assert_false(limit_exceeded(limit_of(0, 5, 0), 5));
    assert_true(limit_exceeded(limit_of(0, 5, 0), 6));
    assert_false(limit_exceeded(limit_of(0, 0, 0), INT64_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_smallest_of_those_that_are_set),
        cmocka_unit_test(test_of_equal_ones_the_nearest),
        cmocka_unit_test(test_exceeded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
