/* PostgreSQL through libpq. Results come whole and in binary form, so that other statements may run
 * while one is read. Statements are prepared on their first step, when the parameters' types are
 * known. A connection lost between transactions is opened anew without the caller noticing; a write
 * whose fate is unknown gives E_TEMP. */
#include <endian.h>
#include <libpq-fe.h>
#include <poll.h>

#include "base/clock.h"
#include "db/db_priv.h"
#include "os/library.h"

/* All that is called of the library, which is loaded when such a database is configured. */
/* clang-format off */
#define LIBPQ(X) \
    X(PQclear) X(PQcmdStatus) X(PQcmdTuples) X(PQconnectdbParams) X(PQconninfoFree) \
    X(PQconninfoParse) X(PQconsumeInput) X(PQerrorMessage) X(PQfinish) X(PQflush) X(PQfreemem) \
    X(PQftype) X(PQgetisnull) X(PQgetlength) X(PQgetResult) X(PQgetvalue) X(PQisBusy) \
    X(PQnfields) X(PQntuples) X(PQreset) X(PQresultErrorField) X(PQresultStatus) \
    X(PQsendPrepare) X(PQsendQuery) X(PQsendQueryPrepared) X(PQsetnonblocking) \
    X(PQsetNoticeReceiver) X(PQsocket) X(PQstatus)
/* clang-format on */
static struct {
    LIBPQ(LIBRARY_POINTER)
} pq;

static int load_library(struct errinfo *ei)
{
#define SYMBOL(function) { #function, (void **)&pq.function },
    static const struct library_symbol symbols[] = { LIBPQ(SYMBOL) };
#undef SYMBOL
    return library_load("libpq.so.5", "libpq5", symbols, ARRAY_LEN(symbols), ei);
}

/* Types by their numbers in pg_type; libpq has no header for them. */
enum oid {
    OID_NONE = 0,
    OID_BOOL = 16,
    OID_BYTEA = 17,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_TEXT = 25,
    OID_OID = 26,
    OID_NUMERIC = 1700,
};

/* Any number that all Posthorns of one database share. */
#define SCHEMA_LOCK "7308332045571023"
#define SQL_MAX     (16 * MiB)

struct conn {
    struct dbc base;
    PGconn *pg;
    bool dead;     /* the server said farewell, or nothing for too long */
    bool silent;   /* the latter */
    bool patient;  /* in a migration, which may take long */
    unsigned gen;  /* counts the connections made; prepared statements belong to one */
    unsigned name; /* last name given to a statement */
    int64_t changes;
};

struct stmt {
    struct db_stmt base;
    char *numbered; /* with $1 for ? */
    unsigned gen;   /* prepared in this connection; 0 = not prepared */
    char name[16];
    Oid *declared, *types; /* as prepared, as bound */
    const char **values;
    char **copies; /* NUL-terminated texts and numbers that values points to */
    int *lengths, *formats;
    PGresult *res;
    int row;
    char (*digits)[24]; /* db_col_text of numbers, one a column */
};

static struct conn *conn_of(struct dbc *c)
{
    return container_of(c, struct conn, base);
}

static struct stmt *stmt_of(struct db_stmt *s)
{
    return container_of(s, struct stmt, base);
}

static int code_of(const char *state)
{
    static const struct {
        const char *prefix;
        int code;
    } map[] = {
        { "23", E_CONFLICT }, { "40", E_TEMP },       { "08", E_TEMP },
        { "57P", E_TEMP },    { "57014", E_TEMP },    { "55P03", E_TEMP },
        { "53", E_TEMP },     { "XX001", E_CORRUPT }, { "XX002", E_CORRUPT },
    };
    if (!state)
        return E_TEMP; /* no answer from the server: the connection is lost */
    for (size_t i = 0; i < ARRAY_LEN(map); i++) {
        if (strncmp(state, map[i].prefix, strlen(map[i].prefix)) == 0)
            return map[i].code;
    }
    return E_DB;
}

