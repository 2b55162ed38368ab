#include "server/smtp/sent.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/hash.h"

enum {
    HOURS = 24,
    PIECES = 12, /* of an hour */
    PIECE_MS = 3600 * 1000 / PIECES,
    HOUR_MS = 3600 * 1000,
    MOST = 100000, /* accounts; beyond it those who sent nothing for a day are forgotten */
};

struct sender {
    int64_t piece, hour; /* number of the newest one, since the clock's start */
    struct amount {
        uint32_t messages, rcpts;
    } by_piece[PIECES], by_hour[HOURS];
};

struct sent {
    pthread_mutex_t lock; /* guards what is below */
    struct map *senders;  /* 8 bytes of an account's id -> struct sender */
};

struct sent *sent_new(void)
{
    struct sent *s = xcalloc(1, sizeof(*s));
    pthread_mutex_init(&s->lock, NULL);
    s->senders = map_new();
    return s;
}

void sent_free(struct sent *s)
{
    if (!s)
        return;
    map_free(s->senders, free);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

/* Empties what has become old since the last look. */
static void advance(struct amount *slots, int64_t n, int64_t *newest, int64_t now)
{
    for (int64_t i = MAX(*newest + 1, now - n + 1); i <= now; i++)
        slots[i % n] = (struct amount){ 0 };
    *newest = MAX(*newest, now);
}

static void to_now(struct sender *s)
{
    int64_t ms = clock_mono_ms();
    advance(s->by_piece, PIECES, &s->piece, ms / PIECE_MS);
    advance(s->by_hour, HOURS, &s->hour, ms / HOUR_MS);
}

static struct sent_amount sum(const struct amount *slots, size_t n)
{
    struct sent_amount all = { 0 };
    for (size_t i = 0; i < n; i++) {
        all.messages += slots[i].messages;
        all.rcpts += slots[i].rcpts;
    }
    return all;
}

static void add(struct amount *to, unsigned rcpts)
{
    to->messages++;
    to->rcpts += rcpts;
}

struct sent_lately sent_ask(struct sent *s, int64_t account_id)
{
    struct sent_lately ret = { 0 };
    if (!s)
        return ret;
    pthread_mutex_lock(&s->lock);
    struct sender *one = map_get(s->senders, sv_n(&account_id, sizeof(account_id)));
    if (one) {
        to_now(one);
        ret.hour = sum(one->by_piece, PIECES);
        ret.day = sum(one->by_hour, HOURS);
    }
    pthread_mutex_unlock(&s->lock);
    return ret;
}

struct old {
    int64_t ids[1000];
    size_t n;
    int64_t hour;
};

static bool note_old(struct sv key, void *value, void *arg)
{
    const struct sender *one = value;
    struct old *o = arg;
    if (one->hour + HOURS < o->hour)
        memcpy(&o->ids[o->n++], key.p, sizeof(o->ids[0]));
    return o->n < ARRAY_LEN(o->ids);
}

static void forget_old(struct sent *s)
{
    struct old *o = xcalloc(1, sizeof(*o));
    o->hour = clock_mono_ms() / HOUR_MS;
    map_each(s->senders, note_old, o);
    for (size_t i = 0; i < o->n; i++)
        free(map_del(s->senders, sv_n(&o->ids[i], sizeof(o->ids[0]))));
    free(o);
}

void sent_add(struct sent *s, int64_t account_id, unsigned rcpts)
{
    if (!s)
        return;
    struct sv key = sv_n(&account_id, sizeof(account_id));
    pthread_mutex_lock(&s->lock);
    struct sender *one = map_get(s->senders, key);
    if (!one && map_count(s->senders) >= MOST)
        forget_old(s);
    if (!one && map_count(s->senders) < MOST) {
        one = xcalloc(1, sizeof(*one));
        map_put(s->senders, key, one);
    }
    if (one) {
        to_now(one);
        add(&one->by_piece[one->piece % PIECES], rcpts);
        add(&one->by_hour[one->hour % HOURS], rcpts);
    }
    pthread_mutex_unlock(&s->lock);
}
