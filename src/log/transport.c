/* How lines leave the process: appended to a buffer under a short mutex, written to the
 * supervisor's pipe in batches by one flusher thread. Bounded: when the reader stops, a line waits
 * up to 50 ms for room, is dropped and counted, and after that all are dropped at once until the
 * reader moves again. The room's one global lives here. */
#include "log/log_priv.h"

#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/list.h"
#include "os/file.h"
#include "os/proc.h"
#include "stats/shm.h"

enum {
    BATCH_BYTES = 64 * 1024,
    BATCH_MS = 20,
    WAITING_MAX = 4 * 1024 * 1024,
    RESUME_ROOM =
        512 * 1024, /* that much must be free before waiting lines go on: else one by one */
    KEEP_BYTES = 256 * 1024, /* a larger buffer is freed after use */
    MOSTLY_EMPTY = 16,       /* and one that is used to less than this part: the burst is over */
    BLOCK_MS = 50,
    IDLE_MS = 5000, /* without a line: buffers are freed */
    TRIM_BYTES = 64 * 1024,
    FLUSH_MS = 5000,
    POLL_MS = 100,
    STOP_MS = 1000, /* what log_detach allows a reader that does not read */
};

struct batch {
    char *p;
    size_t n, cap;
};

/* A line that waits for room; on its thread's stack. */
struct waiter {
    struct list link;
    pthread_cond_t turn;
    size_t need;
    bool admitted; /* off the list; need is in out.reserved until the line is there */
};

static struct {
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t data;  /* the flusher has something to do */
    pthread_cond_t moved; /* bytes were handed over or dropped */
    struct list waiters;  /* of struct waiter, in the order of their coming: nobody starves */
    struct batch filling;
    size_t in_flight;           /* bytes that the flusher has taken and not yet written */
    size_t reserved;            /* by admitted waiters */
    uint64_t appended, handed;  /* bytes since the start; equal = nothing waits */
    uint64_t lost;              /* lines, since the last report in the log */
    int fd;                     /* -1 = none: stderr */
    bool running, stop, urgent; /* flusher exists; is to end; must not wait for more */
    bool stuck;                 /* a line has waited in vain */
    pthread_t thread;
    struct buf *capture;
} out = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .data = PTHREAD_COND_INITIALIZER,
    .moved = PTHREAD_COND_INITIALIZER,
    .waiters = { &out.waiters, &out.waiters },
    .fd = -1,
};

static void batch_reserve(struct batch *b, size_t extra)
{
    if (b->n + extra <= b->cap)
        return;
    size_t cap = b->cap ? b->cap : 16 * KiB;
    while (cap < b->n + extra)
        cap *= 2;
    b->p = xrealloc(b->p, cap);
    b->cap = cap;
}

static void batch_add(struct batch *b, enum log_type t, uint32_t ymd, struct sv text)
{
    struct log_record head = {
        .n = (uint32_t)text.n, .ymd = ymd, .type = (uint8_t)t, .magic = LOG_RECORD_MAGIC
    };
    batch_reserve(b, sizeof(head) + text.n);
    memcpy(b->p + b->n, &head, sizeof(head));
    memcpy(b->p + b->n + sizeof(head), text.p, text.n);
    b->n += sizeof(head) + text.n;
}

static bool has_room(size_t need)
{
    return out.filling.n + out.in_flight + out.reserved + need <= WAITING_MAX;
}

/* Called with the lock, after bytes were handed over or dropped. All who fit are let in at once:
 * were they woken one by one, newcomers would queue behind them and each line would cost a switch
 * of threads. */
static void tell_moved(void)
{
    pthread_cond_broadcast(&out.moved);
    if (!has_room(RESUME_ROOM))
        return;
    list_for_each_safe(l, next, &out.waiters)
    {
        struct waiter *w = container_of(l, struct waiter, link);
        if (!has_room(w->need))
            return;
        list_del(&w->link);
        out.reserved += w->need;
        w->admitted = true;
        pthread_cond_signal(&w->turn);
    }
}

/* Called with the lock. A reader that moves, only too slowly, makes lines wait and some drop; one
 * that did not move at all during a whole wait makes the next lines drop at once. */
