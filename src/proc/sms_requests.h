/* SMS by hand: sms.test {"to", "text", "from", "send"}, sms.send {"to", "text", "from"}. */
#pragma once

#include <jansson.h>

#include "mail/queue/queue.h"

/* NULL = unknown op. Any thread; sms.test with send=yes waits for the provider. */
json_t *sms_operation(struct queue *q, const atomic_bool *cancel, const char *op, json_t *args);
