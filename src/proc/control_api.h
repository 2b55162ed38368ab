/* Requests for the API that come by the administrator's local socket. */
#pragma once

#include <jansson.h>

#include "server/api/api.h"

/* request: {"method", "path" (behind /api/v1, with its query), "body", "if_match",
 * "idempotency_key"}, the last three optional. The answer as one line of JSON without its end:
 * {"status", "type", "etag", "request_id", "body"}; a body that is no JSON is "base64" instead.
 * who: the local user, who may do everything. free() it. Any thread. */
char *control_api(struct api *api, const char *who, json_t *request);
