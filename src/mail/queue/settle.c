/* The deliverers' side: taking what is due, recording what became of it. */
#include "base/clock.h"
#include "conf/conf.h"
#include "event/event.h"
#include "mail/queue/queue_priv.h"

#include <time.h>

enum {
    SETTLE_MAX = 64,        /* records written at once */
    WAIT_MAX_MS = 500,      /* a test's clock may jump */
    UNREADABLE_MS = 600000, /* next try when the content cannot be read back */
    MAX_STATE = 64 * 1024 * 1024,
};

/* --- taking --- */

static void move_due(struct queue *q, enum rcpt_kind kind)
{
    struct heap *h = &q->later[kind];
    int64_t now = clock_wall_ms();
    while (h->n && h->p[0]->due[kind] <= now)
        sched_place(q, h->p[0]);
}

static void wait_for_work(struct queue *q, enum rcpt_kind kind)
{
    struct heap *h = &q->later[kind];
    if (!h->n) {
        pthread_cond_wait(&q->take[kind], &q->lock);
        return;
    }
    int64_t ms = MAX(1, MIN(h->p[0]->due[kind] - clock_wall_ms(), (int64_t)WAIT_MAX_MS));
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    ts.tv_nsec += ms % 1000 * 1000000;
    ts.tv_sec += ms / 1000 + ts.tv_nsec / 1000000000;
    ts.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&q->take[kind], &q->lock, &ts);
}

/* Reads dropped content back. The item is active: its records stay while a reader is in the
 * segment. */
static int load(struct queue *q, struct item *it)
{
    struct message *m = it->m;
    if (m->content.p || it->in_file)
        return 0;
    size_t n = it->content.len - it->content_at;
    char *p = xmalloc(n + 1);
    int r = journal_read(&q->journal, &it->content, it->content_at, p, n);
    if (r < 0) {
        free(p);
        return r;
    }
    m->content_mem = p;
    m->content = sv_n(p, n);
    it->counted = n;
    q->mem_used += n;
    return 0;
}

static void use_file(struct queue *q, struct item *it)
{
    if (!it->in_file || it->m->content.p)
        return;
    char path[4096];
    spool_path(q, it->m->item, ".tms", path);
    message_set(&it->m->spool_path, sv_c(path));
}

static bool take_one(struct queue *q, struct item *it, enum rcpt_kind kind)
{
    sched_remove(q, it);
    it->active = true;
    q->n_active[kind]++;
    use_file(q, it);
    int r = load(q, it);
    if (r >= 0) {
        it->m->next_try_ms = 0;
        return true;
    }
    log_error("Queue: content of %s cannot be read back: %s", it->m->item, err_name(r));
    it->active = false;
    q->n_active[kind]--;
    it->due[kind] = clock_wall_ms() + UNREADABLE_MS;
    sched_place(q, it);
    return false;
}

size_t queue_take(struct queue *q, enum rcpt_kind kind, struct message **ret, size_t max)
{
    size_t n = 0;
    pthread_mutex_lock(&q->lock);
    while (!q->stopping) {
        move_due(q, kind);
        while (n < max && !list_empty(&q->ready[kind])) {
            struct item *it = container_of(q->ready[kind].next, struct item, ready);
            if (take_one(q, it, kind))
                ret[n++] = message_ref(it->m);
        }
        if (n)
            break;
        wait_for_work(q, kind);
    }
    pthread_mutex_unlock(&q->lock);
    return n;
}

void queue_give_back(struct queue *q, struct message *m, enum rcpt_kind kind)
{
    pthread_mutex_lock(&q->lock);
    struct item *it = m->queue_data;
    it->active = false;
    q->n_active[kind]--;
    sched_place(q, it);
    pthread_cond_broadcast(&q->idle);
    pthread_mutex_unlock(&q->lock);
    message_unref(m);
}

void queue_pause(struct queue *q, struct message *m)
{
    pthread_mutex_lock(&q->lock);
    item_drop_content(q, m->queue_data);
    pthread_mutex_unlock(&q->lock);
}

int queue_resume(struct queue *q, struct message *m)
{
    pthread_mutex_lock(&q->lock);
    use_file(q, m->queue_data);
    int r = load(q, m->queue_data);
    pthread_mutex_unlock(&q->lock);
    return r;
}

/* --- settling --- */

struct settlement {
    struct item *it;
    struct jwrite w;
    struct buf bytes;
    bool done;
};

static void tell_waiting(const struct message *m, enum rcpt_kind kind)
{
    struct logctx c = { .type = LOG_MAILFLOW, .message = m->key, .message_id = m->id };
    event(queue_waiting, &c, F_INT(attempts, m->attempts), F_TIME(next_try, m->next_try_ms),
          F_INT(waiting, message_waiting(m, kind)));
}

