/* How many connections an address has, and how many bytes the module may move now. Any thread. */
#include "base/clock.h"
#include "base/hash.h"
#include "net/net_priv.h"

struct ip_count {
    struct ip_count *next;
    struct ip_key key;
    uint32_t n;
};

void ip_counts_init(struct ip_counts *t)
{
    *t = (struct ip_counts){ .n_buckets = 256 };
    t->bucket = xcalloc(t->n_buckets, sizeof(struct ip_count *));
    pthread_mutex_init(&t->lock, NULL);
}

void ip_counts_done(struct ip_counts *t)
{
    for (size_t i = 0; i < t->n_buckets; i++) {
        for (struct ip_count *c = t->bucket[i], *next; c; c = next) {
            next = c->next;
            free(c);
        }
    }
    free(t->bucket);
    pthread_mutex_destroy(&t->lock);
}

/* Under the lock: the link that points to k's entry, or the one where it would be added. */
static struct ip_count **find(struct ip_counts *t, const struct ip_key *k)
{
    size_t h = (hash_bytes(k->addr, sizeof(k->addr)) ^ (uintptr_t)k->limit >> 4) % t->n_buckets;
    struct ip_count **c = &t->bucket[h];
    while (*c && ((*c)->key.limit != k->limit || memcmp((*c)->key.addr, k->addr, 16) != 0))
        c = &(*c)->next;
    return c;
}

static void grow(struct ip_counts *t)
{
    struct ip_count **old = t->bucket;
    size_t n_old = t->n_buckets;
    t->n_buckets = n_old * 4;
    t->bucket = xcalloc(t->n_buckets, sizeof(struct ip_count *));
    for (size_t i = 0; i < n_old; i++) {
        for (struct ip_count *c = old[i], *next; c; c = next) {
            next = c->next;
            c->next = NULL;
            *find(t, &c->key) = c;
        }
    }
    free(old);
}

uint32_t ip_counts_inc(struct ip_counts *t, const struct ip_key *k)
{
    pthread_mutex_lock(&t->lock);
    struct ip_count **c = find(t, k);
    if (!*c) {
        if (t->n >= t->n_buckets) {
            grow(t);
            c = find(t, k);
        }
        *c = xcalloc(1, sizeof(**c));
        (*c)->key = *k;
        t->n++;
    }
    uint32_t n = ++(*c)->n;
    pthread_mutex_unlock(&t->lock);
    return n;
}

void ip_counts_dec(struct ip_counts *t, const struct ip_key *k)
{
    pthread_mutex_lock(&t->lock);
    struct ip_count **link = find(t, k), *c = *link;
    if (c && --c->n == 0) {
        *link = c->next;
        free(c);
        t->n--;
    }
    pthread_mutex_unlock(&t->lock);
}

/* Under the lock. The bucket holds a tenth of a second, so that a burst stays a burst. */
static void fill(struct bandwidth *b, int64_t rate)
{
    int64_t now = clock_mono_us(), cap = MAX(rate / 10, 1024);
    int64_t gone = MIN(MAX(now - b->filled_us, 0), 1000000);
    int64_t add = gone * rate / 1000000;
    if (add == 0)
        return;
    b->tokens = MIN(b->tokens + add, cap);
    b->filled_us = now;
}

size_t bandwidth_take(struct bandwidth *b, size_t want)
{
    int64_t rate = atomic_load_explicit(&b->rate, memory_order_relaxed);
    if (rate == 0)
        return want;
    pthread_mutex_lock(&b->lock);
    fill(b, rate);
    int64_t n = MIN((int64_t)want, MAX(b->tokens, 0));
    /* Crumbs would cost a system call each. */
    if (n < (int64_t)want && n < MIN(rate / 20, 4096))
        n = 0;
    b->tokens -= n;
    pthread_mutex_unlock(&b->lock);
    return (size_t)n;
}

void bandwidth_give_back(struct bandwidth *b, size_t n)
{
    if (n == 0 || atomic_load_explicit(&b->rate, memory_order_relaxed) == 0)
        return;
    pthread_mutex_lock(&b->lock);
    b->tokens += (int64_t)n;
    pthread_mutex_unlock(&b->lock);
}

int64_t bandwidth_wait_ms(struct bandwidth *b)
{
    int64_t rate = atomic_load_explicit(&b->rate, memory_order_relaxed);
    return rate == 0 ? 1 : MIN(MAX(4096 * 1000 / rate, 20), 1000);
}
