/* What was expunged, per operation one row: from it snapshots learn which messages to drop, without
 * reading the folder anew. A set of uids is a run of LEB128 numbers: gap from the end of the range
 * before, length - 1. */
#include "mail/mailbox/mailbox_priv.h"

#define KEEP_OPS    5000 /* older expunges are forgotten: snapshots behind them load anew */
#define MAX_SET     (256 * KiB)
#define PRUNE_EVERY 64

static int put(struct buf *out, uint32_t v)
{
    while (v >= 0x80) {
        buf_add_c(out, (char)(v | 0x80));
        v >>= 7;
    }
    return buf_add_c(out, (char)v);
}

static bool get(struct sv *in, uint32_t *ret)
{
    uint64_t v = 0;
    for (unsigned shift = 0; in->n > 0 && shift < 35; shift += 7) {
        unsigned char c = (unsigned char)*in->p;
        *in = sv_skip(*in, 1);
        v |= (uint64_t)(c & 0x7f) << shift;
        if (!(c & 0x80)) {
            *ret = (uint32_t)v;
            return v <= UINT32_MAX;
        }
    }
    return false;
}

int gone_encode(const uint32_t *uids, size_t n, struct buf *out)
{
    uint32_t end = 0;
    for (size_t i = 0; i < n;) {
        size_t j = i + 1;
        while (j < n && uids[j] == uids[j - 1] + 1)
            j++;
        put(out, uids[i] - end);
        put(out, (uint32_t)(j - i - 1));
        end = uids[j - 1];
        i = j;
    }
    return out->overflow ? -ENOMEM : 0;
}

bool gone_next(struct sv *in, struct gone_range *r)
{
    uint32_t gap, more;
    if (!get(in, &gap) || !get(in, &more))
        return false;
    if (gap > UINT32_MAX - r->hi || more > UINT32_MAX - r->hi - gap)
        return false;
    r->lo = r->hi + gap;
    r->hi = r->lo + more;
    return true;
}

static int forget(struct op *o, struct folder_row *f, uint64_t floor, struct errinfo *ei)
{
    f->gone_floor = floor;
    return db_run(o->c, ei, "DELETE FROM gone WHERE folder_id = ? AND modseq <= ?", "ii", f->id,
                  (int64_t)floor);
}

int gone_record(struct op *o, struct folder_row *f, const uint32_t *uids, size_t n,
                struct errinfo *ei)
{
    _cleanup_(buf_done) struct buf set = { .p = NULL };
    buf_init(&set, MAX_SET);
    if (f->new_modseq != 0 && f->gone_modseq == f->new_modseq)
        f->new_modseq = ++f->modseq; /* the operation removes in several steps: a row for each */
    f->gone_modseq = row_touch(o, f);
    if (gone_encode(uids, n, &set) < 0)
        return forget(o, f, f->gone_modseq, ei); /* too scattered: everybody loads anew */
    int r = db_run(o->c, ei, "INSERT OR REPLACE INTO gone(folder_id, modseq, uids) VALUES(?, ?, ?)",
                   "iib", f->id, (int64_t)f->gone_modseq, buf_sv(&set));
    if (r == 0 && f->gone_modseq % PRUNE_EVERY == 0 && f->gone_modseq > f->gone_floor + KEEP_OPS)
        r = forget(o, f, f->gone_modseq - KEEP_OPS, ei);
    return r;
}
