/* One login attempt, whatever its mechanism: who is meant, whether he is locked out, and at the end
 * the counting and the authentication log (rows log.auth.*, acc.loginpolicy). Belongs to one thread
 * at a time; holds no database connection between calls. */
#pragma once

#include "mail/account/accounts_priv.h"
#include "mail/account/auth.h"

struct attempt {
    struct accounts *a;
    const struct auth_peer *peer;
    enum auth_method method;
    char *typed;                 /* what the client called itself */
    struct addr key;             /* canonical; n = 0 when there is no such form */
    struct account_obj *account; /* NULL = unknown */
    struct password_obj *pw;     /* NULL when account is */
    bool app_misused;            /* an app password where none is taken */
};

/* 0 (also for unknown users), E_LIMIT (locked; logged), E_TEMP. attempt_done in any case. */
int attempt_begin(struct attempt *t, struct accounts *a, const struct auth_peer *p,
                  enum auth_method method, struct sv user, struct errinfo *ei);
bool attempt_locked(struct attempt *t);
/* The name that failures are counted under and unknown users are imitated by. */
struct sv attempt_key(const struct attempt *t);
/* The account's password in plain text where it is known ({PLAIN}, auth.keep_plain), else NULL. */
const char *attempt_plain(const struct attempt *t);
/* 1 = right, 0 = wrong, E_LIMIT (locked meanwhile), E_TEMP. Costs the same for unknown users. */
int attempt_verify(struct attempt *t, struct sv password, struct errinfo *ei);
/* Counts and logs. right: the credentials fit the account; 0 and *ret, or E_AUTH. */
int attempt_finish(struct attempt *t, bool right, const struct account **ret, struct errinfo *ei);
/* The log line and code of a locked name. */
int attempt_refuse(struct attempt *t, struct errinfo *ei);
void attempt_done(struct attempt *t);
