/* Disk errors: what could not be made durable is refused, what was accepted stays, and the queue
 * works again when the disk does. */
#include "queue_test.h"

#include <pthread.h>
#include <fcntl.h>

static struct env e;

/* Which calls fail, with what; the first `after` calls still work. Atomics: several threads call.
 */
static struct fault {
    atomic_int after, error;
} on_datasync, on_write, on_create, on_syncfs, on_rename;

static int strike(struct fault *f)
{
    int error = atomic_load(&f->error);
    return error && atomic_fetch_sub(&f->after, 1) <= 0 ? -error : 0;
}

static void arm(struct fault *f, int error, int after)
{
    atomic_store(&f->after, after);
    atomic_store(&f->error, error);
}

static int f_open(void *arg, const char *path, int flags, mode_t mode)
{
    int r = flags & O_CREAT ? strike(&on_create) : 0;
    return r < 0 ? r : queue_io_real.open(arg, path, flags, mode);
}

static ssize_t f_pwritev(void *arg, int fd, const struct iovec *iov, int n, off_t off)
{
    int r = strike(&on_write);
    return r < 0 ? r : queue_io_real.pwritev(arg, fd, iov, n, off);
}

static int f_datasync(void *arg, int fd)
{
    int r = strike(&on_datasync);
    return r < 0 ? r : queue_io_real.datasync(arg, fd);
}

static int f_syncfs(void *arg, int fd)
{
    int r = strike(&on_syncfs);
    return r < 0 ? r : queue_io_real.syncfs(arg, fd);
}

static int f_rename(void *arg, const char *from, const char *to)
{
    int r = strike(&on_rename);
    return r < 0 ? r : queue_io_real.rename(arg, from, to);
}

static void f_boot_id(void *arg, char ret[40])
{
    (void)arg;
    memset(ret, 0, 40);
}

static struct queue_io io;

static int setup(void **state)
{
    (void)state;
    io = queue_io_real;
    io.open = f_open;
    io.pwritev = f_pwritev;
    io.datasync = f_datasync;
    io.syncfs = f_syncfs;
    io.rename = f_rename;
    queue_io_test(&io);
    env_make(&e);
    settings("1MiB", "64MiB", "200ms");
    env_open(&e);
    return 0;
}

static void disarm(void)
{
    arm(&on_datasync, 0, 0);
    arm(&on_write, 0, 0);
    arm(&on_create, 0, 0);
    arm(&on_syncfs, 0, 0);
    arm(&on_rename, 0, 0);
}

static int teardown(void **state)
{
    (void)state;
    disarm();
    if (e.q)
        env_close(&e);
    queue_io_test(NULL);
    env_remove(&e);
    return 0;
}

static int try_accept(size_t size)
{
    struct message *m = make_message(size, 1, 0);
    int r = queue_accept(e.q, m, NULL);
    message_unref(m);
    return r;
}

static void accept_at_last(void)
{
    int r = E_TEMP;
    for (int i = 0; i < 600 && r < 0; i++) {
        r = try_accept(1000);
        if (r < 0)
            usleep(100000);
    }
    assert_int_equal(r, 0);
}

/* The fault ends; acceptance works again by itself. */
static void must_recover(void)
{
    disarm();
    accept_at_last();
}

static void must_hold(size_t n)
{
    assert_int_equal(queue_count(e.q), n);
    env_crash(&e);
    env_open(&e);
    assert_int_equal(queue_count(e.q), n);
    struct message *got[64];
    for (size_t left = n; left > 0;) {
        size_t k = queue_take(e.q, RCPT_LOCAL, got, 64);
        for (size_t i = 0; i < k; i++) {
            check_content(got[i]);
            settle_as(e.q, got[i], RCPT_LOCAL, RCPT_DELIVERED, "");
        }
        left -= k;
    }
    assert_int_equal(queue_count(e.q), 0);
}

static void test_sync_fails(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++)
        assert_int_equal(try_accept(2000), 0);
    arm(&on_datasync, EIO, 0);
    assert_int_equal(try_accept(2000), E_TEMP);
    must_recover();
    must_hold(11);
}

