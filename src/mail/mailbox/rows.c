/* Reading what the index knows of messages. In batches that are copied out, so that neither a slow
 * peer nor a long FETCH keeps others from the index, and the callback may call anything. */
#include "mail/mailbox/mailbox_priv.h"

#define BATCH_ROWS  256
#define BATCH_BYTES (256 * KiB)

struct batch {
    struct row_copy {
        struct msg_row row;
        size_t off, n; /* of the parsed texts in text */
    } rows[BATCH_ROWS];
    size_t n;
    bool more; /* rows behind these may be there */
    struct buf text;
};

#define COLUMNS "SELECT uid, key, modseq, date, flags, size"
#define PARSED  " LEFT JOIN parsed ON parsed.id = parsed"
#define ROWS_SQL(columns, join)                                                                    \
    COLUMNS columns " FROM msg" join                                                               \
                    " WHERE folder_id = ? AND uid >= ? AND uid <= ? ORDER BY uid LIMIT ?"
/* What is sorted has no parsed texts yet. */
#define WALK_SQL(where, order, columns, join)                                                      \
    COLUMNS columns " FROM (SELECT * FROM msg WHERE folder_id = ? AND " where " ORDER BY " order   \
                    " LIMIT ?)" join " ORDER BY " order

static int fill(struct batch *b, struct db_stmt *s, bool parsed, struct errinfo *ei)
{
    int r = 0;
    b->n = 0;
    buf_reset(&b->text);
    while (b->n < BATCH_ROWS && b->text.n < BATCH_BYTES && (r = db_step(s, ei)) > 0) {
        struct row_copy *c = &b->rows[b->n++];
        struct sv data = parsed ? db_col_blob(s, 6) : SV_NULL;
        c->row = (struct msg_row){
            .uid = (uint32_t)db_col_int(s, 0),
            .key = (uint64_t)db_col_int(s, 1),
            .modseq = (uint64_t)db_col_int(s, 2),
            .internal_date_s = db_col_int(s, 3),
            .flags = (uint64_t)db_col_int(s, 4),
            .size = (uint64_t)db_col_int(s, 5),
        };
        c->off = b->text.n;
        c->n = data.n;
        if (buf_add_sv(&b->text, data) < 0)
            return err_set(ei, -ENOMEM, "message structure of %zu bytes", data.n);
    }
    b->more = b->n == BATCH_ROWS || b->text.n >= BATCH_BYTES;
    return MIN(r, 0);
}

static int load(struct op *o, struct batch *b, int64_t folder_id, uint32_t lo, uint32_t hi,
                bool parsed, struct errinfo *ei)
{
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r = db_query(o->c, &s, ei, parsed ? ROWS_SQL(", data", PARSED) : ROWS_SQL("", ""), "iiii",
                     folder_id, (int64_t)lo, (int64_t)hi, (int64_t)BATCH_ROWS);
    return r < 0 ? r : fill(b, s, parsed, ei);
}

static int load_walk(struct op *o, struct batch *b, int64_t folder_id, const struct msg_walk *w,
                     bool parsed, struct errinfo *ei)
{
#define BOTH(where, order)                                                                         \
    {                                                                                              \
        WALK_SQL(where, order, "", ""), WALK_SQL(where, order, ", data", PARSED)                   \
    }
    static const char *const sql[ORDER_COUNT][2][2] = {
        { BOTH("uid > ?", "uid"), BOTH("uid < ?", "uid DESC") },
        { BOTH("(date, uid) > (?, ?)", "date, uid"),
          BOTH("(date, uid) < (?, ?)", "date DESC, uid DESC") },
        { BOTH("(size, uid) > (?, ?)", "size, uid"),
          BOTH("(size, uid) < (?, ?)", "size DESC, uid DESC") },
    };
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    const char *text = sql[w->by][w->down][parsed];
    int64_t begin = w->down ? INT64_MAX : INT64_MIN;
    int64_t value = w->behind ? w->value : begin, uid = w->behind ? (int64_t)w->uid : begin;
    int r = w->by == ORDER_UID
                ? db_query(o->c, &s, ei, text, "iii", folder_id, uid, (int64_t)BATCH_ROWS)
                : db_query(o->c, &s, ei, text, "iiii", folder_id, value, uid, (int64_t)BATCH_ROWS);
    return r < 0 ? r : fill(b, s, parsed, ei);
}

static bool hand_out(struct batch *b, bool (*fn)(const struct msg_row *, void *arg), void *arg)
{
    for (size_t i = 0; i < b->n; i++) {
        struct row_copy *c = &b->rows[i];
        if (c->n > 0)
            parsed_split(sv_n(b->text.p + c->off, c->n), &c->row);
        if (!fn(&c->row, arg))
            return false;
    }
    return true;
}

static int all_batches(struct mailbox *m, struct batch *b, int64_t folder_id, uint32_t lo,
                       uint32_t hi, bool parsed, bool (*fn)(const struct msg_row *, void *arg),
                       void *arg, struct errinfo *ei)
{
    for (;;) {
        struct op o;
        int r = op_read(m, &o, ei);
        if (r < 0)
            return r;
        r = op_finish(&o, load(&o, b, folder_id, lo, hi, parsed, ei), ei);
        if (r < 0)
            return r;
        if (!hand_out(b, fn, arg) || !b->more)
            return 0;
        uint32_t last = b->rows[b->n - 1].row.uid;
        if (last >= hi)
            return 0;
        lo = last + 1;
    }
}

static struct batch *batch_new(void)
{
    struct batch *b = xmalloc(sizeof(*b));
    buf_init(&b->text, 64 * MiB);
    return b;
}

static void batch_free(struct batch *b)
{
    buf_done(&b->text);
    free(b);
}

int mailbox_rows(struct mailbox *m, int64_t folder_id, uint32_t uid_lo, uint32_t uid_hi,
                 unsigned fields, bool (*fn)(const struct msg_row *, void *arg), void *arg,
                 struct errinfo *ei)
{
    struct batch *b = batch_new();
    int r = all_batches(m, b, folder_id, uid_lo, uid_hi, fields & (MSG_ENVELOPE | MSG_STRUCTURE),
                        fn, arg, ei);
    batch_free(b);
    return r;
}

int mailbox_walk(struct mailbox *m, int64_t folder_id, const struct msg_walk *from, unsigned fields,
                 bool (*fn)(const struct msg_row *, void *arg), void *arg, struct errinfo *ei)
{
    struct batch *b = batch_new();
    struct msg_walk w = *from;
    bool parsed = fields & (MSG_ENVELOPE | MSG_STRUCTURE);
    int r;
    do {
        struct op o;
        r = op_read(m, &o, ei);
        if (r == 0)
            r = op_finish(&o, load_walk(&o, b, folder_id, &w, parsed, ei), ei);
        if (r < 0 || !hand_out(b, fn, arg) || !b->more)
            break;
        const struct msg_row *last = &b->rows[b->n - 1].row;
        w.behind = true;
        w.uid = last->uid;
        w.value = w.by == ORDER_SIZE ? (int64_t)last->size : last->internal_date_s;
    } while (true);
    batch_free(b);
    return r;
}
