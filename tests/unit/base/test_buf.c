/* Tests of base/buf.h: growth, the maximum, the sticky overflow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"

#define assert_buf(b, lit)                                                                         \
    do {                                                                                           \
        assert_int_equal((b)->n, sizeof(lit) - 1);                                                 \
        assert_memory_equal((b)->p, lit, sizeof(lit) - 1);                                         \
    } while (0)

static void test_basic(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    assert_null(b.p);
    assert_int_equal(buf_sv(&b).n, 0);
    assert_int_equal(buf_add(&b, NULL, 0), 0);
    assert_int_equal(buf_add_sv(&b, SV_NULL), 0);
    assert_int_equal(buf_addf(&b, "%s", ""), 0);
    assert_int_equal(buf_add(&b, "ab", 2), 0);
    assert_int_equal(buf_add_c(&b, '\0'), 0);
    assert_int_equal(buf_add_str(&b, "cd"), 0);
    assert_int_equal(buf_add_sv(&b, SV("ef")), 0);
    assert_int_equal(buf_addf(&b, "<%d>", 42), 0);
    assert_buf(&b, "ab\0cdef<42>");
    buf_consume(&b, 3);
    assert_buf(&b, "cdef<42>");
    buf_consume(&b, 0);
    buf_consume(&b, 99);
    assert_int_equal(b.n, 0);
    buf_add_str(&b, "x");
    size_t cap = b.cap;
    buf_reset(&b);
    assert_int_equal(b.n, 0);
    assert_int_equal(b.cap, cap);
    buf_done(&b);
    assert_null(b.p);
    buf_done(&b);
    assert_int_equal(buf_add_c(&b, 'x'), 0);
    buf_done(&b);
}

static void test_growth(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10 * MiB);
    size_t grown = 0, cap = 0;
    for (size_t i = 0; i < 1 * MiB; i++) {
        assert_int_equal(buf_add_c(&b, (char)i), 0);
        grown += b.cap != cap;
        cap = b.cap;
    }
    assert_true(grown < 20);
    assert_int_equal(b.n, 1 * MiB);
    for (size_t i = 0; i < b.n; i++)
        assert_true(b.p[i] == (char)i);
    buf_done(&b);
}

static void test_max(void **state)
{
    (void)state;
    for (size_t max = 0; max < 300; max++) {
        struct buf b;
        buf_init(&b, max);
        for (size_t i = 0; i < max; i++)
            assert_int_equal(buf_add_c(&b, 'x'), 0);
        assert_false(b.overflow);
        assert_int_equal(buf_add(&b, "", 0), 0);
        assert_int_equal(buf_addf(&b, "%s", ""), 0);
        assert_int_equal(buf_terminate(&b), 0); /* the NUL does not count */
        assert_int_equal(strlen(b.p), max);
        assert_true(b.cap <= max);
        assert_int_equal(buf_add_c(&b, 'x'), -ENOMEM);
        assert_true(b.overflow);
        assert_int_equal(b.n, max);
        buf_done(&b);
    }
}

static void test_overflow(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 8);
    assert_int_equal(buf_add_str(&b, "12345"), 0);
    assert_int_equal(buf_add_str(&b, "6789"), -ENOMEM);
    assert_true(b.overflow);
    assert_buf(&b, "12345"); /* all or nothing */
    /* Sticky: what would fit is refused as well. */
    assert_int_equal(buf_add_c(&b, 'x'), -ENOMEM);
    assert_int_equal(buf_add(&b, NULL, 0), -ENOMEM);
    assert_int_equal(buf_addf(&b, "x"), -ENOMEM);
    assert_int_equal(buf_reserve(&b, 1), -ENOMEM);
    assert_int_equal(buf_terminate(&b), -ENOMEM);
    assert_string_equal(b.p, "12345");
    buf_consume(&b, 4);
    assert_true(b.overflow);
    buf_reset(&b);
    assert_false(b.overflow);
    assert_int_equal(buf_add_str(&b, "12345678"), 0);
    assert_int_equal(buf_reserve(&b, SIZE_MAX), -ENOMEM);
    buf_done(&b);

    buf_init(&b, SIZE_MAX);
    assert_int_equal(buf_add_c(&b, 'x'), 0);
    assert_int_equal(buf_reserve(&b, SIZE_MAX - 1), -ENOMEM);
    buf_reset(&b);
    assert_int_equal(buf_reserve(&b, SIZE_MAX / 2), -ENOMEM);
    assert_true(b.overflow);
    buf_done(&b);
    assert_false(b.overflow);
}

static void test_format(void **state)
{
    (void)state;
    char big[1000];
    memset(big, 'y', sizeof(big));
    big[sizeof(big) - 1] = '\0';
    /* Every fill level on both sides of a reallocation. */
    for (size_t before = 0; before < 300; before++) {
        struct buf b;
        buf_init(&b, 300);
        for (size_t i = 0; i < before; i++)
            buf_add_c(&b, 'x');
        int r = buf_addf(&b, "%d-%s", 12, "abc");
        if (before + 6 <= 300) {
            assert_int_equal(r, 0);
            assert_int_equal(b.n, before + 6);
            assert_memory_equal(b.p + before, "12-abc", 6);
        } else {
            assert_int_equal(r, -ENOMEM);
            assert_int_equal(b.n, before);
            assert_int_equal(buf_terminate(&b), -ENOMEM);
            assert_int_equal(strlen(b.p), before);
        }
        buf_done(&b);
    }
    struct buf b;
    buf_init(&b, 999);
    assert_int_equal(buf_addf(&b, "%s", big), 0);
    assert_int_equal(b.n, 999);
    assert_int_equal(buf_addf(&b, "%s", "z"), -ENOMEM);
    buf_done(&b);
}

static void test_self(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 4096);
    buf_add_str(&b, "abc");
    for (int i = 0; i < 10; i++)
        assert_int_equal(buf_add_sv(&b, buf_sv(&b)), 0);
    assert_int_equal(b.n, 3 * 1024);
    for (size_t i = 0; i < b.n; i++)
        assert_int_equal(b.p[i], "abc"[i % 3]);
    buf_done(&b);
}

static void test_take(void **state)
{
    (void)state;
    struct buf b;
    size_t n = 99;
    buf_init(&b, 4);
    _cleanup_(freep) char *empty = buf_take(&b, &n);
    assert_int_equal(n, 0);
    assert_string_equal(empty, "");
    buf_add_str(&b, "1234");
    _cleanup_(freep) char *full = buf_take(&b, &n);
    assert_int_equal(n, 4);
    assert_string_equal(full, "1234");
    assert_null(b.p);
    assert_int_equal(b.n, 0);
    assert_int_equal(buf_add_str(&b, "56"), 0); /* usable again, with the same maximum */
    assert_int_equal(buf_add_str(&b, "789"), -ENOMEM);
    _cleanup_(freep) char *part = buf_take(&b, NULL);
    assert_string_equal(part, "56");
    assert_true(b.overflow); /* still to be asked for */
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_basic),    cmocka_unit_test(test_growth), cmocka_unit_test(test_max),
        cmocka_unit_test(test_overflow), cmocka_unit_test(test_format), cmocka_unit_test(test_self),
        cmocka_unit_test(test_take),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
