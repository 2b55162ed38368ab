/* Counting failed logins: a set-associative table, eight ways. Rows acc.loginpolicy,
 * log.auth.policy, st.ips.reason.L. An entry is the hash of its key and one word of state, which
 * carries eight bits of that hash: between the moment an entry gets another key and the moment it
 * gets the state for it, the state fits neither and counts as none. */
#include "stats/failures.h"

#include <arpa/inet.h>

#include "base/clock.h"
#include "base/hash.h"
#include "stats/shm_priv.h"

/* state: 8 bits of the hash | locked | 17 bits count | 38 bits ms of the monotonic clock (8 years)
 * at which it is forgotten, and its lock ends. */
#define UNTIL_MASK (((uint64_t)1 << 38) - 1)
#define COUNT_MAX  (((uint64_t)1 << 17) - 1)
#define LOCKED     ((uint64_t)1 << 55)
#define TAG(hash)  ((hash) >> 56 << 56)
#define DAY_MS     86400000 /* largest auth.lock_time */
#define TRIES      64       /* others are quicker so often only when the table is under attack */

struct state {
    bool locked;
    uint64_t count;
    int64_t left_ms; /* until it is forgotten, > 0 */
};

static uint64_t key_of(enum failure_kind k, struct sv key)
{
    uint64_t h = hash_isv_with(shm_here()->failure_key, key) * 2 + (uint64_t)k;
    return h ? h : 1;
}

static struct shm_failure *set_of(uint64_t h)
{
    return shm_here()->failures[(h >> 8) % FAILURE_SETS];
}

/* False: nothing is known of h, or no longer. */
static bool unpack(uint64_t word, uint64_t h, int64_t now, struct state *ret)
{
    uint64_t left = ((word & UNTIL_MASK) - (uint64_t)now) & UNTIL_MASK;
    *ret = (struct state){ .locked = word & LOCKED,
                           .count = word >> 38 & COUNT_MAX,
                           .left_ms = (int64_t)left };
    return ret->count > 0 && TAG(word) == TAG(h) && left > 0 && left <= DAY_MS;
}

static uint64_t pack(const struct state *s, uint64_t h, int64_t now)
{
    return TAG(h) | (s->locked ? LOCKED : 0) | MIN(s->count, COUNT_MAX) << 38 |
           ((uint64_t)(now + s->left_ms) & UNTIL_MASK);
}

static struct shm_failure *find(uint64_t h)
{
    struct shm_failure *set = set_of(h);
    for (size_t i = 0; i < FAILURE_WAYS; i++) {
        if (atomic_load_explicit(&set[i].hash, memory_order_relaxed) == h)
            return &set[i];
    }
    return NULL;
}

/* The way to give up: empty or expired, else without a lock, fewest failures, oldest. */
static struct shm_failure *victim(uint64_t h, int64_t now, uint64_t *ret_hash)
{
    struct shm_failure *set = set_of(h), *best = NULL;
    struct state best_state = { 0 };
    for (size_t i = 0; i < FAILURE_WAYS; i++) {
        struct state s;
        uint64_t hash = atomic_load_explicit(&set[i].hash, memory_order_relaxed);
        uint64_t word = atomic_load_explicit(&set[i].state, memory_order_relaxed);
        bool known = hash != 0 && unpack(word, hash, now, &s);
        bool better = !best || !known ||
                      (s.locked != best_state.locked ? best_state.locked
                       : s.count != best_state.count ? s.count < best_state.count
                                                     : s.left_ms < best_state.left_ms);
        if (!better)
            continue;
        best = &set[i];
        best_state = s;
        *ret_hash = hash;
        if (!known)
            break;
    }
    return best;
}

/* The entry of h, made when there is none; NULL when others were always quicker. */
static struct shm_failure *claim(uint64_t h, int64_t now)
{
    for (int i = 0; i < TRIES; i++) {
        uint64_t old;
        struct shm_failure *e = find(h);
        if (e)
            return e;
        e = victim(h, now, &old);
        if (atomic_compare_exchange_strong(&e->hash, &old, h))
            return e;
    }
    return NULL;
}

bool failures_locked(enum failure_kind k, struct sv key)
{
    uint64_t h = key_of(k, key);
    struct state s;
    struct shm_failure *e = find(h);
    return e && unpack(atomic_load(&e->state), h, clock_mono_ms(), &s) && s.locked;
}

unsigned failures_add(enum failure_kind k, struct sv key, int64_t limit, int64_t lock_ms,
                      bool *ret_locked)
{
    uint64_t h = key_of(k, key), word;
    int64_t now = clock_mono_ms();
    struct state s;
    struct shm_failure *e = claim(h, now);
    *ret_locked = false;
    if (!e)
        return 1;
    lock_ms = MIN(MAX(lock_ms, 1), DAY_MS);
    word = atomic_load(&e->state);
    do {
        if (!unpack(word, h, now, &s))
            s = (struct state){ .left_ms = lock_ms };
        s.count++;
        /* Names count until a good login. Behind one address there may be an office with a device
         * that fails every few minutes for ever: addresses count within one window. */
        if (k == FAILURE_NAME && !s.locked)
            s.left_ms = lock_ms;
        *ret_locked = limit > 0 && s.count >= (uint64_t)limit && !s.locked;
        if (*ret_locked) {
            s.locked = true;
            s.left_ms = lock_ms;
        }
    } while (!atomic_compare_exchange_weak(&e->state, &word, pack(&s, h, now)));
    return (unsigned)MIN(s.count, COUNT_MAX);
}

unsigned failures_clear(enum failure_kind k, struct sv key)
{
    uint64_t h = key_of(k, key);
    struct shm_failure *e = find(h);
    struct state s;
    if (!e)
        return 0;
    uint64_t word = atomic_load(&e->state);
    do {
        if (!unpack(word, h, clock_mono_ms(), &s))
            return 0;
    } while (!atomic_compare_exchange_weak(&e->state, &word, 0));
    return (unsigned)s.count;
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
