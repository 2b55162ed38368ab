/* From the call in a handler to the ring, and the thread that writes the ring to the store. The
 * room's one global lives here. */
#include "event/event.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/deadline.h"
#include "event/emit_priv.h"
#include "event/share.h"
#include "event/store.h"
#include "event/text.h"
#include "os/proc.h"

enum {
    BATCH_BYTES = 64 * 1024,
    BATCH_MAX = 256 * 1024,
    BATCH_MS = 50,
    BLOCK_MS = 50,   /* what an event waits for room */
    RETRY_MS = 1000, /* after a failure to write */
    FLUSH_MS = 5000,
    QUIET_MS = 3000, /* then memory is given back */
    STACK = 128 * 1024,
};

static struct {
    pthread_mutex_t lock; /* guards all below but what the flusher has for itself */
    pthread_cond_t data;  /* the flusher has something to do */
    pthread_cond_t moved; /* it has written, or given up */
    struct ring_memory memory;
    int own_fd; /* memory of nobody else, -1 */
    bool running, stop, urgent;
    bool failing; /* the last attempt to write failed */
    bool writing; /* the flusher uses the rings without the lock */
    bool stuck;   /* somebody has waited in vain: nobody waits until the flusher has moved */
    char fault[200];
    int64_t last_us;  /* time of the last record */
    int64_t quiet_ms; /* when the rings were last used, monotonic */
    uint64_t rounds;  /* attempts to write everything that there was */
    struct share share[STREAM_COUNT];
    struct store store[STREAM_COUNT]; /* the flusher's, but for `sealed` */
    pthread_t thread;
    struct buf *capture;
} out = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .data = PTHREAD_COND_INITIALIZER,
    .moved = PTHREAD_COND_INITIALIZER,
    .own_fd = -1,
};
static atomic_bool enabled = true;

static const enum counter done_counter[STREAM_COUNT] = { CTR_events_emitted, CTR_transcript_lines };
static const enum counter lost_counter[STREAM_COUNT] = { CTR_events_lost,
                                                         CTR_transcript_lines_lost };
static const enum counter over_counter[STREAM_COUNT] = { CTR_events_over_share,
                                                         CTR_transcript_lines_over_share };

/* --- putting --- */

/* Locked. While nothing can be written, or too slowly, waiting would only stop the mail too. */
static bool wait_for_room(const struct ring *r, size_t n)
{
    struct timespec t = deadline_in(BLOCK_MS);
    while (!ring_fits(r, n) && out.running && !out.failing && !out.stuck) {
        out.urgent = true;
        pthread_cond_signal(&out.data);
        if (!deadline_wait(&out.moved, &out.lock, &t))
            out.stuck = true;
    }
    return ring_fits(r, n);
}

/* Locked. A clock that is set back is followed; only the microseconds between two threads are
 * straightened. */
static int64_t next_time(void)
{
    int64_t now = clock_wall_us();
    if (now < out.last_us && out.last_us - now < 1000000)
        now = out.last_us;
    return out.last_us = now;
}

/* Locked. parts[0] is the head. */
static void put_locked(int stream, struct event_head *h, const struct iovec *parts, int n)
{
    struct ring *r = &out.memory.ring[stream];
    size_t room = h->size;
    if (!ring_fits(r, room) && !wait_for_room(r, room)) {
        atomic_fetch_add(&r->s->lost, 1);
        ctr_inc(lost_counter[stream]);
        return;
    }
    uint64_t before = ring_used(r);
    h->time_us = next_time();
    ring_put(r, parts, n);
    ctr_inc(done_counter[stream]);
    if (before == 0 || (before < BATCH_BYTES && before + room >= BATCH_BYTES))
        pthread_cond_signal(&out.data);
}

/* Of a message that a stranger brings all is kept that is no refusal: it is needed to find it. */
static bool may_go(int stream, const struct event_head *h)
{
    return stream == STREAM_TRANSCRIPTS || !h->message || event_defs[h->type].severity != SEV_INFO;
}

