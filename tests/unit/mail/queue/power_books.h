/* What was promised over power cuts, and whether it was kept: whatever was accepted is in the queue
 * or durably in the mail store afterwards, whole; what another server took and was recorded is not
 * sent again. power.lock guards the books. */
#pragma once

#include "power.h"

struct fate {
    char key[20];
    bool accepted, local, local_durable, remote_sent, remote_recorded, has_remote;
    bool tried; /* a child: its acceptance was begun */
    enum {
        HELD_UNKNOWN,
        NOT_HELD,
        HELD
    } held; /* what was answered; unknown: the power went before */
};

static struct books {
    struct map *fates;
    bool dead; /* the power is off: nobody learns of anything any more */
    unsigned accepted, unsynced;
} books;

/* With the lock. */
static inline struct fate *fate_of(uint64_t key)
{
    char text[20];
    snprintf(text, sizeof(text), "%016" PRIx64, key);
    struct fate *f = map_get(books.fates, sv_c(text));
    if (!f) {
        f = xcalloc(1, sizeof(*f));
        memcpy(f->key, text, sizeof(text));
        map_put(books.fates, sv_c(text), f);
    }
    return f;
}

static inline bool make_durable(struct sv key, void *value, void *arg)
{
    (void)key;
    (void)arg;
    struct fate *f = value;
    f->local_durable = f->local;
    return true;
}

static inline void mail_store_synced(void)
{
    map_each(books.fates, make_durable, NULL);
}

static inline bool forget_unsynced(struct sv key, void *value, void *arg)
{
    (void)key;
    (void)arg;
    struct fate *f = value;
    books.unsynced += f->local && !f->local_durable;
    f->local = f->local_durable;
    return true;
}

/* The power goes, with the lock: what was not durable is gone from the mail store, too. */
static inline void books_cut(const struct env *from, struct env *to)
{
    books.dead = true;
    if (!power.same_boot)
        map_each(books.fates, forget_unsynced, NULL);
    power_cut(from, to);
}

static inline bool is_dead(void)
{
    pthread_mutex_lock(&power.lock);
    bool d = books.dead;
    pthread_mutex_unlock(&power.lock);
    return d;
}

static inline void note_accepted(uint64_t key, bool has_remote)
{
    pthread_mutex_lock(&power.lock);
    if (!books.dead) {
        struct fate *f = fate_of(key);
        f->accepted = true;
        f->has_remote = has_remote;
        books.accepted++;
    }
    pthread_mutex_unlock(&power.lock);
}

/* A delivery begins to queue a message of its own, the same one each time that it is repeated. */
static inline void note_child_tried(uint64_t key)
{
    pthread_mutex_lock(&power.lock);
    if (!books.dead)
        fate_of(key)->tried = true;
    pthread_mutex_unlock(&power.lock);
}

static inline void note_child(uint64_t key, int result, bool has_remote)
{
    pthread_mutex_lock(&power.lock);
    struct fate *f = fate_of(key);
    if (!books.dead && result == 0 && f->accepted)
        fail_msg("%s: a child is queued twice", f->key);
    if (!books.dead && result == E_EXISTS && !f->tried)
        fail_msg("%s: a child is known that nobody has queued", f->key);
    if (!books.dead && (result == 0 || result == E_EXISTS)) {
        f->accepted = true;
        f->has_remote = has_remote;
    }
    pthread_mutex_unlock(&power.lock);
}

/* Before it is recorded. */
static inline void note_delivered(uint64_t key, enum rcpt_kind kind)
{
    pthread_mutex_lock(&power.lock);
    if (!books.dead && kind == RCPT_LOCAL)
        fate_of(key)->local = true;
    if (!books.dead && kind == RCPT_REMOTE)
        fate_of(key)->remote_sent = true;
    pthread_mutex_unlock(&power.lock);
}

static inline void note_recorded(uint64_t key, enum rcpt_kind kind)
{
    pthread_mutex_lock(&power.lock);
    if (!books.dead && kind == RCPT_REMOTE)
        fate_of(key)->remote_recorded = true;
    pthread_mutex_unlock(&power.lock);
}

/* Before and after an administrator's action. */
static inline void note_held(const char *id_key, int held)
{
    pthread_mutex_lock(&power.lock);
    struct fate *f = map_get(books.fates, sv_c(id_key));
    if (!books.dead && f)
        f->held = held;
    pthread_mutex_unlock(&power.lock);
}

struct check {
    struct map *items;
    unsigned lost, sent_again, waiting, held_wrong;
};

static inline bool check_fate(struct sv key, void *value, void *arg)
{
    struct check *c = arg;
    struct fate *f = value;
    struct item *found = map_get(c->items, key);
    bool waits_local = found && found->waiting[RCPT_LOCAL];
    bool waits_remote = found && found->waiting[RCPT_REMOTE];
    c->waiting += found != NULL;
    if (f->accepted && !f->local && !waits_local) {
        printf("%s: local recipient lost, %s\n", f->key, found ? "item found" : "item not found");
        c->lost++;
    }
    if (f->accepted && f->has_remote && !f->remote_sent && !waits_remote) {
        printf("%s: remote recipient lost, %s\n", f->key, found ? "item found" : "item not found");
        c->lost++;
    }
    if (found && f->held != HELD_UNKNOWN && found->m->held != (f->held == HELD)) {
        printf("%s: is %sheld\n", f->key, found->m->held ? "" : "not ");
        c->held_wrong++;
    }
    if (f->remote_recorded && waits_remote) {
        printf("%s: would be sent again\n", f->key);
        c->sent_again++;
    }
    return true;
}

/* The queue was opened after a cut: compares it with the books. Nothing is wrong when the power
 * went meanwhile, by a call of the queue's own thread: the books tell of the next queue then, and
 * after a kill this one believes in deliveries that the cut has undone. */
static inline struct check books_check(struct queue *q)
{
    struct check c = { .items = map_new() };
    char text[20];
    pthread_mutex_lock(&q->lock); /* first, as in the queue itself */
    pthread_mutex_lock(&power.lock);
    list_for_each(l, &q->items)
    {
        struct item *it = container_of(l, struct item, link);
        snprintf(text, sizeof(text), "%016" PRIx64, it->m->key);
        map_put(c.items, sv_c(text), it);
    }
    if (!books.dead)
        map_each(books.fates, check_fate, &c);
    map_free(c.items, NULL);
    pthread_mutex_unlock(&power.lock);
    pthread_mutex_unlock(&q->lock);
    return c;
}

static inline void books_init(void)
{
    books = (struct books){ .fates = map_new() };
    power.on_syncfs = mail_store_synced;
}

static inline void books_done(void)
{
    map_free(books.fates, free);
    books.fates = NULL;
}
