/* A uid is never given twice: the reservation of uids and of UIDVALIDITYs when its writer is killed
 * or the power goes, and what else could make one come back (RFC 3501 2.3.1.1). Random cuts are in
 * test_power.c. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "fixture.h"
#include "log/log.h"
#include "power.h"

static struct {
    struct buf log;
    char after[80]; /* what the power cut left */
} t;

static int setup(void **state)
{
    buf_init(&t.log, 64 * KiB);
    log_test_capture(&t.log);
    t.after[0] = '\0';
    return fx_setup(state);
}

static int teardown(void **state)
{
    pw_end();
    int r = fx_teardown(state);
    clock_test_freeze(0);
    log_test_capture(NULL);
    buf_done(&t.log);
    if (t.after[0])
        os_remove_tree(t.after, NULL);
    return r;
}

static uint32_t validity(struct mailbox *m, const char *folder)
{
    _cleanup_(snap_unrefp) const struct snap *s = fx_snap(m, fx_folder(m, folder), NULL);
    return s->uidvalidity;
}

static void close_all(struct fixture *f)
{
    mailbox_unref(f->m);
    mailstore_close(f->s);
    f->m = NULL;
    f->s = NULL;
}

/* The power goes: only what was synced is there, and the machine is started anew. */
static void cut(struct fixture *f)
{
    pw_cut_now();
    close_all(f);
    snprintf(t.after, sizeof(t.after), "%s.after", f->root);
    pw_restore(f->root, t.after, 0);
    f->s = fx_store(t.after);
    f->s->boot ^= 0x5a5a;
    f->m = fx_open(f->s, "anna@example.org");
}

/* Runs fn in a process that is killed in its first sync. */
static void die_in_sync(struct fixture *f, void (*fn)(struct fixture *f))
{
    int status;
    close_all(f);
    pid_t pid = fork();
    if (pid == 0) {
        f->s = fx_store(f->root);
        f->m = fx_open(f->s, "anna@example.org");
        pw.die = true;
        fn(f);
        _exit(1);
    }
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 9);
    f->s = fx_store(f->root);
    f->m = fx_open(f->s, "anna@example.org");
}

static void use_up_uids(struct mailbox *m)
{
    struct op o;
    ok(op_write(m, &o, &ei));
    int r = db_exec(o.c, "UPDATE folder SET uidnext = uid_ceiling - 1 WHERE id = 1", NULL);
    ok(op_finish(&o, r, &ei));
}

static void add_one(struct fixture *f)
{
    fx_add(f->m, INBOX_ID, 7, "x", 0);
}

/* The raised ceiling is in the index, but not on the disk: the next writer must not trust it. */
static void test_killed_before_the_ceiling_is_durable(void **state)
{
    struct fixture *f = *state;
    use_up_uids(f->m);
    pw_start(f->root, UINT32_MAX);
    uint32_t v = validity(f->m, "INBOX");
    die_in_sync(f, add_one);
    fx_add(f->m, INBOX_ID, 8, "y", 0); /* the last one below the old ceiling */
    uint32_t uid = fx_add(f->m, INBOX_ID, 9, "y", 0);
    cut(f);
    assert_int_equal(validity(f->m, "INBOX"), v);
    assert_true(fx_add(f->m, INBOX_ID, 10, "z", 0) > uid);
}

static void create_folder(struct fixture *f)
{
    ok(mailbox_create_folder(f->m, SV("Killed"), NULL, &ei));
}

