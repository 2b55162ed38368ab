/* Bounded cache of counted, immutable objects under string keys. Sixteen shards with a mutex each;
 * clock eviction; an entry counts only while its stamp equals the caller's, so that a whole
 * generation is dropped by changing the stamp. Any thread. */
#pragma once

#include <stdatomic.h>

#include "base/sv.h"

struct obj { /* embed as the first member */
    atomic_uint refs;
    void (*destroy)(struct obj *o);
};
static inline void obj_init(struct obj *o, void (*destroy)(struct obj *))
{
    atomic_init(&o->refs, 1);
    o->destroy = destroy;
}
static inline void obj_ref(struct obj *o)
{
    atomic_fetch_add_explicit(&o->refs, 1, memory_order_relaxed);
}
static inline void obj_unref(struct obj *o)
{
    if (o && atomic_fetch_sub_explicit(&o->refs, 1, memory_order_acq_rel) == 1)
        o->destroy(o);
}

struct cache;

/* At most max entries; memory grows with use. */
struct cache *cache_new(size_t max);
void cache_free(struct cache *c);
/* 1 = hit: *ret is counted for the caller (NULL when NULL was stored); 0 = no entry of this stamp.
 * kind keeps keys of different meaning apart. */
int cache_get(struct cache *c, char kind, struct sv key, uint64_t stamp, struct obj **ret);
/* Takes a reference of its own on o. */
void cache_put(struct cache *c, char kind, struct sv key, uint64_t stamp, struct obj *o);
void cache_drop(struct cache *c, char kind, struct sv key);
size_t cache_count(struct cache *c); /* entries held, stale ones included */
