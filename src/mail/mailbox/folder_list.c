/* What LIST, LSUB and STATUS show: folders, subscriptions, and names that exist only as parents.
 * Collected under the lock, handed out without it. */
#include "base/arena.h"
#include "mail/mailbox/mailbox_priv.h"

struct entry {
    struct folder f;
    char *name, *special_use;
};

struct listing {
    struct entry *e;
    size_t n, cap;
};

static void listing_done(struct listing *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->e[i].name);
        free(l->e[i].special_use);
    }
    free(l->e);
}

static struct entry *add(struct listing *l, struct sv name)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 16;
        l->e = xrealloc(l->e, l->cap * sizeof(*l->e));
    }
    struct entry *e = &l->e[l->n++];
    *e = (struct entry){ .name = sv_dup(name), .special_use = xstrdup("") };
    return e;
}

static void fill(struct folder *f, struct db_stmt *s)
{
    f->exists = true;
    f->id = db_col_int(s, 0);
    f->uidvalidity = (uint32_t)db_col_int(s, 3);
    f->uidnext = (uint32_t)db_col_int(s, 4);
    f->messages = (uint32_t)db_col_int(s, 5);
    f->unseen = (uint32_t)db_col_int(s, 6);
    f->modseq = (uint64_t)db_col_int(s, 7);
    f->bytes = (uint64_t)db_col_int(s, 8);
    f->recent = (uint32_t)db_col_int(s, 9); /* recent_uid until it is counted */
}

#define COLUMNS                                                                                    \
    "id, name, special_use, uidvalidity, uidnext, messages, unseen, modseq, bytes, recent_uid"

static int count_recent(struct op *o, struct folder *f, struct errinfo *ei)
{
    int64_t n = 0;
    int r =
        f->recent >= f->uidnext
            ? 0
            : db_value(o->c, &n, ei, "SELECT COUNT(*) FROM msg WHERE folder_id = ? AND uid >= ?",
                       "ii", f->id, (int64_t)f->recent);
    f->recent = (uint32_t)n;
    return r;
}

static int load_folders(struct op *o, struct listing *l, bool with_counts, struct errinfo *ei)
{
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r = db_query(o->c, &s, ei, "SELECT " COLUMNS " FROM folder", "");
    if (r < 0)
        return r;
    while ((r = db_step(s, ei)) > 0) {
        struct entry *e = add(l, db_col_text(s, 1));
        free(e->special_use);
        e->special_use = sv_dup(db_col_text(s, 2));
        fill(&e->f, s);
    }
    for (size_t i = 0; r == 0 && i < l->n && with_counts; i++)
        r = count_recent(o, &l->e[i].f, ei);
    return r;
}

static int load_subscriptions(struct op *o, struct listing *l, struct errinfo *ei)
{
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r = db_query(o->c, &s, ei, "SELECT name FROM subscription", "");
    if (r < 0)
        return r;
    while ((r = db_step(s, ei)) > 0)
        add(l, db_col_text(s, 0))->f.subscribed = true;
    return r;
}

/* Missing parents of existing folders; subscriptions alone make none. */
static void add_parents(struct listing *l)
{
    size_t n = l->n;
    for (size_t i = 0; i < n; i++) {
        struct sv name = sv_c(l->e[i].name);
        ssize_t slash = l->e[i].f.exists ? sv_rfind(name, '/') : -1;
        while (slash > 0) {
            name = sv_take(name, (size_t)slash);
            add(l, name)->f.has_children = true;
            slash = sv_rfind(name, '/');
        }
    }
}

static int by_name(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    bool xi = strcmp(x->name, "INBOX") == 0, yi = strcmp(y->name, "INBOX") == 0;
    if (xi != yi)
        return xi ? -1 : 1;
    int r = sv_cmp(sv_c(x->name), sv_c(y->name));
    return r != 0 ? r : (int)y->f.exists - (int)x->f.exists;
}

