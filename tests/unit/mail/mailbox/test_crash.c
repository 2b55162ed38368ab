/* Processes that write at the same time, and processes that are killed while they do. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "fixture.h"

static int setup_closed(void **state)
{
    int r = fx_setup(state);
    struct fixture *f = *state;
    mailbox_unref(f->m);
    mailstore_close(f->s);
    f->m = NULL;
    f->s = NULL;
    return r;
}

/* Message of a key: content that tells its key, of a size that depends on it. */
static struct sv text_of(uint64_t key)
{
    static _Thread_local char text[8192];
    int n = snprintf(text, sizeof(text), "Subject: %016" PRIx64 "\r\n\r\n", key);
    size_t size = (size_t)n + key % 6000;
    memset(text + n, 'a' + (char)(key % 26), size - (size_t)n);
    return sv_n(text, size);
}

static struct mailbox *child_open(const char *root, struct mailstore **s)
{
    struct mailstore_opts o = { .root = root, .temp_dir = "" };
    struct mailbox *m = NULL;
    if (mailstore_open(&o, s, NULL) < 0 ||
        mailbox_open(*s, 1, SV("anna@example.org"), &m, NULL) < 0)
        _exit(3);
    return m;
}

/* Adds n messages with keys from first on, in batches; changes flags in between. */
static _noreturn_ void writer(const char *root, uint64_t first, unsigned n)
{
    struct mailstore *s;
    struct mailbox *m = child_open(root, &s);
    for (unsigned i = 0; i < n;) {
        struct mailbox_add a[4];
        char content[4][8192];
        unsigned k = 1 + rand_below(4);
        k = MIN(k, n - i);
        for (unsigned j = 0; j < k; j++) {
            struct sv t = text_of(first + i + j);
            memcpy(content[j], t.p, t.n);
            a[j] = (struct mailbox_add){ .key = first + i + j, .content = { content[j], t.n } };
        }
        if (mailbox_add(m, INBOX_ID, a, k, i % 50 == 0, 0, NULL, NULL, NULL) < 0)
            _exit(4);
        uint32_t uids[2] = { a[0].ret_uid, a[0].ret_uid + 1 };
        if (mailbox_store(m, INBOX_ID, uids, 2, STORE_ADD, FLAG_SEEN, NULL, NULL) < 0)
            _exit(5);
        i += k;
    }
    mailbox_unref(m);
    mailstore_close(s);
    _exit(0);
}

static void check_message(struct mailbox *m, uint64_t key)
{
    struct mailbox_add a = { .key = key, .content = text_of(key) };
    assert_int_equal(blob_matches(m, &a), 1);
}

