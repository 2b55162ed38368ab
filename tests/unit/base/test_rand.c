/* Tests of base/rand.h: lengths, ranges, and a coarse look at uniformity. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/rand.h"

static void test_bytes(void **state)
{
    (void)state;
    rand_bytes(NULL, 0);
    /* Larger than the 256 bytes that getrandom never cuts short; each byte gets written. */
    enum { N = 100000 };
    unsigned char *m = xcalloc(1, N + 1), *seen = xcalloc(1, N);
    for (int round = 0; round < 8; round++) {
        rand_bytes(m, N);
        for (size_t i = 0; i < N; i++)
            seen[i] |= m[i];
    }
    for (size_t i = 0; i < N; i++)
        assert_int_not_equal(seen[i], 0);
    assert_int_equal(m[N], 0);
    free(m);
    free(seen);
}

static void test_u64(void **state)
{
    (void)state;
    uint64_t ones = 0, zeros = 0;
    for (int i = 0; i < 200; i++) {
        uint64_t v = rand_u64();
        ones |= v;
        zeros |= ~v;
    }
    assert_true(ones == UINT64_MAX);
    assert_true(zeros == UINT64_MAX);
}

static void test_below(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(rand_below(1), 0);
        assert_true(rand_below(UINT32_MAX) < UINT32_MAX);
        assert_true(rand_below(0x80000001u) <= 0x80000000u);
    }
    int count[6] = { 0 };
    for (int i = 0; i < 60000; i++)
        count[rand_below(6)]++;
    for (size_t i = 0; i < ARRAY_LEN(count); i++)
        assert_in_range(count[i], 9200, 10800); /* more than eight standard deviations */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_u64),
        cmocka_unit_test(test_below),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
