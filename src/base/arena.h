/* Memory with one lifetime: allocate many, free all at once. The cap bounds what a peer can make us
 * hold; beyond it arena_alloc returns NULL and `overflow` stays set until arena_reset. */
#pragma once

#include "base/sv.h"

struct arena_block;
struct arena {
    struct arena_block *head;
    size_t used, cap;
    bool overflow;
};

void arena_init(struct arena *a, size_t cap); /* allocates nothing yet */
void arena_reset(struct arena *a);            /* frees all; ready for use again */
void arena_done(struct arena *a);
void *arena_alloc(struct arena *a, size_t n); /* zeroed, 16-byte aligned; NULL over the cap */
char *arena_strndup(struct arena *a, const char *s,
                    size_t n);                    /* NUL-terminated; NULL over the cap */
struct sv arena_sv(struct arena *a, struct sv s); /* copy; p == NULL over the cap */
