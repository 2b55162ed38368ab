#include "server/api/rate.h"

#include <arpa/inet.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/hash.h"

enum { PLACES = 4096, MINUTE_MS = 60000 };

struct rate {
    pthread_mutex_t lock; /* guards all */
    struct {
        int64_t minute;
        int64_t n;
    } v[PLACES]; /* by the hash's low bits */
};

struct rate *rate_new(void)
{
    struct rate *r = xcalloc(1, sizeof(*r));

    pthread_mutex_init(&r->lock, NULL);
    return r;
}

void rate_free(struct rate *r)
{
    if (r)
        pthread_mutex_destroy(&r->lock);
    free(r);
}

static size_t place_of(const char *address)
{
    struct in6_addr a6;

    if (strchr(address, ':') && inet_pton(AF_INET6, address, &a6) == 1)
        return (size_t)(fnv1a64(&a6, 8) % PLACES);
    return (size_t)(fnv1a64(address, strlen(address)) % PLACES);
}

bool rate_take(struct rate *r, const char *address, int64_t max, int *ret_wait_s)
{
    int64_t now = clock_mono_ms(), minute = now / MINUTE_MS;
    size_t i = place_of(address);
    bool ok;

    pthread_mutex_lock(&r->lock);
    if (r->v[i].minute != minute) {
        r->v[i].minute = minute;
        r->v[i].n = 0;
    }
    ok = r->v[i].n < max;
    r->v[i].n += ok;
    pthread_mutex_unlock(&r->lock);
    *ret_wait_s = (int)((MINUTE_MS - now % MINUTE_MS) / 1000) + 1;
    return ok;
}
