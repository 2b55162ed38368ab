/* Who has very much to record leaves room for new mail, also while no segment is given back. */
#include "queue_test.h"

#include <semaphore.h>
#include <unistd.h>

enum { MANY = 6000, NEW = 300, PATIENCE = 120 };

static struct env e;
static sem_t in_syncfs, go_on;
static atomic_bool stops;
static struct queue_io io;

static int h_syncfs(void *arg, int fd)
{
    if (atomic_exchange(&stops, false)) {
        sem_post(&in_syncfs);
        sem_wait(&go_on);
    }
    return queue_io_real.syncfs(arg, fd);
}

static int setup(void **state)
{
    (void)state;
    io = queue_io_real;
    io.syncfs = h_syncfs;
    sem_init(&in_syncfs, 0, 0);
    sem_init(&go_on, 0, 0);
    queue_io_test(&io);
    env_make(&e);
    settings("1MiB", "64MiB", "1h");
    env_open(&e);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    env_end(&e);
    queue_io_test(NULL);
    return 0;
}

static void accept_some(unsigned n, unsigned rcpts)
{
    for (unsigned i = 0; i < n; i++) {
        struct message *m = make_message(100, 0, rcpts);
        must_accept(e.q, m);
        message_unref(m);
    }
}

static atomic_bool over;

/* An administrator who holds and releases everything, again and again. */
static void *steer_on(void *arg)
{
    struct queue_steered done = { 0 };
    for (unsigned i = 0; !atomic_load(&over); i++) {
        struct queue_steer s = { .action = i % 2 ? QUEUE_RELEASE : QUEUE_HOLD, .cancel = &over };
        (void)queue_steer(e.q, &s, &done, NULL);
    }
    *(struct queue_steered *)arg = done;
    return NULL;
}

/* The queue's thread stands in a sync; without room an acceptance waited for it. */
static void test_mail_is_accepted_while_all_is_steered(void **state)
{
    (void)state;
    pthread_t t;
    struct queue_steered done;
    accept_some(MANY, 4);
    assert_int_equal(queue_checkpoint(e.q), 0);
    atomic_store(&stops, true);
    pthread_create(&t, NULL, steer_on, &done);
    sem_wait(&in_syncfs);
    alarm(PATIENCE);
    accept_some(NEW, 1);
    alarm(0);
    atomic_store(&over, true);
    sem_post(&go_on);
    pthread_join(t, NULL);
    assert_int_equal(queue_count(e.q), MANY + NEW);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_mail_is_accepted_while_all_is_steered, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
