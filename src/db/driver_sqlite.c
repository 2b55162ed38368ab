/* SQLite: WAL, one writing connection, readers that cannot write. Connections are opened without
 * SQLite's own mutexes because the pool gives each to one thread at a time.
 * docs/adr/0007-db-api-and-sqlite-rules.md says why. */
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "db/db_priv.h"
#include "base/rand.h"

struct file {
    char *path;
    bool memory, create, nockpt;
    mode_t mode;
    const char *sync;
    int64_t cache_kib, lookaside, autockpt; /* -1 = SQLite's default */
};

struct conn {
    struct dbc base;
    sqlite3 *h;
    sqlite3_stmt *begin, *commit, *rollback; /* prepared on first use */
};

struct stmt {
    struct db_stmt base;
    sqlite3_stmt *st;
};

static pthread_once_t library_once = PTHREAD_ONCE_INIT;

static void library_init(void)
{
    /* Memory statistics cost a process-wide mutex on every allocation. */
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
    /* Else each connection takes memory for 20 pages at once: too much for a file per account. */
    sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0);
    sqlite3_initialize();
}

static sqlite3 *handle(struct dbc *c)
{
    return container_of(c, struct conn, base)->h;
}

static sqlite3_stmt *raw(struct db_stmt *s)
{
    return container_of(s, struct stmt, base)->st;
}

static int code_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_CONSTRAINT:
        return E_CONFLICT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
    case SQLITE_INTERRUPT:
    case SQLITE_NOMEM:
        return E_TEMP;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return E_CORRUPT;
    case SQLITE_FULL:
        return -ENOSPC;
    default:
        return E_DB;
    }
}

static int fail(struct dbc *c, int rc, const char *sql, struct errinfo *ei)
{
    struct conn *k = container_of(c, struct conn, base);
    const char *text = k->h ? sqlite3_errmsg(k->h) : sqlite3_errstr(rc);
    if ((rc & 0xff) == SQLITE_READONLY && !c->writer)
        text = "a reading connection cannot write: use db_get_writer";
    return db_fail(c->db, ei, code_of(rc), text, sql);
}

static int set_sync(struct file *f, struct sv value, struct errinfo *ei)
{
    if (sv_eq(value, SV("full")))
        f->sync = "FULL";
    else if (sv_eq(value, SV("normal")))
        f->sync = "NORMAL";
    else if (sv_eq(value, SV("off")))
        f->sync = "OFF";
    else
        return err_set(ei, E_RANGE, "database option sync: '" SV_FMT "' is not full, normal or off",
                       SV_ARG(value));
    return 0;
}

static int set_mode(struct file *f, struct sv value, struct errinfo *ei)
{
    mode_t m = 0;
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] < '0' || value.p[i] > '7' || value.n > 4)
            return err_set(ei, E_RANGE, "database option mode: '" SV_FMT "' is not octal like 0600",
                           SV_ARG(value));
        m = m * 8 + (mode_t)(value.p[i] - '0');
    }
    f->mode = m;
    return 0;
}

static int set_option(struct db *db, struct file *f, struct sv key, struct sv value,
                      struct errinfo *ei)
{
    int64_t v = 0;
    int r = db_dsn_common(db, key, value, ei);
    if (r != 0)
        return r;
    if (sv_eq(key, SV("sync")))
        return set_sync(f, value, ei);
    if (sv_eq(key, SV("mode")))
        return set_mode(f, value, ei);
    if (sv_eq(key, SV("cache")))
        return db_dsn_number(key, value, 1, 4194304, &f->cache_kib, ei);
    if (sv_eq(key, SV("lookaside")))
        return db_dsn_number(key, value, 0, 10000, &f->lookaside, ei);
    if (sv_eq(key, SV("autockpt")))
        return db_dsn_number(key, value, 0, 1000000, &f->autockpt, ei);
    if (sv_eq(key, SV("create")) || sv_eq(key, SV("single")) ||
        sv_eq(key, SV("wal_nockpt_on_close"))) {
        if ((r = db_dsn_number(key, value, 0, 1, &v, ei)) < 0)
            return r;
        if (sv_eq(key, SV("create")))
            f->create = v;
        else if (sv_eq(key, SV("single")))
            db->rd = v ? &db->writers : &db->readers;
        else
            f->nockpt = v;
        return 0;
    }
    return err_set(ei, E_NOTFOUND, "database option '" SV_FMT "' is not known for sqlite",
                   SV_ARG(key));
}

