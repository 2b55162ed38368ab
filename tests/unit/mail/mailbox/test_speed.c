/* How long the operations take that clients wait for, with 10,000 messages in a folder. Prints;
 * only what must be nearly free is also checked. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/clock.h"
#include "fixture.h"

enum { MESSAGES = 10000 };

static void tell(const char *what, int64_t since_us, double per)
{
    print_message("%-48s %10.2f us\n", what, (double)(clock_mono_us() - since_us) / per);
}

static void add_many(struct mailbox *m, int64_t folder, unsigned n, unsigned batch)
{
    struct mailbox_add *a = xcalloc(batch, sizeof(*a));
    struct mailbox_parsed *p = mailbox_parse(fx_message("speed"));
    struct mailbox_parsed **all = xcalloc(batch, sizeof(struct mailbox_parsed *));
    for (unsigned i = 0; i < n; i += batch) {
        for (unsigned k = 0; k < batch; k++) {
            a[k] = (struct mailbox_add){ .key = rand_u64(), .content = fx_message("speed") };
            all[k] = p;
        }
        ok(mailbox_add(m, folder, a, batch, false, 0, all, NULL, &ei));
    }
    mailbox_parsed_free(p);
    free(all);
    free(a);
}

static bool count_bytes(const struct msg_row *row, void *arg)
{
    *(size_t *)arg += row->envelope.n + 1;
    return true;
}

/* Changes in another folder make everybody ask the index, but change nothing here. */
static double check_after_changes_elsewhere(struct mailbox *m, int64_t other, const struct snap *s)
{
    int64_t us = 0;
    for (unsigned i = 0; i < 200; i++) {
        add_many(m, other, 1, 1);
        int64_t t = clock_mono_us();
        const struct snap *again = fx_snap(m, INBOX_ID, s);
        us += clock_mono_us() - t;
        assert_ptr_equal(again, s);
        snap_unref(again);
    }
    return (double)us / 200;
}

static void test_speed(void **state)
{
    struct fixture *f = *state;
    struct mailbox *m = f->m;
    size_t bytes = 0;
    int64_t sent = fx_folder(m, "Sent"), t = clock_mono_us();
    add_many(m, INBOX_ID, MESSAGES, 50);
    tell("add a message, in batches of 50", t, MESSAGES);
    t = clock_mono_us();
    const struct snap *s = fx_snap(m, INBOX_ID, NULL), *next;
    tell("first snapshot of 10,000 messages", t, 1);
    t = clock_mono_us();
    for (int i = 0; i < 100000; i++)
        snap_unref(fx_snap(m, INBOX_ID, s));
    int64_t each_ns = (clock_mono_us() - t) / 100;
    tell("nothing has changed", t, 100000);
    double elsewhere = check_after_changes_elsewhere(m, sent, s);
    print_message("%-48s %10.2f us\n", "something has changed elsewhere", elsewhere);
    t = clock_mono_us();
    for (uint32_t i = 0; i < 100; i++) {
        ok(mailbox_store(m, INBOX_ID, &s->m[i * 100].uid, 1, STORE_ADD, FLAG_SEEN, NULL, &ei));
        next = fx_snap(m, INBOX_ID, s);
        snap_unref(s);
        s = next;
    }
    tell("STORE of one message, next snapshot", t, 100);
    uint32_t *uids = xcalloc(s->n, sizeof(*uids));
    for (uint32_t i = 0; i < s->n; i++)
        uids[i] = s->m[i].uid;
    t = clock_mono_us();
    ok(mailbox_store(m, INBOX_ID, uids, s->n, STORE_ADD, FLAG_FLAGGED, NULL, &ei));
    tell("STORE 1:10000", t, 1);
    t = clock_mono_us();
    ok(mailbox_rows(m, INBOX_ID, 1, UINT32_MAX, MSG_META, count_bytes, &bytes, &ei));
    tell("rows of all: key and date", t, 1);
    t = clock_mono_us();
    ok(mailbox_rows(m, INBOX_ID, 1, UINT32_MAX, MSG_ENVELOPE, count_bytes, &bytes, &ei));
    tell("rows of all: ENVELOPE", t, 1);
    t = clock_mono_us();
    ok(mailbox_expunge(m, INBOX_ID, uids, s->n / 2, false, NULL, &ei));
    tell("expunge of 5,000", t, 1);
    assert_true(bytes > MESSAGES);
    free(uids);
    snap_unref(s);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_true(each_ns < 10000);
#else
    (void)each_ns;
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_speed, fx_setup_shm, fx_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
