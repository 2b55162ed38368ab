/* Inside of the db room: the pool, the connection, the statement cache and the table of functions
 * that each driver fills. Only driver_*.c know the client libraries; they embed struct dbc and
 * struct db_stmt as their first member.
 * Threads: fields of struct db that change are guarded by db->lock; a struct dbc and its statements
 * belong to the thread that holds the connection. */
#pragma once

#include <pthread.h>

#include "db/db.h"
#include "base/list.h"

/* Direct-mapped table from the address of a statement's text to the statement: the common case of a
 * string literal costs no hashing. 32 entries keep an idle connection small. */
#define DB_PTR_SLOTS  32
#define DB_TEXT_SLOTS 32

struct db_pool {
    unsigned max;        /* constant after db_open */
    unsigned open;       /* connections open or being opened; db->lock */
    struct list idle;    /* of struct dbc.link, last used first; db->lock */
    struct list waiters; /* of struct db_waiter.link, in order of arrival; db->lock */
};

struct db {
    const struct db_driver *drv;
    char *where;        /* the DSN without its password, for messages */
    void *data;         /* the driver's: parsed DSN */
    unsigned max_conns; /* readers=N, pool=N */
    unsigned max_stmts; /* stmts=N: cached statements per connection */
    int timeout_ms;     /* timeout_ms=N: lock waits and connecting */
    int wait_ms;        /* wait_ms=N: waiting for one's turn in the pool */
    struct db_pool readers, writers;
    struct db_pool *rd, *wr; /* which pool serves db_get and db_get_writer; constant */
    pthread_mutex_t lock;
    _Atomic int64_t away_ms; /* since when no connection can be made, monotonic; -1 = there, 0 =
                              * never tried or never there */
};

/* When the server gives a statement up: longer than a lock is waited for. */
static inline int db_statement_ms(const struct db *db)
{
    return db->timeout_ms * 12;
}

/* When we give the server up, which did not even do that. */
static inline int db_silence_ms(const struct db *db)
{
    return db_statement_ms(db) + db->timeout_ms;
}

struct db_stmt {
    struct dbc *c;
    const char *sql;      /* the statement's own copy; set by the driver's prepare */
    uint64_t hash;        /* of sql */
    struct db_stmt *next; /* chain of the text table */
    struct list lru;      /* of dbc.stmts, last used first */
    int n_params;         /* set by prepare */
    int bad_param;        /* first bind with an index outside 1..n_params; 0 = none */
    int bind_err;         /* a bind that the library refused: error code; 0 = none */
    bool busy;            /* between db_prepare and db_reset */
    bool started, done;   /* stepped once; stepped to the end or failed */
};

struct dbc {
    struct db *db;
    struct db_pool *pool;
    struct list link; /* in pool->idle */
    int64_t idle_ms;  /* in pool->idle since; monotonic */
    bool rested;      /* not used since drv->rest */
    bool writer;
    bool in_tx;
    int tx_err;   /* the error that made the open transaction fail; 0 = none */
    bool broken;  /* the connection must not go back to the pool */
    bool closing; /* statements need not be taken back one by one */
    unsigned n_stmts, n_busy;
    struct list stmts;
    struct {
        const char *p;
        struct db_stmt *s;
    } by_ptr[DB_PTR_SLOTS];
    struct db_stmt *by_text[DB_TEXT_SLOTS];
};

struct db_driver {
    enum db_kind kind;
    const char *name;
    bool own_writer; /* one writing connection beside the readers */

    /* Reads what follows the scheme in the DSN into db->data; opens nothing. */
    int (*setup)(struct db *db, struct sv rest, struct errinfo *ei);
    void (*teardown)(struct db *db);
    int (*connect)(struct db *db, bool writer, struct dbc **ret, struct errinfo *ei);
    void (*disconnect)(struct dbc *c); /* statements are finalised already */

