/* A disk that can lose power: the queue's file system calls go to real files, which play the page
 * cache; beside them an image of what is durable is kept. A cut takes the image and adds what a
 * disk may have written by itself:
 *
 *   content   of each file any blocks of 512 bytes that were written but not synced, also torn
 *             ones; a file that grew or shrank may have either length
 *   names     ordered: a beginning of the unsynced changes, and each sync makes all earlier ones
 *             durable (a journalling file system). any: each change for itself, and the sync of a
 *             directory is for its own names only (all that POSIX promises)
 *
 * Under power.lock everything. Directories are there always: see tests/fault for those. */
#pragma once

#include "queue_test.h"

#include "base/hash.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum keep { KEEP_NOTHING, KEEP_SOME, KEEP_EVERYTHING }; /* of what was not synced */

struct image_file {
    int fd; /* keeps the inode: its number goes to no other file meanwhile */
    ino_t ino;
    unsigned refs; /* durable names and unsynced changes of names */
    struct buf durable;
    struct image_file *next;
};

struct name_change {
    char from[256], to[256]; /* from "": a new name; to "": unlinked */
    struct image_file *file; /* NULL: unlinked */
    struct name_change *next;
};

static struct power {
    pthread_mutex_t lock; /* also taken by the test for its own books */
    struct image_file *files;
    struct map *names; /* durable: path -> image_file */
    struct name_change *changes;
    bool any_order; /* of names */
    enum keep keep;
    bool same_boot; /* only the process ends: with KEEP_EVERYTHING */
    bool off;       /* nothing reaches the disk any more, although the process goes on */
    unsigned calls, cut_at;
    void (*on_cut)(void);    /* with the lock held, before call number cut_at */
    void (*on_syncfs)(void); /* with the lock held */
    uint64_t random;
    unsigned boot;
    unsigned torn_blocks;
} power = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* What the disk does by chance follows from power.random, so that it can be repeated. */
static inline unsigned chance(unsigned n) /* xorshift64* */
{
    power.random ^= power.random >> 12;
    power.random ^= power.random << 25;
    power.random ^= power.random >> 27;
    return (unsigned)((power.random * 0x2545f4914f6cdd1dULL) >> 33) % n;
}

/* --- the image --- */

static inline struct image_file *file_of(int fd)
{
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    struct image_file *f = power.files;
    while (f && f->ino != st.st_ino)
        f = f->next;
    return f;
}

static inline struct image_file *file_new(const char *path)
{
    struct stat st;
    struct image_file *f = xcalloc(1, sizeof(*f));
    f->fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(f->fd >= 0);
    assert_int_equal(fstat(f->fd, &st), 0);
    f->ino = st.st_ino;
    buf_init(&f->durable, 256 * MiB);
    f->next = power.files;
    power.files = f;
    return f;
}

static inline void file_unref(struct image_file *f)
{
    if (!f || --f->refs)
        return;
    struct image_file **at = &power.files;
    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
    close(f->fd);
    buf_done(&f->durable);
    free(f);
}

static inline void read_now(const struct image_file *f, struct buf *ret)
{
    struct stat st;
    assert_int_equal(fstat(f->fd, &st), 0);
    buf_reset(ret);
    assert_int_equal(buf_reserve(ret, (size_t)st.st_size), 0);
    assert_int_equal(pread(f->fd, ret->p, (size_t)st.st_size, 0), st.st_size);
    ret->n = (size_t)st.st_size;
}

static inline void change_name(const char *from, const char *to, struct image_file *f)
{
    struct name_change **last = &power.changes;
    while (*last)
        last = &(*last)->next;
    struct name_change *c = xcalloc(1, sizeof(*c));
    snprintf(c->from, sizeof(c->from), "%s", from);
    snprintf(c->to, sizeof(c->to), "%s", to);
    c->file = f;
    if (f)
        f->refs++;
    *last = c;
}

static inline void set_durable_name(const char *path, struct image_file *f)
{
    f->refs++;
    file_unref(map_put(power.names, sv_c(path), f));
}

/* Takes *at out of the list. */
static inline void end_change(struct name_change **at, bool becomes_durable)
{
    struct name_change *c = *at;
    *at = c->next;
    if (becomes_durable && *c->to)
        set_durable_name(c->to, c->file);
    if (becomes_durable && *c->from)
        file_unref(map_del(power.names, sv_c(c->from)));
    file_unref(c->file);
    free(c);
}

