/* What a domain's mailboxes hold together: counted by every process, right behind crashes and
 * boots, and limited by the domain's quota. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <sys/wait.h>

#include "fixture.h"

static const struct mailbox_quota none;

static uint64_t used(struct mailstore *s)
{
    uint64_t bytes = 0;
    ok(mailstore_domain_usage(s, SV("example.org"), &bytes));
    return bytes;
}

static uint64_t size_of(const char *subject)
{
    return fx_message(subject).n;
}

static uint64_t usage(struct mailbox *m)
{
    uint64_t bytes = 0, messages = 0;
    ok(mailbox_usage(m, &bytes, &messages, &ei));
    return bytes;
}

static int add(struct mailbox *m, uint64_t key, const char *subject,
               const struct mailbox_quota *quota)
{
    struct mailbox_add a = { .key = key, .content = fx_message(subject), .internal_date_s = 1 };
    ok(mailbox_add(m, INBOX_ID, &a, 1, false, quota, NULL, NULL, &ei));
    return a.ret_error;
}

static void expunge_all(struct mailbox *m)
{
    size_t n = 0;
    ok(mailbox_expunge(m, INBOX_ID, NULL, 0, false, &n, &ei));
    assert_true(n > 0);
}

/* As the program does it: for all accounts of the domain. ret: was anything in question? */
static bool count(struct mailstore *s)
{
    static const char *const all[] = { "anna@example.org", "bert@example.org",
                                       "nobody@example.org" };
    int r = mailstore_count_begin(s, SV("example.org"), NULL);
    for (size_t i = 0; r > 0 && i < ARRAY_LEN(all); i++)
        ok(mailstore_count(s, (int64_t)strlen(all[i]), sv_c(all[i]), &ei));
    assert_true(r >= 0);
    mailstore_count_end(s, SV("example.org"));
    return r;
}

static void test_only_counted_domains(void **state)
{
    struct fixture *f = *state;
    uint64_t bytes = 0;
    fx_add(f->m, INBOX_ID, 1, "one", 0);
    assert_int_equal(mailstore_domain_usage(f->s, SV("example.org"), &bytes), E_NOTFOUND);
    assert_false(mailbox_domain_full(f->m, 1, 1));
    assert_true(count(f->s));
    assert_int_equal(used(f->s), size_of("one"));
    assert_false(count(f->s));
    assert_int_equal(mailstore_domain_usage(f->s, SV("example.net"), &bytes), E_NOTFOUND);
    _cleanup_(freep) char *nobody = xasprintf("%s/example.org/nobody", f->root);
    assert_int_equal(access(nobody, F_OK), -1); /* counting makes no mailboxes */
}

/* Another store of the same directory stands for another process. */
static void test_all_processes_count(void **state)
{
    struct fixture *f = *state;
    struct mailstore *other = fx_store(f->root);
    struct mailbox *bert = fx_open(other, "bert@example.org"),
                   *anna = fx_open(other, "anna@example.org");
    fx_add(f->m, INBOX_ID, 1, "one", 0);
    assert_true(count(f->s)); /* while both have their mailboxes open */
    fx_add(bert, INBOX_ID, 2, "other", 0);
    assert_int_equal(used(f->s), size_of("one") + size_of("other"));
    assert_int_equal(used(other), used(f->s));
    fx_add(anna, fx_folder(anna, "Sent"), 3, "three", FLAG_SEEN);
    assert_int_equal(used(f->s), size_of("one") + size_of("other") + size_of("three"));
    expunge_all(f->m);
    assert_int_equal(used(other), size_of("other") + size_of("three"));
    mailbox_unref(anna);
    mailbox_unref(bert);
    ok(mailstore_remove(f->s, SV("bert@example.org"), &ei));
    assert_int_equal(used(other), size_of("three"));
    bert = fx_open(other, "bert@example.org");
    fx_add(bert, INBOX_ID, 4, "new", 0);
    assert_int_equal(used(f->s), size_of("new") + size_of("three"));
    mailbox_unref(bert);
    mailstore_close(other);
    fx_reopen(f);
    assert_int_equal(used(f->s), size_of("new") + size_of("three"));
}

static void test_quota(void **state)
{
    struct fixture *f = *state;
    struct mailbox *bert = fx_open(f->s, "bert@example.org");
    const uint64_t one = size_of("m1");
    const struct mailbox_quota two = { .domain = 2 * one }, own = { one, 3 * one };
    uint32_t uid = 1, to = 0, v = 0;
    count(f->s);
    assert_int_equal(add(f->m, 1, "m1", &two), 0);
    assert_false(mailbox_domain_full(f->m, 2 * one, one));
    assert_int_equal(add(bert, 2, "m2", &two), 0);
    assert_true(mailbox_domain_full(f->m, 2 * one, 1));
    assert_int_equal(add(f->m, 3, "m3", &two), E_QUOTA);
    assert_int_equal(add(bert, 3, "m3", &two), E_QUOTA);
    assert_int_equal(used(f->s), 2 * one);
    assert_false(fx_has_file(f->m, 3));
    assert_int_equal(
        mailbox_copy(f->m, INBOX_ID, &uid, 1, fx_folder(f->m, "Sent"), false, &two, &to, &v, NULL),
        E_QUOTA);
    assert_int_equal(used(f->s), 2 * one);
    assert_int_equal(add(f->m, 4, "m4", &own), E_QUOTA); /* its own is full, the domain is not */
    ok(mailbox_copy(f->m, INBOX_ID, &uid, 1, fx_folder(f->m, "Sent"), true, &two, &to, &v, &ei));
    assert_int_equal(add(bert, 5, "m5", &none), 0); /* without a quota it is counted, too */
    assert_int_equal(used(f->s), 3 * one);
    expunge_all(bert);
    assert_int_equal(add(f->m, 6, "m6", &two), 0);
    assert_int_equal(used(f->s), 2 * one);
    assert_int_equal(usage(f->m), 2 * one);
    mailbox_unref(bert);
}

