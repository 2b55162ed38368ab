/* The queue's answers to the administrator: queue.list, queue.page, queue.view, queue.steer,
 * queue.pause, queue.pauses. */
#pragma once

#include <jansson.h>

#include "mail/queue/queue.h"

/* NULL = unknown op. Any thread. cancel: when true, an action on many stops half-way. */
json_t *queue_request(struct queue *q, const atomic_bool *cancel, const char *op, json_t *args);
/* {"filter" (queue_filter.h), "domains",
 * "limit", "sort", "after"} -> {"rows", "total", "next", "states", "oldest_ms"}, with limit 0
 * "destinations" instead of rows, with "ids": true also the ids of all that match (100,000 at most,
 * else "complete" is false). New reference. */
json_t *queue_page(struct queue *q, json_t *args);
