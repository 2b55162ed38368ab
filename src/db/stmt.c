/* Statements: the cache of prepared ones per connection, binding, stepping, the short forms. Runs
 * in the thread that holds the connection. */
#include "db/db_priv.h"
#include "base/hash.h"

static unsigned ptr_slot(const char *sql)
{
    uint64_t h = (uint64_t)(uintptr_t)sql * UINT64_C(0x9e3779b97f4a7c15);
    return (unsigned)(h >> 59) % DB_PTR_SLOTS;
}

static bool is_free(const struct db_stmt *s, const char *sql)
{
    return !s->busy && strcmp(s->sql, sql) == 0;
}

static struct db_stmt *cache_find(struct dbc *c, const char *sql, uint64_t *hash)
{
    unsigned slot = ptr_slot(sql);
    struct db_stmt *s = c->by_ptr[slot].s;
    /* The text is compared all the same: the address may be a buffer that was written anew. */
    if (c->by_ptr[slot].p == sql && is_free(s, sql))
        return s;
    *hash = fnv1a64(sql, strlen(sql));
    for (s = c->by_text[*hash % DB_TEXT_SLOTS]; s; s = s->next) {
        if (s->hash == *hash && is_free(s, sql)) {
            c->by_ptr[slot].p = sql;
            c->by_ptr[slot].s = s;
            return s;
        }
    }
    return NULL;
}

static void cache_drop(struct db_stmt *s)
{
    struct dbc *c = s->c;
    struct db_stmt **pp = &c->by_text[s->hash % DB_TEXT_SLOTS];
    while (*pp != s)
        pp = &(*pp)->next;
    *pp = s->next;
    for (unsigned i = 0; i < DB_PTR_SLOTS; i++) {
        if (c->by_ptr[i].s == s) {
            c->by_ptr[i].p = NULL;
            c->by_ptr[i].s = NULL;
        }
    }
    list_del(&s->lru);
    c->n_stmts--;
    c->db->drv->finalize(s);
}

static void cache_make_room(struct dbc *c)
{
    if (c->n_stmts < c->db->max_stmts)
        return;
    for (struct list *it = c->stmts.prev; it != &c->stmts; it = it->prev) {
        struct db_stmt *s = container_of(it, struct db_stmt, lru);
        if (!s->busy) {
            cache_drop(s);
            return;
        }
    }
}

static void cache_add(struct dbc *c, struct db_stmt *s, const char *sql, uint64_t hash)
{
    unsigned slot = ptr_slot(sql);
    struct db_stmt **chain = &c->by_text[hash % DB_TEXT_SLOTS];
    s->c = c;
    s->hash = hash;
    s->next = *chain;
    *chain = s;
    list_add_head(&c->stmts, &s->lru);
    c->n_stmts++;
    c->by_ptr[slot].p = sql;
    c->by_ptr[slot].s = s;
}

void db_stmts_init(struct dbc *c)
{
    list_init(&c->stmts);
}

void db_stmts_drop(struct dbc *c)
{
    list_for_each_safe(it, tmp, &c->stmts) cache_drop(container_of(it, struct db_stmt, lru));
}

void db_stmts_reset(struct dbc *c)
{
    if (c->n_busy == 0)
        return;
    list_for_each_safe(it, tmp, &c->stmts)
    {
        struct db_stmt *s = container_of(it, struct db_stmt, lru);
        if (s->busy)
            db_reset(s);
    }
}

int db_prepare(struct dbc *c, const char *sql, struct db_stmt **ret, struct errinfo *ei)
{
    uint64_t hash = 0;
    struct db_stmt *s = cache_find(c, sql, &hash);
    if (!s) {
        cache_make_room(c);
        int r = c->db->drv->prepare(c, sql, &s, ei);
        if (r < 0)
            return db_note_result(c, r);
        cache_add(c, s, sql, hash);
    } else if (c->stmts.next != &s->lru) {
        list_del(&s->lru);
        list_add_head(&c->stmts, &s->lru);
    }
    s->busy = true;
    s->started = s->done = false;
    s->bad_param = s->bind_err = 0;
    c->n_busy++;
    *ret = s;
    return 0;
}

void db_reset(struct db_stmt *s)
{
    if (!s->busy)
        return;
    s->c->db->drv->reset(s);
    s->busy = false;
    s->c->n_busy--;
}

static bool param_ok(struct db_stmt *s, int i)
{
    if (i >= 1 && i <= s->n_params)
        return true;
    if (s->bad_param == 0)
        s->bad_param = i < 1 ? -1 : i;
    return false;
}

void db_bind_int(struct db_stmt *s, int i, int64_t v)
{
    if (param_ok(s, i))
        s->c->db->drv->bind_int(s, i, v);
}

