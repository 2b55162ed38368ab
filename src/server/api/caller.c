/* Roles, scopes, rows. */
#include "server/api/caller.h"

#include "base/clock.h"
#include "server/api/api.h"

const char *const api_scope_names[SCOPE_COUNT] = {
    [SCOPE_PUBLIC] = "public",
    [SCOPE_SELF] = "self",
    [SCOPE_MESSAGES_READ] = "messages:read",
    [SCOPE_MESSAGES_CONTENT] = "messages:content",
    [SCOPE_QUEUE_READ] = "queue:read",
    [SCOPE_QUEUE_WRITE] = "queue:write",
    [SCOPE_SESSIONS_READ] = "sessions:read",
    [SCOPE_SESSIONS_WRITE] = "sessions:write",
    [SCOPE_METRICS_READ] = "metrics:read",
    [SCOPE_METRICS_WRITE] = "metrics:write",
    [SCOPE_LOGS_READ] = "logs:read",
    [SCOPE_LOGS_WRITE] = "logs:write",
    [SCOPE_DIRECTORY_READ] = "directory:read",
    [SCOPE_DIRECTORY_WRITE] = "directory:write",
    [SCOPE_SETTINGS_READ] = "settings:read",
    [SCOPE_SETTINGS_WRITE] = "settings:write",
    [SCOPE_SERVICES_READ] = "services:read",
    [SCOPE_SERVICES_WRITE] = "services:write",
    [SCOPE_AUDIT_READ] = "audit:read",
    [SCOPE_TOKENS_READ] = "tokens:read",
    [SCOPE_TOKENS_WRITE] = "tokens:write",
};

uint32_t api_role_scopes(enum account_role r)
{
    switch (r) {
    case ROLE_SYSTEM_ADMIN:
        return SCOPES_ALL;
    case ROLE_DOMAIN_ADMIN:
        return SCOPE_BIT(SCOPE_PUBLIC) | SCOPE_BIT(SCOPE_SELF) | SCOPE_BIT(SCOPE_MESSAGES_READ) |
               SCOPE_BIT(SCOPE_QUEUE_READ) | SCOPE_BIT(SCOPE_QUEUE_WRITE) |
               SCOPE_BIT(SCOPE_SESSIONS_READ) | SCOPE_BIT(SCOPE_SESSIONS_WRITE) |
               SCOPE_BIT(SCOPE_DIRECTORY_READ) | SCOPE_BIT(SCOPE_DIRECTORY_WRITE) |
               SCOPE_BIT(SCOPE_TOKENS_READ) | SCOPE_BIT(SCOPE_TOKENS_WRITE);
    case ROLE_USER:
        break;
    }
    return SCOPE_BIT(SCOPE_PUBLIC) | SCOPE_BIT(SCOPE_SELF);
}

int api_scopes_parse(struct sv text, uint32_t *ret, struct errinfo *ei)
{
    uint32_t bits = SCOPE_BIT(SCOPE_PUBLIC) | SCOPE_BIT(SCOPE_SELF);

    while (text.p) {
        struct sv w = sv_trim(sv_split(&text, ' '));
        int s = 0;

        if (!w.n)
            continue;
        while (s < SCOPE_COUNT && !sv_eq(w, sv_c(api_scope_names[s])))
            s++;
        if (s == SCOPE_COUNT)
            return err_set(ei, E_PARSE, "scopes: '" SV_FMT "' is not a scope",
                           SV_ARG(sv_take(w, 60)));
        bits |= SCOPE_BIT(s);
    }
    *ret = bits;
    return 0;
}

void api_caller_free(struct api_caller *c)
{
    for (size_t i = 0; i < c->n_domains; i++)
        free(c->domains[i]);
    free(c->domains);
    free(c->who);
    free(c);
}

struct api_caller *api_caller_local(const char *who)
{
    struct api_caller *c = xcalloc(1, sizeof(*c));

    c->who = xstrdup(who);
    c->role = ROLE_SYSTEM_ADMIN;
    c->scopes = SCOPES_ALL;
    c->proof = PROOF_LOCAL;
    return c;
}

static bool add_domain(const char *name, void *arg)
{
    struct api_caller *c = arg;

    c->domains = xrealloc(c->domains, (c->n_domains + 1) * sizeof(*c->domains));
    c->domains[c->n_domains++] = xstrdup(name);
    return c->n_domains < CALLER_MAX_DOMAINS;
}

int api_caller_account(struct accounts *a, int64_t account_id, struct api_caller **ret,
                       struct errinfo *ei)
{
    _cleanup_(account_unrefp) const struct account *acc = NULL;
    _cleanup_(api_caller_freep) struct api_caller *c = NULL;
    int r = account_find_id(a, account_id, &acc, ei);

    if (r < 0)
        return r;
    if (!account_may_sign_in(acc))
        return err_set(ei, E_PERM, "account '%.150s' is disabled", acc->address);
    c = xcalloc(1, sizeof(*c));
    c->who = xstrdup(acc->address);
    c->account_id = acc->id;
    c->role = acc->role;
    c->scopes = api_role_scopes(acc->role);
    if (acc->role == ROLE_DOMAIN_ADMIN)
        r = account_admin_domains(a, acc->id, add_domain, c, ei);
    if (r == 0)
        *ret = take_ptr(c);
    return r;
}

bool api_sees_all(const struct api_caller *c)
{
    return c && c->role == ROLE_SYSTEM_ADMIN;
}

bool api_sees_domain(const struct api_caller *c, struct sv domain)
{
    if (!c || c->role == ROLE_USER)
        return false;
    if (c->role == ROLE_SYSTEM_ADMIN)
        return true;
    for (size_t i = 0; i < c->n_domains; i++)
        if (sv_ieq(sv_c(c->domains[i]), domain))
            return true;
    return false;
}

bool api_sees_address(const struct api_caller *c, struct sv address)
{
    ssize_t at = sv_rfind(address, '@');

    if (!c)
        return false;
    if (c->role == ROLE_USER)
        return sv_ieq(sv_c(c->who), address);
    return c->role == ROLE_SYSTEM_ADMIN ||
           (at >= 0 && api_sees_domain(c, sv_skip(address, (size_t)at + 1)));
}

bool api_may_change(const struct api_caller *c, const struct account *target)
{
    return api_sees_address(c, sv_c(target->address)) &&
           (c->role == ROLE_SYSTEM_ADMIN || target->role < c->role || target->id == c->account_id);
}
