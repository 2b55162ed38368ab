/* The list of pauses and its file. */
#include "mail/queue/pauses.h"

#include "os/file.h"

#include <fcntl.h>
#include <unistd.h>

static const char *const words[] = { "all", "to", "from" };

static struct pause *find(const struct pauses *p, enum queue_pause_kind kind, struct sv name)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->v[i].kind == kind && sv_ieq(sv_c(p->v[i].name), name))
            return &p->v[i];
    return NULL;
}

bool pauses_hold(const struct pauses *p, enum queue_pause_kind kind, struct sv name)
{
    return p->n && find(p, kind, name);
}

int pauses_set(struct pauses *p, enum queue_pause_kind kind, struct sv name, bool on)
{
    struct pause *old, new = { .kind = kind };
    if (kind == PAUSE_ALL)
        name = SV("");
    if ((kind != PAUSE_ALL && !name.n) || !sv_copy(new.name, sizeof(new.name), name) ||
        memchr(name.p, '\n', name.n))
        return E_PARSE;
    old = find(p, kind, name);
    if (!old == !on)
        return 0;
    if (!on) {
        *old = p->v[--p->n];
        return 1;
    }
    if (p->n == PAUSES_MAX)
        return E_LIMIT;
    for (char *c = new.name; *c; c++)
        *c = ascii_lower(*c);
    p->v = xrealloc(p->v, (p->n + 1) * sizeof(*p->v));
    p->v[p->n++] = new;
    return 1;
}

static int write_file(const struct queue_io *io, const char *path, struct sv text)
{
    int fd = io->open(io->arg, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0)
        return fd;
    struct iovec iov = { (void *)text.p, text.n };
    int r = text.n ? queue_io_write(io, fd, &iov, 1, 0) : 0;
    if (r >= 0)
        r = io->datasync(io->arg, fd);
    close(fd);
    return r;
}

int pauses_save(const struct pauses *p, const struct queue_io *io, const char *dir)
{
    char path[4096], tmp[4096];
    struct buf b;
    buf_init(&b, PAUSES_MAX * 270);
    for (size_t i = 0; i < p->n; i++)
        (void)buf_addf(&b, "%s %s\n", words[p->v[i].kind], p->v[i].name);
    snprintf(path, sizeof(path), "%s/paused", dir);
    snprintf(tmp, sizeof(tmp), "%s/paused.new", dir);
    int r = write_file(io, tmp, buf_sv(&b));
    if (r >= 0)
        r = io->rename(io->arg, tmp, path);
    if (r >= 0)
        r = io->sync_dir(io->arg, dir);
    buf_done(&b);
    return r;
}

static void add_line(struct pauses *p, struct sv line)
{
    struct sv word = sv_split(&line, ' ');
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (sv_eq(word, sv_c(words[i])))
            (void)pauses_set(p, (enum queue_pause_kind)i, line, true);
}

int pauses_load(struct pauses *p, const char *dir, struct errinfo *ei)
{
    char path[4096];
    struct buf b;
    buf_init(&b, PAUSES_MAX * 270);
    snprintf(path, sizeof(path), "%s/paused", dir);
    int r = os_read_file(path, &b, ei);
    struct sv rest = buf_sv(&b);
    while (r >= 0 && rest.p && rest.n)
        add_line(p, sv_split(&rest, '\n'));
    buf_done(&b);
    return r == -ENOENT ? 0 : r;
}

void pauses_copy(const struct pauses *p, struct pauses *ret)
{
    *ret = (struct pauses){ .n = p->n };
    if (p->n) {
        ret->v = xmalloc(p->n * sizeof(*p->v));
        memcpy(ret->v, p->v, p->n * sizeof(*p->v));
    }
}

void pauses_done(struct pauses *p)
{
    free(p->v);
    *p = (struct pauses){ 0 };
}
