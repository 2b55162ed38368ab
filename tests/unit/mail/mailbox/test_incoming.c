/* Messages that are left for a mailbox without opening its index: they come to INBOX when somebody
 * looks, in whatever process, once, and never against the user's will. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "fixture.h"
#include "log/log.h"

#define ANNA "anna@example.org"
#define DATE 1317804432

/* As another process does it: whether the index is open here does not matter. */
static int leave_as(struct mailstore *s, const char *address, uint64_t key, uint64_t quota)
{
    struct mailbox_add a = { .key = key, .content = fx_message("left"), .internal_date_s = DATE };
    return incoming_leave(s, 1, address, &a, 1, &(struct mailbox_quota){ .mailbox = quota });
}

static int leave(struct fixture *f, uint64_t key)
{
    return leave_as(f->s, ANNA, key, 0);
}

static struct mailbox_add deliver(struct mailbox *m, uint64_t key, uint64_t quota)
{
    struct mailbox_add a = { .key = key, .content = fx_message("left"), .internal_date_s = DATE };
    ok(mailbox_add(m, INBOX_ID, &a, 1, false, &(struct mailbox_quota){ .mailbox = quota }, NULL,
                   NULL, &ei));
    return a;
}

static uint32_t count(struct mailbox *m, int64_t folder)
{
    _cleanup_(snap_unrefp) const struct snap *s = fx_snap(m, folder, NULL);
    return s->n;
}

static char *incoming_path(const struct fixture *f)
{
    static char path[200];
    struct mailstore_opts o = { .root = f->root, .temp_dir = "" };
    _cleanup_(buf_done) struct buf b;
    buf_init(&b, 4096);
    assert_int_equal(mailstore_account_dir(&o, sv_c(ANNA), &b), 0);
    snprintf(path, sizeof(path), SV_FMT "/_incoming", SV_ARG(buf_sv(&b)));
    return path;
}

static bool is_waiting(const struct fixture *f)
{
    return access(incoming_path(f), F_OK) == 0;
}

static void close_all(struct fixture *f)
{
    mailbox_unref(f->m);
    mailstore_close(f->s);
    f->m = NULL;
    f->s = fx_store(f->root);
}

static bool check_row(const struct msg_row *row, void *arg)
{
    assert_int_equal(row->key, 10 + row->uid);
    assert_int_equal(row->internal_date_s, DATE);
    assert_true(sv_find_sv(row->envelope, SV("\"left\"")) >= 0);
    (*(unsigned *)arg)++;
    return true;
}

static void test_seen_by_the_next_who_opens(void **state)
{
    struct fixture *f = *state;
    struct mailbox_add a = { .key = 11, .content = fx_message("left"), .internal_date_s = DATE };
    unsigned n = 0;
    assert_int_equal(mailbox_leave(f->s, 1, sv_c(ANNA), &a, 1, 0), 0); /* the index is open */
    close_all(f);
    assert_int_equal(mailbox_leave(f->s, 1, SV("Anna@Example.org"), &a, 1, 0), 1);
    assert_int_equal(leave(f, 12), 1);
    assert_int_equal(fx_n_open(f->s), 0);
    assert_true(is_waiting(f));
    f->m = fx_open(f->s, ANNA);
    const struct snap *s = fx_snap(f->m, INBOX_ID, NULL);
    assert_int_equal(s->n, 2);
    assert_int_equal(s->n_unseen, 2);
    assert_int_equal(s->m[0].size, fx_message("left").n);
    snap_unref(s);
    ok(mailbox_rows(f->m, INBOX_ID, 1, 9, MSG_META | MSG_ENVELOPE, check_row, &n, &ei));
    assert_int_equal(n, 2);
    assert_int_equal(mailbox_verify(f->m, false, NULL, NULL, NULL), 0);
    assert_true(is_waiting(f)); /* until the rows are durable */
    fx_settle(f->m);
    assert_false(is_waiting(f));
    fx_reopen(f);
    assert_int_equal(count(f->m, INBOX_ID), 2);
    assert_int_equal(leave(f, 13), 1);
    assert_int_equal(count(f->m, INBOX_ID), 3);
}

/* Who looks has the index open all the time, as `access` has when `smtp` delivers. */
static void test_seen_by_those_who_look_on(void **state)
{
    struct fixture *f = *state;
    struct mailstore *other = fx_store(f->root);
    const struct snap *s = fx_snap(f->m, INBOX_ID, NULL);
    for (uint32_t i = 1; i <= 3; i++) {
        assert_int_equal(leave_as(other, ANNA, 10 + i, 0), 1);
        const struct snap *t = fx_snap(f->m, INBOX_ID, s);
        assert_int_equal(t->n, i);
        assert_true(t->modseq > s->modseq);
        snap_unref(s);
        s = t;
    }
    /* A change comes behind what was left before it. */
    assert_int_equal(leave_as(other, ANNA, 14, 0), 1);
    assert_int_equal(deliver(f->m, 15, 0).ret_uid, 5);
    uint64_t bytes, n;
    assert_int_equal(leave_as(other, ANNA, 16, 0), 1);
    ok(mailbox_usage(f->m, &bytes, &n, &ei));
    assert_int_equal(n, 6);
    snap_unref(s);
    mailstore_close(other);
}

