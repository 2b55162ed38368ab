/* Verify and repair, and the rebuild of a damaged or lost index. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <utime.h>

#include "base/clock.h"
#include "fixture.h"
#include "log/log.h"

static void note(const char *text, void *arg)
{
    struct buf *b = arg;
    buf_addf(b, "%s\n", text);
}

static int verify(struct mailbox *m, bool repair, struct buf *b)
{
    struct errinfo ei = { .text = "" };
    buf_init(b, 64 * KiB);
    int r = mailbox_verify(m, repair, note, b, &ei);
    if (r < 0)
        fail_msg("verify: %d %s", r, ei.text);
    buf_terminate(b);
    return r;
}

static void test_sound_mailbox(void **state)
{
    struct fixture *f = *state;
    _cleanup_(buf_done) struct buf b;
    fx_add(f->m, INBOX_ID, 1, "a", 0);
    assert_int_equal(verify(f->m, true, &b), 0);
}

static void test_missing_and_extra_files(void **state)
{
    struct fixture *f = *state;
    _cleanup_(buf_done) struct buf b, c, d;
    for (uint64_t k = 1; k <= 40; k++)
        fx_add(f->m, INBOX_ID, k, "a", k % 2 ? 0 : FLAG_SEEN);
    uint32_t uid = 40, out, v;
    ok(mailbox_copy(f->m, INBOX_ID, &uid, 1, fx_folder(f->m, "Sent"), false, 0, &out, &v, &ei));
    _cleanup_(snap_unrefp) const struct snap *s = fx_snap(f->m, INBOX_ID, NULL);
    ok(blob_drop(f->m, 3));
    ok(blob_drop(f->m, 40));
    struct mailbox_add extra = { .key = 0x77, .content = fx_message("extra") };
    ok(blob_put(f->m, &extra, false, false, &ei));
    _cleanup_(freep) char *left = blob_path(f->m, 0x97);
    ok(os_write_file_atomic(left, SV("abc"), 0600, &ei));
    _cleanup_(freep) char *torn = xasprintf("%s.new", left);
    assert_int_equal(rename(left, torn), 0);
    /* Just made: may be on its way in. */
    assert_int_equal(verify(f->m, false, &b), 3);
    assert_true(strstr(b.p, "uid 3: the file of message 0000000000000003 is missing\n") != NULL);
    clock_test_advance(4000 * 1000);
    assert_int_equal(verify(f->m, true, &c), 4);
    assert_true(strstr(c.p, "message 0000000000000077 is in no folder; added to INBOX\n") != NULL);
    assert_int_equal(verify(f->m, false, &d), 0);
    assert_int_equal(access(torn, F_OK), -1);
    _cleanup_(snap_unrefp) const struct snap *t = fx_snap(f->m, INBOX_ID, s);
    assert_int_equal(t->n, 39);
    assert_int_equal(snap_find_uid(t, 3), -1);
    assert_int_equal(t->m[38].uid, 41);
}

static void test_wrong_sums(void **state)
{
    struct fixture *f = *state;
    _cleanup_(buf_done) struct buf b, c;
    struct op o;
    for (uint64_t k = 1; k <= 3; k++)
        fx_add(f->m, INBOX_ID, k, "a", 0);
    ok(op_write(f->m, &o, &ei));
    int r =
        db_exec(o.c, "UPDATE folder SET messages = 7, unseen = 1, uidnext = 2 WHERE id = 1", NULL);
    ok(op_finish(&o, r, &ei));
    assert_int_equal(verify(f->m, true, &b), 1);
    assert_int_equal(verify(f->m, true, &c), 0);
    assert_int_equal(fx_add(f->m, INBOX_ID, 9, "n", 0), 4);
}

static void overwrite(struct fixture *f, const char *suffix, off_t at, size_t n)
{
    _cleanup_(buf_done) struct buf path;
    char junk[512];
    index_path(f->m, suffix, &path);
    memset(junk, 0x5a, sizeof(junk));
    int fd = open(path.p, O_WRONLY);
    assert_true(fd >= 0);
    for (size_t i = 0; i < n; i += sizeof(junk))
        assert_int_equal(pwrite(fd, junk, sizeof(junk), at + (off_t)i), sizeof(junk));
    close(fd);
}

/* All in index.db, nothing open. Returns the uidvalidity of INBOX. */
static uint32_t fill_and_close(struct fixture *f, unsigned n)
{
    for (uint64_t k = 1; k <= n; k++)
        fx_add(f->m, INBOX_ID, k, "kept", FLAG_SEEN);
    uint32_t uid = 1, out, v;
    ok(mailbox_copy(f->m, INBOX_ID, &uid, 1, fx_folder(f->m, "Sent"), true, 0, &out, &v, &ei));
    const struct snap *s = fx_snap(f->m, INBOX_ID, NULL);
    uint32_t uidvalidity = s->uidvalidity;
    snap_unref(s);
    fx_settle(f->m);
    return uidvalidity;
}

