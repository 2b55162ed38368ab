/* Power cuts for tests: fsync and fdatasync of this program are ours and note what is on stable
 * storage. At the cut everything else is dropped, or kept where a disk may have written it already
 * (per file and directory at random). A file counts as its content at its last sync, a directory as
 * its entries at its last sync. Torn: the disk may have written some 4 KiB blocks of what was not
 * synced and others not. Decisions come from pw_below, so that a seed repeats them. */
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"

struct pw_file {
    struct pw_file *next;
    uint64_t id;
    struct buf stable, now; /* now: at the cut */
    bool synced, has_now;
};

struct pw_entry {
    char name[64];
    uint64_t id;
    bool dir;
};

struct pw_dir {
    struct pw_dir *next;
    char path[300];
    struct pw_entry *e[2]; /* stable, at the cut */
    size_t n[2];
};

static struct {
    pthread_mutex_t lock;
    char root[64];
    bool on, cut, torn;
    unsigned events, cut_at;
    bool die; /* instead of the next sync: this process is killed there */
    uint64_t rand;
    struct pw_file *files;
    struct pw_dir *dirs;
} pw = { .lock = PTHREAD_MUTEX_INITIALIZER };

static inline uint32_t pw_below(uint32_t n) /* SplitMix64 */
{
    uint64_t z = (pw.rand += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)((z ^ (z >> 31)) % n);
}

/* Inode numbers come back with other files: the time of birth tells them apart. */
static inline uint64_t pw_id(const char *path)
{
    struct statx st;
    if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_INO | STATX_BTIME, &st) < 0)
        return 0;
    return st.stx_ino * UINT64_C(1000003) + (uint64_t)st.stx_btime.tv_sec * UINT64_C(1000000007) +
           st.stx_btime.tv_nsec;
}

static inline struct pw_file *pw_file(uint64_t id)
{
    struct pw_file *f = pw.files;
    while (f && f->id != id)
        f = f->next;
    if (!f) {
        f = xcalloc(1, sizeof(*f));
        f->id = id;
        buf_init(&f->stable, 64 * MiB);
        buf_init(&f->now, 64 * MiB);
        f->next = pw.files;
        pw.files = f;
    }
    return f;
}

static inline struct pw_dir *pw_dir(const char *path)
{
    struct pw_dir *d = pw.dirs;
    while (d && strcmp(d->path, path) != 0)
        d = d->next;
    if (!d) {
        d = xcalloc(1, sizeof(*d));
        snprintf(d->path, sizeof(d->path), "%s", path);
        d->next = pw.dirs;
        pw.dirs = d;
    }
    return d;
}

static inline void pw_read(int fd, struct buf *b)
{
    ssize_t n;
    buf_reset(b);
    do {
        buf_reserve(b, 64 * KiB);
        n = pread(fd, b->p + b->n, 64 * KiB, (off_t)b->n);
        b->n += n > 0 ? (size_t)n : 0;
    } while (n > 0);
}

static inline void pw_note_file(int fd, const char *path, struct buf *b)
{
    char c;
    if (fd >= 0 && (pread(fd, &c, 1, 0) >= 0 || errno != EBADF)) {
        pw_read(fd, b);
        return;
    }
    int own = open(path, O_RDONLY);
    pw_read(own, b);
    close(own);
}

static inline void pw_note_dir(const char *path, int which)
{
    struct pw_dir *d = pw_dir(path);
    DIR *h = opendir(path);
    free(d->e[which]);
    d->e[which] = xcalloc(4000, sizeof(**d->e));
    d->n[which] = 0;
    for (struct dirent *e; h && (e = readdir(h)) && d->n[which] < 4000;) {
        struct pw_entry *x = &d->e[which][d->n[which]];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        sv_copy(x->name, sizeof(x->name), sv_c(e->d_name));
        char sub[400];
        snprintf(sub, sizeof(sub), "%s/%s", path, x->name);
        x->id = pw_id(sub);
        x->dir = e->d_type == DT_DIR;
        d->n[which]++;
    }
    if (h)
        closedir(h);
}

/* Notes everything below path: as stable (a sync of the whole file system), or as what there is
 * now. */
static inline void pw_note_tree(const char *path, bool stable)
{
    pw_note_dir(path, !stable);
    struct pw_dir *d = pw_dir(path);
    size_t n = d->n[!stable];
    struct pw_entry *e = d->e[!stable];
    for (size_t i = 0; i < n; i++) {
        char sub[400];
        snprintf(sub, sizeof(sub), "%s/%s", path, e[i].name);
        if (e[i].dir) {
            pw_note_tree(sub, stable);
            continue;
        }
        struct pw_file *f = pw_file(e[i].id);
        pw_note_file(-1, sub, stable ? &f->stable : &f->now);
        f->synced |= stable;
        f->has_now |= !stable;
    }
}

