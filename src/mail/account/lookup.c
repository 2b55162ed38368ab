/* The lookups of sessions: local domains, login names, accounts. Any thread; a cached answer
 * touches no database. Rows acc.loginpolicy, acc.primary. */
#include "mail/account/accounts_priv.h"

static int domain_is(struct accounts *a, struct sv domain, enum domain_type type)
{
    char name[ADDR_DOMAIN_MAX + 1];
    size_t n = 0;
    if (addr_parse_domain(domain, name, &n, NULL) < 0)
        return 0;
    _cleanup_(view_done) struct view v;
    view_init(&v, a);
    _cleanup_(domain_objp) struct domain_obj *d = NULL;
    int r = load_domain(&v, sv_n(name, n), &d, NULL);
    if (r < 0)
        return r == E_NOTFOUND ? 0 : r;
    return d->d.enabled && d->d.type == type;
}

int account_domain_is_local(struct accounts *a, struct sv domain)
{
    return domain_is(a, domain, DOMAIN_LOCAL);
}

int account_domain_is_backup(struct accounts *a, struct sv domain)
{
    return domain_is(a, domain, DOMAIN_BACKUP);
}

int account_fetches(struct accounts *a, int64_t account_id, struct buf *ret, struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r = db_get(a->db, &c, ei);
    if (r == 0)
        r = db_query(c, &s, ei,
                     "SELECT name FROM domain WHERE fetched_by = ? AND kind = ? AND enabled = 1"
                     " ORDER BY name",
                     "ii", account_id, (int64_t)DOMAIN_BACKUP);
    while (r == 0 && (r = db_step(s, ei)) == 1) {
        r = ret->n ? buf_add_c(ret, ',') : 0;
        if (r == 0)
            r = buf_add_sv(ret, db_col_text(s, 0));
    }
    return r < 0 ? E_TEMP : 0;
}

int account_domain_id(struct accounts *a, struct sv domain, int64_t *ret)
{
    char name[ADDR_DOMAIN_MAX + 1];
    size_t n = 0;
    *ret = 0;
    if (addr_parse_domain(domain, name, &n, NULL) < 0)
        return 0;
    _cleanup_(view_done) struct view v;
    view_init(&v, a);
    _cleanup_(domain_objp) struct domain_obj *d = NULL;
    int r = load_domain(&v, sv_n(name, n), &d, NULL);
    if (r == 0)
        *ret = d->d.id;
    return r == E_NOTFOUND ? 0 : r;
}

/* Indexes of auth.login_policy. */
enum { POLICY_NAME, POLICY_ADDRESS, POLICY_BOTH };

int lookup_login(struct view *v, struct sv login, struct addr *ret_key, struct account_obj **ret,
                 struct errinfo *ei)
{
    struct addr *key = ret_key;
    int r = addr_parse(login, key, ei);
    if (r < 0) {
        *key = (struct addr){ .n = 0 };
        return E_NOTFOUND; /* no account can have such a name */
    }
    bool qualified = key->at < key->n;
    int64_t policy = v->cf->auth.login_policy;
    if ((policy == POLICY_NAME && qualified) || (policy == POLICY_ADDRESS && !qualified))
        return err_set(ei, E_NOTFOUND, "login: auth.login_policy wants the %s",
                       qualified ? "user name alone" : "full address");
    struct addr full = *key;
    if (!qualified) {
        _cleanup_(domain_objp) struct domain_obj *d = NULL;
        r = load_primary(v, &d, ei);
        if (r < 0)
            return r == E_NOTFOUND ? err_set(ei, r, "login: there is no primary domain") : r;
        if (addr_set_domain(&full, sv_c(d->d.name)) < 0)
            return E_NOTFOUND;
    }
    r = load_account(v, addr_sv(&full), ret, ei);
    if (r < 0)
        return r == E_NOTFOUND ? err_set(ei, r, "login: no account '%.120s'", full.text) : r;
    /* Both spellings of a name are one account: its failures are counted together. */
    *key = full;
    return 0;
}

int account_find_login(struct accounts *a, struct sv login, const struct account **ret,
                       struct errinfo *ei)
{
    _cleanup_(view_done) struct view v;
    view_init(&v, a);
    struct addr key;
    struct account_obj *o = NULL;
    int r = lookup_login(&v, login, &key, &o, ei);
    if (r == 0)
        *ret = &o->acc;
    return r;
}

int account_find_address(struct accounts *a, struct sv address, const struct account **ret,
                         struct errinfo *ei)
{
    struct addr key;
    int r = addr_parse(address, &key, ei);
    if (r < 0)
        return r;
    _cleanup_(view_done) struct view v;
    view_init(&v, a);
    struct account_obj *o = NULL;
    r = load_account(&v, addr_sv(&key), &o, ei);
    if (r == E_NOTFOUND)
        return err_set(ei, r, "account '%.150s' does not exist", key.text);
    if (r == 0)
        *ret = &o->acc;
    return r;
}

int account_find_id(struct accounts *a, int64_t id, const struct account **ret, struct errinfo *ei)
{
    _cleanup_(view_done) struct view v;
    view_init(&v, a);
    struct account_obj *o = NULL;
    int r = load_account_id(&v, id, &o, ei);
    if (r == E_NOTFOUND)
        return err_set(ei, r, "account %" PRId64 " does not exist", id);
    if (r == 0)
        *ret = &o->acc;
    return r;
}