/* Who has the mailbox open learns that its uids mean nothing any more. */
static struct mailbox *reopen_rebuilt(struct mailstore *s, struct mailbox *old)
{
    const struct snap *snap = NULL;
    int r = mailbox_snapshot(old, INBOX_ID, NULL, &snap, NULL);
    if (r == E_CORRUPT) /* found in the middle of an operation: the next one rebuilds */
        r = mailbox_snapshot(old, INBOX_ID, NULL, &snap, NULL);
    assert_int_equal(r, -ESTALE);
    struct mailbox *m = fx_open(s, "anna@example.org");
    assert_ptr_not_equal(m, old);
    mailbox_unref(old);
    return m;
}

static void check_rebuilt(struct mailbox *m, unsigned n, uint32_t uidvalidity)
{
    _cleanup_(snap_unrefp) const struct snap *s = fx_snap(m, INBOX_ID, NULL);
    assert_int_equal(s->n, n);
    assert_true(s->uidvalidity > uidvalidity);
    for (uint32_t i = 0; i < n; i++)
        assert_int_equal(s->m[i].size, fx_message("kept").n);
    /* A repeated delivery is still recognised. */
    struct mailbox_add a = { .key = 2, .content = fx_message("kept") };
    ok(mailbox_add(m, INBOX_ID, &a, 1, false, 0, NULL, NULL, &ei));
    assert_true(a.ret_duplicate);
    assert_int_equal(mailbox_verify(m, false, NULL, NULL, NULL), 0);
}

static void test_damaged_header(void **state)
{
    struct fixture *f = *state;
    _cleanup_(buf_done) struct buf log;
    struct mailstore *other = fx_store(f->root);
    struct mailbox *elsewhere = fx_open(other, "anna@example.org");
    uint32_t uidvalidity = fill_and_close(f, 30);
    const struct snap *old = fx_snap(elsewhere, INBOX_ID, NULL);
    buf_init(&log, 64 * KiB);
    overwrite(f, "", 0, 512);
    log_test_capture(&log);
    f->m = reopen_rebuilt(f->s, f->m);
    check_rebuilt(f->m, 30, uidvalidity);
    log_test_capture(NULL);
    buf_terminate(&log);
    assert_true(strstr(log.p, "the index is damaged") != NULL);
    /* Another process that has the old one open, too. */
    elsewhere = reopen_rebuilt(other, elsewhere);
    check_rebuilt(elsewhere, 30, uidvalidity);
    const struct snap *fresh = fx_snap(elsewhere, INBOX_ID, old);
    assert_true(fresh->uidvalidity > old->uidvalidity);
    snap_unref(old);
    snap_unref(fresh);
    mailbox_unref(elsewhere);
    mailstore_close(other);
}

static void test_damaged_pages(void **state)
{
    struct fixture *f = *state;
    _cleanup_(buf_done) struct buf log;
    struct stat st;
    uint32_t uidvalidity = fill_and_close(f, 300);
    _cleanup_(buf_done) struct buf path;
    index_path(f->m, "", &path);
    assert_int_equal(stat(path.p, &st), 0);
    overwrite(f, "", 8192, (size_t)st.st_size - 8192);
    buf_init(&log, 64 * KiB);
    log_test_capture(&log);
    f->m = reopen_rebuilt(f->s, f->m);
    log_test_capture(NULL);
    check_rebuilt(f->m, 300, uidvalidity);
}

static void test_lost_index(void **state)
{
    struct fixture *f = *state;
    uint32_t uidvalidity = fill_and_close(f, 5);
    mailbox_unref(f->m);
    mailstore_close(f->s);
    char path[200];
    snprintf(path, sizeof(path), "%s/example.org/anna/index.db", f->root);
    assert_int_equal(unlink(path), 0);
    f->s = fx_store(f->root);
    f->m = fx_open(f->s, "anna@example.org");
    check_rebuilt(f->m, 5, uidvalidity);
}

static void test_sound_index_is_not_rebuilt(void **state)
{
    struct fixture *f = *state;
    fx_add(f->m, fx_folder(f->m, "Sent"), 1, "a", 0);
    f->m->corrupt = true; /* a suspicion alone */
    assert_int_equal(fx_add(f->m, fx_folder(f->m, "Sent"), 2, "a", 0), 2);
}

static void test_newer_version_is_refused(void **state)
{
    struct fixture *f = *state;
    struct errinfo why = { .text = "" };
    struct op o;
    ok(op_read(f->m, &o, &ei));
    int r = db_exec(o.c, "PRAGMA user_version = 99", NULL);
    ok(op_finish(&o, r, &ei));
    mailbox_unref(f->m);
    mailstore_close(f->s);
    f->s = fx_store(f->root);
    f->m = NULL;
    assert_int_equal(mailbox_open(f->s, 16, SV("anna@example.org"), &f->m, &why), E_UNSUPPORTED);
    assert_true(strstr(why.text, "version 99") != NULL);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fx_setup, fx_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_sound_mailbox),
        T(test_missing_and_extra_files),
        T(test_wrong_sums),
        T(test_damaged_header),
        T(test_damaged_pages),
        T(test_lost_index),
        T(test_sound_index_is_not_rebuilt),
        T(test_newer_version_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
