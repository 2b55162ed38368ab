/* Table audit: one row per changed field, in the transaction of the change. Rows log.maint.line. */
#include "mail/account/audit.h"

#include "base/clock.h"
#include "mail/account/ids.h"

int audit_write(struct dbc *c, const char *admin, const char *object, const char *field,
                const char *old_value, const char *new_value, struct errinfo *ei)
{
    int64_t id = 0;
    int r = id_next(c, "audit", &id, ei);
    if (r < 0)
        return r;
    return db_run(c, ei,
                  "INSERT INTO audit (id, at_ms, admin, object, field, old_value, new_value)"
                  " VALUES (?, ?, ?, ?, ?, ?, ?)",
                  "iisssss", id, clock_wall_ms(), admin, object, field, old_value, new_value);
}

static const char *text_or_null(struct db_stmt *s, int i, char **hold)
{
    *hold = db_col_null(s, i) ? NULL : sv_dup(db_col_text(s, i));
    return *hold;
}

static bool call(struct db_stmt *s, bool (*fn)(const struct audit_row *, void *), void *arg)
{
    char *hold[5];
    struct audit_row row = {
        .id = db_col_int(s, 0),
        .at_ms = db_col_int(s, 1),
        .admin = text_or_null(s, 2, &hold[0]),
        .object = text_or_null(s, 3, &hold[1]),
        .field = text_or_null(s, 4, &hold[2]),
        .old_value = text_or_null(s, 5, &hold[3]),
        .new_value = text_or_null(s, 6, &hold[4]),
    };
    bool more = fn(&row, arg);
    for (size_t i = 0; i < ARRAY_LEN(hold); i++)
        free(hold[i]);
    return more;
}

int audit_each(struct db *db, size_t limit, bool (*fn)(const struct audit_row *, void *arg),
               void *arg, struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    int r = db_get(db, &c, ei);
    if (r < 0)
        return r;
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    r = db_query(c, &s, ei,
                 "SELECT id, at_ms, admin, object, field, old_value, new_value FROM audit"
                 " ORDER BY id DESC LIMIT ?",
                 "i", limit ? (int64_t)limit : INT64_MAX);
    while (r == 0 && (r = db_step(s, ei)) == 1)
        r = call(s, fn, arg) ? 0 : 1;
    return r < 0 ? r : 0;
}

#define BATCH 500 /* rows of one query: some drivers fetch all that it gives */

/* 1 = fn wants no more, 0 = *before is where to go on; *ret_n: rows read. */
static int read_batch(struct dbc *c, int64_t *before, size_t *ret_n,
                      bool (*fn)(const struct audit_row *, void *), void *arg, struct errinfo *ei)
{
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r = db_query(c, &s, ei,
                     "SELECT id, at_ms, admin, object, field, old_value, new_value FROM audit"
                     " WHERE id < ? ORDER BY id DESC LIMIT ?",
                     "ii", *before, (int64_t)BATCH);
    *ret_n = 0;
    while (r == 0 && (r = db_step(s, ei)) == 1) {
        *before = db_col_int(s, 0);
        ++*ret_n;
        if (!call(s, fn, arg))
            return 1;
        r = 0;
    }
    return r;
}

int audit_before(struct db *db, int64_t before, bool (*fn)(const struct audit_row *, void *arg),
                 void *arg, struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    size_t n = BATCH;
    int r = db_get(db, &c, ei);
    while (r == 0 && n == BATCH)
        r = read_batch(c, &before, &n, fn, arg, ei);
    return r < 0 ? r : 0;
}

int audit_settings(struct db *db, int64_t from_ms, int64_t to_ms, size_t limit,
                   bool (*fn)(const struct audit_row *, void *arg), void *arg, struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    int r = db_get(db, &c, ei);
    if (r < 0)
        return r;
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    r = db_query(c, &s, ei,
                 "SELECT id, at_ms, admin, object, field, old_value, new_value FROM audit"
                 " WHERE at_ms >= ? AND at_ms < ? AND object LIKE 'setting %'"
                 " ORDER BY at_ms DESC, id DESC LIMIT ?",
                 "iii", from_ms, to_ms, (int64_t)limit);
    while (r == 0 && (r = db_step(s, ei)) == 1)
        r = call(s, fn, arg) ? 0 : 1;
    return r < 0 ? r : 0;
}

int audit_write_alone(struct db *db, const char *admin, const char *object, const char *field,
                      const char *old_value, const char *new_value, struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    int r = db_get_writer(db, &c, ei);
    if (r == 0)
        r = db_begin(c, ei);
    if (r == 0)
        r = audit_write(c, admin, object, field, old_value, new_value, ei);
    return r == 0 ? db_commit(c, ei) : r;
}
