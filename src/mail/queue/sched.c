/* When and where an item is due: a list in order of arrival for local delivery, destinations for
 * what goes to other servers (dests.h), heaps of what waits for its time. Under the queue's lock.
 *
 * An item is placed for one kind of recipient at a time (local before remote) and for one
 * destination, because the message belongs to one deliverer at a time; when that deliverer is done,
 * it is placed for the next one. Of the destinations that are due the one that is open is taken. */
#include "base/clock.h"
#include "event/event.h"
#include "mail/queue/queue_priv.h"

enum { QUIET_MS = 60000 }; /* until an item is looked at again that was due for a notice */

/* --- settings --- */

static int64_t parse_wait(struct sv s)
{
    int64_t ms;
    return conf_parse_duration(sv_trim(s), &ms) == 0 ? MIN(ms, (int64_t)30 * 86400000) : -1;
}

static int64_t retry_delay(const struct conf *cf, unsigned attempts)
{
    struct sv rest = sv_c(cf->queue.retry_schedule);
    int64_t wait = 60000;
    for (unsigned i = 0; rest.p && i < MAX(attempts, 1u); i++) {
        int64_t v = parse_wait(sv_split(&rest, ';'));
        if (v >= 0)
            wait = v;
    }
    return wait;
}

int64_t sched_retry_delay(unsigned attempts)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    return retry_delay(cf, attempts);
}

static int64_t probe_delay(void *arg, unsigned failures)
{
    const struct conf *cf = arg;
    return MIN(retry_delay(cf, failures), cf->queue.destination_wait);
}

struct dest_policy sched_policy(const struct conf *cf)
{
    unsigned workers = (unsigned)cf->deliver.remote_workers;
    unsigned max = (unsigned)cf->deliver.per_destination;
    return (struct dest_policy){
        .start = MIN((unsigned)cf->deliver.first_connections, max),
        .max = max,
        .strikes = 3,
        .limit = { [DEST_PROVEN] = workers,
                   [DEST_NEW] = MAX(workers * 3 / 4, 1u),
                   [DEST_BACKLOG] = MAX(workers / 2, 1u),
                   [DEST_PROBE] = MAX(workers / 2, 1u) },
        .wait = probe_delay,
        .arg = (void *)cf,
    };
}

/* --- where to --- */

void sched_destination(const struct queue *q, const struct conf *cf, const char *address,
                       char ret[DEST_KEY])
{
    if (q->destination) {
        q->destination(cf, sv_c(address), ret);
        return;
    }
    const char *at = strrchr(address, '@');
    size_t n = 0;
    for (const char *p = at ? at + 1 : ""; *p && n < DEST_KEY - 1; p++)
        ret[n++] = ascii_lower(*p);
    ret[n] = '\0';
}

/* Whose turn it is: the account, else the sender's domain. */
static struct sv turn_of(const struct message *m)
{
    struct sv s = sv_c(m->sender);
    ssize_t at = sv_rfind(s, '@');
    return *m->auth_user ? sv_c(m->auth_user) : at < 0 ? s : sv_skip(s, (size_t)at + 1);
}

struct choice {
    bool found, paused;
    enum dest_state state;
    char key[DEST_KEY];
    int64_t later; /* when a further recipient is due */
};

static struct sv domain_of(const char *address)
{
    const char *at = strrchr(address, '@');
    return sv_c(at ? at + 1 : "");
}

bool sched_paused(const struct queue *q, const char *key, const char *address)
{
    return q->pauses.n && (pauses_hold(&q->pauses, PAUSE_DESTINATION, sv_c(key)) ||
                           pauses_hold(&q->pauses, PAUSE_DESTINATION, domain_of(address)));
}

static bool sender_paused(const struct queue *q, const struct message *m)
{
    return q->pauses.n && (pauses_hold(&q->pauses, PAUSE_ALL, SV("")) ||
                           pauses_hold(&q->pauses, PAUSE_SENDER, domain_of(m->sender)));
}

/* The first destination that is due, an open one before others. */
static void choose(const struct queue *q, const struct conf *cf, const struct item *it, int64_t now,
                   struct choice *c)
{
    char key[DEST_KEY];
    *c = (struct choice){ .later = INT64_MAX };
    for (size_t i = 0; i < it->m->n_rcpts; i++) {
        const struct rcpt *r = &it->m->rcpts[i];
        if (r->kind != RCPT_REMOTE || r->state != RCPT_WAITING)
            continue;
        if (r->due_ms > now) {
            c->later = MIN(c->later, r->due_ms);
            continue;
        }
        if (c->found && (c->state == DEST_OPEN || it->waiting[RCPT_REMOTE] == 1))
            continue;
        sched_destination(q, cf, r->address, key);
        if (sched_paused(q, key, r->address)) {
            c->paused = true;
            continue;
        }
        enum dest_state s = dests_state(q->dests, sv_c(key));
        if (c->found && c->state <= s)
            continue;
        c->found = true;
        c->state = s;
        memcpy(c->key, key, sizeof(key));
    }
}

