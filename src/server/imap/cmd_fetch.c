/* FETCH: arguments, \Seen once for the whole command, then a job. RFC 3501 section 6.4.5. */
#include "server/imap/fetch_priv.h"

static bool sets_seen(const struct imap_fetch *w)
{
    for (size_t i = 0; i < w->n; i++) {
        if (w->sections[i].sets_seen)
            return true;
    }
    return false;
}

/* Uids of the set that are not \Seen. */
static size_t unseen_uids(struct cmd *c, const struct index_set *set, uint32_t **ret)
{
    const struct snap *snap = c->s->snap;
    uint32_t *uids = arena_alloc(c->a, (set->count + 1) * sizeof(*uids));
    size_t n = 0;
    for (struct set_iter it = set_iter_begin(set); uids && !set_iter_end(&it); set_iter_next(&it)) {
        if (!(snap->m[it.i].flags & FLAG_SEEN))
            uids[n++] = snap->m[it.i].uid;
    }
    *ret = uids;
    return n;
}

/* One change for all, and the client's view is brought up to it, so that the responses show it. */
static void mark_seen(struct cmd *c, const uint32_t *uids, size_t n)
{
    struct session *s = c->s;
    struct errinfo ei = { 0 };
    struct sync y;
    int r = mailbox_store(s->mb, s->snap->folder_id, uids, n, STORE_ADD, FLAG_SEEN, NULL, &ei);
    if (r < 0) {
        log_error("IMAP FETCH of %s: %s", s->acc->address, ei.text);
        return;
    }
    struct imap_expect expect = { .uids = uids, .n = n, .mode = STORE_ADD, .bits = FLAG_SEEN };
    if (sync_begin(s, c->uid, &expect, c->uid, &y) <= 0)
        return;
    while (sync_put(s, &y, &c->out, c->out.n + JOB_CHUNK))
        ;
    sync_end(&y);
}

static unsigned row_fields(const struct imap_fetch *w)
{
    unsigned f = 0;
    if (w->n || w->items & FETCH_INTERNALDATE)
        f |= MSG_META;
    if (w->items & FETCH_ENVELOPE)
        f |= MSG_ENVELOPE;
    if (w->items & (FETCH_BODY | FETCH_BODYSTRUCTURE))
        f |= MSG_STRUCTURE;
    return f;
}

static int parse(struct cmd *c, struct imap_set *set, struct imap_fetch *what)
{
    int r = imap_sp(&c->in);
    if (r == 0)
        r = imap_set_parse(&c->in, set);
    if (r < 0) {
        cmd_bad_args(c, "message set");
        return r;
    }
    r = imap_sp(&c->in);
    if (r == 0)
        r = imap_fetch_parse(&c->in, what);
    if (r == E_LIMIT)
        cmd_done(c, RES_NO, "[LIMIT] Too many items");
    else if (r < 0)
        cmd_bad_args(c, "items to fetch");
    else
        r = cmd_no_args(c);
    return r;
}

static int resolve(struct cmd *c, const struct imap_set *set, struct index_set *ret)
{
    int r = index_set_resolve(set, c->uid, c->s->snap, c->a, ret);
    if (r == E_RANGE)
        cmd_done(c, RES_BAD, "Message number beyond the %" PRIu32 " messages of the mailbox",
                 c->s->snap->n);
    else if (r < 0)
        cmd_done(c, RES_NO, "[LIMIT] Message set is too large");
    return r;
}

void cmd_fetch(struct cmd *c)
{
    struct imap_set set;
    struct imap_fetch what;
    struct index_set indexes;
    uint32_t *seen = NULL;
    size_t n_seen = 0;
    if (parse(c, &set, &what) < 0 || resolve(c, &set, &indexes) < 0)
        return;
    if (sets_seen(&what) && !c->s->read_only) {
        const struct snap *before = c->s->snap;
        n_seen = unseen_uids(c, &indexes, &seen);
        if (n_seen)
            mark_seen(c, seen, n_seen);
        if (c->s->snap != before && resolve(c, &set, &indexes) < 0)
            return;
    }
    struct fetch_job *f = xcalloc(1, sizeof(*f));
    f->j.step = fetch_step;
    f->j.done = fetch_done;
    f->snap = snap_ref(c->s->snap);
    f->what = what;
    f->what.items |= c->uid ? FETCH_UID : 0;
    f->set = indexes;
    f->seen = seen;
    f->n_seen = n_seen;
    f->row_fields = row_fields(&what);
    f->it = set_iter_begin(&f->set);
    f->file.fd = f->src.fd = -1;
    job_start(c, &f->j);
}