    int (*exec)(struct dbc *c, const char *sql, struct errinfo *ei);
    int (*prepare)(struct dbc *c, const char *sql, struct db_stmt **ret, struct errinfo *ei);
    void (*finalize)(struct db_stmt *s);
    void (*bind_int)(struct db_stmt *s, int i, int64_t v);
    void (*bind_data)(struct db_stmt *s, int i, struct sv v, bool text);
    void (*bind_null)(struct db_stmt *s, int i);
    int (*step)(struct db_stmt *s, struct errinfo *ei); /* s->started tells the first */
    int64_t (*col_int)(struct db_stmt *s, int i);
    struct sv (*col_text)(struct db_stmt *s, int i);
    struct sv (*col_blob)(struct db_stmt *s, int i);
    bool (*col_null)(struct db_stmt *s, int i);
    void (*reset)(struct db_stmt *s);
    int64_t (*changes)(struct dbc *c);
    int (*begin)(struct dbc *c, struct errinfo *ei);
    int (*commit)(struct dbc *c, struct errinfo *ei);
    int (*rollback)(struct dbc *c, struct errinfo *ei);
    int (*checkpoint)(struct dbc *c, bool truncate, struct errinfo *ei); /* NULL = nothing to do */
    /* Frees what can be read again. NULL = connecting is dear, idle connections are left alone. */
    void (*rest)(struct dbc *c);

    /* Migrations: one process at a time. Both are called inside the transaction; NULL = BEGIN is
     * lock enough. Losing the connection must release the lock. */
    int (*lock_schema)(struct dbc *c, struct errinfo *ei);
    void (*unlock_schema)(struct dbc *c);
    bool ddl_commits;         /* CREATE, ALTER and DROP end the transaction */
    const char *table_exists; /* SQL with one parameter; gives the number of tables of that name */
    /* Replacements of the portable words, in the order of db_words. */
    const char *words[4];
};

extern const struct db_driver db_driver_sqlite;
extern const struct db_driver db_driver_pgsql;
extern const struct db_driver db_driver_mysql;

extern const char *const db_words[4]; /* "{BIGINT_PK}", "{BLOB}", "{TEXT_KEY}", "{TEXT}" */

/* dsn.c */
int db_dsn_number(struct sv key, struct sv value, int64_t min, int64_t max, int64_t *ret,
                  struct errinfo *ei);
/* Takes the options every driver has; 1 = taken, 0 = not one of them. */
int db_dsn_common(struct db *db, struct sv key, struct sv value, struct errinfo *ei);

/* Writes out the %-escapes of a URL; heap, free() it. */
char *db_dsn_unescape(struct sv s);

struct db_url {
    char *user, *password, *host, *name; /* password NULL = none; host "" = the local one */
    unsigned port;                       /* 0 = the usual one */
};
/* user:password@host:port/name. Call db_dsn_url_done also after an error. */
int db_dsn_url(const struct db *db, struct sv url, struct db_url *ret, struct errinfo *ei);
void db_dsn_url_done(struct db_url *u);

/* sqltext.c */
/* Cuts the next statement at its semicolon; false when none is left. */
bool db_sql_next(struct sv *rest, struct sv *ret);
/* Copies sql to out with each ? as $1, $2 ...; returns how many. out is terminated. */
int db_sql_number(const char *sql, struct buf *out);
/* May be sent again when the connection was lost before its answer came. */
bool db_sql_reads_only(const char *sql);

/* stmt.c */
void db_stmts_init(struct dbc *c);
void db_stmts_drop(struct dbc *c);  /* finalises all */
void db_stmts_reset(struct dbc *c); /* resets those that their user left open */

/* report.c: for drivers and the rest of the room */
/* Fills ei ("<where>: <message>; statement: <sql>"), counts and logs. sql may be NULL. */
int db_fail(const struct db *db, struct errinfo *ei, int code, const char *message,
            const char *sql);
/* db_fail with E_TEMP for a connection that cannot be made; the first one of an outage is an entry
 * of the error log. */
int db_unreachable(struct db *db, struct errinfo *ei, const char *message);
void db_reached(struct db *db);      /* a connection was made; logs the end of an outage */
void db_note_query(const char *sql); /* counts, logs at debug */
void db_note_connect(const struct db *db, const char *what); /* logs at extended */
/* A constraint or a lost race in an open transaction makes it fail as a whole. Returns r. */
int db_note_result(struct dbc *c, int r);