static bool lost(const struct conn *k)
{
    return k->dead || pq.PQstatus(k->pg) == CONNECTION_BAD;
}

static int fail(struct dbc *c, const PGresult *res, const char *sql, struct errinfo *ei)
{
    struct conn *k = conn_of(c);
    const char *state = res ? pq.PQresultErrorField(res, PG_DIAG_SQLSTATE) : NULL;
    const char *primary = res ? pq.PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    char text[160];
    snprintf(text, sizeof(text), "%s", primary ? primary : pq.PQerrorMessage(k->pg));
    /* Data exceptions quote the value. */
    if (state && strncmp(state, "22", 2) == 0)
        text[strcspn(text, "\"")] = '\0';
    if (state && strncmp(state, "57P", 3) == 0)
        k->dead = true;
    if (k->silent && !res) {
        snprintf(text, sizeof(text), "no answer within %d s", db_silence_ms(c->db) / 1000);
        return db_unreachable(c->db, ei, text);
    }
    return db_fail(c->db, ei, code_of(state), text, sql);
}

/* --- waiting: a server that hangs must not hold our threads for ever, as PQexec would --- */

static bool ready(struct conn *k, int64_t until)
{
    for (;;) {
        int unsent = pq.PQflush(k->pg);
        if (unsent < 0)
            return false;
        if (!unsent && !pq.PQisBusy(k->pg))
            return true;
        int64_t left = k->patient ? INT32_MAX : until - clock_mono_ms();
        struct pollfd p = { .fd = pq.PQsocket(k->pg),
                            .events = (short)(POLLIN | (unsent ? POLLOUT : 0)) };
        if (left <= 0) {
            k->silent = true;
            return false;
        }
        if (poll(&p, 1, (int)MIN(left, (int64_t)INT32_MAX)) > 0 && p.revents & ~POLLOUT &&
            !pq.PQconsumeInput(k->pg))
            return false;
    }
}

/* As PQexec: the last result, or the first that failed. NULL: the connection is of no use any
 * more. */
static PGresult *answer(struct conn *k, int sent)
{
    int64_t until = clock_mono_ms() + db_silence_ms(k->base.db);
    PGresult *last = NULL, *res;
    bool ok = sent;
    while ((ok = ok && ready(k, until)) && (res = pq.PQgetResult(k->pg))) {
        pq.PQclear(last);
        last = res;
    }
    if (ok)
        return last;
    pq.PQclear(last);
    k->dead = true;
    return NULL;
}

static PGresult *ask(struct conn *k, const char *sql)
{
    return answer(k, pq.PQsendQuery(k->pg, sql));
}

/* --- connections --- */

static int setup(struct db *db, struct sv rest, struct errinfo *ei)
{
    ssize_t q = sv_find(rest, '?');
    struct sv options = q < 0 ? SV_NULL : sv_skip(rest, (size_t)q + 1);
    struct buf uri;
    buf_init(&uri, 64 * KiB);
    buf_add_str(&uri, "postgresql://");
    buf_add_sv(&uri, q < 0 ? rest : sv_take(rest, (size_t)q));
    char sep = '?';
    int r = load_library(ei);
    while (options.p && options.n > 0 && r >= 0) {
        struct sv option = sv_split(&options, '&');
        struct sv value = option;
        struct sv key = sv_split(&value, '=');
        r = db_dsn_common(db, key, value, ei);
        if (r == 0) {
            buf_add_c(&uri, sep);
            buf_add_sv(&uri, option);
            sep = '&';
        }
    }
    char *error = NULL;
    db->data = buf_take(&uri, NULL);
    if (r < 0)
        return r;
    PQconninfoOption *parsed = pq.PQconninfoParse(db->data, &error);
    if (!parsed) {
        r = err_set(ei, E_PARSE, "database '%.60s': %.120s", db->where,
                    error ? error : "not understood");
        pq.PQfreemem(error);
        return r;
    }
    pq.PQconninfoFree(parsed);
    return 0;
}

