/* Table mail_route: the routes of outgoing mail (conf/routes.h) in their order. Changes are
 * audited, bump EPOCH_SETTINGS and reach a process with its next snapshot. Passwords of relays are
 * kept as they are, as they have to be told to the relay; nothing that reads for people shows them.
 * Any thread. */
#pragma once

#include "conf/routes.h"
#include "mail/account/account.h"

enum { ROUTE_LOGIN_MAX = 255 }; /* bytes of user and password */

struct route_spec { /* NULL = unchanged on update, default on create */
    const char *host, *user, *password, *tls, *family, *source_ip;
    const char *position; /* 1 = the first; default: behind the others */
};
/* All, in order; an empty list when there are none. Free with conf_routes_free. */
int routes_read(struct db *db, struct conf_routes **ret, struct errinfo *ei);
/* The same with the caller's connection. */
int routes_read_from(struct dbc *c, struct conf_routes **ret, struct errinfo *ei);
/* E_EXISTS, E_LIMIT (ROUTES_MAX), E_PARSE, E_RANGE, E_CONFLICT (fields that do not go together). */
int route_create(struct accounts *a, const char *admin, struct sv pattern,
                 const struct route_spec *s, struct errinfo *ei);
int route_update(struct accounts *a, const char *admin, struct sv pattern,
                 const struct route_spec *s, struct errinfo *ei); /* and E_NOTFOUND */
int route_delete(struct accounts *a, const char *admin, struct sv pattern, struct errinfo *ei);
/* A pattern in canonical form: lower case, A-labels. E_PARSE. ret: 256 bytes. */
int route_pattern(struct sv text, char ret[256], struct errinfo *ei);
