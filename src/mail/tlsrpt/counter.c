#include "mail/tlsrpt/counter.h"

#include <pthread.h>

#include "base/buf.h"
#include "base/hash.h"

enum { TEXTS = 10, MAX_KEY = 256 * 1024 };

struct tls_counter {
    pthread_mutex_t lock;
    struct map *map; /* all but the number -> struct tls_count */
    size_t max;
    uint64_t lost;
};

struct tls_counter *tls_counter_new(size_t max)
{
    struct tls_counter *c = xcalloc(1, sizeof(*c));
    pthread_mutex_init(&c->lock, NULL);
    c->map = map_new();
    c->max = max;
    return c;
}

/* The texts begin in one block that `domain` owns. */
static void count_free(void *t)
{
    free((void *)(uintptr_t)((struct tls_count *)t)->domain);
    free(t);
}

void tls_counter_free(struct tls_counter *c)
{
    if (!c)
        return;
    map_free(c->map, count_free);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

/* Day and texts, with a NUL behind each. False: absurdly long. */
static bool make_key(const struct tls_count *t, struct buf *b)
{
    const char *const texts[TEXTS] = { t->domain,      t->policy_type, t->policy_domain, t->policy,
                                       t->mx_patterns, t->result,      t->sending_ip,    t->mx,
                                       t->ip,          t->reason };
    (void)buf_add(b, &t->day, sizeof(t->day));
    for (size_t i = 0; i < TEXTS; i++) {
        for (const char *p = texts[i]; *p; p++)
            (void)buf_add_c(b, (*p >= ' ' && *p < 127) || *p == '\n' ? *p : '?');
        (void)buf_add_c(b, '\0');
    }
    return !b->overflow;
}

static struct tls_count from_key(struct sv key, int64_t sessions)
{
    char *p = memcpy(xmalloc(key.n), key.p, key.n);
    const char *text[TEXTS];
    struct tls_count t = { .sessions = sessions };
    memcpy(&t.day, p, sizeof(t.day));
    size_t n = key.n - sizeof(t.day);
    memmove(p, p + sizeof(t.day), n);
    for (size_t i = 0; i < TEXTS; i++) {
        text[i] = p;
        p += strlen(p) + 1;
    }
    t.domain = text[0];
    t.policy_type = text[1];
    t.policy_domain = text[2];
    t.policy = text[3];
    t.mx_patterns = text[4];
    t.result = text[5];
    t.sending_ip = text[6];
    t.mx = text[7];
    t.ip = text[8];
    t.reason = text[9];
    return t;
}

struct tls_count tls_count_copy(const struct tls_count *t)
{
    struct buf key;
    buf_init(&key, MAX_KEY);
    struct tls_count copy = { 0 };
    if (make_key(t, &key))
        copy = from_key(buf_sv(&key), t->sessions);
    buf_done(&key);
    return copy;
}

static void add(struct tls_counter *c, struct sv key, int64_t sessions)
{
    struct tls_count *known = map_get(c->map, key);
    if (known) {
        known->sessions += sessions;
    } else if (map_count(c->map) < c->max) {
        known = xcalloc(1, sizeof(*known));
        *known = from_key(key, sessions);
        (void)map_put(c->map, key, known);
    } else {
        c->lost += (uint64_t)sessions;
    }
}

void tls_counter_add(struct tls_counter *c, const struct tls_count *t)
{
    struct buf key;
    buf_init(&key, MAX_KEY);
    bool fits = make_key(t, &key);
    pthread_mutex_lock(&c->lock);
    if (fits)
        add(c, buf_sv(&key), t->sessions);
    else
        c->lost += (uint64_t)t->sessions;
    pthread_mutex_unlock(&c->lock);
    buf_done(&key);
}

struct collecting {
    struct tls_count *v;
    size_t n;
};

static bool collect(struct sv key, void *value, void *arg)
{
    struct collecting *x = arg;
    (void)key;
    x->v[x->n++] = *(struct tls_count *)value;
    return true;
}

size_t tls_counter_take(struct tls_counter *c, struct tls_count **ret, uint64_t *ret_lost)
{
    struct map *fresh = map_new();
    pthread_mutex_lock(&c->lock);
    struct map *map = c->map;
    c->map = fresh;
    *ret_lost = c->lost;
    c->lost = 0;
    pthread_mutex_unlock(&c->lock);
    struct collecting x = { .v = xcalloc(map_count(map) + 1, sizeof(*x.v)) };
    map_each(map, collect, &x);
    map_free(map, free); /* the texts have gone to the list */
    *ret = x.v;
    return x.n;
}

void tls_counter_list_free(struct tls_count *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free((void *)(uintptr_t)v[i].domain);
    free(v);
}
