/* The real file system behind struct queue_io, and loops over short reads and writes. */
#include "mail/queue/io.h"

#include "base/err.h"
#include "os/file.h"

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

static int neg(int r)
{
    return r < 0 ? -errno : r;
}

static int real_open(void *arg, const char *path, int flags, mode_t mode)
{
    (void)arg;
    return neg(open(path, flags | O_CLOEXEC, mode));
}

static ssize_t real_pwritev(void *arg, int fd, const struct iovec *iov, int n, off_t off)
{
    (void)arg;
    ssize_t r = pwritev(fd, iov, n, off);
    return r < 0 ? -errno : r;
}

static ssize_t real_pread(void *arg, int fd, void *p, size_t n, off_t off)
{
    (void)arg;
    ssize_t r = pread(fd, p, n, off);
    return r < 0 ? -errno : r;
}

static int real_datasync(void *arg, int fd)
{
    (void)arg;
    return neg(fdatasync(fd));
}

static int real_syncfs(void *arg, int fd)
{
    (void)arg;
    return neg(syncfs(fd));
}

static int real_rename(void *arg, const char *from, const char *to)
{
    (void)arg;
    return neg(rename(from, to));
}

static int real_unlink(void *arg, const char *path)
{
    (void)arg;
    return neg(unlink(path));
}

static int real_sync_dir(void *arg, const char *path)
{
    (void)arg;
    return os_fsync_dir(path);
}

static void real_boot_id(void *arg, char ret[40])
{
    (void)arg;
    struct buf b;
    buf_init(&b, 256);
    memset(ret, 0, 40);
    if (os_read_file("/proc/sys/kernel/random/boot_id", &b, NULL) == 0)
        sv_copy(ret, 40, sv_trim(buf_sv(&b)));
    buf_done(&b);
}

const struct queue_io queue_io_real = {
    .open = real_open,
    .pwritev = real_pwritev,
    .pread = real_pread,
    .datasync = real_datasync,
    .syncfs = real_syncfs,
    .rename = real_rename,
    .unlink = real_unlink,
    .sync_dir = real_sync_dir,
    .boot_id = real_boot_id,
};

static const struct queue_io *current = &queue_io_real;

void queue_io_test(const struct queue_io *io)
{
    current = io ? io : &queue_io_real;
}

const struct queue_io *queue_io_current(void)
{
    return current;
}

int queue_io_make_dir(const struct queue_io *io, const char *path, struct errinfo *ei)
{
    int r = os_mkdirs(path, 0700, ei);
    if (r < 0)
        return r;
    _cleanup_(freep) char *parent = xstrdup(path);
    char *slash = strrchr(parent, '/');
    if (!slash || slash == parent)
        return 0;
    *slash = '\0';
    r = io->sync_dir(io->arg, parent); /* each time: it may have failed when path was made */
    return r < 0 ? err_set_errno(ei, r, "cannot sync directory %s", parent) : 0;
}

int queue_io_write(const struct queue_io *io, int fd, struct iovec *iov, int n, off_t off)
{
    while (n > 0) {
        ssize_t r = io->pwritev(io->arg, fd, iov, MIN(n, IOV_MAX), off);
        if (r == -EINTR)
            continue;
        if (r <= 0)
            return r < 0 ? (int)r : -EIO;
        off += r;
        while (n > 0 && (size_t)r >= iov->iov_len) {
            r -= (ssize_t)iov->iov_len;
            iov++;
            n--;
        }
        if (n > 0) {
            iov->iov_base = (char *)iov->iov_base + r;
            iov->iov_len -= (size_t)r;
        }
    }
    return 0;
}

int queue_io_read(const struct queue_io *io, int fd, void *p, size_t n, off_t off)
{
    char *c = p;
    while (n > 0) {
        ssize_t r = io->pread(io->arg, fd, c, n, off);
        if (r == -EINTR)
            continue;
        if (r <= 0)
            return r < 0 ? (int)r : E_CORRUPT;
        c += r;
        off += r;
        n -= (size_t)r;
    }
    return 0;
}
