/* Snapshots against a model: thousands of random changes from two openings of the same mailbox (as
 * two processes would have it), and threads that change and look at the same time. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <pthread.h>

#include "fixture.h"

#define MAX_MSGS 400

struct model_msg {
    uint32_t uid;
    uint64_t flags;
};

struct model {
    struct model_msg m[MAX_MSGS];
    size_t n;
    uint32_t uidnext;
};

static void check(const struct snap *s, const struct model *w)
{
    uint32_t unseen = 0, first = 0;
    assert_int_equal(s->n, w->n);
    assert_int_equal(s->uidnext, w->uidnext);
    for (size_t i = 0; i < w->n; i++) {
        assert_int_equal(s->m[i].uid, w->m[i].uid);
        assert_int_equal(s->m[i].flags, w->m[i].flags);
        if (!(w->m[i].flags & FLAG_SEEN) && unseen++ == 0)
            first = (uint32_t)i + 1;
    }
    assert_int_equal(s->n_unseen, unseen);
    assert_int_equal(s->first_unseen, first);
}

static size_t pick(const struct model *w, uint32_t *uids)
{
    size_t n = 0;
    uint32_t odds = 1 + rand_below(8);
    for (size_t i = 0; i < w->n; i++) {
        if (rand_below(odds + 1) == 0)
            uids[n++] = w->m[i].uid;
    }
    return n;
}

static bool picked(const uint32_t *uids, size_t n, uint32_t uid)
{
    for (size_t i = 0; i < n; i++) {
        if (uids[i] == uid)
            return true;
    }
    return false;
}

static void model_drop(struct model *w, const uint32_t *uids, size_t n, uint64_t having)
{
    size_t out = 0;
    for (size_t i = 0; i < w->n; i++) {
        if (!picked(uids, n, w->m[i].uid) || (w->m[i].flags & having) != having)
            w->m[out++] = w->m[i];
    }
    w->n = out;
}

static void do_add(struct mailbox *m, int64_t folder, struct model *w)
{
    struct mailbox_add a[5];
    size_t n = 1 + rand_below(5);
    for (size_t i = 0; i < n; i++)
        a[i] = (struct mailbox_add){ .key = rand_u64(),
                                     .content = SV("a: b\r\n\r\nc\r\n"),
                                     .flags = rand_below(32) };
    if (w->n + n > MAX_MSGS)
        return;
    ok(mailbox_add(m, folder, a, n, false, 0, NULL, NULL, &ei));
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(a[i].ret_uid, w->uidnext);
        w->m[w->n++] = (struct model_msg){ w->uidnext++, a[i].flags };
    }
}

static void do_store(struct mailbox *m, int64_t folder, struct model *w)
{
    uint32_t uids[MAX_MSGS];
    size_t n = pick(w, uids);
    enum store_mode mode = (enum store_mode)rand_below(3);
    uint64_t flags = rand_below(32);
    ok(mailbox_store(m, folder, uids, n, mode, flags, NULL, &ei));
    for (size_t i = 0; i < w->n; i++) {
        uint64_t *f = &w->m[i].flags;
        if (picked(uids, n, w->m[i].uid))
            *f = mode == STORE_ADD ? *f | flags : mode == STORE_REMOVE ? *f & ~flags : flags;
    }
}

static void do_expunge(struct mailbox *m, int64_t folder, struct model *w)
{
    uint32_t uids[MAX_MSGS];
    size_t n = pick(w, uids), before = w->n, gone = 0;
    bool only_deleted = rand_below(2);
    ok(mailbox_expunge(m, folder, uids, n, only_deleted, &gone, &ei));
    model_drop(w, uids, n, only_deleted ? FLAG_DELETED : 0);
    assert_int_equal(gone, before - w->n);
}

static void do_copy(struct mailbox *m, int64_t from, struct model *a, int64_t to, struct model *b)
{
    uint32_t uids[MAX_MSGS], out[MAX_MSGS], v;
    size_t n = pick(a, uids);
    bool move = rand_below(2);
    if (b->n + n > MAX_MSGS)
        return;
    ok(mailbox_copy(m, from, uids, n, to, move, 0, out, &v, &ei));
    for (size_t i = 0, k = 0; i < a->n && k < n; i++) {
        if (a->m[i].uid == uids[k]) {
            assert_int_equal(out[k++], b->uidnext);
            b->m[b->n++] = (struct model_msg){ b->uidnext++, a->m[i].flags };
        }
    }
    if (move)
        model_drop(a, uids, n, 0);
}

static void test_random_changes_match_the_model(void **state)
{
    struct fixture *f = *state;
    struct mailstore *s2 = fx_store(f->root);
    struct mailbox *who[2] = { f->m, fx_open(s2, "anna@example.org") };
    int64_t folder[2] = { INBOX_ID, fx_folder(f->m, "Sent") };
    static struct model w[2];
    const struct snap *held[2][2] = { { NULL } };
    unsigned rounds = getenv("MBOX_ROUNDS") ? 20000 : 3000;
    w[0] = w[1] = (struct model){ .uidnext = 1 };
    for (unsigned i = 0; i < rounds; i++) {
        struct mailbox *m = who[rand_below(2)];
        unsigned at = rand_below(2);
        switch (rand_below(5)) {
        case 0:
        case 1:
            do_add(m, folder[at], &w[at]);
            break;
        case 2:
            do_store(m, folder[at], &w[at]);
            break;
        case 3:
            do_expunge(m, folder[at], &w[at]);
            break;
        case 4:
            do_copy(m, folder[at], &w[at], folder[!at], &w[!at]);
            break;
        }
        /* Somebody looks now and then, so snapshots lag behind by different distances. */
        unsigned x = rand_below(2), y = rand_below(2);
        const struct snap *s = fx_snap(who[x], folder[y], held[x][y]);
        check(s, &w[y]);
        if (held[x][y])
            snap_unref(held[x][y]);
        held[x][y] = s;
        if (rand_below(50) == 0) {
            snap_unref(s);
            held[x][y] = NULL;
        }
    }
    for (int i = 0; i < 4; i++) {
        if (held[i / 2][i % 2])
            snap_unref(held[i / 2][i % 2]);
    }
    assert_int_equal(mailbox_verify(f->m, false, NULL, NULL, NULL), 0);
    mailbox_unref(who[1]);
    mailstore_close(s2);
}

