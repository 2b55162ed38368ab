/* Inside of /search. */
#pragma once

#include "server/api/route.h"

struct search {
    struct api_call *c;
    const char *q;
    size_t limit, n; /* of the type that is looked for now */
    json_t *items;
};
/* False: the type has enough. What is there already is not added again. */
bool search_hit(struct search *s, const char *type, const char *id, const char *title,
                const char *detail);

/* --- search_events.c --- */
void search_past_messages(struct search *s); /* by id, key, address, IP */
void search_past_sessions(struct search *s); /* by their last digits */
