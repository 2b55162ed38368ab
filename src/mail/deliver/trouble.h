/* Relays that have refused our login. Until a while is over, or the route is changed, they are not
 * asked again: each further attempt might have the account locked there. In memory; any thread. */
#pragma once

#include "conf/routes.h"
#include "mail/deliver/deliver_priv.h"
#include "mail/deliver/route.h"

void trouble_set(struct deliver *d, const struct conf_route *rule, const char *answer);
void trouble_clear(struct deliver *d, const struct conf_route *rule);
/* True, and why: not to be asked now. */
bool trouble_holds(struct deliver *d, const struct conf_route *rule, struct failure *why);
void trouble_done(struct deliver *d);
