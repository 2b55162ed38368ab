/* The queue's answers to the administrator: queue.list, queue.retry, queue.delete, queue.view. */
#pragma once

#include <jansson.h>

#include "mail/queue/queue.h"

json_t *queue_request(struct queue *q, const char *op, json_t *args); /* NULL = unknown op */