static void teardown(struct db *db)
{
    free(db->data);
}

/* Notices are not for stderr. A FATAL one is how the server ends an idle connection. */
static void on_notice(void *arg, const PGresult *res)
{
    struct conn *k = arg;
    const char *severity = pq.PQresultErrorField(res, PG_DIAG_SEVERITY_NONLOCALIZED);
    if (severity && strcmp(severity, "FATAL") == 0)
        k->dead = true;
}

static int greet(struct conn *k, struct db *db, struct errinfo *ei)
{
    char sql[200];
    snprintf(
        sql, sizeof(sql),
        "SET client_min_messages = warning; SET lock_timeout = %d; SET statement_timeout = %d; "
        "SET default_transaction_isolation = 'read committed'",
        db->timeout_ms, db_statement_ms(db));
    k->dead = k->silent = false;
    k->gen++;
    pq.PQsetNoticeReceiver(k->pg, on_notice, k);
    pq.PQsetnonblocking(k->pg, 1);
    PGresult *res = ask(k, sql);
    int r = pq.PQresultStatus(res) == PGRES_COMMAND_OK ? 0 : fail(&k->base, res, sql, ei);
    pq.PQclear(res);
    if (r == 0)
        db_reached(db);
    return r;
}

static int connect_failed(struct conn *k, struct db *db, struct errinfo *ei)
{
    return db_unreachable(db, ei, k->pg ? pq.PQerrorMessage(k->pg) : "out of memory");
}

static void disconnect(struct dbc *c)
{
    struct conn *k = conn_of(c);
    pq.PQfinish(k->pg);
    free(k);
}

static int connect_server(struct db *db, bool writer, struct dbc **ret, struct errinfo *ei)
{
    char seconds[16];
    snprintf(seconds, sizeof(seconds), "%d", (db->timeout_ms + 999) / 1000);
    const char *const keys[] = { "connect_timeout",
                                 "tcp_user_timeout",
                                 "keepalives_idle",
                                 "fallback_application_name",
                                 "dbname",
                                 "client_encoding",
                                 NULL };
    const char *const values[] = { seconds, "30000", "30", "posthorn", db->data, "UTF8", NULL };
    struct conn *k = xcalloc(1, sizeof(*k));
    k->base.db = db;
    k->base.writer = writer;
    k->pg = pq.PQconnectdbParams(keys, values, 1);
    int r = pq.PQstatus(k->pg) == CONNECTION_OK ? greet(k, db, ei) : connect_failed(k, db, ei);
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
    pq.PQreset(k->pg);
    if (pq.PQstatus(k->pg) != CONNECTION_OK)
        return connect_failed(k, k->base.db, ei);
    return greet(k, k->base.db, ei);
}

/* Before a statement outside a transaction: notices that the server has closed the idle connection,
 * while nothing is lost yet. */
static int ensure(struct conn *k, struct errinfo *ei)
{
    if (k->base.in_tx)
        return lost(k) ? db_fail(k->base.db, ei, E_TEMP, "the connection was lost", NULL) : 0;
    for (int i = 0; i < 4 && !lost(k); i++) {
        struct pollfd p = { .fd = pq.PQsocket(k->pg), .events = POLLIN };
        if (poll(&p, 1, 0) == 0)
            return 0;
        if (!pq.PQconsumeInput(k->pg))
            k->dead = true;
        pq.PQisBusy(k->pg); /* makes libpq read the messages it has */
    }
    return lost(k) ? reconnect(k, ei) : 0;
}

