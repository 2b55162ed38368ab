/* Canonical form of addresses and login names: the key of every lookup. Pure.
 * ASCII lower case; domains as A-labels (IDNA 2008 through libidn2), without a final dot; quoted
 * local parts unquoted when they need no quotes, else with the fewest escapes (RFC 5321 4.1.2, RFC
 * 6531). */
#pragma once

#include "base/err.h"
#include "base/sv.h"

#define ADDR_LOCAL_MAX  128
#define ADDR_DOMAIN_MAX 253
#define ADDR_MAX        (ADDR_LOCAL_MAX + 1 + ADDR_DOMAIN_MAX)

struct addr {
    char text[ADDR_MAX + 1]; /* "local@domain", or the local part alone; NUL-terminated */
    size_t n;
    size_t at; /* offset of the @; n when there is no domain */
};

static inline struct sv addr_sv(const struct addr *a)
{
    return (struct sv){ a->text, a->n };
}
static inline struct sv addr_local(const struct addr *a)
{
    return (struct sv){ a->text, a->at };
}
static inline struct sv addr_domain(const struct addr *a)
{
    return a->at < a->n ? (struct sv){ a->text + a->at + 1, a->n - a->at - 1 } : SV_NULL;
}

/* "local@domain"; without @ the result has no domain. E_PARSE, E_RANGE (too long). */
int addr_parse(struct sv in, struct addr *ret, struct errinfo *ei);
/* A domain alone; ret needs ADDR_DOMAIN_MAX + 1 bytes. Address literals "[...]" pass in lower case.
 */
int addr_parse_domain(struct sv in, char *ret, size_t *ret_n, struct errinfo *ei);
/* Puts a domain (canonical) behind a parsed local part. E_RANGE. */
int addr_set_domain(struct addr *a, struct sv domain);

/* Stricter rules for names that are about to be created: host name labels, dot-atom or quoted
 * local part of at most 64 bytes. */
int addr_check_new_domain(struct sv domain, struct errinfo *ei);
int addr_check_new(const struct addr *a, struct errinfo *ei);
