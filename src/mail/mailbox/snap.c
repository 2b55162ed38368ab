/* Snapshots: the messages of a folder at one moment, 16 bytes each, shared by all sessions of the
 * process that see the same state. The cache knows the newest one of each folder while somebody
 * holds it. A newer one is made from it with what changed since: new uids, rows marked as changed,
 * expunged ranges. */
#include "base/slab.h"
#include "mail/mailbox/mailbox_priv.h"

struct snap_entry {
    struct snap_entry *next;
    int64_t folder_id;
    uint64_t gen;            /* the page's even generation that snap is known to be of; 0 = none */
    struct snap_own *newest; /* not counted: it takes itself out when the last holder goes */
};

struct snapcache {
    pthread_mutex_t lock; /* guards the rest, and the way of a snapshot's count to 0 */
    unsigned refs;
    struct snap_entry *entries;
};

struct snap_own {
    atomic_uint refs;
    struct snapcache *sc;
    _Alignas(16) struct snap s; /* last: its array follows */
};

static struct snap_own *own(const struct snap *s)
{
    return container_of((struct snap *)(uintptr_t)s, struct snap_own, s);
}

static struct slab caches = SLAB_OF(struct snapcache);

struct snapcache *snapcache_new(void)
{
    struct snapcache *sc = slab_alloc(&caches);
    pthread_mutex_init(&sc->lock, NULL);
    sc->refs = 1;
    return sc;
}

static void cache_free(struct snapcache *sc)
{
    pthread_mutex_destroy(&sc->lock);
    slab_free(&caches, sc);
}

void snapcache_unref(struct snapcache *sc)
{
    pthread_mutex_lock(&sc->lock);
    bool last = --sc->refs == 0;
    pthread_mutex_unlock(&sc->lock);
    if (last)
        cache_free(sc);
}

const struct snap *snap_ref(const struct snap *s)
{
    atomic_fetch_add_explicit(&own(s)->refs, 1, memory_order_relaxed);
    return s;
}

static struct snap_entry **find_entry(struct snapcache *sc, int64_t folder_id)
{
    struct snap_entry **pp = &sc->entries;
    while (*pp && (*pp)->folder_id != folder_id)
        pp = &(*pp)->next;
    return pp;
}

static void forget(struct snapcache *sc, const struct snap_own *o)
{
    struct snap_entry **pp = find_entry(sc, o->s.folder_id), *e = *pp;
    if (e && e->newest == o) {
        *pp = e->next;
        free(e);
    }
}

void snap_unref(const struct snap *s)
{
    struct snap_own *o = own(s);
    unsigned n = atomic_load_explicit(&o->refs, memory_order_relaxed);
    while (n > 1) {
        if (atomic_compare_exchange_weak_explicit(&o->refs, &n, n - 1, memory_order_release,
                                                  memory_order_relaxed))
            return;
    }
    struct snapcache *sc = o->sc;
    pthread_mutex_lock(&sc->lock);
    bool last = atomic_fetch_sub_explicit(&o->refs, 1, memory_order_acq_rel) == 1;
    bool cache_last = false;
    if (last) {
        forget(sc, o);
        cache_last = --sc->refs == 0;
    }
    pthread_mutex_unlock(&sc->lock);
    if (last)
        free(o);
    if (cache_last)
        cache_free(sc);
}

ssize_t snap_find_uid(const struct snap *s, uint32_t uid)
{
    size_t lo = 0, hi = s->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s->m[mid].uid < uid)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < s->n && s->m[lo].uid == uid ? (ssize_t)lo : -1;
}

/* The cached snapshot, counted, or NULL. gen != 0: only when it is known to be of that generation.
 */
static const struct snap *cache_get(struct snapcache *sc, int64_t folder_id, uint64_t gen)
{
    const struct snap *s = NULL;
    pthread_mutex_lock(&sc->lock);
    struct snap_entry *e = *find_entry(sc, folder_id);
    if (e && (gen == 0 || e->gen == gen))
        s = snap_ref(&e->newest->s);
    pthread_mutex_unlock(&sc->lock);
    return s;
}

static void cache_put(struct snapcache *sc, struct snap_own *o, uint64_t gen)
{
    pthread_mutex_lock(&sc->lock);
    struct snap_entry **pp = find_entry(sc, o->s.folder_id), *e = *pp;
    if (!e) {
        e = *pp = xcalloc(1, sizeof(*e));
        e->folder_id = o->s.folder_id;
    }
    e->newest = o;
    e->gen = gen & 1 ? 0 : gen;
    pthread_mutex_unlock(&sc->lock);
}

