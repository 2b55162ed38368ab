/* Adding, reading, flags, expunge, copy: what one client sees. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "fixture.h"

static void test_add_and_read(void **state)
{
    struct fixture *f = *state;
    int64_t inbox = mailbox_inbox_id(f->m);
    uint32_t uidvalidity = 0;
    const char *kw[] = { "$Forwarded", "work", NULL };
    struct mailbox_add a[2] = {
        { .key = 0x10, .content = SV("Subject: one\r\n\r\nx\r\n"), .internal_date_s = 1000 },
        { .key = 0x11,
          .content = SV("Subject: two\r\n\r\nyy\r\n"),
          .internal_date_s = 2000,
          .flags = FLAG_SEEN,
          .keywords = kw },
    };
    ok(mailbox_add(f->m, inbox, a, 2, false, 0, NULL, &uidvalidity, &ei));
    assert_int_equal(a[0].ret_uid, 1);
    assert_int_equal(a[1].ret_uid, 2);
    assert_true(uidvalidity > 1000000000);
    _cleanup_(snap_unrefp) const struct snap *s = fx_snap(f->m, inbox, NULL);
    assert_int_equal(s->n, 2);
    assert_int_equal(s->uidnext, 3);
    assert_int_equal(s->uidvalidity, uidvalidity);
    assert_int_equal(s->n_unseen, 1);
    assert_int_equal(s->first_unseen, 1);
    assert_int_equal(s->n_keywords, 2);
    assert_string_equal(s->keywords[0], "$Forwarded");
    assert_string_equal(s->keywords[1], "work");
    assert_int_equal(s->m[0].flags, 0);
    assert_int_equal(s->m[1].flags, FLAG_SEEN | (3ull << FLAG_KEYWORD0));
    assert_int_equal(s->m[1].size, a[1].content.n);
    assert_int_equal(snap_find_uid(s, 2), 1);
    assert_int_equal(snap_find_uid(s, 3), -1);
    int fd = -1;
    uint64_t size = 0;
    char text[64] = "";
    ok(mailbox_open_message(f->m, 0x11, &fd, &size, &ei));
    assert_int_equal(size, a[1].content.n);
    assert_int_equal(read(fd, text, sizeof(text)), (ssize_t)size);
    assert_memory_equal(text, a[1].content.p, size);
    close(fd);
    assert_int_equal(mailbox_open_message(f->m, 0x12, &fd, &size, NULL), E_NOTFOUND);
}

static void test_add_again_is_a_no_op(void **state)
{
    struct fixture *f = *state;
    int64_t sent = fx_folder(f->m, "Sent");
    assert_int_equal(fx_add(f->m, INBOX_ID, 7, "seven", 0), 1);
    struct mailbox_add a = { .key = 7, .content = fx_message("seven") };
    ok(mailbox_add(f->m, INBOX_ID, &a, 1, false, 0, NULL, NULL, &ei));
    assert_true(a.ret_duplicate);
    assert_int_equal(a.ret_uid, 1);
    /* Once per folder: in another one it is a message of its own, with the same file. */
    ok(mailbox_add(f->m, sent, &a, 1, true, 0, NULL, NULL, &ei));
    assert_false(a.ret_duplicate);
    assert_int_equal(a.ret_uid, 1);
    uint64_t bytes = 0, n = 0;
    ok(mailbox_usage(f->m, &bytes, &n, &ei));
    assert_int_equal(n, 2);
    assert_int_equal(bytes, 2 * a.content.n);
}

static void test_add_again_repairs_a_torn_file(void **state)
{
    struct fixture *f = *state;
    fx_add(f->m, INBOX_ID, 7, "seven", 0);
    _cleanup_(snap_unrefp) const struct snap *before = fx_snap(f->m, INBOX_ID, NULL);
    _cleanup_(freep) char *path = blob_path(f->m, 7);
    assert_int_equal(truncate(path, 10), 0);
    struct mailbox_add a = { .key = 7, .content = fx_message("seven") };
    ok(mailbox_add(f->m, INBOX_ID, &a, 1, false, 0, NULL, NULL, &ei));
    assert_true(a.ret_duplicate);
    assert_int_equal(blob_matches(f->m, &a), 1);
    unlink(path);
    ok(mailbox_add(f->m, INBOX_ID, &a, 1, false, 0, NULL, NULL, &ei));
    assert_true(a.ret_duplicate);
    assert_int_equal(blob_matches(f->m, &a), 1);
    /* Another length, as after a rebuild that found half a file. */
    a.content = fx_message("seven, longer");
    ok(mailbox_add(f->m, INBOX_ID, &a, 1, false, 0, NULL, NULL, &ei));
    assert_true(a.ret_duplicate);
    _cleanup_(snap_unrefp) const struct snap *s = fx_snap(f->m, INBOX_ID, before);
    assert_int_equal(s->n, 1);
    assert_int_equal(s->m[0].size, a.content.n);
    uint64_t bytes = 0, n = 0;
    ok(mailbox_usage(f->m, &bytes, &n, &ei));
    assert_int_equal(bytes, a.content.n);
}

