/* Numbered migrations, recorded in table schema_version. One process at a time: the driver's schema
 * lock, taken anew in the transaction of each migration. Where CREATE and ALTER end a transaction
 * (MariaDB) each statement is recorded by itself, so that a migration that failed in the middle
 * goes on behind its last complete statement. */
#include "db/db_priv.h"
#include "base/clock.h"

const char *const db_words[4] = { "{BIGINT_PK}", "{BLOB}", "{TEXT_KEY}", "{TEXT}" };

/* The program's own text, not a peer's: the cap only catches mistakes. */
#define SQL_MAX (4 * MiB)

/* steps = how many statements of an unfinished migration are done; -1 = all. */
static const char create_table[] =
    "CREATE TABLE schema_version (migration_set {TEXT_KEY} NOT NULL, version BIGINT NOT NULL, "
    "name {TEXT} NOT NULL, applied BIGINT NOT NULL, steps BIGINT NOT NULL, "
    "PRIMARY KEY (migration_set, version))";

#define STEPS_ALL (-1)

struct run {
    struct dbc *c;
    const char *set;
    const struct db_migration *m;
    size_t n;
    int64_t have; /* the highest complete version */
    bool table;   /* schema_version exists */
};

static void expand(const struct db_driver *drv, struct sv sql, struct buf *out)
{
    for (size_t k = 0; k < sql.n;) {
        struct sv rest = sv_skip(sql, k);
        size_t i = 0;
        while (i < ARRAY_LEN(db_words) && !sv_starts(rest, sv_c(db_words[i])))
            i++;
        if (i < ARRAY_LEN(db_words)) {
            buf_add_str(out, drv->words[i]);
            k += strlen(db_words[i]);
        } else {
            buf_add_c(out, sql.p[k++]);
        }
    }
    buf_terminate(out);
}

static int exec_portable(struct dbc *c, struct sv sql, struct errinfo *ei)
{
    struct buf text;
    buf_init(&text, SQL_MAX);
    expand(c->db->drv, sql, &text);
    int r = text.overflow ? err_set(ei, E_RANGE, "the text of a migration is too long")
                          : db_exec(c, text.p ? text.p : "", ei);
    buf_done(&text);
    return r;
}

static int read_version(struct run *w, struct errinfo *ei)
{
    int64_t n = 0;
    int r = db_value(w->c, &n, ei, w->c->db->drv->table_exists, "s", "schema_version");
    w->have = 0;
    w->table = n > 0;
    if (r < 0 || n == 0)
        return r;
    return db_value(w->c, &w->have, ei,
                    "SELECT COALESCE(MAX(version), 0) FROM schema_version "
                    "WHERE migration_set = ? AND steps = ?",
                    "si", w->set, (int64_t)STEPS_ALL);
}

static int check_newer(const struct run *w, struct errinfo *ei)
{
    int newest = w->m[w->n - 1].version;
    if (w->have <= newest)
        return 0;
    return err_set(ei, E_CONFLICT,
                   "the database has version %" PRId64
                   " of '%s', this program knows %d: install the newer program or restore a backup",
                   w->have, w->set, newest);
}

static int record(struct run *w, const struct db_migration *m, int64_t steps, struct errinfo *ei)
{
    int r = db_run(w->c, ei,
                   "UPDATE schema_version SET applied = ?, steps = ? "
                   "WHERE migration_set = ? AND version = ?",
                   "iisi", clock_wall_s(), steps, w->set, (int64_t)m->version);
    if (r < 0 || db_changes(w->c) > 0)
        return r;
    return db_run(w->c, ei,
                  "INSERT INTO schema_version (migration_set, version, name, applied, steps) "
                  "VALUES (?, ?, ?, ?, ?)",
                  "sisii", w->set, (int64_t)m->version, m->name, clock_wall_s(), steps);
}

