/* A disk that can lose power: the queue's file system calls go to real files, which play the page
 * cache; beside them an image of what is durable is kept. A cut takes the image and adds what a
 * disk may have written by itself: some blocks of unsynced writes, and a beginning of the unsynced
 * changes of names (a journalling file system keeps their order). */
#pragma once

#include "queue_test.h"

#include "base/hash.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

struct image_file { /* an inode */
    ino_t ino;
    struct buf durable;
    struct image_file *next;
};

struct name_change {
    char from[256], to[256]; /* from "": a new name; to "": unlinked */
    ino_t ino;
    struct name_change *next;
};

struct power {
    pthread_mutex_t lock; /* also taken by the test for its own books */
    struct image_file *files;
    struct map *names; /* durable: path -> image_file */
    struct name_change *changes, **last_change;
    void (*on_syncfs)(void); /* with the lock held */
    unsigned boot;
    unsigned torn_blocks;
};

static struct power power = { .lock = PTHREAD_MUTEX_INITIALIZER, .last_change = &power.changes };

static inline struct image_file *file_of(ino_t ino)
{
    for (struct image_file *f = power.files; f; f = f->next)
        if (f->ino == ino)
            return f;
    struct image_file *f = xcalloc(1, sizeof(*f));
    f->ino = ino;
    buf_init(&f->durable, 256 * MiB);
    f->next = power.files;
    power.files = f;
    return f;
}

static inline void sync_content(int fd)
{
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    struct image_file *f = file_of(st.st_ino);
    buf_reset(&f->durable);
    assert_int_equal(buf_reserve(&f->durable, (size_t)st.st_size), 0);
    assert_int_equal(pread(fd, f->durable.p, (size_t)st.st_size, 0), st.st_size);
    f->durable.n = (size_t)st.st_size;
}

static inline void note_change(const char *from, const char *to, ino_t ino)
{
    struct name_change *c = xcalloc(1, sizeof(*c));
    snprintf(c->from, sizeof(c->from), "%s", from);
    snprintf(c->to, sizeof(c->to), "%s", to);
    c->ino = ino;
    *power.last_change = c;
    power.last_change = &c->next;
}

static inline void sync_names_upto(size_t n)
{
    while (power.changes && n--) {
        struct name_change *c = power.changes;
        struct image_file *f = c->ino ? file_of(c->ino) : NULL;
        power.changes = c->next;
        if (*c->from) {
            struct image_file *old = map_del(power.names, sv_c(c->from));
            f = f ? f : old;
        }
        if (*c->to && f)
            map_put(power.names, sv_c(c->to), f);
        free(c);
    }
    if (!power.changes)
        power.last_change = &power.changes;
}

/* --- the calls --- */

static inline int p_open(void *arg, const char *path, int flags, mode_t mode)
{
    (void)arg;
    struct stat st;
    pthread_mutex_lock(&power.lock);
    bool fresh = flags & O_CREAT && access(path, F_OK) < 0;
    int fd = open(path, flags | O_CLOEXEC, mode);
    int r = fd < 0 ? -errno : fd;
    if (fd >= 0 && fresh && fstat(fd, &st) == 0) {
        /* The number may have belonged to a file that is gone. */
        struct image_file *f = file_of(st.st_ino);
        f->ino = 0;
        note_change("", path, st.st_ino);
    }
    pthread_mutex_unlock(&power.lock);
    return r;
}

static inline ssize_t p_pwritev(void *arg, int fd, const struct iovec *iov, int n, off_t off)
{
    (void)arg;
    pthread_mutex_lock(&power.lock);
    ssize_t r = pwritev(fd, iov, n, off);
    pthread_mutex_unlock(&power.lock);
    return r < 0 ? -errno : r;
}

static inline int p_datasync(void *arg, int fd)
{
    (void)arg;
    pthread_mutex_lock(&power.lock);
    sync_content(fd);
    pthread_mutex_unlock(&power.lock);
    return 0;
}

static inline void sync_path_content(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    sync_content(fd);
    close(fd);
}