/* Entries of the same name become one; the first one is the folder when it exists. */
static void merge(struct listing *l)
{
    size_t out = 0;
    qsort(l->e, l->n, sizeof(*l->e), by_name);
    for (size_t i = 0; i < l->n; i++) {
        struct entry *e = &l->e[i];
        if (out > 0 && strcmp(l->e[out - 1].name, e->name) == 0) {
            l->e[out - 1].f.subscribed |= e->f.subscribed;
            l->e[out - 1].f.has_children |= e->f.has_children;
            free(e->name);
            free(e->special_use);
        } else {
            l->e[out++] = *e;
        }
    }
    l->n = out;
}

int mailbox_folders(struct mailbox *m, bool with_counts,
                    bool (*fn)(const struct folder *, void *arg), void *arg, struct errinfo *ei)
{
    _cleanup_(listing_done) struct listing l = { .e = NULL };
    struct op o;
    int r = op_read_tx(m, &o, ei);
    if (r < 0)
        return r;
    r = load_folders(&o, &l, with_counts, ei);
    if (r == 0)
        r = load_subscriptions(&o, &l, ei);
    r = op_finish(&o, r, ei);
    if (r < 0)
        return r;
    add_parents(&l);
    merge(&l);
    for (size_t i = 0; i < l.n; i++) {
        struct folder *f = &l.e[i].f;
        f->name = l.e[i].name;
        f->special_use = l.e[i].special_use;
        if (!with_counts)
            f->messages = f->unseen = f->recent = 0;
        if (!fn(f, arg))
            break;
    }
    return 0;
}

static int load_one(struct op *o, struct sv name, struct arena *a, struct folder *ret,
                    struct errinfo *ei)
{
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    _cleanup_(buf_done) struct buf lo = { .p = NULL }, hi = { .p = NULL };
    int64_t yes = 0;
    int r = db_query(o->c, &s, ei, "SELECT " COLUMNS " FROM folder WHERE name = ?", "v", name);
    buf_init(&lo, name.n + 1);
    buf_init(&hi, name.n + 1);
    if (r == 0)
        r = db_step(s, ei);
    if (r == 0)
        return err_set(ei, E_NOTFOUND, "folder '%.*s' does not exist",
                       (int)MIN(name.n, (size_t)120), name.p);
    if (r < 0)
        return r;
    fill(ret, s);
    ret->name = arena_strndup(a, name.p, name.n);
    struct sv use = db_col_text(s, 2);
    ret->special_use = arena_strndup(a, use.p, use.n);
    if (!ret->name || !ret->special_use)
        return err_set(ei, -ENOMEM, "folder name of %zu bytes", name.n);
    r = count_recent(o, ret, ei);
    if (r == 0)
        r = db_value(o->c, &yes, ei, "SELECT EXISTS(SELECT 1 FROM subscription WHERE name = ?)",
                     "v", name);
    ret->subscribed = yes;
    buf_add_sv(&lo, name);
    buf_add_c(&lo, '/');
    buf_add_sv(&hi, name);
    buf_add_c(&hi, '/' + 1);
    if (r == 0)
        r = db_value(o->c, &yes, ei,
                     "SELECT EXISTS(SELECT 1 FROM folder WHERE name > ? AND name < ?)", "vv",
                     buf_sv(&lo), buf_sv(&hi));
    ret->has_children = yes;
    return r;
}

int mailbox_folder(struct mailbox *m, struct sv name, struct arena *a, struct folder *ret,
                   struct errinfo *ei)
{
    _cleanup_(buf_done) struct buf norm = { .p = NULL };
    struct folder f = { .id = 0 };
    struct op o;
    int r = folder_name(name, &norm, ei);
    if (r < 0)
        return r == E_RANGE ? E_NOTFOUND : r;
    r = op_read_tx(m, &o, ei);
    if (r < 0)
        return r;
    r = load_one(&o, buf_sv(&norm), a, &f, ei);
    r = op_finish(&o, r, ei);
    if (r == 0)
        *ret = f;
    return r;
}
