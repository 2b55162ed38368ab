/* Keyed 64-bit hash (SipHash-1-3, key drawn once per process: peers cannot aim at collisions) and a
 * string map on top of it. The map is not thread-safe. */
#pragma once

#include "base/sv.h"

uint64_t hash_bytes(const void *p, size_t n);
uint64_t hash_isv(struct sv s);                             /* ASCII case folded */
uint64_t hash_isv_with(const uint64_t key[2], struct sv s); /* the same under a key of one's own */
uint32_t crc32c(uint32_t crc, const void *p, size_t n);     /* Castagnoli; start with 0 */
uint64_t fnv1a64(const void *p, size_t n); /* unkeyed, stable across processes and versions */

struct map;                /* string -> pointer */
struct map *map_new(void); /* copies its keys */
/* Does not copy its keys: each must last until its entry is gone. */
struct map *map_new_over(void);
void map_free(struct map *m, void (*free_value)(void *)); /* free_value may be NULL */
void *map_get(const struct map *m, struct sv key);
void *map_put(struct map *m, struct sv key, void *value); /* returns the old value or NULL */
void *map_del(struct map *m, struct sv key);              /* returns the value or NULL */
size_t map_count(const struct map *m);
/* Calls fn for each entry; fn must not change the map. Stops when fn returns false. */
void map_each(const struct map *m, bool (*fn)(struct sv key, void *value, void *arg), void *arg);
