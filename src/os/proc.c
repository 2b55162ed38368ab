/* Small services around the process and its descriptors. Any thread. */
#include "os/proc.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sys/resource.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/sv.h"

int os_raise_nofile(void)
{
    struct rlimit l;
    if (getrlimit(RLIMIT_NOFILE, &l) < 0)
        return -errno;
    if (l.rlim_cur != l.rlim_max) {
        l.rlim_cur = l.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &l) < 0)
            return -errno;
    }
    return (int)MIN(l.rlim_cur, (rlim_t)INT_MAX);
}

static int change_flag(int fd, int get, int set, int flag, bool on)
{
    int old = fcntl(fd, get);
    if (old < 0)
        return -errno;
    int want = on ? old | flag : old & ~flag;
    if (want != old && fcntl(fd, set, want) < 0)
        return -errno;
    return 0;
}

int os_set_cloexec(int fd, bool on)
{
    return change_flag(fd, F_GETFD, F_SETFD, FD_CLOEXEC, on);
}

int os_set_nonblock(int fd, bool on)
{
    return change_flag(fd, F_GETFL, F_SETFL, O_NONBLOCK, on);
}

/* Sanitizers make frames several times as large; ThreadSanitizer keeps 700 kB of its own on each
 * stack. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZER_STACK = 4096 * 1024 };
#else
enum { SANITIZER_STACK = 0 };
#endif

int os_thread_start(pthread_t *ret, size_t stack, void *(*run)(void *arg), void *arg)
{
    pthread_attr_t a;
    pthread_attr_init(&a);
    pthread_attr_setstacksize(&a, stack + SANITIZER_STACK);
    int e = pthread_create(ret, &a, run, arg);
    pthread_attr_destroy(&a);
    return e;
}

void os_thread_name(const char *name)
{
    char cut[16];
    sv_copy(cut, sizeof(cut), sv_c(name));
    pthread_setname_np(pthread_self(), cut);
}

/* A weight of a third (sched(7)). Linux knows it for each thread. */
void os_thread_yields(void)
{
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), getpriority(PRIO_PROCESS, 0) + 5);
}

/* The protocol of sd_notify(3), which its manual declares stable: one datagram. libsystemd would
 * bring five more libraries into each process. A service manager that cannot be told is no reason
 * to stop serving. */
void os_sd_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    size_t n = path ? strlen(path) : 0;
    if (n < 2 || n >= sizeof(a.sun_path) || (*path != '/' && *path != '@'))
        return;
    memcpy(a.sun_path, path, n);
    if (*path == '@')
        a.sun_path[0] = '\0'; /* the abstract name space */
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    (void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&a,
                 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
    close(fd);
}
