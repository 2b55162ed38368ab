/* Recipient -> accounts and forward addresses: exact account, alias, subaddress, postmaster, the
 * domain's action for unknown accounts; rows acc.unknown, acc.aliases; RFC 5321 4.5.1, RFC 5233.
 * Any thread. Results are cached: exact addresses in the cache of what exists, everything a peer
 * can invent (unknown, remote, catch-all, user+anything) in the one of what does not. */
#include "mail/account/accounts_priv.h"

#include "base/hash.h"
#include "base/slab.h"
#include "mail/account/members.h"

#define MAX_DEPTH 10

struct work {
    struct view *v;
    struct map *seen; /* canonical addresses visited: loops and diamonds are cut */
    struct resolved_obj *out;
    bool remote, disabled, discard; /* what was met besides targets */
    bool exact;                     /* the address itself is an account or alias */
};

static struct slab resolved = SLAB_OF(struct resolved_obj);

static void resolved_free(struct obj *o)
{
    struct resolved_obj *r = container_of(o, struct resolved_obj, o);
    for (size_t i = 0; i < r->r.n; i++)
        account_unref(r->r.accounts[i]);
    for (size_t i = 0; i < r->r.n_forward; i++)
        free(r->r.forward[i]);
    free(r->r.accounts);
    free(r->r.forward);
    slab_free(&resolved, r);
}

/* Takes the reference. */
static void add_account(struct work *w, struct account_obj *a)
{
    struct resolved *r = &w->out->r;
    bool dup = false;
    for (size_t i = 0; i < r->n; i++)
        dup = dup || r->accounts[i]->id == a->acc.id;
    if (dup || !a->acc.enabled) {
        w->disabled = w->disabled || !a->acc.enabled;
        obj_unref(&a->o);
        return;
    }
    r->accounts = xrealloc(r->accounts, (r->n + 1) * sizeof(*r->accounts));
    r->accounts[r->n++] = &a->acc;
}

static void add_forward(struct work *w, struct sv address)
{
    struct resolved *r = &w->out->r;
    r->forward = xrealloc(r->forward, (r->n_forward + 1) * sizeof(*r->forward));
    r->forward[r->n_forward++] = sv_dup(address);
}

static int expand(struct work *w, struct sv address, unsigned depth, struct errinfo *ei);

struct target {
    int64_t account_id;
    char *address;
};

/* Rows are read to the end before they are followed: following runs the same statement again. */
static int read_targets(struct work *w, const struct addr *a, struct target **ret, size_t *ret_n,
                        struct errinfo *ei)
{
    int r = view_db(w->v, ei);
    if (r < 0)
        return r;
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    r = db_query(w->v->c, &s, ei,
                 "SELECT account_id, target FROM alias WHERE address = ? ORDER BY id", "v",
                 addr_sv(a));
    while (r == 0 && (r = db_step(s, ei)) == 1) {
        *ret = xrealloc(*ret, (*ret_n + 1) * sizeof(**ret));
        (*ret)[*ret_n].account_id = db_col_int(s, 0);
        (*ret)[*ret_n].address = sv_dup(db_col_text(s, 1));
        *ret_n += 1;
        r = 0;
    }
    return view_error(r, ei);
}

static int follow(struct work *w, const struct target *t, unsigned depth, struct errinfo *ei)
{
    if (t->account_id == 0)
        return depth < MAX_DEPTH ? expand(w, sv_c(t->address), depth + 1, ei) : 0;
    struct account_obj *a = NULL;
    int r = load_account_id(w->v, t->account_id, &a, ei);
    if (r == 0)
        add_account(w, a);
    return r == E_NOTFOUND ? 0 : r;
}

/* 1 = the address is an account or an alias. */
static int expand_exact(struct work *w, const struct addr *a, unsigned depth, struct errinfo *ei)
{
    struct account_obj *acc = NULL;
    int r = load_account(w->v, addr_sv(a), &acc, ei);
    if (r == 0) {
        add_account(w, acc);
        return 1;
    }
    if (r != E_NOTFOUND)
        return r;
    struct target *t = NULL;
    size_t n = 0;
    r = read_targets(w, a, &t, &n, ei);
    for (size_t i = 0; i < n; i++) {
        if (r == 0)
            r = follow(w, &t[i], depth, ei);
        free(t[i].address);
    }
    free(t);
    return r < 0 ? r : n > 0;
}

