/* Files of the journal: making (every block written, so that a later fdatasync has no metadata to
 * write), finding them at start, giving them back. Checkpoint thread, or start and end of the
 * queue. */
#include "base/buf.h"
#include "base/rand.h"
#include "mail/queue/journal.h"
#include "os/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { KEEP_SPARES = 3, FILL_CHUNK = 1024 * 1024, LEAVE_FREE = 2 * 1024 * 1024 };

static void seg_path(const struct journal *j, unsigned slot, char ret[4096])
{
    snprintf(ret, 4096, "%s/%08u.jnl", j->dir, slot);
}

static struct jseg *seg_new(unsigned slot, int fd, uint64_t size)
{
    struct jseg *s = xcalloc(1, sizeof(*s));
    list_init(&s->link);
    list_init(&s->entries);
    s->slot = slot;
    s->fd = fd;
    s->size = size;
    s->tail = SEG_HEAD;
    return s;
}

static void seg_free(struct jseg *s)
{
    if (s->fd >= 0)
        close(s->fd);
    free(s);
}

/* The name must not come back after a power cut: its records would be replayed without those of
 * later segments that ended their items. */
static void seg_remove(struct journal *j, struct jseg *s)
{
    char path[4096];
    seg_path(j, s->slot, path);
    j->io->unlink(j->io->arg, path);
    j->io->sync_dir(j->io->arg, j->dir);
    seg_free(s);
}

int journal_open(struct journal *j, const char *dir, uint64_t seg_size, const struct queue_io *io,
                 pthread_mutex_t *lock, struct errinfo *ei)
{
    j->lock = lock;
    j->io = io;
    j->dir = xstrdup(dir);
    j->seg_size = seg_size / SEG_HEAD * SEG_HEAD;
    j->next_gen = 1;
    j->last = &j->first;
    list_init(&j->spares);
    list_init(&j->full);
    pthread_cond_init(&j->changed, NULL);
    io->boot_id(io->arg, j->boot);
    j->boot_known = *j->boot;
    if (!j->boot_known) /* without /proc; empty would say that the segment is unused */
        sv_copy(j->boot, sizeof(j->boot), SV("unknown"));
    return queue_io_make_dir(io, dir, ei);
}

static void free_list(struct list *l)
{
    list_for_each_safe(it, tmp, l)
    {
        list_del(it);
        seg_free(container_of(it, struct jseg, link));
    }
}

void journal_done(struct journal *j)
{
    free_list(&j->spares);
    free_list(&j->full);
    if (j->active)
        seg_free(j->active);
    pthread_cond_destroy(&j->changed);
    free(j->dir);
}

/* --- start --- */

struct found {
    struct jseg *seg;
    struct seg_head head;
    bool valid;  /* may hold records */
    bool unused; /* wiped by a clean close: ready to be used again */
};

static int by_gen(const void *a, const void *b)
{
    uint64_t x = ((const struct found *)a)->head.gen, y = ((const struct found *)b)->head.gen;
    return x < y ? -1 : x > y;
}

static int look_at(struct journal *j, const char *name, struct found *ret, struct errinfo *ei)
{
    char path[4096], head[SEG_HEAD];
    uint32_t slot;
    if (sv_to_u32(sv_take(sv_c(name), strlen(name) - 4), &slot) < 0)
        return 0;
    seg_path(j, slot, path);
    _cleanup_(closep) int fd = j->io->open(j->io->arg, path, O_RDWR, 0);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set_errno(ei, fd < 0 ? fd : -errno, "cannot open journal segment %s", path);
    int r = queue_io_read(j->io, fd, head, MIN((size_t)st.st_size, sizeof(head)), 0);
    if (r < 0)
        return err_set_errno(ei, r, "cannot read journal segment %s", path);
    j->next_slot = MAX(j->next_slot, slot + 1);
    bool whole = st.st_size >= SEG_HEAD &&
                 seg_head_decode(sv_n(head, sizeof(head)), &ret->head) == 0 &&
                 ret->head.size <= (uint64_t)st.st_size;
    ret->unused = whole && ret->head.boot[0] == '\0';
    ret->valid = whole && !ret->unused;
    ret->seg = seg_new(slot, take_fd(&fd), (uint64_t)st.st_size);
    if (!whole)
        return 1;
    ret->seg->gen = ret->head.gen;
    ret->seg->salt = ret->head.salt;
    ret->seg->size = ret->head.size;
    return 1;
}

static int list_segments(struct journal *j, struct found **ret, size_t *ret_n, struct errinfo *ei)
{
    DIR *d = opendir(j->dir);
    if (!d)
        return err_set_errno(ei, -errno, "cannot list %s", j->dir);
    int r = 0;
    struct dirent *e;
    while (r >= 0 && (e = readdir(d))) {
        struct found f = { 0 };
        if (!sv_iends(sv_c(e->d_name), SV(".jnl")))
            continue;
        r = look_at(j, e->d_name, &f, ei);
        if (r <= 0)
            continue;
        *ret = xrealloc(*ret, (*ret_n + 1) * sizeof(f));
        (*ret)[(*ret_n)++] = f;
    }
    closedir(d);
    return r < 0 ? r : 0;
}

static int write_head(struct journal *j, struct jseg *s, uint64_t gen, const char *boot)
{
    char block[SEG_HEAD];
    struct seg_head h = { .gen = gen, .salt = rand_u64(), .size = s->size };
    sv_copy(h.boot, sizeof(h.boot), sv_c(boot));
    s->gen = gen;
    s->salt = h.salt;
    s->tail = SEG_HEAD;
    seg_head_encode(&h, block);
    struct iovec iov = { block, sizeof(block) };
    int r = queue_io_write(j->io, s->fd, &iov, 1, 0);
    return r < 0 ? r : j->io->datasync(j->io->arg, s->fd);
}

