/* Tests of os/sandbox.h. Each case runs in a child, which the sandbox would otherwise stay on.
 * Switching users needs root; as another user those cases are skipped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "os/sandbox.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/capability.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_OK 0

/* Status of a child that runs fn. */
static int in_child(int (*fn)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit none = { 0, 0 };
        setrlimit(RLIMIT_CORE, &none);
        _exit(fn());
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static int killed_by(int status)
{
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static int go[2];

/* A thread from before the switch has lost its powers too. */
static void *look_later(void *arg)
{
    char c;
    uid_t r, e, s;
    if (read(go[0], &c, 1) != 1 || syscall(SYS_getresuid, &r, &e, &s) != 0)
        return NULL;
    cap_t have = cap_get_proc(), none = cap_init();
    *(bool *)arg = r != 0 && e == r && s == r && cap_compare(have, none) == 0;
    cap_free(have);
    cap_free(none);
    return NULL;
}

static int drop_with_thread(void)
{
    pthread_t t;
    bool ok = false;
    if (pipe2(go, O_CLOEXEC) < 0 || pthread_create(&t, NULL, look_later, &ok) != 0)
        return 1;
    if (os_drop_privileges("nobody", NULL) != 0 || write(go[1], "x", 1) != 1)
        return 2;
    pthread_join(t, NULL);
    return ok ? CHILD_OK : 3;
}

static int drop(void)
{
    struct errinfo ei;
    if (os_drop_privileges("nobody", &ei) != 0)
        return 1;
    uid_t r, e, s;
    gid_t groups[64];
    getresuid(&r, &e, &s);
    if (r == 0 || e != r || s != r || getgid() == 0 || getegid() == 0)
        return 2;
    int n = getgroups(64, groups);
    for (int i = 0; i < n; i++)
        if (groups[i] == 0)
            return 3;
    if (setuid(0) == 0 || setgid(0) == 0)
        return 4;
    _cleanup_(closep) int fd = open("/etc/shadow", O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        return 5;
    cap_t have = cap_get_proc(), none = cap_init();
    int same = cap_compare(have, none);
    cap_free(have);
    cap_free(none);
    if (same != 0)
        return 6;
    if (cap_get_bound(CAP_SYS_ADMIN) != 0)
        return 7;
    return os_drop_privileges("nobody", &ei) == 0 ? CHILD_OK : 8; /* now a no-op */
}

static void test_drop(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(in_child(drop), CHILD_OK);
    assert_int_equal(in_child(drop_with_thread), CHILD_OK);
}

static int drop_unknown(void)
{
    struct errinfo ei;
    if (os_drop_privileges("no-such-user", &ei) != E_NOTFOUND || !strstr(ei.text, "no-such-user") ||
        !strstr(ei.text, "system.user") || geteuid() != 0)
        return 1;
    return os_drop_privileges("root", &ei) == E_PERM ? CHILD_OK : 2;
}

static void test_drop_unknown(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(in_child(drop_unknown), CHILD_OK);
}

static void *nothing(void *arg)
{
    return arg;
}

/* What a module does must go on working. */
static int allowed(void)
{
    struct errinfo ei;
    if (os_sandbox(false, &ei) != 0)
        return 1;
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        return 2;
    pthread_t t;
    if (pthread_create(&t, NULL, nothing, NULL) != 0 || pthread_join(t, NULL) != 0)
        return 3;
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0 || write(fds[0], "x", 1) != 1)
        return 4;
    int s = socket(AF_INET, SOCK_STREAM, 0), n = socket(AF_NETLINK, SOCK_RAW, 0);
    if (s < 0 || n < 0)
        return 5;
    pid_t pid = fork();
    if (pid == 0)
        _exit(7);
    int status;
    if (waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != 7)
        return 6;
    return CHILD_OK;
}

static void test_allowed(void **state)
{
    (void)state;
    assert_int_equal(in_child(allowed), CHILD_OK);
}

static int refused(void)
{
    struct errinfo ei;
    if (os_sandbox(false, &ei) != 0)
        return 1;
    if (execl("/bin/true", "true", (char *)NULL) != -1 || errno != EPERM)
        return 2;
    if (socket(AF_PACKET, SOCK_RAW, 0) != -1 || errno != EAFNOSUPPORT)
        return 3;
    if (syscall(SYS_clone3, NULL, 0) != -1 || errno != ENOSYS)
        return 4;
    if (syscall(SYS_clone, (long)(CLONE_NEWUSER | SIGCHLD), 0, 0, 0, 0) != -1 || errno != EPERM)
        return 5;
    if (mknod("/tmp/posthorn-node", S_IFCHR | 0600, 0) != -1 || errno != EPERM)
        return 6;
    return CHILD_OK;
}

static void test_refused(void **state)
{
    (void)state;
    assert_int_equal(in_child(refused), CHILD_OK);
}

static int exec_allowed(void)
{
    struct errinfo ei;
    if (os_sandbox(true, &ei) != 0)
        return 1;
    execl("/bin/true", "true", (char *)NULL);
    return 2;
}

static void test_exec_allowed(void **state)
{
    (void)state;
    assert_int_equal(in_child(exec_allowed), CHILD_OK);
}

static int mounts(void)
{
    if (os_sandbox(false, NULL) != 0)
        return 1;
    mount("none", "/nonexistent", "tmpfs", 0, NULL);
    return 2;
}

static int unshares(void)
{
    if (os_sandbox(true, NULL) != 0)
        return 1;
    unshare(CLONE_NEWNS);
    return 2;
}

static int reads_others(void)
{
    if (os_sandbox(false, NULL) != 0)
        return 1;
    syscall(SYS_process_vm_readv, 1, NULL, 0, NULL, 0, 0);
    return 2;
}

static int loads_bpf(void)
{
    if (os_sandbox(false, NULL) != 0)
        return 1;
    syscall(SYS_bpf, 0, NULL, 0);
    return 2;
}

static int loads_module(void)
{
    if (os_sandbox(false, NULL) != 0)
        return 1;
    syscall(SYS_finit_module, -1, "", 0);
    return 2;
}

static void *mount_later(void *arg)
{
    char c;
    if (read(go[0], &c, 1) == 1)
        mount("none", "/nonexistent", "tmpfs", 0, NULL);
    return arg;
}

/* The filter covers threads that exist already. */
static int other_thread_mounts(void)
{
    pthread_t t;
    if (pipe2(go, O_CLOEXEC) < 0 || pthread_create(&t, NULL, mount_later, NULL) != 0)
        return 1;
    if (os_sandbox(false, NULL) != 0 || write(go[1], "x", 1) != 1)
        return 2;
    pthread_join(t, NULL);
    return 3;
}

static void test_killed(void **state)
{
    (void)state;
    assert_int_equal(killed_by(in_child(mounts)), SIGSYS);
    assert_int_equal(killed_by(in_child(unshares)), SIGSYS);
    assert_int_equal(killed_by(in_child(reads_others)), SIGSYS);
    assert_int_equal(killed_by(in_child(loads_bpf)), SIGSYS);
    assert_int_equal(killed_by(in_child(loads_module)), SIGSYS);
    assert_int_equal(killed_by(in_child(other_thread_mounts)), SIGSYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drop),         cmocka_unit_test(test_drop_unknown),
        cmocka_unit_test(test_allowed),      cmocka_unit_test(test_refused),
        cmocka_unit_test(test_exec_allowed), cmocka_unit_test(test_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