static void prepare(struct settlement *s, struct message *m, enum rcpt_kind kind)
{
    struct item *it = m->queue_data;
    s->it = it;
    s->done = !message_waiting(m, RCPT_LOCAL) && !message_waiting(m, RCPT_REMOTE);
    if (message_waiting(m, kind)) { /* deferred */
        m->attempts++;
        if (!m->next_try_ms)
            m->next_try_ms = clock_wall_ms() + sched_retry_delay(m->attempts);
        tell_waiting(m, kind);
    } else {
        m->next_try_ms = 0;
    }
    buf_init(&s->bytes, MAX_STATE);
    if (s->done)
        for (size_t i = 0; i < m->n_rcpts; i++)
            (void)buf_add_c(&s->bytes, (char)m->rcpts[i].state);
    else
        (void)message_envelope_encode(m, &s->bytes); /* was accepted at this size: fits */
    s->w = (struct jwrite){
        .type = s->done ? REC_DONE : REC_STATE,
        .key = m->key,
        .aux = it->version + 1,
        .payload = { buf_sv(&s->bytes), SV_NULL },
        .ent = s->done ? &it->done : &it->state[it->cur ^ 1],
    };
    jwrite_prepare(&s->w);
}

/* A mail that left for another server must not leave twice: that is waited for. */
static int write_all(struct queue *q, struct settlement *s, size_t n, bool sync)
{
    struct jwrite *list[SETTLE_MAX];
    int r = 0;
    for (size_t i = 0; i < n && sync && r >= 0; i++)
        r = journal_commit(&q->journal, &s[i].w);
    if (sync)
        return r;
    for (size_t i = 0; i < n; i++)
        list[i] = &s[i].w;
    return journal_write(&q->journal, list, n);
}

static void record(struct queue *q, struct settlement *s, size_t n, bool sync)
{
    int r = write_all(q, s, n, sync);
    if (r < 0) { /* the segment is bad; the next one takes all again, twice is harmless */
        for (size_t i = 0; i < n; i++) {
            jent_drop(s[i].w.ent);
            jwrite_prepare(&s[i].w);
        }
        r = write_all(q, s, n, sync);
    }
    if (r < 0)
        log_error(
            "Queue: %zu results of delivery could not be recorded (%s): after a restart these "
            "messages are delivered again, the first is %s",
            n, err_name(r), s[0].it->m->id);
}

static void finish(struct queue *q, struct item *it)
{
    item_remove_files(q, it, it->has_local);
    it->m->queue_data = NULL;
    item_forget(q, it);
}

static void apply(struct queue *q, struct settlement *s, enum rcpt_kind kind)
{
    struct item *it = s->it;
    it->active = false;
    q->n_active[kind]--;
    if (kind == RCPT_LOCAL && q->unmarked++ == 0) {
        q->unmarked_since = clock_mono_ms();
        pthread_cond_signal(&q->work);
    }
    if (s->done) {
        finish(q, it);
        return;
    }
    if (s->w.ent->seg) {
        jent_drop(&it->state[it->cur]);
        it->cur ^= 1;
    }
    it->version++;
    item_refresh(it);
    it->due[kind] = it->m->next_try_ms;
    if (it->waiting[kind])
        item_drop_content(q, it);
    sched_place(q, it);
}

static void settle_some(struct queue *q, struct message **m, size_t n, enum rcpt_kind kind)
{
    struct settlement s[SETTLE_MAX];
    for (size_t i = 0; i < n; i++)
        prepare(&s[i], m[i], kind);
    pthread_mutex_lock(&q->lock);
    record(q, s, n, kind == RCPT_REMOTE);
    for (size_t i = 0; i < n; i++)
        apply(q, &s[i], kind);
    pthread_cond_broadcast(&q->idle);
    pthread_mutex_unlock(&q->lock);
    for (size_t i = 0; i < n; i++) {
        buf_done(&s[i].bytes);
        message_unref(m[i]);
    }
}

void queue_settle_all(struct queue *q, struct message **m, size_t n, enum rcpt_kind kind)
{
    for (size_t i = 0; i < n; i += SETTLE_MAX)
        settle_some(q, m + i, MIN(n - i, (size_t)SETTLE_MAX), kind);
}

void queue_settle(struct queue *q, struct message *m, enum rcpt_kind kind)
{
    queue_settle_all(q, &m, 1, kind);
}

bool queue_expired(struct queue *q, const struct message *m)
{
    (void)q;
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    int64_t life = m->bounce ? cf->queue.bounce_lifetime : cf->queue.lifetime;
    return clock_wall_ms() - m->received_ms >= life;
}

void queue_idle_wait(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    while (!list_empty(&q->ready[RCPT_LOCAL]) || q->n_active[RCPT_LOCAL])
        pthread_cond_wait(&q->idle, &q->lock);
    pthread_mutex_unlock(&q->lock);
}
