/* Secure destinations (setting deliver.secure_destinations): servers that must encrypt and have a
 * certificate that fits, or mail for them is returned, and nothing is collected there. Pure. */
#pragma once

#include "base/sv.h"
#include "net/client.h"

struct secure_destination {
    struct sv pattern;                 /* of the host or the domain: a name, *.suffix, * */
    struct sv subject, issuer, sha256; /* that the certificate must have; empty = any */
};

/* "pattern|sha256=...|subject=...|issuer=..." */
bool secure_parse(struct sv item, struct secure_destination *ret);
/* The first item of the list whose pattern fits the host or the domain that the mail is for; domain
 * may be empty. */
bool secure_find(struct sv list, struct sv host, struct sv domain, struct secure_destination *ret);
/* NULL: the certificate fits; else why not. With nothing else asked, an authority must vouch for
 * it. */
const char *secure_check(const struct secure_destination *d, const struct client_tls_result *found);