/* The same with UIDVALIDITYs: no clock helps. */
static void test_killed_before_the_validity_is_durable(void **state)
{
    struct fixture *f = *state;
    clock_test_freeze(clock_wall_ms());
    char path[100];
    snprintf(path, sizeof(path), "%s/_uidvalidity", f->root);
    uint64_t rec[4];
    int fd = open(path, O_RDWR);
    assert_int_equal(read(fd, rec, sizeof(rec)), sizeof(rec));
    rec[2] = rec[3]; /* all are given */
    assert_int_equal(pwrite(fd, rec, sizeof(rec), 0), sizeof(rec));
    close(fd);
    pw_start(f->root, UINT32_MAX);
    die_in_sync(f, create_folder);
    struct mailbox *m = fx_open(f->s, "bob@example.org"); /* of which nothing is synced */
    uint32_t v = validity(m, "INBOX");
    mailbox_unref(m);
    cut(f);
    m = fx_open(f->s, "bob@example.org");
    assert_true(validity(m, "INBOX") > v);
    mailbox_unref(m);
}

/* A new account is made without any sync. */
static void test_lost_account_gets_another_validity(void **state)
{
    struct fixture *f = *state;
    clock_test_freeze(clock_wall_ms());
    pw_start(f->root, UINT32_MAX);
    struct mailbox *m = fx_open(f->s, "new@example.org");
    uint32_t inbox = validity(m, "INBOX"), sent = validity(m, "Sent");
    assert_int_equal(fx_add(m, INBOX_ID, 1, "seen by a client", 0), 1);
    assert_int_equal(pw.events, 0);
    mailbox_unref(m);
    clock_test_freeze(clock_wall_ms() - 3600000); /* and the clock is wrong after the boot */
    cut(f);
    m = fx_open(f->s, "new@example.org");
    assert_true(validity(m, "INBOX") > inbox);
    assert_true(validity(m, "Sent") > sent);
    mailbox_unref(m);
}

static void test_account_made_anew_at_once(void **state)
{
    struct fixture *f = *state;
    clock_test_freeze(clock_wall_ms());
    ok(mailbox_create_folder(f->m, SV("A"), NULL, &ei));
    for (int i = 0; i < 30; i++) {
        ok(mailbox_create_folder(f->m, SV("B"), NULL, &ei));
        ok(mailbox_delete_folder(f->m, SV("B"), &ei));
    }
    ok(mailbox_create_folder(f->m, SV("B"), NULL, &ei));
    uint32_t a = validity(f->m, "A"), b = validity(f->m, "B");
    mailbox_unref(f->m);
    ok(mailstore_remove(f->s, SV("anna@example.org"), &ei));
    clock_test_freeze(clock_wall_ms() - 3600000);
    f->m = fx_open(f->s, "anna@example.org");
    ok(mailbox_create_folder(f->m, SV("B"), NULL, &ei));
    ok(mailbox_create_folder(f->m, SV("A"), NULL, &ei));
    assert_true(validity(f->m, "A") > a);
    assert_true(validity(f->m, "B") > b);
}

/* The folder that comes to a name is older than the one that had it. */
static void test_rename_to_a_name_that_was_used(void **state)
{
    struct fixture *f = *state;
    ok(mailbox_create_folder(f->m, SV("Old"), NULL, &ei));
    ok(mailbox_create_folder(f->m, SV("Name"), NULL, &ei));
    fx_add(f->m, fx_folder(f->m, "Old"), 1, "x", 0);
    uint32_t old = validity(f->m, "Old"), name = validity(f->m, "Name");
    assert_true(old < name);
    ok(mailbox_delete_folder(f->m, SV("Name"), &ei));
    ok(mailbox_rename_folder(f->m, SV("Old"), SV("New"), &ei));
    assert_int_equal(validity(f->m, "New"), old); /* clients may keep what they know */
    ok(mailbox_rename_folder(f->m, SV("New"), SV("Old"), &ei));
    assert_int_equal(validity(f->m, "Old"), old);
    ok(mailbox_rename_folder(f->m, SV("Old"), SV("Name"), &ei));
    assert_true(validity(f->m, "Name") > name);
    const struct snap *s = fx_snap(f->m, fx_folder(f->m, "Name"), NULL);
    assert_int_equal(s->n, 1);
    snap_unref(s);
}

