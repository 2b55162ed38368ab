/* Adding messages: many in one transaction, each at most once per folder. The file comes before the
 * row; a file without row is no message yet. Synced only for `durable`: then contents before the
 * lock is taken, the index and the directories after it is released. */
#include <sys/stat.h>

#include "base/clock.h"
#include "mail/mailbox/mailbox_priv.h"
#include "stats/shm.h"

struct prepared {
    const struct mailbox_parsed *parsed;
    struct mailbox_parsed *own; /* parsed here */
    bool file_made;             /* by this call: goes again when the row does not come */
};

struct adding {
    struct mailbox *m;
    struct mailbox_add *adds;
    struct prepared *p;
    size_t n;
    bool durable;
    const struct mailbox_quota *quota; /* NULL = none */
    int64_t used_bytes;
    int64_t next_parsed; /* id for the next row of table parsed; 0 = not known yet */
};

static void adding_done(struct adding *g)
{
    for (size_t i = 0; i < g->n; i++)
        mailbox_parsed_free(g->p[i].own);
    free(g->p);
}

static int prepare_one(struct adding *g, size_t i, const struct mailbox_parsed *given,
                       struct errinfo *ei)
{
    struct mailbox_add *a = &g->adds[i];
    struct stat st;
    if (a->content.p)
        a->size = a->content.n;
    else if (stat(a->path, &st) < 0)
        return err_set_errno(ei, -errno, "cannot read %.150s", a->path);
    else
        a->size = (uint64_t)st.st_size;
    if (a->size > UINT32_MAX)
        return err_set(ei, E_RANGE, "message of %" PRIu64 " bytes; at most 4 GiB can be stored",
                       a->size);
    g->p[i].parsed = given;
    if (!given) {
        g->p[i].own = a->content.p ? mailbox_parse(a->content) : parsed_from_file(a->path);
        g->p[i].parsed = g->p[i].own;
    }
    if (!g->p[i].parsed)
        return err_set(ei, -EIO, "cannot read %.150s", a->path);
    if (!g->durable)
        return 0;
    int r = blob_put(g->m, a, false, true, ei);
    g->p[i].file_made = r == 0;
    return r;
}

struct known {
    bool in_folder, in_account;
    uint32_t uid;
    int64_t parsed, size;
};

static int find_key(struct op *o, int64_t folder_id, uint64_t key, struct known *k,
                    struct errinfo *ei)
{
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    *k = (struct known){ .uid = 0 };
    int r = db_query(o->c, &s, ei, "SELECT folder_id, uid, parsed, size FROM msg WHERE key = ?",
                     "i", (int64_t)key);
    if (r < 0)
        return r;
    while ((r = db_step(s, ei)) > 0) {
        k->in_account = true;
        k->parsed = db_col_int(s, 2);
        k->size = db_col_int(s, 3);
        if (db_col_int(s, 0) == folder_id) {
            k->in_folder = true;
            k->uid = (uint32_t)db_col_int(s, 1);
            return 0;
        }
    }
    return r;
}

/* After power loss a row may have come to disk and its file not, or only half of it; the delivery
 * is then repeated and brings the content again. */
static int repair(struct adding *g, struct op *o, struct folder_row *f, size_t i,
                  const struct known *k, struct errinfo *ei)
{
    struct mailbox_add *a = &g->adds[i];
    const struct mailbox_parsed *p = g->p[i].parsed;
    int r = blob_put(g->m, a, true, g->durable, ei);
    if (r == 0)
        r = db_run(o->c, ei, "INSERT OR REPLACE INTO parsed(id, data) VALUES(?, ?)", "ib",
                   k->parsed, sv_n(p->data, p->n));
    if (r < 0 || k->size == (int64_t)a->size)
        return r;
    f->flag_modseq = row_touch(o, f);
    r = db_run(o->c, ei, "UPDATE msg SET size = ? WHERE key = ?", "ii", (int64_t)a->size,
               (int64_t)a->key);
    if (r == 0)
        r = db_run(o->c, ei,
                   "UPDATE msg SET changed = 1, modseq = ? WHERE folder_id = ? AND key = ?", "iii",
                   (int64_t)f->flag_modseq, f->id, (int64_t)a->key);
    if (r == 0)
        r = db_run(o->c, ei,
                   "UPDATE folder SET bytes ="
                   " (SELECT COALESCE(SUM(size), 0) FROM msg WHERE folder_id = folder.id)",
                   "");
    return r < 0
               ? r
               : db_value(o->c, &f->bytes, ei, "SELECT bytes FROM folder WHERE id = ?", "i", f->id);
}