static int run_text(struct dbc *c, const char *sql, bool again, struct errinfo *ei)
{
    struct conn *k = conn_of(c);
    int r = ensure(k, ei);
    for (int i = 0; r == 0; i++) {
        PGresult *res = ask(k, sql);
        ExecStatusType st = pq.PQresultStatus(res);
        if (st == PGRES_COMMAND_OK || st == PGRES_TUPLES_OK || st == PGRES_EMPTY_QUERY) {
            k->changes = (int64_t)strtoll(pq.PQcmdTuples(res), NULL, 10);
            pq.PQclear(res);
            return 0;
        }
        r = fail(c, res, sql, ei);
        pq.PQclear(res);
        if (!again || i > 0 || !lost(k) || k->silent || c->in_tx)
            return r;
        r = reconnect(k, ei);
    }
    return r;
}

static int exec(struct dbc *c, const char *sql, struct errinfo *ei)
{
    return run_text(c, sql, false, ei);
}

static int prepare(struct dbc *c, const char *sql, struct db_stmt **ret, struct errinfo *ei)
{
    struct buf text;
    struct stmt *s = xcalloc(1, sizeof(*s));
    buf_init(&text, SQL_MAX);
    s->base.n_params = db_sql_number(sql, &text);
    if (text.overflow) {
        buf_done(&text);
        free(s);
        return db_fail(c->db, ei, E_RANGE, "the statement is too long", sql);
    }
    s->base.sql = xstrdup(sql);
    s->numbered = buf_take(&text, NULL);
    size_t n = (size_t)s->base.n_params + 1;
    s->declared = xcalloc(n, sizeof(*s->declared));
    s->types = xcalloc(n, sizeof(*s->types));
    s->values = xcalloc(n, sizeof(*s->values));
    s->copies = xcalloc(n, sizeof(*s->copies));
    s->lengths = xcalloc(n, sizeof(*s->lengths));
    s->formats = xcalloc(n, sizeof(*s->formats));
    *ret = &s->base;
    return 0;
}

static void reset(struct db_stmt *b)
{
    struct stmt *s = stmt_of(b);
    for (int i = 0; i < b->n_params; i++) {
        free(s->copies[i]);
        s->copies[i] = NULL;
        s->values[i] = NULL;
        s->types[i] = OID_NONE;
    }
    pq.PQclear(s->res);
    s->res = NULL;
    free(s->digits);
    s->digits = NULL;
}

/* Takes the server's copy of the statement back. */
static void unprepare(struct conn *k, struct stmt *s)
{
    if (s->gen == k->gen && !k->base.closing && !lost(k)) {
        char sql[40];
        snprintf(sql, sizeof(sql), "DEALLOCATE %s", s->name);
        pq.PQclear(ask(k, sql));
    }
    s->gen = 0;
}

static void finalize(struct db_stmt *b)
{
    struct stmt *s = stmt_of(b);
    reset(b);
    unprepare(conn_of(b->c), s);
    free((char *)b->sql);
    free(s->numbered);
    free(s->declared);
    free(s->types);
    free(s->values);
    free(s->copies);
    free(s->lengths);
    free(s->formats);
    free(s);
}

static void bind_int(struct db_stmt *b, int i, int64_t v)
{
    struct stmt *s = stmt_of(b);
    i--;
    free(s->copies[i]);
    s->copies[i] = xasprintf("%" PRId64, v);
    s->values[i] = s->copies[i];
    s->formats[i] = 0;
    s->types[i] = OID_INT8;
}

static void bind_data(struct db_stmt *b, int i, struct sv v, bool text)
{
    struct stmt *s = stmt_of(b);
    if (v.n > INT32_MAX || (text && memchr(v.p, '\0', v.n))) {
        b->bind_err = E_RANGE;
        return;
    }
    i--;
    free(s->copies[i]);
    s->copies[i] = NULL;
    s->values[i] = v.p;
    s->lengths[i] = (int)v.n;
    s->formats[i] = 1; /* text in binary form is its bytes */
    s->types[i] = text ? OID_TEXT : OID_BYTEA;
}

static void bind_null(struct db_stmt *b, int i)
{
    struct stmt *s = stmt_of(b);
    i--;
    free(s->copies[i]);
    s->copies[i] = NULL;
    s->values[i] = NULL;
    s->types[i] = OID_NONE;
}

