/* Who calls and what he may do: roles are sets of scopes, a domain admin sees the rows of his
 * domains only. All decisions are here; handlers ask. */
#pragma once

#include "base/sv.h"
#include "mail/account/account.h"

enum api_scope {
    SCOPE_PUBLIC, /* also without signing in */
    SCOPE_SELF,   /* everybody who has signed in */
    SCOPE_MESSAGES_READ,
    SCOPE_MESSAGES_CONTENT,
    SCOPE_QUEUE_READ,
    SCOPE_QUEUE_WRITE,
    SCOPE_SESSIONS_READ,
    SCOPE_SESSIONS_WRITE,
    SCOPE_METRICS_READ,
    SCOPE_METRICS_WRITE,
    SCOPE_LOGS_READ,
    SCOPE_LOGS_WRITE,
    SCOPE_DIRECTORY_READ,
    SCOPE_DIRECTORY_WRITE,
    SCOPE_SETTINGS_READ,
    SCOPE_SETTINGS_WRITE,
    SCOPE_SERVICES_READ,
    SCOPE_SERVICES_WRITE,
    SCOPE_AUDIT_READ,
    SCOPE_TOKENS_READ,
    SCOPE_TOKENS_WRITE,
    SCOPE_COUNT,
};
extern const char *const api_scope_names[SCOPE_COUNT]; /* "queue:write" */
#define SCOPE_BIT(s) (UINT32_C(1) << (s))
#define SCOPES_ALL   (SCOPE_BIT(SCOPE_COUNT) - 1)

#define CALLER_MAX_DOMAINS 1000

enum api_proof { PROOF_LOCAL, PROOF_SESSION, PROOF_TOKEN };

struct api_caller {
    char *who;          /* for the audit: an account's address or a local user */
    int64_t account_id; /* 0 = a local user */
    enum account_role role;
    uint32_t scopes; /* bits by enum api_scope */
    enum api_proof proof;
    bool csrf_ok; /* PROOF_SESSION: the request carries the session's CSRF token */
    char csrf[40];
    char session[72]; /* hash of the session's or token's secret */
    int64_t expires_ms;
    size_t n_domains;
    char **domains; /* of a domain admin */
};
void api_caller_free(struct api_caller *c);
DEFINE_CLEANUP(struct api_caller, api_caller_free)

/* Scopes of a role. Pure. */
uint32_t api_role_scopes(enum account_role r);
/* "queue:read queue:write" to bits; E_PARSE names the word. */
int api_scopes_parse(struct sv text, uint32_t *ret, struct errinfo *ei);
/* A local user: everything. who is copied. */
struct api_caller *api_caller_local(const char *who);
/* The account's rights as they are now. E_PERM for a disabled account. */
int api_caller_account(struct accounts *a, int64_t account_id, struct api_caller **ret,
                       struct errinfo *ei);

/* Rows: a system admin and a local user see all, a domain admin his domains', a user his own. */
bool api_sees_all(const struct api_caller *c);
bool api_sees_domain(const struct api_caller *c, struct sv domain);
bool api_sees_address(const struct api_caller *c, struct sv address);
/* May change this account: as api_sees_address, but nobody changes one of higher rank. */
bool api_may_change(const struct api_caller *c, const struct account *target);