static void test_write_fails(void **state)
{
    (void)state;
    assert_int_equal(try_accept(2000), 0);
    arm(&on_write, ENOSPC, 0);
    assert_int_equal(try_accept(2000), E_FULL);
    must_recover();
    must_hold(2);
}

static atomic_uint n_ok, n_refused;

static void *accept_some(void *arg)
{
    (void)arg;
    for (int i = 0; i < 50; i++)
        atomic_fetch_add(try_accept(3000) == 0 ? &n_ok : &n_refused, 1);
    return NULL;
}

/* A batch fails as a whole; nobody in it is told "accepted". */
static void test_batches_fail(void **state)
{
    (void)state;
    pthread_t t[8];
    for (int i = 0; i < 8; i++)
        pthread_create(&t[i], NULL, accept_some, NULL);
    for (int i = 0; i < 5; i++) {
        usleep(3000);
        arm(&on_datasync, EIO, 0);
        usleep(1000);
        disarm();
    }
    for (int i = 0; i < 8; i++)
        pthread_join(t[i], NULL);
    assert_int_equal(n_ok + n_refused, 400);
    must_recover();
    must_hold(n_ok + 1);
}

static bool is_last_segment(void)
{
    pthread_mutex_lock(&e.q->lock);
    const struct jseg *s = e.q->journal.active;
    bool last = s && s->size - s->tail < 300000 && !e.q->journal.n_spares;
    pthread_mutex_unlock(&e.q->lock);
    return last;
}

/* Nor when nothing can be written to say so: the next segment is not there either. */
static void test_refused_while_nothing_can_be_written(void **state)
{
    (void)state;
    unsigned n = 0;
    arm(&on_create, EIO, 0);
    arm(&on_syncfs, EIO, 0); /* nor does the record end with its segment */
    for (; !is_last_segment(); n++)
        assert_int_equal(try_accept(100000), 0);
    arm(&on_datasync, EIO, 0);
    assert_int_equal(try_accept(2000), E_TEMP);
    arm(&on_create, 0, 0);
    arm(&on_datasync, 0, 0);
    accept_at_last();
    must_hold(n + 1);
}

static void test_no_space_for_segments(void **state)
{
    (void)state;
    unsigned n = 0;
    arm(&on_create, ENOSPC, 0);
    int r;
    while ((r = try_accept(100000)) == 0)
        assert_true(++n < 100);
    assert_int_equal(r, E_FULL);
    assert_int_equal(try_accept(100), E_FULL); /* at once, not after a wait */
    assert_true(n >= 10);
    must_recover();
    must_hold(n + 1);
}

static void test_mail_store_cannot_be_synced(void **state)
{
    (void)state;
    struct message *got[1];
    for (int i = 0; i < 3; i++)
        assert_int_equal(try_accept(1000), 0);
    assert_int_equal(queue_take(e.q, RCPT_LOCAL, got, 1), 1);
    settle_as(e.q, got[0], RCPT_LOCAL, RCPT_DELIVERED, "");
    arm(&on_syncfs, EIO, 0);
    assert_int_equal(queue_checkpoint(e.q), -EIO);
    must_hold(2);
    disarm();
    assert_int_equal(queue_checkpoint(e.q), 0);
}

static void test_rename_fails(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(try_accept(1000), 0);
    arm(&on_rename, EIO, 3); /* in the middle of giving names */
    queue_checkpoint(e.q);
    disarm();
    must_hold(3);
}

static void test_large_fails(void **state)
{
    (void)state;
    arm(&on_datasync, EIO, 0);
    assert_int_equal(try_accept(600000), E_TEMP);
    disarm();
    arm(&on_write, ENOSPC, 0);
    assert_int_equal(try_accept(600000), E_FULL);
    must_recover();
    must_hold(1);
}

static void test_result_cannot_be_recorded(void **state)
{
    (void)state;
    struct message *got[1];
    assert_int_equal(try_accept(1000), 0);
    assert_int_equal(queue_take(e.q, RCPT_LOCAL, got, 1), 1);
    arm(&on_write, EIO, 0);
    settle_as(e.q, got[0], RCPT_LOCAL, RCPT_DELIVERED, "");
    disarm();
    assert_int_equal(queue_count(e.q), 0);
    env_crash(&e);
    env_open(&e);
    assert_true(queue_count(e.q) <= 1); /* repeated, unless a checkpoint has come in between */
}