static int leave(struct fixture *f, uint64_t key, const struct mailbox_quota *quota)
{
    struct mailbox_add a = { .key = key, .content = fx_message("l1"), .internal_date_s = 1 };
    return incoming_leave(f->s, 1, "bert@example.org", &a, 1, quota);
}

static void test_left_mail_counts(void **state)
{
    struct fixture *f = *state;
    const uint64_t one = size_of("l1");
    const struct mailbox_quota two = { .domain = 2 * one };
    mailbox_unref(fx_open(f->s, "bert@example.org"));
    count(f->s);
    assert_int_equal(leave(f, 1, &two), 1);
    assert_int_equal(used(f->s), one);
    assert_int_equal(leave(f, 2, NULL), 1);
    assert_int_equal(used(f->s), 2 * one);
    assert_int_equal(leave(f, 3, &two), 0);
    assert_int_equal(used(f->s), 2 * one);
    struct mailbox *bert = fx_open(f->s, "bert@example.org");
    assert_int_equal(usage(bert), 2 * one);
    assert_int_equal(used(f->s), 2 * one);
    mailbox_unref(bert);
}

/* Nothing that was in memory only is believed behind a boot. */
static void test_boot(void **state)
{
    struct fixture *f = *state;
    fx_add(f->m, INBOX_ID, 1, "one", 0);
    count(f->s);
    usage_set(f->m, 12345); /* as if a later state had not come to disk */
    mailbox_unref(f->m);
    mailstore_close(f->s);
    f->s = fx_store(f->root);
    f->s->boot++;
    f->m = NULL;
    assert_int_equal(used(f->s), 12345); /* the best that is known until it is counted */
    assert_true(count(f->s));
    assert_int_equal(used(f->s), size_of("one"));
    assert_false(count(f->s));
}

static _Noreturn void work(const char *root)
{
    struct mailstore *s = fx_store(root);
    struct mailbox *m = fx_open(s, "anna@example.org");
    const struct mailbox_quota much = { .domain = 1024 * MiB };
    for (uint64_t k = 1;; k++) {
        struct mailbox_add a = { .key = k, .content = fx_message("crash"), .internal_date_s = 1 };
        if (mailbox_add(m, INBOX_ID, &a, 1, false, &much, NULL, NULL, NULL) < 0 ||
            (k % 5 == 0 && mailbox_expunge(m, INBOX_ID, NULL, 0, false, NULL, NULL) < 0))
            _exit(1);
    }
}

static void test_killed(void **state)
{
    struct fixture *f = *state;
    count(f->s);
    for (int i = 0; i < 20; i++) {
        uint64_t before = used(f->s);
        mailbox_unref(f->m);
        mailstore_close(f->s); /* who forks has no threads besides */
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
            work(f->root);
        f->s = fx_store(f->root);
        f->m = fx_open(f->s, "anna@example.org");
        while (used(f->s) == before) /* it works */
            assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
        usleep(rand_below(3000));
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        count(f->s);
        assert_int_equal(used(f->s), usage(f->m));
        assert_int_equal(mailstore_count_begin(f->s, SV("example.org"), NULL), 0);
        if (usage(f->m) > 0)
            expunge_all(f->m);
    }
}

struct many {
    struct mailstore *s;
    const struct mailbox_quota *quota;
    char address[40];
    unsigned taken;
};

static void *fill(void *arg)
{
    struct many *t = arg;
    struct mailbox *m = fx_open(t->s, t->address);
    for (uint64_t k = 1; k <= 30; k++)
        t->taken += add(m, k, "many", t->quota) == 0;
    mailbox_unref(m);
    return NULL;
}

static void test_never_more_than_the_quota(void **state)
{
    struct fixture *f = *state;
    const uint64_t one = size_of("many");
    const struct mailbox_quota quota = { .domain = 50 * one + one / 2 };
    struct many t[4] = { { .taken = 0 } };
    pthread_t threads[ARRAY_LEN(t)];
    uint64_t taken = 0;
    count(f->s);
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        t[i] = (struct many){ .s = f->s, .quota = &quota };
        snprintf(t[i].address, sizeof(t[i].address), "u%zu@example.org", i);
        assert_int_equal(pthread_create(&threads[i], NULL, fill, &t[i]), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        pthread_join(threads[i], NULL);
        taken += t[i].taken;
    }
    assert_true(taken > 0 && taken <= 50);
    assert_int_equal(used(f->s), taken * one);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, fx_setup_shm, fx_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_only_counted_domains),
        T(test_all_processes_count),
        T(test_quota),
        T(test_left_mail_counts),
        T(test_boot),
        T(test_killed),
        T(test_never_more_than_the_quota),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
