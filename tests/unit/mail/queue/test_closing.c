/* A queue that is closed has no time for everything: the rest is left to the next start. */
#include "queue_test.h"

enum { N = 300 };

static struct env e;
static struct queue_io io;
static unsigned n_opened;

/* A disk on which each file takes a tenth of a second. */
static int h_open(void *arg, const char *path, int flags, mode_t mode)
{
    if (strstr(path, ".tms")) {
        n_opened++;
        clock_test_advance(100);
    }
    return queue_io_real.open(arg, path, flags, mode);
}

static int setup(void **state)
{
    (void)state;
    io = queue_io_real;
    io.open = h_open;
    queue_io_test(&io);
    clock_test_freeze(clock_wall_ms());
    env_make(&e);
    settings("1MiB", "64MiB", "1h");
    env_open(&e);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    queue_io_test(NULL);
    return env_end(&e);
}

static void test_nothing_is_lost(void **state)
{
    (void)state;
    uint64_t keys[N];
    for (unsigned i = 0; i < N; i++) {
        struct message *m = make_message(300, 0, 1);
        keys[i] = m->key;
        must_accept(e.q, m);
        message_unref(m);
    }
    int64_t began = clock_mono_ms();
    env_close(&e);
    assert_in_range(clock_mono_ms() - began, 1, 10000);
    assert_in_range(n_opened, 1, N - 1);
    env_open(&e);
    for (unsigned i = 0; i < N; i++) {
        struct message *got;
        assert_int_equal(queue_take(e.q, RCPT_REMOTE, &got, 1), 1);
        assert_true(got->key == keys[i]);
        queue_tell(e.q, got, QUEUE_PEER_ANSWERED, NULL);
        settle_as(e.q, got, RCPT_REMOTE, RCPT_DELIVERED, "");
    }
    assert_false(sched_runnable(e.q));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing_is_lost, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
