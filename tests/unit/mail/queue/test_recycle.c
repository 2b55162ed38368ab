/* A segment of the journal is given back only when nothing in it is needed: what is settled while a
 * checkpoint runs, at the moments that leave least behind. Then the power goes. */
#include "power_books.h"

#include <semaphore.h>

static struct env e, next;
static struct queue_io io;

/* What the tests do in the middle of calls of the disk, also those of the queue's own thread. */
static struct hooks {
    void (*_Atomic on_sync_dir)(void); /* files have their names, no segment was given back yet */
    const char *_Atomic no_file_for;   /* item whose spool files cannot be created */
} hooks;

static sem_t in_datasync, go_on;
static _Thread_local int datasyncs_left = -1; /* before this thread stops in one */

static int h_open(void *arg, const char *path, int flags, mode_t mode)
{
    const char *item = hooks.no_file_for;
    if (item && flags & O_CREAT && strstr(path, item))
        return -ENOSPC;
    return p_open(arg, path, flags, mode);
}

static int h_datasync(void *arg, int fd)
{
    if (datasyncs_left >= 0 && datasyncs_left-- == 0) {
        sem_post(&in_datasync);
        sem_wait(&go_on);
    }
    return p_datasync(arg, fd);
}

static int h_sync_dir(void *arg, const char *path)
{
    int r = p_sync_dir(arg, path);
    void (*hook)(void) =
        strcmp(path, e.out) == 0 ? atomic_exchange(&hooks.on_sync_dir, NULL) : NULL;
    if (hook)
        hook();
    return r;
}

static int setup(void **state)
{
    (void)state;
    io = power_io();
    io.open = h_open;
    io.datasync = h_datasync;
    io.sync_dir = h_sync_dir;
    hooks.on_sync_dir = NULL;
    hooks.no_file_for = NULL;
    power_init(1);
    power.keep = KEEP_NOTHING;
    books_init();
    queue_io_test(&io);
    clock_test_freeze(1800000000000);
    settings("1MiB", "64MiB", "1h");
    env_make(&e);
    env_open(&e);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (e.q)
        env_close(&e);
    env_remove(&e);
    power_done();
    books_done();
    queue_io_test(NULL);
    clock_test_freeze(0);
    return 0;
}

static struct message *accepted(size_t size, unsigned remote)
{
    struct message *m = make_message(size, 1, remote);
    must_accept(e.q, m);
    note_accepted(m->key, remote > 0);
    return m;
}

/* The first n that are due. */
static void deliver_local(size_t n)
{
    struct message *got[16];
    assert_int_equal(queue_take(e.q, RCPT_LOCAL, got, n), n);
    for (size_t i = 0; i < n; i++) {
        note_delivered(got[i]->key, RCPT_LOCAL);
        settle_as(e.q, got[i], RCPT_LOCAL, RCPT_DELIVERED, "");
    }
}

static void deliver_one(void)
{
    deliver_local(1);
}

static void cut_and_check(void)
{
    pthread_mutex_lock(&power.lock);
    books_cut(&e, &next);
    pthread_mutex_unlock(&power.lock);
    env_crash(&e);
    env_remove(&e);
    e = next;
    books.dead = false;
    power_on(&e);
    env_open(&e);
    struct check c = books_check(e.q);
    assert_int_equal(c.lost, 0);
    assert_int_equal(c.sent_again, 0);
    check_contents(e.q);
}

/* The file of the first message cannot be written; it is delivered after the sync of the mail store
 * and before its segment would be given back. */
static void test_delivered_when_its_file_failed(void **state)
{
    (void)state;
    struct message *a = accepted(3000, 0), *b = accepted(3000, 0);
    static char item[64]; /* the queue's thread may still look at it when a is gone */
    snprintf(item, sizeof(item), "%s", a->item);
    hooks.no_file_for = item;
    hooks.on_sync_dir = deliver_one;
    assert_int_equal(queue_checkpoint(e.q), -ENOSPC);
    assert_null(hooks.on_sync_dir);
    hooks.no_file_for = NULL;
    message_unref(a);
    message_unref(b);
    cut_and_check();
}

/* --- results that are durable, but not known yet to the queue --- */

static pthread_t settler;
static bool then_local;

/* Two results at once: the first one is durable when the second one waits for the disk. */
static void *settle_two(void *arg)
{
    struct message **got = arg;
    uint64_t key[2] = { got[0]->key, got[1]->key };
    for (int i = 0; i < 2; i++) {
        note_delivered(key[i], RCPT_REMOTE);
        for (size_t k = 0; k < got[i]->n_rcpts; k++)
            if (got[i]->rcpts[k].kind == RCPT_REMOTE)
                got[i]->rcpts[k].state = RCPT_DELIVERED;
    }
    datasyncs_left = 1;
    queue_settle_all(e.q, got, 2, RCPT_REMOTE);
    note_recorded(key[0], RCPT_REMOTE);
    note_recorded(key[1], RCPT_REMOTE);
    return NULL;
}

static void let_settle(void)
{
    sem_post(&go_on);
    pthread_join(settler, NULL);
    if (then_local)
        deliver_local(queue_count(e.q));
}

