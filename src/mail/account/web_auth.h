/* What proves who calls the API: sessions of signed-in consoles and tokens of programs. Secrets are
 * 32 random bytes, given out once as hex and kept as SHA-256 only. Any thread; blocks on the
 * database. Times in ms of the wall clock. */
#pragma once

#include "mail/account/account.h"

#define WEB_SECRET 65 /* bytes of a secret or a hash: 64 hex digits and a NUL */

/* A new session, its secret in ret. Sessions that are over are removed on the way. */
int web_session_create(struct accounts *a, int64_t account_id, const char *peer, const char *agent,
                       int64_t lifetime_ms, char ret[WEB_SECRET], struct errinfo *ei);
/* The session of a secret, neither expired nor idle for longer than idle_ms: its account, hash and
 * end. used: somebody does something with it; false: it is only looked at. E_NOTFOUND. */
int web_session_find(struct accounts *a, struct sv secret, int64_t idle_ms, bool used,
                     int64_t *ret_account, char ret_hash[WEB_SECRET], int64_t *ret_expires_ms,
                     struct errinfo *ei);
struct web_session {
    char hash[WEB_SECRET];
    char peer[68], agent[204];
    int64_t created_ms, seen_ms, expires_ms;
};
/* The sessions of an account that are neither expired nor idle for longer than idle_ms, the newest
 * first; stops when fn returns false. */
int web_session_each(struct accounts *a, int64_t account_id, int64_t idle_ms,
                     bool (*fn)(const struct web_session *s, void *arg), void *arg,
                     struct errinfo *ei);
int web_session_end(struct accounts *a, const char *hash, struct errinfo *ei);
/* Ends all sessions of an account, and withdraws its tokens; tells how many. Audited. */
int account_sign_out(struct accounts *a, const char *admin, struct sv address, bool with_tokens,
                     int64_t *ret_sessions, int64_t *ret_tokens, struct errinfo *ei);
/* Withdraws all tokens of an account; tells how many. Audited. */
int account_withdraw_tokens(struct accounts *a, const char *admin, struct sv address,
                            int64_t *ret_tokens, struct errinfo *ei);
/* Is the session, not idle for longer than idle_ms, or token of this hash still there? */
int web_proof_exists(struct accounts *a, const char *hash, int64_t idle_ms, struct errinfo *ei);

struct api_token {
    int64_t id, account_id;
    char address[256]; /* of the account */
    char name[104];
    char scopes[800];
    int64_t created_ms, expires_ms, used_ms; /* 0 = never */
};
/* A token of an account; the secret ("pht_" and hex) in ret. scopes: words with spaces, taken as
 * they are. expires_ms 0 = never. Audited as a change of the account. */
int api_token_create(struct accounts *a, const char *admin, struct sv address, const char *name,
                     const char *scopes, int64_t expires_ms, int64_t *ret_id,
                     char ret[WEB_SECRET + 4], struct errinfo *ei);
int api_token_delete(struct accounts *a, const char *admin, int64_t id, struct errinfo *ei);
/* Tokens in order of their ids. */
int api_token_each(struct accounts *a, bool (*fn)(const struct api_token *t, void *arg), void *arg,
                   struct errinfo *ei);
/* The token of a secret that has not expired. E_NOTFOUND. */
int api_token_find(struct accounts *a, struct sv secret, struct api_token *ret,
                   char ret_hash[WEB_SECRET], struct errinfo *ei);
