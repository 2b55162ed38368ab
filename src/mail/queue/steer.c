/* What the administrator does with messages: one, many, or all that he means. What lasts is a
 * record that is durable before he is answered: the envelope says that a message is held, returned,
 * or of what priority. For a message in a deliverer's hands it is an order, see order.c. */
#include "base/clock.h"
#include "base/hash.h"
#include "event/event.h"
#include "mail/queue/many.h"
#include "mail/queue/queue_priv.h"

#include <sched.h>

const char *const queue_priority_names[] = { "high", "normal", "low" };
const char *const queue_action_names[] = {
    [QUEUE_HOLD] = "hold",       [QUEUE_RELEASE] = "release", [QUEUE_SEND_NOW] = "send_now",
    [QUEUE_RETURN] = "bounce",   [QUEUE_DELETE] = "delete",   [QUEUE_PRIORITY] = "priority",
    [QUEUE_APPROVE] = "approve", [QUEUE_REJECT] = "reject",
};

enum { AT_ONCE = 512, LOOKED_AT_ONCE = 512, MAX_STATE = 64 * 1024 * 1024 };

struct chosen {
    struct item **v; /* counted */
    size_t n, cap;
};

struct change { /* of one item, while it is written */
    struct item *it;
    struct message *m; /* it->m; or, of one that is being delivered, its newest recorded state */
    bool ordered;      /* it is being delivered */
    struct jwrite w;
    struct buf bytes;
    bool over;     /* nothing of it is left */
    bool *dropped; /* recipients of it that go, when others stay; NULL = none */
    /* before: */
    bool held, returning;
    enum priority priority;
    enum moderation moderation;
    int64_t next_try_ms;
};

/* --- looking --- */

static void info_of(const struct item *it, struct queue_info *ret)
{
    const struct message *m = it->m;
    struct dest_info d = { 0 };
    *ret = (struct queue_info){
        .item = m->item,
        .id = m->id,
        .sender = m->sender,
        .rcpt = m->n_rcpts ? m->rcpts[it->first_waiting].address : "",
        .original = m->n_rcpts ? m->rcpts[it->first_waiting].original : "",
        .answer = it->active   ? it->answer ? it->answer : ""
                  : m->n_rcpts ? m->rcpts[it->first_waiting].answer
                               : "",
        .subject = m->subject,
        .login = m->auth_user,
        .rcpts = it->active ? NULL : m->rcpts,
        .received_ms = m->received_ms,
        .next_try_ms = it->next_try_ms,
        .size = m->size,
        .n_rcpts = (unsigned)m->n_rcpts,
        .n_waiting = (unsigned)(it->waiting[RCPT_LOCAL] + it->waiting[RCPT_REMOTE]),
        .attempts = it->attempts,
        .active = it->active,
        .held = it->m->held,
        .returning = it->m->returning,
        .paused = it->place == PLACE_PAUSED,
        .ordered = order_action(it),
        .moderated = it->m->moderation == MODERATION_WAITS,
        .local = it->waiting[RCPT_LOCAL] > 0,
        .priority = it->m->priority,
    };
    if (it->place != PLACE_DEST)
        return;
    dests_of(&it->wait, &d);
    if (d.state != DEST_RESTS)
        return;
    ret->next_try_ms = d.next_probe_ms;
    if (!*ret->answer)
        ret->answer = d.answer;
}

static struct list *step(const struct list *l, bool back)
{
    return back ? l->prev : l->next;
}

