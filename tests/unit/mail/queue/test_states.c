/* The file of all states: a start reads it and not the .tm$ files, and believes it only as far as
 * it is whole and not older than they are. */
#include "queue_test.h"

#include "mail/queue/states.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SOME = 300 };

static struct env e;

static int setup(void **state)
{
    (void)state;
    return env_start(&e);
}

static int teardown(void **state)
{
    (void)state;
    return env_end(&e);
}

static void path_of(const char *name, char ret[300])
{
    snprintf(ret, 300, "%s/%s", e.out, name);
}

static off_t size_of_states(void)
{
    char path[300];
    struct stat st;
    path_of("states", path);
    return stat(path, &st) < 0 ? -1 : st.st_size;
}

static struct message *accepted(unsigned rcpts)
{
    struct message *m = make_message(300, 0, rcpts);
    must_accept(e.q, m);
    return m;
}

static void checkpoint(void)
{
    assert_int_equal(queue_checkpoint(e.q), 0);
}

static void accept_and_save(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        message_unref(accepted(1));
    checkpoint();
}

static void restart(void)
{
    env_crash(&e);
    env_open(&e);
}

/* Nobody can read them, but where they are not read. */
static void spoil_files(void)
{
    list_for_each(l, &e.q->items)
    {
        char path[300], name[80];
        snprintf(name, sizeof(name), "%s.tm$", container_of(l, struct item, link)->m->item);
        path_of(name, path);
        int fd = open(path, O_WRONLY | O_TRUNC);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, "spoilt", 6), 6);
        close(fd);
    }
}

/* What was put off with that answer. */
static void try_all(const char *answer)
{
    struct message *got[SOME];
    assert_true(queue_retry(e.q, SV("")) > 0);
    size_t n = 0, some;
    while (n < queue_count(e.q) && (some = queue_take(e.q, RCPT_REMOTE, got, SOME)) > 0) {
        for (size_t i = 0; i < some; i++) {
            got[i]->next_try_ms = clock_wall_ms() + 3600000;
            settle_as(e.q, got[i], RCPT_REMOTE, RCPT_WAITING, answer);
        }
        n += some;
    }
}

static bool same_answer(const struct queue_info *i, void *arg)
{
    assert_string_equal(i->answer, arg);
    return true;
}

static void test_start_reads_one_file(void **state)
{
    (void)state;
    for (int i = 0; i < SOME; i++)
        message_unref(accepted(1 + (unsigned)i % 3));
    checkpoint();
    spoil_files();
    restart();
    assert_int_equal(queue_count(e.q), SOME);
    check_contents(e.q);
    restart(); /* what was loaded is kept */
    assert_int_equal(queue_count(e.q), SOME);
}

static void test_newest_state_counts(void **state)
{
    (void)state;
    struct message *a = accepted(1);
    checkpoint();
    try_all("451 first");
    checkpoint();
    try_all("451 second");
    checkpoint();
    restart();
    queue_each(e.q, same_answer, (void *)"451 second");
    message_unref(a);
}

/* Neither what is over nor what never was. */
static void test_over_is_over(void **state)
{
    (void)state;
    struct message *got[1], *a = accepted(1), *b = accepted(1);
    checkpoint();
    assert_int_equal(queue_take(e.q, RCPT_REMOTE, got, 1), 1);
    settle_as(e.q, got[0], RCPT_REMOTE, RCPT_DELIVERED, "");
    checkpoint();
    restart();
    assert_int_equal(queue_count(e.q), 1);
    message_unref(a);
    message_unref(b);
}

static void test_without_it_files_are_read_and_it_is_made(void **state)
{
    (void)state;
    char path[300];
    accept_and_save(SOME);
    path_of("states", path);
    env_crash(&e);
    assert_int_equal(unlink(path), 0);
    env_open(&e);
    assert_int_equal(queue_count(e.q), SOME);
    spoil_files();
    restart();
    assert_int_equal(queue_count(e.q), SOME);
}

