/* Messages and events as the API shows them, to those who see all and to others. */
#pragma once

#include <jansson.h>

#include "admin/trace.h"
#include "server/api/caller.h"
#include "server/api/route.h"
#include "server/api/schema.h"

/* For struct trace_query and trace_make; NULL for who sees all. ret lives as long as who. */
const struct trace_scope *api_trace_scope(const struct api_caller *who, struct trace_scope *ret);

/* New references. */
json_t *api_message_json(const struct api_caller *who, const struct trace *t);
/* Addresses of others and sessions that are not the caller's are left out. NULL: the caller does
 * not see it. */
json_t *api_message_event_json(const struct api_caller *who, const struct trace *t,
                               const struct event_view *e);
/* The same of an event that is of no message: seen by who sees the account, or the name under which
 * somebody tried to log in. */
json_t *api_account_event_json(const struct api_caller *who, const struct event_view *e);
/* Adds explanation (the row's id), cause, remedy and setting of a reply; null where nothing is
 * known. */
void api_add_explanation(json_t *o, struct sv reply, struct sv host);

/* Answer GET /messages and /messages/{id} as c->caller sees them. */
void api_messages_list(struct api_call *c);
void api_messages_show(struct api_call *c);
extern const struct api_field api_message_params[]; /* of the list */
extern const struct api_schema api_message_schema, api_message_detail_schema, api_event_schema;
