/* account_each: accounts in order of their addresses, in pages, so that neither a connection nor
 * all rows are held while the caller works. */
#include "mail/account/accounts_priv.h"

#define PAGE 500

struct page {
    struct account_obj *rows[PAGE];
    size_t n;
};

static int read_page(struct accounts *a, struct sv domain, const char *after, struct page *p,
                     struct errinfo *ei)
{
    static const char all[] = ACCOUNT_COLUMNS " WHERE a.address > ? ORDER BY a.address LIMIT 500";
    static const char one[] =
        ACCOUNT_COLUMNS " WHERE a.address > ? AND d.name = ? ORDER BY a.address LIMIT 500";
    _cleanup_(db_putp) struct dbc *c = NULL;
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r = db_get(a->db, &c, ei);
    if (r == 0 && domain.p)
        r = db_query(c, &s, ei, one, "sv", after, domain);
    else if (r == 0)
        r = db_query(c, &s, ei, all, "s", after);
    p->n = 0;
    while (r == 0 && p->n < PAGE && (r = db_step(s, ei)) == 1) {
        p->rows[p->n++] = account_from_row(s);
        r = 0;
    }
    return r;
}

static bool call_page(struct page *p, bool (*fn)(const struct account *, void *), void *arg)
{
    bool more = true;
    for (size_t i = 0; i < p->n; i++) {
        if (more)
            more = fn(&p->rows[i]->acc, arg);
        if (i + 1 < p->n)
            obj_unref(&p->rows[i]->o);
    }
    return more;
}

int account_each(struct accounts *a, struct sv domain,
                 bool (*fn)(const struct account *, void *arg), void *arg, struct errinfo *ei)
{
    char name[ADDR_DOMAIN_MAX + 1];
    size_t n = 0;
    int r = domain.n ? addr_parse_domain(domain, name, &n, ei) : 0;
    struct page *p = xcalloc(1, sizeof(*p));
    char *after = xstrdup("");
    bool more = true;
    while (r == 0 && more) {
        r = read_page(a, domain.n ? sv_n(name, n) : SV_NULL, after, p, ei);
        if (r < 0 || p->n == 0) {
            for (size_t i = 0; i < p->n; i++)
                obj_unref(&p->rows[i]->o);
            break;
        }
        more = call_page(p, fn, arg) && p->n == PAGE;
        free(after);
        after = xstrdup(p->rows[p->n - 1]->acc.address);
        obj_unref(&p->rows[p->n - 1]->o);
    }
    free(after);
    free(p);
    return r;
}

char *like_pattern(struct sv q)
{
    struct buf b;
    buf_init(&b, 64 * KiB);
    buf_add_c(&b, '%');
    for (size_t i = 0; i < q.n; i++) {
        if (q.p[i] == '%' || q.p[i] == '_' || q.p[i] == '!')
            buf_add_c(&b, '!');
        buf_add_c(&b, ascii_lower(q.p[i]));
    }
    buf_add_c(&b, '%');
    return buf_take(&b, NULL);
}

/* The part of WHERE that a query needs. Its parameters are bound in the same order. */
#define IN_DOMAIN  " AND a.domain_id = (SELECT id FROM domain WHERE name = ?)"
#define BY_ADMIN   " AND a.domain_id IN (SELECT domain_id FROM admin_domain WHERE account_id = ?)"
#define CONTAINING " AND (a.address LIKE ? ESCAPE '!' OR LOWER(a.name) LIKE ? ESCAPE '!')"
#define BY(head, tail)                                                                             \
    {                                                                                              \
        head tail, head CONTAINING tail, head IN_DOMAIN tail, head IN_DOMAIN CONTAINING tail,      \
            head BY_ADMIN tail, head BY_ADMIN CONTAINING tail                                      \
    }

/* Picks the statement and binds its parameters; after, like and what q holds stay as they are until
 * db_reset. max 0: the statement has no limit. */
static int start(struct dbc *c, const char *const sql[6], const struct account_query *q,
                 const char *after, const char *like, int64_t max, struct db_stmt **ret,
                 struct errinfo *ei)
{
    unsigned which = (q->domain.p ? 2 : q->admin_id ? 4 : 0) + (*q->q ? 1 : 0);
    int i = 1, r = db_prepare(c, sql[which], ret, ei);
    if (r < 0)
        return r;
    db_bind_text(*ret, i++, sv_c(after));
    if (q->domain.p)
        db_bind_text(*ret, i++, q->domain);
    else if (q->admin_id)
        db_bind_int(*ret, i++, q->admin_id);
    if (*q->q) {
        db_bind_text(*ret, i++, sv_c(like));
        db_bind_text(*ret, i++, sv_c(like));
    }
    if (max)
        db_bind_int(*ret, i, max);
    return 0;
}

static int read_rows(struct accounts *a, const struct account_query *q, struct account_obj **rows,
                     size_t *ret_n, struct errinfo *ei)
{
    static const char *const sql[] =
        BY(ACCOUNT_COLUMNS " WHERE a.address > ?", " ORDER BY a.address LIMIT ?");
    _cleanup_(freep) char *like = like_pattern(sv_c(q->q));
    _cleanup_(db_putp) struct dbc *c = NULL;
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r = db_get(a->db, &c, ei);
    if (r == 0)
        r = start(c, sql, q, q->after, like, (int64_t)q->max, &s, ei);
    while (r == 0 && *ret_n < q->max && (r = db_step(s, ei)) == 1) {
        rows[(*ret_n)++] = account_from_row(s);
        r = 0;
    }
    return r;
}

int account_page(struct accounts *a, const struct account_query *q,
                 bool (*fn)(const struct account *, void *arg), void *arg, struct errinfo *ei)
{
    struct account_obj **rows = xcalloc(q->max + 1, sizeof(*rows));
    size_t n = 0;
    int r = read_rows(a, q, rows, &n, ei);
    bool more = r == 0;
    for (size_t i = 0; i < n; i++) {
        if (more)
            more = fn(&rows[i]->acc, arg);
        obj_unref(&rows[i]->o);
    }
    free(rows);
    return r;
}

int account_count(struct accounts *a, const struct account_query *q, int64_t *ret,
                  struct errinfo *ei)
{
    static const char *const sql[] = BY("SELECT COUNT(*) FROM account a WHERE a.address > ?", "");
    _cleanup_(freep) char *like = like_pattern(sv_c(q->q));
    _cleanup_(db_putp) struct dbc *c = NULL;
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r = db_get(a->db, &c, ei);
    if (r == 0)
        r = start(c, sql, q, "", like, 0, &s, ei);
    if (r == 0)
        r = db_step(s, ei);
    if (r == 1)
        *ret = db_col_int(s, 0);
    return r < 0 ? r : 0;
}

bool account_may_sign_in(const struct account *a)
{
    return a->enabled && container_of((struct account *)a, struct account_obj, acc)->domain_enabled;
}