static int setup(struct db *db, struct sv rest, struct errinfo *ei)
{
    pthread_once(&library_once, library_init);
    struct file *f = xcalloc(1, sizeof(*f));
    f->create = true;
    f->mode = 0600;
    f->sync = "FULL";
    f->cache_kib = f->lookaside = f->autockpt = -1;
    db->data = f;
    ssize_t q = sv_rfind(rest, '?');
    struct sv options = q < 0 ? SV_NULL : sv_skip(rest, (size_t)q + 1);
    f->path = sv_dup(q < 0 ? rest : sv_take(rest, (size_t)q));
    if (!*f->path)
        return err_set(ei, E_PARSE, "database '%.60s': no path after sqlite:", db->where);
    f->memory = strcmp(f->path, ":memory:") == 0;
    if (f->memory)
        db->rd = &db->writers;
    while (options.p && options.n > 0) {
        struct sv value = sv_split(&options, '&');
        struct sv key = sv_split(&value, '=');
        int r = set_option(db, f, key, value, ei);
        if (r < 0)
            return r;
    }
    return 0;
}

static void teardown(struct db *db)
{
    struct file *f = db->data;
    if (f) {
        free(f->path);
        free(f);
    }
}

/* Makes an empty file with the wanted mode. Not with open(O_CREAT) on the path itself: closing that
 * descriptor would drop the locks that another connection of this process just took on the file. */
static int make_file(const struct file *f)
{
    if (f->memory || !f->create || access(f->path, F_OK) == 0)
        return 0;
    _cleanup_(freep) char *tmp = xasprintf("%s.%016" PRIx64, f->path, rand_u64());
    int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, f->mode);
    if (fd < 0)
        return -errno;
    int r = fchmod(fd, f->mode) < 0 ? -errno : 0;
    close(fd);
    if (r == 0 && link(tmp, f->path) < 0 && errno != EEXIST)
        r = -errno;
    unlink(tmp);
    return r;
}

/* Two processes that open a new file at once both switch it to WAL; SQLite reports that race as
 * busy without calling the busy handler. */
static int set_pragmas(sqlite3 *h, const char *sql, int timeout_ms)
{
    int rc = SQLITE_BUSY;
    for (int i = 0; i < timeout_ms / 5 + 1; i++) {
        rc = sqlite3_exec(h, sql, NULL, NULL, NULL);
        if ((rc & 0xff) != SQLITE_BUSY && (rc & 0xff) != SQLITE_LOCKED)
            break;
        sqlite3_sleep(5);
    }
    return rc;
}