/* A torn tail: the last record is cut at every possible place. */
static void test_torn_tail(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        assert_int_equal(try_accept(500), 0);
    struct jseg *s = e.q->journal.active;
    uint64_t tail = s->tail, start = tail - 600;
    char path[200], zeros[600] = { 0 };
    snprintf(path, sizeof(path), "%s/journal/%08u.jnl", e.out, s->slot);
    env_crash(&e);
    int fd = open(path, O_WRONLY);
    for (uint64_t cut = tail - 8; cut > start; cut -= 37) {
        assert_int_equal(os_pwrite_all(fd, zeros, tail - cut, (off_t)cut), 0);
        env_open(&e);
        assert_int_equal(queue_count(e.q), 4);
        env_crash(&e);
    }
    close(fd);
    env_open(&e);
}

/* Without /proc a start after a power cut looks like any other: deliveries are not believed. */
static void test_boot_is_not_known(void **state)
{
    (void)state;
    struct message *got[1];
    env_close(&e);
    io.boot_id = f_boot_id;
    env_open(&e);
    assert_int_equal(try_accept(1000), 0);
    assert_int_equal(queue_take(e.q, RCPT_LOCAL, got, 1), 1);
    settle_as(e.q, got[0], RCPT_LOCAL, RCPT_DELIVERED, "");
    assert_int_equal(queue_count(e.q), 0);
    env_crash(&e);
    env_open(&e);
    assert_int_equal(queue_count(e.q), 1);
}

/* --- what a delivery queues --- */

static int try_child(struct message *parent)
{
    struct message *m = make_keyed(~parent->key, 2000, 1, 0);
    int r = queue_accept_child(e.q, parent, m, NULL);
    message_unref(m);
    return r;
}

static struct message *taken_parent(void)
{
    struct message *got[1];
    assert_int_equal(try_accept(1000), 0);
    assert_int_equal(queue_take(e.q, RCPT_LOCAL, got, 1), 1);
    return got[0];
}

/* It is killed; the next one has both, and knows the child. */
static void must_know_child(uint64_t key)
{
    struct message *got[64], *parent = NULL;
    queue_crash(e.q);
    disarm();
    env_open(&e);
    size_t n = queue_take(e.q, RCPT_LOCAL, got, ARRAY_LEN(got)), children = 0;
    for (size_t i = 0; i < n; i++) {
        if (got[i]->key == key)
            parent = got[i];
        if (got[i]->key == ~key) {
            children++;
            check_content(got[i]);
        }
    }
    assert_non_null(parent);
    assert_int_equal(children, 1);
    assert_int_equal(try_child(parent), E_EXISTS);
    for (size_t i = 0; i < n; i++)
        settle_as(e.q, got[i], RCPT_LOCAL, RCPT_DELIVERED, "");
    assert_int_equal(queue_count(e.q), 0);
}

/* The records of what failed must not end what was accepted later under the same key, also those
 * that can be written only then. */
static void child_again(struct fault *other)
{
    struct message *parent = taken_parent();
    uint64_t key = parent->key;
    arm(&on_datasync, EIO, 0);
    if (other)
        arm(other, EIO, 1);
    assert_true(try_child(parent) < 0);
    disarm();
    arm(&on_syncfs, EIO, 0); /* nothing is given back: recovery reads all */
    int r = E_TEMP;
    for (int i = 0; i < 600 && (r = try_child(parent)) < 0; i++)
        usleep(10000);
    assert_int_equal(r, 0);
    assert_int_equal(try_child(parent), E_EXISTS);
    accept_at_last();
    message_unref(parent);
    must_know_child(key);
}

static void test_child_accepted_again(void **state)
{
    (void)state;
    child_again(NULL);
    child_again(&on_write);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sync_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(test_write_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(test_batches_fail, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_while_nothing_can_be_written, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_space_for_segments, setup, teardown),
        cmocka_unit_test_setup_teardown(test_mail_store_cannot_be_synced, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rename_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(test_result_cannot_be_recorded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_torn_tail, setup, teardown),
        cmocka_unit_test_setup_teardown(test_boot_is_not_known, setup, teardown),
        cmocka_unit_test_setup_teardown(test_child_accepted_again, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