void steer_walk(struct queue *q, bool back,
                bool (*fn)(struct item *, const struct queue_info *, void *), void *arg)
{
    struct item mark = { 0 }; /* is not committed: nobody else looks at it */
    struct queue_info info;
    size_t n = 0;
    bool go_on = true;
    list_init(&mark.link);
    for (struct list *l = step(&q->items, back); go_on && l != &q->items;) {
        struct item *it = container_of(l, struct item, link);
        if (it->committed) {
            info_of(it, &info);
            go_on = fn(it, &info, arg);
        }
        if (++n % LOOKED_AT_ONCE == 0) {
            list_add_head(back ? l->prev : l, &mark.link); /* between it and the next one */
            pthread_mutex_unlock(&q->lock);
            sched_yield();
            pthread_mutex_lock(&q->lock);
            l = step(&mark.link, back);
            list_del(&mark.link);
        } else {
            l = step(l, back);
        }
    }
}

struct each {
    bool (*fn)(const struct queue_info *, void *arg);
    void *arg;
};

static bool each_one(struct item *it _unused_, const struct queue_info *i, void *arg)
{
    const struct each *e = arg;
    return e->fn(i, e->arg);
}

void queue_each(struct queue *q, bool (*fn)(const struct queue_info *, void *arg), void *arg)
{
    struct each e = { fn, arg };
    pthread_mutex_lock(&q->lock);
    steer_walk(q, false, each_one, &e);
    pthread_mutex_unlock(&q->lock);
}

void queue_each_newest(struct queue *q, bool (*fn)(const struct queue_info *, void *arg), void *arg)
{
    struct each e = { fn, arg };
    pthread_mutex_lock(&q->lock);
    steer_walk(q, true, each_one, &e);
    pthread_mutex_unlock(&q->lock);
}

void queue_find_keys(struct queue *q, const uint64_t *keys, size_t n, bool *ret)
{
    struct map *wanted = map_new();
    memset(ret, 0, n * sizeof(*ret));
    for (size_t i = 0; i < n; i++)
        map_put(wanted, sv_n(&keys[i], sizeof(keys[i])), &ret[i]);
    pthread_mutex_lock(&q->lock);
    list_for_each(l, &q->items)
    {
        const struct item *it = container_of(l, struct item, link);
        /* The mark of somebody who walks has no message. */
        bool *found = it->m ? map_get(wanted, sv_n(&it->m->key, sizeof(it->m->key))) : NULL;
        if (found)
            *found = true;
    }
    pthread_mutex_unlock(&q->lock);
    map_free(wanted, NULL);
}

struct choosing {
    const struct queue_steer *s;
    struct chosen found;
};

static bool choose_one(struct item *it, const struct queue_info *i, void *arg)
{
    struct choosing *c = arg;
    struct chosen *f = &c->found;
    if (c->s->want && !c->s->want(i, c->s->arg))
        return true;
    if (f->n == f->cap) {
        f->cap = f->cap ? f->cap * 2 : 64;
        f->v = xrealloc(f->v, f->cap * sizeof(struct item *));
    }
    item_ref(it);
    f->v[f->n++] = it;
    return true;
}

/* --- one item --- */

static bool waits(const struct rcpt *r)
{
    return r->state == RCPT_WAITING && r->kind < KINDS;
}

/* Whose waiting recipients are the caller's? ret: of each recipient. */
static void find_reach(const struct queue_steer *s, const struct item *it, const struct message *m,
                       bool *ret, bool *ret_some, bool *ret_all)
{
    struct queue_info info;
    info_of(it, &info);
    *ret_some = false;
    *ret_all = true;
    for (size_t i = 0; i < m->n_rcpts; i++) {
        const struct rcpt *r = &m->rcpts[i];
        ret[i] = waits(r) && (!s->reaches || s->reaches(&info, r, s->arg));
        *ret_some |= ret[i];
        *ret_all &= ret[i] || !waits(r);
    }
}

/* Does the action change it? */
static bool concerns(const struct queue_steer *s, const struct message *m)
{
    switch (s->action) {
    case QUEUE_HOLD:
        return !m->held && !m->returning;
    case QUEUE_RELEASE:
        return m->held;
    case QUEUE_PRIORITY:
        return m->priority != s->priority;
    case QUEUE_RETURN:
        return !m->returning;
    case QUEUE_APPROVE:
    case QUEUE_REJECT:
        return m->moderation == MODERATION_WAITS && !m->returning;
    case QUEUE_SEND_NOW:
    case QUEUE_DELETE:
        return true;
    case QUEUE_ACTIONS:
        break;
    }
    return false;
}