/* Prepares unless that is done already with types that fit. */
static int prepare_on_server(struct conn *k, struct stmt *s, struct errinfo *ei)
{
    int n = s->base.n_params;
    bool fits = s->gen == k->gen;
    for (int i = 0; i < n; i++) {
        if (s->types[i] != OID_NONE && s->types[i] != s->declared[i]) {
            s->declared[i] = s->types[i];
            fits = false;
        }
    }
    if (fits)
        return 0;
    unprepare(k, s);
    snprintf(s->name, sizeof(s->name), "p%u", ++k->name);
    PGresult *res = answer(k, pq.PQsendPrepare(k->pg, s->name, s->numbered, n, s->declared));
    int r = 0;
    if (pq.PQresultStatus(res) == PGRES_COMMAND_OK)
        s->gen = k->gen;
    else
        r = fail(&k->base, res, s->base.sql, ei);
    pq.PQclear(res);
    return r;
}

static int execute(struct conn *k, struct stmt *s, struct errinfo *ei)
{
    int r = prepare_on_server(k, s, ei);
    if (r < 0)
        return r;
    PGresult *res = answer(k, pq.PQsendQueryPrepared(k->pg, s->name, s->base.n_params, s->values,
                                                     s->lengths, s->formats, 1));
    ExecStatusType st = pq.PQresultStatus(res);
    if (st != PGRES_TUPLES_OK && st != PGRES_COMMAND_OK) {
        r = fail(&k->base, res, s->base.sql, ei);
        pq.PQclear(res);
        return r;
    }
    k->changes = (int64_t)strtoll(pq.PQcmdTuples(res), NULL, 10);
    s->res = res;
    s->row = -1;
    return 0;
}

static int step(struct db_stmt *b, struct errinfo *ei)
{
    struct stmt *s = stmt_of(b);
    struct conn *k = conn_of(b->c);
    if (!b->started) {
        int r = ensure(k, ei);
        if (r == 0)
            r = execute(k, s, ei);
        if (r < 0 && lost(k) && !k->silent && !b->c->in_tx && db_sql_reads_only(b->sql)) {
            r = reconnect(k, ei);
            if (r == 0)
                r = execute(k, s, ei);
        }
        if (r < 0)
            return r;
    }
    return ++s->row < pq.PQntuples(s->res);
}

static const char *field(const struct stmt *s, int i, struct sv *ret)
{
    *ret = SV_NULL;
    if (!s->res || i < 0 || i >= pq.PQnfields(s->res) || s->row < 0 ||
        s->row >= pq.PQntuples(s->res) || pq.PQgetisnull(s->res, s->row, i))
        return NULL;
    *ret = sv_n(pq.PQgetvalue(s->res, s->row, i), (size_t)pq.PQgetlength(s->res, s->row, i));
    return ret->p;
}

/* Binary numeric: count of base-10000 digits, weight of the first, sign, scale, digits. Sums of
 * BIGINT have this type. The fraction is cut off. */
static int64_t numeric_value(struct sv v)
{
    uint16_t head[4], digit;
    int64_t sum = 0;
    if (v.n < sizeof(head))
        return 0;
    memcpy(head, v.p, sizeof(head));
    int count = be16toh(head[0]), weight = (int16_t)be16toh(head[1]);
    for (int i = 0; i <= weight; i++) {
        digit = 0;
        size_t at = sizeof(head) + (size_t)i * 2;
        if (i < count && at + 2 <= v.n)
            memcpy(&digit, v.p + at, 2);
        if (__builtin_mul_overflow(sum, 10000, &sum) ||
            __builtin_add_overflow(sum, be16toh(digit), &sum))
            return be16toh(head[2]) ? INT64_MIN : INT64_MAX;
    }
    return be16toh(head[2]) == 0x4000 ? -sum : sum;
}

