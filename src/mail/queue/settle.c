/* The deliverers' side: taking what is due, recording what became of it. */
#include "base/clock.h"
#include "conf/conf.h"
#include "conf/routes.h"
#include "event/event.h"
#include "mail/queue/queue_priv.h"

enum {
    SETTLE_MAX = 64,        /* records written at once */
    UNREADABLE_MS = 600000, /* next try when the content cannot be read back */
    MAX_STATE = 64 * 1024 * 1024,
};

/* --- taking --- */

/* Reads dropped content back. The item is active: its records stay while a reader is in the
 * segment. */
static int load(struct queue *q, struct item *it)
{
    struct message *m = it->m;
    if (m->content.p || it->in_file)
        return 0;
    const struct records *rec = it->records;
    size_t n = rec->content.len - rec->content_at;
    char *p = xmalloc(n + 1);
    int r = journal_read(&q->journal, &rec->content, rec->content_at, p, n);
    if (r < 0) {
        free(p);
        return r;
    }
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

static void put_off(struct item *it, enum rcpt_kind kind, int64_t due)
{
    for (size_t i = 0; i < it->m->n_rcpts; i++)
        if (it->m->rcpts[i].kind == kind)
            it->m->rcpts[i].due_ms = due;
}

/* Who is told that a message waits is told why. */
static void give_reasons(const struct queue *q, struct message *m)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    char key[DEST_KEY];
    struct dest_info d;
    for (size_t i = 0; i < m->n_rcpts; i++) {
        struct rcpt *r = &m->rcpts[i];
        if (r->kind != RCPT_REMOTE || r->state != RCPT_WAITING || *r->answer)
            continue;
        sched_destination(q, cf, r->address, key);
        if (dests_info(q->dests, sv_c(key), &d) && *d.answer)
            message_set(&r->answer, sv_c(d.answer));
    }
}

static void finish(struct queue *q, struct item *it)
{
    item_remove_files(q, it, it->has_local);
    it->m->queue_data = NULL;
    item_forget(q, it);
}

/* Untouched. The path is as long as the rest of a message's names. Ret: what is to be told. */
static struct order *take_back(struct queue *q, struct item *it, enum rcpt_kind kind)
{
    struct order *o = order_close_locked(q, it);
    atomic_store(&it->hands, HANDS_FREE);
    item_got_back(it);
    item_trim(it);
    message_set(&it->m->spool_path, SV(""));
    q->n_active[kind]--;
    sched_leave(q, &it->at);
    if (o)
        item_refresh(it);
    if (o && !it->waiting[RCPT_LOCAL] && !it->waiting[RCPT_REMOTE])
        finish(q, it);
    else
        sched_place(q, it);
    pthread_cond_broadcast(&q->idle);
    return o;
}

bool settle_take(struct queue *q, struct item *it, enum rcpt_kind kind)
{
    sched_remove(q, it);
    item_lend(it);
    totals_note(q, it);
    (void)item_records(it); /* for the result */
    it->urgent = false;
    q->n_active[kind]++;
    use_file(q, it);
    int r = load(q, it);
    if (r >= 0) {
        struct message *m = it->m;
        m->next_try_ms = 0;
        for (size_t i = 0; i < m->n_rcpts; i++)
            m->rcpts[i].skipped = false;
        return true;
    }
    log_error("Queue: content of %s cannot be read back: %s", it->m->item, err_name(r));
    put_off(it, kind, clock_wall_ms() + UNREADABLE_MS);
    struct message *m = message_ref(it->m);
    struct order *o = take_back(q, it, kind);
    pthread_mutex_unlock(&q->lock);
    order_tell(o, m);
    message_unref(m);
    pthread_mutex_lock(&q->lock);
    return false;
}

size_t queue_take(struct queue *q, enum rcpt_kind kind, struct message **ret, size_t max)
{
    size_t n = 0;
    pthread_mutex_lock(&q->lock);
    while (!q->stopping) {
        struct item *it;
        sched_move_due(q, kind);
        if (kind == RCPT_REMOTE)
            sched_tell_untold(q);
        while (n < max && (it = sched_next(q, kind)))
            if (settle_take(q, it, kind)) {
                if (kind == RCPT_REMOTE && !it->at.dest)
                    give_reasons(q, it->m);
                ret[n++] = message_ref(it->m);
            }
        if (n)
            break;
        takers_wait(&q->takers[kind], &q->lock, sched_wake(q, kind));
    }
    takers_relieve(&q->takers[kind]);
    if (kind == RCPT_REMOTE) /* for the next one */
        sched_wake_remote(q);
    else if (!list_empty(&q->ready))
        takers_wake(&q->takers[kind]);
    pthread_mutex_unlock(&q->lock);
    return n;
}