static void test_rename_after_many_names(void **state)
{
    struct fixture *f = *state;
    char name[20];
    int64_t rows = 0;
    uint32_t first = 0;
    struct op o;
    ok(mailbox_create_folder(f->m, SV("Old"), NULL, &ei));
    ok(op_write(f->m, &o, &ei));
    int r = 0;
    for (unsigned i = 0; r == 0 && i < 500; i++) {
        uint32_t v = 0;
        snprintf(name, sizeof(name), "n%u", i);
        r = validity_next(&o, &v, NULL);
        if (r == 0)
            r = validity_name_left(&o, sv_c(name), v, NULL);
        first = i == 0 ? v : first;
    }
    if (r == 0)
        r = db_value(o.c, &rows, NULL, "SELECT COUNT(*) FROM meta", "");
    ok(op_finish(&o, r, &ei));
    assert_true(rows < 250); /* not one for each name that ever was */
    ok(mailbox_rename_folder(f->m, SV("Old"), SV("n0"), &ei));
    assert_true(validity(f->m, "n0") > first);
}

/* verify gives uids, too. */
static void test_adopted_files_have_reserved_uids(void **state)
{
    struct fixture *f = *state;
    struct mailbox_add a = { .content = SV("Subject: x\r\n\r\n") };
    struct mailbox_add first = { .key = 1, .content = fx_message("durable") };
    ok(mailbox_add(f->m, INBOX_ID, &first, 1, true, 0, NULL, NULL, &ei));
    use_up_uids(f->m);
    for (a.key = 10; a.key < 20; a.key++)
        ok(blob_put(f->m, &a, false, true, &ei));
    pw_start(f->root, UINT32_MAX);
    clock_test_advance(100000);
    assert_int_equal(mailbox_verify(f->m, true, NULL, NULL, NULL), 10);
    const struct snap *s = fx_snap(f->m, INBOX_ID, NULL);
    uint32_t uidnext = s->uidnext, v = s->uidvalidity;
    assert_int_equal(s->n, 11);
    snap_unref(s);
    cut(f);
    assert_int_equal(validity(f->m, "INBOX"), v);
    assert_true(fx_add(f->m, INBOX_ID, 30, "x", 0) >= uidnext);
}

static void lose_wal(struct fixture *f)
{
    _cleanup_(buf_done) struct buf path;
    index_path(f->m, "-wal", &path);
    close_all(f);
    assert_int_equal(unlink(path.p), 0);
    f->s = fx_store(f->root);
    f->m = fx_open(f->s, "anna@example.org");
}

/* The index without its WAL, within one boot: a copy that somebody made of index.db alone. */
static void test_lost_wal(void **state)
{
    struct fixture *f = *state;
    for (uint64_t k = 1; k <= 20; k++)
        fx_add(f->m, INBOX_ID, k, "x", 0);
    fx_settle(f->m);
    uint32_t v = validity(f->m, "INBOX");
    for (uint64_t k = 21; k <= 40; k++)
        fx_add(f->m, INBOX_ID, k, "x", 0);
    lose_wal(f);
    const struct snap *s = fx_snap(f->m, INBOX_ID, NULL);
    assert_int_equal(s->n, 20);
    assert_int_equal(s->uidvalidity, v);
    assert_true(s->uidnext >= 1000);
    uint64_t modseq = s->modseq;
    assert_true(modseq > 1000000);
    snap_unref(s);
    assert_true(fx_add(f->m, INBOX_ID, 21, "x", 0) >= 1000);
    /* Once only. */
    fx_reopen(f);
    s = fx_snap(f->m, INBOX_ID, NULL);
    assert_true(s->uidnext < 2000);
    assert_int_equal(s->modseq, modseq + 1);
    snap_unref(s);
}

/* Writes zeros over a page of the index: what a file has that was made without a sync, when the
 * power goes. */