/* Room for n messages and the folder's keywords. */
static struct snap_own *snap_alloc(struct snapcache *sc, const struct folder_row *f, size_t n)
{
    struct sv rest = buf_sv(&f->keywords);
    unsigned n_keywords = keyword_count(rest);
    size_t array = sizeof(struct snap_own) + n * sizeof(struct snap_msg);
    struct snap_own *o = xmalloc(array + n_keywords * sizeof(char *) + rest.n + 1);
    const char **kw = (const char **)((char *)o + array);
    char *text = (char *)(kw + n_keywords);
    *o = (struct snap_own){ .sc = sc };
    atomic_init(&o->refs, 1);
    o->s.folder_id = f->id;
    o->s.uidvalidity = f->uidvalidity;
    o->s.uidnext = f->uidnext;
    o->s.modseq = f->modseq;
    o->s.n = (uint32_t)n;
    o->s.n_keywords = n_keywords;
    o->s.keywords = kw;
    for (unsigned i = 0; i < n_keywords; i++) {
        struct sv k = sv_split(&rest, ' ');
        kw[i] = text;
        memcpy(text, k.p, k.n);
        text[k.n] = '\0';
        text += k.n + 1;
    }
    pthread_mutex_lock(&sc->lock);
    sc->refs++;
    pthread_mutex_unlock(&sc->lock);
    return o;
}

static void count(struct snap *s)
{
    s->n_unseen = s->first_unseen = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        if (s->m[i].flags & FLAG_SEEN)
            continue;
        if (s->n_unseen++ == 0)
            s->first_unseen = i + 1;
    }
}

struct msgs {
    struct snap_msg *v;
    size_t n, cap;
};

static void msgs_free(struct msgs *l)
{
    free(l->v);
}

static int read_msgs(struct db_stmt *s, struct msgs *l, struct errinfo *ei)
{
    int r;
    while ((r = db_step(s, ei)) > 0) {
        if (l->n == l->cap) {
            l->cap = l->cap ? l->cap * 2 : 64;
            l->v = xrealloc(l->v, l->cap * sizeof(*l->v));
        }
        l->v[l->n++] = (struct snap_msg){ (uint32_t)db_col_int(s, 0), (uint32_t)db_col_int(s, 1),
                                          (uint64_t)db_col_int(s, 2) };
    }
    return r;
}

static int load_from_uid(struct op *o, int64_t folder_id, uint32_t uid, struct msgs *l,
                         struct errinfo *ei)
{
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r =
        db_query(o->c, &s, ei,
                 "SELECT uid, size, flags FROM msg WHERE folder_id = ? AND uid >= ? ORDER BY uid",
                 "ii", folder_id, (int64_t)uid);
    return r < 0 ? r : read_msgs(s, l, ei);
}

static int load_changed(struct op *o, int64_t folder_id, uint64_t modseq, struct msgs *l,
                        struct errinfo *ei)
{
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r = db_query(o->c, &s, ei,
                     "SELECT uid, size, flags FROM msg WHERE folder_id = ? AND modseq > ?"
                     " AND changed = 1",
                     "ii", folder_id, (int64_t)modseq);
    return r < 0 ? r : read_msgs(s, l, ei);
}

/* No message has all bits set. */
#define GONE UINT64_MAX

static void mark_gone(struct snap_msg *m, size_t n, struct sv ranges)
{
    struct gone_range g = { 0, 0 };
    size_t i = 0;
    while (gone_next(&ranges, &g)) {
        size_t lo = i, hi = n;
        while (lo < hi) {
            size_t mid = lo + (hi - lo) / 2;
            if (m[mid].uid < g.lo)
                lo = mid + 1;
            else
                hi = mid;
        }
        for (i = lo; i < n && m[i].uid <= g.hi; i++)
            m[i].flags = GONE;
    }
}

static int drop_gone(struct op *o, int64_t folder_id, uint64_t modseq, struct snap_msg *m,
                     size_t *n, struct errinfo *ei)
{
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r = db_query(o->c, &s, ei, "SELECT uids FROM gone WHERE folder_id = ? AND modseq > ?", "ii",
                     folder_id, (int64_t)modseq);
    if (r < 0)
        return r;
    while ((r = db_step(s, ei)) > 0)
        mark_gone(m, *n, db_col_blob(s, 0));
    size_t out = 0;
    for (size_t i = 0; i < *n; i++) {
        if (m[i].flags != GONE)
            m[out++] = m[i];
    }
    *n = out;
    return r;
}

