/* DNS lookups through libunbound, as a forwarder to the configured servers only (setting
 * dns.servers, else /etc/resolv.conf; with neither, every lookup fails with E_TEMP: the root
 * servers are never asked). Blocking, with a deadline; any thread that may block (POOL_SLOW,
 * delivery threads). */
#pragma once

#include "base/err.h"

enum dns_type {
    DNS_A = 1,
    DNS_NS = 2,
    DNS_CNAME = 5,
    DNS_PTR = 12,
    DNS_MX = 15,
    DNS_TXT = 16,
    DNS_AAAA = 28
};

struct dns_rr {
    uint16_t prio; /* MX */
    char *text;    /* name without the trailing dot, address as text, or TXT joined */
};
struct dns_answer {
    bool secure; /* DNSSEC-validated */
    int64_t took_ms;
    size_t n;
    struct dns_rr rr[]; /* MX: by prio, equal ones in random order */
};

/* 0 with at least one record; E_NXDOMAIN, E_NODATA, E_TIMEOUT, E_TEMP (SERVFAIL, no server). name
 * may be UTF-8 (converted by IDNA 2008). */
int dns_lookup(const char *name, enum dns_type type, struct dns_answer **ret, struct errinfo *ei);
int dns_lookup_ptr(const char *ip, struct dns_answer **ret, struct errinfo *ei);
void dns_answer_free(struct dns_answer *a);
DEFINE_CLEANUP(struct dns_answer, dns_answer_free)
int dns_configure(struct errinfo *ei); /* from the current settings; at start and on reload */
/* Tests: answers come from fn (same results as dns_lookup) instead of the network; NULL ends it. */
void dns_test_hook(int (*fn)(const char *name, enum dns_type, struct dns_answer **));
struct dns_answer *dns_answer_make(size_t n, const char *const *texts, const uint16_t *prios);