/* Locked. */
static bool in_share(int stream, const struct logctx *c, const struct event_head *h,
                     bool *ret_first)
{
    uint32_t day = (uint32_t)(clock_wall_s() / 86400);
    return share_take(&out.share[stream], c, h->size, day, ret_first) || !may_go(stream, h);
}

/* True: of this peer no more is kept today, beginning with this. */
static bool put(int stream, const struct logctx *c, struct event_head *h, const struct iovec *parts,
                int n)
{
    bool first = false;
    pthread_mutex_lock(&out.lock);
    if (!in_share(stream, c, h, &first))
        ctr_inc(over_counter[stream]);
    else if (out.memory.map)
        put_locked(stream, h, parts, n);
    if (out.capture && stream == STREAM_EVENTS)
        for (int i = 0; i < n; i++)
            buf_add(out.capture, parts[i].iov_base, parts[i].iov_len);
    pthread_mutex_unlock(&out.lock);
    return first;
}

static void write_line(const struct event_def *d, const struct logctx *c,
                       const struct event_arg *args, size_t n)
{
    enum log_type t = d->log < 0 ? c->type : (enum log_type)d->log;
    struct buf b;
    if (d->level == LOG_NONE || !log_type_wanted(c, t, (enum log_level)d->level))
        return;
    buf_init(&b, 1 * MiB);
    text_line(&b, d->text, c, args, n);
    log_write(c, t, (enum log_level)d->level, buf_sv(&b));
    buf_done(&b);
}

static void tell_share(int stream, const struct logctx *c);

static void keep(enum event_type type, const struct logctx *c, const struct event_arg *args,
                 size_t n)
{
    _Alignas(8) unsigned char record[RECORD_EVENT_MAX];
    struct event_head h;
    if (!atomic_load_explicit(&enabled, memory_order_relaxed))
        return;
    size_t size = record_encode(type, c, args, n, record);
    memcpy(&h, record, sizeof(h));
    struct iovec parts[2] = { { &h, sizeof(h) }, { record + sizeof(h), size - sizeof(h) } };
    if (put(STREAM_EVENTS, c, &h, parts, 2))
        tell_share(STREAM_EVENTS, c);
}

/* Without a source it is nobody's share. */
static void tell_share(int stream, const struct logctx *c)
{
    struct logctx of = { .type = c->type, .service = c->service, .session = c->session };
    event_emit(EVT_events_capped, &of,
               (const struct event_arg[]){
                   F_IP(peer, c->source),
                   F_STR(what, stream == STREAM_EVENTS ? "events" : "transcripts") },
               2);
}

void event_emit(enum event_type type, const struct logctx *c, const struct event_arg *args,
                size_t n)
{
    const struct event_def *d = &event_defs[type];
    if (d->counter >= 0)
        ctr_inc((enum counter)d->counter);
    write_line(d, c, args, n);
    keep(type, c, args, n);
}

/* --- lines of sessions, and errors of all rooms --- */

static void on_transcript(const struct logctx *c, enum log_direction d, struct sv text)
{
    static const char zeros[8];
    static const enum transcript_type types[] = { TRANSCRIPT_IN, TRANSCRIPT_OUT, TRANSCRIPT_NOTE };
    struct event_head h;
    uint32_t n;
    if (!atomic_load_explicit(&enabled, memory_order_relaxed))
        return;
    record_transcript(types[d], c, text, &h, &n);
    struct iovec parts[4] = {
        { &h, sizeof(h) },
        { &n, sizeof(n) },
        { (void *)(uintptr_t)text.p, n },
        { (void *)(uintptr_t)zeros, h.size - sizeof(h) - sizeof(n) - n },
    };
    if (put(STREAM_TRANSCRIPTS, c, &h, parts, 4))
        tell_share(STREAM_TRANSCRIPTS, c);
}

static void on_general(const struct logctx *c, bool error, struct sv text)
{
    const struct event_arg args[] = { F_STR(text, text) };
    keep(error ? EVT_server_error : EVT_server_warning, c, args, ARRAY_LEN(args));
}

/* --- writing --- */

static bool all_empty(void)
{
    for (int i = 0; i < STREAM_COUNT; i++)
        if (ring_used(&out.memory.ring[i]))
            return false;
    return true;
}

