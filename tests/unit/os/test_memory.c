/* Tests of giving memory back: what a burst took does not stay. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "os/memory.h"

#include "base/base.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OTHER_MALLOC 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define OTHER_MALLOC 1
#endif
#endif

enum { LARGE = 12 << 20, BLOCK = 100 << 10, BLOCKS = 120 };

static void use(char **p, size_t n)
{
    *p = malloc(n);
    assert_non_null(*p);
    memset(*p, 1, n);
}

/* A thread that is not the first has its memory from another heap of the allocator. */
static void *burst(void *arg _unused_)
{
    char *large, *block[BLOCKS];
    use(&large, LARGE);
    free(large);
    for (size_t i = 0; i < BLOCKS; i++)
        use(&block[i], BLOCK);
    for (size_t i = 0; i < BLOCKS; i++)
        free(block[i]);
    return NULL;
}

static void test_a_burst_is_given_back(void **state _unused_)
{
#ifdef OTHER_MALLOC
    skip();
#endif
    pthread_t t;
    os_memory_init();
    size_t before = os_memory_resident();
    assert_int_equal(pthread_create(&t, NULL, burst, NULL), 0);
    pthread_join(t, NULL);
    for (int i = 0; i < 30; i++)
        os_memory_tick();
    assert_true(os_memory_resident() < before + (4 << 20));
}

static void test_what_is_allocated_is_counted(void **state _unused_)
{
#ifdef OTHER_MALLOC
    skip();
#endif
    char *small, *large;
    size_t before = os_memory_allocated();
    use(&small, BLOCK);
    use(&large, LARGE); /* of its own, outside of the heap */
    size_t with = os_memory_allocated();
    assert_in_range(with - before, BLOCK + LARGE, BLOCK + LARGE + (64 << 10));
    free(small);
    free(large);
    assert_true(os_memory_allocated() < before + (64 << 10));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_burst_is_given_back),
        cmocka_unit_test(test_what_is_allocated_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