/* Leaves about so many bytes of the active segment. */
static void fill_segment(size_t leave)
{
    struct jseg *s = e.q->journal.active;
    while (s->size - s->tail > 250000)
        message_unref(accepted(200000, 0));
    size_t before = s->tail;
    message_unref(accepted(1000, 0));
    size_t around = s->tail - before - 1000, left = s->size - s->tail;
    assert_true(left > leave + around + 100);
    message_unref(accepted(left - leave - around, 0));
    assert_ptr_equal(e.q->journal.active, s);
    assert_in_range(s->size - s->tail, leave - 40, leave + 40);
}

/* An answer, so that two messages may be on their way to it at once. */
static void open_destination(void)
{
    struct message *m = make_message(1000, 0, 1), *got;
    must_accept(e.q, m);
    assert_int_equal(queue_take(e.q, RCPT_REMOTE, &got, 1), 1);
    queue_tell(e.q, got, QUEUE_PEER_ANSWERED, NULL);
    settle_as(e.q, got, RCPT_REMOTE, RCPT_DELIVERED, "");
    message_unref(m);
}

/* The first result is the last record of a segment that becomes full, the second one does not fit.
 * A checkpoint comes in between; the results are applied when it has given names to its files. */
static void results_during_checkpoint(void)
{
    struct message *got[2], *a, *b;
    open_destination();
    a = accepted(3000, 1);
    b = accepted(3000, 200);
    sem_init(&in_datasync, 0, 0);
    sem_init(&go_on, 0, 0);
    if (!then_local) {
        deliver_local(2);
    } else { /* the other server is first */
        for (int i = 0; i < 2; i++) {
            struct message *one;
            assert_int_equal(queue_take(e.q, RCPT_LOCAL, &one, 1), 1);
            one->next_try_ms = clock_wall_ms() + 1000;
            settle_as(e.q, one, RCPT_LOCAL, RCPT_WAITING, "");
        }
    }
    assert_int_equal(queue_take(e.q, RCPT_REMOTE, got, 2), 2);
    assert_ptr_equal(got[0], a);
    fill_segment(then_local ? 1500 : 140);
    pthread_create(&settler, NULL, settle_two, got);
    sem_wait(&in_datasync);
    assert_int_equal(e.q->journal.n_full, 1);
    hooks.on_sync_dir = let_settle;
    clock_test_freeze(clock_wall_ms() + 2000);
    assert_int_equal(checkpoint_run(e.q, false), 0); /* its thread sleeps */
    assert_null(hooks.on_sync_dir);
    message_unref(a);
    message_unref(b);
    cut_and_check();
    sem_destroy(&in_datasync);
    sem_destroy(&go_on);
}

static void test_sent_while_files_get_names(void **state)
{
    (void)state;
    then_local = false;
    results_during_checkpoint();
}

static void test_sent_then_delivered_while_files_get_names(void **state)
{
    (void)state;
    then_local = true;
    results_during_checkpoint();
}

/* --- what a delivery has queued, when that is over before the delivery is recorded --- */

static struct message *parent;

static int queue_child(void)
{
    struct message *m = make_keyed(~parent->key, 2000, 1, 1);
    note_child_tried(m->key);
    int r = queue_accept_child(e.q, parent, m, NULL);
    note_child(m->key, r, true);
    message_unref(m);
    return r;
}

static void settle_parent(enum rcpt_state state)
{
    parent->next_try_ms = clock_wall_ms() + 1000;
    if (state == RCPT_DELIVERED)
        note_delivered(parent->key, RCPT_LOCAL);
    settle_as(e.q, parent, RCPT_LOCAL, state, "");
}

static void defer_parent(void)
{
    settle_parent(RCPT_WAITING);
}

static void end_parent(void)
{
    settle_parent(RCPT_DELIVERED);
}

/* The parent is delivered twice: the power goes after the first time. */
static void child_is_known(void (*in_checkpoint)(void))
{
    struct message *got[1], *left;
    message_unref(accepted(3000, 0));
    assert_int_equal(queue_take(e.q, RCPT_LOCAL, &parent, 1), 1);
    left = in_checkpoint ? NULL : parent;
    assert_int_equal(queue_child(), 0);
    deliver_local(1);
    assert_int_equal(queue_take(e.q, RCPT_REMOTE, got, 1), 1);
    uint64_t key = got[0]->key;
    note_delivered(key, RCPT_REMOTE);
    settle_as(e.q, got[0], RCPT_REMOTE, RCPT_DELIVERED, "");
    note_recorded(key, RCPT_REMOTE);
    hooks.on_sync_dir = in_checkpoint;
    assert_int_equal(queue_checkpoint(e.q), 0);
    assert_null(hooks.on_sync_dir);
    if (left)
        assert_int_equal(queue_checkpoint(e.q), 0);
    cut_and_check();
    message_unref(left);
    clock_test_freeze(clock_wall_ms() + 5000);
    assert_int_equal(queue_take(e.q, RCPT_LOCAL, &parent, 1), 1);
    assert_int_equal(queue_child(), E_EXISTS);
    end_parent();
}

static void test_child_while_parent_is_delivered(void **state)
{
    (void)state;
    child_is_known(NULL);
}

static void test_child_of_deferred_parent(void **state)
{
    (void)state;
    child_is_known(defer_parent);
}

static void test_child_of_settled_parent(void **state)
{
    (void)state;
    child_is_known(end_parent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_delivered_when_its_file_failed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sent_while_files_get_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sent_then_delivered_while_files_get_names, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_child_while_parent_is_delivered, setup, teardown),
        cmocka_unit_test_setup_teardown(test_child_of_deferred_parent, setup, teardown),
        cmocka_unit_test_setup_teardown(test_child_of_settled_parent, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