static inline bool is_in(const char *path, const char *dir)
{
    size_t n = strlen(dir);
    return strncmp(path, dir, n) == 0 && path[n] == '/' && !strchr(path + n + 1, '/');
}

/* dir NULL: all. */
static inline void sync_names(const char *dir)
{
    struct name_change **at = &power.changes;
    while (*at) {
        if (!dir || !power.any_order || is_in((*at)->from, dir) || is_in((*at)->to, dir))
            end_change(at, true);
        else
            at = &(*at)->next;
    }
}

/* --- the calls --- */

/* Each call that changes something begins and ends with these. */
static inline void call_begins(void)
{
    pthread_mutex_lock(&power.lock);
    if (!power.off && ++power.calls == power.cut_at)
        power.on_cut();
}

static inline int call_ends(int r)
{
    int error = -errno;
    pthread_mutex_unlock(&power.lock);
    return r < 0 ? error : r;
}

static inline int p_open(void *arg, const char *path, int flags, mode_t mode)
{
    (void)arg;
    if (!(flags & O_CREAT))
        return queue_io_real.open(arg, path, flags, mode);
    call_begins();
    bool fresh = access(path, F_OK) < 0;
    int fd = open(path, flags | O_CLOEXEC, mode);
    if (fd >= 0 && fresh && !power.off)
        change_name("", path, file_new(path));
    return call_ends(fd);
}

static inline ssize_t p_pwritev(void *arg, int fd, const struct iovec *iov, int n, off_t off)
{
    (void)arg;
    call_begins();
    return call_ends((int)pwritev(fd, iov, n, off));
}

static inline int p_datasync(void *arg, int fd)
{
    (void)arg;
    call_begins();
    struct image_file *f = power.off ? NULL : file_of(fd);
    if (f)
        read_now(f, &f->durable);
    return call_ends(0);
}

static inline int p_syncfs(void *arg, int fd)
{
    (void)arg;
    (void)fd;
    call_begins();
    if (!power.off) {
        sync_names(NULL);
        for (struct image_file *f = power.files; f; f = f->next)
            read_now(f, &f->durable);
        if (power.on_syncfs)
            power.on_syncfs();
    }
    return call_ends(0);
}

static inline int p_rename(void *arg, const char *from, const char *to)
{
    (void)arg;
    call_begins();
    int fd = power.off ? -1 : open(from, O_RDONLY | O_CLOEXEC);
    struct image_file *f = fd < 0 ? NULL : file_of(fd);
    if (fd >= 0)
        close(fd);
    int r = rename(from, to);
    if (r == 0 && f)
        change_name(from, to, f);
    return call_ends(r);
}

static inline int p_unlink(void *arg, const char *path)
{
    (void)arg;
    call_begins();
    int r = unlink(path);
    if (r == 0 && !power.off)
        change_name(path, "", NULL);
    return call_ends(r);
}

static inline int p_sync_dir(void *arg, const char *path)
{
    (void)arg;
    call_begins();
    if (!power.off)
        sync_names(path);
    return call_ends(0);
}

static inline void p_boot_id(void *arg, char ret[40])
{
    (void)arg;
    memset(ret, 0, 40);
    snprintf(ret, 40, "boot-%u", power.boot);
}

static inline struct queue_io power_io(void)
{
    struct queue_io io = queue_io_real;
    io.open = p_open;
    io.pwritev = p_pwritev;
    io.datasync = p_datasync;
    io.syncfs = p_syncfs;
    io.rename = p_rename;
    io.unlink = p_unlink;
    io.sync_dir = p_sync_dir;
    io.boot_id = p_boot_id;
    return io;
}

/* --- the cut --- */

static inline bool kept(enum keep keep)
{
    return keep == KEEP_EVERYTHING || (keep == KEEP_SOME && chance(2));
}