struct onlooker {
    struct mailbox *m;
    atomic_bool stop;
};

static void *look_on(void *arg)
{
    struct onlooker *l = arg;
    const struct snap *s = fx_snap(l->m, INBOX_ID, NULL);
    while (!atomic_load(&l->stop)) {
        const struct snap *t = fx_snap(l->m, INBOX_ID, s);
        snap_unref(s);
        s = t;
    }
    snap_unref(s);
    return NULL;
}

/* Left between a session's look for it and its read: what it has read is not the newest then, and
 * the next look must not be told so. */
static void test_left_while_snapshots_are_made(void **state)
{
    struct fixture *f = *state;
    struct onlooker l = { .m = f->m };
    pthread_t id;
    assert_int_equal(pthread_create(&id, NULL, look_on, &l), 0);
    for (uint32_t i = 1; i <= 200; i++) {
        assert_int_equal(leave(f, i), 1);
        const struct snap *s = fx_snap(f->m, INBOX_ID, NULL);
        assert_int_equal(s->n, i);
        snap_unref(s);
    }
    atomic_store(&l.stop, true);
    pthread_join(id, NULL);
}

static void test_new_mailbox(void **state)
{
    struct fixture *f = *state;
    struct mailbox_add a[2] = {
        { .key = 22, .content = fx_message("first"), .internal_date_s = DATE },
        { .key = 21, .content = fx_message("first"), .internal_date_s = DATE + 1 },
    };
    assert_int_equal(mailbox_leave(f->s, 2, SV("bert@example.org"), a, 2, 0), 1);
    struct mailbox *m = fx_open(f->s, "bert@example.org");
    struct mailbox_add again = { .key = 22, .content = fx_message("first") };
    assert_int_equal(count(m, INBOX_ID), 2);
    assert_true(fx_folder(m, "Drafts") > 0);
    ok(mailbox_add(m, INBOX_ID, &again, 1, false, 0, NULL, NULL, &ei));
    assert_int_equal(again.ret_uid, 1); /* in the order of leaving */
    mailbox_unref(m);
}

static void test_a_repeated_delivery(void **state)
{
    struct fixture *f = *state;
    close_all(f);
    assert_int_equal(leave(f, 11), 1);
    assert_int_equal(leave(f, 11), 0); /* its file is there */
    f->m = fx_open(f->s, ANNA);
    assert_true(deliver(f->m, 11, 0).ret_duplicate);
    assert_int_equal(leave(f, 11), 0);
    ok(blob_drop(f->m, 11)); /* as power loss may do */
    assert_int_equal(leave(f, 11), 1);
    assert_int_equal(count(f->m, INBOX_ID), 1);
    assert_true(fx_has_file(f->m, 11));
}

static void test_what_the_user_has_dealt_with_stays_away(void **state)
{
    struct fixture *f = *state;
    struct mailbox_add a = { .key = 31,
                             .content = fx_message("left"),
                             .internal_date_s = clock_wall_s() };
    ok(mailbox_add(f->m, INBOX_ID, &a, 1, false, 0, NULL, NULL, &ei));
    ok(mailbox_expunge(f->m, INBOX_ID, &a.ret_uid, 1, false, NULL, &ei));
    ok(maintain_trash(f->m, &ei));
    assert_false(fx_has_file(f->m, 31));
    assert_int_equal(incoming_leave(f->s, 1, ANNA, &a, 1, 0), 1);
    assert_int_equal(count(f->m, INBOX_ID), 0);
    ok(maintain_trash(f->m, &ei));
    assert_false(fx_has_file(f->m, 31)); /* verify would take it for lost mail */
}

static void test_quota(void **state)
{
    struct fixture *f = *state;
    uint64_t size = fx_message("left").n, bytes = 0, n = 0;
    assert_int_equal(leave_as(f->s, ANNA, 11, 10 * size), 0); /* what is used is not known */
    assert_int_equal(deliver(f->m, 11, 10 * size).ret_error, 0);
    assert_int_equal(leave_as(f->s, ANNA, 12, 3 * size), 1);
    assert_int_equal(leave_as(f->s, ANNA, 13, 3 * size), 1);
    assert_int_equal(leave_as(f->s, ANNA, 14, 3 * size), 0);
    assert_int_equal(deliver(f->m, 14, 3 * size).ret_error, E_QUOTA);
    assert_int_equal(leave_as(f->s, ANNA, 15, 4 * size), 1);
    assert_int_equal(count(f->m, INBOX_ID), 4);
    assert_int_equal(leave_as(f->s, ANNA, 16, 4 * size), 0);
    uint32_t uid = 1;
    ok(mailbox_expunge(f->m, INBOX_ID, &uid, 1, false, NULL, &ei));
    assert_int_equal(leave_as(f->s, ANNA, 16, 4 * size), 0); /* not known any more */
    ok(mailbox_usage(f->m, &bytes, &n, &ei));
    assert_int_equal(bytes, 3 * size);
}