static void test_sessions_share_one_snapshot(void **state)
{
    struct fixture *f = *state;
    fx_add(f->m, INBOX_ID, 1, "s", 0);
    const struct snap *a = fx_snap(f->m, INBOX_ID, NULL), *b = fx_snap(f->m, INBOX_ID, NULL);
    assert_ptr_equal(a, b);
    const struct snap *c = fx_snap(f->m, INBOX_ID, a);
    assert_ptr_equal(a, c);
    /* Changes in other folders do not matter. */
    fx_add(f->m, fx_folder(f->m, "Sent"), 2, "s", 0);
    const struct snap *d = fx_snap(f->m, INBOX_ID, a);
    assert_ptr_equal(a, d);
    snap_unref(a);
    snap_unref(b);
    snap_unref(c);
    snap_unref(d);
    const struct snap *e = fx_snap(f->m, INBOX_ID, NULL);
    assert_int_equal(e->n, 1);
    /* A snapshot may outlive its mailbox. */
    mailbox_unref(f->m);
    mailstore_close(f->s);
    f->m = NULL;
    f->s = NULL;
    assert_int_equal(e->m[0].uid, 1);
    snap_unref(e);
}

static void test_forgotten_expunges_load_anew(void **state)
{
    struct fixture *f = *state;
    for (uint64_t k = 1; k <= 20; k++)
        fx_add(f->m, INBOX_ID, k, "x", 0);
    const struct snap *a = fx_snap(f->m, INBOX_ID, NULL);
    uint32_t uid = 5;
    ok(mailbox_expunge(f->m, INBOX_ID, &uid, 1, false, NULL, &ei));
    struct op o;
    ok(op_write(f->m, &o, &ei));
    int r = db_exec(o.c, "DELETE FROM gone; UPDATE folder SET gone_floor = modseq", NULL);
    ok(op_finish(&o, r, &ei));
    const struct snap *b = fx_snap(f->m, INBOX_ID, a);
    assert_int_equal(b->n, 19);
    assert_int_equal(snap_find_uid(b, 5), -1);
    snap_unref(a);
    snap_unref(b);
}

