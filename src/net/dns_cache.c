/* A small cache in front of the resolver, limited by number (dns.cache_size): oldest entries go
 * first. */
#include <pthread.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/list.h"
#include "net/dns_priv.h"

#define NEGATIVE_TTL_S 60
#define MAX_TTL_S      86400

struct entry {
    struct list node; /* in order of insertion */
    int64_t expires_ms;
    int result;
    struct dns_reply reply; /* without an answer when result < 0 */
    char key[];
};

static struct {
    pthread_mutex_t lock; /* guards the rest */
    struct map *map;      /* key -> entry */
    struct list order;
} cache = { .lock = PTHREAD_MUTEX_INITIALIZER, .order = { &cache.order, &cache.order } };

static bool make_key(char *ret, size_t cap, const char *name, enum dns_type type)
{
    int n = snprintf(ret, cap, "%d %s", (int)type, name);

    for (int i = 0; i < n && n < (int)cap; i++)
        ret[i] = ascii_lower(ret[i]);
    return n > 0 && n < (int)cap;
}

static void drop(struct entry *e)
{
    map_del(cache.map, sv_c(e->key));
    list_del(&e->node);
    dns_reply_done(&e->reply);
    free(e);
}

bool dns_cache_get(const char *name, enum dns_type type, struct dns_reply *ret, int *ret_result)
{
    char key[300];
    struct entry *e;

    if (!make_key(key, sizeof(key), name, type))
        return false;
    pthread_mutex_lock(&cache.lock);
    e = cache.map ? map_get(cache.map, sv_c(key)) : NULL;
    if (e && clock_mono_ms() >= e->expires_ms) {
        drop(e);
        e = NULL;
    }
    if (e) {
        *ret_result = e->result;
        *ret = e->reply;
        ret->answer = e->reply.answer ? dns_answer_copy(e->reply.answer) : NULL;
        ret->ttl_s = (uint32_t)((e->expires_ms - clock_mono_ms()) / 1000);
        ret->cached = true;
    }
    pthread_mutex_unlock(&cache.lock);
    return e != NULL;
}

void dns_cache_put(const char *name, enum dns_type type, int result, const struct dns_reply *r,
                   size_t limit)
{
    char key[300];
    int64_t ttl_s = r->ttl_s;
    struct entry *e, *old;

    /* Failures are no facts: only what exists and what does not is kept. */
    if (!limit || (result < 0 && result != E_NXDOMAIN && result != E_NODATA))
        return;
    if (result < 0)
        ttl_s = MIN(MAX(ttl_s, 1), NEGATIVE_TTL_S);
    if (ttl_s <= 0 || !make_key(key, sizeof(key), name, type))
        return;
    e = xcalloc(1, sizeof(*e) + strlen(key) + 1);
    memcpy(e->key, key, strlen(key) + 1);
    e->expires_ms = clock_mono_ms() + MIN(ttl_s, MAX_TTL_S) * 1000;
    e->result = result;
    e->reply = *r;
    e->reply.answer = r->answer ? dns_answer_copy(r->answer) : NULL;
    pthread_mutex_lock(&cache.lock);
    if (!cache.map)
        cache.map = map_new();
    old = map_get(cache.map, sv_c(key));
    if (old)
        drop(old);
    while (map_count(cache.map) >= limit && !list_empty(&cache.order))
        drop(container_of(cache.order.next, struct entry, node));
    map_put(cache.map, sv_c(e->key), e);
    list_add_tail(&cache.order, &e->node);
    pthread_mutex_unlock(&cache.lock);
}

void dns_cache_clear(void)
{
    pthread_mutex_lock(&cache.lock);
    while (!list_empty(&cache.order))
        drop(container_of(cache.order.next, struct entry, node));
    if (cache.map) {
        map_free(cache.map, NULL);
        cache.map = NULL;
    }
    pthread_mutex_unlock(&cache.lock);
}