static void test_file_left_by_a_crash_is_replaced(void **state)
{
    struct fixture *f = *state;
    _cleanup_(freep) char *path = blob_path(f->m, 9);
    fx_add(f->m, INBOX_ID, 10, "makes the directory", 0);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, "half", 4), 4);
    close(fd);
    fx_add(f->m, INBOX_ID, 9, "nine", 0);
    struct mailbox_add a = { .key = 9, .content = fx_message("nine") };
    assert_int_equal(blob_matches(f->m, &a), 1);
}

static void test_add_from_a_path(void **state)
{
    struct fixture *f = *state;
    char path[100];
    struct stat a_st, b_st;
    snprintf(path, sizeof(path), "%s/spool", f->root);
    ok(os_write_file_atomic(path, fx_message("linked"), 0600, &ei));
    struct mailbox_add a[2] = { { .key = 1, .path = path, .flags = FLAG_DRAFT },
                                { .key = 2, .path = "/nonexistent/message" } };
    ok(mailbox_add(f->m, INBOX_ID, a, 2, true, 0, NULL, NULL, &ei));
    assert_int_equal(a[0].ret_error, 0);
    assert_int_equal(a[1].ret_error, -ENOENT);
    assert_int_equal(a[1].ret_uid, 0);
    _cleanup_(freep) char *stored = blob_path(f->m, 1);
    assert_int_equal(stat(path, &a_st), 0);
    assert_int_equal(stat(stored, &b_st), 0);
    assert_int_equal(a_st.st_ino, b_st.st_ino);
    _cleanup_(snap_unrefp) const struct snap *s = fx_snap(f->m, INBOX_ID, NULL);
    assert_int_equal(s->n, 1);
    assert_int_equal(s->m[0].flags, FLAG_DRAFT);
    /* A file system that cannot link: copied. */
    ok(os_write_file_atomic("/dev/shm/posthorn-mbox-test", fx_message("copied"), 0600, &ei));
    a[0] = (struct mailbox_add){ .key = 3, .path = "/dev/shm/posthorn-mbox-test" };
    ok(mailbox_add(f->m, INBOX_ID, a, 1, false, 0, NULL, NULL, &ei));
    assert_int_equal(a[0].ret_error, 0);
    a[0].content = fx_message("copied");
    assert_int_equal(blob_matches(f->m, &a[0]), 1);
    unlink("/dev/shm/posthorn-mbox-test");
}

static void test_quota(void **state)
{
    struct fixture *f = *state;
    size_t size = fx_message("q1").n;
    const struct mailbox_quota quota = { .mailbox = 3 * size + 10 };
    for (uint64_t k = 1; k <= 3; k++)
        fx_add(f->m, INBOX_ID, k, "q1", 0);
    struct mailbox_add a[3] = { { .key = 4, .content = SV("too much of it.............\r\n") },
                                { .key = 5, .content = SV("x\r\n") },
                                { .key = 1, .content = fx_message("q1") } };
    ok(mailbox_add(f->m, INBOX_ID, a, 3, false, &quota, NULL, NULL, &ei));
    assert_int_equal(a[0].ret_error, E_QUOTA);
    assert_int_equal(a[1].ret_error, 0);
    assert_true(a[2].ret_duplicate); /* a repeated delivery is never refused */
    assert_false(fx_has_file(f->m, 4));
    uint32_t uids[] = { 1, 2 }, out[2], v = 0;
    int64_t trash = fx_folder(f->m, "Trash");
    assert_int_equal(mailbox_copy(f->m, INBOX_ID, uids, 2, trash, false, &quota, out, &v, NULL),
                     E_QUOTA);
    ok(mailbox_copy(f->m, INBOX_ID, uids, 2, trash, true, &quota, out, &v, &ei));
}