static int64_t first_due(const struct item *it, enum rcpt_kind kind)
{
    int64_t due = INT64_MAX;
    for (size_t i = 0; i < it->m->n_rcpts; i++) {
        const struct rcpt *r = &it->m->rcpts[i];
        if (r->kind == kind && r->state == RCPT_WAITING)
            due = MIN(due, r->due_ms);
    }
    return due;
}

/* --- placing --- */

void sched_remove(struct queue *q, struct item *it)
{
    if (it->wait.flow)
        dests_remove(q->dests, &it->wait);
    else
        list_del(&it->ready);
    for (size_t k = 0; k < KINDS; k++)
        heap_del(&q->later[k], &it->later[k]);
    heap_del(&q->deadlines, &it->deadline);
    it->place = PLACE_NONE;
}

static void add_later(struct queue *q, struct item *it, enum rcpt_kind kind, int64_t when)
{
    if (when == INT64_MAX)
        return;
    heap_add(&q->later[kind], &it->later[kind], when);
    if (it->place == PLACE_NONE)
        it->place = PLACE_LATER;
}

/* When somebody has to be told although no attempt is due. */
static void add_deadline(struct queue *q, const struct conf *cf, struct item *it)
{
    const struct message *m = it->m;
    int64_t when = m->received_ms + queue_lifetime(cf, m, NULL);
    bool warn = cf->queue.delay_warning && !m->delay_told && !m->bounce && *m->sender;
    if (warn)
        when = MIN(when, m->received_ms + cf->queue.delay_warning);
    heap_add(&q->deadlines, &it->deadline, MAX(when, it->quiet_until));
}

static void waits_behind(struct queue *q, struct item *it)
{
    item_drop_content(q, it); /* for a long time, perhaps */
    if (it->told_behind || it->attempts)
        return;
    it->told_behind = true;
    list_add_tail(&q->untold, &it->untold);
}

static void place_remote(struct queue *q, const struct conf *cf, struct item *it, int64_t now)
{
    struct choice c;
    choose(q, cf, it, now, &c);
    if (!c.found && c.paused)
        it->place = PLACE_PAUSED;
    if (c.found) {
        if (!it->old)
            dests_news(q->dests, sv_c(c.key));
        if (it->urgent)
            dests_probe_now(q->dests, sv_c(c.key));
        dests_add(q->dests, sv_c(c.key), turn_of(it->m), it->m->priority, it->urgent, &it->wait);
        it->place = PLACE_DEST;
    }
    if (c.found && c.state == DEST_RESTS)
        waits_behind(q, it);
    add_later(q, it, RCPT_REMOTE, c.later);
    if (it->place != PLACE_PAUSED) /* what we hold back does not grow too old */
        add_deadline(q, cf, it);
}

static void place_returning(struct queue *q, struct item *it)
{
    if (it->return_failed) {
        add_later(q, it, RCPT_REMOTE, clock_wall_ms() + QUIET_MS);
        return;
    }
    it->place = PLACE_NOTICE;
    list_add_tail(&q->notices, &it->ready);
    takers_wake(&q->takers[RCPT_REMOTE]);
}

static void place(struct queue *q, struct item *it)
{
    if (it->active || it->finished || !it->committed)
        return;
    if (it->m->returning) {
        place_returning(q, it);
        return;
    }
    if (it->m->held)
        return;
    int64_t now = clock_wall_ms(), local = first_due(it, RCPT_LOCAL);
    if (local <= now) {
        it->place = PLACE_READY;
        list_add_tail(&q->ready, &it->ready);
        takers_wake(&q->takers[RCPT_LOCAL]);
        return;
    }
    add_later(q, it, RCPT_LOCAL, local);
    if (!it->waiting[RCPT_REMOTE])
        return;
    if (sender_paused(q, it->m)) {
        it->place = PLACE_PAUSED;
        return;
    }
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    place_remote(q, cf, it, now);
}

void sched_place(struct queue *q, struct item *it)
{
    sched_remove(q, it);
    place(q, it);
    if (it->place != PLACE_NONE && it->place != PLACE_READY) {
        sched_wake_remote(q);
        takers_due(&q->takers[RCPT_LOCAL], sched_wake(q, RCPT_LOCAL));
    }
    totals_note(q, it);
}

static void one_rests(struct waiter *w, void *arg)
{
    waits_behind(arg, container_of(w, struct item, wait));
}

void sched_rests(struct queue *q, const struct place *at)
{
    dests_each_waiter(at, one_rests, q);
}

