/* A domain's rules are its admin's, an account's are theirs who may change the account; those of
 * the server are for system admins. */
#include "server/api/api_priv.h"
#include "server/api/filters.h"

bool api_sees_filters(const struct api_caller *who, const char *owner)
{
    if (!*owner)
        return api_sees_all(who);
    return strchr(owner, '@') ? api_sees_address(who, sv_c(owner))
                              : api_sees_domain(who, sv_c(owner));
}

static bool gone(struct api_call *c, const char *name)
{
    api_fail(c, 404, "not_found", "owner", "'%.150s' does not exist", name);
    return false;
}

static bool find_account(struct api_call *c, const char *name, bool to_change,
                         char ret[ADDR_MAX + 1])
{
    _cleanup_(account_unrefp) const struct account *acc = NULL;
    struct errinfo ei = { 0 };
    int r = account_find_address(api_admin_of(c)->accounts, sv_c(name), &acc, &ei);

    if (r == E_TEMP) {
        api_fail_err(c, r, ei.text);
        return false;
    }
    if (r < 0 || !api_sees_address(c->caller, sv_c(acc->address)))
        return gone(c, name);
    if (to_change && !api_may_change(c->caller, acc)) {
        api_fail(c, 403, "not_allowed", "owner", "owner: %s may not change this account",
                 c->caller->who);
        return false;
    }
    return sv_copy(ret, ADDR_MAX + 1, sv_c(acc->address));
}

bool api_filter_owner(struct api_call *c, const char *name, bool to_change, char ret[ADDR_MAX + 1])
{
    size_t n = 0;

    *ret = '\0';
    if (strchr(name, '@'))
        return find_account(c, name, to_change, ret);
    if (!strcmp(name, API_FILTER_SERVER)) {
        if (api_sees_all(c->caller))
            return true;
        api_fail(c, 403, "not_allowed", "owner",
                 "owner: the rules of the server are for system admins; name a domain or an "
                 "account");
        return false;
    }
    if (addr_parse_domain(sv_c(name), ret, &n, NULL) < 0)
        return gone(c, name);
    ret[n] = '\0';
    return api_sees_domain(c->caller, sv_n(ret, n)) || gone(c, name);
}
