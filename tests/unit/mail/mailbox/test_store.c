/* Many mailboxes: the cache of open ones, several accounts and processes, removal, maintenance,
 * memory. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <malloc.h>
#include <pthread.h>

#include "base/clock.h"
#include "conf/conf.h"
#include "fixture.h"

static void test_one_mailbox_per_account(void **state)
{
    struct fixture *f = *state;
    struct mailbox *a = NULL, *b = NULL;
    ok(mailbox_open(f->s, 16, SV("Anna@Example.org"), &a, &ei));
    assert_ptr_equal(a, f->m);
    assert_int_equal(mailbox_account(a), 16);
    /* The address was deleted and given to somebody else: never the old one's state. */
    ok(mailbox_open(f->s, 77, SV("anna@example.org"), &b, &ei));
    assert_ptr_not_equal(b, a);
    assert_int_equal(mailbox_account(b), 77);
    mailbox_unref(a);
    mailbox_unref(b);
    struct errinfo ei = { .text = "" };
    assert_int_equal(mailbox_open(f->s, 1, SV("nobody"), &a, &ei), E_RANGE);
    assert_true(strstr(ei.text, "nobody") != NULL);
}

static bool exists(const char *fmt, ...) _printf_(1, 2);
static bool exists(const char *fmt, ...)
{
    char path[300];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(path, sizeof(path), fmt, ap);
    va_end(ap);
    return access(path, F_OK) == 0;
}

static void test_remove(void **state)
{
    struct fixture *f = *state;
    struct mailstore *other = fx_store(f->root);
    struct mailbox *seen = fx_open(other, "anna@example.org"), *again = NULL;
    fx_add(f->m, INBOX_ID, 1, "gone", 0);
    const struct snap *s = fx_snap(seen, INBOX_ID, NULL);
    assert_int_equal(s->n, 1);
    ok(mailstore_remove(f->s, SV("anna@example.org"), &ei));
    assert_false(exists("%s/example.org", f->root));
    ok(mailstore_remove(f->s, SV("anna@example.org"), &ei)); /* nothing there: fine */
    assert_false(exists("%s/example.org", f->root));
    /* Who still has it learns so, also in another process, and writes into no dead directory. */
    const struct snap *t = NULL;
    struct mailbox_add a = { .key = 2, .content = SV("x\r\n") };
    assert_int_equal(mailbox_snapshot(seen, INBOX_ID, s, &t, NULL), E_NOTFOUND);
    assert_int_equal(mailbox_add(f->m, INBOX_ID, &a, 1, false, 0, NULL, NULL, NULL), E_NOTFOUND);
    assert_int_equal(mailbox_add(seen, INBOX_ID, &a, 1, true, 0, NULL, NULL, NULL), E_NOTFOUND);
    again = fx_open(other, "anna@example.org");
    assert_ptr_not_equal(again, seen);
    assert_int_equal(fx_add(again, INBOX_ID, 2, "new", 0), 1);
    t = fx_snap(again, INBOX_ID, NULL);
    assert_int_equal(t->n, 1);
    assert_true(t->uidvalidity >= s->uidvalidity);
    snap_unref(s);
    snap_unref(t);
    mailbox_unref(seen);
    mailbox_unref(again);
    mailstore_close(other);
}

static void test_remove_leaves_accounts_below(void **state)
{
    struct fixture *f = *state;
    struct mailstore_opts o = {
        .root = f->root, .temp_dir = "", .alpha_prefix = 4, .alpha_group = 2
    };
    struct mailstore *s = NULL;
    ok(mailstore_open(&o, &s, &ei));
    struct mailbox *jo = fx_open(s, "jo@x.org"), *jojo = fx_open(s, "jojo@x.org");
    fx_add(jo, INBOX_ID, 1, "a", 0);
    fx_add(jojo, INBOX_ID, 1, "b", 0);
    assert_true(exists("%s/x.org/jo/jo/jojo/index.db", f->root)); /* below jo's own jo/jo */
    ok(mailstore_remove(s, SV("jo@x.org"), &ei));
    assert_false(exists("%s/x.org/jo/jo/index.db", f->root));
    assert_true(fx_has_file(jojo, 1));
    mailbox_unref(jo);
    mailbox_unref(jojo);
    mailstore_close(s);
}

