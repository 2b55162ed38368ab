/* Mailboxes whose files lie in msg/00 to msg/0f by the key's last digit, as version 1 of the index
 * had them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "fixture.h"

static const uint64_t keys[] = { 1, 2, 0x12, 0x1f };

static char *part_of(const struct fixture *f, uint64_t key)
{
    return xasprintf("%s/example.org/anna/msg/%02x", f->root, (unsigned)(key % 16));
}

static char *in_part(const struct fixture *f, uint64_t key)
{
    _cleanup_(freep) char *part = part_of(f, key);
    return xasprintf("%s/%016" PRIx64 ".eml", part, key);
}

static void move_to_part(struct fixture *f, uint64_t key)
{
    _cleanup_(freep) char *path = blob_path(f->m, key);
    _cleanup_(freep) char *old = in_part(f, key);
    _cleanup_(freep) char *part = part_of(f, key);
    ok(os_mkdirs(part, 0700, &ei));
    assert_int_equal(rename(path, old), 0);
}

/* A mailbox of version 1 with a message of each key, not open. */
static int setup(void **state)
{
    struct op o;
    fx_setup(state);
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        fx_add(f->m, INBOX_ID, keys[i], "old", FLAG_SEEN);
        move_to_part(f, keys[i]);
    }
    ok(op_read(f->m, &o, &ei));
    int r = db_exec(o.c, "PRAGMA user_version = 1", NULL);
    ok(op_finish(&o, r, &ei));
    mailbox_unref(f->m);
    mailstore_close(f->s);
    f->m = NULL;
    f->s = fx_store(f->root);
    return 0;
}

static void check_no_parts(const struct fixture *f)
{
    for (uint64_t key = 0; key < 16; key++) {
        _cleanup_(freep) char *part = part_of(f, key);
        assert_int_equal(access(part, F_OK), -1);
    }
}

static void check_content(struct mailbox *m, uint64_t key, const char *subject)
{
    struct mailbox_add a = { .key = key, .content = fx_message(subject) };
    assert_int_equal(blob_matches(m, &a), 1);
}

static void print_finding(const char *text, void *arg)
{
    (void)arg;
    print_error("%s\n", text);
}

/* n: messages in INBOX. */
static void check_moved(struct fixture *f, size_t n)
{
    _cleanup_(snap_unrefp) const struct snap *s = fx_snap(f->m, INBOX_ID, NULL);
    struct errinfo ei = { .text = "" };
    assert_int_equal(s->n, n);
    assert_int_equal(mailbox_verify(f->m, false, print_finding, NULL, &ei), 0);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        check_content(f->m, keys[i], "old");
    check_no_parts(f);
}

static void open_it(struct fixture *f)
{
    f->m = fx_open(f->s, "anna@example.org");
}

static void test_messages_move(void **state)
{
    struct fixture *f = *state;
    _cleanup_(freep) char *path = in_part(f, 0x32);
    _cleanup_(freep) char *torn = xasprintf("%s.new", path);
    ok(os_write_file_atomic(torn, SV("half"), 0600, &ei));
    open_it(f);
    check_moved(f, ARRAY_LEN(keys));
    _cleanup_(snap_unrefp) const struct snap *s = fx_snap(f->m, INBOX_ID, NULL);
    assert_int_equal(s->m[3].uid, 4);
    assert_int_equal(s->m[3].flags, FLAG_SEEN);
}

static void test_messages_move_once(void **state)
{
    struct fixture *f = *state;
    open_it(f);
    _cleanup_(freep) char *part = part_of(f, 3);
    ok(os_mkdirs(part, 0700, &ei));
    fx_reopen(f);
    fx_add(f->m, INBOX_ID, 3, "new", 0);
    assert_int_equal(access(part, F_OK), 0);
}

static void test_move_was_interrupted(void **state)
{
    struct fixture *f = *state;
    _cleanup_(freep) char *old = in_part(f, 2);
    _cleanup_(freep) char *path =
        xasprintf("%s/example.org/anna/msg/%s", f->root, old + strlen(old) - 20);
    assert_int_equal(rename(old, path), 0);
    open_it(f);
    check_moved(f, ARRAY_LEN(keys));
}

static void test_files_of_others_stay(void **state)
{
    struct fixture *f = *state;
    _cleanup_(freep) char *part = part_of(f, 2);
    _cleanup_(freep) char *theirs = xasprintf("%s/notes", part);
    ok(os_write_file_atomic(theirs, SV("x"), 0600, &ei));
    open_it(f);
    check_content(f->m, 2, "old");
    assert_int_equal(access(theirs, F_OK), 0);
    unlink(theirs);
}

/* A closed index is not looked into, so the mailbox is still as it was when more comes; one message
 * comes again. */
static void test_mail_is_left_before(void **state)
{
    struct fixture *f = *state;
    struct mailbox_add a = { .key = 2, .content = fx_message("old") };
    assert_int_equal(mailbox_leave(f->s, 16, SV("anna@example.org"), &a, 1, NULL), 1);
    a = (struct mailbox_add){ .key = 0x22, .content = fx_message("more") };
    assert_int_equal(mailbox_leave(f->s, 16, SV("anna@example.org"), &a, 1, NULL), 1);
    open_it(f);
    check_moved(f, ARRAY_LEN(keys) + 1);
    check_content(f->m, 0x22, "more");
}

static void test_index_is_lost(void **state)
{
    struct fixture *f = *state;
    _cleanup_(freep) char *index = xasprintf("%s/example.org/anna/index.db", f->root);
    _cleanup_(freep) char *wal = xasprintf("%s-wal", index);
    assert_int_equal(unlink(index), 0);
    unlink(wal);
    open_it(f);
    check_moved(f, ARRAY_LEN(keys));
}

static void test_account_is_removed(void **state)
{
    struct fixture *f = *state;
    _cleanup_(freep) char *dir = xasprintf("%s/example.org/anna", f->root);
    ok(mailstore_remove(f->s, SV("anna@example.org"), &ei));
    assert_int_equal(access(dir, F_OK), -1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, fx_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_messages_move),        T(test_messages_move_once),  T(test_move_was_interrupted),
        T(test_files_of_others_stay), T(test_mail_is_left_before), T(test_index_is_lost),
        T(test_account_is_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