static bool wait_for_room(size_t need)
{
    if (list_empty(&out.waiters) && has_room(need))
        return true;
    if (out.stuck)
        return false;
    struct waiter w = { .turn = PTHREAD_COND_INITIALIZER, .need = need };
    struct timespec t = deadline_in(BLOCK_MS);
    uint64_t seen = out.handed;
    bool in_time = true;
    list_add_tail(&out.waiters, &w.link);
    while (!w.admitted && in_time && !out.stuck && out.fd >= 0)
        in_time = deadline_wait(&w.turn, &out.lock, &t);
    pthread_cond_destroy(&w.turn);
    if (w.admitted) {
        out.reserved -= need;
        return true;
    }
    list_del(&w.link);
    if (!in_time && out.handed == seen)
        out.stuck = true;
    return !out.stuck && has_room(need);
}

static void append(enum log_type t, uint32_t ymd, struct sv text)
{
    size_t need = sizeof(struct log_record) + text.n;
    if (!wait_for_room(need)) {
        out.lost++;
        ctr_inc(CTR_log_lines_lost);
        return;
    }
    size_t before = out.filling.n;
    batch_add(&out.filling, t, ymd, text);
    out.appended += need;
    if (before == 0 || (before < BATCH_BYTES && out.filling.n >= BATCH_BYTES))
        pthread_cond_signal(&out.data);
}

void log_submit(enum log_type t, uint32_t ymd, struct sv text)
{
    pthread_mutex_lock(&out.lock);
    bool plain = !out.capture && out.fd < 0;
    if (out.capture)
        buf_add_sv(out.capture, text);
    else if (!plain)
        append(t, ymd, text);
    pthread_mutex_unlock(&out.lock);
    if (plain)
        (void)os_write_all(STDERR_FILENO, text.p, text.n);
}

static uint64_t count_records(const char *p, size_t n)
{
    uint64_t lines = 0;
    struct log_record head;
    for (size_t at = 0; at < n; at += sizeof(head) + head.n, lines++)
        memcpy(&head, p + at, sizeof(head));
    return lines;
}

/* Called with the lock: tells the log, in front of the next batch, what is missing in it. */
static void report_lost(void)
{
    if (out.lost == 0 || out.filling.n + out.in_flight + 4 * KiB > WAITING_MAX)
        return;
    char text[200], hms[16];
    int64_t now = clock_wall_s();
    clock_hms(now, hms);
    int n = snprintf(text, sizeof(text),
                     "%-15s [0000] %s Error: %" PRIu64
                     " log lines were lost: the log could not be written in time\n",
                     "SYSTEM", hms, out.lost);
    out.lost = 0;
    out.appended += sizeof(struct log_record) + (size_t)n;
    batch_add(&out.filling, LOG_ERRORS, log_ymd(now), sv_n(text, (size_t)n));
}

/* Without the lock. *done grows with each piece; 0, -EPIPE and the like, or E_CANCELLED when the
 * thread is to end and the reader does not read. */
static int write_batch(int fd, const char *p, size_t n)
{
    int idle_ms = 0;
    while (n > 0) {
        ssize_t r = write(fd, p, MIN(n, (size_t)BATCH_BYTES));
        if (r < 0 && errno != EAGAIN && errno != EINTR)
            return -errno;
        pthread_mutex_lock(&out.lock);
        if (r > 0) {
            out.in_flight -= (size_t)r;
            out.handed += (uint64_t)r;
            out.stuck = false;
            tell_moved();
        }
        bool stop = out.stop;
        pthread_mutex_unlock(&out.lock);
        if (r > 0) {
            p += r;
            n -= (size_t)r;
            idle_ms = 0;
            continue;
        }
        if (stop && idle_ms >= STOP_MS)
            return E_CANCELLED;
        struct pollfd pfd = { .fd = fd, .events = POLLOUT };
        if (poll(&pfd, 1, POLL_MS) == 0)
            idle_ms += POLL_MS;
    }
    return 0;
}

/* Called with the lock, which is released while it writes. */
static void hand_over(struct batch *spare)
{
    report_lost();
    struct batch b = out.filling;
    int fd = out.fd;
    out.filling = *spare;
    out.in_flight = b.n;
    pthread_mutex_unlock(&out.lock);
    int r = fd < 0 ? -EPIPE : write_batch(fd, b.p, b.n);
    pthread_mutex_lock(&out.lock);
    if (r < 0) {
        /* A record cut in two is no loss here: the pipe is of no more use. */
        size_t rest = out.in_flight;
        ctr_add(CTR_log_lines_lost, count_records(b.p, b.n));
        out.handed += rest;
        out.in_flight = 0;
        if (out.fd == fd && fd >= 0) {
            close(fd);
            out.fd = -1;
        }
        tell_moved();
    }
    if (b.cap > KEEP_BYTES || (b.cap > BATCH_BYTES && b.n < b.cap / MOSTLY_EMPTY)) {
        free(b.p);
        b = (struct batch){ 0 };
    }
    b.n = 0;
    *spare = b;
}