/* The names of a message never change; its recipients' states are not looked at. */
static void tell_behind(struct queue *q, struct item *it)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    struct logctx c = { .type = LOG_MAILFLOW, .message = it->m->key, .message_id = it->m->id };
    char key[DEST_KEY];
    struct dest_info d;
    for (size_t i = 0; i < it->m->n_rcpts; i++) {
        const struct rcpt *r = &it->m->rcpts[i];
        if (it->active || it->finished || r->kind != RCPT_REMOTE || r->state != RCPT_WAITING)
            continue;
        sched_destination(q, cf, r->address, key);
        if (!dests_info(q->dests, sv_c(key), &d) || d.state != DEST_RESTS)
            continue;
        _cleanup_(freep) char *answer = xstrdup(d.answer);
        int64_t next = MAX(d.next_probe_ms, clock_wall_ms());
        pthread_mutex_unlock(&q->lock);
        event(queue_behind, &c, F_ADDR(rcpt, r->address),
              F_ADDR(original, *r->original ? r->original : NULL), F_STR(reply, answer),
              F_TIME(next_try, next));
        pthread_mutex_lock(&q->lock);
    }
}

void sched_tell_untold(struct queue *q)
{
    while (!list_empty(&q->untold)) {
        struct item *it = container_of(q->untold.next, struct item, untold);
        list_del(&it->untold);
        item_ref(it);
        tell_behind(q, it);
        item_unref(it);
    }
}

/* --- time passes --- */

/* The sender may have to be told of a delay or of the end: by a deliverer, as with all results, but
 * without an attempt. Unless one is coming. */
static void on_deadline(struct queue *q, const struct conf *cf, struct item *it, int64_t now)
{
    struct dest_info d = { .state = DEST_RESTS };
    bool over = now - it->m->received_ms >= queue_lifetime(cf, it->m, NULL);
    it->quiet_until = now + QUIET_MS;
    if (it->place == PLACE_DEST)
        dests_of(&it->wait, &d);
    bool rests = it->place == PLACE_DEST && d.state == DEST_RESTS;
    if ((it->urgent && !(over && rests)) || (it->place == PLACE_DEST && !rests)) {
        heap_add(&q->deadlines, &it->deadline, it->quiet_until);
        return;
    }
    if (over && it->place != PLACE_DEST) { /* one last attempt */
        for (size_t i = 0; i < it->m->n_rcpts; i++)
            if (it->m->rcpts[i].kind == RCPT_REMOTE)
                it->m->rcpts[i].due_ms = 0;
        sched_place(q, it);
        return;
    }
    sched_remove(q, it);
    it->place = PLACE_NOTICE;
    list_add_tail(&q->notices, &it->ready);
}

void sched_move_due(struct queue *q, enum rcpt_kind kind)
{
    struct heap_node *n;
    int64_t now = clock_wall_ms();
    while ((n = heap_first(&q->later[kind])) && n->when <= now) {
        struct item *it = container_of(n, struct item, later[kind]);
        it->return_failed = false;
        sched_place(q, it);
    }
    if (kind != RCPT_REMOTE || !(n = heap_first(&q->deadlines)) || n->when > now)
        return;
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    while ((n = heap_first(&q->deadlines)) && n->when <= now) {
        heap_del(&q->deadlines, n);
        on_deadline(q, cf, container_of(n, struct item, deadline), now);
    }
}

int64_t sched_wake(const struct queue *q, enum rcpt_kind kind)
{
    const struct heap_node *n = heap_first(&q->later[kind]);
    int64_t when = n ? n->when : INT64_MAX;
    if (kind != RCPT_REMOTE)
        return when;
    n = heap_first(&q->deadlines);
    return MIN(MIN(when, n ? n->when : INT64_MAX), dests_wake(q->dests));
}

struct item *sched_next(struct queue *q, enum rcpt_kind kind)
{
    struct list *l = kind == RCPT_LOCAL ? &q->ready : &q->notices;
    if (!list_empty(l))
        return container_of(l->next, struct item, ready);
    if (kind == RCPT_LOCAL)
        return NULL;
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    struct dest_policy pol = sched_policy(cf);
    struct place at;
    struct waiter *w = dests_take(q->dests, &pol, clock_wall_ms(), &at);
    if (!w)
        return NULL;
    struct item *it = container_of(w, struct item, wait);
    it->at = at;
    return it;
}

bool sched_runnable(const struct queue *q)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    struct dest_policy pol = sched_policy(cf);
    return !list_empty(&q->notices) || dests_runnable(q->dests, &pol);
}

void sched_wake_remote(struct queue *q)
{
    struct takers *t = &q->takers[RCPT_REMOTE];
    if (sched_runnable(q) || !list_empty(&q->untold))
        takers_wake(t);
    else
        takers_due(t, sched_wake(q, RCPT_REMOTE));
}

void sched_leave(struct queue *q, struct place *at)
{
    dests_leave(q->dests, at);
    sched_wake_remote(q);
}

void sched_done(struct queue *q)
{
    for (size_t k = 0; k < KINDS; k++)
        heap_done(&q->later[k]);
    heap_done(&q->deadlines);
    dests_free(q->dests);
}