static int complain(const struct db_migration *m, int r, const struct errinfo *why,
                    struct errinfo *ei)
{
    return err_set(ei, r, "migration %d (%s): %.160s", m->version, m->name, why->text);
}

/* For databases whose CREATE ends the transaction: a transaction a statement. */
static int run_in_steps(struct run *w, const struct db_migration *m, struct errinfo *ei)
{
    struct errinfo why = { 0 };
    struct sv rest = sv_c(m->sql), one;
    int64_t done = 0, i = 0;
    int r = db_value(w->c, &done, &why,
                     "SELECT COALESCE(MAX(steps), 0) FROM schema_version "
                     "WHERE migration_set = ? AND version = ?",
                     "si", w->set, (int64_t)m->version);
    while (r == 0 && db_sql_next(&rest, &one)) {
        if (i++ < done)
            continue;
        r = exec_portable(w->c, one, &why);
        if (r == 0)
            r = record(w, m, i, &why);
        if (r == 0)
            r = db_commit(w->c, &why);
        if (r == 0)
            r = db_begin(w->c, &why);
        /* Again: a connection that was lost and made anew here has no lock. */
        if (r == 0)
            r = w->c->db->drv->lock_schema(w->c, &why);
    }
    if (r == 0)
        r = record(w, m, STEPS_ALL, &why);
    return r < 0 ? complain(m, r, &why, ei) : 0;
}

static int run_whole(struct run *w, const struct db_migration *m, struct errinfo *ei)
{
    struct errinfo why = { 0 };
    int r = exec_portable(w->c, sv_c(m->sql), &why);
    if (r == 0)
        r = record(w, m, STEPS_ALL, &why);
    return r < 0 ? complain(m, r, &why, ei) : 0;
}

/* Inside the transaction and the lock: the next migration. 1 = there may be more, 0 = all done. */
static int run_locked(struct run *w, struct errinfo *ei)
{
    int r = read_version(w, ei);
    if (r == 0 && !w->table)
        r = exec_portable(w->c, sv_c(create_table), ei);
    if (r == 0)
        r = check_newer(w, ei);
    size_t i = 0;
    while (i < w->n && w->m[i].version <= w->have)
        i++;
    if (r < 0 || i == w->n)
        return r;
    r = w->c->db->drv->ddl_commits ? run_in_steps(w, &w->m[i], ei) : run_whole(w, &w->m[i], ei);
    return r < 0 ? r : i + 1 < w->n;
}

static int run_next(struct run *w, struct errinfo *ei)
{
    const struct db_driver *drv = w->c->db->drv;
    int r = db_begin(w->c, ei);
    if (r < 0)
        return r;
    if (drv->lock_schema)
        r = drv->lock_schema(w->c, ei);
    if (r < 0) {
        db_rollback(w->c);
        return r;
    }
    r = run_locked(w, ei);
    if (r < 0) {
        db_rollback(w->c);
    } else {
        int e = db_commit(w->c, ei);
        r = e < 0 ? e : r;
    }
    if (drv->unlock_schema)
        drv->unlock_schema(w->c);
    return r;
}

int db_migrate_set(struct db *db, const char *set, const struct db_migration *m, size_t n,
                   struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    if (n == 0)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if (m[i].version <= m[i - 1].version)
            panic("db: migration %d of '%s' stands after %d", m[i].version, set, m[i - 1].version);
    }
    int r = db_get_writer(db, &c, ei);
    if (r < 0)
        return r;
    struct run w = { .c = c, .set = set, .m = m, .n = n };
    r = read_version(&w, ei);
    if (r < 0)
        return r;
    if (w.have >= m[n - 1].version)
        return check_newer(&w, ei);
    do {
        r = run_next(&w, ei);
    } while (r > 0);
    return r;
}

int db_migrate(struct db *db, const struct db_migration *m, size_t n, struct errinfo *ei)
{
    return db_migrate_set(db, "main", m, n, ei);
}
