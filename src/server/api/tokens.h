/* What a token that is made by the API may have: never more than who makes it. */
#pragma once

#include "server/api/route.h"

json_t *api_token_words(const char *text); /* "a b" to an array of texts; new reference */
/* The wanted scopes as words, or, without any, the caller's. NULL: answered. free() it. */
char *api_token_scopes(struct api_call *c, json_t *want);
/* A token that is made with a token ends with that one at the latest. args: of token.create. */
void api_token_limit(struct api_call *c, json_t *args);
