/* Which rules are asked and which Sieve scripts run for an account's mail. */
#include "mail/account/filter_store.h"
#include "mail/account/script.h"
#include "mail/deliver/deliver_priv.h"

static int take(const struct account *acc, int r, const struct active_script *s,
                struct script_chain *ret, struct errinfo *ei)
{
    if (r == 0)
        ret->v[ret->n++] = s;
    if (r == E_CORRUPT)
        log_error("Delivery to %s: %s; it is left out", acc->address, ei->text);
    return r == E_NOTFOUND || r == E_CORRUPT ? 0 : r;
}

static int take_servers(struct deliver *d, const struct account *acc, const char *name,
                        struct script_chain *ret, struct errinfo *ei)
{
    const struct active_script *s = NULL;
    int r = account_script_named(d->accounts, SCRIPT_GLOBAL_ID, sv_c(name), &s, ei);
    return take(acc, r, s, ret, ei);
}

static int take_scripts(struct deliver *d, const struct account *acc, struct script_chain *ret,
                        struct errinfo *ei)
{
    const struct active_script *own = NULL;
    int r = take_servers(d, acc, SCRIPT_BEFORE, ret, ei);
    if (r >= 0) {
        r = account_script_active(d->accounts, acc->id, &own, ei);
        r = take(acc, r, own, ret, ei);
    }
    return r < 0 ? r : take_servers(d, acc, SCRIPT_AFTER, ret, ei);
}

bool script_chain_any(const struct script_chain *c)
{
    return c->rules || c->n;
}

int script_chain_find(struct deliver *d, const struct account *acc, struct script_chain *ret,
                      struct errinfo *ei)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    *ret = (struct script_chain){ .rules = NULL };
    int r = account_filters(d->accounts, FILTER_ACCOUNT, acc->id, &ret->rules, ei);
    if (r == E_NOTFOUND)
        r = 0;
    if (r >= 0 && cf->sieve.enabled)
        r = take_scripts(d, acc, ret, ei);
    if (r < 0)
        script_chain_done(ret);
    return r;
}

void script_chain_done(struct script_chain *c)
{
    for (size_t i = 0; i < c->n; i++)
        active_script_unref(c->v[i]);
    filter_list_unref(c->rules);
    *c = (struct script_chain){ .rules = NULL };
}