static void add_spare(struct journal *j, struct jseg *s)
{
    list_add_tail(&j->spares, &s->link);
    j->n_spares++;
    j->spare_error = 0;
    pthread_cond_broadcast(&j->changed);
}

static void reuse(struct journal *j, struct jseg *s)
{
    if (s->size == j->seg_size && j->n_spares < KEEP_SPARES &&
        write_head(j, s, j->next_gen, j->boot) >= 0) {
        j->next_gen++;
        add_spare(j, s);
        return;
    }
    seg_remove(j, s);
}

static int scan_one(struct journal *j, struct found *f,
                    int (*fn)(void *arg, struct jseg *s, const struct seg_head *h), void *arg)
{
    j->next_gen = MAX(j->next_gen, f->head.gen + 1);
    list_add_tail(&j->full, &f->seg->link);
    j->n_full++;
    return fn(arg, f->seg, &f->head);
}

int journal_scan(struct journal *j, int (*fn)(void *arg, struct jseg *s, const struct seg_head *h),
                 void *arg, struct errinfo *ei)
{
    struct found *f = NULL;
    size_t n = 0;
    int r = list_segments(j, &f, &n, ei);
    if (n)
        qsort(f, n, sizeof(*f), by_gen);
    for (size_t i = 0; i < n; i++) { /* marks compare generations: never one twice */
        if (f[i].unused)
            j->next_gen = MAX(j->next_gen, f[i].head.gen + 1);
        if (r < 0)
            seg_free(f[i].seg);
        else if (f[i].valid)
            r = scan_one(j, &f[i], fn, arg);
    }
    for (size_t i = 0; i < n && r >= 0; i++) {
        if (f[i].unused)
            reuse(j, f[i].seg);
        else if (!f[i].valid) /* torn while it was made ready: holds nothing */
            seg_remove(j, f[i].seg);
    }
    free(f);
    return r < 0 ? r : 0;
}

/* --- spares --- */

static int fill(struct journal *j, int fd)
{
    char *zero = xcalloc(1, FILL_CHUNK);
    int r = 0;
    for (uint64_t off = 0; off < j->seg_size && r >= 0; off += FILL_CHUNK) {
        struct iovec iov = { zero, MIN((uint64_t)FILL_CHUNK, j->seg_size - off) };
        r = queue_io_write(j->io, fd, &iov, 1, (off_t)off);
    }
    free(zero);
    return r < 0 ? r : j->io->datasync(j->io->arg, fd);
}

/* The last space is for others: mailboxes need some even to get rid of messages. */
static bool has_space(const struct journal *j)
{
    struct statvfs v;
    return statvfs(j->dir, &v) < 0 || (uint64_t)v.f_bavail * v.f_frsize >= j->seg_size + LEAVE_FREE;
}

static int make_segment(struct journal *j, unsigned slot, uint64_t gen, struct jseg **ret,
                        struct errinfo *ei)
{
    char path[4096];
    seg_path(j, slot, path);
    if (!has_space(j))
        return err_set_errno(ei, -ENOSPC, "cannot make journal segment %s (%" PRIu64 " bytes)",
                             path, j->seg_size);
    _cleanup_(closep) int fd = j->io->open(j->io->arg, path, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd < 0)
        return err_set_errno(ei, fd, "cannot create journal segment %s", path);
    int r = fill(j, fd);
    if (r >= 0)
        r = j->io->sync_dir(j->io->arg, j->dir);
    struct jseg *s = seg_new(slot, take_fd(&fd), j->seg_size);
    if (r >= 0)
        r = write_head(j, s, gen, j->boot);
    if (r < 0) {
        seg_remove(j, s);
        return err_set_errno(ei, r, "cannot write journal segment %s (%" PRIu64 " bytes)", path,
                             j->seg_size);
    }
    *ret = s;
    return 0;
}

int journal_make_spares(struct journal *j, unsigned want, struct errinfo *ei)
{
    for (;;) {
        pthread_mutex_lock(j->lock);
        bool enough = j->n_spares >= want;
        unsigned slot = enough ? 0 : j->next_slot++;
        uint64_t gen = enough ? 0 : j->next_gen++;
        pthread_mutex_unlock(j->lock);
        if (enough)
            return 0;
        struct jseg *s = NULL;
        int r = make_segment(j, slot, gen, &s, ei);
        pthread_mutex_lock(j->lock);
        if (r >= 0) {
            add_spare(j, s);
        } else {
            j->spare_error = r;
            pthread_cond_broadcast(&j->changed);
        }
        pthread_mutex_unlock(j->lock);
        if (r < 0)
            return r;
    }
}

void journal_recycle(struct journal *j, struct jseg *s)
{
    list_del(&s->link);
    j->n_full--;
    bool reuse = !s->bad && s->size == j->seg_size && j->n_spares < KEEP_SPARES;
    uint64_t gen = reuse ? j->next_gen++ : 0;
    pthread_mutex_unlock(j->lock);
    if (reuse && write_head(j, s, gen, j->boot) < 0)
        reuse = false;
    if (!reuse)
        seg_remove(j, s);
    pthread_mutex_lock(j->lock);
    if (reuse)
        add_spare(j, s);
}

void journal_wipe(struct journal *j)
{
    struct list *lists[] = { &j->spares, &j->full };
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        list_for_each(it, lists[i])
        {
            struct jseg *s = container_of(it, struct jseg, link);
            write_head(j, s, s->gen, "");
        }
    }
    if (j->active)
        write_head(j, j->active, j->active->gen, "");
}
