/* The message files. A file is written once and never changed; further accounts and spool files are
 * hard links to it. What has a row in the index is complete: contents come first, and what must
 * survive power loss is synced here before the row is. A file whose row is missing may be half
 * written and is replaced. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mail/mailbox/mailbox_priv.h"
#include "os/file.h"

#define COPY_CHUNK (1 << 20)

static int make_dirs(const struct mailbox *m)
{
    _cleanup_(freep) char *dir = xasprintf("%s/msg", m->dir);
    return os_mkdirs(dir, 0700, NULL);
}

static int open_new(const struct mailbox *m, const char *path, int *ret)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == ENOENT) {
        int r = make_dirs(m);
        if (r < 0)
            return r;
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    }
    if (fd < 0)
        return -errno;
    *ret = fd;
    return 0;
}

static int copy_range(int from, int to)
{
    for (;;) {
        ssize_t n = copy_file_range(from, NULL, to, NULL, COPY_CHUNK, 0);
        if (n == 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return -errno;
    }
}

static int copy_bytes(int from, int to)
{
    _cleanup_(freep) char *buf = xmalloc(64 * KiB);
    for (;;) {
        ssize_t n = read(from, buf, 64 * KiB);
        if (n == 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return -errno;
        int r = n > 0 ? os_write_all(to, buf, (size_t)n) : 0;
        if (r < 0)
            return r;
    }
}

static int fill(int fd, const struct mailbox_add *a)
{
    if (a->content.p)
        return os_write_all(fd, a->content.p, a->content.n);
    _cleanup_(closep) int from = open(a->path, O_RDONLY | O_CLOEXEC);
    if (from < 0)
        return -errno;
    int r = copy_range(from, fd);
    if (r == -EXDEV || r == -EINVAL || r == -ENOSYS || r == -EOPNOTSUPP || r == -EBADF) {
        if (lseek(from, 0, SEEK_SET) < 0 || lseek(fd, 0, SEEK_SET) < 0 || ftruncate(fd, 0) < 0)
            return -errno;
        r = copy_bytes(from, fd);
    }
    return r;
}

/* The file's time is what a rebuild of the index has for the internal date. */
static void set_date(int fd, int64_t date_s)
{
    struct timespec ts[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = (time_t)date_s } };
    if (futimens(fd, ts) < 0)
        return; /* only a hint */
}

static int write_new(struct mailbox *m, const struct mailbox_add *a, const char *path, bool durable)
{
    _cleanup_(closep) int fd = -1;
    int r = open_new(m, path, &fd);
    if (r < 0)
        return r;
    r = fill(fd, a);
    if (r == 0 && durable) {
        set_date(fd, a->internal_date_s);
        r = fdatasync(fd) < 0 ? -errno : 0;
    }
    if (close(take_fd(&fd)) < 0 && r == 0)
        r = -errno;
    if (r < 0)
        unlink(path);
    return r;
}

static int sync_file(const char *path)
{
    _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 || fdatasync(fd) < 0 ? -errno : 0;
}

static int link_file(struct mailbox *m, const struct mailbox_add *a, const char *path, bool durable)
{
    int r = durable ? sync_file(a->path) : 0;
    if (r < 0)
        return r;
    r = link(a->path, path) < 0 ? -errno : 0;
    struct stat st;
    if (r == -ENOENT && stat(a->path, &st) == 0 && (r = make_dirs(m)) == 0)
        r = link(a->path, path) < 0 ? -errno : 0;
    if (r == -EXDEV || r == -EMLINK || r == -EPERM || r == -EACCES)
        r = write_new(m, a, path, durable);
    return r;
}

static int make(struct mailbox *m, const struct mailbox_add *a, const char *path, bool durable)
{
    return a->content.p ? write_new(m, a, path, durable) : link_file(m, a, path, durable);
}

/* Beside the final name first, so that nobody ever reads a part of it there. */
static int make_over(struct mailbox *m, const struct mailbox_add *a, const char *path, bool durable)
{
    _cleanup_(freep) char *tmp = xasprintf("%s.new", path);
    if (unlink(tmp) < 0 && errno != ENOENT)
        return -errno;
    int r = make(m, a, tmp, durable);
    if (r == 0 && rename(tmp, path) < 0)
        r = -errno;
    /* rename leaves both names when they are the same file already. */
    unlink(tmp);
    return r;
}