void queue_give_back(struct queue *q, struct message *m, enum rcpt_kind kind)
{
    pthread_mutex_lock(&q->lock);
    struct order *o = take_back(q, m->queue_data, kind);
    pthread_mutex_unlock(&q->lock);
    order_tell(o, m);
    message_unref(m);
}

/* --- destinations --- */

bool queue_where(struct queue *q, const struct message *m, char ret[300])
{
    pthread_mutex_lock(&q->lock);
    const struct item *it = m->queue_data;
    bool held = it->at.dest;
    snprintf(ret, 300, "%s", dests_key(&it->at));
    pthread_mutex_unlock(&q->lock);
    return held;
}

bool queue_first_contact(struct queue *q, const struct message *m)
{
    pthread_mutex_lock(&q->lock);
    const struct item *it = m->queue_data;
    bool first = dests_first_contact(&it->at);
    pthread_mutex_unlock(&q->lock);
    return first;
}

void queue_tell(struct queue *q, struct message *m, enum queue_peer what, const char *answer)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    struct dest_policy pol = sched_policy(cf);
    pthread_mutex_lock(&q->lock);
    struct item *it = m->queue_data;
    dests_tell(q->dests, &pol, clock_wall_ms(), &it->at,
               what == QUEUE_PEER_ANSWERED ? PEER_ANSWERED : PEER_FAILED, answer);
    if (what == QUEUE_PEER_FAILED && dests_rests(&it->at))
        sched_rests(q, &it->at);
    sched_wake_remote(q);
    pthread_mutex_unlock(&q->lock);
}

static bool enter_next(struct queue *q, struct item *it, const bool *tried)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    struct dest_policy pol = sched_policy(cf);
    int64_t now = clock_wall_ms();
    char key[DEST_KEY];
    sched_leave(q, &it->at);
    for (size_t i = 0; i < it->m->n_rcpts; i++) {
        const struct rcpt *r = &it->m->rcpts[i];
        if (r->kind != RCPT_REMOTE || r->state != RCPT_WAITING || tried[i] || r->due_ms > now)
            continue;
        sched_destination(q, cf, r->address, key);
        if (dests_enter(q->dests, &pol, sv_c(key), &it->at))
            return true;
    }
    return false;
}

bool queue_go_on(struct queue *q, struct message *m, const bool *tried)
{
    pthread_mutex_lock(&q->lock);
    const struct item *it = m->queue_data;
    bool found = !q->stopping && !order_action(it) && enter_next(q, m->queue_data, tried);
    pthread_mutex_unlock(&q->lock);
    return found;
}

/* --- settling --- */

struct settlement {
    struct item *it;
    struct jwrite w;
    struct buf bytes;
    struct order *order; /* of an administrator, meanwhile; NULL = none */
    bool done;
};

static void tell_waiting(const struct message *m, enum rcpt_kind kind)
{
    struct logctx c = { .type = LOG_MAILFLOW, .message = m->key, .message_id = m->id };
    event(queue_waiting, &c, F_INT(attempts, m->attempts), F_TIME(next_try, m->next_try_ms),
          F_INT(waiting, message_waiting(m, kind)));
}

/* Some recipient waits though an attempt was made. */
static bool was_tried(const struct message *m, enum rcpt_kind kind)
{
    for (size_t i = 0; i < m->n_rcpts; i++)
        if (m->rcpts[i].kind == kind && m->rcpts[i].state == RCPT_WAITING && !m->rcpts[i].skipped)
            return true;
    return false;
}

static void set_due(struct message *m, enum rcpt_kind kind)
{
    for (size_t i = 0; i < m->n_rcpts; i++)
        if (m->rcpts[i].kind == kind && !m->rcpts[i].skipped)
            m->rcpts[i].due_ms = m->next_try_ms;
}

/* Of the first recipient; 0 = now, or none waits. */
static int64_t next_due(const struct message *m, enum rcpt_kind kind)
{
    int64_t due = INT64_MAX;
    for (size_t i = 0; i < m->n_rcpts; i++)
        if (m->rcpts[i].kind == kind && m->rcpts[i].state == RCPT_WAITING)
            due = MIN(due, m->rcpts[i].due_ms);
    return due == INT64_MAX ? 0 : due;
}

