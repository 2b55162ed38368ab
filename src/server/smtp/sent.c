#include "server/smtp/sent.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/hash.h"
#include "os/file.h"

enum {
    HOURS = 24,
    PIECES = 12, /* of an hour */
    PIECE_MS = 3600 * 1000 / PIECES,
    HOUR_MS = 3600 * 1000,
    MOST =
        100000, /* accounts and domains; beyond it those who sent nothing for a day are forgotten */
};

struct sender {
    int64_t piece, hour; /* number of the newest one, since 1970 */
    struct amount {
        uint32_t messages, rcpts;
    } by_piece[PIECES], by_hour[HOURS];
};

struct sent {
    int64_t offset_ms;    /* to the monotonic clock: the wall clock that the program started with */
    pthread_mutex_t lock; /* guards what is below */
    bool changed;         /* since it was saved */
    struct map *senders;  /* 8 bytes of who -> struct sender */
};

struct sent *sent_new(void)
{
    struct sent *s = xcalloc(1, sizeof(*s));
    pthread_mutex_init(&s->lock, NULL);
    s->offset_ms = clock_wall_ms() - clock_mono_ms();
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

/* Goes on evenly when somebody sets the clock, and means the same after a restart. */
static int64_t now_ms(const struct sent *s)
{
    return s->offset_ms + clock_mono_ms();
}

static void to_now(const struct sent *s, struct sender *one)
{
    int64_t ms = now_ms(s);
    advance(one->by_piece, PIECES, &one->piece, ms / PIECE_MS);
    advance(one->by_hour, HOURS, &one->hour, ms / HOUR_MS);
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

struct sent_lately sent_ask(struct sent *s, int64_t who)
{
    struct sent_lately ret = { 0 };
    if (!s)
        return ret;
    pthread_mutex_lock(&s->lock);
    struct sender *one = map_get(s->senders, sv_n(&who, sizeof(who)));
    if (one) {
        to_now(s, one);
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
    o->hour = now_ms(s) / HOUR_MS;
    map_each(s->senders, note_old, o);
    for (size_t i = 0; i < o->n; i++)
        free(map_del(s->senders, sv_n(&o->ids[i], sizeof(o->ids[0]))));
    free(o);
}

void sent_add(struct sent *s, int64_t who, unsigned rcpts)
{
    if (!s)
        return;
    struct sv key = sv_n(&who, sizeof(who));
    pthread_mutex_lock(&s->lock);
    struct sender *one = map_get(s->senders, key);
    if (!one && map_count(s->senders) >= MOST)
        forget_old(s);
    if (!one && map_count(s->senders) < MOST) {
        one = xcalloc(1, sizeof(*one));
        map_put(s->senders, key, one);
    }
    if (one) {
        to_now(s, one);
        add(&one->by_piece[one->piece % PIECES], rcpts);
        add(&one->by_hour[one->hour % HOURS], rcpts);
        s->changed = true;
    }
    pthread_mutex_unlock(&s->lock);
}

/* --- the file: of this machine and this version only --- */

enum { FILE_MAX = 64 * MiB };

struct record {
    int64_t who;
    struct sender sender;
};

static const struct head {
    char name[12];
    uint32_t record; /* its size: another version has another one */
} head = { "sent", sizeof(struct record) };

static bool put_record(struct sv key, void *value, void *out)
{
    struct record r = { .sender = *(const struct sender *)value };
    memcpy(&r.who, key.p, sizeof(r.who));
    return buf_add(out, &r, sizeof(r)) == 0;
}

int sent_save(struct sent *s, const char *path, struct errinfo *ei)
{
    _cleanup_(buf_done) struct buf out = { 0 };
    if (!s)
        return 0;
    buf_init(&out, FILE_MAX);
    pthread_mutex_lock(&s->lock);
    bool changed = s->changed;
    s->changed = false;
    if (changed && buf_add(&out, &head, sizeof(head)) == 0)
        map_each(s->senders, put_record, &out);
    pthread_mutex_unlock(&s->lock);
    if (!changed)
        return 0;
    int r = out.overflow ? err_set(ei, -ENOMEM, "%s: no memory to write it", path)
                         : os_write_file_atomic(path, buf_sv(&out), 0600, ei);
    if (r < 0) {
        pthread_mutex_lock(&s->lock);
        s->changed = true;
        pthread_mutex_unlock(&s->lock);
    }
    return r;
}

/* What lies in the future was written under a wrong clock: it would count until then. */
static bool is_past(const struct sent *s, const struct sender *one)
{
    return one->piece >= 0 && one->hour >= 0 && one->piece <= now_ms(s) / PIECE_MS &&
           one->hour <= now_ms(s) / HOUR_MS;
}

int sent_load(struct sent *s, const char *path, struct errinfo *ei)
{
    _cleanup_(buf_done) struct buf in = { 0 };
    buf_init(&in, FILE_MAX);
    int r = os_read_file(path, &in, ei);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    struct sv rest = buf_sv(&in);
    if (rest.n < sizeof(head) || memcmp(rest.p, &head, sizeof(head)) != 0)
        return 0;
    rest = sv_skip(rest, sizeof(head));
    pthread_mutex_lock(&s->lock);
    for (; rest.n >= sizeof(struct record); rest = sv_skip(rest, sizeof(struct record))) {
        struct record rec;
        memcpy(&rec, rest.p, sizeof(rec));
        if (!is_past(s, &rec.sender) || map_count(s->senders) >= MOST)
            continue;
        struct sender *one = xcalloc(1, sizeof(*one));
        *one = rec.sender;
        free(map_put(s->senders, sv_n(&rec.who, sizeof(rec.who)), one));
    }
    pthread_mutex_unlock(&s->lock);
    return 0;
}