static void make_due(struct item *it, const bool *which)
{
    for (size_t i = 0; i < it->m->n_rcpts; i++)
        if (which[i])
            it->m->rcpts[i].due_ms = 0;
    it->next_try_ms = 0;
    it->urgent = true;
}

/* Who decides about a post leaves an administrator's hold alone, and the other way round. */
static bool is_decision(enum queue_action a)
{
    return a == QUEUE_APPROVE || a == QUEUE_REJECT;
}

static void set_fields(const struct queue_steer *s, struct change *c)
{
    struct message *m = c->m;
    c->held = m->held;
    c->returning = m->returning;
    c->priority = m->priority;
    c->moderation = m->moderation;
    c->next_try_ms = m->next_try_ms;
    if (s->action == QUEUE_PRIORITY)
        m->priority = s->priority;
    if (s->action == QUEUE_RETURN)
        m->returning = true;
    if (is_decision(s->action)) {
        m->moderation = s->action == QUEUE_APPROVE ? MODERATION_APPROVED : MODERATION_REJECTED;
        m->next_try_ms = 0;
    } else if (s->action != QUEUE_PRIORITY && s->action != QUEUE_DELETE) {
        m->held = s->action == QUEUE_HOLD;
    }
}

/* Their sender is told nothing: it is as if they were told. */
static void set_dropped(const struct change *c, enum rcpt_state state)
{
    for (size_t i = 0; c->dropped && i < c->m->n_rcpts; i++)
        if (c->dropped[i]) {
            c->m->rcpts[i].state = state;
            c->m->rcpts[i].told = state != RCPT_WAITING;
        }
}

/* What is to be written. reach: taken; the recipients that it is about. */
static void begin(struct queue *q, const struct queue_steer *s, struct change *c, bool *reach,
                  bool all)
{
    struct item *it = c->it;
    struct message *m = c->m;
    struct records *rec = item_records(it);
    if (!c->ordered) {
        (void)order_begin(it); /* it is free */
        item_lend(it);         /* nobody takes it while the record is written */
        sched_remove(q, it);
        totals_note(q, it);
    }
    buf_init(&c->bytes, MAX_STATE);
    set_fields(s, c);
    c->over = s->action == QUEUE_DELETE && all && !c->ordered;
    if (s->action == QUEUE_DELETE && !c->over)
        c->dropped = reach;
    else
        free(reach);
    set_dropped(c, RCPT_FAILED);
    for (size_t i = 0; c->over && i < m->n_rcpts; i++) {
        enum rcpt_state st = m->rcpts[i].state;
        (void)buf_add_c(&c->bytes, (char)(st == RCPT_WAITING ? RCPT_FAILED : st));
    }
    if (!c->over)
        (void)message_envelope_encode(m, &c->bytes); /* was accepted at this size: fits */
    c->w = (struct jwrite){
        .type = c->over ? REC_DONE : REC_STATE,
        .key = m->key,
        .aux = it->version + 1,
        .payload = { buf_sv(&c->bytes), SV_NULL },
        .ent = c->over ? &rec->done : &rec->state[rec->cur ^ 1],
    };
    jwrite_prepare(&c->w);
}

static void use_new_state(struct item *it)
{
    struct records *rec = it->records;
    jent_drop(&rec->state[rec->cur]);
    rec->cur ^= 1;
    it->version++;
}

static void end_ordered(struct queue *q, const struct queue_steer *s, struct change *c,
                        bool recorded)
{
    if (recorded) {
        use_new_state(c->it);
        order_give(c->it, c->m, s->action, s->admin);
    } else {
        message_unref(c->m);
    }
    order_end(q, c->it);
}