static bool is_batch(void)
{
    for (int i = 0; i < STREAM_COUNT; i++)
        if (ring_used(&out.memory.ring[i]) >= BATCH_BYTES)
            return true;
    return false;
}

/* Locked: an event about those that are missing, once it can be written again. */
static void report_lost(void)
{
    uint64_t lost[STREAM_COUNT];
    unsigned char record[RECORD_EVENT_MAX];
    struct event_head h;
    for (int i = 0; i < STREAM_COUNT; i++)
        lost[i] = atomic_load(&out.memory.ring[i].s->lost);
    if (!lost[STREAM_EVENTS] && !lost[STREAM_TRANSCRIPTS])
        return;
    const struct event_arg args[] = {
        F_INT(count, lost[STREAM_EVENTS]),
        F_INT(transcripts, lost[STREAM_TRANSCRIPTS]),
        F_STR(reason, *out.fault ? out.fault : "they came faster than they could be written"),
    };
    size_t size = record_encode(EVT_events_lost, log_here(), args, ARRAY_LEN(args), record);
    if (!ring_fits(&out.memory.ring[STREAM_EVENTS], size))
        return;
    memcpy(&h, record, sizeof(h));
    struct iovec parts[2] = { { &h, sizeof(h) }, { record + sizeof(h), size - sizeof(h) } };
    put_locked(STREAM_EVENTS, &h, parts, 2);
    for (int i = 0; i < STREAM_COUNT; i++)
        atomic_fetch_sub(&out.memory.ring[i].s->lost, lost[i]);
    out.fault[0] = '\0';
}

/* Locked; not while it writes. */
static void write_round(void)
{
    struct errinfo ei = { 0 };
    int r = 1;
    out.writing = true;
    pthread_mutex_unlock(&out.lock);
    for (int i = 0; i < STREAM_COUNT && r >= 0; i++)
        r = store_flush(&out.store[i], &out.memory.ring[i], BATCH_MAX, &ei);
    pthread_mutex_lock(&out.lock);
    out.writing = out.stuck = false;
    out.failing = r < 0;
    if (r < 0)
        (void)sv_copy(out.fault, sizeof(out.fault), sv_c(ei.text));
    else
        report_lost();
    out.quiet_ms = clock_mono_ms();
    for (int i = 0; i < STREAM_COUNT; i++)
        (void)ring_rewind(&out.memory.ring[i]);
    out.rounds++;
    pthread_cond_broadcast(&out.moved);
}

static void gather(void)
{
    struct timespec t = deadline_in(out.failing ? RETRY_MS : BATCH_MS);
    while ((out.failing || !is_batch()) && !out.urgent && !out.stop)
        if (!deadline_wait(&out.data, &out.lock, &t))
            break;
    out.urgent = false;
}

static void *flusher(void *arg)
{
    (void)arg;
    os_thread_name("events");
    pthread_mutex_lock(&out.lock);
    for (;;) {
        while (all_empty() && !out.stop)
            pthread_cond_wait(&out.data, &out.lock);
        if (all_empty() || (out.stop && out.failing))
            break;
        gather();
        write_round();
    }
    pthread_mutex_unlock(&out.lock);
    return NULL;
}

static int start_flusher(struct errinfo *ei)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int e = os_thread_start(&out.thread, STACK, flusher, NULL);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return e ? err_set_errno(ei, -e, "cannot start the thread of events") : 0;
}

static void open_stores(const char *data_dir, enum module m, struct store *store,
                        struct ring_memory *memory)
{
    char dir[SEGMENT_PATH];
    store_dir(dir, data_dir, m);
    for (int i = 0; i < STREAM_COUNT; i++) {
        store_init(&store[i], dir, i);
        store_recover(&store[i], &memory->ring[i]);
    }
}

