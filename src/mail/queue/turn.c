/* What waits for somebody who fetches it: all messages with such a recipient, in order of arrival,
 * whenever they would be due and however their destination rests. One list is made at the begin;
 * what comes later is for the next turn, so that a turn ends. */
#include "mail/queue/queue_priv.h"

struct queue_turn {
    struct queue *q;
    bool (*reaches)(const struct rcpt *, void *arg);
    void *arg;
    struct item **v; /* counted, from at on */
    size_t n, cap, at;
};

static bool may_go(const struct queue_turn *t, const struct item *it)
{
    if (!it->committed || it->finished || it->active || it->place == PLACE_PAUSED || it->m->held ||
        it->m->returning || it->m->moderation == MODERATION_WAITS || !it->waiting[RCPT_REMOTE])
        return false;
    for (size_t i = 0; i < it->m->n_rcpts; i++) {
        const struct rcpt *r = &it->m->rcpts[i];
        if (r->kind == RCPT_REMOTE && r->state == RCPT_WAITING && t->reaches(r, t->arg))
            return true;
    }
    return false;
}

static bool choose_one(struct item *it, const struct queue_info *i _unused_, void *arg)
{
    struct queue_turn *t = arg;
    if (!may_go(t, it))
        return true;
    if (t->n == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 64;
        t->v = xrealloc(t->v, t->cap * sizeof(struct item *));
    }
    item_ref(it);
    t->v[t->n++] = it;
    return true;
}

struct queue_turn *queue_turn_begin(struct queue *q,
                                    bool (*reaches)(const struct rcpt *, void *arg), void *arg,
                                    size_t *ret_n)
{
    struct queue_turn *t = xcalloc(1, sizeof(*t));
    *t = (struct queue_turn){ .q = q, .reaches = reaches, .arg = arg };
    pthread_mutex_lock(&q->lock);
    steer_walk(q, false, choose_one, t);
    pthread_mutex_unlock(&q->lock);
    *ret_n = t->n;
    return t;
}

struct message *queue_turn_next(struct queue_turn *t)
{
    struct message *m = NULL;
    pthread_mutex_lock(&t->q->lock);
    while (!m && t->at < t->n && !t->q->stopping) {
        struct item *it = t->v[t->at++];
        if (may_go(t, it) && settle_take(t->q, it, RCPT_REMOTE))
            m = message_ref(it->m);
        item_unref(it);
    }
    pthread_mutex_unlock(&t->q->lock);
    return m;
}

void queue_turn_end(struct queue_turn *t)
{
    pthread_mutex_lock(&t->q->lock);
    while (t->at < t->n)
        item_unref(t->v[t->at++]);
    pthread_mutex_unlock(&t->q->lock);
    free(t->v);
    free(t);
}
