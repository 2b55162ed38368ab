/* What everybody does for his own account. */
#pragma once

#include "mail/account/auth.h"
#include "server/api/route.h"

/* The caller has an account. False: answered. */
bool api_has_account(struct api_call *c);
/* He has signed in with its password, in the console: a token or a program does not stand for him
 * here. False: answered. */
bool api_is_himself(struct api_call *c);
/* For a login with the account's own password, over this request. */
struct auth_peer api_auth_peer(const struct api_call *c);
