/* Lines as messages of RFC 5424, queued for the process that sends them (logcfg.syslog.remote).
 * Each line of an entry is a message of its own. Sink thread only. */
#include "log/sink_priv.h"

#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "log/names.h"
#include "stats/shm.h"

enum {
    QUEUE_MAX = 8 * 1024 * 1024,
    KEEP_BYTES = 256 * 1024, /* a larger queue is freed when it is empty */
    TELL_MS = 10000,
    FACILITY_MAIL = 2,
    PRIO_ERR = 3,
    PRIO_WARNING = 4,
    PRIO_INFO = 6,
};

void log_forward_init(struct log_forward *f)
{
    *f = (struct log_forward){ .fd = { -1, -1 } };
    buf_init(&f->queue, QUEUE_MAX);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, f->fd) < 0)
        fprintf(stderr, "posthorn: no log lines for the syslog server: %s\n", err_name(-errno));
}

static int severity(enum log_type t, struct sv line)
{
    ssize_t end = sv_find(sv_take(line, 64), ']');
    struct sv text = sv_skip(line, (size_t)(end < 0 ? 0 : end + 11)); /* "] hh:mm:ss " */
    if (t != LOG_ERRORS)
        return PRIO_INFO;
    return sv_starts(text, SV("Error: "))     ? PRIO_ERR
           : sv_starts(text, SV("Warning: ")) ? PRIO_WARNING
                                              : PRIO_INFO;
}

static void add_message(struct log_forward *f, const char *host, enum log_type t, int prio,
                        struct sv line)
{
    char head[400];
    int64_t now = clock_wall_ms();
    time_t s = (time_t)(now / 1000);
    struct tm tm;
    gmtime_r(&s, &tm);
    int n = snprintf(
        head, sizeof(head), "<%d>1 %04d-%02d-%02dT%02d:%02d:%02d.%03dZ %.255s posthorn %d %s - ",
        FACILITY_MAIL << 3 | prio, tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
        tm.tm_min, tm.tm_sec, (int)(now % 1000), host, (int)getpid(), log_type_names[t]);
    line = sv_take(line, (size_t)(LOG_MESSAGE_MAX - n));
    struct log_frame frame = { .n = (uint32_t)n + (uint32_t)line.n };
    if (f->queue.n + sizeof(frame) + frame.n > QUEUE_MAX) {
        buf_consume(&f->queue, f->sent); /* at most once for each MiB that goes */
        f->sent = 0;
    }
    if (f->queue.n + sizeof(frame) + frame.n > QUEUE_MAX) {
        f->untold++;
        ctr_inc(CTR_syslog_lines_lost);
        return;
    }
    buf_add(&f->queue, &frame, sizeof(frame));
    buf_add(&f->queue, head, (size_t)n);
    buf_add_sv(&f->queue, line);
}

void log_forward_add(struct log_forward *f, const char *host, enum log_type t, struct sv text)
{
    int prio = severity(t, text);
    while (text.n > 0) {
        struct sv line = sv_split(&text, '\n');
        if (line.n > 0)
            add_message(f, host, t, prio, line);
    }
}

/* Whole frames from the front, LOG_PACKET_MAX bytes at most. */
static struct sv next_packet(const struct log_forward *f)
{
    struct sv rest = sv_skip(buf_sv(&f->queue), f->sent);
    size_t n = 0;
    struct log_frame frame;
    while (n < rest.n) {
        memcpy(&frame, rest.p + n, sizeof(frame));
        if (n + sizeof(frame) + frame.n > LOG_PACKET_MAX)
            break;
        n += sizeof(frame) + frame.n;
    }
    return sv_take(rest, n);
}

static void tell(struct log_forward *f)
{
    int64_t now = clock_mono_ms();
    if (f->untold == 0 || (f->told_ms != 0 && now - f->told_ms < TELL_MS))
        return;
    uint64_t n = f->untold;
    f->untold = 0;
    f->told_ms = now;
    log_error("%" PRIu64 " log lines were not sent to the syslog server: it is too slow, or cannot "
              "be reached",
              n);
}

void log_forward_flush(struct log_forward *f)
{
    while (log_forward_waits(f)) {
        struct sv p = next_packet(f);
        if (send(f->fd[0], p.p, p.n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
            return;
        f->sent += p.n;
    }
    if (f->queue.n == 0)
        return;
    log_forward_drop(f);
    tell(f);
}

void log_forward_drop(struct log_forward *f)
{
    f->sent = 0;
    buf_reset(&f->queue);
    if (f->queue.cap > KEEP_BYTES) {
        buf_done(&f->queue);
        buf_init(&f->queue, QUEUE_MAX);
    }
}

bool log_forward_waits(const struct log_forward *f)
{
    return f->fd[0] >= 0 && f->sent < f->queue.n;
}

void log_forward_done(struct log_forward *f)
{
    closep(&f->fd[0]);
    closep(&f->fd[1]);
    buf_done(&f->queue);
}
