/* Power loss: what was acknowledged as durable is there, repeated deliveries bring the rest back
 * exactly once, no uid comes back with another message. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/clock.h"
#include "fixture.h"
#include "log/log.h"
#include "power.h"

#define MAX_KEYS 3000

enum fate { NEVER, JOURNALED, DURABLE, EXPUNGED };

static struct {
    enum fate fate[MAX_KEYS];    /* by key */
    bool in_journal[MAX_KEYS];   /* its delivery will be repeated */
    uint64_t seen[MAX_KEYS * 4]; /* uid -> key that somebody saw under it; 0 = nobody */
    uint32_t uidvalidity;
    uint64_t next_key;
} w;

static struct sv text_of(uint64_t key)
{
    static char text[4096];
    int n = snprintf(text, sizeof(text), "Subject: %" PRIu64 "\r\n\r\n", key);
    size_t size = (size_t)n + key * 7 % 3000;
    memset(text + n, 'a' + (char)(key % 26), size - (size_t)n);
    return sv_n(text, size);
}

static void add_some(struct mailbox *m, bool durable)
{
    unsigned n = durable ? 1 : 1 + rand_below(6);
    for (unsigned i = 0; i < n && !pw_is_cut(); i++) {
        uint64_t key = w.next_key++;
        struct mailbox_add a = { .key = key, .content = text_of(key), .internal_date_s = 5 };
        uint32_t v = 0;
        w.in_journal[key] = !durable;
        ok(mailbox_add(m, INBOX_ID, &a, 1, durable, 0, NULL, &v, &ei));
        if (pw_is_cut()) {
            w.fate[key] = durable ? NEVER : JOURNALED;
            return;
        }
        w.fate[key] = durable ? DURABLE : JOURNALED;
        w.uidvalidity = v;
        w.seen[a.ret_uid] = key;
    }
}

static void expunge_some(struct mailbox *m)
{
    _cleanup_(snap_unrefp) const struct snap *s = fx_snap(m, INBOX_ID, NULL);
    for (uint32_t i = 0; i < s->n && i < 3; i++) {
        const struct snap_msg *x = &s->m[rand_below(s->n)];
        w.fate[w.seen[x->uid]] = EXPUNGED;
        ok(mailbox_expunge(m, INBOX_ID, &x->uid, 1, false, NULL, &ei));
        if (rand_below(3) == 0)
            ok(maintain_trash(m, &ei));
    }
}

/* Leaps over the first ceiling, to see the second one reserved. */
static void use_up_uids(struct mailbox *m)
{
    struct op o;
    ok(op_write(m, &o, &ei));
    int r = db_exec(o.c, "UPDATE folder SET uidnext = MAX(uidnext, uid_ceiling - 3) WHERE id = 1",
                    NULL);
    op_changed(&o, INBOX_ID);
    ok(op_finish(&o, r, &ei));
}

static void work_until_cut(struct mailbox *m)
{
    for (unsigned i = 0; i < 60 && !pw_is_cut(); i++) {
        switch (rand_below(10)) {
        case 0:
        case 1:
        case 2:
            add_some(m, true);
            break;
        case 3:
            expunge_some(m);
            break;
        case 4:
            clock_test_advance(31000);
            usleep(rand_below(3000));
            break;
        case 5:
            pw_sync_all();
            if (!pw_is_cut())
                memset(w.in_journal, 0, sizeof(w.in_journal));
            break;
        case 6:
            if (rand_below(4) == 0)
                use_up_uids(m);
            break;
        default:
            add_some(m, false);
            break;
        }
    }
    pw_cut_now();
}

static void replay(struct mailbox *m)
{
    for (uint64_t key = 1; key < w.next_key; key++) {
        struct mailbox_add a = { .key = key, .content = text_of(key), .internal_date_s = 5 };
        if (!w.in_journal[key])
            continue;
        ok(mailbox_add(m, INBOX_ID, &a, 1, false, 0, NULL, NULL, &ei));
        assert_int_equal(a.ret_error, 0);
        if (w.fate[key] == EXPUNGED)
            w.fate[key] = NEVER; /* may be back: its delivery was repeated */
    }
}

struct found {
    unsigned n[MAX_KEYS];
    const struct snap *s;
};

static bool note_row(const struct msg_row *row, void *arg)
{
    struct found *f = arg;
    f->n[row->key]++;
    if (f->s->uidvalidity == w.uidvalidity && w.seen[row->uid] != 0)
        assert_int_equal(w.seen[row->uid], row->key);
    return true;
}

/* The one append that was under way may have left its file: it was not acknowledged, and may come
 * to INBOX. */
static void complain(const char *text, void *arg)
{
    uint64_t key = 0;
    bool orphan = strstr(text, "is in no folder") && sscanf(text, "message %" SCNx64, &key) == 1;
    if (orphan && key < w.next_key && w.fate[key] == NEVER)
        return;
    print_error("%s\n", text);
    *(unsigned *)arg += 1;
}