static void prepare(struct queue *q, struct settlement *s, struct message *m, enum rcpt_kind kind)
{
    struct item *it = m->queue_data;
    s->it = it;
    s->order = order_close(q, it);
    struct records *rec = it->records;
    s->done = !message_waiting(m, RCPT_LOCAL) && !message_waiting(m, RCPT_REMOTE);
    if (was_tried(m, kind)) { /* deferred */
        m->attempts++;
        if (!m->next_try_ms)
            m->next_try_ms = clock_wall_ms() + sched_retry_delay(m->attempts);
        set_due(m, kind);
        tell_waiting(m, kind);
    }
    m->next_try_ms = next_due(m, kind);
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
        .ent = s->done ? &rec->done : &rec->state[rec->cur ^ 1],
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

/* An answer of the other side keeps its destination going. */
static void apply(struct queue *q, struct settlement *s, enum rcpt_kind kind, struct place *ret_at)
{
    struct item *it = s->it;
    *ret_at = it->at;
    it->at.dest = NULL;
    item_got_back(it);
    atomic_store(&it->hands, HANDS_FREE);
    q->n_active[kind]--;
    if (kind == RCPT_LOCAL && q->unmarked++ == 0) {
        q->unmarked_since = clock_mono_ms();
        pthread_cond_signal(&q->work);
    }
    if (s->done) {
        finish(q, it);
        return;
    }
    message_set(&it->m->spool_path, SV(""));
    struct records *rec = it->records;
    if (s->w.ent->seg) {
        jent_drop(&rec->state[rec->cur]);
        rec->cur ^= 1;
        children_recorded(it);
    }
    item_trim(it);
    it->version++;
    item_refresh(it);
    if (it->waiting[kind])
        item_drop_content(q, it);
    it->return_failed = it->m->returning && !order_returned(s->order);
    sched_place(q, it);
}

/* The next message for the destination, whose place goes over to it. */
static struct message *next_at(struct queue *q, struct place *at)
{
    struct waiter *w = q->stopping ? NULL : dests_next(q->dests, at);
    if (w) {
        struct item *it = container_of(w, struct item, wait);
        it->at = *at;
        at->dest = NULL; /* settle_take leaves it when the message cannot be read */
        return settle_take(q, it, RCPT_REMOTE) ? message_ref(it->m) : NULL;
    }
    return NULL;
}

/* ret_next: wanted, for one message of another server; NULL = not. */
static void settle_some(struct queue *q, struct message **m, size_t n, enum rcpt_kind kind,
                        struct message **ret_next)
{
    struct settlement s[SETTLE_MAX];
    struct place at;
    for (size_t i = 0; i < n; i++)
        prepare(q, &s[i], m[i], kind);
    pthread_mutex_lock(&q->lock);
    record(q, s, n, kind == RCPT_REMOTE);
    for (size_t i = 0; i < n; i++) {
        apply(q, &s[i], kind, &at);
        if (ret_next)
            *ret_next = next_at(q, &at);
        sched_leave(q, &at);
    }
    pthread_cond_broadcast(&q->idle);
    pthread_mutex_unlock(&q->lock);
    for (size_t i = 0; i < n; i++) {
        buf_done(&s[i].bytes);
        order_tell(s[i].order, m[i]);
        message_unref(m[i]);
    }
}

void queue_settle_all(struct queue *q, struct message **m, size_t n, enum rcpt_kind kind)
{
    for (size_t i = 0; i < n; i += SETTLE_MAX)
        settle_some(q, m + i, MIN(n - i, (size_t)SETTLE_MAX), kind, NULL);
}

void queue_settle(struct queue *q, struct message *m, enum rcpt_kind kind)
{
    queue_settle_all(q, &m, 1, kind);
}

struct message *queue_settle_next(struct queue *q, struct message *m)
{
    struct message *next = NULL;
    settle_some(q, &m, 1, RCPT_REMOTE, &next);
    return next;
}

static int64_t lifetime_for(const struct conf *cf, const struct rcpt *r)
{
    ssize_t at = sv_rfind(sv_c(r->address), '@');
    bool backup = r->kind == RCPT_REMOTE && at >= 0 &&
                  conf_backup_find(cf, sv_skip(sv_c(r->address), (size_t)at + 1));
    return backup ? cf->queue.backup_lifetime : cf->queue.lifetime;
}

int64_t queue_lifetime(const struct conf *cf, const struct message *m, const struct rcpt *rcpt)
{
    int64_t first = INT64_MAX;
    if (m->bounce)
        return cf->queue.bounce_lifetime;
    if (rcpt)
        return lifetime_for(cf, rcpt);
    if (!cf->backups || !cf->backups->n)
        return cf->queue.lifetime;
    for (size_t i = 0; i < m->n_rcpts && first > cf->queue.lifetime; i++)
        if (m->rcpts[i].state == RCPT_WAITING && m->rcpts[i].kind != RCPT_DISCARD)
            first = MIN(first, lifetime_for(cf, &m->rcpts[i]));
    return first == INT64_MAX ? cf->queue.lifetime : first;
}

bool queue_expired(struct queue *q, const struct message *m, const struct rcpt *rcpt)
{
    (void)q;
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    return clock_wall_ms() - m->received_ms >= queue_lifetime(cf, m, rcpt);
}

void queue_idle_wait(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    while (!list_empty(&q->ready) || q->n_active[RCPT_LOCAL])
        pthread_cond_wait(&q->idle, &q->lock);
    pthread_mutex_unlock(&q->lock);
}
