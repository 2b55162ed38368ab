/* A delivery that is repeated after a crash does not bring back what the user moved or expunged. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "fixture.h"

static struct mailbox_add deliver(struct mailbox *m, uint64_t key)
{
    struct mailbox_add a = { .key = key,
                             .content = fx_message("a delivery"),
                             .internal_date_s = clock_wall_s() };
    ok(mailbox_add(m, INBOX_ID, &a, 1, false, 0, NULL, NULL, &ei));
    assert_int_equal(a.ret_error, 0);
    return a;
}

static uint32_t count(struct mailbox *m, int64_t folder)
{
    _cleanup_(snap_unrefp) const struct snap *s = fx_snap(m, folder, NULL);
    return s->n;
}

static void test_expunged(void **state)
{
    struct fixture *f = *state;
    uint32_t uid = deliver(f->m, 11).ret_uid;
    ok(mailbox_expunge(f->m, INBOX_ID, &uid, 1, false, NULL, &ei));
    assert_true(deliver(f->m, 11).ret_duplicate);
    assert_int_equal(count(f->m, INBOX_ID), 0);
    ok(maintain_trash(f->m, &ei));
    fx_reopen(f);
    struct mailbox_add again = deliver(f->m, 11);
    assert_true(again.ret_duplicate);
    assert_int_equal(again.ret_uid, 0);
    assert_int_equal(count(f->m, INBOX_ID), 0);
    assert_false(deliver(f->m, 12).ret_duplicate);
}

static void test_moved(void **state)
{
    struct fixture *f = *state;
    int64_t archive = fx_folder(f->m, "Archive");
    uint32_t uid = deliver(f->m, 21).ret_uid, to = 0;
    ok(mailbox_copy(f->m, INBOX_ID, &uid, 1, archive, true, 0, &to, NULL, &ei));
    assert_true(deliver(f->m, 21).ret_duplicate);
    assert_int_equal(count(f->m, INBOX_ID), 0);
    assert_int_equal(count(f->m, archive), 1);
    /* The file got lost with the power, the rows did not: the repeated delivery brings it. */
    ok(blob_drop(f->m, 21));
    assert_true(deliver(f->m, 21).ret_duplicate);
    uint64_t size = 0;
    ok(blob_size(f->m, 21, &size));
    assert_int_equal(size, fx_message("a delivery").n);
    /* A copy leaves the message where it is. */
    uid = deliver(f->m, 22).ret_uid;
    ok(mailbox_copy(f->m, INBOX_ID, &uid, 1, archive, false, 0, &to, NULL, &ei));
    assert_int_equal(deliver(f->m, 22).ret_uid, uid);
    /* Appended on purpose: not a repeated delivery. */
    struct mailbox_add a = { .key = 21, .content = fx_message("a delivery") };
    ok(mailbox_add(f->m, INBOX_ID, &a, 1, true, 0, NULL, NULL, &ei));
    assert_int_equal(count(f->m, INBOX_ID), 2);
}

static int64_t rows(struct mailbox *m)
{
    struct op o;
    int64_t n = 0;
    ok(op_read(m, &o, &ei));
    int r = db_value(o.c, &n, NULL, "SELECT COUNT(*) FROM handled", "");
    ok(op_finish(&o, r, &ei));
    return n;
}

static void test_forgotten_in_time(void **state)
{
    struct fixture *f = *state;
    for (uint64_t key = 100; key < 110; key++) {
        uint32_t uid = deliver(f->m, key).ret_uid;
        ok(mailbox_expunge(f->m, INBOX_ID, &uid, 1, false, NULL, &ei));
    }
    assert_int_equal(rows(f->m), 10);
    /* What is older than anything in a queue costs nothing. */
    uint32_t old = fx_add(f->m, INBOX_ID, 1, "old", 0);
    ok(mailbox_expunge(f->m, INBOX_ID, &old, 1, false, NULL, &ei));
    assert_int_equal(rows(f->m), 10);
    clock_test_advance(INT64_C(8) * 86400 * 1000);
    for (uint64_t key = 200; key < 270; key++) {
        uint32_t uid = deliver(f->m, key).ret_uid;
        ok(mailbox_expunge(f->m, INBOX_ID, &uid, 1, false, NULL, &ei));
    }
    assert_int_equal(rows(f->m), 70);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fx_setup, fx_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_expunged),
        T(test_moved),
        T(test_forgotten_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