static void check(struct mailbox *m)
{
    static struct found f;
    f = (struct found){ .s = fx_snap(m, INBOX_ID, NULL) };
    ok(mailbox_rows(m, INBOX_ID, 1, UINT32_MAX, MSG_META, note_row, &f, &ei));
    for (uint64_t key = 1; key < w.next_key; key++) {
        struct mailbox_add a = { .key = key, .content = text_of(key) };
        assert_true(f.n[key] <= 1);
        if (w.fate[key] == DURABLE || w.fate[key] == JOURNALED)
            assert_int_equal(f.n[key], 1);
        if (f.n[key])
            assert_int_equal(blob_matches(m, &a), 1);
    }
    snap_unref(f.s);
    unsigned faults = 0;
    assert_true(mailbox_verify(m, false, complain, &faults, NULL) <= 1);
    assert_int_equal(faults, 0);
}

static void one_cut(unsigned cut_at, unsigned kept)
{
    char root[40] = "/tmp/posthorn-power-XXXXXX", after[60];
    struct mailbox *m = NULL;
    assert_non_null(mkdtemp(root));
    snprintf(after, sizeof(after), "%s.after", root);
    memset(&w, 0, sizeof(w));
    w.next_key = 1;
    pw_start(root, cut_at);
    struct mailstore *s = fx_store(root);
    m = fx_open(s, "anna@example.org");
    work_until_cut(m);
    mailbox_unref(m);
    mailstore_close(s);
    pw_restore(root, after, kept);
    pw_end();
    s = fx_store(after);
    s->boot ^= 0x5a5a; /* the machine was started anew, which takes some time: */
    clock_test_advance(20000);
    m = fx_open(s, "anna@example.org");
    replay(m);
    /* New mail right away: under uids that nobody has seen. */
    for (int i = 0; i < 5; i++) {
        uint64_t key = w.next_key++;
        struct mailbox_add a = { .key = key, .content = text_of(key) };
        ok(mailbox_add(m, INBOX_ID, &a, 1, false, 0, NULL, NULL, &ei));
        w.fate[key] = JOURNALED;
    }
    check(m);
    mailbox_unref(m);
    mailstore_close(s);
    os_remove_tree(root, NULL);
    os_remove_tree(after, NULL);
}

static void many_cuts(unsigned kept)
{
    uint32_t rounds = 15;
    const char *env = getenv("MBOX_CUTS");
    _cleanup_(buf_done) struct buf log;
    if (env)
        sv_to_u32(sv_c(env), &rounds);
    buf_init(&log, 64 * KiB);
    log_test_capture(&log);
    for (unsigned i = 0; i < rounds; i++)
        one_cut(1 + rand_below(70), kept);
    log_test_capture(NULL);
}

static void test_only_synced_data_survives(void **state)
{
    (void)state;
    many_cuts(0);
}

static void test_some_unsynced_data_survives(void **state)
{
    (void)state;
    many_cuts(50);
}

static void test_everything_survives(void **state)
{
    (void)state;
    many_cuts(100);
}

/* The index without its WAL, within one boot: a copy that somebody made of index.db alone. */
static void test_lost_wal(void **state)
{
    struct fixture *f = *state;
    for (uint64_t k = 1; k <= 20; k++)
        fx_add(f->m, INBOX_ID, k, "x", 0);
    fx_settle(f->m);
    for (uint64_t k = 21; k <= 40; k++)
        fx_add(f->m, INBOX_ID, k, "x", 0);
    mailbox_unref(f->m);
    mailstore_close(f->s);
    char path[200];
    snprintf(path, sizeof(path), "%s/example.org/anna/index.db-wal", f->root);
    assert_int_equal(unlink(path), 0);
    f->s = fx_store(f->root);
    f->m = fx_open(f->s, "anna@example.org");
    const struct snap *s = fx_snap(f->m, INBOX_ID, NULL);
    assert_int_equal(s->n, 20);
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

static void test_durable_add_syncs_in_order(void **state)
{
    struct fixture *f = *state;
    pw_start(f->root, UINT32_MAX);
    unsigned before = pw.events;
    fx_add(f->m, INBOX_ID, 1, "not", 0);
    assert_int_equal(pw.events, before);
    struct mailbox_add a = { .key = 2, .content = fx_message("durable") };
    ok(mailbox_add(f->m, INBOX_ID, &a, 1, true, 0, NULL, NULL, &ei));
    unsigned first = pw.events - before;
    assert_true(first >= 4); /* the file, the directories, the new index, the WAL */
    a.key += BLOB_DIRS;
    ok(mailbox_add(f->m, INBOX_ID, &a, 1, true, 0, NULL, NULL, &ei));
    a.key += BLOB_DIRS;
    before = pw.events;
    ok(mailbox_add(f->m, INBOX_ID, &a, 1, true, 0, NULL, NULL, &ei));
    assert_int_equal(pw.events - before, 3); /* file, WAL, msg/02 */
    pw_end();
}

#define T(name) cmocka_unit_test_setup_teardown(name, fx_setup, fx_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_durable_add_syncs_in_order),
        T(test_lost_wal),
        cmocka_unit_test(test_only_synced_data_survives),
        cmocka_unit_test(test_some_unsynced_data_survives),
        cmocka_unit_test(test_everything_survives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
