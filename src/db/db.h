/* One narrow SQL API over SQLite, PostgreSQL and MariaDB: pool, prepared statements, transactions,
 * numbered migrations. SQL is written in the common subset with `?` placeholders (the PostgreSQL
 * driver numbers them). Every call may block; deadlines come from the DSN's timeout.
 *
 * DSN:  sqlite:/path/file.db[?sync=full|normal|off]
 *       postgresql://user:pass@host:port/dbname   (also unix sockets, as libpq takes it)
 *       mysql://user:pass@host:port/dbname[?socket=/path]
 * Options of all drivers, joined by &: readers=N (or pool=N; 16), stmts=N (cached statements per
 *   connection; 128), timeout_ms=N (locks and connecting; 5000; a statement may take twelve times
 *   as long, but for migrations of PostgreSQL), wait_ms=N (one's turn in the pool; 30000). A wait
 * that ends without success gives E_TEMP. SQLite only: sync (full), create=0 (the file must exist),
 * mode=0600 (of a new file), cache=KiB (page cache per connection), lookaside=N (small-allocation
 * slots per connection; 0 = none), single=1 (one connection reads and writes; a thread must not ask
 * for a second one), autockpt=PAGES (WAL length that makes a commit checkpoint; 1000, 0 = never),
 *   wal_nockpt_on_close=1 (closing neither checkpoints nor syncs). The path is taken as it is,
 * without
 *   %-escapes; options start at the last `?`. sqlite::memory: is a private database in memory.
 *
 * Threads: struct db is shared; a struct dbc belongs to one thread between db_get and db_put.
 * Which SQL works everywhere: docs/adr/0007-db-api-and-sqlite-rules.md. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/sv.h"

struct db;
struct dbc;
struct db_stmt;

enum db_kind { DB_SQLITE, DB_PGSQL, DB_MYSQL };

/* Checks the DSN; connections are opened when they are first asked for. */
int db_open(const char *dsn, struct db **ret, struct errinfo *ei);
void db_close(struct db *db); /* all connections must be back */
enum db_kind db_kind(const struct db *db);

/* A reading connection from the pool. With SQLite it refuses to write (E_DB). */
int db_get(struct db *db, struct dbc **ret, struct errinfo *ei);
/* The writing connection: with SQLite one per process, handed out in turn (competing writers starve
 * each other); elsewhere the same as db_get. */
int db_get_writer(struct db *db, struct dbc **ret, struct errinfo *ei);
void db_put(struct dbc *c); /* rolls an open transaction back */
DEFINE_CLEANUP(struct dbc, db_put)

/* With SQLite, closes the connections that nobody needed for idle_ms but one, and frees that one's
 * page cache. Else a burst's connections, each with its schema and statements, would stay. True:
 * memory was freed. */
bool db_tidy(struct db *db, int64_t idle_ms);

/* Statements without results or parameters; several separated by ; are allowed. */
int db_exec(struct dbc *c, const char *sql, struct errinfo *ei);

/* Prepared once per connection and text, then taken from the connection's cache (fastest for a
 * string literal, whose address finds it; the text is compared all the same). The statement belongs
 * to the connection; finish with db_reset. While it is in use the same text gives a second
 * statement, so loops may be nested. Bad SQL shows here or at the first db_step. Parameters count
 * from 1, columns from 0. */
int db_prepare(struct dbc *c, const char *sql, struct db_stmt **ret, struct errinfo *ei);
void db_bind_int(struct db_stmt *s, int i, int64_t v);
/* A slice without memory (p == NULL) is the empty text or blob, not NULL. Text holds no NUL bytes
 * and is UTF-8; anything else is a blob. */
void db_bind_text(struct db_stmt *s, int i, struct sv v); /* must stay valid until db_reset */
void db_bind_blob(struct db_stmt *s, int i, struct sv v); /* the same */
void db_bind_null(struct db_stmt *s, int i);
/* 1 = a row is there, 0 = done, negative = error (E_CONFLICT for a violated constraint, E_TEMP when
 * trying the whole transaction again may work, E_CORRUPT for a damaged SQLite file, E_DB
 * otherwise). An error inside a transaction makes the whole transaction fail: statements and
 * db_commit give the same code from then on, until db_rollback (PostgreSQL's rule, for all). */
int db_step(struct db_stmt *s, struct errinfo *ei) _warn_unused_;
int64_t db_col_int(struct db_stmt *s, int i);
struct sv db_col_text(struct db_stmt *s, int i); /* valid until the next step or reset */
struct sv db_col_blob(struct db_stmt *s, int i);
bool db_col_null(struct db_stmt *s, int i);
void db_reset(struct db_stmt *s); /* also clears the bindings */
static inline void db_resetp(struct db_stmt **s)
{
    if (*s)
        db_reset(*s);
}
int64_t db_changes(struct dbc *c); /* rows changed by the last statement */

/* Short forms: fmt has one letter a parameter: i = int64_t (cast what is not), s = const char *
 * (NULL pointer = NULL), v = struct sv as text, b = struct sv as blob, n = NULL (no argument). */
int db_run(struct dbc *c, struct errinfo *ei, const char *sql, const char *fmt, ...);
/* First column of the first row as a number; E_NOTFOUND without a row. */
int db_value(struct dbc *c, int64_t *ret, struct errinfo *ei, const char *sql, const char *fmt,
             ...);
/* Starts a query with bound parameters: then db_step. */
int db_query(struct dbc *c, struct db_stmt **ret, struct errinfo *ei, const char *sql,
             const char *fmt, ...);

/* SQLite: BEGIN IMMEDIATE; on a reading connection BEGIN, one consistent view. */
int db_begin(struct dbc *c, struct errinfo *ei);
int db_commit(struct dbc *c, struct errinfo *ei); /* on error the transaction is rolled back */
void db_rollback(struct dbc *c);                  /* no-op without a transaction */

/* SQLite: moves the WAL into the file and syncs it (unless sync=off); truncate also empties the WAL
 * file, waiting for readers. E_TEMP when readers stood in the way. Elsewhere nothing to do. */
int db_checkpoint(struct dbc *c, bool truncate, struct errinfo *ei);

/* Runs the migrations that have not run yet, in order, each in a transaction, and records them in
 * table schema_version. Text may hold the portable words {BIGINT_PK}, {BLOB}, {TEXT_KEY} (a text
 * column that may be indexed) and {TEXT} that each driver replaces. E_CONFLICT when the database is
 * newer than the program. */
struct db_migration {
    int version; /* 1, 2, 3 ... */
    const char *name;
    const char *sql;
};
int db_migrate(struct db *db, const struct db_migration *m, size_t n, struct errinfo *ei);
/* The same for a room that numbers its own migrations in a shared database: each set counts from 1.
 * db_migrate is the set "main". */
int db_migrate_set(struct db *db, const char *set, const struct db_migration *m, size_t n,
                   struct errinfo *ei);
