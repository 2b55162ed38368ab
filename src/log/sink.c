/* The sink's thread: takes records from the pipes, checks their heads (a module may be broken or
 * taken over), gives the texts to the files. Sleeps until a pipe has data or the day ends. */
#include "log/sink.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "log/log_priv.h"
#include "log/sink_priv.h"
#include "os/file.h"
#include "os/proc.h"

enum {
    MAX_PIPES = 64,
    PIPE_BYTES = 1024 * 1024,
    READ_BYTES = 512 * 1024, /* holds the largest record */
    MAX_SLEEP_S = 3600,
    SMALL_BYTES = 16 * 1024, /* a read of less needs no buffers that are worth freeing */
    IDLE_MS = 6000, /* without larger ones: buffers are freed; the files' cache waits less long */
    REPORT_MS = 10000, /* lost lines are told of within this time */
    DRAIN_ROUNDS = 1000,
};

struct source {
    int fd;
    struct buf rest; /* an incomplete record */
};

struct log_sink {
    pthread_t thread;
    int wake; /* eventfd */

    pthread_mutex_t lock; /* guards until the blank line */
    int added[MAX_PIPES]; /* not yet seen by the thread */
    unsigned n_added;
    char *dir, *server_id, *archive, *host; /* new configuration, when changed */
    struct log_sink_conf conf;
    bool changed, stop;

    /* The thread's own. */
    struct log_files files;
    struct log_syslog syslog;
    bool to_syslog, to_server;
    char *host_name;
    struct log_forward forward;
    struct source sources[MAX_PIPES];
    unsigned n_sources;
    char *mem;       /* READ_BYTES; NULL = not since the buffers were freed */
    int64_t busy_ms; /* the last read of more than SMALL_BYTES; 0 = none since then */
};

static bool head_ok(const struct log_record *h)
{
    return h->magic == LOG_RECORD_MAGIC && h->type < LOG_TYPE_COUNT && h->n > 0 &&
           h->n <= LOG_RECORD_MAX;
}

/* Bytes used, or E_CORRUPT. */
static ssize_t take_records(struct log_sink *s, const char *p, size_t n)
{
    size_t at = 0;
    struct log_record h;
    while (n - at >= sizeof(h)) {
        memcpy(&h, p + at, sizeof(h));
        if (!head_ok(&h))
            return E_CORRUPT;
        if (n - at - sizeof(h) < h.n)
            break;
        struct sv text = sv_n(p + at + sizeof(h), h.n);
        log_files_add(&s->files, (enum log_type)h.type, h.ymd, text);
        if (s->to_syslog)
            log_syslog_send(&s->syslog, (enum log_type)h.type, text);
        if (s->to_server)
            log_forward_add(&s->forward, s->host_name, (enum log_type)h.type, text);
        at += sizeof(h) + h.n;
    }
    return (ssize_t)at;
}

