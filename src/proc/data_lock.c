#include "proc/data_lock.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "os/file.h"

enum { WAIT_MS = 10000, POLL_MS = 20 };

static bool somebody_serves(const char *control_socket)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    if (!sv_copy(a.sun_path, sizeof(a.sun_path), sv_c(control_socket)))
        return false;
    _cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* A full backlog is a server's, too. */
    return fd >= 0 && (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 || errno == EAGAIN);
}

int data_lock(const char *path, const char *control_socket, int signal_fd, int *ret_fd,
              struct errinfo *ei)
{
    int64_t until = clock_mono_ms() + WAIT_MS;
    int r;

    while ((r = os_lock_file(path, ret_fd, ei)) == E_CONFLICT) {
        struct pollfd signals = { .fd = signal_fd, .events = POLLIN };
        if (somebody_serves(control_socket) || clock_mono_ms() >= until ||
            poll(&signals, 1, POLL_MS) > 0)
            return r;
    }
    return r;
}