static bool no_batch(const struct batch *b)
{
    return b->n == 0 && b->cap == 0;
}

/* Called with the lock, which is released meanwhile. A burst lets both buffers grow. */
static void free_buffers(struct batch *spare)
{
    struct batch b = out.filling, s = *spare;
    out.filling = *spare = (struct batch){ 0 };
    pthread_mutex_unlock(&out.lock);
    free(b.p);
    free(s.p);
    if (b.cap + s.cap >= TRIM_BYTES)
        malloc_trim(0);
    pthread_mutex_lock(&out.lock);
}

/* Called with the lock: until there is a line, or the end. */
static void wait_for_lines(struct batch *spare)
{
    struct timespec t = deadline_in(IDLE_MS);
    while (out.filling.n == 0 && !out.stop) {
        if (no_batch(&out.filling) && no_batch(spare))
            pthread_cond_wait(&out.data, &out.lock);
        else if (!deadline_wait(&out.data, &out.lock, &t) && out.filling.n == 0)
            free_buffers(spare);
    }
}

static void *flusher(void *arg)
{
    (void)arg;
    os_thread_name("log");
    struct batch spare = { 0 };
    pthread_mutex_lock(&out.lock);
    for (;;) {
        wait_for_lines(&spare);
        if (out.filling.n == 0)
            break;
        struct timespec t = deadline_in(BATCH_MS);
        while (out.filling.n < BATCH_BYTES && !out.urgent && !out.stop)
            if (!deadline_wait(&out.data, &out.lock, &t))
                break;
        out.urgent = false;
        hand_over(&spare);
    }
    pthread_mutex_unlock(&out.lock);
    free(spare.p);
    return NULL;
}

static void start_flusher(void)
{
    /* A closed pipe is an error of write(), never a signal; other signals are for the main thread.
     */
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int e = pthread_create(&out.thread, NULL, flusher, NULL);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (e)
        panic("cannot start the log thread: %s", err_name(-e));
    out.running = true;
}

void log_attach(int pipe_fd)
{
    if (pipe_fd < 0) {
        log_detach();
        return;
    }
    log_flush();
    (void)os_set_nonblock(pipe_fd, true);
    pthread_mutex_lock(&out.lock);
    int old = out.fd;
    out.fd = pipe_fd;
    out.stuck = false;
    /* The flusher may be writing to the old one: it is closed when that is over. */
    while (out.in_flight > 0)
        pthread_cond_wait(&out.moved, &out.lock);
    if (old >= 0)
        close(old);
    if (!out.running)
        start_flusher();
    pthread_mutex_unlock(&out.lock);
}

void log_flush(void)
{
    struct timespec t = deadline_in(FLUSH_MS);
    pthread_mutex_lock(&out.lock);
    uint64_t target = out.appended;
    while (out.running && out.handed < target) {
        out.urgent = true;
        pthread_cond_signal(&out.data);
        if (!deadline_wait(&out.moved, &out.lock, &t))
            break;
    }
    pthread_mutex_unlock(&out.lock);
}

void log_detach(void)
{
    pthread_mutex_lock(&out.lock);
    bool running = out.running;
    out.stop = true;
    pthread_cond_signal(&out.data);
    pthread_mutex_unlock(&out.lock);
    if (running)
        pthread_join(out.thread, NULL);
    pthread_mutex_lock(&out.lock);
    if (out.fd >= 0)
        close(out.fd);
    out.fd = -1;
    out.running = out.stop = out.urgent = out.stuck = false;
    free(out.filling.p);
    out.filling = (struct batch){ 0 };
    out.handed = out.appended;
    pthread_mutex_unlock(&out.lock);
}

void log_test_capture(struct buf *b)
{
    pthread_mutex_lock(&out.lock);
    out.capture = b;
    pthread_mutex_unlock(&out.lock);
}
