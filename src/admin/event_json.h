/* Events, messages and sessions as JSON: the same for the operations of this room and for the API.
 * Times are UTC, RFC 3339 with microseconds; keys are 16 hex digits. New references. */
#pragma once

#include <jansson.h>

#include "admin/trace.h"

/* {"time", "name", "severity", "module", "service", "session", "message", "sentence", "fields"}. */
json_t *event_json(const struct event_view *e);
json_t *event_key_json(uint64_t key); /* null for 0 */
json_t *event_time_json(int64_t time_us);
json_t *event_text_json(struct sv s); /* escaped when it is not UTF-8 */
/* {"time", "type": "in" | "out" | "note", "text"} */
json_t *event_line_json(const struct transcript_line *l);
/* What a reply means: {"id", "cause", "remedy", "setting"}; JSON null when no row knows it. */
/* host: that gave the reply, empty = this server. */
json_t *event_explanation_json(struct sv reply, struct sv host);

/* {"id", "message", "sender", "state", "verdict", "recipients": [{"address", "state", "reply",
 * "host", "explanation"}], "next_try", "decisive": event, "explanation", "time"}. */
json_t *event_verdict_json(const struct trace *t);