static bool collect(const struct msg_row *row, void *arg)
{
    struct buf *b = arg;
    buf_addf(b, "%u %" PRIx64 " %" PRId64 " %zu %zu %zu;", row->uid, row->key, row->internal_date_s,
             row->envelope.n, row->bodystructure.n, row->body.n);
    return true;
}

static bool stop_at_two(const struct msg_row *row, void *arg)
{
    *(unsigned *)arg += 1;
    return row->uid < 2;
}

static bool count_ascending(const struct msg_row *row, void *arg)
{
    uint32_t *last = arg;
    assert_true(row->uid == *last + 1);
    assert_non_null(row->envelope.p);
    *last = row->uid;
    return true;
}

static void test_rows(void **state)
{
    struct fixture *f = *state;
    _cleanup_(buf_done) struct buf b;
    buf_init(&b, 4096);
    for (uint64_t k = 1; k <= 3; k++)
        fx_add(f->m, INBOX_ID, k + 0xa0, "rows", 0);
    ok(mailbox_rows(f->m, INBOX_ID, 2, 9, MSG_META, collect, &b, &ei));
    buf_terminate(&b);
    assert_string_equal(b.p, "2 a2 1317804432 0 0 0;3 a3 1317804432 0 0 0;");
    struct mailbox_parsed *p = mailbox_parse(fx_message("rows"));
    struct msg_row want;
    parsed_split(sv_n(p->data, p->n), &want);
    assert_true(want.envelope.n > 50 && want.body.n > 10 && want.bodystructure.n > want.body.n);
    char text[100];
    snprintf(text, sizeof(text), "1 a1 1317804432 %zu %zu %zu;", want.envelope.n,
             want.bodystructure.n, want.body.n);
    buf_reset(&b);
    ok(mailbox_rows(f->m, INBOX_ID, 1, 1, MSG_ENVELOPE | MSG_STRUCTURE, collect, &b, &ei));
    buf_terminate(&b);
    assert_string_equal(b.p, text);
    /* Given beforehand instead of made here: the same. */
    struct mailbox_add a = { .key = 0xff, .content = fx_message("rows") };
    ok(mailbox_add(f->m, INBOX_ID, &a, 1, false, 0, &p, NULL, &ei));
    mailbox_parsed_free(p);
    unsigned n = 0;
    ok(mailbox_rows(f->m, INBOX_ID, 1, UINT32_MAX, MSG_META, stop_at_two, &n, &ei));
    assert_int_equal(n, 2);
    for (uint64_t k = 5; k <= 1000; k++)
        fx_add(f->m, INBOX_ID, k + 0xa0000, "many", 0);
    uint32_t last = 0;
    ok(mailbox_rows(f->m, INBOX_ID, 0, UINT32_MAX, MSG_ENVELOPE, count_ascending, &last, &ei));
    assert_int_equal(last, 1000);
}

