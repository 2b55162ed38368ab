/* Tests of os/proc.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "os/proc.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void test_nofile(void **state)
{
    (void)state;
    struct rlimit l;
    getrlimit(RLIMIT_NOFILE, &l);
    l.rlim_cur = 64;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &l), 0);
    int r = os_raise_nofile();
    assert_true(r >= 64);
    getrlimit(RLIMIT_NOFILE, &l);
    assert_true(l.rlim_cur == l.rlim_max);
    assert_int_equal(os_raise_nofile(), r);
}

static void test_flags(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(os_set_cloexec(fds[0], false), 0);
    assert_int_equal(fcntl(fds[0], F_GETFD), 0);
    assert_int_equal(os_set_cloexec(fds[0], true), 0);
    assert_int_equal(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
    assert_int_equal(os_set_nonblock(fds[0], true), 0);
    assert_true(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
    assert_int_equal(os_set_nonblock(fds[0], false), 0);
    assert_false(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
    close(fds[0]);
    close(fds[1]);
    assert_int_equal(os_set_cloexec(fds[0], true), -EBADF);
    assert_int_equal(os_set_nonblock(fds[0], true), -EBADF);
}

static void *name_thread(void *arg)
{
    os_thread_name("a-name-of-more-than-fifteen");
    pthread_getname_np(pthread_self(), arg, 16);
    return NULL;
}

static void test_thread_name(void **state)
{
    (void)state;
    char got[16] = "";
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, name_thread, got), 0);
    pthread_join(t, NULL);
    assert_string_equal(got, "a-name-of-more-");
}

static void test_notify(void **state)
{
    (void)state;
    unsetenv("NOTIFY_SOCKET");
    os_sd_notify("READY=1"); /* nobody listens: nothing happens */
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    snprintf(a.sun_path, sizeof(a.sun_path), "/tmp/posthorn-notify-%d", (int)getpid());
    _cleanup_(closep) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    setenv("NOTIFY_SOCKET", a.sun_path, 1);
    os_sd_notify("READY=1\nSTATUS=ok");
    char got[64];
    ssize_t n = recv(fd, got, sizeof(got), MSG_DONTWAIT);
    assert_int_equal(n, 17);
    assert_memory_equal(got, "READY=1\nSTATUS=ok", 17);
    unlink(a.sun_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nofile),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_thread_name),
        cmocka_unit_test(test_notify),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
