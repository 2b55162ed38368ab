/* How many messages are in which state, known at any time without looking at all of them. What an
 * item is counted as is noted with each change of it; only that it becomes overdue, no event says:
 * items are in order of arrival, and whoever asks moves the border between those that are and those
 * that are not. */
#include "mail/queue/queue_priv.h"

#include <sched.h>

enum {
    OVERDUE_MS = 4 * 3600000,
    AT_ONCE = 512,       /* items that become overdue while others wait for the lock */
    OUT_OF_ORDER = 1000, /* items that may be in front of an older one: so long is looked */
};

static enum queue_state state_of(const struct queue_info *i, bool overdue)
{
    if (i->active || i->returning)
        return QS_SENDING;
    if (i->held)
        return QS_HELD;
    if (i->moderated)
        return QS_MODERATION;
    if (i->paused)
        return QS_PAUSED;
    if (overdue)
        return QS_OVERDUE;
    return i->attempts ? QS_WAITING : QS_QUEUED;
}

static bool is_overdue(int64_t received_ms, int64_t now_ms)
{
    return now_ms - received_ms > OVERDUE_MS;
}

enum queue_state queue_state_of(const struct queue_info *i, int64_t now_ms)
{
    return state_of(i, is_overdue(i->received_ms, now_ms));
}

static void note_held(struct queue *q, const struct item *it, bool held)
{
    struct sv login = sv_c(it->m->auth_user);
    size_t *n = map_get(q->held, login);
    if (!n)
        map_put(q->held, login, n = xcalloc(1, sizeof(*n)));
    if (held)
        ++*n;
    else if (--*n == 0)
        free(map_del(q->held, login));
}

void totals_note(struct queue *q, struct item *it)
{
    const struct queue_info i = {
        .active = it->active,
        .returning = it->m->returning,
        .held = it->m->held,
        .moderated = it->m->moderation == MODERATION_WAITS,
        .paused = it->place == PLACE_PAUSED,
        .attempts = it->attempts,
    };
    bool was_held = it->counted_as == 1 + QS_HELD;
    if (it->counted_as)
        q->n_in_state[it->counted_as - 1]--;
    it->counted_as = it->committed && !it->finished ? 1 + state_of(&i, it->overdue) : 0;
    if (it->counted_as)
        q->n_in_state[it->counted_as - 1]++;
    bool is_held = it->counted_as == 1 + QS_HELD;
    if (is_held != was_held)
        note_held(q, it, is_held);
}

size_t queue_held_of(struct queue *q, struct sv login)
{
    pthread_mutex_lock(&q->lock);
    const size_t *n = map_get(q->held, login);
    size_t held = n ? *n : 0;
    pthread_mutex_unlock(&q->lock);
    return held;
}

/* --- the order of arrival --- */

/* The next item; NULL: none. Marks of those who walk through the items are not looked at. */
static struct item *item_at(const struct queue *q, struct list *l)
{
    while (l != &q->items && !container_of(l, struct item, link)->m)
        l = l->next;
    return l == &q->items ? NULL : container_of(l, struct item, link);
}

/* The ids of a message, and so its time, are from before its content came. */
void totals_add(struct queue *q, struct item *it)
{
    struct list *l = q->items.prev;
    for (unsigned n = 0; l != &q->items && n < OUT_OF_ORDER; l = l->prev, n++) {
        const struct message *m = container_of(l, struct item, link)->m;
        if (m && m->received_ms <= it->m->received_ms)
            break;
    }
    list_add_head(l, &it->link);
    q->n_items++;
    struct item *next = item_at(q, it->link.next);
    if (next == q->first_in_time)
        q->first_in_time = it;
    else
        it->overdue = next && next->overdue;
}

void totals_remove(struct queue *q, struct item *it)
{
    if (q->first_in_time == it)
        q->first_in_time = item_at(q, it->link.next);
    list_del(&it->link);
    q->n_items--;
    totals_note(q, it);
}

/* The lock is given up now and then. */
static void move_border(struct queue *q, int64_t now_ms)
{
    for (size_t n = 1; q->first_in_time; n++) {
        struct item *it = q->first_in_time;
        if (!is_overdue(it->m->received_ms, now_ms))
            return;
        it->overdue = true;
        totals_note(q, it);
        q->first_in_time = item_at(q, it->link.next);
        if (n % AT_ONCE == 0) {
            pthread_mutex_unlock(&q->lock);
            sched_yield();
            pthread_mutex_lock(&q->lock);
        }
    }
}

void queue_totals(struct queue *q, int64_t now_ms, struct queue_totals *ret)
{
    *ret = (struct queue_totals){ 0 };
    pthread_mutex_lock(&q->lock);
    move_border(q, now_ms);
    for (size_t i = 0; i < QS_COUNT; i++)
        ret->total += ret->states[i] = q->n_in_state[i];
    const struct item *first = item_at(q, q->items.next);
    while (first && !first->committed)
        first = item_at(q, first->link.next);
    ret->oldest_ms = first ? first->m->received_ms : 0;
    pthread_mutex_unlock(&q->lock);
}
