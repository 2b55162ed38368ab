/* Domains whose mail has come by TLS with a certificate that an authority vouches for (setting
 * deliver.secure_adapt): what is sent to them must go the same way. Table secure_adapted. Any
 * thread. */
#pragma once

#include "mail/account/account.h"

enum { SECURE_ADAPTED_MAX = 100000 }; /* rows */

struct secure_adapted {  /* texts are UTF-8 */
    const char *domain;  /* A-labels in lower case */
    const char *name;    /* the domain itself, or its MX host, that the certificate names */
    const char *subject; /* of the certificate; "" = none */
    const char *issuer;
    const char *ip;            /* the client's at the last message */
    int64_t since_ms, seen_ms; /* the first, the last message; wall clock */
};

/* Adds the domain, or makes it what the row says but for since_ms, which stays. 1 = it is new.
 * E_LIMIT: SECURE_ADAPTED_MAX others are there. E_TEMP. */
int secure_adapted_put(struct accounts *a, const struct secure_adapted *row, struct errinfo *ei);
/* 1 = the domain is there and was seen at since_ms or later; 0 = not. E_TEMP. */
int secure_adapted_find(struct accounts *a, const char *domain, int64_t since_ms,
                        struct errinfo *ei);
/* Does it count now, when deliver.secure_adapt is so many ms (0 = off)? */
bool secure_adapted_holds(const struct secure_adapted *row, int64_t adapt_ms);
/* In alphabetic order, behind `after` ("" = from the start), those whose domain or name contains
 * the text ("" = all); stops when fn returns false. What is given lives during the call. */
int secure_adapted_each(struct accounts *a, struct sv after, struct sv text,
                        bool (*fn)(const struct secure_adapted *, void *arg), void *arg,
                        struct errinfo *ei);
/* Forgets a domain, also one in U-labels; audited. E_NOTFOUND, E_PARSE. */
int secure_adapted_forget(struct accounts *a, const char *admin, struct sv domain,
                          struct errinfo *ei);
/* Forgets those that were not seen since then. Not audited: the setting says so. */
int secure_adapted_prune(struct accounts *a, int64_t before_ms, struct errinfo *ei);
