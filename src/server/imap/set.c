/* Message sets against a snapshot: numbers or uids to ranges of indexes. RFC 3501 section 9
 * (sequence-set) and 6.4.8 (uids that do not exist are silently left out). */
#include "server/imap/imap_priv.h"

static uint32_t uid_lower(const struct snap *s, uint64_t uid)
{
    uint32_t lo = 0, hi = s->n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (s->m[mid].uid < uid)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static bool uid_range(const struct snap *s, struct imap_range w, struct index_range *ret)
{
    uint32_t last = s->m[s->n - 1].uid;
    uint32_t a = w.lo == IMAP_STAR ? last : w.lo, b = w.hi == IMAP_STAR ? last : w.hi;
    uint32_t lo = uid_lower(s, MIN(a, b)), end = uid_lower(s, (uint64_t)MAX(a, b) + 1);
    if (lo >= end)
        return false;
    *ret = (struct index_range){ lo, end - 1 };
    return true;
}

/* Numbers beyond the end are an error, but "n:*" always holds at least the last message. */
static int seq_range(const struct snap *s, struct imap_range w, struct index_range *ret)
{
    bool star = w.lo == IMAP_STAR || w.hi == IMAP_STAR;
    uint32_t a = w.lo == IMAP_STAR ? s->n : w.lo, b = w.hi == IMAP_STAR ? s->n : w.hi;
    if (star) {
        a = MIN(a, s->n);
        b = MIN(b, s->n);
    }
    if (MAX(a, b) > s->n)
        return E_RANGE;
    *ret = (struct index_range){ MIN(a, b) - 1, MAX(a, b) - 1 };
    return 0;
}

static int by_lo(const void *a, const void *b)
{
    const struct index_range *x = a, *y = b;
    return x->lo < y->lo ? -1 : x->lo > y->lo;
}

static void merge(struct index_set *set)
{
    size_t n = 0;
    qsort(set->r, set->n, sizeof(*set->r), by_lo);
    for (size_t i = 0; i < set->n; i++) {
        struct index_range *last = n ? &set->r[n - 1] : NULL;
        if (last && set->r[i].lo <= (uint64_t)last->hi + 1)
            last->hi = MAX(last->hi, set->r[i].hi);
        else
            set->r[n++] = set->r[i];
    }
    set->n = n;
    set->count = 0;
    for (size_t i = 0; i < n; i++)
        set->count += set->r[i].hi - set->r[i].lo + 1;
}

int index_set_resolve(const struct imap_set *set, bool uid, const struct snap *snap,
                      struct arena *a, struct index_set *ret)
{
    struct index_set out = { arena_alloc(a, set->n * sizeof(struct index_range)), 0, 0 };
    if (!out.r)
        return E_LIMIT;
    for (size_t i = 0; i < set->n; i++) {
        struct index_range r;
        if (snap->n == 0) {
            bool star = set->r[i].lo == IMAP_STAR || set->r[i].hi == IMAP_STAR;
            if (!uid && !star)
                return E_RANGE;
        } else if (uid) {
            if (uid_range(snap, set->r[i], &r))
                out.r[out.n++] = r;
        } else {
            if (seq_range(snap, set->r[i], &r) < 0)
                return E_RANGE;
            out.r[out.n++] = r;
        }
    }
    if (out.n)
        merge(&out);
    *ret = out;
    return 0;
}

int cmd_index_set(struct cmd *c, struct index_set *ret)
{
    struct imap_set set;
    int r = imap_sp(&c->in);
    if (r == 0)
        r = imap_set_parse(&c->in, &set);
    if (r < 0) {
        cmd_bad_args(c, "message set");
        return r;
    }
    r = index_set_resolve(&set, c->uid, c->s->snap, c->a, ret);
    if (r == E_RANGE)
        cmd_done(c, RES_BAD, "Message number beyond the %" PRIu32 " messages of the mailbox",
                 c->s->snap->n);
    else if (r < 0)
        cmd_done(c, RES_NO, "[LIMIT] Message set is too large");
    return r;
}

uint32_t *index_set_uids(const struct index_set *set, const struct snap *snap, struct arena *a)
{
    uint32_t *uids = arena_alloc(a, (set->count ? set->count : 1) * sizeof(*uids));
    size_t n = 0;
    for (size_t i = 0; uids && i < set->n; i++) {
        for (uint32_t k = set->r[i].lo; k <= set->r[i].hi; k++)
            uids[n++] = snap->m[k].uid;
    }
    return uids;
}

/* Rows in small gaps are read and left out: cheaper than another query. */
uint32_t set_iter_span(const struct set_iter *it)
{
    uint32_t hi = it->set->r[it->r].hi;
    for (size_t r = it->r + 1; r < it->set->n && it->set->r[r].lo - hi <= 32; r++)
        hi = it->set->r[r].hi;
    return hi;
}
