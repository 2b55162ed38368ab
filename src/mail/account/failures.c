/* Counting failed logins: a set-associative table, eight ways. Rows acc.loginpolicy,
 * log.auth.policy, st.ips.reason.L. */
#include "mail/account/failures.h"

#include <arpa/inet.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/hash.h"

#define SETS  4096
#define WAYS  8
#define LOCKS 64

struct entry {
    uint64_t hash; /* 0 = empty */
    int64_t last_ms, locked_until_ms, forget_ms;
    uint32_t count;
};

struct failures {
    pthread_mutex_t locks[LOCKS]; /* lock i guards the sets with number % LOCKS == i */
    struct entry (*sets)[WAYS];   /* untouched pages cost nothing */
};

struct failures *failures_new(void)
{
    struct failures *f = xcalloc(1, sizeof(*f));
    f->sets = xcalloc(SETS, sizeof(*f->sets));
    for (size_t i = 0; i < LOCKS; i++)
        pthread_mutex_init(&f->locks[i], NULL);
    return f;
}

void failures_free(struct failures *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < LOCKS; i++)
        pthread_mutex_destroy(&f->locks[i]);
    free(f->sets);
    free(f);
}

static uint64_t key_of(enum failure_kind k, struct sv key)
{
    uint64_t h = hash_isv(key) * 2 + (uint64_t)k;
    return h ? h : 1;
}

static pthread_mutex_t *lock_of(struct failures *f, uint64_t h)
{
    return &f->locks[(h >> 8) % SETS % LOCKS];
}

static struct entry *find(struct failures *f, uint64_t h)
{
    struct entry *set = f->sets[(h >> 8) % SETS];
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].hash == h)
            return &set[i];
    }
    return NULL;
}

/* The way to give up: empty or expired, else without a lock, fewest failures, oldest. */
static struct entry *victim(struct failures *f, uint64_t h, int64_t now)
{
    struct entry *set = f->sets[(h >> 8) % SETS];
    struct entry *best = &set[0];
    for (size_t i = 0; i < WAYS; i++) {
        struct entry *e = &set[i];
        if (e->hash == 0 || e->forget_ms <= now)
            return e;
        bool e_locked = e->locked_until_ms > now;
        bool best_locked = best->locked_until_ms > now;
        if (e_locked != best_locked
                ? best_locked
                : e->count < best->count || (e->count == best->count && e->last_ms < best->last_ms))
            best = e;
    }
    return best;
}

bool failures_locked(struct failures *f, enum failure_kind k, struct sv key)
{
    uint64_t h = key_of(k, key);
    pthread_mutex_lock(lock_of(f, h));
    struct entry *e = find(f, h);
    bool locked = e && e->locked_until_ms > 0 && e->locked_until_ms > clock_mono_ms();
    pthread_mutex_unlock(lock_of(f, h));
    return locked;
}

unsigned failures_add(struct failures *f, enum failure_kind k, struct sv key, int64_t limit,
                      int64_t lock_ms, bool *ret_locked)
{
    uint64_t h = key_of(k, key);
    int64_t now = clock_mono_ms();
    pthread_mutex_lock(lock_of(f, h));
    struct entry *e = find(f, h);
    if (!e)
        e = victim(f, h, now);
    if (e->hash != h || e->forget_ms <= now)
        *e = (struct entry){ .hash = h, .forget_ms = now + lock_ms };
    e->count++;
    e->last_ms = now;
    /* Names count until a good login. Behind one address there may be an office with a device that
     * fails every few minutes for ever: addresses count within one window. */
    if (k == FAILURE_NAME)
        e->forget_ms = now + lock_ms;
    *ret_locked = limit > 0 && e->count >= limit && e->locked_until_ms <= now;
    if (*ret_locked)
        e->forget_ms = e->locked_until_ms = now + lock_ms;
    unsigned n = e->count;
    pthread_mutex_unlock(lock_of(f, h));
    return n;
}

unsigned failures_clear(struct failures *f, enum failure_kind k, struct sv key)
{
    uint64_t h = key_of(k, key);
    pthread_mutex_lock(lock_of(f, h));
    struct entry *e = find(f, h);
    unsigned n = e && e->forget_ms > clock_mono_ms() ? e->count : 0;
    if (e)
        *e = (struct entry){ 0 };
    pthread_mutex_unlock(lock_of(f, h));
    return n;
}

struct sv failures_ip_key(const char *ip, char ret[64])
{
    struct in6_addr six;
    size_t n = (size_t)snprintf(ret, 64, "%s", ip ? ip : "");
    if (ip && strchr(ip, ':') && inet_pton(AF_INET6, ip, &six) == 1 &&
        !IN6_IS_ADDR_V4MAPPED(&six)) {
        memset(six.s6_addr + 8, 0, 8);
        inet_ntop(AF_INET6, &six, ret, 64);
        n = strlen(ret);
    }
    return sv_n(ret, MIN(n, (size_t)63));
}
