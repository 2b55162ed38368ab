/* Where mail for a domain goes: relay host, address literal, MX records, or the domain's own
 * address (RFC 5321 5.1, null MX RFC 7505). Blocking (DNS); delivery threads. */
#pragma once

#include "conf/conf.h"
#include "conf/routes.h"
#include "log/log.h"

enum { ROUTE_MAX_HOSTS = 5, ROUTE_MAX_ADDRESSES = 4 };

/* Why recipients could not be served; words of the feature table's smtp.err.c rows. */
struct failure {
    bool permanent;
    char answer[512]; /* "451 4.4.1 ..." or "554 ..." */
    char mta[256];    /* the host that said so; "" = we did */
};
void failure_set(struct failure *f, bool permanent, const char *fmt, ...) _printf_(3, 4);

struct route {
    size_t n;
    char host[ROUTE_MAX_HOSTS][256]; /* in the order to try; may be an address */
    uint16_t port;
    bool secure; /* DNSSEC-validated, or named by a setting */
};

struct route_addresses {
    size_t n;
    char ip[ROUTE_MAX_ADDRESSES][46];
    bool secure;         /* all by DNSSEC-validated answers */
    char canonical[256]; /* where an alias leads; "" = the host is none */
};

/* Key of the destination: everything with the same key may share a connection. */
void route_key(const struct conf *cf, struct sv address, char ret[300]);
/* Domain part of an address; "" without one. */
struct sv route_domain(struct sv address);
/* The route that holds for mail to the domain; NULL: none. */
const struct conf_route *route_rule(const struct conf *cf, struct sv domain);
/* host[:port] that takes it; "" = by MX. rule may be NULL. */
const char *route_relay(const struct conf *cf, const struct conf_route *rule);
enum route_family route_family(const struct conf *cf, const struct conf_route *rule);
/* 0, or negative with *why filled. Logs the query. */
int route_find(const struct conf *cf, const struct conf_route *rule, struct sv domain,
               const char *our_name, const struct logctx *log, struct route *ret,
               struct failure *why);
/* Addresses of one host, in the order to try. 0 = none (why filled), else the number. */
size_t route_addresses(const char *host, enum route_family family, struct route_addresses *ret,
                       struct failure *why);
