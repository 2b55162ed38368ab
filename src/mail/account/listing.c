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
