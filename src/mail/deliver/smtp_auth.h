/* AUTH as a client (RFC 4954), with the login of a route. */
#pragma once

#include "mail/deliver/smtp_client.h"

/* Logs in by s->rule. 0, E_AUTH (*why filled: temporary; the route has trouble now), or another
 * error of the connection. */
int smtp_auth(struct smtp_client *s, struct failure *why);