/* 1 = there may be more, 0 = nothing now, negative = this pipe is done with. */
static int read_source(struct log_sink *s, struct source *src)
{
    size_t have = src->rest.n;
    if (!s->mem)
        s->mem = xmalloc(READ_BYTES);
    if (have > 0)
        memcpy(s->mem, src->rest.p, have);
    ssize_t r = read(src->fd, s->mem + have, READ_BYTES - have);
    if (r < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (r <= 0)
        return E_CLOSED;
    size_t n = have + (size_t)r;
    if (n > SMALL_BYTES)
        s->busy_ms = clock_mono_ms();
    ssize_t used = take_records(s, s->mem, n);
    if (used < 0) {
        fprintf(stderr, "posthorn: a module sent damaged log records; its log is closed\n");
        return (int)used;
    }
    buf_reset(&src->rest);
    buf_add(&src->rest, s->mem + used, n - (size_t)used);
    if (src->rest.n == 0)
        buf_done(&src->rest);
    return 1;
}

static void drop_source(struct log_sink *s, unsigned i)
{
    close(s->sources[i].fd);
    buf_done(&s->sources[i].rest);
    s->sources[i] = s->sources[--s->n_sources];
}

static void apply_conf(struct log_sink *s)
{
    s->conf.dir = s->dir;
    s->conf.server_id = s->server_id;
    s->conf.archive = s->archive;
    log_files_configure(&s->files, &s->conf);
    s->to_syslog = s->conf.syslog;
    s->to_server = s->conf.forward;
    if (!s->to_server)
        log_forward_drop(&s->forward);
    free(s->host_name);
    s->host_name = xstrdup(s->host);
    s->changed = false;
}

/* Takes over what other threads asked for. False: the sink is to end. */
static bool take_requests(struct log_sink *s)
{
    uint64_t n;
    (void)!read(s->wake, &n, sizeof(n));
    pthread_mutex_lock(&s->lock);
    while (s->n_added > 0 && s->n_sources < MAX_PIPES) {
        struct source *src = &s->sources[s->n_sources++];
        src->fd = s->added[--s->n_added];
        buf_init(&src->rest, READ_BYTES);
    }
    if (s->changed)
        apply_conf(s);
    bool stop = s->stop;
    pthread_mutex_unlock(&s->lock);
    return !stop;
}

/* Milliseconds to the end of the day; an hour at most, as clocks get set. */
static int sleep_ms(const struct log_sink *s)
{
    if (s->files.lost > 0 || s->files.untold > 0)
        return log_files_patience(&s->files, REPORT_MS);
    char hms[16];
    clock_hms(clock_wall_s(), hms);
    int now = ((hms[0] - '0') * 10 + hms[1] - '0') * 3600 +
              ((hms[3] - '0') * 10 + hms[4] - '0') * 60 + (hms[6] - '0') * 10 + hms[7] - '0';
    return log_files_patience(&s->files, MIN(86400 - now + 1, (int)MAX_SLEEP_S) * 1000);
}

/* fds: one for each source, and two. */
static void wait_for_data(struct log_sink *s, struct pollfd *fds)
{
    nfds_t n = s->n_sources + 1;
    fds[0] = (struct pollfd){ .fd = s->wake, .events = POLLIN };
    for (unsigned i = 0; i < s->n_sources; i++)
        fds[i + 1] = (struct pollfd){ .fd = s->sources[i].fd, .events = POLLIN };
    if (log_forward_waits(&s->forward))
        fds[n++] = (struct pollfd){ .fd = s->forward.fd[0], .events = POLLOUT };
    int ms = sleep_ms(s);
    (void)poll(fds, n, s->busy_ms != 0 ? MIN(ms, (int)IDLE_MS) : ms);
}

/* One read of each pipe. True: some pipe may hold more. */
static bool read_all(struct log_sink *s)
{
    bool more = false;
    for (unsigned i = s->n_sources; i-- > 0;) {
        int r = read_source(s, &s->sources[i]);
        more |= r > 0;
        if (r < 0)
            drop_source(s, i);
    }
    log_files_write(&s->files);
    log_files_tick(&s->files);
    log_forward_flush(&s->forward);
    return more;
}

/* A burst fills buffers that the lines of a quiet server do not need. */
static void slim(struct log_sink *s)
{
    if (s->busy_ms == 0 || clock_mono_ms() - s->busy_ms < IDLE_MS)
        return;
    s->busy_ms = 0;
    free(take_ptr(s->mem));
    log_files_slim(&s->files);
}

static void *sink_thread(void *arg)
{
    struct log_sink *s = arg;
    os_thread_name("log-sink");
    struct pollfd fds[MAX_PIPES + 2];
    log_files_tick(&s->files);
    for (;;) {
        wait_for_data(s, fds);
        if (!take_requests(s))
            break;
        read_all(s);
        slim(s);
    }
    /* Modules that still live could go on for ever: the end is bounded. */
    for (int i = 0; i < DRAIN_ROUNDS && read_all(s); i++)
        ;
    return NULL;
}

static void copy_conf(struct log_sink *s, const struct log_sink_conf *c)
{
    free(s->dir);
    free(s->server_id);
    free(s->archive);
    free(s->host);
    s->dir = xstrdup(c->dir);
    s->server_id = xstrdup(c->server_id ? c->server_id : "");
    s->archive = xstrdup(c->archive ? c->archive : "");
    s->host = xstrdup(c->host ? c->host : "-");
    s->conf = *c;
    s->changed = true;
}

int log_sink_new(const struct log_sink_conf *c, struct log_sink **ret, struct errinfo *ei)
{
    int r = os_mkdirs(c->dir, 0750, ei);
    if (r < 0)
        return r;
    int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake < 0)
        return err_set_errno(ei, -errno, "cannot start the log");
    struct log_sink *s = xcalloc(1, sizeof(*s));
    s->wake = wake;
    s->syslog = (struct log_syslog){ .path = "/dev/log", .fd = -1 };
    pthread_mutex_init(&s->lock, NULL);
    log_files_init(&s->files, wake);
    log_forward_init(&s->forward);
    copy_conf(s, c);
    apply_conf(s);
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int e = pthread_create(&s->thread, NULL, sink_thread, s);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (e)
        panic("cannot start the log sink: %s", err_name(-e));
    *ret = s;
    return 0;
}

static void wake_up(struct log_sink *s)
{
    uint64_t one = 1;
    (void)!write(s->wake, &one, sizeof(one)); /* full means that it is awake */
}

void log_sink_configure(struct log_sink *s, const struct log_sink_conf *c)
{
    pthread_mutex_lock(&s->lock);
    copy_conf(s, c);
    pthread_mutex_unlock(&s->lock);
    wake_up(s);
}

int log_sink_add_pipe(struct log_sink *s, int fd)
{
    _cleanup_(closep) int mine = fd;
    (void)fcntl(fd, F_SETPIPE_SZ, PIPE_BYTES); /* smaller ones work too, with more switches */
    int r = os_set_nonblock(fd, true);
    if (r < 0)
        return r;
    pthread_mutex_lock(&s->lock);
    r = s->n_added < MAX_PIPES ? 0 : E_LIMIT;
    if (r == 0)
        s->added[s->n_added++] = take_fd(&mine);
    pthread_mutex_unlock(&s->lock);
    wake_up(s);
    return r;
}

int log_sink_local_fd(struct log_sink *s)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    int r = log_sink_add_pipe(s, fds[0]);
    if (r < 0) {
        close(fds[1]);
        return r;
    }
    return fds[1];
}

int log_sink_forward_fd(const struct log_sink *s)
{
    return s->forward.fd[1];
}

void log_sink_free(struct log_sink *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_mutex_unlock(&s->lock);
    wake_up(s);
    pthread_join(s->thread, NULL);
    while (s->n_sources > 0)
        drop_source(s, 0);
    for (unsigned i = 0; i < s->n_added; i++)
        close(s->added[i]);
    log_files_done(&s->files);
    closep(&s->syslog.fd);
    log_forward_done(&s->forward);
    close(s->wake);
    pthread_mutex_destroy(&s->lock);
    free(s->dir);
    free(s->server_id);
    free(s->archive);
    free(s->host);
    free(s->host_name);
    free(s->mem);
    free(s);
}