static inline bool sync_name(struct sv path, void *value, void *arg)
{
    char text[256];
    (void)value;
    (void)arg;
    sv_copy(text, sizeof(text), path);
    sync_path_content(text);
    return true;
}

static inline void sync_everything(void)
{
    for (struct name_change *c = power.changes; c; c = c->next)
        if (*c->to)
            sync_path_content(c->to);
    sync_names_upto(SIZE_MAX);
    map_each(power.names, sync_name, NULL);
    if (power.on_syncfs)
        power.on_syncfs();
}

static inline int p_syncfs(void *arg, int fd)
{
    (void)arg;
    (void)fd;
    pthread_mutex_lock(&power.lock);
    sync_everything();
    pthread_mutex_unlock(&power.lock);
    return 0;
}

static inline int p_rename(void *arg, const char *from, const char *to)
{
    (void)arg;
    struct stat st = { 0 };
    pthread_mutex_lock(&power.lock);
    (void)stat(from, &st);
    int r = rename(from, to) < 0 ? -errno : 0;
    if (r == 0)
        note_change(from, to, st.st_ino);
    pthread_mutex_unlock(&power.lock);
    return r;
}

static inline int p_unlink(void *arg, const char *path)
{
    (void)arg;
    pthread_mutex_lock(&power.lock);
    int r = unlink(path) < 0 ? -errno : 0;
    if (r == 0)
        note_change(path, "", 0);
    pthread_mutex_unlock(&power.lock);
    return r;
}

static inline int p_sync_dir(void *arg, const char *path)
{
    (void)arg;
    (void)path;
    pthread_mutex_lock(&power.lock);
    sync_names_upto(SIZE_MAX);
    pthread_mutex_unlock(&power.lock);
    return 0;
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

/* Some blocks that were written but not synced reach the disk all the same, also torn ones. */
static inline void write_back_some(struct image_file *f, const char *old_path)
{
    struct buf now;
    buf_init(&now, 256 * MiB);
    if (os_read_file(old_path, &now, NULL) == 0) {
        for (size_t at = 0; at + 512 <= now.n && at + 512 <= f->durable.n; at += 512) {
            if (memcmp(now.p + at, f->durable.p + at, 512) == 0 || rand_below(2))
                continue;
            memcpy(f->durable.p + at, now.p + at, rand_below(8) ? 512 : rand_below(512));
            power.torn_blocks++;
        }
    }
    buf_done(&now);
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
    write_back_some(f, old);
    int fd = open(to, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(os_write_all(fd, f->durable.p, f->durable.n), 0);
    close(fd);
    return true;
}

static inline void forget_image(void)
{
    sync_names_upto(SIZE_MAX);
    map_free(power.names, NULL);
    power.names = map_new();
    while (power.files) {
        struct image_file *f = power.files;
        power.files = f->next;
        buf_done(&f->durable);
        free(f);
    }
}

/* Makes *to hold what is on the disk of *from after a power cut, and starts a new image there. With
 * the lock. */
static inline void power_cut(const struct env *from, struct env *to)
{
    char dir[160];
    env_make(to);
    snprintf(dir, sizeof(dir), "%s/journal", to->out);
    assert_int_equal(os_mkdirs(dir, 0700, NULL), 0);
    assert_int_equal(os_mkdirs(to->temp, 0700, NULL), 0);
    size_t n = 0;
    for (struct name_change *c = power.changes; c; c = c->next)
        n++;
    sync_names_upto(rand_below((uint32_t)n + 1));
    struct restore r = { from->root, to->root };
    map_each(power.names, restore_one, &r);
    forget_image();
    power.boot++;
}

/* What is on the disk of a directory that was not written through this table. */
static inline void adopt_dir(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e;
    while (d && (e = readdir(d))) {
        char sub[600];
        struct stat st;
        snprintf(sub, sizeof(sub), "%s/%s", path, e->d_name);
        int fd = e->d_type == DT_REG ? open(sub, O_RDONLY) : -1;
        if (fd < 0)
            continue;
        sync_content(fd);
        assert_int_equal(fstat(fd, &st), 0);
        map_put(power.names, sv_c(sub), file_of(st.st_ino));
        close(fd);
    }
    if (d)
        closedir(d);
}
