/* The cache behind every account lookup. Each shard is a chained hash table over an array of slots
 * that doubles up to its share of the maximum; then a clock hand picks the slot to give up: stale
 * entries first, then those not used since the hand passed. A flood of new keys therefore
 * displaces other unused keys, not the ones in use. */
#include "mail/account/cache.h"

#include <pthread.h>

#include "base/hash.h"
#include "base/slab.h"

#define SHARDS   16
#define NONE     UINT32_MAX
#define MIN_SIZE 16

struct slot {
    uint64_t hash, stamp;
    struct obj *o;
    char *key; /* kind, then the key */
    uint32_t key_n;
    uint32_t next; /* in its chain */
    bool used;     /* since the clock hand passed */
};

struct shard {
    pthread_mutex_t lock; /* guards all below */
    struct slot *slots;
    uint32_t *heads; /* cap chains */
    uint32_t n, cap, max, hand;
} __attribute__((aligned(64)));

struct cache {
    struct shard shards[SHARDS];
};

struct cache *cache_new(size_t max)
{
    struct cache *c = NULL;
    if (posix_memalign((void **)&c, 64, sizeof(*c)) != 0)
        panic("out of memory");
    memset(c, 0, sizeof(*c));
    for (size_t i = 0; i < SHARDS; i++) {
        pthread_mutex_init(&c->shards[i].lock, NULL);
        c->shards[i].max = (uint32_t)MAX(max / SHARDS, (size_t)MIN_SIZE);
    }
    return c;
}

void cache_free(struct cache *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *s = &c->shards[i];
        for (uint32_t j = 0; j < s->n; j++) {
            obj_unref(s->slots[j].o);
            slab_text_free(s->slots[j].key);
        }
        free(s->slots);
        free(s->heads);
        pthread_mutex_destroy(&s->lock);
    }
    free(c);
}

static uint64_t key_hash(char kind, struct sv key)
{
    /* The high bits choose the shard, the low ones the chain. */
    return hash_bytes(key.p, key.n) + (uint64_t)(unsigned char)kind * 0x9e3779b97f4a7c15u;
}

static struct shard *shard_of(struct cache *c, uint64_t h)
{
    return &c->shards[h >> 60];
}

static uint32_t *chain_of(struct shard *s, uint64_t h)
{
    return &s->heads[h & (s->cap - 1)];
}

static bool slot_is(const struct slot *t, uint64_t h, char kind, struct sv key)
{
    return t->hash == h && t->key_n == key.n + 1 && t->key[0] == kind &&
           memcmp(t->key + 1, key.p, key.n) == 0;
}

static struct slot *find(struct shard *s, uint64_t h, char kind, struct sv key)
{
    if (s->cap == 0)
        return NULL;
    for (uint32_t i = *chain_of(s, h); i != NONE; i = s->slots[i].next) {
        if (slot_is(&s->slots[i], h, kind, key))
            return &s->slots[i];
    }
    return NULL;
}

static void unchain(struct shard *s, uint32_t i)
{
    uint32_t *p = chain_of(s, s->slots[i].hash);
    while (*p != i)
        p = &s->slots[*p].next;
    *p = s->slots[i].next;
}

static void chain(struct shard *s, uint32_t i)
{
    uint32_t *p = chain_of(s, s->slots[i].hash);
    s->slots[i].next = *p;
    *p = i;
}

static void grow(struct shard *s)
{
    uint32_t cap = s->cap ? s->cap * 2 : MIN_SIZE;
    s->slots = xrealloc(s->slots, cap * sizeof(*s->slots));
    s->heads = xrealloc(s->heads, cap * sizeof(*s->heads));
    s->cap = cap;
    memset(s->heads, 0xff, cap * sizeof(*s->heads));
    for (uint32_t i = 0; i < s->n; i++)
        chain(s, i);
}

/* Index of a slot that is in no chain. */
static uint32_t slot_alloc(struct shard *s, uint64_t stamp)
{
    if (s->n < s->max) {
        if (s->n == s->cap)
            grow(s);
        return s->n++;
    }
    for (;;) {
        uint32_t i = s->hand;
        s->hand = (i + 1) % s->n;
        struct slot *t = &s->slots[i];
        if (t->used && t->stamp == stamp) {
            t->used = false;
            continue;
        }
        unchain(s, i);
        return i;
    }
}

int cache_get(struct cache *c, char kind, struct sv key, uint64_t stamp, struct obj **ret)
{
    uint64_t h = key_hash(kind, key);
    struct shard *s = shard_of(c, h);
    int hit = 0;
    pthread_mutex_lock(&s->lock);
    struct slot *t = find(s, h, kind, key);
    if (t && t->stamp == stamp) {
        t->used = true;
        if (t->o)
            obj_ref(t->o);
        *ret = t->o;
        hit = 1;
    }
    pthread_mutex_unlock(&s->lock);
    return hit;
}

static char *key_text(char kind, struct sv key)
{
    char *text = slab_text_n(key.n + 1);
    text[0] = kind;
    if (key.n > 0)
        memcpy(text + 1, key.p, key.n);
    return text;
}

void cache_put(struct cache *c, char kind, struct sv key, uint64_t stamp, struct obj *o)
{
    uint64_t h = key_hash(kind, key);
    struct shard *s = shard_of(c, h);
    struct obj *old = NULL;
    char *old_key = NULL;
    char *text = key_text(kind, key);
    if (o)
        obj_ref(o);

    pthread_mutex_lock(&s->lock);
    struct slot *t = find(s, h, kind, key);
    if (t) {
        old = t->o;
        old_key = text;
    } else {
        uint32_t before = s->n;
        uint32_t i = slot_alloc(s, stamp);
        t = &s->slots[i];
        if (s->n == before) {
            old = t->o;
            old_key = t->key;
        }
        *t = (struct slot){ .hash = h, .key = text, .key_n = (uint32_t)key.n + 1 };
        chain(s, i);
    }
    t->o = o;
    t->stamp = stamp;
    pthread_mutex_unlock(&s->lock);

    obj_unref(old); /* outside the lock: destructors may be long */
    slab_text_free(old_key);
}

void cache_drop(struct cache *c, char kind, struct sv key)
{
    uint64_t h = key_hash(kind, key);
    struct shard *s = shard_of(c, h);
    struct obj *old = NULL;
    pthread_mutex_lock(&s->lock);
    struct slot *t = find(s, h, kind, key);
    if (t) {
        old = t->o;
        t->o = NULL;
        t->stamp = UINT64_MAX; /* no caller's stamp: the slot waits for its next use */
    }
    pthread_mutex_unlock(&s->lock);
    obj_unref(old);
}

size_t cache_count(struct cache *c)
{
    size_t n = 0;
    for (size_t i = 0; i < SHARDS; i++) {
        pthread_mutex_lock(&c->shards[i].lock);
        n += c->shards[i].n;
        pthread_mutex_unlock(&c->shards[i].lock);
    }
    return n;
}
