/* TLS reports (RFC 8460): the record by which a domain asks for them. Pure. */
#pragma once

#include "base/sv.h"

enum { TLSRPT_MAX_TARGETS = 8, TLSRPT_TARGET_TEXT = 512 };

struct tlsrpt_target {
    bool https;
    char address[TLSRPT_TARGET_TEXT]; /* of mail: user@domain */
    char host[256];                   /* of https; lower case */
    uint16_t port;
    char path[TLSRPT_TARGET_TEXT]; /* begins with '/' */
};

struct tlsrpt_record {
    size_t n; /* targets that can be used, in the record's order; more than these are left out */
    struct tlsrpt_target target[TLSRPT_MAX_TARGETS];
};

/* The TXT record of _smtp._tls.DOMAIN (3). False: it is not one. A target of another scheme, or
 * that cannot be read, is left out. */
bool tlsrpt_parse(struct sv txt, struct tlsrpt_record *ret);
