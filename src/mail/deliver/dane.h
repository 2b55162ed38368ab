/* DANE for SMTP (RFC 7672): which TLSA records hold for a host. Only DNSSEC-validated answers
 * count; nothing is asked about a host that was found by insecure ones. Blocking (DNS); delivery
 * threads. */
#pragma once

#include "mail/deliver/route.h"
#include "net/client.h"

enum { DANE_MAX_RECORDS = 16 };

enum dane_state {
    DANE_NONE,    /* no records: as without DANE */
    DANE_RECORDS, /* TLS is mandatory; the records decide, if any is usable */
    DANE_ERROR,   /* they cannot be had: the host must not be used (2.1.2) */
};

struct dane {
    enum dane_state state;
    char base[256]; /* the TLSA base domain: SNI and name of the certificate */
    size_t n;
    struct tlsa tlsa[DANE_MAX_RECORDS];
    char why[200]; /* DANE_ERROR */
};

/* host: addresses found for it. */
void dane_find(const char *host, uint16_t port, const struct route_addresses *found,
               struct dane *ret);
/* "3 1 1 hex..." as net/dns.h gives it. Pure. */
bool dane_parse(struct sv text, struct tlsa *ret);