static int insert_parsed(struct adding *g, struct op *o, const struct mailbox_parsed *p,
                         int64_t *ret, struct errinfo *ei)
{
    int r = 0;
    if (g->next_parsed == 0) {
        r = db_value(o->c, &g->next_parsed, ei, "SELECT COALESCE(MAX(id), 0) + 1 FROM parsed", "");
        if (r < 0)
            return r;
    }
    r = db_run(o->c, ei, "INSERT INTO parsed(id, data) VALUES(?, ?)", "ib", g->next_parsed,
               sv_n(p->data, p->n));
    if (r == 0)
        *ret = g->next_parsed++;
    o->pages += 1 + (uint32_t)(p->n / 4096);
    return r;
}

int msg_insert(struct op *o, struct folder_row *f, const struct msg_data *g, struct errinfo *ei)
{
    int r =
        db_run(o->c, ei,
               "INSERT INTO msg(folder_id, uid, flags, size, key, modseq, changed, date, parsed)"
               " VALUES(?, ?, ?, ?, ?, ?, 0, ?, ?)",
               "iiiiiiii", f->id, (int64_t)f->uidnext, (int64_t)g->flags, (int64_t)g->size,
               (int64_t)g->key, (int64_t)row_touch(o, f), g->date, g->parsed_id);
    if (r < 0)
        return r;
    f->uidnext++;
    f->messages++;
    f->unseen += !(g->flags & FLAG_SEEN);
    f->bytes += (int64_t)g->size;
    o->pages += 2;
    return 0;
}

static int flags_of(struct folder_row *f, const struct mailbox_add *a, uint64_t *ret,
                    struct errinfo *ei)
{
    *ret = a->flags & FLAG_SYSTEM;
    for (const char *const *k = a->keywords; k && *k; k++) {
        uint64_t bit;
        int r = row_keyword(f, sv_c(*k), true, &bit, ei);
        if (r < 0)
            return r;
        *ret |= bit;
    }
    return 0;
}

/* Faults of the one message go to its ret_error; returned are those of the index. */
static int add_one(struct adding *g, struct op *o, struct folder_row *f, size_t i,
                   struct errinfo *ei)
{
    struct mailbox_add *a = &g->adds[i];
    struct known k;
    struct msg_data row = { .key = a->key, .size = a->size, .date = a->internal_date_s };
    int r = find_key(o, f->id, a->key, &k, ei);
    if (r < 0)
        return r;
    if (!k.in_folder && !g->durable) {
        r = handled_has(o, f->id, a->key, ei);
        if (r < 0 || (r > 0 && !k.in_account)) {
            a->ret_duplicate = r > 0;
            return MIN(r, 0);
        }
    }
    if (k.in_folder || r > 0) { /* > 0: its row is in another folder now */
        g->p[i].file_made = false;
        a->ret_duplicate = true;
        a->ret_uid = k.uid;
        return blob_matches(g->m, a) ? 0 : repair(g, o, f, i, &k, ei);
    }
    if ((a->ret_error = quota_check(o, g->quota, g->used_bytes, a->size, ei)) < 0)
        return 0;
    if ((a->ret_error = flags_of(f, a, &row.flags, ei)) < 0)
        return 0;
    bool have_file = k.in_account && blob_matches(g->m, a);
    if (!have_file && !g->durable) {
        if ((a->ret_error = blob_put(g->m, a, k.in_account, false, ei)) < 0)
            return 0;
        g->p[i].file_made = true;
    }
    if (k.in_account) {
        g->p[i].file_made = false;
        row.parsed_id = k.parsed;
    } else {
        r = insert_parsed(g, o, g->p[i].parsed, &row.parsed_id, ei);
    }
    a->ret_uid = f->uidnext;
    if (r == 0)
        r = msg_insert(o, f, &row, ei);
    g->used_bytes += (int64_t)a->size;
    return r;
}

static int add_all(struct adding *g, struct op *o, struct folder_row *f, size_t *ret_added,
                   struct errinfo *ei)
{
    int64_t messages = 0;
    bool again = false; /* a repair may have changed a size */
    int r = row_reserve_uids(o, f, g->n, ei);
    if (r == 0 && g->quota)
        r = usage_load(o, &g->used_bytes, &messages, ei);
    *ret_added = 0;
    for (size_t i = 0; r == 0 && i < g->n; i++) {
        if (g->adds[i].ret_error == 0)
            r = add_one(g, o, f, i, ei);
        again |= g->adds[i].ret_duplicate;
        *ret_added += r == 0 && g->adds[i].ret_error == 0 && !g->adds[i].ret_duplicate;
    }
    if (r == 0 && f->new_modseq > 0)
        r = row_save(o, f, ei);
    else if (r == 0)
        o->n_changed = 0;
    o->used = g->used_bytes;
    o->used_known = r >= 0 && g->quota && !again;
    return r;
}