static void end(struct queue *q, struct change *c, bool recorded)
{
    struct item *it = c->it;
    order_end(q, it);
    item_got_back(it);
    if (!recorded) {
        it->m->held = c->held;
        it->m->returning = c->returning;
        it->m->priority = c->priority;
        it->m->moderation = c->moderation;
        it->m->next_try_ms = c->next_try_ms;
        set_dropped(c, RCPT_WAITING);
    } else if (c->over) {
        item_remove_files(q, it, it->has_local);
        it->m->queue_data = NULL;
        item_forget(q, it);
        return;
    } else {
        use_new_state(it);
        item_refresh(it);
        for (size_t i = 0; it->m->moderation != c->moderation && i < it->m->n_rcpts; i++)
            it->m->rcpts[i].due_ms = 0;
    }
    item_trim(it);
    sched_place(q, it);
}

/* --- all of them --- */

static void tell_dropped(const struct steer_event *e, const struct logctx *c)
{
    for (size_t i = 0; i < e->m->n_rcpts; i++) {
        const struct rcpt *r = &e->m->rcpts[i];
        if (e->dropped[i])
            event(queue_deleted, c, F_STR(object, e->m->id), F_STR(admin, e->admin),
                  F_ADDR(rcpt, r->address), F_ADDR(original, *r->original ? r->original : NULL));
    }
}

void steer_tell(const struct steer_event *e)
{
    static const enum event_type types[] = {
        [QUEUE_HOLD] = EVT_queue_held,         [QUEUE_RELEASE] = EVT_queue_released,
        [QUEUE_SEND_NOW] = EVT_queue_retried,  [QUEUE_RETURN] = EVT_queue_returned,
        [QUEUE_PRIORITY] = EVT_queue_priority, [QUEUE_DELETE] = EVT_queue_deleted,
        [QUEUE_APPROVE] = EVT_list_approved,   [QUEUE_REJECT] = EVT_list_rejected,
    };
    struct logctx c = { .type = LOG_MAILFLOW, .message = e->m->key, .message_id = e->m->id };
    const struct event_arg args[] = {
        F_STR(object, e->m->id),
        F_STR(admin, e->admin),
        F_STR(new, e->action == QUEUE_PRIORITY ? queue_priority_names[e->priority] : NULL),
    };
    if (e->dropped)
        tell_dropped(e, &c);
    else
        event_emit(types[e->action], &c, args, ARRAY_LEN(args));
}

static void tell(const struct queue_steer *s, const struct message *m, const bool *dropped)
{
    const struct steer_event e = { s->action, s->admin, s->priority, m, dropped };
    steer_tell(&e);
}

/* That it is to be done. Once it is, that is told, too. */
static void tell_ordered(const struct queue_steer *s, const struct message *m)
{
    struct logctx c = { .type = LOG_MAILFLOW, .message = m->key, .message_id = m->id };
    event(queue_ordered, &c, F_STR(object, m->id), F_STR(admin, s->admin),
          F_STR(new, queue_action_names[s->action]));
}

static void count(struct queue_steered *ret, enum queue_steer_result r, const struct queue_steer *s,
                  const struct item *it)
{
    ret->n[r]++;
    if (s->each)
        s->each(it->m->id, r, s->arg);
}

/* What can be done with it: some = it is about some of its recipients, all = all that wait. */
static enum queue_steer_result judge(const struct queue_steer *s, const struct message *m,
                                     bool some, bool all)
{
    bool parts = s->action == QUEUE_DELETE || s->action == QUEUE_SEND_NOW;
    if (!some || (!all && !parts))
        return STEER_SHARED;
    if (s->action == QUEUE_SEND_NOW && m->held)
        return STEER_HELD;
    return concerns(s, m) ? STEER_DONE : STEER_AS_IT_WAS;
}

struct batch {
    struct change *c;
    struct jwrite **list;
    size_t n;
    struct item **again; /* in somebody's hands for the moment */
    size_t n_again;
};

