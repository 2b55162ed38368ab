/* Small services around the process and its descriptors. Any thread. */
#include "os/proc.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>

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

void os_thread_name(const char *name)
{
    char cut[16];
    sv_copy(cut, sizeof(cut), sv_c(name));
    pthread_setname_np(pthread_self(), cut);
}

void os_sd_notify(const char *state)
{
    /* A service manager that cannot be told is no reason to stop serving. */
    (void)sd_notify(0, state);
}
