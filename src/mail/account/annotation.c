/* Table annotation. */
#include "mail/account/annotation.h"

#include <stdio.h>

#include "base/clock.h"
#include "mail/account/audit.h"
#include "mail/account/ids.h"

int annotation_each(struct db *db, int64_t from_ms, int64_t to_ms, size_t limit,
                    bool (*fn)(const struct annotation *, void *arg), void *arg, struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    int r = db_get(db, &c, ei);
    if (r < 0)
        return r;
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    r = db_query(c, &s, ei,
                 "SELECT id, at_ms, created_ms, text, who FROM annotation"
                 " WHERE at_ms >= ? AND at_ms < ? ORDER BY at_ms, id LIMIT ?",
                 "iii", from_ms, to_ms, (int64_t)limit);
    while (r == 0 && (r = db_step(s, ei)) == 1) {
        _cleanup_(freep) char *text = sv_dup(db_col_text(s, 3)), *who = sv_dup(db_col_text(s, 4));
        struct annotation a = { .id = db_col_int(s, 0),
                                .at_ms = db_col_int(s, 1),
                                .created_ms = db_col_int(s, 2),
                                .text = text,
                                .who = who };
        r = fn(&a, arg) ? 0 : 1;
    }
    return r < 0 ? r : 0;
}

static int insert(struct dbc *c, const char *who, int64_t at_ms, const char *text, int64_t *ret_id,
                  struct errinfo *ei)
{
    int64_t n = 0;
    char object[40];
    int r = db_value(c, &n, ei, "SELECT COUNT(*) FROM annotation", "");
    if (r == 0 && n >= ANNOTATIONS_MAX)
        return err_set(ei, E_LIMIT, "there are %d annotations; delete some first", ANNOTATIONS_MAX);
    if (r == 0)
        r = id_next(c, "annotation", ret_id, ei);
    if (r == 0)
        r = db_run(c, ei,
                   "INSERT INTO annotation (id, at_ms, text, who, created_ms)"
                   " VALUES (?, ?, ?, ?, ?)",
                   "iissi", *ret_id, at_ms, text, who, clock_wall_ms());
    snprintf(object, sizeof(object), "annotation %" PRId64, *ret_id);
    return r < 0 ? r : audit_write(c, who, object, "text", NULL, text, ei);
}

static int remove_one(struct dbc *c, const char *who, int64_t id, struct errinfo *ei)
{
    _cleanup_(freep) char *text = NULL;
    char object[40];
    {
        _cleanup_(db_resetp) struct db_stmt *s = NULL;
        int r = db_query(c, &s, ei, "SELECT text FROM annotation WHERE id = ?", "i", id);
        if (r == 0)
            r = db_step(s, ei);
        if (r <= 0)
            return r < 0 ? r
                         : err_set(ei, E_NOTFOUND, "annotation '%" PRId64 "' does not exist", id);
        text = sv_dup(db_col_text(s, 0));
    }
    snprintf(object, sizeof(object), "annotation %" PRId64, id);
    int r = db_run(c, ei, "DELETE FROM annotation WHERE id = ?", "i", id);
    return r < 0 ? r : audit_write(c, who, object, "text", text, NULL, ei);
}

int annotation_add(struct db *db, const char *who, int64_t at_ms, const char *text, int64_t *ret_id,
                   struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    int r = db_get_writer(db, &c, ei);
    if (r == 0)
        r = db_begin(c, ei);
    if (r == 0)
        r = insert(c, who, at_ms, text, ret_id, ei);
    return r == 0 ? db_commit(c, ei) : r;
}

int annotation_delete(struct db *db, const char *who, int64_t id, struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    int r = db_get_writer(db, &c, ei);
    if (r == 0)
        r = db_begin(c, ei);
    if (r == 0)
        r = remove_one(c, who, id, ei);
    return r == 0 ? db_commit(c, ei) : r;
}
