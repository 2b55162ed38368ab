/* The first rows of many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/rand.h"
#include "base/top.h"

static int up(const void *a, const void *b, const void *arg _unused_)
{
    const int *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static void first_of_many(void **state _unused_)
{
    for (size_t max = 0; max < 70; max += 7) {
        struct top t;
        top_init(&t, sizeof(int), max, up, NULL);
        for (int i = 0; i < 1000; i++) {
            int v = i * 7919 % 1000; /* each number once */
            top_add(&t, &v);
        }
        top_sort(&t);
        assert_int_equal(t.n, max);
        for (size_t i = 0; i < t.n; i++)
            assert_int_equal(*(int *)top_row(&t, i), i);
        top_done(&t);
    }
}

static void fewer_than_wanted(void **state _unused_)
{
    struct top t;
    top_init(&t, sizeof(int), 100, up, NULL);
    for (int i = 17; i > 0; i--)
        top_add(&t, &i);
    top_sort(&t);
    assert_int_equal(t.n, 17);
    for (int i = 0; i < 17; i++)
        assert_int_equal(*(int *)top_row(&t, (size_t)i), i + 1);
    top_done(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_of_many),
        cmocka_unit_test(fewer_than_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
