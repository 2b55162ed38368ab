/* Reading the spool directory. A file costs an open, a read and a close, and its content one look.
 */
#include "mail/queue/scan.h"

#include "mail/queue/many.h"
#include "mail/queue/queue_priv.h"
#include "os/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

enum { LOOK = 32 * 1024 }; /* bytes: an envelope of some 300 recipients */

/* --- the listing --- */

static int add(struct scan *s, const struct dirent *e)
{
    char *name = arena_strndup(&s->names, e->d_name, strlen(e->d_name));
    if (!name)
        return -ENOMEM;
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 256;
        s->v = xrealloc(s->v, s->cap * sizeof(*s->v));
    }
    s->v[s->n++] = (struct spooled){ .name = name, .inode = e->d_ino };
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
        if (sv_iends(name, SV(".tm$")))
            r = add(s, e);
        s->n_contents += sv_iends(name, SV(".tms"));
        s->n_unfinished += sv_iends(name, SV(".new"));
    }
    if (d)
        closedir(d);
    return r < 0 ? err_set_errno(ei, r, "cannot list %s", q->dir) : 0;
}

static int by_inode(const void *a, const void *b)
{
    const struct spooled *x = a, *y = b;
    return x->inode < y->inode ? -1 : x->inode > y->inode;
}

/* --- the files --- */

struct reading {
    const struct queue *q;
    struct scan *scan;
};

static void read_one(void *arg, size_t i)
{
    const struct reading *r = arg;
    struct spooled *s = &r->scan->v[i];
    char look[LOOK];
    _cleanup_(closep) int fd = openat(r->q->dir_fd, s->name, O_RDONLY | O_CLOEXEC);
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

int scan_run(struct queue *q, struct scan *ret, struct errinfo *ei)
{
    *ret = (struct scan){ 0 };
    arena_init(&ret->names, SIZE_MAX);
    int r = list(q, ret, ei);
    if (r < 0)
        return r;
    if (ret->n)
        qsort(ret->v, ret->n, sizeof(*ret->v), by_inode);
    many_do(ret->n, read_one, &(struct reading){ q, ret });
    return 0;
}

void scan_done(struct scan *s)
{
    for (size_t i = 0; i < s->n; i++)
        message_unref(s->v[i].m);
    free(s->v);
    arena_done(&s->names);
    *s = (struct scan){ 0 };
}
