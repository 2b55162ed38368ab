/* Numbered migrations, recorded in table schema_version. One process at a time: the driver's schema
 * lock, then one transaction a migration (MariaDB commits at each CREATE or ALTER by itself). */
#include "db/db_priv.h"
#include "base/clock.h"

const char *const db_words[4] = { "{BIGINT_PK}", "{BLOB}", "{TEXT_KEY}", "{TEXT}" };

/* The program's own text, not a peer's: the cap only catches mistakes. */
#define SQL_MAX (4 * MiB)

static const char create_table[] =
    "CREATE TABLE schema_version (migration_set {TEXT_KEY} NOT NULL, version BIGINT NOT NULL, "
    "name {TEXT} NOT NULL, applied BIGINT NOT NULL, PRIMARY KEY (migration_set, version))";

static void expand(const struct db_driver *drv, const char *sql, struct buf *out)
{
    while (*sql) {
        size_t plain = strcspn(sql, "{");
        buf_add(out, sql, plain);
        sql += plain;
        if (!*sql)
            break;
        size_t i = 0;
        while (i < ARRAY_LEN(db_words) && !sv_starts(sv_c(sql), sv_c(db_words[i])))
            i++;
        if (i < ARRAY_LEN(db_words)) {
            buf_add_str(out, drv->words[i]);
            sql += strlen(db_words[i]);
        } else {
            buf_add_c(out, *sql++);
        }
    }
    buf_terminate(out);
}

static int exec_portable(struct dbc *c, const char *sql, struct errinfo *ei)
{
    struct buf text;
    buf_init(&text, SQL_MAX);
    expand(c->db->drv, sql, &text);
    int r = text.overflow ? err_set(ei, E_RANGE, "the text of a migration is too long")
                          : db_exec(c, text.p ? text.p : "", ei);
    buf_done(&text);
    return r;
}

/* The highest version of the set; 0 = none; creates nothing. */
static int read_version(struct dbc *c, const char *set, bool *ret_table, int64_t *ret,
                        struct errinfo *ei)
{
    int64_t n = 0;
    int r = db_value(c, &n, ei, c->db->drv->table_exists, "s", "schema_version");
    if (r < 0)
        return r;
    *ret = 0;
    *ret_table = n > 0;
    if (n == 0)
        return 0;
    return db_value(c, ret, ei,
                    "SELECT COALESCE(MAX(version), 0) FROM schema_version WHERE migration_set = ?",
                    "s", set);
}

static int check_newer(const char *set, int64_t have, int newest, struct errinfo *ei)
{
    if (have <= newest)
        return 0;
    return err_set(ei, E_CONFLICT,
                   "the database has version %" PRId64
                   " of '%s', this program knows %d: install the newer program or restore a backup",
                   have, set, newest);
}

static int run_one(struct dbc *c, const char *set, const struct db_migration *m, struct errinfo *ei)
{
    struct errinfo why = { 0 };
    int r = exec_portable(c, m->sql, &why);
    if (r < 0)
        return err_set(ei, r, "migration %d (%s): %.160s", m->version, m->name, why.text);
    return db_run(c, ei,
                  "INSERT INTO schema_version (migration_set, version, name, applied) "
                  "VALUES (?, ?, ?, ?)",
                  "sisi", set, (int64_t)m->version, m->name, clock_wall_s());
}

/* One transaction: reads the version under the lock and runs the next migration. 1 = there may be
 * more, 0 = all done. */
static int run_next(struct dbc *c, const char *set, const struct db_migration *m, size_t n,
                    struct errinfo *ei)
{
    bool table = false;
    int64_t have = 0;
    int r = db_begin(c, ei);
    if (r < 0)
        return r;
    r = read_version(c, set, &table, &have, ei);
    if (r == 0 && !table)
        r = exec_portable(c, create_table, ei);
    if (r == 0)
        r = check_newer(set, have, m[n - 1].version, ei);
    size_t i = 0;
    while (i < n && m[i].version <= have)
        i++;
    if (r == 0 && i < n)
        r = run_one(c, set, &m[i], ei);
    if (r == 0)
        r = db_commit(c, ei);
    if (r < 0) {
        db_rollback(c);
        return r;
    }
    return i + 1 < n;
}

int db_migrate_set(struct db *db, const char *set, const struct db_migration *m, size_t n,
                   struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    bool table = false;
    int64_t have = 0;
    if (n == 0)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if (m[i].version <= m[i - 1].version)
            panic("db: migration %d of '%s' stands after %d", m[i].version, set, m[i - 1].version);
    }
    int r = db_get_writer(db, &c, ei);
    if (r == 0)
        r = read_version(c, set, &table, &have, ei);
    if (r < 0)
        return r;
    if (have >= m[n - 1].version)
        return check_newer(set, have, m[n - 1].version, ei);
    r = db->drv->lock_schema(c, ei);
    if (r < 0)
        return r;
    do {
        r = run_next(c, set, m, n, ei);
    } while (r > 0);
    db->drv->unlock_schema(c);
    return r;
}

int db_migrate(struct db *db, const struct db_migration *m, size_t n, struct errinfo *ei)
{
    return db_migrate_set(db, "main", m, n, ei);
}
