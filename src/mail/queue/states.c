#include "mail/queue/states.h"

#include "base/hash.h"
#include "base/rand.h"
#include "log/log.h"
#include "mail/queue/many.h"
#include "mail/queue/queue_priv.h"
#include "mail/queue/record.h"
#include "os/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    WRITTEN_AT_ONCE = 256 * 1024,
    READ_AT_ONCE = 8 * 1024 * 1024,
    LARGEST = 256 * 1024 * 1024, /* more than any record */
    TOLERATED = 50000,
};

#define NAME     "states"
#define NEW_NAME "states.new" /* what an earlier process left of it goes as other .new files do */

void states_init(struct states *s)
{
    *s = (struct states){ .fd = -1, .tolerated = TOLERATED };
    buf_init(&s->pending, SIZE_MAX);
}

void states_done(struct states *s)
{
    closep(&s->fd);
    buf_done(&s->pending);
}

static void path_of(const struct queue *q, const char *name, char ret[4096])
{
    snprintf(ret, 4096, "%s/%s", q->dir, name);
}

/* --- writing --- */

/* A new file, with its header. */
static int make(struct queue *q, const char *name, struct states *s)
{
    char path[4096], head[SEG_HEAD];
    path_of(q, name, path);
    s->fd = q->io->open(q->io->arg, path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (s->fd < 0)
        return s->fd;
    struct seg_head h = { .salt = rand_u64() };
    s->fresh = true;
    s->salt = h.salt;
    s->n = 0;
    s->end = SEG_HEAD;
    seg_head_encode(&h, head);
    struct iovec iov = { head, sizeof(head) };
    return queue_io_write(q->io, s->fd, &iov, 1, 0);
}

static int flush(struct queue *q, struct states *s)
{
    struct iovec iov = { s->pending.p, s->pending.n };
    if (!s->pending.n)
        return 0;
    int r = s->fd < 0 ? make(q, NAME, s) : 0;
    if (r >= 0)
        r = queue_io_write(q->io, s->fd, &iov, 1, (off_t)s->end);
    s->end += s->pending.n;
    buf_reset(&s->pending);
    return r;
}

/* The salt of a file is known when it has been made. */
static int add(struct queue *q, struct states *s, enum rec_type type, uint64_t key, uint32_t aux,
               struct sv payload)
{
    static const char zeros[REC_ALIGN];
    char head[REC_HEAD];
    int r = s->fd < 0 ? make(q, NAME, s) : 0;
    if (r < 0)
        return r;
    rec_head(head, s->salt, type, key, aux, payload.n, crc32c(0, payload.p, payload.n));
    if (buf_add(&s->pending, head, sizeof(head)) < 0 || buf_add_sv(&s->pending, payload) < 0 ||
        buf_add(&s->pending, zeros, rec_size(payload.n) - REC_HEAD - payload.n) < 0)
        return -ENOMEM;
    return s->pending.n >= WRITTEN_AT_ONCE ? flush(q, s) : 0;
}

static int mark(struct queue *q, struct states *s)
{
    int r = add(q, s, REC_MARK, s->n, 0, SV(""));
    if (r >= 0)
        r = flush(q, s);
    if (r >= 0)
        r = q->io->datasync(q->io->arg, s->fd);
    if (r >= 0 && s->fresh)
        r = q->io->sync_dir(q->io->arg, q->dir);
    s->fresh &= r < 0;
    s->unmarked &= r < 0;
    return r;
}

/* Durably: a start must not believe what it says any more. */
static int discard(struct queue *q)
{
    struct states *s = &q->states;
    char path[4096];
    uint64_t tolerated = s->tolerated;
    states_done(s);
    states_init(s);
    s->tolerated = tolerated;
    path_of(q, NAME, path);
    int r = q->io->unlink(q->io->arg, path);
    if (r == -ENOENT)
        r = 0;
    return r < 0 ? r : q->io->sync_dir(q->io->arg, q->dir);
}

void states_add(struct queue *q, uint64_t key, uint32_t version, struct sv env)
{
    struct states *s = &q->states;
    if (s->failed)
        return;
    s->unmarked = true;
    s->failed = add(q, s, REC_STATE, key, version, env) < 0;
    s->n++;
}

int states_commit(struct queue *q)
{
    struct states *s = &q->states;
    if (!s->failed && !s->unmarked)
        return 0;
    if (s->failed || mark(q, s) < 0)
        return discard(q);
    buf_done(&s->pending); /* nothing is kept while nothing has to be written */
    buf_init(&s->pending, SIZE_MAX);
    return 0;
}

/* --- reading --- */

/* All records from off on, as long as they are whole: fn gets as many at a time as were read.
 * Returns where it ended; the file is damaged there, or over. */
static uint64_t read_all(struct queue *q, int fd, uint64_t salt, uint64_t off, uint64_t size,
                         void (*fn)(const struct rec *v, size_t n, void *arg), void *arg)
{
    struct rec *v = NULL;
    size_t cap = 0, room = READ_AT_ONCE;
    char *p = xmalloc(room);
    while (off < size) {
        size_t n = (size_t)MIN((uint64_t)room, size - off), found = 0;
        uint64_t at = 0;
        if (queue_io_read(q->io, fd, p, n, (off_t)off) < 0)
            break;
        for (struct rec r; rec_at(sv_n(p, n), salt, at, &r); at += rec_size(r.payload.n)) {
            if (found == cap)
                v = xrealloc(v, (cap = cap ? cap * 2 : 1024) * sizeof(*v));
            v[found] = r;
            v[found++].off += off;
        }
        if (found) {
            fn(v, found, arg);
            off += at;
        } else if (n < room || room >= LARGEST) {
            break; /* no record, however much is read */
        } else {
            free(p);
            p = xmalloc(room *= 2);
        }
    }
    free(p);
    free(v);
    return MIN(off, size);
}

struct survey {
    uint64_t n, n_marked, marked_end;
};

static void look_at(const struct rec *v, size_t n, void *arg)
{
    struct survey *s = arg;
    for (size_t i = 0; i < n; i++) {
        s->n += v[i].type == REC_STATE;
        if (v[i].type == REC_MARK) {
            s->n_marked = s->n;
            s->marked_end = v[i].off + rec_size(v[i].payload.n);
        }
    }
}

/* A mark behind a gap: what is missing was durable once. (Without one it is what a crash left of
 * the last checkpoint.) */
static bool has_mark_behind(struct queue *q, int fd, uint64_t salt, uint64_t off, uint64_t size)
{
    size_t room = READ_AT_ONCE;
    char *p = xmalloc(room);
    bool found = false;
    while (!found && off < size) {
        size_t n = (size_t)MIN((uint64_t)room, size - off);
        if (queue_io_read(q->io, fd, p, n, (off_t)off) < 0)
            break;
        uint64_t at = 0;
        for (struct rec r; !found && rec_next(sv_n(p, n), salt, &at, &r);)
            found = r.type == REC_MARK;
        off += n > REC_HEAD ? n - REC_HEAD : n; /* it may be on the border */
        if (n < room)
            break;
    }
    free(p);
    return found;
}

static int survey(struct queue *q, struct states *s, struct survey *sv)
{
    struct stat st;
    struct seg_head h;
    char head[SEG_HEAD];
    if (fstat(s->fd, &st) < 0)
        return -errno;
    uint64_t size = (uint64_t)st.st_size;
    *sv = (struct survey){ .marked_end = SEG_HEAD };
    int r = queue_io_read(q->io, s->fd, head, sizeof(head), 0);
    if (r >= 0)
        r = seg_head_decode(sv_n(head, sizeof(head)), &h);
    if (r < 0) /* no mark was ever written */
        return size <= SEG_HEAD ? -ENOENT : r;
    s->salt = h.salt;
    uint64_t end = read_all(q, s->fd, s->salt, SEG_HEAD, size, look_at, sv);
    return end < size && has_mark_behind(q, s->fd, s->salt, end, size) ? E_CORRUPT : 0;
}

struct loading {
    void (*fn)(struct message *m, uint32_t version, void *arg);
    void *arg;
    uint64_t marked_end;
    const struct rec *v;
    struct message **m;
};

static void decode(void *arg, size_t i)
{
    const struct loading *l = arg;
    if (l->v[i].type != REC_STATE || l->v[i].off >= l->marked_end)
        return;
    l->m[i] = message_new_without_key();
    if (message_envelope_decode(l->v[i].payload, l->m[i], NULL) < 0) {
        message_unref(l->m[i]); /* its .tm$ file tells why */
        l->m[i] = NULL;
    }
}

static void load_some(const struct rec *v, size_t n, void *arg)
{
    struct loading *l = arg;
    l->v = v;
    l->m = xcalloc(n, sizeof(struct message *));
    many_do(n, decode, l);
    for (size_t i = 0; i < n; i++)
        if (l->m[i])
            l->fn(l->m[i], v[i].aux, l->arg);
    free(l->m);
}

void states_load(struct queue *q, void (*fn)(struct message *m, uint32_t version, void *arg),
                 void *arg)
{
    struct states *s = &q->states;
    struct survey sv;
    char path[4096];
    path_of(q, NAME, path);
    s->fd = q->io->open(q->io->arg, path, O_RDWR, 0);
    int r = s->fd < 0 ? s->fd : survey(q, s, &sv);
    if (r >= 0) {
        struct loading l = { fn, arg, sv.marked_end, NULL, NULL };
        read_all(q, s->fd, s->salt, SEG_HEAD, sv.marked_end, load_some, &l);
        s->end = sv.marked_end;
        s->n = sv.n_marked;
        return;
    }
    if (r != -ENOENT)
        log_warn("Queue: %s cannot be used (%s) and is made anew: this start reads a file for each "
                 "message",
                 path, err_name(r));
    if (discard(q) < 0)
        q->states.failed = true; /* until the next checkpoint could remove it */
}

/* --- anew --- */

struct key_at {
    uint64_t key, off;
};

struct tidying {
    struct queue *q;
    struct key_at *v; /* of the items that wait, by key; where the last state is */
    size_t n, cap;
    struct states to;
    int result;
};

static bool note_key(struct item *it, const struct queue_info *i _unused_, void *arg)
{
    struct tidying *t = arg;
    if (t->n == t->cap)
        t->v = xrealloc(t->v, (t->cap = t->cap ? t->cap * 2 : 1024) * sizeof(*t->v));
    t->v[t->n++] = (struct key_at){ it->m->key, 0 };
    return true;
}

static int by_key(const void *a, const void *b)
{
    const struct key_at *x = a, *y = b;
    return x->key < y->key ? -1 : x->key > y->key;
}

static struct key_at *find_key(const struct tidying *t, uint64_t key)
{
    const struct key_at want = { key, 0 };
    return t->n ? bsearch(&want, t->v, t->n, sizeof(*t->v), by_key) : NULL;
}

static void note_last(const struct rec *v, size_t n, void *arg)
{
    for (size_t i = 0; i < n; i++) {
        struct key_at *k = v[i].type == REC_STATE ? find_key(arg, v[i].key) : NULL;
        if (k)
            k->off = v[i].off;
    }
}

static void copy_last(const struct rec *v, size_t n, void *arg)
{
    struct tidying *t = arg;
    for (size_t i = 0; i < n && t->result >= 0; i++) {
        const struct key_at *k = v[i].type == REC_STATE ? find_key(t, v[i].key) : NULL;
        if (!k || k->off != v[i].off)
            continue;
        t->result = add(t->q, &t->to, REC_STATE, v[i].key, v[i].aux, v[i].payload);
        t->to.n++;
    }
}

static int replace(struct queue *q, struct tidying *t)
{
    struct states *s = &q->states;
    char from[4096], to[4096];
    path_of(q, NEW_NAME, from);
    path_of(q, NAME, to);
    int r = t->result < 0 ? t->result : mark(q, &t->to);
    if (r >= 0)
        r = q->io->rename(q->io->arg, from, to);
    if (r < 0) {
        q->io->unlink(q->io->arg, from);
        return r;
    }
    t->to.tolerated = s->tolerated;
    states_done(s);
    *s = t->to;
    states_init(&t->to);
    /* Which of both a power cut leaves is the same, but not for what is written from now on. */
    return q->io->sync_dir(q->io->arg, q->dir);
}

void states_tidy(struct queue *q)
{
    struct tidying t = { .q = q };
    pthread_mutex_lock(&q->lock);
    bool due = q->states.fd >= 0 && q->states.n > 2 * q->n_items + q->states.tolerated;
    if (due)
        steer_walk(q, false, note_key, &t);
    pthread_mutex_unlock(&q->lock);
    if (!due)
        return;
    struct states *s = &q->states;
    if (t.n)
        qsort(t.v, t.n, sizeof(*t.v), by_key);
    states_init(&t.to);
    t.result = make(q, NEW_NAME, &t.to);
    read_all(q, s->fd, s->salt, SEG_HEAD, s->end, note_last, &t);
    read_all(q, s->fd, s->salt, SEG_HEAD, s->end, copy_last, &t);
    if (replace(q, &t) < 0)
        q->states.failed = true;
    states_done(&t.to);
    free(t.v);
}