static bool any_stored(const struct adding *g)
{
    for (size_t i = 0; i < g->n; i++) {
        if (g->adds[i].ret_error == 0)
            return true;
    }
    return false;
}

static void drop_files(struct adding *g, bool all)
{
    for (size_t i = 0; i < g->n; i++) {
        if (g->p[i].file_made && (all || g->adds[i].ret_error < 0))
            blob_drop(g->m, g->adds[i].key);
    }
}

int mailbox_add(struct mailbox *m, int64_t folder_id, struct mailbox_add *adds, size_t n,
                bool durable, const struct mailbox_quota *quota,
                struct mailbox_parsed *const *parsed, uint32_t *ret_uidvalidity, struct errinfo *ei)
{
    _cleanup_(adding_done) struct adding g = { m, adds,    xcalloc(n, sizeof(*g.p)),
                                               n, durable, quota_set(quota),
                                               0, 0 };
    _cleanup_(row_done) struct folder_row f = { .id = 0 };
    size_t added = 0;
    struct op o;
    int r = mailbox_check(m, ei);
    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++) {
        adds[i].ret_uid = 0;
        adds[i].ret_duplicate = false;
        adds[i].ret_error = prepare_one(&g, i, parsed ? parsed[i] : NULL, ei);
    }
    /* Before any row: what a durable add has in the index has its file, whenever the power goes. */
    r = durable && any_stored(&g) ? blob_sync(m, ei) : 0;
    if (r == 0)
        r = op_write(m, &o, ei);
    if (r < 0) {
        drop_files(&g, true);
        return r;
    }
    r = row_load(&o, folder_id, &f, ei);
    if (r == 0)
        r = add_all(&g, &o, &f, &added, ei);
    drop_files(&g, r < 0); /* still with the lock: nobody else may just have made them anew */
    r = op_finish(&o, r, ei);
    if (r == 0 && durable)
        r = index_sync(m, ei);
    if (r < 0)
        return r;
    ctr_add(CTR_mailbox_messages_added, added);
    if (ret_uidvalidity)
        *ret_uidvalidity = f.uidvalidity;
    return 0;
}

int add_adopt(struct op *o, struct folder_row *f, uint64_t key, struct errinfo *ei)
{
    _cleanup_(freep) char *path = blob_path(o->m, key);
    struct adding g = { .m = o->m };
    struct msg_data row = { .key = key };
    struct stat st;
    if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > (off_t)UINT32_MAX)
        return 0;
    struct mailbox_parsed *p = parsed_from_file(path);
    if (!p)
        return err_set(ei, -EIO, "cannot read %.150s", path);
    row.size = (uint64_t)st.st_size;
    row.date = st.st_mtim.tv_sec;
    int r = insert_parsed(&g, o, p, &row.parsed_id, ei);
    mailbox_parsed_free(p);
    return r < 0 ? r : msg_insert(o, f, &row, ei);
}

/* Not in trash yet, as its file was made after the user had dealt with the message. */
static int drop_left(struct op *o, uint64_t key, struct errinfo *ei)
{
    o->trashed = true;
    return db_run(o->c, ei, "INSERT OR IGNORE INTO trash(key) VALUES(?)", "i", (int64_t)key);
}

int add_left(struct op *o, struct folder_row *f, uint64_t key, uint64_t size, int64_t date_s,
             struct errinfo *ei)
{
    struct adding g = { .m = o->m };
    struct msg_data row = { .key = key, .size = size, .date = date_s };
    struct known k;
    uint64_t bytes = 0;
    int r = find_key(o, f->id, key, &k, ei);
    if (r < 0 || k.in_folder)
        return r;
    r = handled_has(o, f->id, key, ei);
    if (r != 0) /* > 0: of another folder now, or expunged */
        return r < 0 || k.in_account ? MIN(r, 0) : drop_left(o, key, ei);
    if (blob_size(o->m, key, &bytes) < 0 || bytes != size)
        return 0;
    row.parsed_id = k.parsed;
    if (!k.in_account) {
        _cleanup_(freep) char *path = blob_path(o->m, key);
        struct mailbox_parsed *p = parsed_from_file(path);
        if (!p)
            return err_set(ei, -EIO, "cannot read %.150s", path);
        r = insert_parsed(&g, o, p, &row.parsed_id, ei);
        mailbox_parsed_free(p);
    }
    return r < 0 ? r : msg_insert(o, f, &row, ei);
}
