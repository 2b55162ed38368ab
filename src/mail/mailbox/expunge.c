/* Removing messages for good. Files whose last row went are noted in table trash and removed by
 * maintenance once that is durable: power loss must not bring a row back whose file is gone. */
#include "mail/mailbox/mailbox_priv.h"
#include "stats/shm.h"

#define BATCH 500 /* messages per transaction: others get the lock in between */

struct collector {
    struct msg_data *v;
    size_t n, cap, max;
};

static void collect_row(struct collector *l, struct db_stmt *s)
{
    if (l->n == l->cap) {
        l->cap = MIN(l->cap ? l->cap * 2 : 16, l->max);
        l->v = xrealloc(l->v, l->cap * sizeof(*l->v));
    }
    l->v[l->n++] = (struct msg_data){
        .uid = (uint32_t)db_col_int(s, 0),
        .flags = (uint64_t)db_col_int(s, 1),
        .size = (uint64_t)db_col_int(s, 2),
        .key = (uint64_t)db_col_int(s, 3),
        .date = db_col_int(s, 4),
        .parsed_id = db_col_int(s, 5),
    };
}

/* Messages lo..hi; uids narrows them further (sorted, may be NULL). */
static int collect_range(struct op *o, struct collector *l, int64_t folder_id, uint32_t lo,
                         uint32_t hi, uint64_t having, struct errinfo *ei)
{
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r = db_query(o->c, &s, ei,
                     "SELECT uid, flags, size, key, date, parsed FROM msg WHERE folder_id = ?"
                     " AND uid >= ? AND uid <= ? AND flags & ? = ? ORDER BY uid LIMIT ?",
                     "iiiiii", folder_id, (int64_t)lo, (int64_t)hi, (int64_t)having,
                     (int64_t)having, (int64_t)(l->max - l->n));
    if (r < 0)
        return r;
    while ((r = db_step(s, ei)) > 0)
        collect_row(l, s);
    return r;
}

int msgs_collect(struct op *o, int64_t folder_id, const uint32_t *uids, size_t n, uint64_t having,
                 uint32_t after_uid, size_t max, struct msg_data **ret, size_t *ret_n,
                 struct errinfo *ei)
{
    struct collector l = { .max = max };
    int r = 0;
    if (!uids)
        r = collect_range(o, &l, folder_id, after_uid + 1, UINT32_MAX, having, ei);
    for (size_t i = 0; r == 0 && uids && i < n && l.n < max;) {
        size_t j = i + 1;
        while (j < n && uids[j] == uids[j - 1] + 1)
            j++;
        if (uids[j - 1] > after_uid)
            r = collect_range(o, &l, folder_id, MAX(uids[i], after_uid + 1), uids[j - 1], having,
                              ei);
        i = j;
    }
    if (r < 0) {
        free(l.v);
        return r;
    }
    *ret = l.v;
    *ret_n = l.n;
    return 0;
}

/* The message's contents, when this was the last row that had them. */
static int drop_content(struct op *o, const struct msg_data *g, struct errinfo *ei)
{
    int64_t id;
    int r =
        db_value(o->c, &id, NULL, "SELECT 1 FROM msg WHERE key = ? LIMIT 1", "i", (int64_t)g->key);
    if (r == 0)
        return 0;
    if (r != E_NOTFOUND)
        return err_set(ei, r, "cannot look for further copies of message %016" PRIx64, g->key);
    o->trashed = true;
    r = db_run(o->c, ei, "DELETE FROM parsed WHERE id = ?", "i", g->parsed_id);
    return r < 0 ? r
                 : db_run(o->c, ei, "INSERT OR IGNORE INTO trash(key) VALUES(?)", "i",
                          (int64_t)g->key);
}

int msgs_remove(struct op *o, struct folder_row *f, const struct msg_data *g, size_t n,
                bool drop_blobs, struct errinfo *ei)
{
    _cleanup_(freep) uint32_t *uids = xmalloc(n * sizeof(*uids));
    int r = 0;
    for (size_t i = 0; r == 0 && i < n; i++) {
        uids[i] = g[i].uid;
        r = db_run(o->c, ei, "DELETE FROM msg WHERE folder_id = ? AND uid = ?", "ii", f->id,
                   (int64_t)g[i].uid);
        if (r == 0 && drop_blobs)
            r = drop_content(o, &g[i], ei);
        f->messages--;
        f->unseen -= !(g[i].flags & FLAG_SEEN);
        f->bytes -= (int64_t)g[i].size;
        o->pages += 2;
    }
    return r < 0 || n == 0 ? r : gone_record(o, f, uids, n, ei);
}

static int expunge_batch(struct mailbox *m, int64_t folder_id, const uint32_t *uids, size_t n,
                         bool only_deleted, uint32_t *after_uid, size_t *ret_n, struct errinfo *ei)
{
    _cleanup_(row_done) struct folder_row f = { .id = 0 };
    _cleanup_(freep) struct msg_data *g = NULL;
    struct op o;
    *ret_n = 0;
    int r = op_write(m, &o, ei);
    if (r < 0)
        return r;
    r = row_load(&o, folder_id, &f, ei);
    if (r == 0)
        r = msgs_collect(&o, folder_id, uids, n, only_deleted ? FLAG_DELETED : 0, *after_uid, BATCH,
                         &g, ret_n, ei);
    if (r == 0 && *ret_n > 0) {
        *after_uid = g[*ret_n - 1].uid;
        r = msgs_remove(&o, &f, g, *ret_n, true, ei);
        if (r == 0)
            r = handled_record(&o, &f, g, *ret_n, ei);
        if (r == 0)
            r = row_save(&o, &f, ei);
    }
    return op_finish(&o, r, ei);
}

int mailbox_expunge(struct mailbox *m, int64_t folder_id, const uint32_t *uids, size_t n,
                    bool only_deleted, size_t *ret_n, struct errinfo *ei)
{
    uint32_t after_uid = 0;
    size_t total = 0, k = 0;
    int r = 0;
    do {
        r = expunge_batch(m, folder_id, uids, n, only_deleted, &after_uid, &k, ei);
        total += r == 0 ? k : 0;
    } while (r == 0 && k == BATCH);
    ctr_add(CTR_mailbox_messages_expunged, total);
    if (ret_n)
        *ret_n = total;
    return r;
}
