/* Databases and their connections: the DSN's scheme chooses the driver, a pool hands connections
 * out in order of arrival, transactions. Any thread. */
#include "base/clock.h"
#include "base/deadline.h"

#include "db/db_priv.h"

/* A thread that waits for a connection. It is given one, or the right to open one. */
struct db_waiter {
    struct list link;
    pthread_cond_t cond;
    struct dbc *c;
    bool may_open;
};

static const struct {
    const char *scheme;
    const struct db_driver *drv;
} schemes[] = {
    { "sqlite:", &db_driver_sqlite },    { "postgresql://", &db_driver_pgsql },
    { "postgres://", &db_driver_pgsql }, { "mysql://", &db_driver_mysql },
    { "mariadb://", &db_driver_mysql },
};

enum db_kind db_kind(const struct db *db)
{
    return db->drv->kind;
}

static void pool_init(struct db_pool *p, unsigned max)
{
    p->max = max;
    list_init(&p->idle);
    list_init(&p->waiters);
}

static const struct db_driver *find_driver(const char *dsn, struct sv *ret_rest)
{
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        struct sv scheme = sv_c(schemes[i].scheme);
        if (sv_starts(sv_c(dsn), scheme)) {
            *ret_rest = sv_skip(sv_c(dsn), scheme.n);
            return schemes[i].drv;
        }
    }
    return NULL;
}

/* user:password@ loses its password: the text goes to logs. */
static char *without_password(const char *dsn)
{
    const char *auth = strstr(dsn, "://");
    if (!auth)
        return xstrdup(dsn);
    auth += 3;
    size_t n = strcspn(auth, "/?");
    struct sv part = sv_n(auth, n);
    ssize_t at = sv_rfind(part, '@');
    ssize_t colon = at < 0 ? -1 : sv_find(sv_take(part, (size_t)at), ':');
    size_t options = strcspn(auth, "?");
    if (colon < 0)
        return xasprintf("%.*s", (int)((size_t)(auth - dsn) + options), dsn);
    return xasprintf("%.*s%.*s", (int)(auth - dsn + colon), dsn, (int)(options - (size_t)at),
                     auth + at);
}

int db_open(const char *dsn, struct db **ret, struct errinfo *ei)
{
    struct sv rest = SV_NULL;
    const struct db_driver *drv = find_driver(dsn, &rest);
    if (!drv) {
        return err_set(ei, E_UNSUPPORTED,
                       "database '%.60s': must begin with sqlite:, postgresql:// or mysql://", dsn);
    }
    struct db *db = xcalloc(1, sizeof(*db));
    db->drv = drv;
    db->where = without_password(dsn);
    db->max_conns = 16;
    db->max_stmts = 128;
    db->timeout_ms = 5000;
    db->wait_ms = 30000;
    pthread_mutex_init(&db->lock, NULL);
    db->rd = db->wr = &db->readers;
    if (drv->own_writer)
        db->wr = &db->writers;
    int r = drv->setup(db, rest, ei);
    pool_init(&db->readers, db->max_conns);
    pool_init(&db->writers, 1);
    if (r < 0) {
        db_close(db);
        return r;
    }
    *ret = db;
    return 0;
}

static void disconnect(struct dbc *c)
{
    c->closing = true;
    db_stmts_drop(c);
    db_note_connect(c->db, "disconnecting");
    c->db->drv->disconnect(c);
}

static void pool_close(struct db_pool *p)
{
    list_for_each_safe(it, tmp, &p->idle)
    {
        list_del(it);
        disconnect(container_of(it, struct dbc, link));
        p->open--;
    }
    if (p->open > 0)
        panic("db: closed with %u connections in use", p->open);
}

void db_close(struct db *db)
{
    pool_close(&db->readers);
    pool_close(&db->writers);
    db->drv->teardown(db);
    pthread_mutex_destroy(&db->lock);
    free(db->where);
    free(db);
}

/* Holds db->lock. 0 = w has a connection or the right to open one. */
static int pool_wait(struct db *db, struct db_pool *p, struct db_waiter *w)
{
    struct timespec until = deadline_in(db->wait_ms);
    pthread_cond_init(&w->cond, NULL);
    list_add_tail(&p->waiters, &w->link);
    while (!w->c && !w->may_open && deadline_wait(&w->cond, &db->lock, &until))
        ;
    if (!w->c && !w->may_open)
        list_del(&w->link);
    pthread_cond_destroy(&w->cond);
    return w->c || w->may_open ? 0 : E_TEMP;
}

/* Holds db->lock. A slot of the pool is free again: the first in the queue may use it. */
static void pool_slot_free(struct db_pool *p)
{
    if (list_empty(&p->waiters)) {
        p->open--;
        return;
    }
    struct db_waiter *w = container_of(p->waiters.next, struct db_waiter, link);
    list_del(&w->link);
    w->may_open = true;
    pthread_cond_signal(&w->cond);
}

static int pool_connect(struct db *db, struct db_pool *p, bool writer, struct dbc **ret,
                        struct errinfo *ei)
{
    struct dbc *c = NULL;
    db_note_connect(db, writer ? "connecting for writing" : "connecting");
    int r = db->drv->connect(db, writer, &c, ei);
    if (r < 0) {
        pthread_mutex_lock(&db->lock);
        pool_slot_free(p);
        pthread_mutex_unlock(&db->lock);
        return r;
    }
    c->db = db;
    c->pool = p;
    c->writer = writer;
    db_stmts_init(c);
    *ret = c;
    return 0;
}