int event_start(const char *data_dir, enum module self, int memory_fd, struct errinfo *ei)
{
    static const struct log_hooks hooks = { on_transcript, on_general };
    struct ring_memory memory;
    int own = -1, r = memory_fd < 0 ? event_memory_new(&own, ei) : 0;
    if (r >= 0)
        r = ring_memory_map(memory_fd < 0 ? own : memory_fd, &memory, ei);
    if (r < 0) {
        closep(&own);
        return r;
    }
    open_stores(data_dir, self, out.store, &memory);
    pthread_mutex_lock(&out.lock);
    out.own_fd = own;
    out.memory = memory;
    out.stop = out.urgent = out.failing = false;
    out.running = true;
    r = start_flusher(ei);
    out.running = r == 0;
    pthread_mutex_unlock(&out.lock);
    if (r == 0) {
        upkeep_start(data_dir, self);
        log_set_hooks(&hooks);
    }
    return r;
}

void event_flush(void)
{
    struct timespec t = deadline_in(FLUSH_MS);
    pthread_mutex_lock(&out.lock);
    uint64_t used = 0;
    for (int i = 0; i < STREAM_COUNT && out.memory.map; i++)
        used = MAX(used, ring_used(&out.memory.ring[i]));
    /* What comes meanwhile is not waited for. A round under way may not see the latest. */
    uint64_t target = out.rounds + out.writing + 1 + used / (BATCH_MAX / 2);
    while (out.running && !all_empty() && out.rounds < target) {
        out.urgent = true;
        pthread_cond_signal(&out.data);
        if (!deadline_wait(&out.moved, &out.lock, &t))
            break;
    }
    pthread_mutex_unlock(&out.lock);
}

void event_stop(void)
{
    pthread_mutex_lock(&out.lock);
    bool running = out.running;
    out.stop = true;
    pthread_cond_signal(&out.data);
    pthread_mutex_unlock(&out.lock);
    if (!running)
        return;
    log_set_hooks(NULL);
    upkeep_stop();
    pthread_join(out.thread, NULL);
    pthread_mutex_lock(&out.lock);
    out.running = false;
    for (int i = 0; i < STREAM_COUNT; i++)
        store_done(&out.store[i]);
    ring_memory_unmap(&out.memory);
    closep(&out.own_fd);
    out.own_fd = -1;
    pthread_mutex_unlock(&out.lock);
}

int event_memory_new(int *ret_fd, struct errinfo *ei)
{
    return ring_memory_new(ret_fd, ei);
}

void event_drain(const char *data_dir, enum module m, int memory_fd)
{
    struct store store[STREAM_COUNT];
    struct ring_memory memory;
    if (ring_memory_map(memory_fd, &memory, NULL) < 0)
        return;
    open_stores(data_dir, m, store, &memory);
    for (int i = 0; i < STREAM_COUNT; i++) {
        while (store_flush(&store[i], &memory.ring[i], BATCH_MAX, NULL) > 0)
            ;
        store_done(&store[i]);
    }
    ring_memory_unmap(&memory);
}

void event_configure(const struct event_conf *c)
{
    atomic_store(&enabled, c->enabled);
    log_set_transcripts(c->enabled && c->transcripts);
    pthread_mutex_lock(&out.lock);
    out.share[STREAM_EVENTS].limit = share_limit(c->max_bytes, c->days, c->peer_share);
    out.share[STREAM_TRANSCRIPTS].limit =
        share_limit(c->transcript_max_bytes, c->transcript_days, c->peer_share);
    pthread_mutex_unlock(&out.lock);
    upkeep_configure(c);
}

void event_tick(void)
{
    uint32_t sealed = 0;
    pthread_mutex_lock(&out.lock);
    if (out.running && !out.writing && all_empty() && clock_mono_ms() - out.quiet_ms > QUIET_MS)
        for (int i = 0; i < STREAM_COUNT; i++)
            if (ring_rewind(&out.memory.ring[i]))
                ring_release(&out.memory.ring[i]);
    bool running = out.running;
    pthread_mutex_unlock(&out.lock);
    for (int i = 0; i < STREAM_COUNT; i++)
        sealed += atomic_load(&out.store[i].sealed);
    if (running)
        upkeep_tick(sealed);
}

void event_test_capture(struct buf *b)
{
    pthread_mutex_lock(&out.lock);
    out.capture = b;
    pthread_mutex_unlock(&out.lock);
}
