/* How often addresses ask, in a minute: for what needs no login. An IPv6 network (/64) counts as
 * one address, and few addresses may count together, so that memory has an end. Any thread. */
#pragma once

#include "base/base.h"

struct rate;
struct rate *rate_new(void);
void rate_free(struct rate *r);
/* False: it is over max in this minute; *ret_wait_s says when the next begins. */
bool rate_take(struct rate *r, const char *address, int64_t max, int *ret_wait_s);
