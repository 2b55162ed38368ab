/* How much accounts have sent lately: for their limits by hour and day. In memory, so a restart of
 * the module forgets it. Any thread. */
#pragma once

#include <stdint.h>

struct sent;

struct sent *sent_new(void);
void sent_free(struct sent *s);
/* Of the last hour, and of the last 24 hours. s may be NULL: nothing. */
void sent_ask(struct sent *s, int64_t account_id, int64_t *ret_messages, int64_t *ret_rcpts);
void sent_add(struct sent *s, int64_t account_id, unsigned rcpts);
