/* MariaDB and MySQL through libmariadb's prepared statements. Results are stored whole in the
 * client, so that other statements may run while one is read; columns are fetched when they are
 * asked for. A connection lost between transactions is opened anew without the caller noticing; a
 * write whose fate is unknown gives E_TEMP. */
#include <errmsg.h>
#include <mysql.h>
#include <mysqld_error.h>
#include <poll.h>

#include "db/db_priv.h"
#include "os/library.h"

/* Not in every mysqld_error.h. */
#define ER_LOST_TO_KILL     1927
#define ER_CHECK_VIOLATED   4025
#define ER_CHECK_VIOLATED_8 3819

struct server {
    struct db_url url;
    char *socket, *tls_ca;
    bool tls;
};

struct conn {
    struct dbc base;
    MYSQL *my;
    unsigned gen; /* counts the connections made; prepared statements belong to one */
    bool dead;
    int64_t changes;
};

struct param {
    int64_t n;
    unsigned long length;
};

struct column {
    char *p; /* the value as text or blob, once it was asked for in this row */
    size_t n;
    bool have;
};

struct stmt {
    struct db_stmt base;
    MYSQL_STMT *st;
    unsigned gen;
    unsigned n_cols;
    MYSQL_BIND *binds;
    struct param *params;
    struct column *cols;
};

/* All that is called of the library, which is loaded when such a database is configured. */
/* clang-format off */
#define LIBRARY(X) \
    X(mysql_server_init) X(mysql_affected_rows) X(mysql_close) X(mysql_errno) X(mysql_error) \
    X(mysql_free_result) X(mysql_get_socket) X(mysql_init) X(mysql_options) \
    X(mysql_real_connect) X(mysql_real_query) X(mysql_ssl_set) X(mysql_stmt_affected_rows) \
    X(mysql_stmt_bind_param) X(mysql_stmt_close) X(mysql_stmt_errno) X(mysql_stmt_error) \
    X(mysql_stmt_execute) X(mysql_stmt_fetch) X(mysql_stmt_fetch_column) \
    X(mysql_stmt_field_count) X(mysql_stmt_free_result) X(mysql_stmt_init) \
    X(mysql_stmt_param_count) X(mysql_stmt_prepare) X(mysql_stmt_store_result) \
    X(mysql_store_result)
/* clang-format on */
static struct {
    LIBRARY(LIBRARY_POINTER)
} lib;

static pthread_once_t library_once = PTHREAD_ONCE_INIT;

static void library_init(void)
{
    lib.mysql_server_init(0, NULL, NULL);
}

static int load_library(struct errinfo *ei)
{
#define SYMBOL(function) { #function, (void **)&lib.function },
    static const struct library_symbol symbols[] = { LIBRARY(SYMBOL) };
#undef SYMBOL
    int r = library_load("libmariadb.so.3", "libmariadb3", symbols, ARRAY_LEN(symbols), ei);
    if (r == 0)
        pthread_once(&library_once, library_init);
    return r;
}

static struct conn *conn_of(struct dbc *c)
{
    return container_of(c, struct conn, base);
}

static struct stmt *stmt_of(struct db_stmt *s)
{
    return container_of(s, struct stmt, base);
}

static bool is_lost(unsigned e)
{
    switch (e) {
    case CR_SERVER_GONE_ERROR:
    case CR_SERVER_LOST:
    case CR_SERVER_LOST_EXTENDED:
    case CR_CONN_HOST_ERROR:
    case CR_CONNECTION_ERROR:
    case ER_SERVER_SHUTDOWN:
    case ER_LOST_TO_KILL:
        return true;
    default:
        return false;
    }
}

static int code_of(unsigned e)
{
    if (is_lost(e))
        return E_TEMP;
    switch (e) {
    case ER_DUP_ENTRY:
    case ER_DUP_KEY:
    case ER_DUP_ENTRY_WITH_KEY_NAME:
    case ER_BAD_NULL_ERROR:
    case ER_NO_DEFAULT_FOR_FIELD:
    case ER_NO_REFERENCED_ROW:
    case ER_NO_REFERENCED_ROW_2:
    case ER_ROW_IS_REFERENCED:
    case ER_ROW_IS_REFERENCED_2:
    case ER_CHECK_VIOLATED:
    case ER_CHECK_VIOLATED_8:
        return E_CONFLICT;
    case ER_LOCK_DEADLOCK:
    case ER_LOCK_WAIT_TIMEOUT:
    case ER_CON_COUNT_ERROR:
    case ER_TOO_MANY_USER_CONNECTIONS:
    case ER_QUERY_INTERRUPTED:
    case ER_STATEMENT_TIMEOUT:
    case ER_NET_READ_ERROR:
    case ER_NET_READ_INTERRUPTED:
    case ER_NET_ERROR_ON_WRITE:
    case ER_NET_WRITE_INTERRUPTED:
        return E_TEMP;
    case ER_NOT_KEYFILE:
    case ER_CRASHED_ON_USAGE:
        return E_CORRUPT;
    default:
        return E_DB;
    }
}

