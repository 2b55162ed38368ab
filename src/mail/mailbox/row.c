/* A folder's row in the index: counters, uids and modseqs, the list of keywords. Within one
 * operation, so the sums are always those of the messages. */
#include "base/clock.h"
#include "mail/mailbox/mailbox_priv.h"

#define CEILING_STEP 1000
#define MAX_UID      UINT32_C(0xfffffff0)

int row_load(struct op *o, int64_t folder_id, struct folder_row *f, struct errinfo *ei)
{
    struct db_stmt *s = NULL;
    *f = (struct folder_row){ .id = folder_id };
    buf_init(&f->keywords, 64 * KiB);
    int r = db_query(o->c, &s, ei,
                     "SELECT uidvalidity, uidnext, uid_ceiling, recent_uid, modseq, flag_modseq,"
                     " gone_modseq, gone_floor, messages, unseen, bytes, keywords FROM folder"
                     " WHERE id = ?",
                     "i", folder_id);
    if (r == 0)
        r = db_step(s, ei);
    if (r > 0) {
        f->uidvalidity = (uint32_t)db_col_int(s, 0);
        f->uidnext = (uint32_t)db_col_int(s, 1);
        f->uid_ceiling = (uint32_t)db_col_int(s, 2);
        f->recent_uid = (uint32_t)db_col_int(s, 3);
        f->modseq = (uint64_t)db_col_int(s, 4);
        f->flag_modseq = (uint64_t)db_col_int(s, 5);
        f->gone_modseq = (uint64_t)db_col_int(s, 6);
        f->gone_floor = (uint64_t)db_col_int(s, 7);
        f->messages = db_col_int(s, 8);
        f->unseen = db_col_int(s, 9);
        f->bytes = db_col_int(s, 10);
        buf_add_sv(&f->keywords, db_col_text(s, 11));
    }
    db_resetp(&s);
    if (r == 0)
        return err_set(ei, E_NOTFOUND, "folder %" PRId64 " does not exist any more", folder_id);
    return MIN(r, 0);
}

void row_done(struct folder_row *f)
{
    buf_done(&f->keywords);
}

uint64_t row_touch(struct op *o, struct folder_row *f)
{
    if (f->new_modseq == 0) {
        f->new_modseq = ++f->modseq;
        op_changed(o, f->id);
    }
    return f->new_modseq;
}

int row_save(struct op *o, struct folder_row *f, struct errinfo *ei)
{
    int r = db_run(o->c, ei,
                   "UPDATE folder SET uidnext = ?, uid_ceiling = ?, modseq = ?, flag_modseq = ?,"
                   " gone_modseq = ?, gone_floor = ?, messages = ?, unseen = ?, bytes = ?"
                   " WHERE id = ?",
                   "iiiiiiiiii", (int64_t)f->uidnext, (int64_t)f->uid_ceiling, (int64_t)f->modseq,
                   (int64_t)f->flag_modseq, (int64_t)f->gone_modseq, (int64_t)f->gone_floor,
                   f->messages, f->unseen, f->bytes, f->id);
    if (r >= 0 && f->keywords_changed)
        r = db_run(o->c, ei, "UPDATE folder SET keywords = ? WHERE id = ?", "vi",
                   buf_sv(&f->keywords), f->id);
    f->keywords_changed = false;
    f->new_modseq = 0;
    return r;
}

int row_note_raise(struct op *o, struct errinfo *ei)
{
    uint64_t n = atomic_fetch_add(&o->m->page->raises, 1) + 1;
    atomic_store(&o->m->page->ceiling_unsynced, 1);
    return db_run(o->c, ei, "INSERT OR REPLACE INTO meta(k, v) VALUES('raises', ?)", "i",
                  (int64_t)n);
}

int row_raises(struct dbc *c, uint64_t *ret, struct errinfo *ei)
{
    int64_t n = 0;
    int r = db_value(c, &n, ei, "SELECT COALESCE(MAX(v), 0) FROM meta WHERE k = 'raises'", "");
    *ret = (uint64_t)n;
    return r;
}

int row_sync_ceiling(struct mailbox *m, struct errinfo *ei)
{
    int r = index_sync_wal(m, ei);
    if (r == 0)
        atomic_store(&m->page->ceiling_unsynced, 0);
    return r;
}

int row_reserve_uids(struct op *o, struct folder_row *f, size_t n, struct errinfo *ei)
{
    if (n < f->uid_ceiling - f->uidnext)
        return atomic_load(&o->m->page->ceiling_unsynced) ? row_sync_ceiling(o->m, ei) : 0;
    if (n > MAX_UID || f->uidnext > MAX_UID - 2 * CEILING_STEP - n)
        return err_set(ei, E_LIMIT, "folder %" PRId64 " has no UIDs left", f->id);
    f->uid_ceiling = f->uidnext + (uint32_t)n + CEILING_STEP;
    int r = db_run(o->c, ei, "UPDATE folder SET uid_ceiling = ? WHERE id = ?", "ii",
                   (int64_t)f->uid_ceiling, f->id);
    if (r >= 0)
        r = row_note_raise(o, ei);
    if (r >= 0)
        r = op_restart(o, ei);
    return r < 0 ? r : row_sync_ceiling(o->m, ei);
}

unsigned keyword_count(struct sv list)
{
    unsigned n = 0;
    while (list.n > 0) {
        sv_split(&list, ' ');
        n++;
    }
    return n;
}

static bool is_atom(struct sv s)
{
    if (s.n == 0 || s.n > 255)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c <= 0x20 || c >= 0x7f || strchr("(){%*\"\\]", c))
            return false;
    }
    return true;
}

int row_keyword(struct folder_row *f, struct sv name, bool add, uint64_t *ret_bit,
                struct errinfo *ei)
{
    struct sv rest = buf_sv(&f->keywords);
    unsigned i = 0;
    for (; rest.n > 0; i++) {
        if (sv_ieq(sv_split(&rest, ' '), name)) {
            *ret_bit = UINT64_C(1) << (FLAG_KEYWORD0 + i);
            return 0;
        }
    }
    if (!add)
        return E_NOTFOUND;
    if (!is_atom(name))
        return err_set(ei, E_RANGE, "keyword '%.*s' is not an atom of at most 255 characters",
                       (int)MIN(name.n, (size_t)60), name.p);
    if (i >= MAX_KEYWORDS)
        return err_set(ei, E_LIMIT,
                       "keyword '%.*s': the folder has %d keywords already, the most it can have",
                       (int)MIN(name.n, (size_t)60), name.p, MAX_KEYWORDS);
    if (i > 0)
        buf_add_c(&f->keywords, ' ');
    buf_add_sv(&f->keywords, name);
    f->keywords_changed = true;
    *ret_bit = UINT64_C(1) << (FLAG_KEYWORD0 + i);
    return 0;
}
