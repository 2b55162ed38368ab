/* Whose rules of content filters a caller may see and change. */
#pragma once

#include "mail/account/address.h"
#include "server/api/route.h"

#define API_FILTER_SERVER "server" /* names the server as an owner */

/* Does the caller see the rules of this owner ("" = the server, a domain, an account)? */
bool api_sees_filters(const struct api_caller *who, const char *owner);
/* An owner by its name ("server", a domain, an address) as operations name it ("" = the server).
 * False: the caller may not see it, or change its rules; answered. */
bool api_filter_owner(struct api_call *c, const char *name, bool to_change, char ret[ADDR_MAX + 1]);