static int pool_get(struct db *db, struct db_pool *p, bool writer, struct dbc **ret,
                    struct errinfo *ei)
{
    struct db_waiter w = { .c = NULL };
    int r = 0;
    pthread_mutex_lock(&db->lock);
    if (!list_empty(&p->idle)) {
        w.c = container_of(p->idle.next, struct dbc, link);
        list_del(&w.c->link);
    } else if (p->open < p->max) {
        p->open++;
        w.may_open = true;
    } else {
        r = pool_wait(db, p, &w);
    }
    pthread_mutex_unlock(&db->lock);
    if (r < 0) {
        char text[80];
        snprintf(text, sizeof(text), "all %u connections stayed in use for %d ms", p->max,
                 db->wait_ms);
        return db_fail(db, ei, r, text, NULL);
    }
    if (!w.c)
        return pool_connect(db, p, writer, ret, ei);
    w.c->rested = false;
    *ret = w.c;
    return 0;
}

int db_get(struct db *db, struct dbc **ret, struct errinfo *ei)
{
    return pool_get(db, db->rd, db->rd == db->wr, ret, ei);
}

int db_get_writer(struct db *db, struct dbc **ret, struct errinfo *ei)
{
    return pool_get(db, db->wr, true, ret, ei);
}

void db_put(struct dbc *c)
{
    struct db *db = c->db;
    struct db_pool *p = c->pool;
    int64_t now = clock_mono_ms();
    db_stmts_reset(c);
    db_rollback(c);
    bool drop = c->broken;
    if (drop)
        disconnect(c);
    pthread_mutex_lock(&db->lock);
    if (drop) {
        pool_slot_free(p);
    } else if (list_empty(&p->waiters)) {
        c->idle_ms = now;
        list_add_head(&p->idle, &c->link);
    } else {
        struct db_waiter *w = container_of(p->waiters.next, struct db_waiter, link);
        list_del(&w->link);
        w->c = c;
        pthread_cond_signal(&w->cond);
    }
    pthread_mutex_unlock(&db->lock);
}

/* Holds db->lock. Takes the connection out that is idle for longest, if that is long enough. One
 * reader stays, *ret_rest: were a process to close its last connection, SQLite might have to move
 * the whole WAL. */
static struct dbc *take_idle(struct db *db, struct db_pool *p, int64_t before_ms, bool *ret_rest)
{
    if (list_empty(&p->idle) || db->readers.open == 0)
        return NULL;
    struct dbc *c = container_of(p->idle.prev, struct dbc, link);
    *ret_rest = p == &db->readers && p->open == 1;
    if (c->idle_ms > before_ms || (*ret_rest && c->rested))
        return NULL;
    list_del(&c->link);
    if (!*ret_rest)
        p->open--;
    return c;
}

static bool tidy_one(struct db *db, struct db_pool *p, int64_t before_ms)
{
    bool rest = false;
    pthread_mutex_lock(&db->lock);
    struct dbc *c = take_idle(db, p, before_ms, &rest);
    pthread_mutex_unlock(&db->lock);
    if (!c)
        return false;
    if (!rest) {
        disconnect(c);
        return true;
    }
    c->db->drv->rest(c);
    c->rested = true;
    db_put(c);
    return true;
}

bool db_tidy(struct db *db, int64_t idle_ms)
{
    int64_t before_ms = clock_mono_ms() - idle_ms;
    bool freed = false;
    if (!db->drv->rest || db->rd == db->wr)
        return false;
    while (tidy_one(db, &db->writers, before_ms) || tidy_one(db, &db->readers, before_ms))
        freed = true;
    return freed;
}

int db_exec(struct dbc *c, const char *sql, struct errinfo *ei)
{
    db_note_query(sql);
    if (c->in_tx && c->tx_err != 0) {
        return db_fail(c->db, ei, c->tx_err,
                       "the transaction failed before and must be rolled back", sql);
    }
    return db_note_result(c, c->db->drv->exec(c, sql, ei));
}

int db_begin(struct dbc *c, struct errinfo *ei)
{
    if (c->in_tx)
        return db_fail(c->db, ei, E_DB, "a transaction is open already", "BEGIN");
    db_note_query("BEGIN");
    int r = c->db->drv->begin(c, ei);
    if (r < 0)
        return r;
    c->in_tx = true;
    c->tx_err = 0;
    return 0;
}

int db_commit(struct dbc *c, struct errinfo *ei)
{
    if (!c->in_tx)
        return db_fail(c->db, ei, E_DB, "no transaction is open", "COMMIT");
    if (c->tx_err != 0) {
        int failed = c->tx_err;
        db_rollback(c);
        return db_fail(c->db, ei, failed, "a statement of the transaction failed; rolled back",
                       "COMMIT");
    }
    db_note_query("COMMIT");
    int r = c->db->drv->commit(c, ei);
    if (r < 0) {
        db_rollback(c);
        return r;
    }
    c->in_tx = false;
    return 0;
}

void db_rollback(struct dbc *c)
{
    if (!c->in_tx)
        return;
    db_note_query("ROLLBACK");
    if (!c->broken && c->db->drv->rollback(c, NULL) < 0)
        c->broken = true;
    c->in_tx = false;
    c->tx_err = 0;
}

int db_checkpoint(struct dbc *c, bool truncate, struct errinfo *ei)
{
    return c->db->drv->checkpoint ? c->db->drv->checkpoint(c, truncate, ei) : 0;
}
