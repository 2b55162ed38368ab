/* Tables remote_account and remote_seen: accounts elsewhere whose mail an account collects
 * (acc.remote), and which messages were taken. Changes of the first are audited. Passwords are kept
 * as they are, as they have to be told to the other server; nothing that reads for people shows
 * them. Any thread. */
#pragma once

#include "mail/account/account.h"

enum {
    REMOTES_MAX = 50,         /* of one account */
    REMOTE_LOGIN_MAX = 255,   /* bytes of user and password */
    REMOTE_FOREVER = -1,      /* leave_days */
    REMOTE_SEEN_ID = 64,      /* hex */
    REMOTE_DOMAINS_MAX = 250, /* bytes of domains */
};
/* ATRN: On-Demand Mail Relay (RFC 2645). The mail is not the account's but that of domains. */
enum remote_protocol { REMOTE_POP3, REMOTE_IMAP, REMOTE_ATRN };
extern const char
    *const remote_protocol_names[]; /* "pop3", "imap", "atrn"; ended by NULL, as those below */
enum remote_tls { REMOTE_TLS, REMOTE_STARTTLS, REMOTE_CLEAR };
extern const char *const remote_tls_names[]; /* "tls", "starttls", "never" */

struct remote_account {
    int64_t id, account_id;
    char *address; /* of the account that gets the mail */
    enum remote_protocol protocol;
    char *host;
    uint16_t port;
    enum remote_tls tls;
    bool verify; /* of the certificate */
    char *user, *password;
    char *domains;      /* ATRN: what is fetched, with ; between them; "" = all. Canonical */
    int64_t leave_days; /* how long what was collected stays there; REMOTE_FOREVER */
    int64_t interval_s; /* 0 = deliver.collect_interval */
    bool enabled;
    int64_t next_ms;    /* wall clock, as the two below; 0 = at once */
    int64_t last_ms;    /* end of the last attempt; 0 = none yet */
    char *last_result;  /* "ok", else what failed; "" = none yet */
    int64_t last_count; /* messages of the last attempt */
    int64_t failures;   /* in a row */
};
void remote_account_done(struct remote_account *r);

struct remote_spec { /* NULL = unchanged on update, default on create */
    const char *protocol, *host, *port, *tls, *verify, *user, *password, *leave, *interval,
        *enabled, *domains;
};
/* E_PARSE, E_RANGE, E_LIMIT, E_NOTFOUND. */
int remote_create(struct accounts *a, const char *admin, struct sv address,
                  const struct remote_spec *s, int64_t *ret_id, struct errinfo *ei);
int remote_update(struct accounts *a, const char *admin, struct sv address, int64_t id,
                  const struct remote_spec *s, struct errinfo *ei);
int remote_delete(struct accounts *a, const char *admin, struct sv address, int64_t id,
                  struct errinfo *ei);
/* Makes it due at once. */
int remote_due_now(struct accounts *a, struct sv address, int64_t id, struct errinfo *ei);
/* address: SV_NULL = all. In the order of ids. */
int remote_each(struct accounts *a, struct sv address,
                bool (*fn)(const struct remote_account *, void *arg), void *arg,
                struct errinfo *ei);

/* --- collecting --- */

/* Takes the one that has been due longest, is enabled as its account is, and is none of busy;
 * nobody else takes it before until_ms. 1 = *ret filled, 0 = none is due. */
int remote_claim(struct accounts *a, int64_t now_ms, int64_t until_ms, const int64_t *busy,
                 size_t n_busy, struct remote_account *ret, struct errinfo *ei);
/* The end of what was claimed until then; a wish for an attempt at once that came meanwhile stays.
 */
struct remote_result {
    const char *text; /* "ok", or what failed */
    int64_t count, failures, next_ms;
};
int remote_finish(struct accounts *a, int64_t id, int64_t until_ms, const struct remote_result *res,
                  struct errinfo *ei);
/* Which message: hex of a digest. */
void remote_seen_id(int64_t remote_id, struct sv uid, char ret[REMOTE_SEEN_ID + 1]);
/* since_ms: when it was taken; gone: the server did not list it the last time. */
int remote_seen_each(struct accounts *a, int64_t remote_id,
                     void (*fn)(struct sv id, int64_t since_ms, bool gone, void *arg), void *arg,
                     struct errinfo *ei);
int remote_seen_add(struct accounts *a, int64_t remote_id, const char *id, int64_t now_ms,
                    struct errinfo *ei);
/* What the server has (true) or has no more. What is gone for long is forgotten. */
int remote_seen_listed(struct accounts *a, int64_t remote_id, const char *id, bool there,
                       int64_t now_ms, struct errinfo *ei);
int remote_seen_prune(struct accounts *a, int64_t remote_id, int64_t now_ms, struct errinfo *ei);
