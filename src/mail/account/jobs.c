#include "mail/account/jobs.h"

#include "mail/account/accounts_priv.h"

int job_last(struct accounts *a, const char *name, int64_t *ret_ms, struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    int r = db_get(a->db, &c, ei);
    *ret_ms = 0;
    if (r == 0)
        r = db_value(c, ret_ms, ei, "SELECT done_ms FROM job WHERE name = ?", "s", name);
    return r == E_NOTFOUND ? 0 : r;
}

int job_done(struct accounts *a, const char *name, int64_t now_ms, struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    int r = db_get_writer(a->db, &c, ei);
    if (r == 0)
        r = db_begin(c, ei);
    if (r == 0)
        r = db_run(c, ei, "DELETE FROM job WHERE name = ?", "s", name);
    if (r == 0)
        r = db_run(c, ei, "INSERT INTO job (name, done_ms) VALUES (?, ?)", "si", name, now_ms);
    return r < 0 ? r : db_commit(c, ei);
}

int accounts_with_option(struct accounts *a, enum account_option o,
                         bool (*fn)(int64_t account_id, void *arg), void *arg, struct errinfo *ei)
{
    int64_t *ids = NULL;
    size_t n = 0;
    int r;
    {
        _cleanup_(db_putp) struct dbc *c = NULL;
        _cleanup_(db_resetp) struct db_stmt *s = NULL;
        r = db_get(a->db, &c, ei);
        if (r == 0)
            r = db_query(c, &s, ei,
                         "SELECT account_id FROM account_option WHERE name = ? ORDER BY account_id",
                         "s", account_options[o].name);
        while (r == 0 && (r = db_step(s, ei)) == 1) {
            ids = xrealloc(ids, (n + 1) * sizeof(*ids));
            ids[n++] = db_col_int(s, 0);
            r = 0;
        }
    }
    for (size_t i = 0; i < n && r == 0; i++)
        if (!fn(ids[i], arg))
            break;
    free(ids);
    return r;
}
