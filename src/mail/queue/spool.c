/* Spool files: <item>.tms holds the content as it travels, <item>.tm$ the envelope and state (one
 * journal record with salt 0). A .tm$ file gets its final name when both are synced, a .tms file
 * when it is complete or while the journal still has the content. */
#include "mail/queue/queue_priv.h"

#include "base/hash.h"
#include "os/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

void spool_path(const struct queue *q, const char *item, const char *suffix, char ret[4096])
{
    snprintf(ret, 4096, "%s/%s%s", q->dir, item, suffix);
}

int spool_write(struct queue *q, const char *item, const char *suffix, struct sv a, struct sv b)
{
    char path[4096];
    spool_path(q, item, suffix, path);
    _cleanup_(closep) int fd = q->io->open(q->io->arg, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0)
        return fd;
    struct iovec iov[2] = { { (void *)a.p, a.n }, { (void *)b.p, b.n } };
    int r = queue_io_write(q->io, fd, iov, b.n ? 2 : a.n ? 1 : 0, 0);
    if (r < 0)
        q->io->unlink(q->io->arg, path);
    return r;
}

int spool_write_env(struct queue *q, const char *item, uint64_t key, uint32_t version,
                    struct sv env)
{
    char head[REC_HEAD];
    rec_head(head, 0, REC_STATE, key, version, env.n, crc32c(0, env.p, env.n));
    return spool_write(q, item, ".tm$.new", sv_n(head, sizeof(head)), env);
}

int spool_read_env(struct queue *q, const char *item, struct message *m, uint32_t *ret_version,
                   struct errinfo *ei)
{
    char path[4096];
    spool_path(q, item, ".tm$", path);
    struct buf b;
    struct rec rec;
    buf_init(&b, 256 * MiB);
    int r = os_read_file(path, &b, ei);
    if (r >= 0 && (!rec_at(buf_sv(&b), 0, 0, &rec) || rec.type != REC_STATE))
        r = err_set(ei, E_CORRUPT, "%s is damaged", path);
    if (r >= 0)
        r = message_envelope_decode(rec.payload, m, ei);
    if (r >= 0)
        *ret_version = rec.aux;
    buf_done(&b);
    return r < 0 ? r : 0;
}

bool spool_has_content(const struct queue *q, const struct message *m)
{
    char name[64];
    struct stat st;
    snprintf(name, sizeof(name), "%s.tms", m->item);
    return fstatat(q->dir_fd, name, &st, 0) == 0 && (uint64_t)st.st_size == m->size;
}

/* A name that is taken belongs to a message that waits: never overwrite it. */
static int must_be_free(const char *path, struct errinfo *ei)
{
    if (access(path, F_OK) == 0)
        return err_set(ei, E_TEMP, "queue item %s exists already", path);
    return 0;
}

static int sync_file(struct queue *q, const char *path)
{
    _cleanup_(closep) int fd = q->io->open(q->io->arg, path, O_RDONLY, 0);
    return fd < 0 ? fd : q->io->datasync(q->io->arg, fd);
}

static int take_name(struct queue *q, const char *from, const char *to)
{
    int r = q->io->rename(q->io->arg, from, to);
    if (r >= 0)
        r = q->io->sync_dir(q->io->arg, q->dir);
    return r;
}

static int space_error(struct errinfo *ei, int r, const char *path)
{
    return err_set_errno(ei, r == -ENOSPC || r == -EDQUOT ? E_FULL : E_TEMP, "cannot write %s: %s",
                         path, err_name(r));
}

int spool_adopt(struct queue *q, struct message *m, struct errinfo *ei)
{
    char path[4096];
    spool_path(q, m->item, ".tms", path);
    int r = must_be_free(path, ei);
    if (r < 0)
        return r;
    r = sync_file(q, m->spool_path);
    if (r >= 0)
        r = take_name(q, m->spool_path, path);
    if (r < 0)
        return space_error(ei, r, path);
    message_set(&m->spool_path, sv_c(path));
    return 0;
}

int spool_from_memory(struct queue *q, struct message *m, struct errinfo *ei)
{
    char path[4096], tmp[4096];
    spool_path(q, m->item, ".tms", path);
    spool_path(q, m->item, ".tms.new", tmp);
    int r = must_be_free(path, ei);
    if (r < 0)
        return r;
    r = spool_write(q, m->item, ".tms.new", m->content, SV_NULL);
    if (r >= 0)
        r = sync_file(q, tmp);
    if (r >= 0)
        r = take_name(q, tmp, path);
    if (r < 0) {
        q->io->unlink(q->io->arg, tmp);
        return space_error(ei, r, path);
    }
    message_set(&m->spool_path, sv_c(path));
    return 0;
}

int queue_spool_begin(struct queue *q, struct message *m, int *ret_fd, struct errinfo *ei)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%016" PRIx64 ".tmp", q->temp_dir, m->key);
    int fd = q->io->open(q->io->arg, path, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd < 0)
        return space_error(ei, fd, path);
    message_set(&m->spool_path, sv_c(path));
    *ret_fd = fd;
    return 0;
}
