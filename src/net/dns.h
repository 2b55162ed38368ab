/* DNS lookups through libunbound, as a forwarder to the configured servers only (setting
 * dns.servers, else /etc/resolv.conf; with neither, every lookup fails with E_TEMP: the root
 * servers are never asked). Servers are asked in their order, each for dns.timeout at most; one
 * that has been silent comes last for a while. Blocking; any thread that may block (POOL_SLOW,
 * delivery threads). */
#pragma once

#include "base/err.h"

enum dns_type {
    DNS_A = 1,
    DNS_NS = 2,
    DNS_CNAME = 5,
    DNS_SOA = 6,
    DNS_PTR = 12,
    DNS_MX = 15,
    DNS_TXT = 16,
    DNS_AAAA = 28,
    DNS_SRV = 33,
    DNS_NAPTR = 35,
    DNS_TLSA = 52
};

enum { DNS_MAX_SERVERS = 8, DNS_SERVER_TEXT = 80, DNS_NAME_TEXT = 256 };

struct dns_rr {
    uint16_t prio; /* MX */
    char *text; /* name without the trailing dot, address, TXT joined; else as zone files have it:
                   SRV "prio weight port target", TLSA "3 1 1 hex", ... */
};
struct dns_answer {
    bool secure;    /* DNSSEC-validated */
    uint32_t ttl_s; /* seconds that it may still be used */
    int64_t took_ms;
    size_t n;
    struct dns_rr rr[]; /* MX: by prio, equal ones in random order */
};

/* 0 with at least one record; E_NXDOMAIN, E_NODATA, E_TIMEOUT, E_TEMP (SERVFAIL, bogus, no server).
 * name may be UTF-8 (converted by IDNA 2008). */
int dns_lookup(const char *name, enum dns_type type, struct dns_answer **ret, struct errinfo *ei);
int dns_lookup_ptr(const char *ip, struct dns_answer **ret, struct errinfo *ei);
void dns_answer_free(struct dns_answer *a);
DEFINE_CLEANUP(struct dns_answer, dns_answer_free)

/* --- the same with all that is known about the answer --- */

enum dns_security { DNS_INSECURE, DNS_SECURE, DNS_BOGUS };

struct dns_question {
    const char *name;
    enum dns_type type;
    const char *server; /* NULL: those of the settings */
    int64_t timeout_ms; /* for each server; 0: dns.timeout */
    bool fresh;         /* neither from our cache nor from the resolver's, and not kept */
};
struct dns_reply {
    struct dns_answer *answer;  /* NULL: the name or the type does not exist, or an error */
    enum dns_security security; /* also of "does not exist" */
    bool cached;
    uint32_t ttl_s;
    int64_t took_ms;               /* with all servers that were tried */
    char server[DNS_SERVER_TEXT];  /* that answered; "" = none */
    char canonical[DNS_NAME_TEXT]; /* where the name's aliases lead; "" = it is none */
};
/* Results as dns_lookup; *ret is filled whatever the result, dns_reply_done it. */
int dns_ask(const struct dns_question *q, struct dns_reply *ret, struct errinfo *ei);
void dns_reply_done(struct dns_reply *r);
/* The servers that lookups go to, in order; their number, or an error. */
int dns_servers(char ret[DNS_MAX_SERVERS][DNS_SERVER_TEXT], struct errinfo *ei);

/* IDNA 2008 form of a name that may be UTF-8; false: it has none. */
bool dns_to_ascii(const char *name, char ret[DNS_NAME_TEXT]);

const char *dns_type_name(enum dns_type t);
bool dns_type_parse(const char *word, enum dns_type *ret); /* any case */
const char *dns_security_name(enum dns_security s);        /* "secure", "insecure", "bogus" */

int dns_configure(struct errinfo *ei); /* from the current settings; at start and on reload */
/* Tests: answers come from fn (same results as dns_lookup) instead of the network; NULL ends it.
 * An answer without records beside an error says by `secure` how that was known. */
void dns_test_hook(int (*fn)(const char *name, enum dns_type, struct dns_answer **));
struct dns_answer *dns_answer_make(size_t n, const char *const *texts, const uint16_t *prios);