static void test_one_file_for_two_accounts(void **state)
{
    struct fixture *f = *state;
    struct mailbox *bert = fx_open(f->s, "bert@example.org");
    _cleanup_(buf_done) struct buf path;
    struct stat a, b;
    buf_init(&path, 1000);
    fx_add(f->m, INBOX_ID, 5, "both", 0);
    ok(mailbox_message_path(f->m, 5, &path));
    buf_terminate(&path);
    struct mailbox_add add = { .key = 5, .path = path.p };
    ok(mailbox_add(bert, INBOX_ID, &add, 1, false, 0, NULL, NULL, &ei));
    assert_int_equal(add.ret_error, 0);
    _cleanup_(freep) char *other = blob_path(bert, 5);
    assert_int_equal(stat(path.p, &a), 0);
    assert_int_equal(stat(other, &b), 0);
    assert_int_equal(a.st_ino, b.st_ino);
    assert_int_equal(a.st_nlink, 2);
    ok(mailbox_expunge(f->m, INBOX_ID, NULL, 0, false, NULL, &ei));
    ok(maintain_trash(f->m, &ei));
    assert_false(exists("%s", path.p));
    assert_int_equal(stat(other, &b), 0);
    assert_int_equal(b.st_nlink, 1);
    ok(mailbox_expunge(bert, INBOX_ID, NULL, 0, false, NULL, &ei));
    ok(maintain_trash(bert, &ei));
    assert_false(exists("%s", other));
    mailbox_unref(bert);
}

static int setup_few(void **state)
{
    struct conf *c = NULL;
    struct conf_pair p = { "mailbox.open_indexes", "4" };
    ok(conf_build(&p, 1, &c, &ei));
    conf_publish(c);
    int r = fx_setup(state);
    ok(conf_build(NULL, 0, &c, &ei));
    conf_publish(c);
    return r;
}

static void test_open_indexes_are_bounded(void **state)
{
    struct fixture *f = *state;
    struct mailbox *m[12];
    char name[40];
    for (int i = 0; i < 12; i++) {
        snprintf(name, sizeof(name), "u%d@example.org", i);
        m[i] = fx_open(f->s, name);
        fx_add(m[i], INBOX_ID, 1, "x", 0);
        assert_true(fx_n_open(f->s) <= 4);
    }
    for (int i = 0; i < 12; i++) { /* closed ones open again by themselves */
        _cleanup_(snap_unrefp) const struct snap *s = fx_snap(m[i], INBOX_ID, NULL);
        assert_int_equal(s->n, 1);
        assert_true(fx_n_open(f->s) <= 4);
    }
    for (int i = 0; i < 12; i++) {
        atomic_store(&m[i]->wal_pages, 0); /* as after a checkpoint */
        mailbox_unref(m[i]);
    }
    assert_true(f->s->n_unused <= 4);
}

/* Waits for the maintenance thread. */
#define wait_for(condition)                                                                        \
    do {                                                                                           \
        for (int _i = 0; _i < 2000 && !(condition); _i++)                                          \
            usleep(10000);                                                                         \
        assert_true(condition);                                                                    \
    } while (0)

static off_t wal_size(struct mailbox *m)
{
    _cleanup_(buf_done) struct buf path;
    struct stat st;
    index_path(m, "-wal", &path);
    return stat(path.p, &st) < 0 ? 0 : st.st_size;
}

static void test_maintenance(void **state)
{
    struct fixture *f = *state;
    for (uint64_t k = 1; k <= 50; k++)
        fx_add(f->m, INBOX_ID, k, "wal", 0);
    uint32_t uid = 7;
    ok(mailbox_expunge(f->m, INBOX_ID, &uid, 1, false, NULL, &ei));
    wait_for(!fx_has_file(f->m, 7));
    assert_true(wal_size(f->m) > 0);
    fx_settle(f->m);
    assert_int_equal(wal_size(f->m), 0);
    _cleanup_(snap_unrefp) const struct snap *s = fx_snap(f->m, INBOX_ID, NULL);
    assert_int_equal(s->n, 49);
    assert_int_equal(fx_add(f->m, INBOX_ID, 100, "more", 0), 51);
}