static int fail_with(struct dbc *c, unsigned e, const char *message, const char *sql,
                     struct errinfo *ei)
{
    char text[160];
    const char *key = strstr(message, " for key ");
    if (is_lost(e))
        conn_of(c)->dead = true;
    /* These messages quote the value. */
    if (e == ER_DUP_ENTRY && key)
        snprintf(text, sizeof(text), "duplicate value%s", key);
    else if (e == ER_TRUNCATED_WRONG_VALUE || e == ER_TRUNCATED_WRONG_VALUE_FOR_FIELD)
        snprintf(text, sizeof(text), "a value does not fit the type of its column");
    else
        snprintf(text, sizeof(text), "%s", message);
    return db_fail(c->db, ei, code_of(e), text, sql);
}

static int fail(struct dbc *c, const char *sql, struct errinfo *ei)
{
    struct conn *k = conn_of(c);
    return fail_with(c, lib.mysql_errno(k->my), lib.mysql_error(k->my), sql, ei);
}

static int fail_stmt(struct stmt *s, struct errinfo *ei)
{
    return fail_with(s->base.c, lib.mysql_stmt_errno(s->st), lib.mysql_stmt_error(s->st),
                     s->base.sql, ei);
}

static int set_option(struct db *db, struct server *v, struct sv key, struct sv value,
                      struct errinfo *ei)
{
    int r = db_dsn_common(db, key, value, ei);
    int64_t n = 0;
    if (r != 0)
        return r;
    if (sv_eq(key, SV("socket"))) {
        free(v->socket);
        v->socket = db_dsn_unescape(value);
    } else if (sv_eq(key, SV("tls_ca"))) {
        free(v->tls_ca);
        v->tls_ca = db_dsn_unescape(value);
        v->tls = true;
    } else if (sv_eq(key, SV("tls"))) {
        if ((r = db_dsn_number(key, value, 0, 1, &n, ei)) < 0)
            return r;
        v->tls = n != 0;
    } else {
        return err_set(ei, E_NOTFOUND, "database option '" SV_FMT "' is not known for mysql",
                       SV_ARG(key));
    }
    return 0;
}

static int setup(struct db *db, struct sv rest, struct errinfo *ei)
{
    struct server *v = xcalloc(1, sizeof(*v));
    db->data = v;
    struct sv options = rest;
    struct sv url = sv_split(&options, '?');
    int r = load_library(ei);
    if (r == 0)
        r = db_dsn_url(db, url, &v->url, ei);
    while (options.p && options.n > 0 && r >= 0) {
        struct sv value = sv_split(&options, '&');
        struct sv key = sv_split(&value, '=');
        r = set_option(db, v, key, value, ei);
    }
    return r < 0 ? r : 0;
}

static void teardown(struct db *db)
{
    struct server *v = db->data;
    if (!v)
        return;
    db_dsn_url_done(&v->url);
    free(v->socket);
    free(v->tls_ca);
    free(v);
}

/* The dialect of the standard as far as the server knows it, no padding in comparisons, the same
 * isolation as PostgreSQL's. */