static void lose_page(const char *path, long page)
{
    static const char zeros[4096];
    FILE *f = fopen(path, "r+");
    assert_non_null(f);
    assert_int_equal(fseek(f, (page - 1) * 4096, SEEK_SET), 0);
    assert_int_equal(fwrite(zeros, 4096, 1, f), 1);
    assert_int_equal(fclose(f), 0);
}

/* A page is missing that nobody needs for now. The first access after the boot must see it: later
 * on a repair would cost the folders and flags that are told of by then. */
static void test_lost_page(void **state)
{
    struct fixture *f = *state;
    _cleanup_(buf_done) struct buf path = { .p = NULL }, aside = { .p = NULL };
    fx_add(f->m, INBOX_ID, 1, "x", 0);
    fx_settle(f->m);
    uint32_t v = validity(f->m, "INBOX");
    index_path(f->m, "", &path);
    index_path(f->m, ".corrupt", &aside);
    close_all(f);
    lose_page(path.p, 10);
    f->s = fx_store(f->root);
    f->s->boot ^= 0x5a5a;
    f->m = fx_open(f->s, "anna@example.org");
    assert_int_equal(access(aside.p, F_OK), 0);
    const struct snap *s = fx_snap(f->m, INBOX_ID, NULL);
    assert_int_equal(s->n, 1); /* its file is there */
    assert_true(s->uidvalidity > v);
    snap_unref(s);
}

/* The ceiling was raised in the WAL. */
static void test_lost_wal_with_a_ceiling(void **state)
{
    struct fixture *f = *state;
    fx_add(f->m, INBOX_ID, 1, "x", 0);
    fx_settle(f->m);
    uint32_t inbox = validity(f->m, "INBOX"), sent = validity(f->m, "Sent");
    use_up_uids(f->m);
    fx_add(f->m, INBOX_ID, 2, "seen by a client", 0);
    lose_wal(f);
    uint32_t now = validity(f->m, "INBOX");
    assert_true(now > inbox);
    assert_true(validity(f->m, "Sent") > sent);
    buf_terminate(&t.log);
    assert_true(strstr(t.log.p, "index.db-wal is missing") != NULL);
    fx_reopen(f); /* once only */
    assert_int_equal(validity(f->m, "INBOX"), now);
}

/* A session that goes on with uids of the old index must not reach the new one's messages. */
static void test_nobody_goes_on_with_old_uids(void **state)
{
    struct fixture *f = *state;
    struct mailstore *other = fx_store(f->root);
    struct mailbox *session = fx_open(other, "anna@example.org"), *again;
    uint32_t uid = fx_add(session, INBOX_ID, 1, "x", 0), out = 0, v = 0;
    const struct snap *s = fx_snap(session, INBOX_ID, NULL), *now = NULL;
    use_up_uids(session);
    fx_add(session, INBOX_ID, 2, "y", 0);
    pthread_mutex_lock(&session->op_lock);
    index_close(session); /* as maintenance does soon */
    pthread_mutex_unlock(&session->op_lock);
    lose_wal(f);
    assert_int_equal(mailbox_check(session, NULL), -ESTALE);
    assert_int_equal(mailbox_snapshot(session, INBOX_ID, s, &now, NULL), -ESTALE);
    assert_int_equal(mailbox_expunge(session, INBOX_ID, &uid, 1, false, NULL, NULL), -ESTALE);
    assert_int_equal(mailbox_store(session, INBOX_ID, &uid, 1, STORE_ADD, FLAG_DELETED, NULL, NULL),
                     -ESTALE);
    assert_int_equal(mailbox_copy(session, INBOX_ID, &uid, 1, 2, true, 0, &out, &v, NULL), -ESTALE);
    again = fx_open(other, "anna@example.org");
    assert_ptr_not_equal(again, session);
    assert_int_equal(validity(again, "INBOX"), validity(f->m, "INBOX"));
    snap_unref(s);
    mailbox_unref(session);
    mailbox_unref(again);
    mailstore_close(other);
}