static void add_change(struct queue *q, const struct queue_steer *s, struct item *it,
                       struct message *m, struct batch *b, bool *reach, bool all)
{
    struct change *c = &b->c[b->n];
    c->it = it;
    c->m = m;
    c->ordered = m != it->m;
    begin(q, s, c, reach, all);
    b->list[b->n++] = &c->w;
}

/* It is being delivered: sent now, or put before a list's moderators. */
static void order_one(struct queue *q, const struct queue_steer *s, struct item *it,
                      struct batch *b, struct queue_steered *ret)
{
    enum queue_steer_result r = STEER_FAILED;
    struct message *m = NULL;
    if (s->action == QUEUE_SEND_NOW || is_decision(s->action)) {
        count(ret, s->action == QUEUE_SEND_NOW ? STEER_AS_IT_WAS : STEER_BUSY, s, it);
        return;
    }
    if (!order_begin(it)) { /* its deliverer has come to an end */
        b->again[b->n_again++] = it;
        return;
    }
    if (order_read(q, it, &m) >= 0) {
        bool *reach = xcalloc(m->n_rcpts + 1, sizeof(bool)), some, all;
        find_reach(s, it, m, reach, &some, &all);
        /* Nobody waits: it is to be deleted already. */
        r = !some && all ? STEER_AS_IT_WAS : judge(s, m, some, all);
        if (r == STEER_DONE && !s->dry_run) {
            add_change(q, s, it, m, b, reach, all);
            return;
        }
        free(reach);
        message_unref(m);
    }
    order_end(q, it);
    count(ret, r == STEER_DONE ? STEER_LATER : r, s, it);
}

/* What needs no record is done at once. True: to be told. */
static bool steer_one(struct queue *q, const struct queue_steer *s, struct item *it,
                      struct batch *b, struct queue_steered *ret)
{
    if (order_blocked(it)) {
        b->again[b->n_again++] = it;
        return false;
    }
    if (it->active) {
        order_one(q, s, it, b, ret);
        return false;
    }
    bool *reach = xcalloc(it->m->n_rcpts + 1, sizeof(bool)), some, all;
    find_reach(s, it, it->m, reach, &some, &all);
    enum queue_steer_result r = judge(s, it->m, some, all);
    if (r == STEER_DONE && !s->dry_run && s->action != QUEUE_SEND_NOW) {
        add_change(q, s, it, it->m, b, reach, all);
        return false; /* when it is recorded */
    }
    if (r == STEER_DONE && !s->dry_run) {
        make_due(it, reach);
        sched_place(q, it);
    }
    free(reach);
    count(ret, r, s, it);
    return r == STEER_DONE && !s->dry_run;
}

struct unlinking {
    const struct queue *q;
    struct item **v;
};

static void unlink_one(void *arg, size_t i)
{
    const struct unlinking *u = arg;
    item_unlink(u->q, u->v[i]->m->item);
}

/* Without the lock, as the file system may take its time. end() has nothing left to remove then,
 * unless a checkpoint has named files meanwhile. */
static void unlink_those_over(struct queue *q, const struct batch *b)
{
    struct unlinking u = { q, xcalloc(b->n + 1, sizeof(struct item *)) };
    uint64_t named = q->n_named;
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++) {
        const struct change *c = &b->c[i];
        if (c->over && c->w.result >= 0 && !c->it->has_local && (c->it->in_file || c->it->has_env))
            u.v[n++] = c->it;
    }
    if (n) {
        pthread_mutex_unlock(&q->lock);
        many_do(n, unlink_one, &u);
        pthread_mutex_lock(&q->lock);
        q->names_dirty = true;
    }
    for (size_t i = 0; i < n && q->n_named == named; i++)
        u.v[i]->in_file = u.v[i]->has_env = false;
    free(u.v);
}

