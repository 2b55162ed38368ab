/* Which looks have been recorded: who follows something page by page looks once. */
#include "server/api/looks.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/hash.h"

enum { PLACES = 256, SAME_MS = 10 * 60 * 1000 };

struct looks {
    pthread_mutex_t lock; /* guards all */
    struct {
        uint64_t hash;
        int64_t at_ms;
    } v[PLACES]; /* by the hash's low bits; the newer one stays */
};

struct looks *looks_new(void)
{
    struct looks *l = xcalloc(1, sizeof(*l));

    pthread_mutex_init(&l->lock, NULL);
    return l;
}

void looks_free(struct looks *l)
{
    pthread_mutex_destroy(&l->lock);
    free(l);
}

static uint64_t hash_of(const char *who, const char *object)
{
    return fnv1a64(who, strlen(who)) * 31 + fnv1a64(object, strlen(object));
}

bool looks_has(struct looks *l, const char *who, const char *object)
{
    uint64_t h = hash_of(who, object);
    bool has;

    pthread_mutex_lock(&l->lock);
    has = l->v[h % PLACES].hash == h && clock_mono_ms() - l->v[h % PLACES].at_ms < SAME_MS;
    pthread_mutex_unlock(&l->lock);
    return has;
}

void looks_add(struct looks *l, const char *who, const char *object)
{
    uint64_t h = hash_of(who, object);

    pthread_mutex_lock(&l->lock);
    l->v[h % PLACES].hash = h;
    l->v[h % PLACES].at_ms = clock_mono_ms();
    pthread_mutex_unlock(&l->lock);
}
