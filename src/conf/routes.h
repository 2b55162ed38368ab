/* Routes of outgoing mail: where mail for some domains goes, other than the settings of room
 * deliver say. A list in order; the first whose pattern fits the recipient's domain holds. They are
 * rows of a table of the system database and part of the snapshot, like settings: immutable, and in
 * force in every module when a change of them returns. */
#pragma once

#include "base/err.h"
#include "base/sv.h"

enum { ROUTES_MAX = 1000 };

enum route_tls {
    ROUTE_TLS_DEFAULT, /* deliver.starttls; with a login: as REQUIRE */
    ROUTE_TLS_NEVER,
    ROUTE_TLS_MAY,
    ROUTE_TLS_REQUIRE, /* any certificate */
    ROUTE_TLS_VERIFY,  /* an authority or TLSA records vouch for the host's name */
    ROUTE_TLS_DANE,    /* TLSA records that can be used, and the certificate fits them */
};
extern const char *const route_tls_names[]; /* ended by NULL, as those below */

enum route_family {
    ROUTE_FAMILY_DEFAULT, /* deliver.address_family */
    ROUTE_IPV4_FIRST,
    ROUTE_IPV6_FIRST,
    ROUTE_IPV4_ONLY,
    ROUTE_IPV6_ONLY,
};
extern const char *const route_family_names[];

struct conf_route {
    char *pattern;         /* "example.org", "*.example.org", "*": lower case, A-labels */
    char *host;            /* "relay", "relay:587", "[::1]:25"; "" = by MX */
    char *user, *password; /* "" = no login */
    char *source_ip;       /* "" = deliver.source_ip */
    enum route_tls tls;
    enum route_family family;
    int64_t changed_ms; /* wall clock */
};
struct conf_routes {
    size_t n;
    struct conf_route *v;
};

/* Domains that mail is accepted for and passed on to their own server (acc.backupdomain), sorted by
 * name. host: before all routes; "" = by routes and MX like other mail. */
struct conf_backup {
    char *name;   /* lower case, A-labels */
    bool fetched; /* by ATRN: without a host it waits for that */
    struct conf_route route;
};
struct conf_backups {
    size_t n;
    struct conf_backup *v;
};

struct conf;
/* Makes the list part of a snapshot that is not published yet; takes it. */
void conf_set_routes(struct conf *c, struct conf_routes *routes);
void conf_routes_free(struct conf_routes *r); /* may be NULL */
/* The same for backup domains. host: as conf_parse_relay takes it. */
void conf_set_backups(struct conf *c, struct conf_backups *backups);
void conf_backups_add(struct conf_backups *l, struct sv name, struct sv host, bool fetched);
void conf_backups_free(struct conf_backups *l); /* may be NULL */
/* domain: with A-labels, any case. NULL: it is none. */
const struct conf_backup *conf_backup_find(const struct conf *c, struct sv domain);
/* That of a backup domain's host, or the first that fits; NULL: none. domain: with A-labels. Lives
 * as long as the snapshot. */
const struct conf_route *conf_route_find(const struct conf *c, struct sv domain);

/* "name", "*.suffix" (what is below it), "*" (all). Any case. */
bool conf_pattern_fits(struct sv pattern, struct sv name);
/* "host", "host:port", "address", "[IPv6]:port" into its parts, host without brackets; *port stays
 * when there is none. False: it is not of that form. */
bool conf_parse_relay(struct sv text, struct sv *ret_host, uint16_t *port);
/* AF_INET, AF_INET6, or 0: it is no address. */
int conf_address_family(struct sv text);
/* Index of text in names, or -1. */
int conf_choice(const char *const *names, struct sv text);
