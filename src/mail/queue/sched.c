/* When an item is due: ready lists in order of arrival, heaps of what waits for its time. Under the
 * queue's lock.
 *
 * An item is placed for one kind of recipient at a time, the one that is due first (local before
 * remote), because the message belongs to one deliverer at a time. */
#include "base/clock.h"
#include "conf/conf.h"
#include "mail/queue/queue_priv.h"

static bool earlier(const struct heap *h, size_t a, size_t b)
{
    return h->p[a]->due[h->kind] < h->p[b]->due[h->kind];
}

static void swap(struct heap *h, size_t a, size_t b)
{
    struct item *t = h->p[a];
    h->p[a] = h->p[b];
    h->p[b] = t;
    h->p[a]->heap_at = a;
    h->p[b]->heap_at = b;
}

static void sift_up(struct heap *h, size_t i)
{
    while (i > 0 && earlier(h, i, (i - 1) / 2)) {
        swap(h, i, (i - 1) / 2);
        i = (i - 1) / 2;
    }
}

static void sift_down(struct heap *h, size_t i)
{
    for (;;) {
        size_t least = i, l = 2 * i + 1, r = l + 1;
        if (l < h->n && earlier(h, l, least))
            least = l;
        if (r < h->n && earlier(h, r, least))
            least = r;
        if (least == i)
            return;
        swap(h, i, least);
        i = least;
    }
}

static void heap_add(struct heap *h, struct item *it)
{
    if (h->n == h->cap) {
        h->cap = h->cap ? h->cap * 2 : 64;
        h->p = xrealloc(h->p, h->cap * sizeof(*h->p));
    }
    it->heap_at = h->n;
    h->p[h->n++] = it;
    sift_up(h, it->heap_at);
}

static void heap_del(struct heap *h, struct item *it)
{
    size_t i = it->heap_at;
    swap(h, i, --h->n);
    if (i < h->n) {
        sift_up(h, i);
        sift_down(h, i);
    }
}

void sched_remove(struct queue *q, struct item *it)
{
    if (it->place == PLACE_READY)
        list_del(&it->ready);
    else if (it->place == PLACE_LATER)
        heap_del(&q->later[it->kind], it);
    it->place = PLACE_NONE;
}

static bool pick_kind(const struct item *it, enum rcpt_kind *ret)
{
    bool local = it->waiting[RCPT_LOCAL], remote = it->waiting[RCPT_REMOTE];
    *ret = local && (!remote || it->due[RCPT_LOCAL] <= it->due[RCPT_REMOTE]) ? RCPT_LOCAL
                                                                             : RCPT_REMOTE;
    return local || remote;
}

void sched_place(struct queue *q, struct item *it)
{
    sched_remove(q, it);
    if (it->active || it->finished || !it->committed || !pick_kind(it, &it->kind))
        return;
    if (it->due[it->kind] > clock_wall_ms()) {
        it->place = PLACE_LATER;
        heap_add(&q->later[it->kind], it);
    } else {
        it->place = PLACE_READY;
        list_add_tail(&q->ready[it->kind], &it->ready);
    }
    pthread_cond_signal(&q->take[it->kind]);
}

void sched_done(struct queue *q)
{
    for (size_t k = 0; k < KINDS; k++)
        free(q->later[k].p);
}

static int64_t parse_wait(struct sv s)
{
    static const struct {
        struct sv unit;
        int64_t ms;
    } units[] = { { { "ms", 2 }, 1 },
                  { { "s", 1 }, 1000 },
                  { { "m", 1 }, 60000 },
                  { { "h", 1 }, 3600000 },
                  { { "d", 1 }, 86400000 } };
    s = sv_trim(s);
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        uint64_t v;
        if (sv_iends(s, units[i].unit) && sv_to_u64(sv_take(s, s.n - units[i].unit.n), &v) == 0)
            return (int64_t)MIN(v, (uint64_t)30 * 86400000) * units[i].ms;
    }
    return -1;
}

int64_t sched_retry_delay(unsigned attempts)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    struct sv rest = sv_c(cf->queue.retry_schedule);
    int64_t wait = 60000;
    for (unsigned i = 0; rest.p && i < MAX(attempts, 1u); i++) {
        int64_t v = parse_wait(sv_split(&rest, ';'));
        if (v >= 0)
            wait = v;
    }
    return wait;
}