static int configure(struct dbc *c, const struct db *db, bool writer)
{
    const struct file *f = db->data;
    sqlite3 *h = handle(c);
    char sql[160];
    sqlite3_busy_timeout(h, db->timeout_ms);
    sqlite3_extended_result_codes(h, 1);
    sqlite3_db_config(h, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL);
    sqlite3_db_config(h, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    sqlite3_db_config(h, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    if (f->nockpt)
        sqlite3_db_config(h, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (f->lookaside >= 0)
        sqlite3_db_config(h, SQLITE_DBCONFIG_LOOKASIDE, NULL, f->lookaside ? 128 : 0,
                          (int)f->lookaside);
    if (f->autockpt >= 0)
        sqlite3_wal_autocheckpoint(h, (int)f->autockpt);
    int n = snprintf(sql, sizeof(sql), "PRAGMA synchronous=%s;", f->sync);
    if (f->cache_kib > 0)
        n += snprintf(sql + n, sizeof(sql) - (size_t)n, "PRAGMA cache_size=-%" PRId64 ";",
                      f->cache_kib);
    /* After synchronous, which decides whether the switch itself is synced. */
    snprintf(sql + n, sizeof(sql) - (size_t)n, "%s%s", f->memory ? "" : "PRAGMA journal_mode=WAL;",
             writer ? "" : "PRAGMA query_only=1;");
    return set_pragmas(h, sql, db->timeout_ms);
}

static void disconnect(struct dbc *c)
{
    struct conn *k = container_of(c, struct conn, base);
    sqlite3_finalize(k->begin);
    sqlite3_finalize(k->commit);
    sqlite3_finalize(k->rollback);
    sqlite3_close(k->h);
    free(k);
}

static int connect_file(struct db *db, bool writer, struct dbc **ret, struct errinfo *ei)
{
    const struct file *f = db->data;
    int r = make_file(f);
    if (r < 0)
        return err_set_errno(ei, r, "cannot create database %.120s", f->path);
    struct conn *k = xcalloc(1, sizeof(*k));
    k->base.db = db;
    k->base.writer = writer;
    /* A memory database has no file to exist before. */
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (f->memory ? SQLITE_OPEN_CREATE : 0);
    int rc = sqlite3_open_v2(f->path, &k->h, flags, NULL);
    if (rc == SQLITE_OK)
        rc = configure(&k->base, db, writer);
    if (rc != SQLITE_OK) {
        char text[160];
        snprintf(text, sizeof(text), "cannot open %.90s: %s", f->path,
                 k->h ? sqlite3_errmsg(k->h) : sqlite3_errstr(rc));
        disconnect(&k->base);
        return db_fail(db, ei, code_of(rc), text, NULL);
    }
    *ret = &k->base;
    return 0;
}

static int exec(struct dbc *c, const char *sql, struct errinfo *ei)
{
    int rc = sqlite3_exec(handle(c), sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : fail(c, rc, sql, ei);
}

static int prepare(struct dbc *c, const char *sql, struct db_stmt **ret, struct errinfo *ei)
{
    sqlite3_stmt *st = NULL;
    const char *tail = "";
    int rc = sqlite3_prepare_v3(handle(c), sql, -1, SQLITE_PREPARE_PERSISTENT, &st, &tail);
    if (rc != SQLITE_OK)
        return fail(c, rc, sql, ei);
    if (!st || strspn(tail, " \t\r\n;") != strlen(tail)) {
        sqlite3_finalize(st);
        return db_fail(c->db, ei, E_DB, "exactly one statement is allowed here", sql);
    }
    struct stmt *s = xcalloc(1, sizeof(*s));
    s->st = st;
    s->base.sql = sqlite3_sql(st);
    s->base.n_params = sqlite3_bind_parameter_count(st);
    *ret = &s->base;
    return 0;
}

static void finalize(struct db_stmt *s)
{
    sqlite3_finalize(raw(s));
    free(container_of(s, struct stmt, base));
}

static void bind_int(struct db_stmt *s, int i, int64_t v)
{
    sqlite3_bind_int64(raw(s), i, v);
}

static void bind_data(struct db_stmt *s, int i, struct sv v, bool text)
{
    int rc;
    if (text)
        rc = sqlite3_bind_text64(raw(s), i, v.p, v.n, SQLITE_STATIC, SQLITE_UTF8);
    else
        rc = sqlite3_bind_blob64(raw(s), i, v.p, v.n, SQLITE_STATIC);
    if (rc != SQLITE_OK)
        s->bind_err = rc == SQLITE_TOOBIG ? E_RANGE : E_TEMP;
}

static void bind_null(struct db_stmt *s, int i)
{
    sqlite3_bind_null(raw(s), i);
}

static int step(struct db_stmt *s, struct errinfo *ei)
{
    int rc = sqlite3_step(raw(s));
    if (rc == SQLITE_ROW)
        return 1;
    if (rc == SQLITE_DONE)
        return 0;
    return fail(s->c, rc, s->sql, ei);
}

static int64_t col_int(struct db_stmt *s, int i)
{
    return sqlite3_column_int64(raw(s), i);
}

static struct sv col_text(struct db_stmt *s, int i)
{
    const void *p = sqlite3_column_text(raw(s), i);
    return sv_n(p, p ? (size_t)sqlite3_column_bytes(raw(s), i) : 0);
}

static struct sv col_blob(struct db_stmt *s, int i)
{
    const void *p = sqlite3_column_blob(raw(s), i);
    size_t n = (size_t)sqlite3_column_bytes(raw(s), i);
    if (!p && sqlite3_column_type(raw(s), i) != SQLITE_NULL)
        return SV("");
    return sv_n(p, p ? n : 0);
}

static bool col_null(struct db_stmt *s, int i)
{
    return sqlite3_column_type(raw(s), i) == SQLITE_NULL;
}

static void reset(struct db_stmt *s)
{
    sqlite3_reset(raw(s));
    sqlite3_clear_bindings(raw(s));
}

static int64_t changes(struct dbc *c)
{
    return sqlite3_changes64(handle(c));
}

static int run_fixed(struct dbc *c, sqlite3_stmt **st, const char *sql, struct errinfo *ei)
{
    int rc = SQLITE_OK;
    if (!*st)
        rc = sqlite3_prepare_v3(handle(c), sql, -1, SQLITE_PREPARE_PERSISTENT, st, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(*st);
        rc = rc == SQLITE_DONE ? SQLITE_OK : rc;
    }
    int r = rc == SQLITE_OK ? 0 : fail(c, rc, sql, ei);
    sqlite3_reset(*st);
    return r;
}

static int begin(struct dbc *c, struct errinfo *ei)
{
    struct conn *k = container_of(c, struct conn, base);
    return run_fixed(c, &k->begin, c->writer ? "BEGIN IMMEDIATE" : "BEGIN", ei);
}

static int commit(struct dbc *c, struct errinfo *ei)
{
    return run_fixed(c, &container_of(c, struct conn, base)->commit, "COMMIT", ei);
}

static int rollback(struct dbc *c, struct errinfo *ei)
{
    /* After a full disk or an I/O error SQLite has rolled back already. */
    if (sqlite3_get_autocommit(handle(c)))
        return 0;
    return run_fixed(c, &container_of(c, struct conn, base)->rollback, "ROLLBACK", ei);
}

static int checkpoint(struct dbc *c, bool truncate, struct errinfo *ei)
{
    int how = truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
    int in_wal = 0, moved = 0;
    int rc = sqlite3_wal_checkpoint_v2(handle(c), NULL, how, &in_wal, &moved);
    if (rc != SQLITE_OK)
        return fail(c, rc, "(checkpoint)", ei);
    if (moved < in_wal)
        return err_set(ei, E_TEMP, "%d of %d WAL pages are still in use by readers", in_wal - moved,
                       in_wal);
    return 0;
}

static void rest(struct dbc *c)
{
    sqlite3_db_release_memory(handle(c));
}

const struct db_driver db_driver_sqlite = {
    .kind = DB_SQLITE,
    .name = "sqlite",
    .own_writer = true,
    .setup = setup,
    .teardown = teardown,
    .connect = connect_file,
    .disconnect = disconnect,
    .exec = exec,
    .prepare = prepare,
    .finalize = finalize,
    .bind_int = bind_int,
    .bind_data = bind_data,
    .bind_null = bind_null,
    .step = step,
    .col_int = col_int,
    .col_text = col_text,
    .col_blob = col_blob,
    .col_null = col_null,
    .reset = reset,
    .changes = changes,
    .begin = begin,
    .commit = commit,
    .rollback = rollback,
    .checkpoint = checkpoint,
    .rest = rest,
    .table_exists = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = ?",
    .words = { "INTEGER PRIMARY KEY", "BLOB", "TEXT", "TEXT" },
};
