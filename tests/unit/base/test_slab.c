/* Slabs: objects are zeroed, distinct and aligned, whatever the order they come and go in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/rand.h"
#include "base/slab.h"

struct thing {
    uint64_t mark[33];
};

enum { N = 1000, ROUNDS = 100000 };

static struct slab slab = SLAB_OF(struct thing);
static struct thing *have[N];

static void put(size_t i)
{
    struct thing *t = slab_alloc(&slab);
    assert_int_equal((uintptr_t)t % 16, 0);
    for (size_t k = 0; k < ARRAY_LEN(t->mark); k++) {
        assert_int_equal(t->mark[k], 0);
        t->mark[k] = i + 1;
    }
    have[i] = t;
}

static void drop(size_t i)
{
    for (size_t k = 0; k < ARRAY_LEN(have[i]->mark); k++)
        assert_int_equal(have[i]->mark[k], i + 1);
    slab_free(&slab, take_ptr(have[i]));
}

static void test_random_order(void **state _unused_)
{
    for (int i = 0; i < ROUNDS; i++) {
        size_t k = rand_below(N);
        if (have[k])
            drop(k);
        else
            put(k);
    }
    for (size_t i = 0; i < N; i++)
        if (have[i])
            drop(i);
    slab_free(&slab, NULL);
}

static void test_chunk_boundaries(void **state _unused_)
{
    for (size_t i = 0; i < N; i++)
        put(i);
    for (size_t i = N; i-- > 0;)
        drop(i);
    put(0);
    drop(0);
}

/* Of all lengths about the sizes of the slabs, together: none writes into another. */
static void test_texts(void **state _unused_)
{
    enum { LONGEST = 600 };
    char text[LONGEST], *kept[LONGEST];
    memset(text, 'x', sizeof(text));
    for (size_t n = 0; n < LONGEST; n++)
        kept[n] = slab_text(sv_n(text, n));
    for (size_t n = 0; n < LONGEST; n++) {
        assert_int_equal(strlen(kept[n]), n);
        assert_memory_equal(kept[n], text, n);
        if (n % 2)
            slab_text_free(take_ptr(kept[n]));
    }
    for (size_t n = 1; n < LONGEST; n += 2) {
        kept[n] = slab_text_n(n);
        for (size_t i = 0; i <= n; i++)
            assert_int_equal(kept[n][i], 0);
    }
    for (size_t n = 0; n < LONGEST; n++)
        slab_text_free(kept[n]);
    slab_text_free(NULL);
    char *empty = slab_text(SV_NULL);
    assert_string_equal(empty, "");
    slab_text_free(empty);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_random_order),
                                        cmocka_unit_test(test_chunk_boundaries),
                                        cmocka_unit_test(test_texts) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
