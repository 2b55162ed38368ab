/* Power loss, several times in a row: what was acknowledged as durable is there, repeated
 * deliveries bring the rest back exactly once, and what a client has seen stays true: no uid comes
 * back with another message, no folder name with an earlier UIDVALIDITY. MBOX_CUTS sets the rounds
 * of each test, MBOX_SEED the first round's seed. A seed repeats the decisions, but not the timing
 * of the maintenance thread. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/clock.h"
#include "fixture.h"
#include "log/log.h"
#include "power.h"

#define BOOTS    3 /* of one round: the power goes in each */
#define MAX_KEYS 6000
#define MAX_SEEN 20000
#define NAMES    4

enum fate { NEVER, JOURNALED, DURABLE, EXPUNGED };

/* What a client keeps in its cache. */
struct seen {
    uint32_t uidvalidity, uid;
    uint64_t key;
};
struct view {
    uint32_t uidvalidity, uidnext;
    uint64_t modseq;
};

static const char *const names[NAMES] = { "INBOX", "Work", "Old", "New" };

static struct {
    uint64_t seed; /* 0 = no round is under way */
    unsigned boot;
    enum fate fate[MAX_KEYS];  /* by key */
    bool in_journal[MAX_KEYS]; /* its delivery will be repeated */
    struct seen seen[MAX_SEEN];
    size_t n_seen;
    struct view view[NAMES];
    uint32_t validity[NAMES]; /* the largest one seen under the name */
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

static uint64_t new_key(void)
{
    assert_true(w.next_key < MAX_KEYS);
    return w.next_key++;
}

/* --- what the client has seen --- */

static void see(uint32_t uidvalidity, uint32_t uid, uint64_t key)
{
    for (size_t i = 0; i < w.n_seen; i++) {
        if (w.seen[i].uidvalidity != uidvalidity || w.seen[i].uid != uid)
            continue;
        assert_int_equal(w.seen[i].key, key);
        return;
    }
    assert_true(w.n_seen < MAX_SEEN);
    w.seen[w.n_seen++] = (struct seen){ uidvalidity, uid, key };
}

static uint64_t key_seen(uint32_t uidvalidity, uint32_t uid)
{
    for (size_t i = 0; i < w.n_seen; i++) {
        if (w.seen[i].uidvalidity == uidvalidity && w.seen[i].uid == uid)
            return w.seen[i].key;
    }
    fail_msg("nobody has seen uid %u of %u", uid, uidvalidity);
    return 0;
}

static void see_folder(unsigned name, const struct snap *s)
{
    struct view *v = &w.view[name];
    assert_true(s->uidvalidity >= w.validity[name]);
    w.validity[name] = s->uidvalidity;
    if (v->uidvalidity == s->uidvalidity) {
        assert_true(s->uidnext >= v->uidnext);
        assert_true(s->modseq >= v->modseq);
    }
    *v = (struct view){ s->uidvalidity, s->uidnext, s->modseq };
}

struct look {
    const struct snap *s;
    unsigned *found; /* by key, or NULL */
};

static bool see_row(const struct msg_row *row, void *arg)
{
    struct look *l = arg;
    assert_true(row->uid < l->s->uidnext);
    see(l->s->uidvalidity, row->uid, row->key);
    if (l->found)
        l->found[row->key]++;
    return true;
}

static bool is_there(struct mailbox *m, unsigned name)
{
    struct arena a;
    struct folder f = { .id = 0 };
    arena_init(&a, 64 * KiB);
    int r = mailbox_folder(m, sv_c(names[name]), &a, &f, NULL);
    arena_done(&a);
    return r == 0 && f.exists;
}

/* What a client sees that opens all folders; nothing when the power goes meanwhile. */
static void look(struct mailbox *m, unsigned *found)
{
    for (unsigned i = 0; i < NAMES && !pw_is_cut(); i++) {
        if (!is_there(m, i))
            continue;
        int64_t id = fx_folder(m, names[i]);
        _cleanup_(snap_unrefp) const struct snap *s = fx_snap(m, id, NULL);
        struct look l = { s, found };
        if (pw_is_cut())
            return;
        see_folder(i, s);
        ok(mailbox_rows(m, id, 1, UINT32_MAX, MSG_META, see_row, &l, &ei));
    }
}

/* --- what goes on --- */

static unsigned any_folder(struct mailbox *m)
{
    unsigned name = pw_below(NAMES);
    return is_there(m, name) ? name : 0;
}

static void add_some(struct mailbox *m, bool durable)
{
    unsigned n = durable ? 1 : 1 + pw_below(6);
    int64_t folder = durable ? fx_folder(m, names[any_folder(m)]) : INBOX_ID;
    for (unsigned i = 0; i < n && !pw_is_cut(); i++) {
        uint64_t key = new_key();
        struct mailbox_add a = { .key = key,
                                 .content = text_of(key),
                                 .internal_date_s = clock_wall_s() };
        uint32_t v = 0;
        w.in_journal[key] = !durable;
        ok(mailbox_add(m, folder, &a, 1, durable, 0, NULL, &v, &ei));
        if (pw_is_cut()) {
            w.fate[key] = durable ? NEVER : JOURNALED;
            return;
        }
        w.fate[key] = durable ? DURABLE : JOURNALED;
        see(v, a.ret_uid, key);
    }
}

/* As a message to many comes: without a look at the index. */
static void leave_some(struct mailbox *m)
{
    struct mailbox_add a[3];
    char content[3][4096];
    unsigned n = 1 + pw_below(3);
    for (unsigned i = 0; i < n; i++) {
        struct sv t = text_of(w.next_key);
        memcpy(content[i], t.p, t.n);
        a[i] = (struct mailbox_add){ .key = new_key(),
                                     .content = { content[i], t.n },
                                     .internal_date_s = clock_wall_s() };
    }
    int left = incoming_leave(m->store, m->account_id, m->address, a, n, 0);
    if (left == 0)
        ok(mailbox_add(m, INBOX_ID, a, n, false, 0, NULL, NULL, &ei));
    for (unsigned i = 0; i < n; i++) {
        w.fate[a[i].key] = JOURNALED;
        w.in_journal[a[i].key] = true;
    }
}

static void expunge_some(struct mailbox *m)
{
    look(m, NULL); /* what was left has no uid that anybody knows */
    int64_t folder = fx_folder(m, names[any_folder(m)]);
    _cleanup_(snap_unrefp) const struct snap *s = fx_snap(m, folder, NULL);
    for (uint32_t i = 0; i < s->n && i < 3 && !pw_is_cut(); i++) {
        const struct snap_msg *x = &s->m[pw_below(s->n)];
        w.fate[key_seen(s->uidvalidity, x->uid)] = EXPUNGED;
        ok(mailbox_expunge(m, folder, &x->uid, 1, false, NULL, &ei));
        if (pw_below(3) == 0)
            ok(maintain_trash(m, &ei));
    }
}

static void move_one(struct mailbox *m)
{
    unsigned to = any_folder(m);
    look(m, NULL);
    _cleanup_(snap_unrefp) const struct snap *s = fx_snap(m, INBOX_ID, NULL);
    uint32_t uid, out = 0, v = 0;
    if (to == 0 || s->n == 0)
        return;
    uid = s->m[pw_below(s->n)].uid;
    ok(mailbox_copy(m, INBOX_ID, &uid, 1, fx_folder(m, names[to]), true, 0, &out, &v, &ei));
    if (!pw_is_cut())
        see(v, out, key_seen(s->uidvalidity, uid));
}

static void forget_content(struct mailbox *m, unsigned name)
{
    look(m, NULL);
    _cleanup_(snap_unrefp) const struct snap *s = fx_snap(m, fx_folder(m, names[name]), NULL);
    for (uint32_t i = 0; i < s->n && !pw_is_cut(); i++)
        w.fate[key_seen(s->uidvalidity, s->m[i].uid)] = EXPUNGED;
}

static void change_folders(struct mailbox *m)
{
    unsigned a = 1 + pw_below(NAMES - 1), b = 1 + pw_below(NAMES - 1);
    int r = 0;
    switch (pw_below(3)) {
    case 0:
        r = mailbox_create_folder(m, sv_c(names[a]), NULL, NULL);
        break;
    case 1:
        if (is_there(m, a))
            forget_content(m, a);
        if (!pw_is_cut())
            r = mailbox_delete_folder(m, sv_c(names[a]), NULL);
        break;
    case 2:
        r = mailbox_rename_folder(m, sv_c(names[a]), sv_c(names[b]), NULL);
        break;
    }
    assert_true(r == 0 || r == E_EXISTS || r == E_NOTFOUND || r == E_RANGE);
}

/* Leaps over the ceiling's end, to see the next one reserved. */
static void use_up_uids(struct mailbox *m)
{
    struct op o;
    ok(op_write(m, &o, &ei));
    int r = db_exec(o.c, "UPDATE folder SET uidnext = MAX(uidnext, uid_ceiling - 3) WHERE id = 1",
                    NULL);
    op_changed(&o, INBOX_ID);
    ok(op_finish(&o, r, &ei));
}

/* Half of the time for a moment only: an account of which nothing was synced yet. */
static void work_until_cut(struct mailbox *m)
{
    unsigned n = pw_below(2) ? 60 : 1 + pw_below(10);
    for (unsigned i = 0; i < n && !pw_is_cut(); i++) {
        switch (pw_below(14)) {
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
            usleep(pw_below(3000));
            break;
        case 5:
            pw_sync_all();
            if (!pw_is_cut())
                memset(w.in_journal, 0, sizeof(w.in_journal));
            break;
        case 6:
            if (pw_below(4) == 0)
                use_up_uids(m);
            break;
        case 7:
            change_folders(m);
            break;
        case 8:
            move_one(m);
            break;
        case 9:
        case 10:
            leave_some(m);
            break;
        default:
            add_some(m, false);
            break;
        }
        if (pw_below(4)) /* else what was left waits on */
            look(m, NULL);
    }
    pw_cut_now();
}

/* --- after the cut --- */

static void replay(struct mailbox *m)
{
    for (uint64_t key = 1; key < w.next_key; key++) {
        struct mailbox_add a = { .key = key,
                                 .content = text_of(key),
                                 .internal_date_s = clock_wall_s() };
        if (!w.in_journal[key])
            continue;
        if (pw_below(2) || incoming_leave(m->store, m->account_id, m->address, &a, 1, 0) == 0)
            ok(mailbox_add(m, INBOX_ID, &a, 1, false, 0, NULL, NULL, &ei));
        assert_int_equal(a.ret_error, 0);
        if (w.fate[key] == EXPUNGED)
            w.fate[key] = NEVER; /* may be back: its delivery was repeated */
    }
}

/* The one append that was under way at each cut may have left its file: it was not acknowledged,
 * and may come to INBOX. */
static void complain(const char *text, void *arg)
{
    uint64_t key = 0;
    bool orphan = strstr(text, "is in no folder") && sscanf(text, "message %" SCNx64, &key) == 1;
    if (orphan && key < w.next_key && w.fate[key] == NEVER)
        return;
    print_error("%s\n", text);
    *(unsigned *)arg += 1;
}

static void check(struct mailbox *m, bool rebuilt)
{
    static unsigned found[MAX_KEYS];
    unsigned faults = 0;
    memset(found, 0, sizeof(found));
    look(m, found);
    if (pw_is_cut()) /* by a sync of the maintenance thread: not all folders were looked at */
        return;
    for (uint64_t key = 1; key < w.next_key; key++) {
        struct mailbox_add a = { .key = key, .content = text_of(key) };
        bool wanted = w.fate[key] == DURABLE || w.fate[key] == JOURNALED;
        /* Also the repair of open_torn takes the file of an append that was under way. */
        bool leftover = w.fate[key] == NEVER && pw.torn;
        assert_true(found[key] <= 1);
        if (found[key] != 1 && wanted)
            fail_msg("key %" PRIu64 " is missing: %s, %s the journal", key,
                     w.fate[key] == DURABLE ? "appended" : "delivered",
                     w.in_journal[key] ? "in" : "not in");
        /* A rebuild takes what files there are, also half of what nobody asks for
         * any more. */
        if (found[key] && (wanted || (!rebuilt && !leftover)) && blob_matches(m, &a) != 1)
            fail_msg("the file of key %" PRIu64 " is not what was stored; fate %d", key,
                     w.fate[key]);
    }
    if (!rebuilt) {
        assert_true(mailbox_verify(m, false, complain, &faults, NULL) <= (int)w.boot);
        assert_int_equal(faults, 0);
    }
}

/* However fast the machine comes back, and whatever its clock says then. */
static void set_clock(void)
{
    int64_t now = clock_wall_ms();
    switch (pw_below(4)) {
    case 0:
        clock_test_freeze(now - 3600000);
        break;
    case 1:
        clock_test_freeze(now + 20000);
        break;
    default:
        break; /* within the same second */
    }
}

/* An index of which nothing was ever synced may be torn: then it is rebuilt when that shows. */
static struct mailbox *open_torn(struct mailstore *s, bool *rebuilt)
{
    struct mailbox *m = fx_open(s, "anna@example.org");
    _cleanup_(buf_done) struct buf aside;
    assert_true(mailbox_verify(m, true, NULL, NULL, NULL) >= 0);
    mailbox_unref(m);
    m = fx_open(s, "anna@example.org");
    index_path(m, ".corrupt", &aside);
    *rebuilt = access(aside.p, F_OK) == 0;
    return m;
}

static void one_boot(const char *root, const char *next, unsigned cut_at, unsigned kept)
{
    struct mailstore *s = fx_store(root);
    bool rebuilt = false;
    s->boot += w.boot; /* the machine was started anew */
    pw_start(root, cut_at);
    struct mailbox *m = pw.torn ? open_torn(s, &rebuilt) : fx_open(s, "anna@example.org");
    if (w.boot > 0) {
        replay(m);
        /* New mail right away: under uids that nobody has seen. */
        for (int i = 0; i < 5; i++)
            add_some(m, false);
        if (!pw_is_cut())
            check(m, rebuilt);
    }
    if (next)
        work_until_cut(m);
    mailbox_unref(m);
    mailstore_close(s);
    if (next)
        pw_restore(root, next, kept);
    pw_end();
    os_remove_tree(root, NULL);
}

static void one_round(uint64_t seed, int64_t start_ms, unsigned kept, bool torn)
{
    char dir[40] = "/tmp/posthorn-power-XXXXXX", root[BOOTS + 1][80];
    assert_non_null(mkdtemp(dir));
    memset(&w, 0, sizeof(w));
    w.seed = pw.rand = seed;
    w.next_key = 1;
    pw.torn = torn;
    clock_test_freeze(start_ms); /* files without a row are old enough to be told of */
    for (unsigned i = 0; i <= BOOTS; i++)
        snprintf(root[i], sizeof(root[i]), "%s/%u", dir, i);
    mkdir(root[0], 0700);
    for (w.boot = 0; w.boot < BOOTS; w.boot++) {
        one_boot(root[w.boot], root[w.boot + 1], 1 + pw_below(pw_below(2) ? 70 : 8), kept);
        set_clock();
    }
    one_boot(root[BOOTS], NULL, UINT32_MAX, kept);
    os_remove_tree(dir, NULL);
    w.seed = 0;
}

static void many_rounds(unsigned kept, bool torn)
{
    uint32_t rounds = 5, first = 0;
    const char *env = getenv("MBOX_CUTS"), *seed = getenv("MBOX_SEED");
    _cleanup_(buf_done) struct buf log;
    if (env)
        sv_to_u32(sv_c(env), &rounds);
    if (!seed || sv_to_u32(sv_c(seed), &first) < 0 || first == 0)
        first = 1 + rand_below(1000000000);
    buf_init(&log, 64 * KiB);
    log_test_capture(&log);
    int64_t start_ms = clock_wall_ms() + INT64_C(86400000);
    for (unsigned i = 0; i < rounds; i++)
        one_round(first + i, start_ms, kept, torn);
    log_test_capture(NULL);
}

static int tell_seed(void **state)
{
    (void)state;
    if (w.seed != 0)
        print_error("again: MBOX_CUTS=1 MBOX_SEED=%" PRIu64 " (boot %u)\n", w.seed, w.boot);
    w.seed = 0;
    log_test_capture(NULL);
    clock_test_freeze(0);
    return 0;
}

static void test_only_synced_data_survives(void **state)
{
    (void)state;
    many_rounds(0, false);
}

static void test_some_unsynced_data_survives(void **state)
{
    (void)state;
    many_rounds(50, false);
}

static void test_everything_survives(void **state)
{
    (void)state;
    many_rounds(100, false);
}

static void test_torn_files(void **state)
{
    (void)state;
    many_rounds(50, true);
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
    a.key++; /* behind the first one's checkpoint the WAL starts anew, with a sync of its header */
    ok(mailbox_add(f->m, INBOX_ID, &a, 1, true, 0, NULL, NULL, &ei));
    a.key++;
    before = pw.events;
    ok(mailbox_add(f->m, INBOX_ID, &a, 1, true, 0, NULL, NULL, &ei));
    assert_int_equal(pw.events - before, 3); /* file, WAL, msg */
    pw_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_durable_add_syncs_in_order, fx_setup, fx_teardown),
        cmocka_unit_test_teardown(test_only_synced_data_survives, tell_seed),
        cmocka_unit_test_teardown(test_some_unsynced_data_survives, tell_seed),
        cmocka_unit_test_teardown(test_everything_survives, tell_seed),
        cmocka_unit_test_teardown(test_torn_files, tell_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