static void test_wal_does_not_grow_without_bound(void **state)
{
    struct fixture *f = *state;
    off_t most = 0;
    for (unsigned i = 0; i < 60; i++) {
        struct mailbox_add a[100];
        for (unsigned k = 0; k < 100; k++)
            a[k] = (struct mailbox_add){ .key = rand_u64(), .content = fx_message("grow") };
        ok(mailbox_add(f->m, INBOX_ID, a, 100, false, 0, NULL, NULL, &ei));
        most = MAX(most, wal_size(f->m));
        usleep(30000);
    }
    assert_true(most < 12 * 1024 * 1024);
    fx_settle(f->m);
    assert_int_equal(wal_size(f->m), 0);
}

static size_t heap(void)
{
    struct mallinfo2 i = mallinfo2();
    return i.uordblks + i.hblkhd;
}

static void test_memory_of_idle_mailboxes(void **state)
{
    struct fixture *f = *state;
    struct mailbox *m[100];
    const struct snap *s[100];
    char name[40];
    for (int i = 0; i < 100; i++) { /* what is made only once per account does not count */
        snprintf(name, sizeof(name), "u%d@example.org", i);
        m[i] = fx_open(f->s, name);
        fx_add(m[i], INBOX_ID, 1, "x", 0);
        mailbox_unref(m[i]);
    }
    fx_settle(f->m);
    mailbox_unref(f->m);
    mailstore_close(f->s);
    f->s = fx_store(f->root);
    f->m = NULL;
    size_t before = heap();
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "u%d@example.org", i);
        m[i] = fx_open(f->s, name);
        s[i] = fx_snap(m[i], INBOX_ID, NULL);
    }
    size_t open = heap();
    fx_settle(m[0]);
    size_t idle = heap();
    print_message("memory per mailbox: %zu bytes with its index open, %zu idle\n",
                  (open - before) / 100, idle > before ? (idle - before) / 100 : 0);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_true(idle < before + 100 * 2000);
    assert_true(open < before + 100 * 150 * 1024);
#endif
    for (int i = 0; i < 100; i++) {
        snap_unref(s[i]);
        mailbox_unref(m[i]);
    }
}

static void *open_and_use(void *arg)
{
    struct fixture *f = arg;
    for (unsigned i = 0; i < 300; i++) {
        char name[40];
        struct mailbox *m = NULL;
        snprintf(name, sizeof(name), "t%u@example.org", rand_below(9));
        struct mailbox_add a = { .key = rand_u64(), .content = SV("x\r\n") };
        if (mailbox_open(f->s, 1, sv_c(name), &m, NULL) < 0 ||
            mailbox_add(m, INBOX_ID, &a, 1, i % 10 == 0, 0, NULL, NULL, NULL) < 0)
            abort();
        if (i % 16 == 0)
            clock_test_advance(4000);
        mailbox_unref(m);
    }
    return NULL;
}

static void test_threads(void **state)
{
    struct fixture *f = *state;
    pthread_t t[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&t[i], NULL, open_and_use, f);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    uint64_t total = 0;
    for (unsigned i = 0; i < 9; i++) {
        char name[40];
        uint64_t bytes, n;
        struct mailbox *m = NULL;
        snprintf(name, sizeof(name), "t%u@example.org", i);
        ok(mailbox_open(f->s, 1, sv_c(name), &m, &ei));
        ok(mailbox_usage(m, &bytes, &n, &ei));
        assert_int_equal(mailbox_verify(m, false, NULL, NULL, NULL), 0);
        total += n;
        mailbox_unref(m);
    }
    assert_int_equal(total, 1200);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fx_setup, fx_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_one_mailbox_per_account),
        T(test_remove),
        T(test_remove_leaves_accounts_below),
        T(test_one_file_for_two_accounts),
        cmocka_unit_test_setup_teardown(test_open_indexes_are_bounded, setup_few, fx_teardown),
        T(test_maintenance),
        cmocka_unit_test_setup_teardown(test_wal_does_not_grow_without_bound, fx_setup_shm,
                                        fx_teardown),
        cmocka_unit_test_setup_teardown(test_memory_of_idle_mailboxes, fx_setup_shm, fx_teardown),
        cmocka_unit_test_setup_teardown(test_threads, setup_few, fx_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