static int expand_subaddress(struct work *w, const struct addr *a, unsigned depth,
                             struct errinfo *ei)
{
    const char *sep = w->v->cf->auth.subaddress_separator;
    struct sv local = addr_local(a);
    size_t n = 1;
    if (local.p[0] == '"')
        return 0;
    while (n < local.n && !strchr(sep, local.p[n]))
        n++;
    if (n >= local.n)
        return 0;
    struct addr base;
    memcpy(base.text, local.p, n);
    base.at = base.n = n;
    return addr_set_domain(&base, addr_domain(a)) < 0 ? 0 : expand_exact(w, &base, depth, ei);
}

struct pattern_work {
    struct work *w;
    unsigned depth;
    struct errinfo *ei;
};

static int expand_pattern_alias(const struct addr *alias, void *arg)
{
    struct pattern_work *p = arg;
    return expand_exact(p->w, alias, p->depth, p->ei);
}

/* What no account, alias or subaddress has may fit a pattern that is an alias. */
static int expand_patterns(struct work *w, const struct addr *a, unsigned depth, struct errinfo *ei)
{
    struct pattern_work p = { w, depth, ei };
    return pattern_aliases(w->v, a, expand_pattern_alias, &p, ei);
}

static int expand_postmaster(struct work *w, const struct domain *d, struct errinfo *ei)
{
    struct account_obj *acc = NULL;
    int r = load_first_account(w->v, d->id, &acc, ei);
    if (r == E_NOTFOUND && !d->primary) {
        _cleanup_(domain_objp) struct domain_obj *primary = NULL;
        r = load_primary(w->v, &primary, ei);
        if (r == 0)
            r = load_first_account(w->v, primary->d.id, &acc, ei);
    }
    if (r == 0)
        add_account(w, acc);
    return r == 0 ? 1 : r == E_NOTFOUND ? 0 : r;
}

static int expand_unknown(struct work *w, const struct domain *d, unsigned depth,
                          struct errinfo *ei)
{
    if (depth == 0)
        w->out->by_rule = true;
    switch (d->unknown) {
    case UNKNOWN_REJECT:
        return 0;
    case UNKNOWN_DELETE:
        w->discard = true;
        return 0;
    case UNKNOWN_FORWARD:
        return depth < MAX_DEPTH ? expand(w, sv_c(d->unknown_to), depth + 1, ei) : 0;
    }
    return 0;
}

static int expand_local(struct work *w, const struct addr *a, const struct domain *d,
                        unsigned depth, struct errinfo *ei)
{
    /* The name of a pattern is no address. */
    int r = addr_local(a).p[0] == '[' ? 0 : expand_exact(w, a, depth, ei);
    if (r != 0) {
        w->exact = depth == 0 ? true : w->exact;
        return r;
    }
    r = expand_subaddress(w, a, depth, ei);
    if (r == 0)
        r = expand_patterns(w, a, depth, ei);
    if (r == 0 && sv_eq(addr_local(a), SV("postmaster"))) {
        r = expand_postmaster(w, d, ei);
        if (r == 1 && depth == 0)
            w->out->by_rule = true;
    }
    return r != 0 ? r : expand_unknown(w, d, depth, ei);
}

static int expand(struct work *w, struct sv address, unsigned depth, struct errinfo *ei)
{
    struct addr a;
    /* A damaged row must not make the other targets fail. */
    if (addr_parse(address, &a, NULL) < 0 || a.at == a.n || map_put(w->seen, addr_sv(&a), w))
        return 0;
    _cleanup_(domain_objp) struct domain_obj *d = NULL;
    int r = load_domain(w->v, addr_domain(&a), &d, ei);
    bool backup = r == 0 && d->d.enabled && d->d.type == DOMAIN_BACKUP;
    if (r == E_NOTFOUND || backup) {
        w->out->r.backup = depth == 0 && backup;
        if (depth == 0)
            w->remote = true;
        else
            add_forward(w, address);
        return 0;
    }
    if (r < 0)
        return r;
    if (!d->d.enabled) {
        w->disabled = true;
        return 0;
    }
    r = expand_local(w, &a, &d->d, depth, ei);
    return r < 0 ? r : 0;
}

static enum resolve_kind kind_of(const struct work *w)
{
    const struct resolved *r = &w->out->r;
    if (w->remote)
        return RESOLVE_REMOTE;
    if (r->n_forward)
        return RESOLVE_FORWARD;
    if (r->n)
        return RESOLVE_LOCAL;
    if (w->discard)
        return RESOLVE_DISCARD;
    return w->disabled ? RESOLVE_DISABLED : RESOLVE_UNKNOWN;
}

