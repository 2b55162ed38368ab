/* Logins: password check, SASL exchanges, failure counting. May block (password hashes): POOL_SLOW,
 * except that auth_is_fast tells when a check needs no slow hash. */
#pragma once

#include "mail/account/account.h"

enum auth_method { /* log.auth.methods */
                   AUTH_PASS = 0,
                   AUTH_CRAM_MD5 = 2,
                   AUTH_DIGEST_MD5 = 4,
                   AUTH_SCRAM_SHA1 = 8,
                   AUTH_SCRAM_SHA256 = 9,
                   AUTH_SCRAM_SHA1_PLUS = 10,
                   AUTH_SCRAM_SHA256_PLUS = 11,
                   AUTH_TOKEN = 20, /* of the API */
};

struct auth_peer {       /* facts of the session; lives as long as the exchange */
    const char *service; /* "SMTP", "POP3", "IMAP": in the authentication log */
    const char *ip;
    const char *hostname; /* ours, for DIGEST-MD5 and CRAM-MD5 */
    bool tls, trusted;
    bool own_password;   /* app passwords do not count: they are made for mail programs */
    const char *cb_type; /* channel binding; NULL = none */
    struct sv cb_data;
};

/* User name and password (LOGIN command, USER/PASS, APOP is not offered). Counts failures, writes
 * the authentication log. 0 and *ret; E_AUTH (wrong, unknown, disabled: the same for the peer),
 * E_LIMIT (locked), E_TEMP. Constant work for unknown users. */
int auth_password(struct accounts *a, const struct auth_peer *p, struct sv user, struct sv password,
                  const struct account **ret, struct errinfo *ei);
/* True when checking this user's password costs no slow hash (a {PLAIN} or recently verified
 * password, kept as a keyed hash for a few minutes): then it may run on POOL_FAST. */
bool auth_is_fast(struct accounts *a, struct sv user);
/* The sharper question for a caller that has the password: a user with a verified password who is
 * now given another one costs the slow hash after all. */
bool auth_is_fast_with(struct accounts *a, struct sv user, struct sv password);

/* May clear-text mechanisms be used on this session now (auth.no_plain, auth.plain_without_tls)? */
bool auth_plain_allowed(const struct auth_peer *p);
/* "PLAIN LOGIN SCRAM-SHA-256 ...": the mechanisms that settings and session allow; appended to out
 * with each name behind prefix and separated by sep: prefix "AUTH=", sep " " for IMAP; "", " " for
 * SMTP. */
int auth_mechanisms(const struct auth_peer *p, const char *prefix, const char *sep,
                    struct buf *out);

struct sasl; /* one exchange */
/* E_UNSUPPORTED: unknown or not allowed here. */
int sasl_start(struct accounts *a, const struct auth_peer *p, struct sv mechanism,
               struct sasl **ret, struct errinfo *ei);
/* True when sasl_step with this input needs no slow hash (asks auth_is_fast_with for PLAIN and
 * LOGIN; a SCRAM first message may derive keys once per account, about 5 ms). */
bool sasl_is_fast(const struct sasl *s, struct sv in);
bool sasl_client_first(
    const struct sasl *s); /* false: the server speaks first (LOGIN, CRAM, DIGEST) */
/* One step. in: decoded client data (p == NULL: none yet). out gets the data for the peer, not
 * encoded. 1 = go on (send out as a challenge), 0 = done (*ret set; out may hold final data to
 * send), negative = failed: E_AUTH, E_LIMIT, E_PARSE, E_TEMP. */
int sasl_step(struct sasl *s, struct sv in, struct buf *out, const struct account **ret,
              struct errinfo *ei);
void sasl_free(struct sasl *s);
DEFINE_CLEANUP(struct sasl, sasl_free)