/* Blocks that were not synced reach the disk all the same: of some files all, of some none. */
static inline void write_back(struct image_file *f)
{
    struct buf now;
    enum keep keep = power.keep == KEEP_SOME ? (enum keep)chance(3) : power.keep;
    buf_init(&now, 256 * MiB);
    read_now(f, &now);
    if (now.n != f->durable.n && kept(keep)) { /* what is not written of a longer file is zeros */
        size_t had = f->durable.n;
        assert_int_equal(buf_reserve(&f->durable, now.n), 0);
        if (now.n > had)
            memset(f->durable.p + had, 0, now.n - had);
        f->durable.n = now.n;
    }
    for (size_t at = 0; at < now.n && at < f->durable.n; at += 512) {
        size_t n = MIN((size_t)512, MIN(now.n, f->durable.n) - at);
        if (memcmp(now.p + at, f->durable.p + at, n) == 0 || !kept(keep))
            continue;
        bool torn = keep == KEEP_SOME && chance(8) == 0;
        memcpy(f->durable.p + at, now.p + at, torn ? chance((unsigned)n) : n);
        power.torn_blocks++;
    }
    buf_done(&now);
}

static inline void write_back_names(void)
{
    size_t n = 0;
    for (struct name_change *c = power.changes; c; c = c->next)
        n++;
    size_t first = power.keep == KEEP_NOTHING ? 0
                   : power.keep == KEEP_SOME  ? chance((unsigned)n + 1)
                                              : n;
    for (size_t i = 0; power.changes; i++)
        end_change(&power.changes, power.any_order ? kept(power.keep) : i < first);
}

struct restore {
    const char *old_root, *new_root;
};

static inline bool restore_one(struct sv path, void *value, void *arg)
{
    struct restore *r = arg;
    struct image_file *f = value;
    char old[256], to[400];
    sv_copy(old, sizeof(old), path);
    assert_true(sv_starts(path, sv_c(r->old_root)));
    snprintf(to, sizeof(to), "%s%s", r->new_root, old + strlen(r->old_root));
    int fd = open(to, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(os_write_all(fd, f->durable.p, f->durable.n), 0);
    close(fd);
    return true;
}

static inline bool forget_name(struct sv path, void *value, void *arg)
{
    (void)path;
    (void)arg;
    file_unref(value);
    return true;
}

static inline void forget_image(void)
{
    while (power.changes)
        end_change(&power.changes, false);
    map_each(power.names, forget_name, NULL);
    map_free(power.names, NULL);
    power.names = map_new();
    assert_null(power.files);
}

/* Makes *to hold what is on the disk of *from after a power cut. With the lock. */
static inline void power_cut(const struct env *from, struct env *to)
{
    char dir[160];
    env_make(to);
    snprintf(dir, sizeof(dir), "%s/journal", to->out);
    assert_int_equal(os_mkdirs(dir, 0700, NULL), 0);
    assert_int_equal(os_mkdirs(to->temp, 0700, NULL), 0);
    for (struct image_file *f = power.files; f; f = f->next)
        write_back(f);
    write_back_names();
    struct restore r = { from->root, to->root };
    map_each(power.names, restore_one, &r);
    forget_image();
    power.off = true;
}

static inline void adopt_dir(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e;
    while (d && (e = readdir(d))) {
        char sub[600];
        snprintf(sub, sizeof(sub), "%s/%s", path, e->d_name);
        if (e->d_type != DT_REG)
            continue;
        struct image_file *f = file_new(sub);
        read_now(f, &f->durable);
        set_durable_name(sub, f);
    }
    if (d)
        closedir(d);
}

/* The machine starts again: what is in the directory is on the disk. */
static inline void power_on(const struct env *e)
{
    char dir[160];
    pthread_mutex_lock(&power.lock);
    power.off = false;
    power.boot += !power.same_boot;
    snprintf(dir, sizeof(dir), "%s/journal", e->out);
    adopt_dir(e->out);
    adopt_dir(dir);
    pthread_mutex_unlock(&power.lock);
}

/* Before the first env_open; ends with power_done. */
static inline void power_init(uint64_t seed)
{
    struct rlimit l;
    if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < l.rlim_max) {
        l.rlim_cur = l.rlim_max;
        setrlimit(RLIMIT_NOFILE, &l);
    }
    power.random = seed * 2654435761u + 1;
    power.names = map_new();
    power.keep = KEEP_SOME;
    power.off = false;
    power.calls = power.cut_at = 0;
}

static inline void power_done(void)
{
    forget_image();
    map_free(power.names, NULL);
    power.names = NULL;
}
