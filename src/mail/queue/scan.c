/* Reading the spool directory. A file costs an open, a read and a close, and its content one look.
 */
#include "mail/queue/scan.h"

#include "base/hash.h"
#include "mail/queue/many.h"
#include "mail/queue/queue_priv.h"
#include "os/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

enum { LOOK = 32 * 1024 }; /* bytes: an envelope of some 300 recipients */

/* --- the listing --- */

/* Of the item, or a free one. */
static struct scan_slot *find_slot(const struct scan *s, uint64_t hash, struct sv item)
{
    size_t mask = ((size_t)1 << s->bits) - 1, i = (size_t)hash & mask;
    for (;; i = (i + 1) & mask) {
        struct scan_slot *x = &s->slots[i];
        if (!x->number || (x->hash == hash >> 32 && sv_eq(sv_c(s->v[x->number - 1].item), item)))
            return x;
    }
}

static void put(struct scan *s, uint64_t hash, size_t i)
{
    *find_slot(s, hash, sv_c(s->v[i].item)) =
        (struct scan_slot){ (uint32_t)i + 1, (uint32_t)(hash >> 32) };
}

static void grow(struct scan *s)
{
    s->cap = s->cap ? s->cap * 2 : 256;
    s->v = xrealloc(s->v, s->cap * sizeof(*s->v));
    free(s->slots);
    s->bits = s->bits ? s->bits + 1 : 9; /* twice as many slots as items */
    s->slots = xcalloc((size_t)1 << s->bits, sizeof(*s->slots));
    for (size_t i = 0; i < s->n; i++)
        put(s, hash_bytes(s->v[i].item, strlen(s->v[i].item)), i);
}

static struct spooled *get(const struct scan *s, struct sv item)
{
    uint32_t i = s->n ? find_slot(s, hash_bytes(item.p, item.n), item)->number : 0;
    return i ? &s->v[i - 1] : NULL;
}

static struct spooled *get_or_add(struct scan *s, struct sv item)
{
    struct spooled *had = get(s, item);
    if (had)
        return had;
    const char *copy = arena_strndup(&s->names, item.p, item.n);
    if (!copy)
        return NULL;
    if (s->n == s->cap)
        grow(s);
    s->v[s->n] = (struct spooled){ .item = copy };
    put(s, hash_bytes(item.p, item.n), s->n);
    return &s->v[s->n++];
}

static int note(struct scan *s, const struct dirent *e, bool env)
{
    struct sv name = sv_c(e->d_name);
    struct spooled *x = get_or_add(s, sv_take(name, name.n - 4));
    if (!x)
        return -ENOMEM;
    x->env |= env;
    x->content |= !env;
    if (env)
        x->inode = e->d_ino;
    s->n_contents += !env;
    return 0;
}

static int list(const struct queue *q, struct scan *s, struct errinfo *ei)
{
    DIR *d = opendir(q->dir);
    int r = d ? 0 : -errno;
    struct dirent *e;
    while (r >= 0 && (e = readdir(d))) {
        struct sv name = sv_c(e->d_name);
        if (name.n <= 4)
            continue;
        bool env = sv_iends(name, SV(".tm$"));
        if (env || sv_iends(name, SV(".tms")))
            r = note(s, e, env);
        s->n_unfinished += sv_iends(name, SV(".new"));
    }
    if (d)
        closedir(d);
    return r < 0 ? err_set_errno(ei, r, "cannot list %s", q->dir) : 0;
}

/* --- the states --- */

/* A later one of the same item is a newer one. */
static void take_state(struct message *m, uint32_t version, void *arg)
{
    struct scan *s = arg;
    struct spooled *x = get(s, sv_c(m->item));
    if (!x || !x->env) { /* it is over */
        message_unref(m);
        return;
    }
    message_unref(x->m);
    x->m = m;
    x->version = version;
    x->from_states = true;
}

/* --- the files --- */

struct reading {
    const struct queue *q;
    struct spooled **v;
    size_t n;
};

static int by_inode(const void *a, const void *b)
{
    const struct spooled *x = *(struct spooled *const *)a, *y = *(struct spooled *const *)b;
    return x->inode < y->inode ? -1 : x->inode > y->inode;
}

static void read_one(void *arg, size_t i)
{
    const struct reading *r = arg;
    struct spooled *s = r->v[i];
    char look[LOOK], name[64];
    snprintf(name, sizeof(name), "%s.tm$", s->item);
    _cleanup_(closep) int fd = openat(r->q->dir_fd, name, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : pread(fd, look, LOOK, 0);
    struct rec rec;
    if (n < 0 || n == LOOK || !rec_at(sv_n(look, (size_t)n), 0, 0, &rec) || rec.type != REC_STATE)
        return;
    struct message *m = message_new_without_key();
    if (message_envelope_decode(rec.payload, m, NULL) < 0) {
        message_unref(m);
        return;
    }
    s->m = m;
    s->version = rec.aux;
    s->content = spool_has_content(r->q, m);
}

static void read_files(struct queue *q, struct scan *s)
{
    struct reading r = { .q = q, .v = xcalloc(s->n + 1, sizeof(struct spooled *)) };
    for (size_t i = 0; i < s->n; i++)
        if (s->v[i].env && !s->v[i].m)
            r.v[r.n++] = &s->v[i];
    qsort(r.v, r.n, sizeof(*r.v), by_inode);
    many_do(r.n, read_one, &r);
    free(r.v);
}

int scan_run(struct queue *q, struct scan *ret, struct errinfo *ei)
{
    *ret = (struct scan){ 0 };
    arena_init(&ret->names, SIZE_MAX);
    int r = list(q, ret, ei);
    if (r < 0)
        return r;
    states_load(q, take_state, ret);
    read_files(q, ret);
    return 0;
}

void scan_done(struct scan *s)
{
    for (size_t i = 0; i < s->n; i++)
        message_unref(s->v[i].m);
    free(s->v);
    free(s->slots);
    arena_done(&s->names);
    *s = (struct scan){ 0 };
}
