/* The client's view of the selected mailbox and the store's: takes new snapshots, says what has
 * changed, keeps track of \Recent. Runs on workers. RFC 3501 sections 2.3.2, 5.2 and 7.3. */
#include "server/imap/imap_priv.h"

bool recent_has(const struct recent *r, uint32_t uid)
{
    for (uint32_t i = r->n; i-- > 0;) {
        if (uid >= r->r[i].lo)
            return uid <= r->r[i].hi;
    }
    return false;
}

static uint32_t lower_bound(const struct snap *s, uint64_t uid)
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

uint32_t recent_count(const struct recent *r, const struct snap *s)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < r->n; i++)
        n += lower_bound(s, (uint64_t)r->r[i].hi + 1) - lower_bound(s, r->r[i].lo);
    return n;
}

static void recent_add(struct recent *r, uint32_t lo, uint32_t hi)
{
    if (r->n && lo <= r->r[r->n - 1].hi + 1) {
        r->r[r->n - 1].hi = MAX(r->r[r->n - 1].hi, hi);
        return;
    }
    r->r = xrealloc(r->r, (r->n + 1) * sizeof(*r->r));
    r->r[r->n++] = (struct imap_range){ lo, hi };
}

/* Claims first and looks again: what is between the two snapshots may have been claimed here or
 * elsewhere, and then counts as recent (RFC 3501 2.3.2). */
void sync_claim_recent(struct session *s, const struct snap **snap)
{
    uint32_t first;
    const struct snap *newer;
    if ((*snap)->n == 0 || (*snap)->uidnext <= s->recent_told)
        return;
    if (mailbox_claim_recent(s->mb, (*snap)->folder_id, &first, NULL) < 0)
        return;
    if (mailbox_snapshot(s->mb, (*snap)->folder_id, *snap, &newer, NULL) == 0) {
        snap_unref(*snap);
        *snap = newer;
    }
    if (first < (*snap)->uidnext)
        recent_add(&s->recent, first, (*snap)->uidnext - 1);
    s->recent_told = (*snap)->uidnext;
}

/* The client learns of its own changes, but the snapshot it is compared with stays the old one:
 * when somebody undoes the change meanwhile, the difference would not show it. */
static void retell_later(struct session *s, const struct imap_expect *expect)
{
    if (!expect || !expect->n)
        return;
    uint32_t lo = expect->uids[0], hi = expect->uids[expect->n - 1];
    s->retell_lo = s->retell_hi ? MIN(s->retell_lo, lo) : lo;
    s->retell_hi = MAX(s->retell_hi, hi);
}

int sync_begin(struct session *s, bool may_expunge, const struct imap_expect *expect, bool with_uid,
               struct sync *ret)
{
    const struct snap *new;
    int r = mailbox_snapshot(s->mb, s->snap->folder_id, s->snap, &new, NULL);
    bool asked = expect && expect->n && expect->tell;
    if (r < 0)
        return r == E_NOTFOUND || r == -ESTALE ? r : 0; /* trouble that passes is no news */
    if (new == s->snap && !asked) {
        snap_unref(new);
        return 0;
    }
    if (!may_expunge && imap_diff_count_expunged(s->snap, new) > 0) {
        retell_later(s, expect);
        snap_unref(new);
        return 0;
    }
    if (!s->read_only && new->uidnext > s->snap->uidnext) {
        const struct snap *before = snap_ref(new);
        sync_claim_recent(s, &new);
        if (!may_expunge && new != before && imap_diff_count_expunged(s->snap, new) > 0) {
            snap_unref(new);
            new = snap_ref(before);
        }
        snap_unref(before);
    }
    *ret = (struct sync){ .old = s->snap, .new = new, .with_uid = with_uid };
    imap_diff_init(&ret->diff, s->snap, new, expect);
    ret->diff.retell_lo = s->retell_lo;
    ret->diff.retell_hi = s->retell_hi;
    s->retell_lo = s->retell_hi = 0;
    s->snap = snap_ref(new);
    return 1;
}

void sync_end(struct sync *y)
{
    snap_unref(y->old);
    snap_unref(y->new);
}

static void put_number(struct buf *out, uint32_t n, const char *what)
{
    buf_add(out, "* ", 2);
    imap_put_u64(out, n);
    buf_add_str(out, what);
}

static void put_fetch_flags(struct session *s, const struct snap *snap, const struct snap_msg *m,
                            uint32_t number, bool with_uid, struct buf *out)
{
    put_number(out, number, " FETCH (");
    if (with_uid) {
        buf_add(out, "UID ", 4);
        imap_put_u64(out, m->uid);
        buf_add_c(out, ' ');
    }
    buf_add(out, "FLAGS ", 6);
    imap_put_flags(out, m->flags, recent_has(&s->recent, m->uid), snap->keywords, snap->n_keywords);
    buf_add(out, ")\r\n", 3);
}

void sync_put_expected(struct session *s, const struct imap_expect *expect, bool with_uid,
                       struct buf *out)
{
    const struct snap *new;
    if (mailbox_snapshot(s->mb, s->snap->folder_id, s->snap, &new, NULL) < 0)
        return;
    for (size_t i = 0; i < expect->n; i++) {
        ssize_t old = snap_find_uid(s->snap, expect->uids[i]);
        ssize_t now = snap_find_uid(new, expect->uids[i]);
        if (old >= 0 && now >= 0)
            put_fetch_flags(s, new, &new->m[now], (uint32_t)old + 1, with_uid, out);
    }
    snap_unref(new);
}

static void put_event(struct session *s, struct sync *y, struct imap_event ev, struct buf *out)
{
    switch (ev.type) {
    case EVENT_END:
        break;
    case EVENT_EXPUNGE:
        put_number(out, ev.number, " EXPUNGE\r\n");
        break;
    case EVENT_FLAGS:
        put_flags_response(out, y->new, s->read_only);
        break;
    case EVENT_EXISTS:
        put_number(out, ev.number, " EXISTS\r\n");
        put_number(out, recent_count(&s->recent, y->new), " RECENT\r\n");
        break;
    case EVENT_FETCH:
        put_fetch_flags(s, y->new, &y->new->m[ev.number - 1], ev.number, y->with_uid, out);
        break;
    }
}

int sync_put(struct session *s, struct sync *y, struct buf *out, size_t limit)
{
    while (out->n < limit) {
        struct imap_event ev = imap_diff_next(&y->diff);
        if (ev.type == EVENT_END)
            return 0;
        put_event(s, y, ev, out);
    }
    return 1;
}

void put_flags_response(struct buf *out, const struct snap *snap, bool read_only)
{
    static const char system[] = "\\Answered \\Flagged \\Deleted \\Seen \\Draft";
    buf_add_str(out, "* FLAGS (");
    buf_add_str(out, system);
    for (uint32_t i = 0; i < snap->n_keywords; i++)
        buf_addf(out, " %s", snap->keywords[i]);
    buf_add_str(out, ")\r\n* OK [PERMANENTFLAGS (");
    if (!read_only) {
        buf_add_str(out, system);
        for (uint32_t i = 0; i < snap->n_keywords; i++)
            buf_addf(out, " %s", snap->keywords[i]);
        if (snap->n_keywords < MAX_KEYWORDS)
            buf_add_str(out, " \\*");
    }
    buf_add_str(out, read_only ? ")] Read-only mailbox\r\n" : ")] Flags are kept\r\n");
}
