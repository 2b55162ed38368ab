/* From what a request carries to a caller. Any thread; blocks on the database. */
#pragma once

#include "server/api/caller.h"

#define API_AUTH_SERVICE "Control" /* in the authentication log */

/* A session's secret. used: the session is not idle; a page that reads by itself does not use it.
 * E_NOTFOUND (unknown, expired, idle too long), E_PERM, E_TEMP. */
int api_caller_session(struct accounts *a, struct sv secret, bool used, struct api_caller **ret,
                       struct errinfo *ei);
/* A bearer token's secret: the account's rights, cut to the token's scopes. */
int api_caller_token(struct accounts *a, struct sv secret, struct api_caller **ret,
                     struct errinfo *ei);
/* The CSRF token of a session: derived from its secret, so that nobody else can know it. */
void api_csrf_token(struct sv secret, char ret[40]);