static void set_session(MYSQL *my, const struct db *db)
{
    char sql[512];
    unsigned seconds = (unsigned)(db->timeout_ms + 999) / 1000;
    unsigned io = (unsigned)(db_silence_ms(db) + 999) / 1000;
    unsigned long packet = 1ul << 30;
    snprintf(sql, sizeof(sql),
             "SET SESSION sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES,"
             "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO', "
             "collation_connection = 'utf8mb4_nopad_bin', default_storage_engine = 'InnoDB', "
             "tx_isolation = 'READ-COMMITTED', innodb_lock_wait_timeout = %u, "
             "max_statement_time = %.3f",
             seconds, db_statement_ms(db) / 1000.0);
    lib.mysql_options(my, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    lib.mysql_options(my, MYSQL_INIT_COMMAND, sql);
    lib.mysql_options(my, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
    lib.mysql_options(my, MYSQL_OPT_READ_TIMEOUT, &io);
    lib.mysql_options(my, MYSQL_OPT_WRITE_TIMEOUT, &io);
    lib.mysql_options(my, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet);
}

static int dial(struct conn *k, struct db *db, struct errinfo *ei)
{
    const struct server *v = db->data;
    const struct db_url *u = &v->url;
    my_bool on = 1;
    k->my = lib.mysql_init(NULL);
    if (!k->my)
        return db_fail(db, ei, E_TEMP, "out of memory", NULL);
    set_session(k->my, db);
    if (v->tls) {
        lib.mysql_options(k->my, MYSQL_OPT_SSL_ENFORCE, &on);
        if (v->tls_ca) {
            lib.mysql_ssl_set(k->my, NULL, NULL, v->tls_ca, NULL, NULL);
            lib.mysql_options(k->my, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &on);
        }
    }
    /* Rows found, not rows that an UPDATE made different: as the other databases count. */
    if (!lib.mysql_real_connect(k->my, *u->host ? u->host : NULL, u->user, u->password, u->name,
                                u->port, v->socket, CLIENT_FOUND_ROWS)) {
        int r = db_unreachable(db, ei, lib.mysql_error(k->my));
        k->dead = true;
        return r;
    }
    k->gen++;
    k->dead = false;
    db_reached(db);
    return 0;
}

static void disconnect(struct dbc *c)
{
    struct conn *k = conn_of(c);
    if (k->my)
        lib.mysql_close(k->my);
    free(k);
}

static int connect_server(struct db *db, bool writer, struct dbc **ret, struct errinfo *ei)
{
    struct conn *k = xcalloc(1, sizeof(*k));
    k->base.db = db;
    k->base.writer = writer;
    int r = dial(k, db, ei);
    if (r < 0) {
        disconnect(&k->base);
        return r;
    }
    *ret = &k->base;
    return 0;
}

static int reconnect(struct conn *k, struct errinfo *ei)
{
    db_note_connect(k->base.db, "connecting again");
    lib.mysql_close(k->my);
    return dial(k, k->base.db, ei);
}

/* Before a statement outside a transaction: the server never speaks first, so bytes to read (or the
 * end of them) on an idle connection mean that it has closed it. */
static int ensure(struct conn *k, struct errinfo *ei)
{
    if (k->base.in_tx)
        return k->dead ? db_fail(k->base.db, ei, E_TEMP, "the connection was lost", NULL) : 0;
    if (!k->dead) {
        struct pollfd p = { .fd = lib.mysql_get_socket(k->my), .events = POLLIN };
        if (poll(&p, 1, 0) == 0)
            return 0;
    }
    return reconnect(k, ei);
}

static int run_text(struct dbc *c, struct sv sql, bool again, struct errinfo *ei)
{
    struct conn *k = conn_of(c);
    int r = ensure(k, ei);
    for (int i = 0; r == 0; i++) {
        if (lib.mysql_real_query(k->my, sql.p, sql.n) == 0) {
            MYSQL_RES *res = lib.mysql_store_result(k->my);
            k->changes = res ? 0 : (int64_t)lib.mysql_affected_rows(k->my);
            lib.mysql_free_result(res);
            return 0;
        }
        _cleanup_(freep) char *text = sv_dup(sql);
        r = fail(c, text, ei);
        if (!again || i > 0 || !k->dead || c->in_tx)
            return r;
        r = reconnect(k, ei);
    }
    return r;
}

static int exec(struct dbc *c, const char *sql, struct errinfo *ei)
{
    struct sv rest = sv_c(sql), one;
    int r = 0;
    while (r == 0 && db_sql_next(&rest, &one))
        r = run_text(c, one, false, ei);
    return r;
}

/* Prepares in the current connection. */
static int prepare_again(struct conn *k, struct stmt *s, struct errinfo *ei)
{
    if (s->st)
        lib.mysql_stmt_close(s->st);
    s->st = lib.mysql_stmt_init(k->my);
    if (!s->st)
        return fail(&k->base, s->base.sql, ei);
    if (lib.mysql_stmt_prepare(s->st, s->base.sql, strlen(s->base.sql)) != 0)
        return fail_stmt(s, ei);
    s->gen = k->gen;
    return 0;
}

static void free_columns(struct stmt *s)
{
    for (unsigned i = 0; i < s->n_cols; i++) {
        free(s->cols[i].p);
        s->cols[i].p = NULL;
        s->cols[i].have = false;
    }
}

static void finalize(struct db_stmt *b)
{
    struct stmt *s = stmt_of(b);
    free_columns(s);
    if (s->st)
        lib.mysql_stmt_close(s->st);
    free((char *)b->sql);
    free(s->binds);
    free(s->params);
    free(s->cols);
    free(s);
}

static int prepare(struct dbc *c, const char *sql, struct db_stmt **ret, struct errinfo *ei)
{
    struct conn *k = conn_of(c);
    struct stmt *s = xcalloc(1, sizeof(*s));
    s->base.c = c;
    s->base.sql = xstrdup(sql);
    int r = ensure(k, ei);
    if (r == 0)
        r = prepare_again(k, s, ei);
    if (r < 0 && k->dead && !c->in_tx) {
        r = reconnect(k, ei);
        if (r == 0)
            r = prepare_again(k, s, ei);
    }
    if (r < 0) {
        finalize(&s->base);
        return r;
    }
    s->base.n_params = (int)lib.mysql_stmt_param_count(s->st);
    s->n_cols = lib.mysql_stmt_field_count(s->st);
    size_t n = (size_t)s->base.n_params + 1;
    s->binds = xcalloc(n, sizeof(*s->binds));
    s->params = xcalloc(n, sizeof(*s->params));
    s->cols = xcalloc((size_t)s->n_cols + 1, sizeof(*s->cols));
    for (size_t i = 0; i < n; i++)
        s->binds[i].buffer_type = MYSQL_TYPE_NULL;
    *ret = &s->base;
    return 0;
}

static void bind_int(struct db_stmt *b, int i, int64_t v)
{
    struct stmt *s = stmt_of(b);
    i--;
    s->params[i].n = v;
    s->binds[i] = (MYSQL_BIND){ .buffer_type = MYSQL_TYPE_LONGLONG, .buffer = &s->params[i].n };
}

static void bind_data(struct db_stmt *b, int i, struct sv v, bool text)
{
    struct stmt *s = stmt_of(b);
    if (v.n > INT32_MAX) {
        b->bind_err = E_RANGE;
        return;
    }
    i--;
    s->params[i].length = v.n;
    s->binds[i] = (MYSQL_BIND){
        .buffer_type = text ? MYSQL_TYPE_STRING : MYSQL_TYPE_LONG_BLOB,
        .buffer = (void *)(uintptr_t)v.p,
        .buffer_length = v.n,
        .length = &s->params[i].length,
    };
}

static void bind_null(struct db_stmt *b, int i)
{
    stmt_of(b)->binds[i - 1] = (MYSQL_BIND){ .buffer_type = MYSQL_TYPE_NULL };
}

static int execute(struct conn *k, struct stmt *s, struct errinfo *ei)
{
    int r = s->gen == k->gen ? 0 : prepare_again(k, s, ei);
    if (r < 0)
        return r;
    if (s->base.n_params > 0 && lib.mysql_stmt_bind_param(s->st, s->binds) != 0)
        return fail_stmt(s, ei);
    if (lib.mysql_stmt_execute(s->st) != 0)
        return fail_stmt(s, ei);
    if (s->n_cols == 0) {
        k->changes = (int64_t)lib.mysql_stmt_affected_rows(s->st);
        return 0;
    }
    return lib.mysql_stmt_store_result(s->st) == 0 ? 0 : fail_stmt(s, ei);
}

static int start(struct conn *k, struct stmt *s, struct errinfo *ei)
{
    int r = ensure(k, ei);
    if (r == 0)
        r = execute(k, s, ei);
    if (r < 0 && k->dead && !k->base.in_tx && db_sql_reads_only(s->base.sql)) {
        r = reconnect(k, ei);
        if (r == 0)
            r = execute(k, s, ei);
    }
    return r;
}

static int step(struct db_stmt *b, struct errinfo *ei)
{
    struct stmt *s = stmt_of(b);
    struct conn *k = conn_of(b->c);
    if (!b->started) {
        int r = start(k, s, ei);
        if (r < 0)
            return r;
    }
    /* The stored rows went away with the connection that read them. */
    if (s->gen != k->gen)
        return db_fail(b->c->db, ei, E_TEMP, "the connection was lost", b->sql);
    if (s->n_cols == 0)
        return 0;
    free_columns(s);
    int e = lib.mysql_stmt_fetch(s->st);
    if (e == MYSQL_NO_DATA)
        return 0;
    return e == 0 || e == MYSQL_DATA_TRUNCATED ? 1 : fail_stmt(s, ei);
}

static bool row_here(const struct stmt *s, int i)
{
    return s->base.started && !s->base.done && i >= 0 && (unsigned)i < s->n_cols &&
           s->gen == conn_of(s->base.c)->gen;
}

static int64_t col_int(struct db_stmt *b, int i)
{
    struct stmt *s = stmt_of(b);
    int64_t v = 0;
    my_bool null = 0, error = 0;
    MYSQL_BIND bind = { .buffer_type = MYSQL_TYPE_LONGLONG,
                        .buffer = &v,
                        .buffer_length = sizeof(v),
                        .is_null = &null,
                        .error = &error };
    if (!row_here(s, i) || lib.mysql_stmt_fetch_column(s->st, &bind, (unsigned)i, 0) != 0 || null)
        return 0;
    return v;
}

/* Fetches a value in two steps: its length, then its bytes. */
static struct sv col_text(struct db_stmt *b, int i)
{
    struct stmt *s = stmt_of(b);
    unsigned long length = 0;
    my_bool null = 0, error = 0;
    char none;
    MYSQL_BIND bind = { .buffer_type = MYSQL_TYPE_STRING,
                        .buffer = &none,
                        .length = &length,
                        .is_null = &null,
                        .error = &error };
    if (!row_here(s, i))
        return SV_NULL;
    struct column *col = &s->cols[i];
    if (col->have)
        return sv_n(col->p, col->n);
    if (lib.mysql_stmt_fetch_column(s->st, &bind, (unsigned)i, 0) != 0 || null)
        return SV_NULL;
    col->n = length;
    col->p = xmalloc(length + 1);
    bind.buffer = col->p;
    bind.buffer_length = length + 1;
    if (lib.mysql_stmt_fetch_column(s->st, &bind, (unsigned)i, 0) != 0)
        col->n = 0;
    col->have = true;
    return sv_n(col->p, col->n);
}

static bool col_null(struct db_stmt *b, int i)
{
    struct stmt *s = stmt_of(b);
    char none;
    unsigned long length = 0;
    my_bool null = 0, error = 0;
    MYSQL_BIND bind = { .buffer_type = MYSQL_TYPE_STRING,
                        .buffer = &none,
                        .length = &length,
                        .is_null = &null,
                        .error = &error };
    return !row_here(s, i) || lib.mysql_stmt_fetch_column(s->st, &bind, (unsigned)i, 0) != 0 ||
           null;
}

static void reset(struct db_stmt *b)
{
    struct stmt *s = stmt_of(b);
    free_columns(s);
    if (s->n_cols > 0 && s->gen == conn_of(b->c)->gen)
        lib.mysql_stmt_free_result(s->st);
    for (int i = 0; i < b->n_params; i++)
        s->binds[i] = (MYSQL_BIND){ .buffer_type = MYSQL_TYPE_NULL };
}

static int64_t changes(struct dbc *c)
{
    return conn_of(c)->changes;
}

static int begin(struct dbc *c, struct errinfo *ei)
{
    return run_text(c, SV("START TRANSACTION"), true, ei);
}

static int commit(struct dbc *c, struct errinfo *ei)
{
    return run_text(c, SV("COMMIT"), false, ei);
}

static int rollback(struct dbc *c, struct errinfo *ei)
{
    struct conn *k = conn_of(c);
    /* A lost connection rolled back by itself; the next statement connects again. */
    if (k->dead)
        return 0;
    int r = run_text(c, SV("ROLLBACK"), false, ei);
    return k->dead ? 0 : r;
}

static int lock_schema(struct dbc *c, struct errinfo *ei)
{
    int64_t got = 0;
    int r = db_value(c, &got, ei, "SELECT GET_LOCK(CONCAT('posthorn.', DATABASE()), 50)", NULL);
    if (r < 0)
        return r;
    if (got != 1)
        return err_set(ei, E_TEMP, "another process is migrating the database for over 50 s");
    return 0;
}

static void unlock_schema(struct dbc *c)
{
    int64_t got;
    if (!conn_of(c)->dead)
        db_value(c, &got, NULL, "SELECT RELEASE_ALL_LOCKS()", NULL);
}

#define BIN_TEXT " CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin"

const struct db_driver db_driver_mysql = {
    .kind = DB_MYSQL,
    .name = "mysql",
    .setup = setup,
    .teardown = teardown,
    .connect = connect_server,
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
    .col_blob = col_text,
    .col_null = col_null,
    .reset = reset,
    .changes = changes,
    .begin = begin,
    .commit = commit,
    .rollback = rollback,
    .lock_schema = lock_schema,
    .unlock_schema = unlock_schema,
    .ddl_commits = true,
    .table_exists = "SELECT COUNT(*) FROM information_schema.tables "
                    "WHERE table_schema = DATABASE() AND table_name = ?",
    .words = { "BIGINT PRIMARY KEY", "LONGBLOB", "VARCHAR(255)" BIN_TEXT, "LONGTEXT" BIN_TEXT },
};
