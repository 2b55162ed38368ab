/* Whose lists of senders a caller may see and change. */
#pragma once

#include "mail/account/address.h"
#include "server/api/route.h"

#define API_SENDER_SERVER "server" /* names the server as an owner */

/* An owner by its name ("server" or a domain) as operations name it ("" = the server, or the
 * canonical domain). False: the caller may not see its list; answered. */
bool api_sender_owner(struct api_call *c, const char *name, char ret[ADDR_DOMAIN_MAX + 1]);