static void test_store(void **state)
{
    struct fixture *f = *state;
    for (uint64_t k = 1; k <= 4; k++)
        fx_add(f->m, INBOX_ID, k, "flags", 0);
    const char *kw[] = { "Work", NULL }, *kw2[] = { "work", "$Junk", NULL },
               *none[] = { "other", NULL };
    uint32_t uids[] = { 2, 3, 99 };
    _cleanup_(snap_unrefp) const struct snap *s0 = fx_snap(f->m, INBOX_ID, NULL);
    ok(mailbox_store(f->m, INBOX_ID, uids, 3, STORE_ADD, FLAG_SEEN, kw, &ei));
    _cleanup_(snap_unrefp) const struct snap *s1 = fx_snap(f->m, INBOX_ID, s0);
    assert_true(s1->modseq > s0->modseq);
    assert_int_equal(s1->n_unseen, 2);
    assert_int_equal(s1->m[0].flags, 0);
    assert_int_equal(s1->m[1].flags, FLAG_SEEN | 1 << FLAG_KEYWORD0);
    assert_int_equal(s0->m[1].flags, 0); /* older snapshots stay as they are */
    ok(mailbox_store(f->m, INBOX_ID, uids, 1, STORE_REPLACE, FLAG_DELETED | 1 << 6, kw2, &ei));
    ok(mailbox_store(f->m, INBOX_ID, uids + 1, 1, STORE_REMOVE, FLAG_SEEN, none, &ei));
    _cleanup_(snap_unrefp) const struct snap *s2 = fx_snap(f->m, INBOX_ID, s1);
    assert_int_equal(s2->n_keywords, 2);
    assert_string_equal(s2->keywords[0], "Work"); /* case of the first use */
    assert_int_equal(s2->m[1].flags, FLAG_DELETED | 3 << FLAG_KEYWORD0);
    assert_int_equal(s2->m[2].flags, 1 << FLAG_KEYWORD0);
    assert_int_equal(s2->n_unseen, 4);
    /* Nothing to change: no new state. */
    ok(mailbox_store(f->m, INBOX_ID, uids, 3, STORE_REMOVE, FLAG_SEEN, none, &ei));
    _cleanup_(snap_unrefp) const struct snap *s3 = fx_snap(f->m, INBOX_ID, s2);
    assert_ptr_equal(s3, s2);
    assert_int_equal(mailbox_store(f->m, 99, uids, 1, STORE_ADD, FLAG_SEEN, NULL, NULL),
                     E_NOTFOUND);
}

static void test_keyword_limit(void **state)
{
    struct fixture *f = *state;
    fx_add(f->m, INBOX_ID, 1, "kw", 0);
    uint32_t uid = 1;
    for (int i = 0; i < MAX_KEYWORDS; i++) {
        char name[20];
        const char *kw[] = { name, NULL };
        snprintf(name, sizeof(name), "k%d", i);
        ok(mailbox_store(f->m, INBOX_ID, &uid, 1, STORE_ADD, 0, kw, &ei));
    }
    const char *kw[] = { "onemore", NULL }, *known[] = { "K55", NULL },
               *bad[] = { "not an atom", NULL };
    assert_int_equal(mailbox_store(f->m, INBOX_ID, &uid, 1, STORE_ADD, 0, kw, NULL), E_LIMIT);
    ok(mailbox_store(f->m, INBOX_ID, &uid, 1, STORE_REMOVE, 0, known, &ei));
    assert_int_equal(mailbox_store(f->m, INBOX_ID, &uid, 1, STORE_ADD, 0, bad, NULL), E_RANGE);
    struct mailbox_add a = { .key = 2, .content = SV("x\r\n"), .keywords = kw };
    ok(mailbox_add(f->m, INBOX_ID, &a, 1, false, 0, NULL, NULL, &ei));
    assert_int_equal(a.ret_error, E_LIMIT);
    _cleanup_(snap_unrefp) const struct snap *s = fx_snap(f->m, INBOX_ID, NULL);
    assert_int_equal(s->n, 1);
    assert_int_equal(s->n_keywords, MAX_KEYWORDS);
    assert_true(s->m[0].flags == (UINT64_MAX << FLAG_KEYWORD0 & ~(UINT64_C(1) << 63)));
}

static void test_expunge(void **state)
{
    struct fixture *f = *state;
    size_t n = 0;
    for (uint64_t k = 1; k <= 10; k++)
        fx_add(f->m, INBOX_ID, k, "gone", k % 2 ? 0 : FLAG_DELETED);
    _cleanup_(snap_unrefp) const struct snap *s0 = fx_snap(f->m, INBOX_ID, NULL);
    uint32_t some[] = { 1, 2, 3, 4 };
    ok(mailbox_expunge(f->m, INBOX_ID, some, 4, true, &n, &ei));
    assert_int_equal(n, 2);
    _cleanup_(snap_unrefp) const struct snap *s1 = fx_snap(f->m, INBOX_ID, s0);
    assert_int_equal(s1->n, 8);
    assert_int_equal(s1->m[1].uid, 3);
    ok(mailbox_expunge(f->m, INBOX_ID, some, 1, false, &n, &ei));
    assert_int_equal(n, 1);
    ok(mailbox_expunge(f->m, INBOX_ID, NULL, 0, true, &n, &ei));
    assert_int_equal(n, 3);
    ok(mailbox_expunge(f->m, INBOX_ID, NULL, 0, true, NULL, &ei));
    _cleanup_(snap_unrefp) const struct snap *s2 = fx_snap(f->m, INBOX_ID, s1);
    assert_int_equal(s2->n, 4);
    assert_int_equal(s2->uidnext, 11);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(s2->m[i].uid, 3 + 2 * i);
    uint64_t bytes = 0, count = 0;
    ok(mailbox_usage(f->m, &bytes, &count, &ei));
    assert_int_equal(count, 4);
    assert_int_equal(bytes, 4 * fx_message("gone").n);
    ok(maintain_trash(f->m, &ei));
    for (uint64_t k = 1; k <= 10; k++)
        assert_int_equal(fx_has_file(f->m, k), k % 2 && k > 1);
    /* Uids are never given twice. */
    ok(mailbox_expunge(f->m, INBOX_ID, NULL, 0, false, NULL, &ei));
    assert_int_equal(fx_add(f->m, INBOX_ID, 50, "next", 0), 11);
}