static void change_byte(off_t at)
{
    char path[300], c;
    path_of("states", path);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &c, 1, at), 1);
    c ^= 1;
    assert_int_equal(pwrite(fd, &c, 1, at), 1);
    close(fd);
}

/* The last state of something may be missing, so that all files are read. */
static void test_damage_before_a_mark(void **state)
{
    (void)state;
    accept_and_save(SOME);
    off_t first = size_of_states();
    try_all("451 second");
    checkpoint();
    change_byte(first + 100);
    restart();
    assert_int_equal(queue_count(e.q), SOME);
    queue_each(e.q, same_answer, (void *)"451 second");
}

static void test_damaged_head(void **state)
{
    (void)state;
    accept_and_save(1);
    change_byte(20);
    restart();
    assert_int_equal(queue_count(e.q), 1);
    spoil_files();
    restart();
    assert_int_equal(queue_count(e.q), 1);
}

/* What a crash has left behind the last mark. */
static void test_torn_tail(void **state)
{
    (void)state;
    char path[300];
    accept_and_save(SOME);
    path_of("states", path);
    int fd = open(path, O_WRONLY | O_APPEND);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "PJR1 and no more", 16), 16);
    close(fd);
    spoil_files();
    restart();
    assert_int_equal(queue_count(e.q), SOME);
    accept_and_save(1); /* goes where the torn one was */
    spoil_files();
    restart();
    assert_int_equal(queue_count(e.q), SOME + 1);
}

/* States that were never marked may tell of mailboxes that are not durable. */
static void test_unmarked_does_not_count(void **state)
{
    (void)state;
    struct message *a = accepted(1);
    checkpoint();
    message_set(&a->rcpts[0].answer, SV("never marked"));
    struct buf env;
    buf_init(&env, 1 * MiB);
    assert_int_equal(message_envelope_encode(a, &env), 0);
    states_add(e.q, a->key, 9, buf_sv(&env));
    struct iovec iov = { e.q->states.pending.p, e.q->states.pending.n };
    assert_int_equal(queue_io_write(e.q->io, e.q->states.fd, &iov, 1, (off_t)e.q->states.end), 0);
    buf_done(&env);
    restart();
    queue_each(e.q, same_answer, (void *)"");
    message_unref(a);
}

static void test_does_not_grow_for_ever(void **state)
{
    (void)state;
    accept_and_save(20);
    off_t once = size_of_states() - SEG_HEAD;
    e.q->states.tolerated = 10;
    for (int i = 0; i < 20; i++) {
        try_all(i % 2 ? "451 odd" : "451 even");
        checkpoint();
    }
    assert_true(size_of_states() < SEG_HEAD + 6 * once);
    message_unref(accepted(1));
    try_all("451 the last");
    checkpoint();
    spoil_files();
    restart();
    assert_int_equal(queue_count(e.q), 21);
    queue_each(e.q, same_answer, (void *)"451 the last");
}

/* It cannot be written: mail goes on, and the next start reads the files. */
static int fail_states(void *arg, const char *path, int flags, mode_t mode)
{
    if (flags & O_CREAT && sv_iends(sv_c(path), SV("/states")))
        return -EIO;
    return queue_io_real.open(arg, path, flags, mode);
}

static void test_cannot_be_written(void **state)
{
    (void)state;
    struct queue_io io = queue_io_real;
    io.open = fail_states;
    env_crash(&e);
    queue_io_test(&io);
    env_open(&e);
    accept_and_save(1);
    env_crash(&e);
    queue_io_test(NULL);
    env_open(&e);
    assert_int_equal(queue_count(e.q), 1);
    assert_true(size_of_states() > 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_start_reads_one_file),
        TEST(test_newest_state_counts),
        TEST(test_over_is_over),
        TEST(test_without_it_files_are_read_and_it_is_made),
        TEST(test_damage_before_a_mark),
        TEST(test_damaged_head),
        TEST(test_torn_tail),
        TEST(test_unmarked_does_not_count),
        TEST(test_does_not_grow_for_ever),
        TEST(test_cannot_be_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