static struct snap_own *assemble(struct snapcache *sc, const struct folder_row *f,
                                 const struct snap_msg *a, size_t na, const struct msgs *b)
{
    struct snap_own *o = snap_alloc(sc, f, na + b->n);
    if (na > 0)
        memcpy(o->s.m, a, na * sizeof(*a));
    if (b->n > 0)
        memcpy(o->s.m + na, b->v, b->n * sizeof(*b->v));
    count(&o->s);
    return o;
}

static int load_full(struct op *o, const struct folder_row *f, struct snap_own **ret,
                     struct errinfo *ei)
{
    _cleanup_(msgs_free) struct msgs l = { .cap = (size_t)MAX(f->messages, 0) };
    l.v = l.cap ? xmalloc(l.cap * sizeof(*l.v)) : NULL;
    int r = load_from_uid(o, f->id, 0, &l, ei);
    if (r == 0)
        *ret = assemble(o->m->snaps, f, NULL, 0, &l);
    return r;
}

static int load_newer(struct op *o, const struct folder_row *f, const struct snap *base,
                      struct snap_own **ret, struct errinfo *ei)
{
    _cleanup_(msgs_free) struct msgs fresh = { .n = 0 }, changed = { .n = 0 };
    _cleanup_(freep) struct snap_msg *old = NULL;
    size_t n = base->n;
    bool touched = f->flag_modseq > base->modseq || f->gone_modseq > base->modseq;
    int r = load_from_uid(o, f->id, base->uidnext, &fresh, ei);
    if (r < 0)
        return r;
    if (!touched) {
        *ret = assemble(o->m->snaps, f, base->m, n, &fresh);
        return 0;
    }
    old = xmalloc(n * sizeof(*old));
    memcpy(old, base->m, n * sizeof(*old));
    if (f->flag_modseq > base->modseq)
        r = load_changed(o, f->id, base->modseq, &changed, ei);
    for (size_t i = 0; i < changed.n; i++) {
        ssize_t at = snap_find_uid(base, changed.v[i].uid);
        if (at >= 0)
            old[at] = changed.v[i];
    }
    if (r == 0 && f->gone_modseq > base->modseq)
        r = drop_gone(o, f->id, base->modseq, old, &n, ei);
    if (r == 0)
        *ret = assemble(o->m->snaps, f, old, n, &fresh);
    return r;
}

/* Sets *ret to base counted again when it is the newest. */
static int refresh(struct op *o, int64_t folder_id, const struct snap *base, uint64_t gen,
                   const struct snap **ret, struct errinfo *ei)
{
    _cleanup_(row_done) struct folder_row f = { .id = 0 };
    struct snap_own *fresh = NULL;
    int r = row_load(o, folder_id, &f, ei);
    if (r < 0)
        return r;
    bool usable = base && base->uidvalidity == f.uidvalidity && base->modseq <= f.modseq;
    if (usable && base->modseq == f.modseq) {
        *ret = snap_ref(base);
        cache_put(o->m->snaps, own(base), gen);
        return 0;
    }
    if (usable && base->modseq >= f.gone_floor)
        r = load_newer(o, &f, base, &fresh, ei);
    else
        r = load_full(o, &f, &fresh, ei);
    if (r < 0)
        return r;
    cache_put(o->m->snaps, fresh, gen);
    *ret = &fresh->s;
    return 0;
}

int mailbox_snapshot(struct mailbox *m, int64_t folder_id, const struct snap *prev,
                     const struct snap **ret, struct errinfo *ei)
{
    uint64_t gen = atomic_load(&m->page->gen);
    if (!(gen & 1)) {
        *ret = cache_get(m->snaps, folder_id, gen);
        if (*ret)
            return 0;
    }
    struct op o;
    int r = op_read_tx(m, &o, ei);
    if (r < 0)
        return r;
    /* Before the read begins: what is committed behind it has another generation. */
    gen = atomic_load(&m->page->gen);
    if (atomic_load(&m->page->incoming)) /* left since, or it cannot be added now */
        gen |= 1;
    _cleanup_(snap_unrefp) const struct snap *base = cache_get(m->snaps, folder_id, 0);
    if (!base && prev && prev->folder_id == folder_id && own(prev)->sc == m->snaps)
        base = snap_ref(prev);
    return op_finish(&o, refresh(&o, folder_id, base, gen, ret, ei), ei);
}