static void end_one(struct queue *q, const struct queue_steer *s, struct change *c,
                    struct queue_steered *ret)
{
    bool recorded = c->w.result >= 0;
    buf_done(&c->bytes);
    if (c->ordered)
        end_ordered(q, s, c, recorded);
    else
        end(q, c, recorded);
    count(ret, !recorded ? STEER_FAILED : c->ordered ? STEER_LATER : STEER_DONE, s, c->it);
}

static void tell_one(const struct queue_steer *s, const struct change *c)
{
    if (c->w.result < 0)
        return;
    if (c->ordered)
        tell_ordered(s, c->it->m);
    else
        tell(s, c->it->m, c->dropped);
}

/* Those that are free. again: gets the others, as many as v may have. */
static int steer_free(struct queue *q, const struct queue_steer *s, struct item **v, size_t n,
                      struct item **again, size_t *ret_again, struct queue_steered *ret)
{
    struct batch b = { .c = xcalloc(n, sizeof(struct change)),
                       .list = xcalloc(n, sizeof(struct jwrite *)),
                       .again = again };
    bool *done = xcalloc(n, sizeof(*done));
    for (size_t i = 0; i < n; i++)
        if (!v[i]->finished)
            done[i] = steer_one(q, s, v[i], &b, ret);
    int r = b.n ? journal_commit_all(&q->journal, b.list, b.n) : 0;
    unlink_those_over(q, &b);
    for (size_t i = 0; i < b.n; i++)
        end_one(q, s, &b.c[i], ret);
    pthread_mutex_unlock(&q->lock);
    for (size_t i = 0; i < n; i++)
        if (done[i])
            tell(s, v[i]->m, NULL);
    for (size_t i = 0; i < b.n; i++) {
        tell_one(s, &b.c[i]);
        free(b.c[i].dropped);
    }
    pthread_mutex_lock(&q->lock);
    *ret_again = b.n_again;
    free(b.c);
    free(b.list);
    free(done);
    return r;
}

/* Waits for others with nothing in its own hands. They are done after a write of theirs. */
static int steer_some(struct queue *q, const struct queue_steer *s, struct item **v, size_t n,
                      struct queue_steered *ret)
{
    struct item **again = xcalloc(n, sizeof(struct item *)), *one;
    size_t n_again, blocked;
    int r = steer_free(q, s, v, n, again, &n_again, ret);
    for (size_t i = 0; i < n_again; i++) {
        while (!again[i]->finished && order_blocked(again[i]))
            pthread_cond_wait(&q->idle, &q->lock);
        int w = steer_free(q, s, &again[i], 1, &one, &blocked, ret);
        r = r < 0 ? r : w;
    }
    free(again);
    return r;
}

static bool is_cancelled(const struct queue_steer *s)
{
    return s->cancel && atomic_load(s->cancel);
}

static void wait_for_checkpoint(struct queue *q, const struct queue_steer *s)
{
    if (s->dry_run || s->action == QUEUE_SEND_NOW)
        return; /* nothing is recorded */
    while (!checkpoint_keeps_up(q) && !is_cancelled(s))
        pthread_cond_wait(&q->work_done, &q->lock);
}

int queue_steer(struct queue *q, const struct queue_steer *s, struct queue_steered *ret,
                struct errinfo *ei)
{
    struct choosing c = { .s = s };
    int r = 0;
    *ret = (struct queue_steered){ 0 };
    pthread_mutex_lock(&q->lock);
    steer_walk(q, false, choose_one, &c);
    size_t i = 0;
    for (size_t n; i < c.found.n && r >= 0 && !is_cancelled(s); i += n) {
        n = MIN(c.found.n - i, (size_t)AT_ONCE);
        wait_for_checkpoint(q, s);
        r = steer_some(q, s, c.found.v + i, n, ret);
    }
    if (i < c.found.n && r >= 0)
        r = E_CLOSED;
    for (; i < c.found.n; i++)
        count(ret, STEER_FAILED, s, c.found.v[i]);
    for (i = 0; i < c.found.n; i++)
        item_unref(c.found.v[i]);
    pthread_mutex_unlock(&q->lock);
    free(c.found.v);
    return r < 0 ? err_set_errno(ei, r, "the queue cannot record it") : 0;
}

