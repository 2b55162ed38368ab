/* Who waits for news of which account in this process, and the telling of it. Accounts are spread
 * over shards by a hash, each with its own mutex and table; the hooks are called without any lock.
 * Any thread. */
#include "mail/notify/notify.h"

#include <pthread.h>
#include <stdatomic.h>

#include "stats/shm.h"

enum { SHARDS = 32, FIRST_BUCKETS = 16, ON_STACK = 64 };

struct account_waiters {
    struct account_waiters *next;
    int64_t account_id;
    size_t n, cap;
    uint64_t *handles;
};

struct shard {
    pthread_mutex_t lock;         /* guards the rest */
    size_t n_accounts, n_buckets; /* n_buckets: power of two, 0 before the first use */
    struct account_waiters **buckets;
};

static struct shard shards[SHARDS] = { [0 ... SHARDS - 1] = { .lock = PTHREAD_MUTEX_INITIALIZER } };
static struct notify_hooks hooks; /* written once at start, before other threads */

void notify_set_hooks(const struct notify_hooks *h)
{
    hooks = h ? *h : (struct notify_hooks){ .post = NULL };
}

static uint64_t mix(int64_t account_id)
{
    uint64_t h = (uint64_t)account_id * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ (h >> 32);
}

static struct shard *shard_of(int64_t account_id)
{
    return &shards[mix(account_id) % SHARDS];
}

static struct account_waiters **find(struct shard *s, int64_t account_id)
{
    struct account_waiters **pp = &s->buckets[(mix(account_id) / SHARDS) & (s->n_buckets - 1)];
    while (*pp && (*pp)->account_id != account_id)
        pp = &(*pp)->next;
    return pp;
}

static void grow(struct shard *s)
{
    size_t old_n = s->n_buckets;
    struct account_waiters **old = s->buckets;
    s->n_buckets = old_n ? old_n * 2 : FIRST_BUCKETS;
    s->buckets = xcalloc(s->n_buckets, sizeof(*s->buckets));
    for (size_t i = 0; i < old_n; i++) {
        for (struct account_waiters *w = old[i], *next; w; w = next) {
            next = w->next;
            struct account_waiters **pp = find(s, w->account_id);
            w->next = NULL;
            *pp = w;
        }
    }
    free(old);
}

void notify_subscribe(int64_t account_id, uint64_t handle)
{
    struct shard *s = shard_of(account_id);
    pthread_mutex_lock(&s->lock);
    if (s->n_accounts >= s->n_buckets)
        grow(s);
    struct account_waiters **pp = find(s, account_id), *w = *pp;
    if (!w) {
        w = *pp = xcalloc(1, sizeof(*w));
        w->account_id = account_id;
        s->n_accounts++;
    }
    if (w->n == w->cap) {
        w->cap = w->cap ? w->cap * 2 : 1;
        w->handles = xrealloc(w->handles, w->cap * sizeof(*w->handles));
    }
    w->handles[w->n++] = handle;
    pthread_mutex_unlock(&s->lock);
    interest_add(account_id);
}

static void drop_account(struct shard *s, struct account_waiters **pp)
{
    struct account_waiters *w = *pp;
    *pp = w->next;
    free(w->handles);
    free(w);
    if (--s->n_accounts == 0) {
        free(s->buckets);
        s->buckets = NULL;
        s->n_buckets = 0;
    }
}

void notify_unsubscribe(int64_t account_id, uint64_t handle)
{
    struct shard *s = shard_of(account_id);
    bool found = false;
    pthread_mutex_lock(&s->lock);
    struct account_waiters **pp = s->n_buckets ? find(s, account_id) : NULL;
    struct account_waiters *w = pp ? *pp : NULL;
    for (size_t i = 0; w && i < w->n && !found; i++) {
        if (w->handles[i] == handle) {
            w->handles[i] = w->handles[--w->n];
            found = true;
        }
    }
    if (found && w->n == 0)
        drop_account(s, pp);
    pthread_mutex_unlock(&s->lock);
    if (found)
        interest_drop(account_id);
}

/* Posts without the lock: the hook may take locks of the connections, whose holders may be just
 * about to subscribe. A handle that has been unsubscribed meanwhile may so be told once more. */
static void post_all(int64_t account_id, int64_t folder_id, uint64_t except)
{
    uint64_t few[ON_STACK], *h = few;
    struct shard *s = shard_of(account_id);
    size_t n = 0;
    if (!hooks.post)
        return;
    pthread_mutex_lock(&s->lock);
    struct account_waiters *w = s->n_buckets ? *find(s, account_id) : NULL;
    if (w) {
        n = w->n;
        if (n > ON_STACK)
            h = xmalloc(n * sizeof(*h));
        memcpy(h, w->handles, n * sizeof(*h));
    }
    pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < n; i++) {
        if (except == 0 || h[i] != except)
            hooks.post(h[i], account_id, folder_id);
    }
    if (h != few)
        free(h);
}

void notify_changed(int64_t account_id, int64_t folder_id, uint64_t except)
{
    if (!interest_any(account_id))
        return;
    post_all(account_id, folder_id, except);
    if (hooks.hint)
        hooks.hint(account_id, folder_id);
}

void notify_received(int64_t account_id, int64_t folder_id)
{
    post_all(account_id, folder_id, 0);
}