struct shared {
    struct mailbox *m;
    atomic_bool stop;
};

static void *watch(void *arg)
{
    struct shared *sh = arg;
    const struct snap *s = NULL, *next = NULL;
    while (!atomic_load(&sh->stop)) {
        if (mailbox_snapshot(sh->m, INBOX_ID, s, &next, NULL) < 0)
            abort();
        if (s && (next->modseq < s->modseq || next->uidnext < s->uidnext))
            abort();
        for (uint32_t i = 1; i < next->n; i++) {
            if (next->m[i].uid <= next->m[i - 1].uid)
                abort();
        }
        if (s)
            snap_unref(s);
        s = next;
    }
    if (s)
        snap_unref(s);
    return NULL;
}

static void *change(void *arg)
{
    struct shared *sh = arg;
    for (unsigned i = 0; i < 150; i++) {
        struct mailbox_add a = { .key = rand_u64(), .content = SV("x\r\n") };
        uint32_t uids[3] = { 1 + rand_below(100), 200 + rand_below(100), 301 };
        if (mailbox_add(sh->m, INBOX_ID, &a, 1, false, 0, NULL, NULL, NULL) < 0 ||
            mailbox_store(sh->m, INBOX_ID, uids, 2, STORE_ADD, FLAG_SEEN, NULL, NULL) < 0 ||
            (i % 8 == 0 && mailbox_expunge(sh->m, INBOX_ID, uids, 3, false, NULL, NULL) < 0))
            abort();
    }
    return NULL;
}

static void test_threads(void **state)
{
    struct fixture *f = *state;
    struct shared sh = { .m = f->m };
    pthread_t w[2], c[2];
    for (int i = 0; i < 2; i++) {
        pthread_create(&w[i], NULL, watch, &sh);
        pthread_create(&c[i], NULL, change, &sh);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(c[i], NULL);
    atomic_store(&sh.stop, true);
    for (int i = 0; i < 2; i++)
        pthread_join(w[i], NULL);
    _cleanup_(snap_unrefp) const struct snap *s = fx_snap(f->m, INBOX_ID, NULL);
    assert_int_equal(s->uidnext, 301);
    assert_int_equal(mailbox_verify(f->m, false, NULL, NULL, NULL), 0);
}

static void test_gone_sets(void **state)
{
    (void)state;
    for (int round = 0; round < 300; round++) {
        _cleanup_(buf_done) struct buf b;
        uint32_t uids[200], uid = rand_below(3), n = rand_below(200);
        buf_init(&b, 4096);
        for (uint32_t i = 0; i < n; i++)
            uids[i] = uid += 1 + (rand_below(3) ? 0 : rand_below(100000));
        ok(gone_encode(uids, n, &b));
        struct sv rest = buf_sv(&b);
        struct gone_range g = { 0, 0 };
        uint32_t k = 0;
        while (gone_next(&rest, &g)) {
            for (uint32_t u = g.lo; u <= g.hi; u++)
                assert_int_equal(u, uids[k++]);
        }
        assert_int_equal(k, n);
        assert_int_equal(rest.n, 0);
    }
    /* Damaged sets end, they do not run away. */
    struct sv bad = SV("\xff\xff\xff\xff\xff\xff\xff");
    struct gone_range g = { 0, 0 };
    assert_false(gone_next(&bad, &g));
    bad = SV("\x05");
    assert_false(gone_next(&bad, &g));
    bad = SV("\xff\xff\xff\xff\x0f\x05");
    assert_false(gone_next(&bad, &g));
}

#define T(name) cmocka_unit_test_setup_teardown(name, fx_setup, fx_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_random_changes_match_the_model), T(test_sessions_share_one_snapshot),
        T(test_forgotten_expunges_load_anew),   T(test_threads),
        cmocka_unit_test(test_gone_sets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
