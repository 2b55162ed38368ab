/* Shared by the routes of domains, accounts and aliases. */
#pragma once

#include "server/api/route.h"

extern const struct api_schema api_effect_schema, api_change_schema;
/* Answers a dry run with reply's "effect". False: it is none. */
bool api_answer_dry_run(struct api_call *c, json_t *reply);
json_t *api_split_list(const char *text); /* "a;b" to an array of texts; new reference */
char *api_join_list(json_t *texts);       /* the other way round; free() it */
/* The account of the path's {account}, which the caller sees, or may change. NULL: answered.
 * Counted.
 */
const struct account *api_account_of(struct api_call *c, bool to_change);