static bool number_of(const struct stmt *s, int i, struct sv v, int64_t *ret)
{
    uint64_t u = 0;
    switch (pq.PQftype(s->res, i)) {
    case OID_BOOL:
        *ret = v.p[0] != 0;
        return true;
    case OID_INT2:
        memcpy((char *)&u + 6, v.p, 2);
        *ret = (int16_t)be64toh(u);
        return true;
    case OID_INT4:
        memcpy((char *)&u + 4, v.p, 4);
        *ret = (int32_t)be64toh(u);
        return true;
    case OID_OID:
        memcpy((char *)&u + 4, v.p, 4);
        *ret = (int64_t)be64toh(u);
        return true;
    case OID_INT8:
        memcpy(&u, v.p, 8);
        *ret = (int64_t)be64toh(u);
        return true;
    case OID_NUMERIC:
        *ret = numeric_value(v);
        return true;
    default:
        return false;
    }
}

static int64_t col_int(struct db_stmt *b, int i)
{
    struct stmt *s = stmt_of(b);
    struct sv v;
    int64_t n = 0;
    if (!field(s, i, &v))
        return 0;
    if (!number_of(s, i, v, &n) && sv_to_i64(sv_trim(v), &n) < 0)
        return 0;
    return n;
}

static struct sv col_text(struct db_stmt *b, int i)
{
    struct stmt *s = stmt_of(b);
    struct sv v;
    int64_t n;
    if (!field(s, i, &v) || !number_of(s, i, v, &n))
        return v;
    if (!s->digits)
        s->digits = xcalloc((size_t)pq.PQnfields(s->res), sizeof(*s->digits));
    snprintf(s->digits[i], sizeof(*s->digits), "%" PRId64, n);
    return sv_c(s->digits[i]);
}

static bool col_null(struct db_stmt *b, int i)
{
    struct sv v;
    return !field(stmt_of(b), i, &v);
}

static int64_t changes(struct dbc *c)
{
    return conn_of(c)->changes;
}

static int begin(struct dbc *c, struct errinfo *ei)
{
    return run_text(c, "BEGIN", true, ei);
}

static int commit(struct dbc *c, struct errinfo *ei)
{
    struct conn *k = conn_of(c);
    int r = ensure(k, ei);
    if (r < 0)
        return r;
    k->patient = false;
    PGresult *res = ask(k, "COMMIT");
    if (pq.PQresultStatus(res) != PGRES_COMMAND_OK)
        r = fail(c, res, "COMMIT", ei);
    else if (strcmp(pq.PQcmdStatus(res), "COMMIT") != 0)
        r = db_fail(c->db, ei, E_DB, "the server rolled the transaction back", "COMMIT");
    pq.PQclear(res);
    return r;
}

static int rollback(struct dbc *c, struct errinfo *ei)
{
    struct conn *k = conn_of(c);
    k->patient = false;
    /* A lost connection rolled back by itself; the next statement connects again. */
    if (lost(k))
        return 0;
    PGresult *res = ask(k, "ROLLBACK");
    int r =
        pq.PQresultStatus(res) == PGRES_COMMAND_OK || lost(k) ? 0 : fail(c, res, "ROLLBACK", ei);
    pq.PQclear(res);
    return r;
}

static int lock_schema(struct dbc *c, struct errinfo *ei)
{
    conn_of(c)->patient = true;
    return run_text(c,
                    "SET LOCAL lock_timeout = 60000; SET LOCAL statement_timeout = 0; SELECT "
                    "pg_advisory_xact_lock(" SCHEMA_LOCK ")",
                    false, ei);
}

const struct db_driver db_driver_pgsql = {
    .kind = DB_PGSQL,
    .name = "postgresql",
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
    .table_exists = "SELECT COUNT(*) FROM pg_catalog.pg_class WHERE relname = ? AND "
                    "relkind IN ('r', 'p') AND pg_catalog.pg_table_is_visible(oid)",
    .words = { "BIGINT PRIMARY KEY", "BYTEA", "TEXT COLLATE \"C\"", "TEXT COLLATE \"C\"" },
};
