/* Tests of base/arena.h: zeroing, alignment, the cap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"

static void test_alloc(void **state)
{
    (void)state;
    static const size_t sizes[] = { 1, 15, 16, 17, 100, 2000, 2050, 4064, 4096, 5000, 100000, 3 };
    struct arena a;
    arena_init(&a, 64 * MiB);
    assert_null(a.head);
    unsigned char *got[50 * ARRAY_LEN(sizes)];
    for (size_t i = 0; i < ARRAY_LEN(got); i++) {
        size_t n = sizes[i % ARRAY_LEN(sizes)];
        /* A string between two of them must not spoil the alignment. */
        assert_non_null(arena_strndup(&a, "x", 1));
        got[i] = arena_alloc(&a, n);
        assert_non_null(got[i]);
        assert_int_equal((uintptr_t)got[i] % 16, 0);
        for (size_t k = 0; k < n; k++)
            assert_int_equal(got[i][k], 0);
        memset(got[i], (int)i, n);
    }
    for (size_t i = 0; i < ARRAY_LEN(got); i++) {
        for (size_t k = 0; k < sizes[i % ARRAY_LEN(sizes)]; k++)
            assert_int_equal(got[i][k], (unsigned char)i);
    }
    assert_false(a.overflow);
    arena_done(&a);
    arena_done(&a);
}

static void test_cap(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 100);
    assert_non_null(arena_alloc(&a, 100)); /* exactly the cap, though it is no multiple of 16 */
    assert_false(a.overflow);
    assert_null(arena_alloc(&a, 1));
    assert_true(a.overflow);
    assert_null(arena_alloc(&a, 0));
    assert_true(a.used <= a.cap);
    arena_reset(&a);
    assert_false(a.overflow);
    assert_int_equal(a.used, 0);
    assert_null(arena_alloc(&a, 101));
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_null(arena_alloc(&a, SIZE_MAX - 15));
    assert_true(a.overflow);
    assert_non_null(arena_alloc(&a, 10)); /* a smaller request may still fit ... */
    assert_true(a.overflow);              /* ... but the arena remembers */
    arena_done(&a);

    arena_init(&a, SIZE_MAX);
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_null(arena_alloc(&a, SIZE_MAX - 40));
    assert_true(a.overflow);
    arena_done(&a);

    arena_init(&a, 0);
    assert_null(arena_alloc(&a, 0));
    assert_null(arena_strndup(&a, "", 0));
    assert_null(arena_sv(&a, SV("")).p);
    arena_done(&a);

    for (size_t cap = 1; cap < 40; cap++) {
        arena_init(&a, cap);
        assert_non_null(arena_alloc(&a, cap));
        assert_null(arena_alloc(&a, 1));
        arena_done(&a);
    }
}

static void test_empty_requests_count(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 16 * 1000);
    size_t n = 0;
    while (arena_alloc(&a, 0))
        n++;
    assert_int_equal(n, 1000);
    arena_reset(&a);
    for (n = 0; arena_sv(&a, SV("")).p; n++)
        ;
    assert_int_equal(n, 16 * 1000);
    arena_done(&a);
}

static void test_strings(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1000);
    assert_string_equal(arena_strndup(&a, "hello", 3), "hel");
    assert_string_equal(arena_strndup(&a, "hi", 100), "hi");
    assert_string_equal(arena_strndup(&a, NULL, 0), "");
    char text[] = "slice\0x";
    struct sv s = arena_sv(&a, sv_n(text, 7));
    text[0] = 'X';
    assert_int_equal(s.n, 7);
    assert_memory_equal(s.p, "slice\0x", 7);
    s = arena_sv(&a, SV_NULL);
    assert_int_equal(s.n, 0);
    assert_non_null(s.p); /* NULL would mean over the cap */
    char big[2000] = { 0 };
    s = arena_sv(&a, sv_n(big, sizeof(big)));
    assert_null(s.p);
    assert_int_equal(s.n, 0);
    assert_true(a.overflow);
    arena_done(&a);

    arena_init(&a, 6);
    assert_null(arena_strndup(&a, "123456", 6)); /* the NUL counts */
    assert_string_equal(arena_strndup(&a, "12345", 5), "12345");
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alloc),
        cmocka_unit_test(test_cap),
        cmocka_unit_test(test_empty_requests_count),
        cmocka_unit_test(test_strings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
