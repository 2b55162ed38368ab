/* Requests of an address in a minute. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "server/api/rate.h"

static void test_minute(void **state)
{
    (void)state;
    struct rate *r = rate_new();
    int wait = 0;
    clock_test_freeze(1700000000000);
    for (int minute = 0; minute < 2; minute++) {
        for (int i = 0; i < 3; i++)
            assert_true(rate_take(r, "192.0.2.1", 3, &wait));
        assert_false(rate_take(r, "192.0.2.1", 3, &wait));
        assert_true(wait >= 1 && wait <= 60);
        clock_test_advance(wait * 1000);
    }
    clock_test_freeze(0);
    rate_free(r);
}

/* An IPv6 network is one address; others have their own share. */
static void test_networks(void **state)
{
    (void)state;
    struct rate *r = rate_new();
    int wait;
    clock_test_freeze(1700000000000);
    assert_true(rate_take(r, "2001:db8:1:2::1", 1, &wait));
    assert_false(rate_take(r, "2001:db8:1:2:ffff::9", 1, &wait));
    assert_true(rate_take(r, "2001:db8:1:3::1", 1, &wait));
    assert_true(rate_take(r, "192.0.2.1", 1, &wait));
    assert_true(rate_take(r, "192.0.2.2", 1, &wait));
    clock_test_freeze(0);
    rate_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_minute),
                                        cmocka_unit_test(test_networks) };
    return cmocka_run_group_tests_name("server/api/rate", tests, NULL, NULL);
}