void db_bind_text(struct db_stmt *s, int i, struct sv v)
{
    if (param_ok(s, i))
        s->c->db->drv->bind_data(s, i, v.p ? v : SV(""), true);
}

void db_bind_blob(struct db_stmt *s, int i, struct sv v)
{
    if (param_ok(s, i))
        s->c->db->drv->bind_data(s, i, v.p ? v : SV(""), false);
}

void db_bind_null(struct db_stmt *s, int i)
{
    if (param_ok(s, i))
        s->c->db->drv->bind_null(s, i);
}

int db_step(struct db_stmt *s, struct errinfo *ei)
{
    struct dbc *c = s->c;
    if (s->done)
        return 0;
    if (!s->started) {
        db_note_query(s->sql);
        if (s->bind_err != 0) {
            s->done = true;
            return db_note_result(c,
                                  db_fail(c->db, ei, s->bind_err, "a value is too long", s->sql));
        }
        if (s->bad_param != 0) {
            char text[64];
            snprintf(text, sizeof(text), "parameter %d bound, the statement has %d", s->bad_param,
                     s->n_params);
            s->done = true;
            return db_note_result(c, db_fail(c->db, ei, E_DB, text, s->sql));
        }
        if (c->in_tx && c->tx_err != 0) {
            s->done = true;
            return db_fail(c->db, ei, c->tx_err,
                           "the transaction failed before and must be rolled back", s->sql);
        }
    }
    int r = c->db->drv->step(s, ei);
    s->started = true;
    if (r <= 0)
        s->done = true;
    return db_note_result(c, r);
}

int64_t db_col_int(struct db_stmt *s, int i)
{
    return s->c->db->drv->col_int(s, i);
}

struct sv db_col_text(struct db_stmt *s, int i)
{
    return s->c->db->drv->col_text(s, i);
}

struct sv db_col_blob(struct db_stmt *s, int i)
{
    return s->c->db->drv->col_blob(s, i);
}

bool db_col_null(struct db_stmt *s, int i)
{
    return s->c->db->drv->col_null(s, i);
}

int64_t db_changes(struct dbc *c)
{
    return c->db->drv->changes(c);
}

static void bind_args(struct db_stmt *s, const char *fmt, va_list ap)
{
    int i = 0;
    for (; fmt && *fmt; fmt++) {
        i++;
        if (*fmt == 'i') {
            db_bind_int(s, i, va_arg(ap, int64_t));
        } else if (*fmt == 's') {
            const char *text = va_arg(ap, const char *);
            if (text)
                db_bind_text(s, i, sv_c(text));
            else
                db_bind_null(s, i);
        } else if (*fmt == 'v') {
            db_bind_text(s, i, va_arg(ap, struct sv));
        } else if (*fmt == 'b') {
            db_bind_blob(s, i, va_arg(ap, struct sv));
        } else if (*fmt == 'n') {
            db_bind_null(s, i);
        } else {
            panic("db: unknown letter '%c' in the parameter format of: %s", *fmt, s->sql);
        }
    }
    if (i != s->n_params)
        panic("db: %d values for %d parameters in: %s", i, s->n_params, s->sql);
}

static int query_args(struct dbc *c, struct db_stmt **ret, struct errinfo *ei, const char *sql,
                      const char *fmt, va_list ap)
{
    int r = db_prepare(c, sql, ret, ei);
    if (r < 0)
        return r;
    bind_args(*ret, fmt, ap);
    return 0;
}

int db_query(struct dbc *c, struct db_stmt **ret, struct errinfo *ei, const char *sql,
             const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int r = query_args(c, ret, ei, sql, fmt, ap);
    va_end(ap);
    return r;
}

int db_run(struct dbc *c, struct errinfo *ei, const char *sql, const char *fmt, ...)
{
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    va_list ap;
    va_start(ap, fmt);
    int r = query_args(c, &s, ei, sql, fmt, ap);
    va_end(ap);
    if (r < 0)
        return r;
    while ((r = db_step(s, ei)) > 0)
        continue;
    return r;
}

int db_value(struct dbc *c, int64_t *ret, struct errinfo *ei, const char *sql, const char *fmt, ...)
{
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    va_list ap;
    va_start(ap, fmt);
    int r = query_args(c, &s, ei, sql, fmt, ap);
    va_end(ap);
    if (r < 0)
        return r;
    r = db_step(s, ei);
    if (r < 0)
        return r;
    if (r == 0)
        return err_set(ei, E_NOTFOUND, "no row for: %.150s", sql);
    *ret = db_col_int(s, 0);
    return 0;
}