static inline void pw_sync(int fd)
{
    char link[64], path[300];
    struct stat st;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    pthread_mutex_lock(&pw.lock);
    ssize_t n = pw.on && !pw.cut ? readlink(link, path, sizeof(path) - 1) : 0;
    path[MAX(n, 0)] = '\0';
    if (n > 0 && strncmp(path, pw.root, strlen(pw.root)) == 0 && fstat(fd, &st) == 0) {
        if (pw.die)
            _exit(9);
        if (++pw.events == pw.cut_at) {
            pw.cut = true; /* this one does not come to its end */
            pw_note_tree(pw.root, false);
        } else if (S_ISDIR(st.st_mode)) {
            pw_note_dir(path, 0);
        } else {
            struct pw_file *f = pw_file(pw_id(path));
            pw_note_file(fd, path, &f->stable);
            f->synced = true;
        }
    }
    pthread_mutex_unlock(&pw.lock);
}

int fsync(int fd);
int fsync(int fd)
{
    pw_sync(fd);
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd);
int fdatasync(int fd)
{
    pw_sync(fd);
    return (int)syscall(SYS_fdatasync, fd);
}

static inline void pw_start(const char *root, unsigned cut_at)
{
    snprintf(pw.root, sizeof(pw.root), "%s", root);
    pw.events = 0;
    pw.cut_at = cut_at;
    pw.cut = false;
    pw.die = false;
    pw.on = true;
    pw_note_tree(root, true);
}

static inline bool pw_is_cut(void)
{
    pthread_mutex_lock(&pw.lock);
    bool cut = pw.cut;
    pthread_mutex_unlock(&pw.lock);
    return cut;
}

/* syncfs: the queue's checkpoint. */
static inline void pw_sync_all(void)
{
    pthread_mutex_lock(&pw.lock);
    if (!pw.cut)
        pw_note_tree(pw.root, true);
    pthread_mutex_unlock(&pw.lock);
}

static inline void pw_cut_now(void)
{
    pthread_mutex_lock(&pw.lock);
    if (!pw.cut)
        pw_note_tree(pw.root, false);
    pw.cut = true;
    pthread_mutex_unlock(&pw.lock);
}

static inline void pw_tear(const struct pw_file *f, struct buf *ret)
{
    size_t n = pw_below(2) ? f->now.n : f->stable.n;
    for (size_t at = 0; at < n; at += 4096) {
        static const char zero[4096];
        const struct buf *b = pw_below(2) ? &f->now : &f->stable;
        size_t k = MIN(n - at, (size_t)4096), have = b->n > at ? MIN(b->n - at, k) : 0;
        if (have > 0)
            buf_add(ret, b->p + at, have);
        buf_add(ret, zero, k - have);
    }
}

/* Writes what survived to a new directory. kept: percentage of unsynced files and directories that
 * were on the disk all the same. */
static inline void pw_restore_file(const struct pw_file *f, const char *path, unsigned kept)
{
    _cleanup_(buf_done) struct buf torn;
    const struct buf *content = f->has_now && pw_below(100) < kept ? &f->now : &f->stable;
    buf_init(&torn, 64 * MiB);
    if (f->has_now && pw.torn && pw_below(2)) {
        pw_tear(f, &torn);
        content = &torn;
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, content->p ? content->p : "", content->n) != (ssize_t)content->n)
        abort();
    close(fd);
}

static inline void pw_restore(const char *from, const char *to, unsigned kept)
{
    struct pw_dir *d = pw_dir(from);
    int which = d->e[1] && pw_below(100) < kept;
    mkdir(to, 0700);
    for (size_t i = 0; i < d->n[which]; i++) {
        struct pw_entry *e = &d->e[which][i];
        char a[400], b[400];
        snprintf(a, sizeof(a), "%s/%s", from, e->name);
        snprintf(b, sizeof(b), "%s/%s", to, e->name);
        if (e->dir) {
            pw_restore(a, b, kept);
            continue;
        }
        pw_restore_file(pw_file(e->id), b, kept);
    }
}

static inline void pw_end(void)
{
    pw.on = false;
    for (struct pw_file *f = pw.files, *next; f; f = next) {
        next = f->next;
        buf_done(&f->stable);
        buf_done(&f->now);
        free(f);
    }
    for (struct pw_dir *d = pw.dirs, *next; d; d = next) {
        next = d->next;
        free(d->e[0]);
        free(d->e[1]);
        free(d);
    }
    pw.files = NULL;
    pw.dirs = NULL;
}
