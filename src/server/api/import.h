/* Accounts from CSV: POST /accounts/import. */
#pragma once

#include "server/api/route.h"

extern const struct api_schema api_import_schema, api_import_preview_schema;
void api_import(struct api_call *c);
/* Next field of CSV text (RFC 4180): decoded into out. 1 = a field follows in the same row, 0 = the
 * row ended (or the text), E_PARSE = a quoted field does not end, E_RANGE = longer than out's
 * maximum. Pure. */
int api_csv_field(struct sv *rest, char sep, struct buf *out);
/* May the caller set these fields of an account of this domain? False: *ret_field says which not.
 */
bool api_may_set(const struct api_caller *who, json_t *spec, const char *domain,
                 const char **ret_field);
/* Fields as arguments of account.create and account.update; new reference. */
json_t *api_account_args(json_t *fields, const char *address);
