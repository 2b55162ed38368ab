/* RENAME (RFC 3501 6.3.5): a folder with its children; of INBOX only the messages move.
 * Subscriptions stay as they are, as the RFC wants. */
#include "mail/mailbox/mailbox_priv.h"

struct child {
    int64_t id;
    uint32_t uidvalidity;
    char *name;
};

struct children {
    struct child *c;
    size_t n, cap;
};

static void children_done(struct children *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->c[i].name);
    free(l->c);
}

/* The folder itself, when it exists, and all below it, in name order. */
static int load_children(struct op *o, struct sv name, struct children *l, struct errinfo *ei)
{
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    _cleanup_(buf_done) struct buf lo = { .p = NULL }, hi = { .p = NULL };
    buf_init(&lo, name.n + 1);
    buf_init(&hi, name.n + 1);
    buf_add_sv(&lo, name);
    buf_add_c(&lo, '/');
    buf_add_sv(&hi, name);
    buf_add_c(&hi, '/' + 1);
    int r = db_query(
        o->c, &s, ei,
        "SELECT id, uidvalidity, name FROM folder WHERE name = ? OR (name > ? AND name < ?)"
        " ORDER BY name",
        "vvv", name, buf_sv(&lo), buf_sv(&hi));
    if (r < 0)
        return r;
    while ((r = db_step(s, ei)) > 0) {
        if (l->n == l->cap) {
            l->cap = l->cap ? l->cap * 2 : 8;
            l->c = xrealloc(l->c, l->cap * sizeof(*l->c));
        }
        l->c[l->n++] = (struct child){ db_col_int(s, 0), (uint32_t)db_col_int(s, 1),
                                       sv_dup(db_col_text(s, 2)) };
    }
    return r;
}

static int exists(struct op *o, struct sv name, struct errinfo *ei)
{
    int64_t id = 0;
    int r = db_value(o->c, &id, NULL, "SELECT id FROM folder WHERE name = ?", "v", name);
    if (r == 0)
        return err_set(ei, E_EXISTS, "folder '%.*s' exists already", (int)MIN(name.n, (size_t)120),
                       name.p);
    return r == E_NOTFOUND ? 0 : r;
}

static int make_parents(struct op *o, struct sv name, struct errinfo *ei)
{
    ssize_t slash = sv_rfind(name, '/');
    int64_t id = 0;
    if (slash <= 0)
        return 0;
    int r = folder_create_path(o, sv_take(name, (size_t)slash), "", &id, NULL);
    if (r == E_LIMIT)
        return err_set(ei, r, "the account has too many folders; delete some first");
    return r == E_EXISTS ? 0 : r;
}

static int rename_one(struct op *o, struct child *c, struct sv to, struct errinfo *ei)
{
    int r = validity_name_left(o, sv_c(c->name), c->uidvalidity, ei);
    if (r == 0)
        r = validity_for_name(o, to, &c->uidvalidity, ei);
    if (r == 0)
        r = db_run(o->c, ei, "UPDATE folder SET name = ?, uidvalidity = ? WHERE id = ?", "vii", to,
                   (int64_t)c->uidvalidity, c->id);
    op_changed(o, c->id);
    return r;
}

/* In name order a name that becomes free may be taken by a later one. */
static int rename_all(struct op *o, const struct children *l, size_t old_n, struct sv to,
                      struct errinfo *ei)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < l->n; i++) {
        _cleanup_(buf_done) struct buf name, norm = { .p = NULL };
        struct sv old = sv_c(l->c[i].name);
        buf_init(&name, to.n + old.n);
        buf_add_sv(&name, to);
        buf_add_sv(&name, sv_skip(old, old_n));
        r = folder_name(buf_sv(&name), &norm, ei);
        if (r == 0)
            r = exists(o, buf_sv(&norm), ei);
        if (r == 0)
            r = rename_one(o, &l->c[i], buf_sv(&norm), ei);
    }
    return r;
}

static int rename_tree(struct op *o, struct sv from, struct sv to, struct errinfo *ei)
{
    _cleanup_(children_done) struct children l = { .c = NULL };
    int r = load_children(o, from, &l, ei);
    if (r == 0 && l.n == 0)
        r = err_set(ei, E_NOTFOUND, "folder '%.*s' does not exist", (int)MIN(from.n, (size_t)120),
                    from.p);
    if (r == 0)
        r = exists(o, to, ei);
    if (r == 0)
        r = make_parents(o, to, ei);
    return r < 0 ? r : rename_all(o, &l, from.n, to, ei);
}

static int rename_inbox(struct op *o, struct sv to, struct errinfo *ei)
{
    _cleanup_(row_done) struct folder_row inbox = { .id = 0 }, target = { .id = 0 };
    int64_t id = 0;
    int r = folder_create_path(o, to, "", &id, ei);
    if (r == 0)
        r = row_load(o, INBOX_ID, &inbox, ei);
    if (r == 0)
        r = row_load(o, id, &target, ei);
    return r < 0 ? r : msgs_move_all(o, &inbox, &target, ei);
}

int mailbox_rename_folder(struct mailbox *m, struct sv from, struct sv to, struct errinfo *ei)
{
    _cleanup_(buf_done) struct buf a = { .p = NULL }, b = { .p = NULL };
    struct op o;
    if (to.n > 1 && to.p[to.n - 1] == '/')
        to = sv_take(to, to.n - 1);
    int r = folder_name(from, &a, ei);
    if (r < 0)
        return r == E_RANGE ? E_NOTFOUND : r;
    r = folder_name(to, &b, ei);
    if (r < 0)
        return r;
    bool inbox = sv_eq(buf_sv(&a), SV("INBOX"));
    if (!inbox && b.n > a.n && sv_starts(buf_sv(&b), buf_sv(&a)) && b.p[a.n] == '/')
        return err_set(ei, E_RANGE, "a folder cannot be moved into itself");
    r = op_write(m, &o, ei);
    if (r < 0)
        return r;
    r = inbox ? rename_inbox(&o, buf_sv(&b), ei) : rename_tree(&o, buf_sv(&a), buf_sv(&b), ei);
    r = op_finish(&o, r, ei);
    return r < 0 ? r : index_sync(m, ei);
}
