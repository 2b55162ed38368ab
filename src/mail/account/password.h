/* Password schemes: making Argon2id hashes, importing hashes as Dovecot writes them, verifying any
 * of them. Pure but for gates: verification of a slow scheme must run between hash_enter and
 * hash_leave. */
#pragma once

#include "mail/account/account.h"

#define PASSWORD_MAX 1024 /* bytes; longer ones are never right */

/* What the password columns get; all but plain are never NULL. */
struct password_new {
    char *scheme, *hash;
    char *scram_sha1, *scram_sha256; /* "" = none */
    char *plain;                     /* NULL unless auth.keep_plain */
};
void password_new_done(struct password_new *p); /* wipes */

/* text: plain, or {SCHEME}hash. Slow (Argon2id and two key derivations) for plain text.
 * E_PARSE, E_RANGE, E_UNSUPPORTED: the text names the fault and the remedy. */
int password_prepare(struct accounts *a, const char *text, struct password_new *ret,
                     struct errinfo *ei);
/* 1 = right, 0 = wrong, E_CORRUPT, E_UNSUPPORTED. "" as scheme: nothing is right. */
int password_verify(const char *scheme, const char *hash, struct sv password);
/* Does verifying cost microseconds? */
bool password_is_fast(const char *scheme);
/* SASLprep (RFC 4013) where it applies, else the text as it is. Appended to out. */
void password_prep(struct sv password, struct buf *out);

/* password_schemes.c: checks the form of an imported hash. */
struct password_scheme {
    const char *name;
    bool fast;
    int (*check)(const struct password_scheme *s, const char *hash, struct errinfo *ei);
    int (*verify)(const struct password_scheme *s, const char *hash, struct sv password);
    const char *digest; /* of the digest schemes */
    bool salted;
};
/* Name without braces, any case; NULL when unknown. */
const struct password_scheme *password_scheme_find(struct sv name);
void password_scheme_names(struct buf *out); /* "{ARGON2ID} {ARGON2I} ..." */

/* At most auth.hash_parallel slow hashes at a time in this process. */
void hash_enter(struct accounts *a);
void hash_leave(struct accounts *a);