int blob_new(struct mailbox *m, const struct mailbox_add *a)
{
    _cleanup_(freep) char *path = blob_path(m, a->key);
    return make(m, a, path, false);
}

int blob_put(struct mailbox *m, const struct mailbox_add *a, bool replace, bool durable,
             struct errinfo *ei)
{
    _cleanup_(freep) char *path = blob_path(m, a->key);
    int r = replace ? -EEXIST : make(m, a, path, durable);
    if (r == -EEXIST)
        r = make_over(m, a, path, durable);
    return r < 0 ? err_set_errno(ei, r, "cannot store message %.150s", path) : 0;
}

int blob_sync(struct mailbox *m, struct errinfo *ei)
{
    struct lockpage *p = m->page;
    _cleanup_(freep) char *dir = xasprintf("%s/msg", m->dir);
    int r = os_fsync_dir(dir);
    /* The way from the store's root: made once, without sync. */
    while (r == 0 && !(atomic_load(&p->synced_dirs) & PAGE_DIR_SYNCED)) {
        char *slash = strrchr(dir, '/');
        if (!slash || strlen(dir) <= strlen(m->store->opts.root)) {
            atomic_fetch_or(&p->synced_dirs, PAGE_DIR_SYNCED);
            break;
        }
        r = os_fsync_parent(dir);
        *slash = '\0';
    }
    return r < 0 ? err_set_errno(ei, r, "cannot sync the directory %.150s", dir) : 0;
}

static bool same_bytes(int fd, struct sv content)
{
    _cleanup_(freep) char *buf = xmalloc(64 * KiB);
    while (content.n > 0) {
        ssize_t n = read(fd, buf, MIN(64 * KiB, content.n));
        if (n <= 0 || memcmp(buf, content.p, (size_t)n) != 0)
            return false;
        content = sv_skip(content, (size_t)n);
    }
    return true;
}

static bool same_files(int a, int b)
{
    _cleanup_(freep) char *x = xmalloc(64 * KiB), *y = xmalloc(64 * KiB);
    for (;;) {
        ssize_t n = read(a, x, 64 * KiB), k = 0;
        if (n <= 0)
            return n == 0 && read(b, y, 1) == 0;
        while (k < n) {
            ssize_t i = read(b, y + k, (size_t)(n - k));
            if (i <= 0)
                return false;
            k += i;
        }
        if (memcmp(x, y, (size_t)n) != 0)
            return false;
    }
}

int blob_matches(struct mailbox *m, const struct mailbox_add *a)
{
    _cleanup_(freep) char *path = blob_path(m, a->key);
    struct stat st, other;
    _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC), from = -1;
    if (fd < 0 || fstat(fd, &st) < 0)
        return 0;
    if (a->content.p)
        return (uint64_t)st.st_size == a->content.n && same_bytes(fd, a->content);
    from = open(a->path, O_RDONLY | O_CLOEXEC);
    if (from < 0 || fstat(from, &other) < 0)
        return 1; /* nothing to compare with, and nothing to repair from */
    if (st.st_ino == other.st_ino && st.st_dev == other.st_dev)
        return 1;
    return st.st_size == other.st_size && same_files(fd, from);
}

int blob_size(const struct mailbox *m, uint64_t key, uint64_t *ret)
{
    _cleanup_(freep) char *path = blob_path(m, key);
    struct stat st;
    if (stat(path, &st) < 0)
        return errno == ENOENT ? E_NOTFOUND : -errno;
    *ret = (uint64_t)st.st_size;
    return 0;
}

int blob_drop(struct mailbox *m, uint64_t key)
{
    _cleanup_(freep) char *path = blob_path(m, key);
    return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

int mailbox_open_message(struct mailbox *m, uint64_t key, int *ret_fd, uint64_t *ret_size,
                         struct errinfo *ei)
{
    _cleanup_(freep) char *path = blob_path(m, key);
    _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 && errno == ENOENT)
        return err_set(ei, E_NOTFOUND, "message %016" PRIx64 " of %.100s does not exist any more",
                       key, m->address);
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set_errno(ei, -errno, "cannot open message %.150s", path);
    *ret_fd = take_fd(&fd);
    *ret_size = (uint64_t)st.st_size;
    return 0;
}
