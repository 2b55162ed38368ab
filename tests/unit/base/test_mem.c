/* Tests of base/base.h: allocation, ownership helpers, panic. Also list.h, which has no .c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "base/list.h"

static void test_alloc(void **state)
{
    (void)state;
    unsigned char *z = xcalloc(100, 7);
    for (size_t i = 0; i < 700; i++)
        assert_int_equal(z[i], 0);
    free(z);
    void *empty[] = { xmalloc(0), xcalloc(0, 8), xrealloc(NULL, 0) };
    for (size_t i = 0; i < ARRAY_LEN(empty); i++)
        free(empty[i]);
    char *p = xrealloc(xstrdup("hello"), 100);
    assert_string_equal(p, "hello");
    free(p);
}

static void test_strings(void **state)
{
    (void)state;
    _cleanup_(freep) char *a = xstrndup("hello", 3);
    assert_string_equal(a, "hel");
    _cleanup_(freep) char *b = xstrndup("hi", 100);
    assert_string_equal(b, "hi");
    const char raw[2] = { 'x', 'y' }; /* no NUL behind it */
    _cleanup_(freep) char *c = xstrndup(raw, sizeof(raw));
    assert_string_equal(c, "xy");
    _cleanup_(freep) char *d = xasprintf("%s-%d", "a", 42);
    assert_string_equal(d, "a-42");
}

static void test_ownership(void **state)
{
    (void)state;
    char *kept;
    {
        _cleanup_(freep) char *p = xstrdup("kept");
        kept = take_ptr(p);
        assert_null(p);
    }
    assert_string_equal(kept, "kept");
    free(kept);

    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    int copy = fd;
    {
        _cleanup_(closep) int moved = take_fd(&fd);
        assert_int_equal(fd, -1);
        assert_int_equal(moved, copy);
        errno = EBUSY;
    }
    assert_int_equal(errno, EBUSY);
    assert_int_equal(fcntl(copy, F_GETFD), -1);
    assert_int_equal(errno, EBADF);

    errno = EBUSY;
    closep(&copy); /* fails inside, and that shows nowhere */
    assert_int_equal(errno, EBUSY);
    assert_int_equal(copy, -1);
    closep(&copy);
}

static void expect_panic(const char *arg, const char *end)
{
    int fd[2];
    assert_int_equal(pipe(fd), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(fd[1], STDERR_FILENO);
        panic("code %d %s", 7, arg);
    }
    close(fd[1]);
    char text[4096];
    size_t n = 0;
    ssize_t r;
    while ((r = read(fd[0], text + n, sizeof(text) - 1 - n)) > 0)
        n += (size_t)r;
    close(fd[0]);
    text[n] = '\0';
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_int_equal(strncmp(text, "panic: code 7 ", 14), 0);
    assert_true(n <= 512);
    assert_true(n >= strlen(end));
    assert_string_equal(text + n - strlen(end), end);
}

static void test_panic(void **state)
{
    (void)state;
    expect_panic("oops", "panic: code 7 oops\n");
    char big[1000];
    memset(big, 'x', sizeof(big));
    big[sizeof(big) - 1] = '\0';
    expect_panic(big, "xxx\n");
}

struct item {
    int v;
    struct list link;
};

static int sum_in_order(struct list *head)
{
    int v = 0;
    list_for_each(it, head) v = v * 10 + container_of(it, struct item, link)->v;
    return v;
}

static void test_list(void **state)
{
    (void)state;
    struct list head;
    struct item items[4] = { { .v = 1 }, { .v = 2 }, { .v = 3 }, { .v = 4 } };
    list_init(&head);
    assert_true(list_empty(&head));
    assert_int_equal(sum_in_order(&head), 0);
    list_add_tail(&head, &items[1].link);
    list_add_tail(&head, &items[2].link);
    list_add_head(&head, &items[0].link);
    list_add_tail(&head, &items[3].link);
    assert_int_equal(sum_in_order(&head), 1234);
    list_del(&items[1].link);
    list_del(&items[1].link); /* harmless: it is a ring of its own now */
    assert_int_equal(sum_in_order(&head), 134);
    list_for_each_safe(it, tmp, &head)
    {
        list_del(it);
    }
    assert_true(list_empty(&head));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alloc),     cmocka_unit_test(test_strings),
        cmocka_unit_test(test_ownership), cmocka_unit_test(test_panic),
        cmocka_unit_test(test_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