static void append(const struct fixture *f, const void *p, size_t n)
{
    int fd = open(incoming_path(f), O_WRONLY | O_APPEND);
    assert_true(fd >= 0 && write(fd, p, n) == (ssize_t)n);
    close(fd);
}

static void test_a_torn_end(void **state)
{
    struct fixture *f = *state;
    static const char zero[100];
    for (size_t torn = 1; torn <= sizeof(zero); torn += 47) { /* parts of a record, and two */
        uint64_t key = 100 * torn;
        close_all(f);
        assert_int_equal(leave(f, key), 1);
        append(f, zero, torn);
        assert_int_equal(leave(f, key + 1), 0);
        f->m = fx_open(f->s, ANNA);
        assert_false(fx_has_file(f->m, key + 1));
        assert_int_equal(deliver(f->m, key + 1, 0).ret_error, 0);
        fx_settle(f->m);
        assert_false(is_waiting(f));
    }
    assert_int_equal(count(f->m, INBOX_ID), 6);
}

static void test_after_a_boot_the_index_comes_first(void **state)
{
    struct fixture *f = *state;
    close_all(f);
    assert_int_equal(leave(f, 11), 1);
    f->s->boot++;
    assert_int_equal(leave(f, 12), 0); /* numbers of lost records would come again */
    f->m = fx_open(f->s, ANNA);
    assert_int_equal(count(f->m, INBOX_ID), 1);
}

static void test_only_so_many_wait(void **state)
{
    struct fixture *f = *state;
    uint64_t key = 1;
    close_all(f);
    for (; key <= INCOMING_MAX; key++)
        assert_int_equal(leave(f, key), 1);
    assert_int_equal(leave(f, key), 0);
    f->m = fx_open(f->s, ANNA);
    assert_int_equal(count(f->m, INBOX_ID), INCOMING_MAX);
}

static void test_a_lost_index(void **state)
{
    struct fixture *f = *state;
    _cleanup_(buf_done) struct buf path, wal;
    index_path(f->m, "", &path);
    index_path(f->m, "-wal", &wal);
    assert_int_equal(leave(f, 11), 1);
    assert_int_equal(count(f->m, INBOX_ID), 1);
    uint32_t uid = 1;
    ok(mailbox_expunge(f->m, INBOX_ID, &uid, 1, false, NULL, &ei));
    ok(maintain_trash(f->m, &ei));
    deliver(f->m, 12, 0);
    close_all(f);
    assert_int_equal(leave(f, 13), 1);
    assert_int_equal(unlink(path.p), 0);
    assert_int_equal(unlink(wal.p), 0);
    f->m = fx_open(f->s, ANNA);
    assert_int_equal(count(f->m, INBOX_ID), 2); /* not what was expunged */
    assert_int_equal(mailbox_verify(f->m, false, NULL, NULL, NULL), 0);
}

static void test_removed_account(void **state)
{
    struct fixture *f = *state;
    close_all(f);
    assert_int_equal(leave(f, 11), 1);
    ok(mailstore_remove(f->s, sv_c(ANNA), &ei));
    assert_false(is_waiting(f));
    f->m = fx_open(f->s, ANNA);
    assert_int_equal(count(f->m, INBOX_ID), 0);
}

/* A full disk keeps nobody from reading. */
static void test_read_on_while_it_cannot_be_added(void **state)
{
    struct fixture *f = *state;
    _cleanup_(buf_done) struct buf log;
    buf_init(&log, 64 * KiB);
    log_test_capture(&log);
    deliver(f->m, 10, 0);
    assert_int_equal(leave(f, 11), 1);
    char *path = incoming_path(f), aside[220];
    snprintf(aside, sizeof(aside), "%s.aside", path);
    assert_int_equal(rename(path, aside), 0);
    assert_int_equal(mkdir(path, 0700), 0); /* cannot be read */
    assert_int_equal(deliver(f->m, 12, 0).ret_uid, 2);
    const struct snap *s = fx_snap(f->m, INBOX_ID, NULL); /* not taken for the newest */
    assert_int_equal(s->n, 2);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rename(aside, path), 0);
    assert_int_equal(count(f->m, INBOX_ID), 3);
    snap_unref(s);
    log_test_capture(NULL);
    assert_true(sv_find_sv(buf_sv(&log), SV("new messages cannot be added")) >= 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fx_setup, fx_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_seen_by_the_next_who_opens),
        T(test_seen_by_those_who_look_on),
        T(test_left_while_snapshots_are_made),
        T(test_new_mailbox),
        T(test_a_repeated_delivery),
        T(test_what_the_user_has_dealt_with_stays_away),
        T(test_quota),
        T(test_a_torn_end),
        T(test_after_a_boot_the_index_comes_first),
        T(test_only_so_many_wait),
        T(test_a_lost_index),
        T(test_removed_account),
        T(test_read_on_while_it_cannot_be_added),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
