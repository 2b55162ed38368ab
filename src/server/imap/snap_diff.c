/* The difference of two snapshots as events: EXPUNGE from the highest number down (so that numbers
 * are the old ones), then keywords, EXISTS, and flags in the new numbering. Pure, no allocation;
 * runs on workers between other output. RFC 3501 sections 7.3 and 7.4. */
#include "server/imap/snap_diff.h"

enum { STAGE_EXPUNGE, STAGE_KEYWORDS, STAGE_EXISTS, STAGE_FLAGS, STAGE_DONE };

void imap_diff_init(struct imap_diff *d, const struct snap *old, const struct snap *new,
                    const struct imap_expect *expect)
{
    *d = (struct imap_diff){ .old = old, .new = new, .i = old->n, .j = new->n };
    if (expect)
        d->expect = *expect;
}

uint32_t imap_diff_count_expunged(const struct snap *old, const struct snap *new)
{
    uint32_t gone = 0;
    for (uint32_t i = 0, j = 0; i < old->n; i++) {
        while (j < new->n &&new->m[j].uid < old->m[i].uid)
            j++;
        if (j < new->n &&new->m[j].uid == old->m[i].uid)
            j++;
        else
            gone++;
    }
    return gone;
}

static bool next_expunge(struct imap_diff *d, struct imap_event *ev)
{
    while (d->i > 0) {
        uint32_t uid = d->old->m[--d->i].uid;
        while (d->j > 0 && d->new->m[d->j - 1].uid > uid)
            d->j--;
        if (d->j > 0 && d->new->m[d->j - 1].uid == uid)
            continue;
        d->expunged++;
        *ev = (struct imap_event){ EVENT_EXPUNGE, d->i + 1 };
        return true;
    }
    return false;
}

static uint64_t expected_flags(const struct imap_expect *e, uint64_t old)
{
    switch (e->mode) {
    case STORE_ADD:
        return old | e->bits;
    case STORE_REMOVE:
        return old & ~e->bits;
    case STORE_REPLACE:
        return e->bits;
    }
    return old;
}

static bool must_tell(struct imap_diff *d, const struct snap_msg *old, const struct snap_msg *new)
{
    const struct imap_expect *x = &d->expect;
    while (d->e < x->n && x->uids[d->e] < new->uid)
        d->e++;
    if (new->uid >= d->retell_lo &&new->uid <= d->retell_hi)
        return true;
    if (d->e < x->n && x->uids[d->e] == new->uid)
        return x->tell || new->flags != expected_flags(x, old->flags);
    return old->flags != new->flags;
}

static bool next_flags(struct imap_diff *d, struct imap_event *ev)
{
    while (d->i < d->old->n && d->j < d->new->n) {
        const struct snap_msg *o = &d->old->m[d->i], *n = &d->new->m[d->j];
        if (o->uid < n->uid) {
            d->i++;
            continue;
        }
        d->j++;
        if (o->uid > n->uid)
            continue;
        d->i++;
        if (must_tell(d, o, n)) {
            *ev = (struct imap_event){ EVENT_FETCH, d->j };
            return true;
        }
    }
    return false;
}

struct imap_event imap_diff_next(struct imap_diff *d)
{
    struct imap_event ev = { EVENT_END, 0 };
    if (d->stage == STAGE_EXPUNGE) {
        if (next_expunge(d, &ev))
            return ev;
        d->stage = STAGE_KEYWORDS;
    }
    if (d->stage == STAGE_KEYWORDS) {
        d->stage = STAGE_EXISTS;
        if (d->old->n_keywords != d->new->n_keywords)
            return (struct imap_event){ EVENT_FLAGS, 0 };
    }
    if (d->stage == STAGE_EXISTS) {
        d->stage = STAGE_FLAGS;
        d->i = d->j = 0;
        if (d->new->n != d->old->n - d->expunged)
            return (struct imap_event){ EVENT_EXISTS, d->new->n };
    }
    if (d->stage == STAGE_FLAGS) {
        if (next_flags(d, &ev))
            return ev;
        d->stage = STAGE_DONE;
    }
    return ev;
}