static void test_processes_write_at_once(void **state)
{
    struct fixture *f = *state;
    pid_t pid[3];
    enum { EACH = 400 };
    for (uint64_t i = 0; i < 3; i++) {
        pid[i] = fork();
        if (pid[i] == 0)
            writer(f->root, i << 32, EACH);
    }
    f->s = fx_store(f->root);
    f->m = fx_open(f->s, "anna@example.org");
    const struct snap *s = fx_snap(f->m, INBOX_ID, NULL);
    for (int i = 0; i < 3; i++) { /* look on while they work */
        int status;
        while (waitpid(pid[i], &status, WNOHANG) == 0) {
            const struct snap *t = fx_snap(f->m, INBOX_ID, s);
            assert_true(t->n >= s->n && t->modseq >= s->modseq);
            snap_unref(s);
            s = t;
            usleep(500);
        }
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    const struct snap *t = fx_snap(f->m, INBOX_ID, s);
    assert_int_equal(t->n, 3 * EACH);
    for (uint32_t i = 0; i < t->n; i++)
        assert_int_equal(t->m[i].uid, i + 1);
    for (uint64_t i = 0; i < 3 * EACH; i++)
        check_message(f->m, (i % 3) << 32 | i / 3);
    snap_unref(s);
    snap_unref(t);
    assert_int_equal(mailbox_verify(f->m, false, NULL, NULL, NULL), 0);
}

struct acked {
    uint64_t key;
    uint32_t uid, uidvalidity;
};

/* Until it is killed: adds and reports what was added, with everything else that goes on in a
 * store. */
static _noreturn_ void victim(const char *root, int out, uint64_t first)
{
    struct mailstore *s;
    struct mailbox *m = child_open(root, &s);
    for (uint64_t key = first;;) {
        struct mailbox_add a[8];
        char content[8][8192];
        uint32_t k = 1 + rand_below(8), v = 0;
        for (unsigned j = 0; j < k; j++) {
            struct sv t = text_of(key + j);
            memcpy(content[j], t.p, t.n);
            a[j] = (struct mailbox_add){ .key = key + j, .content = { content[j], t.n } };
        }
        bool left = rand_below(3) == 0 &&
                    incoming_leave(s, 1, "anna@example.org", a, k, 0) > 0; /* without uids */
        if (!left && mailbox_add(m, INBOX_ID, a, k, rand_below(8) == 0, 0, NULL, &v, NULL) < 0)
            _exit(4);
        for (unsigned j = 0; j < k; j++) {
            struct acked ack = { key + j, a[j].ret_uid, v };
            if (write(out, &ack, sizeof(ack)) != sizeof(ack))
                _exit(5);
        }
        key += k;
        uint32_t uids[2] = { MAX(a[0].ret_uid, 1u), 1 };
        mailbox_store(m, INBOX_ID, uids, 1, STORE_ADD, FLAG_SEEN, NULL, NULL);
        if (rand_below(4) == 0)
            clock_test_advance(31000); /* checkpoints and closes the index behind our back */
        if (rand_below(4) == 0) {
            uint32_t ids[1];
            mailbox_copy(m, INBOX_ID, uids, 1, 2, false, 0, ids, &v, NULL);
            mailbox_expunge(m, 2, ids, 1, false, NULL, NULL);
        }
    }
}

/* Reads what was reported; checks that each is there once, under its uid, with its content. */
static uint64_t check_acked(struct mailbox *m, int in, uint64_t first)
{
    struct acked a;
    uint64_t n = 0;
    _cleanup_(snap_unrefp) const struct snap *s = fx_snap(m, INBOX_ID, NULL);
    while (read(in, &a, sizeof(a)) == sizeof(a)) {
        struct mailbox_add again = { .key = a.key, .content = text_of(a.key) };
        assert_int_equal(a.key, first + n);
        if (a.uid != 0) {
            assert_int_equal(a.uidvalidity, s->uidvalidity);
            assert_true(snap_find_uid(s, a.uid) >= 0);
        }
        check_message(m, a.key);
        ok(mailbox_add(m, INBOX_ID, &again, 1, false, 0, NULL, NULL, &ei));
        assert_true(again.ret_duplicate);
        assert_true(snap_find_uid(s, again.ret_uid) >= 0);
        assert_true(a.uid == 0 || again.ret_uid == a.uid);
        n++;
    }
    return first + n;
}

static void test_killed_at_random(void **state)
{
    struct fixture *f = *state;
    const char *env = getenv("MBOX_KILLS");
    uint32_t rounds = 30;
    uint64_t next = 1, acked_total = 0;
    if (env)
        sv_to_u32(sv_c(env), &rounds);
    for (unsigned i = 0; i < rounds; i++) {
        int fds[2];
        assert_int_equal(pipe(fds), 0);
        assert_true(fcntl(fds[1], F_SETPIPE_SZ, 1 << 20) > 0);
        pid_t pid = fork();
        if (pid == 0)
            victim(f->root, fds[1], next);
        close(fds[1]);
        usleep(1000 + rand_below(60000));
        kill(pid, SIGKILL);
        int status;
        waitpid(pid, &status, 0);
        assert_true(WIFSIGNALED(status));
        f->s = fx_store(f->root);
        f->m = fx_open(f->s, "anna@example.org");
        uint64_t behind = check_acked(f->m, fds[0], next);
        close(fds[0]);
        acked_total += behind - next;
        /* What was under way is delivered again, as the queue would: once in the end, too. */
        for (uint64_t key = behind; key < behind + 8; key++) {
            struct mailbox_add a = { .key = key, .content = text_of(key) };
            ok(mailbox_add(f->m, INBOX_ID, &a, 1, false, 0, NULL, NULL, &ei));
            assert_int_equal(a.ret_error, 0);
            check_message(f->m, key);
        }
        next = behind + 8;
        uint64_t bytes, n;
        const struct snap *s = fx_snap(f->m, INBOX_ID, NULL);
        assert_int_equal(s->n, next - 1);
        snap_unref(s);
        ok(mailbox_usage(f->m, &bytes, &n, &ei));
        assert_int_equal(mailbox_verify(f->m, false, NULL, NULL, NULL), 0);
        mailbox_unref(f->m);
        mailstore_close(f->s);
        f->m = NULL;
        f->s = NULL;
    }
    print_message("%u kills, %" PRIu64 " messages acknowledged before them, all there\n", rounds,
                  acked_total);
}

/* The survivor has the mailbox open all the time, as `access` has when `smtp` dies. Forks before
 * threads exist: a helper process is the survivor. */
static _noreturn_ void survivor(const char *root, int in, int out)
{
    struct mailstore *s;
    struct mailbox *m = child_open(root, &s);
    const struct snap *snap = NULL, *next = NULL;
    char c;
    if (write(out, "r", 1) != 1)
        _exit(6);
    while (read(in, &c, 1) == 1) {
        struct mailbox_add a = { .key = rand_u64() | UINT64_C(1) << 63, .content = text_of(1) };
        if (mailbox_snapshot(m, INBOX_ID, snap, &next, NULL) < 0 ||
            (snap && (next->n < snap->n || next->modseq < snap->modseq)) ||
            mailbox_add(m, INBOX_ID, &a, 1, false, 0, NULL, NULL, NULL) < 0 ||
            mailbox_verify(m, false, NULL, NULL, NULL) != 0)
            _exit(7);
        if (snap)
            snap_unref(snap);
        snap = next;
        if (write(out, "k", 1) != 1)
            _exit(8);
    }
    if (snap)
        snap_unref(snap);
    mailbox_unref(m);
    mailstore_close(s);
    _exit(0);
}

static void test_killed_while_another_looks(void **state)
{
    struct fixture *f = *state;
    int to[2], from[2], status;
    char c;
    assert_int_equal(pipe2(to, O_CLOEXEC), 0);
    assert_int_equal(pipe2(from, O_CLOEXEC), 0);
    pid_t watcher = fork();
    if (watcher == 0) {
        close(to[1]);
        survivor(f->root, to[0], from[1]);
    }
    close(to[0]);
    close(from[1]);
    assert_int_equal(read(from[0], &c, 1), 1);
    for (unsigned i = 0; i < 20; i++) {
        pid_t pid = fork();
        if (pid == 0)
            victim(f->root, open("/dev/null", O_WRONLY), 1 + (uint64_t)i * 100000);
        usleep(1000 + rand_below(30000));
        assert_int_equal(write(to[1], "g", 1), 1); /* at work while the other one dies */
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        assert_int_equal(read(from[0], &c, 1), 1);
        assert_int_equal(write(to[1], "g", 1), 1);
        assert_int_equal(read(from[0], &c, 1), 1);
    }
    close(to[1]);
    waitpid(watcher, &status, 0);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(from[0]);
}

static void test_killed_writer_leaves_an_odd_generation(void **state)
{
    struct fixture *f = *state;
    struct mailstore *other = fx_store(f->root);
    struct mailbox *m = fx_open(other, "anna@example.org");
    f->s = fx_store(f->root);
    f->m = fx_open(f->s, "anna@example.org");
    fx_add(m, INBOX_ID, 1, "x", 0);
    const struct snap *a = fx_snap(f->m, INBOX_ID, NULL);
    /* Killed right behind its commit: readers must not trust the page. */
    fx_add(m, INBOX_ID, 2, "x", 0);
    atomic_fetch_sub(&m->page->gen, 1);
    const struct snap *b = fx_snap(f->m, INBOX_ID, a);
    assert_int_equal(b->n, 2);
    const struct snap *c = fx_snap(f->m, INBOX_ID, b);
    assert_ptr_equal(c, b);
    fx_add(m, INBOX_ID, 3, "x", 0);
    assert_int_equal(atomic_load(&m->page->gen) & 1, 0);
    const struct snap *d = fx_snap(f->m, INBOX_ID, c);
    assert_int_equal(d->n, 3);
    snap_unref(a);
    snap_unref(b);
    snap_unref(c);
    snap_unref(d);
    mailbox_unref(m);
    mailstore_close(other);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup_closed, fx_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_processes_write_at_once),
        T(test_killed_at_random),
        T(test_killed_while_another_looks),
        T(test_killed_writer_leaves_an_odd_generation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
