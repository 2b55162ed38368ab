/* Pages of what is read from the events: their cursor is a place in the store. */
#pragma once

#include "event/reader.h"
#include "server/api/route.h"

/* Of a parameter of type API_TIME; 0 = absent. */
int64_t api_query_time_us(const struct api_call *c, const char *name);
/* cursor of the request; not set = from the start, and what the modules still have in memory is
 * written first. False: answered. */
bool api_event_cursor(struct api_call *c, struct event_cursor *ret);
/* Answers. r: of the query; items: taken; next: NULL = there are no more. */
void api_event_page(struct api_call *c, int r, const struct errinfo *ei, json_t *items,
                    const struct event_cursor *next);