int resolve_view(struct view *v, const struct addr *address, struct resolved_obj **ret,
                 struct errinfo *ei)
{
    struct obj *o = NULL;
    if (accounts_cached(v->a, KEY_RESOLVED, addr_sv(address), v->stamp, &o)) {
        *ret = container_of(o, struct resolved_obj, o);
        return 0;
    }
    struct work w = { .v = v, .seen = map_new(), .out = slab_alloc(&resolved) };
    obj_init(&w.out->o, resolved_free);
    int r = expand(&w, addr_sv(address), 0, ei);
    map_free(w.seen, NULL);
    if (r < 0) {
        obj_unref(&w.out->o);
        return r;
    }
    w.out->r.kind = kind_of(&w);
    cache_put(w.exact ? v->a->found : v->a->missing, KEY_RESOLVED, addr_sv(address), v->stamp,
              &w.out->o);
    *ret = w.out;
    return 0;
}

/* "postmaster" alone means the primary domain's. */
static int complete_address(struct view *v, struct addr *a, struct errinfo *ei)
{
    if (a->at < a->n)
        return 0;
    if (!sv_eq(addr_sv(a), SV("postmaster")))
        return err_set(ei, E_PARSE, "address '%.120s': has no domain", a->text);
    _cleanup_(domain_objp) struct domain_obj *d = NULL;
    int r = load_primary(v, &d, ei);
    return r < 0 ? r : addr_set_domain(a, sv_c(d->d.name));
}

int account_resolve(struct accounts *a, struct sv address, struct resolved *ret, struct errinfo *ei)
{
    struct addr key;
    struct resolved_obj *o = NULL;
    int r = addr_parse(address, &key, ei);
    if (r < 0) { /* too long is malformed, too */
        if (ei)
            ei->code = E_PARSE;
        return E_PARSE;
    }
    _cleanup_(view_done) struct view v;
    view_init(&v, a);
    r = complete_address(&v, &key, ei);
    if (r == 0)
        r = resolve_view(&v, &key, &o, ei);
    if (r == E_NOTFOUND) { /* postmaster without any primary domain */
        *ret = (struct resolved){ .kind = RESOLVE_UNKNOWN };
        return 0;
    }
    if (r < 0)
        return r;
    *ret = o->r;
    ret->hold = o;
    return 0;
}

void resolved_done(struct resolved *r)
{
    struct resolved_obj *o = (struct resolved_obj *)r->hold;
    *r = (struct resolved){ .kind = RESOLVE_UNKNOWN };
    if (o)
        obj_unref(&o->o);
}

int account_owns_address(struct accounts *a, const struct account *acc, struct sv address)
{
    struct addr key;
    if (addr_parse(address, &key, NULL) < 0 || key.at == key.n)
        return 0;
    if (sv_eq(addr_sv(&key), sv_c(acc->address)))
        return 1;
    _cleanup_(view_done) struct view v;
    view_init(&v, a);
    struct resolved_obj *o = NULL;
    int r = resolve_view(&v, &key, &o, NULL);
    if (r < 0)
        return r == E_NOTFOUND ? 0 : r;
    bool owns = false;
    for (size_t i = 0; !o->by_rule && i < o->r.n; i++)
        owns = owns || o->r.accounts[i]->id == acc->id;
    obj_unref(&o->o);
    return owns;
}

bool account_stores(const struct account *acc)
{
    return !account_is(acc, OPT_NULL_MAILBOX) && account_kind(acc) == KIND_USER &&
           (!acc->option[OPT_FORWARD_TO] || account_is(acc, OPT_KEEP_COPY));
}

/* The account itself is nowhere. A database that cannot tell now does not make mail be refused. */
static bool leads_somewhere(struct accounts *a, const struct account *acc, struct sv target)
{
    struct resolved to = { 0 };
    if (account_resolve(a, target, &to, NULL) < 0)
        return true;
    bool yes = to.kind == RESOLVE_REMOTE || to.kind == RESOLVE_DISCARD || to.n_forward;
    for (size_t i = 0; i < to.n; i++)
        yes = yes || to.accounts[i]->id != acc->id;
    resolved_done(&to);
    return yes;
}

bool account_can_receive(struct accounts *a, const struct account *acc)
{
    struct sv rest = sv_c(account_recipients(acc, OPT_FORWARD_TO));
    bool yes = !account_is(acc, OPT_NULL_MAILBOX) || account_kind(acc) != KIND_USER;
    while (rest.n && !yes)
        yes = leads_somewhere(a, acc, sv_split(&rest, ';'));
    return yes;
}
