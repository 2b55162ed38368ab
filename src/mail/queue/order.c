/* Orders for a message that is in a deliverer's hands. An order is recorded at once, as a newer
 * state of the message as it was before the attempt; it takes effect when the attempt ends and the
 * deliverer's result is joined with it. What was delivered meanwhile stays delivered. */
#include "event/event.h"
#include "mail/queue/queue_priv.h"

enum { MAX_ENVELOPE = 64 * 1024 * 1024 };

struct order {
    struct message *want; /* its newest recorded state, by which the order stands */
    enum queue_action action;
    char *admin;

    /* What it changed, by join: */
    bool *dropped; /* of the recipients */
    bool any_dropped, any_left;
    bool held, returned, reprioritized;
};

/* --- whose it is --- */

bool order_blocked(const struct item *it)
{
    unsigned char hands = atomic_load(&it->hands);
    return hands == HANDS_STEERED || hands == HANDS_SETTLED;
}

bool order_begin(struct item *it)
{
    unsigned char hands = atomic_load(&it->hands);
    do {
        if (hands == HANDS_STEERED || hands == HANDS_SETTLED)
            return false;
    } while (!atomic_compare_exchange_weak(&it->hands, &hands, HANDS_STEERED));
    return true;
}

void order_end(struct queue *q, struct item *it)
{
    atomic_store(&it->hands, it->order ? HANDS_ORDERED : HANDS_FREE);
    pthread_cond_broadcast(&q->idle);
}

/* --- giving one --- */

/* Its newest state may be in a record of its own, in a file, or in the content's record. */
static int read_state(struct queue *q, struct item *it, struct message *m)
{
    struct buf b;
    struct rec rec;
    int r;
    buf_init(&b, MAX_ENVELOPE);
    if (!item_state_in_journal(it) && it->has_env) {
        uint32_t version;
        pthread_mutex_unlock(&q->lock);
        r = spool_read_env(q, it->m->item, m, &version, NULL);
        pthread_mutex_lock(&q->lock);
    } else {
        const struct records *own = it->records;
        const struct jent *e = item_state_in_journal(it) ? &own->state[own->cur] : &own->content;
        r = e->seg ? journal_read_record(&q->journal, e, &b, &rec) : E_CORRUPT;
        if (r >= 0)
            r = message_envelope_decode(rec_envelope(&rec), m, NULL);
    }
    buf_done(&b);
    return r;
}

int order_read(struct queue *q, struct item *it, struct message **ret)
{
    struct message *m = message_new_without_key();
    int r = read_state(q, it, m);
    if (r < 0)
        message_unref(m);
    else
        *ret = m;
    return r;
}

void order_give(struct item *it, struct message *want, enum queue_action action, const char *admin)
{
    order_free(it->order);
    it->order = xcalloc(1, sizeof(*it->order));
    it->order->want = want;
    it->order->action = action;
    it->order->admin = admin ? xstrdup(admin) : NULL;
}

const enum queue_action *order_action(const struct item *it)
{
    return it->order ? &it->order->action : NULL;
}

/* --- taking effect --- */

static void join(struct message *m, struct order *o)
{
    const struct message *want = o->want;
    o->held = want->held && !m->held;
    o->returned = want->returning && !m->returning;
    m->held = want->held;
    m->returning |= want->returning;
    if (!m->returning) {
        o->reprioritized = want->priority != m->priority;
        m->priority = want->priority;
    }
    o->dropped = xcalloc(m->n_rcpts + 1, sizeof(bool));
    for (size_t i = 0; i < m->n_rcpts; i++) {
        struct rcpt *r = &m->rcpts[i];
        if (r->state != RCPT_WAITING || r->kind >= KINDS)
            continue;
        o->dropped[i] = i < want->n_rcpts && want->rcpts[i].state == RCPT_FAILED;
        o->any_dropped |= o->dropped[i];
        o->any_left |= !o->dropped[i];
        if (o->dropped[i]) { /* its sender is told nothing: it is as if it was told */
            r->state = RCPT_FAILED;
            r->told = true;
        }
    }
}

struct order *order_close_locked(struct queue *q, struct item *it)
{
    while (atomic_load(&it->hands) == HANDS_STEERED)
        pthread_cond_wait(&q->idle, &q->lock);
    struct order *o = it->order;
    it->order = NULL;
    if (o)
        join(it->m, o);
    atomic_store(&it->hands, HANDS_SETTLED);
    return o;
}

struct order *order_close(struct queue *q, struct item *it)
{
    unsigned char nobody = HANDS_FREE;
    if (atomic_compare_exchange_strong(&it->hands, &nobody, HANDS_SETTLED))
        return NULL;
    pthread_mutex_lock(&q->lock);
    struct order *o = order_close_locked(q, it);
    pthread_mutex_unlock(&q->lock);
    return o;
}

bool order_returned(const struct order *o)
{
    return o && o->returned;
}

void order_free(struct order *o)
{
    if (!o)
        return;
    message_unref(o->want);
    free(o->admin);
    free(o->dropped);
    free(o);
}

void order_tell(struct order *o, const struct message *m)
{
    if (!o)
        return;
    struct steer_event e = { .admin = o->admin, .m = m, .priority = o->want->priority };
    if (o->any_dropped) {
        e.action = QUEUE_DELETE;
        e.dropped = o->any_left ? o->dropped : NULL;
        steer_tell(&e);
        e.dropped = NULL;
    }
    const bool changed[] = {
        [QUEUE_HOLD] = o->held, [QUEUE_RETURN] = o->returned, [QUEUE_PRIORITY] = o->reprioritized
    };
    for (size_t i = 0; i < ARRAY_LEN(changed) && o->any_left; i++) {
        e.action = (enum queue_action)i;
        if (changed[i])
            steer_tell(&e);
    }
    order_free(o);
}
