/* Lines to the system log as well (logcfg.syslog.local; RFC 3164 form on /dev/log). Not by
 * syslog(3): that one blocks when the system log does. Sink thread only. */
#include "log/sink_priv.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "stats/shm.h"

enum { RETRY_MS = 1000, SYSLOG_LINE_MAX = 2048, FACILITY_MAIL = 2, PRIO_ERR = 3, PRIO_INFO = 6 };

static void connect_log(struct log_syslog *s)
{
    int64_t now = clock_mono_ms();
    if (now < s->retry_ms)
        return;
    s->retry_ms = now + RETRY_MS;
    _cleanup_(closep) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    if (fd >= 0 && sv_copy(a.sun_path, sizeof(a.sun_path), sv_c(s->path)) &&
        connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
        s->fd = take_fd(&fd);
}

void log_syslog_send(struct log_syslog *s, enum log_type t, struct sv text)
{
    if (s->fd < 0)
        connect_log(s);
    if (s->fd < 0) {
        ctr_inc(CTR_syslog_lines_lost);
        return;
    }
    while (text.n > 0 && text.p[text.n - 1] == '\n')
        text.n--;
    char msg[SYSLOG_LINE_MAX];
    int prio = FACILITY_MAIL << 3 | (t == LOG_ERRORS ? PRIO_ERR : PRIO_INFO);
    int n = snprintf(msg, sizeof(msg), "<%d>posthorn[%d]: " SV_FMT, prio, (int)getpid(),
                     SV_ARG(sv_take(text, SYSLOG_LINE_MAX - 64)));
    if (n <= 0)
        return;
    if (send(s->fd, msg, (size_t)n, MSG_NOSIGNAL) >= 0)
        return;
    bool is_full = errno == EAGAIN || errno == ENOBUFS;
    ctr_inc(CTR_syslog_lines_lost);
    if (!is_full) {
        close(s->fd); /* it was restarted */
        s->fd = -1;
    }
}
