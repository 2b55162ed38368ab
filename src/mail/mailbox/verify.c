/* Verify and repair: does the index agree with the files and with itself? Also what a rebuild of a
 * lost index does with the files it finds. With the account's lock, so nobody else changes it
 * meanwhile. */
#include <sys/stat.h>

#include "base/clock.h"
#include "mail/mailbox/mailbox_priv.h"

#define ORPHAN_AGE_S 60 /* younger files may belong to an append that is under way */

struct file {
    uint64_t key;
    int64_t date;
};

struct finder {
    struct op *o;
    struct file *v;
    size_t n, cap;
    int64_t not_after; /* ctime, seconds */
    int r;
};

static bool is_known(struct op *o, uint64_t key, int *r)
{
    int64_t yes = 0;
    *r = db_value(o->c, &yes, NULL,
                  "SELECT EXISTS(SELECT 1 FROM msg WHERE key = ?)"
                  " OR EXISTS(SELECT 1 FROM trash WHERE key = ?)",
                  "ii", (int64_t)key, (int64_t)key);
    return yes;
}

static bool find_orphan(uint64_t key, const char *path, void *arg)
{
    struct finder *f = arg;
    struct stat st;
    if (stat(path, &st) < 0 || st.st_size == 0 || st.st_ctime > f->not_after)
        return true;
    if (is_known(f->o, key, &f->r) || f->r < 0)
        return f->r == 0;
    if (f->n == f->cap) {
        f->cap = f->cap ? f->cap * 2 : 64;
        f->v = xrealloc(f->v, f->cap * sizeof(*f->v));
    }
    f->v[f->n++] = (struct file){ key, st.st_mtim.tv_sec };
    return true;
}

static int by_date(const void *a, const void *b)
{
    const struct file *x = a, *y = b;
    if (x->date != y->date)
        return x->date < y->date ? -1 : 1;
    return x->key < y->key ? -1 : x->key > y->key;
}

/* new_index: all in one transaction. Nobody has seen it, and if it is lost, it is made anew. */
static int adopt(struct op *o, bool new_index, const struct file *v, size_t n, struct errinfo *ei)
{
    _cleanup_(row_done) struct folder_row f = { .id = 0 };
    int r = row_load(o, INBOX_ID, &f, ei);
    if (r == 0 && new_index)
        f.uid_ceiling += (uint32_t)n;
    else if (r == 0)
        r = row_reserve_uids(o, &f, n, ei);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = add_adopt(o, &f, v[i].key, ei);
    return r < 0 ? r : row_save(o, &f, ei);
}

static int find_orphans(struct op *o, bool clean, int64_t not_after, struct finder *f,
                        struct errinfo *ei)
{
    *f = (struct finder){ .o = o, .not_after = not_after };
    int r = files_each(o->m, clean, find_orphan, f);
    if (r == 0)
        r = f->r;
    if (r < 0)
        return err_set_errno(ei, r, "cannot read the message files of %.100s", o->m->address);
    if (f->n > 1)
        qsort(f->v, f->n, sizeof(*f->v), by_date);
    return 0;
}

int verify_adopt_files(struct op *o, struct errinfo *ei)
{
    struct finder f;
    int r = find_orphans(o, false, INT64_MAX, &f, ei);
    if (r == 0 && f.n > 0)
        r = adopt(o, true, f.v, f.n, ei);
    free(f.v);
    return r;
}

struct check {
    struct op o;
    bool repair;
    void (*report)(const char *text, void *arg);
    void *arg;
    size_t found;
};

static void tell(struct check *c, const char *fmt, ...) _printf_(2, 3);
static void tell(struct check *c, const char *fmt, ...)
{
    char text[300];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    c->found++;
    if (c->report)
        c->report(text, c->arg);
}

static int check_orphans(struct check *c, struct errinfo *ei)
{
    struct finder f;
    int r = find_orphans(&c->o, c->repair, clock_wall_s() - ORPHAN_AGE_S, &f, ei);
    for (size_t i = 0; r == 0 && i < f.n; i++)
        tell(c, "message %016" PRIx64 " is in no folder%s", f.v[i].key,
             c->repair ? "; added to INBOX" : "");
    if (r == 0 && c->repair && f.n > 0)
        r = adopt(&c->o, false, f.v, f.n, ei);
    free(f.v);
    return r;
}

/* A delivery that is repeated may bring it again, also when the user had moved it: it was not he
 * who removed it. */
static int remove_lost(struct check *c, struct folder_row *f, const struct msg_data *g,
                       struct errinfo *ei)
{
    int r = msgs_remove(&c->o, f, g, 1, true, ei);
    return r < 0 ? r
                 : db_run(c->o.c, ei, "DELETE FROM handled WHERE key = ?", "i", (int64_t)g->key);
}