static void test_expunged_and_added_again_before_the_file_went(void **state)
{
    struct fixture *f = *state;
    fx_add(f->m, INBOX_ID, 1, "again", 0);
    ok(mailbox_expunge(f->m, INBOX_ID, NULL, 0, false, NULL, &ei));
    fx_add(f->m, INBOX_ID, 1, "again", 0);
    ok(maintain_trash(f->m, &ei));
    assert_true(fx_has_file(f->m, 1));
}

/* A power cut can leave the index, and take the directory that was never synced. */
static void test_trash_is_emptied_when_its_directory_is_gone(void **state)
{
    struct fixture *f = *state;
    fx_add(f->m, INBOX_ID, 1, "lost", 0);
    fx_add(f->m, INBOX_ID, 2, "there", 0);
    ok(mailbox_expunge(f->m, INBOX_ID, NULL, 0, false, NULL, &ei));
    _cleanup_(freep) char *path = blob_path(f->m, 1);
    *strrchr(path, '/') = '\0';
    ok(os_remove_tree(path, NULL));
    ok(maintain_trash(f->m, &ei));
    assert_false(fx_has_file(f->m, 2));
}

static void test_copy_and_move(void **state)
{
    struct fixture *f = *state;
    int64_t archive = fx_folder(f->m, "Archive");
    const char *kw_a[] = { "a", "b", NULL }, *kw_b[] = { "b", NULL };
    for (uint64_t k = 1; k <= 3; k++)
        fx_add(f->m, INBOX_ID, k, "copy", FLAG_FLAGGED);
    fx_add(f->m, archive, 10, "there", 0);
    uint32_t uids[] = { 1, 2, 7 }, one = 1, out[3] = { 9, 9, 9 }, v = 0;
    ok(mailbox_store(f->m, INBOX_ID, uids, 1, STORE_ADD, 0, kw_a, &ei));
    ok(mailbox_store(f->m, archive, &one, 1, STORE_ADD, 0, kw_b, &ei));
    ok(mailbox_copy(f->m, INBOX_ID, uids, 3, archive, false, 0, out, &v, &ei));
    assert_int_equal(out[0], 2);
    assert_int_equal(out[1], 3);
    assert_int_equal(out[2], 0);
    _cleanup_(snap_unrefp) const struct snap *s = fx_snap(f->m, archive, NULL);
    assert_int_equal(s->uidvalidity, v);
    assert_int_equal(s->n, 3);
    assert_string_equal(s->keywords[0], "b");
    assert_string_equal(s->keywords[1], "a");
    assert_int_equal(s->m[1].flags, FLAG_FLAGGED | 3 << FLAG_KEYWORD0);
    assert_int_equal(s->m[2].flags, FLAG_FLAGGED);
    /* The original goes, the copy keeps the file. */
    ok(mailbox_expunge(f->m, INBOX_ID, uids, 1, false, NULL, &ei));
    ok(maintain_trash(f->m, &ei));
    assert_true(fx_has_file(f->m, 1));
    ok(mailbox_copy(f->m, archive, uids, 3, INBOX_ID, true, 0, out, &v, &ei));
    assert_int_equal(out[0], 4);
    assert_int_equal(out[1], 5);
    _cleanup_(snap_unrefp) const struct snap *a = fx_snap(f->m, archive, s);
    _cleanup_(snap_unrefp) const struct snap *i = fx_snap(f->m, INBOX_ID, NULL);
    assert_int_equal(a->n, 1);
    assert_int_equal(a->m[0].uid, 3);
    assert_int_equal(i->n, 4);
    assert_int_equal(i->m[3].uid, 5);
    /* Into itself: copies are messages of their own. */
    ok(mailbox_copy(f->m, INBOX_ID, &i->m[0].uid, 1, INBOX_ID, false, 0, out, &v, &ei));
    assert_int_equal(out[0], 6);
    ok(mailbox_copy(f->m, INBOX_ID, out, 1, INBOX_ID, true, 0, out, &v, &ei));
    assert_int_equal(out[0], 7);
    _cleanup_(snap_unrefp) const struct snap *j = fx_snap(f->m, INBOX_ID, i);
    assert_int_equal(j->n, 5);
    assert_int_equal(mailbox_copy(f->m, INBOX_ID, uids, 1, 4711, false, 0, out, &v, NULL),
                     E_NOTFOUND);
}