/* --- pauses --- */

static void place_all(struct queue *q)
{
    list_for_each(l, &q->items)
    {
        struct item *it = container_of(l, struct item, link);
        if (it->committed)
            sched_place(q, it);
    }
}

static void use_pauses(struct queue *q, struct pauses *fresh)
{
    pthread_mutex_lock(&q->lock);
    struct pauses old = q->pauses;
    q->pauses = *fresh;
    *fresh = old;
    place_all(q);
    pthread_mutex_unlock(&q->lock);
}

static int change_pauses(struct queue *q, enum queue_pause_kind kind, struct sv name, bool on,
                         struct errinfo *ei)
{
    struct pauses fresh;
    pauses_copy(&q->pauses, &fresh); /* only this thread changes them: pause_lock */
    int r = pauses_set(&fresh, kind, name, on);
    if (r < 0)
        err_set(ei, r, r == E_LIMIT ? "%d things are paused already" : "name a domain", PAUSES_MAX);
    int saved = r > 0 ? pauses_save(&fresh, q->io, q->dir) : 0;
    if (saved < 0)
        r = err_set_errno(ei, saved, "the pause cannot be recorded");
    if (r > 0)
        use_pauses(q, &fresh);
    pauses_done(&fresh);
    return r;
}

int queue_pause(struct queue *q, enum queue_pause_kind kind, struct sv name, bool on,
                const char *admin, struct errinfo *ei)
{
    pthread_mutex_lock(&q->pause_lock);
    int r = change_pauses(q, kind, name, on, ei);
    pthread_mutex_unlock(&q->pause_lock);
    if (r > 0) {
        char object[300];
        snprintf(object, sizeof(object), "%s" SV_FMT,
                 kind == PAUSE_ALL           ? "all mail to other servers"
                 : kind == PAUSE_DESTINATION ? "mail to "
                                             : "mail from ",
                 SV_ARG(name));
        struct logctx c = { .type = LOG_MAINTENANCE };
        if (on)
            event(queue_paused, &c, F_STR(object, object), F_STR(admin, admin));
        else
            event(queue_resumed, &c, F_STR(object, object), F_STR(admin, admin));
    }
    return r;
}

void queue_each_pause(struct queue *q, void (*fn)(enum queue_pause_kind, const char *, void *arg),
                      void *arg)
{
    pthread_mutex_lock(&q->lock);
    for (size_t i = 0; i < q->pauses.n; i++)
        fn(q->pauses.v[i].kind, q->pauses.v[i].name, arg);
    pthread_mutex_unlock(&q->lock);
}

void queue_destination(struct queue *q, const char *address, struct queue_dest *ret)
{
    static const char *const states[] = {
        [DEST_OPEN] = "open", [DEST_FULL] = "full", [DEST_RESTS] = "resting"
    };
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    struct dest_info d = { .state = DEST_OPEN, .window = 1, .answer = "" };
    char key[DEST_KEY];
    pthread_mutex_lock(&q->lock);
    sched_destination(q, cf, address, key);
    (void)dests_info(q->dests, sv_c(key), &d);
    bool paused = sched_paused(q, key, address) || pauses_hold(&q->pauses, PAUSE_ALL, SV(""));
    *ret = (struct queue_dest){ .state = paused ? "paused" : states[d.state],
                                .active = d.active,
                                .window = d.window,
                                .failures = d.failures,
                                .next_probe_ms = d.next_probe_ms };
    sv_copy(ret->answer, sizeof(ret->answer), sv_take(sv_c(d.answer), sizeof(ret->answer) - 1));
    pthread_mutex_unlock(&q->lock);
}