/* Killed in the midst of a removal, or the lock file came back with the power: the next owner of
 * the address gets an empty mailbox. */
static void test_half_removed_account(void **state)
{
    struct fixture *f = *state;
    fx_add(f->m, INBOX_ID, 1, "not yours", 0);
    uint32_t v = validity(f->m, "INBOX");
    atomic_store(&f->m->page->incarnation, PAGE_REMOVED);
    close_all(f);
    f->s = fx_store(f->root);
    f->m = fx_open(f->s, "anna@example.org");
    const struct snap *s = fx_snap(f->m, INBOX_ID, NULL);
    assert_int_equal(s->n, 0);
    assert_true(s->uidvalidity > v);
    assert_false(fx_has_file(f->m, 1));
    snap_unref(s);
    /* Or the administrator removes it again. */
    _cleanup_(freep) char *dir = xstrdup(f->m->dir);
    atomic_store(&f->m->page->incarnation, PAGE_REMOVED);
    close_all(f);
    f->s = fx_store(f->root);
    ok(mailstore_remove(f->s, SV("anna@example.org"), &ei));
    assert_int_equal(access(dir, F_OK), -1);
}

static void test_lost_file_goes_on_by_the_time(void **state)
{
    struct fixture *f = *state;
    char path[100];
    uint32_t v = validity(f->m, "Sent");
    snprintf(path, sizeof(path), "%s/_uidvalidity", f->root);
    close_all(f);
    assert_int_equal(truncate(path, 5), 0);
    clock_test_advance(100000);
    f->s = fx_store(f->root);
    f->m = fx_open(f->s, "anna@example.org");
    struct mailbox *m = fx_open(f->s, "bob@example.org");
    assert_true(validity(m, "INBOX") > v);
    buf_terminate(&t.log);
    assert_true(strstr(t.log.p, "_uidvalidity is damaged") != NULL);
    mailbox_unref(m);
}

/* Several processes: no two accounts have one in common. */
static void test_processes_share_them(void **state)
{
    enum { PROCESSES = 3, ACCOUNTS = 20, ALL = PROCESSES * ACCOUNTS };
    struct fixture *f = *state;
    uint32_t v[ALL];
    int fds[2], status;
    close_all(f);
    assert_int_equal(pipe(fds), 0);
    for (unsigned i = 0; i < PROCESSES; i++) {
        if (fork() > 0)
            continue;
        f->s = fx_store(f->root);
        for (unsigned k = 0; k < ACCOUNTS; k++) {
            char address[40];
            snprintf(address, sizeof(address), "u%u.%u@example.org", i, k);
            struct mailbox *m = fx_open(f->s, address);
            uint32_t one = validity(m, "Sent");
            if (write(fds[1], &one, sizeof(one)) != sizeof(one))
                _exit(1);
            mailbox_unref(m);
        }
        _exit(0);
    }
    for (unsigned i = 0; i < ALL; i++) {
        assert_int_equal(read(fds[0], &v[i], sizeof(v[i])), sizeof(v[i]));
        for (unsigned k = 0; k < i; k++)
            assert_int_not_equal(v[i], v[k]);
    }
    for (unsigned i = 0; i < PROCESSES; i++) {
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    close(fds[0]);
    close(fds[1]);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_killed_before_the_ceiling_is_durable),
        T(test_killed_before_the_validity_is_durable),
        T(test_lost_account_gets_another_validity),
        T(test_account_made_anew_at_once),
        T(test_rename_to_a_name_that_was_used),
        T(test_rename_after_many_names),
        T(test_adopted_files_have_reserved_uids),
        T(test_lost_wal),
        T(test_lost_page),
        T(test_lost_wal_with_a_ceiling),
        T(test_nobody_goes_on_with_old_uids),
        T(test_half_removed_account),
        T(test_lost_file_goes_on_by_the_time),
        T(test_processes_share_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