static void test_recent_is_claimed_once(void **state)
{
    struct fixture *f = *state;
    uint32_t first = 0;
    ok(mailbox_claim_recent(f->m, INBOX_ID, &first, &ei));
    assert_int_equal(first, 1);
    fx_add(f->m, INBOX_ID, 1, "r", 0);
    fx_add(f->m, INBOX_ID, 2, "r", 0);
    struct arena a;
    struct folder folder;
    arena_init(&a, 4096);
    ok(mailbox_folder(f->m, SV("INBOX"), &a, &folder, &ei));
    assert_int_equal(folder.recent, 2);
    ok(mailbox_claim_recent(f->m, INBOX_ID, &first, &ei));
    assert_int_equal(first, 1);
    ok(mailbox_claim_recent(f->m, INBOX_ID, &first, &ei));
    assert_int_equal(first, 3);
    ok(mailbox_folder(f->m, SV("INBOX"), &a, &folder, &ei));
    assert_int_equal(folder.recent, 0);
    assert_int_equal(folder.messages, 2);
    arena_done(&a);
}

static void test_everything_stays_after_reopen(void **state)
{
    struct fixture *f = *state;
    uint32_t uid = 2;
    const char *kw[] = { "kept", NULL };
    for (uint64_t k = 1; k <= 3; k++)
        fx_add(f->m, INBOX_ID, k, "stay", 0);
    ok(mailbox_store(f->m, INBOX_ID, &uid, 1, STORE_ADD, FLAG_ANSWERED, kw, &ei));
    fx_reopen(f);
    _cleanup_(snap_unrefp) const struct snap *s = fx_snap(f->m, INBOX_ID, NULL);
    assert_int_equal(s->n, 3);
    assert_int_equal(s->uidnext, 4);
    assert_int_equal(s->m[1].flags, FLAG_ANSWERED | 1 << FLAG_KEYWORD0);
    assert_string_equal(s->keywords[0], "kept");
}

static void test_empty_and_odd_messages(void **state)
{
    struct fixture *f = *state;
    struct mailbox_add a[3] = { { .key = 1, .content = SV("") },
                                { .key = 2, .content = { "\0\xff\n\n", 4 } },
                                { .key = 3, .content = SV("no header at all") } };
    ok(mailbox_add(f->m, INBOX_ID, a, 3, false, 0, NULL, NULL, &ei));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(a[i].ret_error, 0);
        assert_int_equal(blob_matches(f->m, &a[i]), 1);
    }
    ok(mailbox_add(f->m, INBOX_ID, a, 0, false, 0, NULL, NULL, &ei));
    uint32_t last = 0;
    ok(mailbox_rows(f->m, INBOX_ID, 1, 3, MSG_ENVELOPE, count_ascending, &last, &ei));
    assert_int_equal(last, 3);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fx_setup, fx_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_add_and_read),
        T(test_add_again_is_a_no_op),
        T(test_add_again_repairs_a_torn_file),
        T(test_file_left_by_a_crash_is_replaced),
        T(test_add_from_a_path),
        T(test_quota),
        T(test_rows),
        T(test_store),
        T(test_keyword_limit),
        T(test_expunge),
        T(test_expunged_and_added_again_before_the_file_went),
        T(test_trash_is_emptied_when_its_directory_is_gone),
        T(test_copy_and_move),
        T(test_recent_is_claimed_once),
        T(test_everything_stays_after_reopen),
        T(test_empty_and_odd_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
