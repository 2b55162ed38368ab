/* Requests that take long: in order, beside the others, bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proc/aside.h"

#include <semaphore.h>

static sem_t go, ran;
static unsigned order[64], n_ran;

static void run(void *arg)
{
    sem_wait(&go);
    order[n_ran++] = (unsigned)(uintptr_t)arg;
    sem_post(&ran);
}

static void test_in_order_and_bounded(void **state)
{
    (void)state;
    struct aside *a = aside_new();
    unsigned taken = 0;
    sem_init(&go, 0, 0);
    sem_init(&ran, 0, 0);
    n_ran = 0;
    while (taken < 64 && aside_run(a, run, (void *)(uintptr_t)taken)) /* does not wait for them */
        taken++;
    assert_in_range(taken, 2, 63);
    sem_post(&go);
    sem_wait(&ran);
    for (unsigned i = 1; i < taken; i++)
        sem_post(&go);
    aside_free(a); /* what was taken is done */
    assert_int_equal(n_ran, taken);
    for (unsigned i = 0; i < taken; i++)
        assert_int_equal(order[i], i);
}

static void test_never_used(void **state)
{
    (void)state;
    aside_free(aside_new());
    aside_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_order_and_bounded),
        cmocka_unit_test(test_never_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