static int check_row(struct check *c, struct folder_row *f, const struct msg_data *g,
                     struct errinfo *ei)
{
    uint64_t size = 0;
    int r = blob_size(c->o.m, g->key, &size);
    if (r == E_NOTFOUND) {
        tell(c, "folder %" PRId64 " uid %u: the file of message %016" PRIx64 " is missing%s", f->id,
             g->uid, g->key, c->repair ? "; removed from the folder" : "");
        return c->repair ? remove_lost(c, f, g, ei) : 0;
    }
    if (r < 0)
        return err_set_errno(ei, r, "message %016" PRIx64, g->key);
    if (size == g->size)
        return 0;
    tell(c,
         "folder %" PRId64 " uid %u: the file of message %016" PRIx64 " has %" PRIu64
         " bytes, not %" PRIu64 "%s",
         f->id, g->uid, g->key, size, g->size, c->repair ? "; noted" : "");
    if (!c->repair)
        return 0;
    f->flag_modseq = row_touch(&c->o, f);
    return db_run(
        c->o.c, ei,
        "UPDATE msg SET size = ?, changed = 1, modseq = ? WHERE folder_id = ? AND uid = ?", "iiii",
        (int64_t)size, (int64_t)f->flag_modseq, f->id, (int64_t)g->uid);
}

static int check_sums(struct check *c, struct folder_row *f, struct errinfo *ei)
{
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r = db_query(c->o.c, &s, ei,
                     "SELECT COUNT(*), COALESCE(SUM(flags & 1 = 0), 0), COALESCE(SUM(size), 0),"
                     " COALESCE(MAX(uid), 0) FROM msg WHERE folder_id = ?",
                     "i", f->id);
    if (r == 0)
        r = db_step(s, ei);
    if (r <= 0)
        return r;
    int64_t messages = db_col_int(s, 0), unseen = db_col_int(s, 1), bytes = db_col_int(s, 2);
    int64_t top = db_col_int(s, 3);
    if (messages == f->messages && unseen == f->unseen && bytes == f->bytes && top < f->uidnext)
        return 0;
    tell(c, "folder %" PRId64 ": sums are wrong (%" PRId64 " messages, counted %" PRId64 ")%s",
         f->id, f->messages, messages, c->repair ? "; corrected" : "");
    f->messages = messages;
    f->unseen = unseen;
    f->bytes = bytes;
    if (top >= f->uidnext)
        f->uidnext = (uint32_t)top + 1;
    f->uid_ceiling = MAX(f->uid_ceiling, f->uidnext + 1000);
    row_touch(&c->o, f);
    return c->repair ? row_note_raise(&c->o, ei) : 0;
}

static int check_folder(struct check *c, int64_t folder_id, struct errinfo *ei)
{
    _cleanup_(row_done) struct folder_row f = { .id = 0 };
    uint32_t after = 0;
    size_t n = 0;
    int r = row_load(&c->o, folder_id, &f, ei);
    do {
        _cleanup_(freep) struct msg_data *g = NULL;
        if (r == 0)
            r = msgs_collect(&c->o, folder_id, NULL, 0, 0, after, 1000, &g, &n, ei);
        for (size_t i = 0; r == 0 && i < n; i++) {
            after = g[i].uid;
            r = check_row(c, &f, &g[i], ei);
        }
    } while (r == 0 && n == 1000);
    if (r == 0)
        r = check_sums(c, &f, ei);
    return r == 0 && c->repair && f.new_modseq > 0 ? row_save(&c->o, &f, ei) : r;
}

static int check_folders(struct check *c, struct errinfo *ei)
{
    int64_t id = 0;
    int r;
    while ((r = db_value(c->o.c, &id, NULL,
                         "SELECT id FROM folder WHERE id > ? ORDER BY id LIMIT 1", "i", id)) == 0) {
        r = check_folder(c, id, ei);
        if (r < 0)
            return r;
    }
    return r == E_NOTFOUND ? 0 : r;
}

static int check_index(struct check *c, struct errinfo *ei)
{
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r = db_query(c->o.c, &s, ei, "PRAGMA quick_check(1)", "");
    if (r == 0)
        r = db_step(s, ei);
    if (r <= 0 || sv_eq(db_col_text(s, 0), SV("ok")))
        return MIN(r, 0);
    tell(c, "the index is damaged%s", c->repair ? "; it is rebuilt with the next access" : "");
    return E_CORRUPT;
}

int mailbox_verify(struct mailbox *m, bool repair, void (*report)(const char *text, void *arg),
                   void *arg, struct errinfo *ei)
{
    struct check c = { .repair = repair, .report = report, .arg = arg };
    int r = op_write(m, &c.o, ei);
    if (r < 0)
        return r;
    r = check_index(&c, ei);
    if (r == 0)
        r = check_folders(&c, ei);
    if (r == 0)
        r = check_orphans(&c, ei);
    if (r == 0 && repair && c.found > 0) { /* a corrected ceiling is to hold */
        r = op_restart(&c.o, ei);
        if (r == 0)
            r = row_sync_ceiling(m, ei);
    }
    bool damaged = r == E_CORRUPT;
    r = op_finish(&c.o, r, ei);
    if (damaged && repair && (r = op_read(m, &c.o, ei)) == 0) /* rebuilds, unless it is sound */
        r = op_finish(&c.o, r, ei);
    if (damaged && repair && r == -ESTALE)
        r = 0;
    return r < 0 ? r : (int)MIN(c.found, (size_t)INT32_MAX);
}
