/* Whole-file reads, atomic replacement and lock files. What must survive a power cut is synced
 * before it gets its name, and the name (the directory) is synced after. */
#include "os/file.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/rand.h"

enum { READ_CHUNK = 64 * 1024 };

int os_read_file(const char *path, struct buf *out, struct errinfo *ei)
{
    _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(ei, -errno, "cannot open %s", path);
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_set_errno(ei, -errno, "cannot examine %s", path);
    if (S_ISDIR(st.st_mode))
        return err_set_errno(ei, -EISDIR, "cannot read %s", path);
    for (;;) {
        /* One byte more than is left: a file that fits exactly ends in a read of 0, not in a full
         * buffer. Files of /proc have size 0, so the size is only a first guess. */
        size_t left = out->max - out->n;
        size_t want = st.st_size > 0 ? (size_t)st.st_size + 1 : (size_t)READ_CHUNK;
        st.st_size = 0;
        want = MIN(want, left);
        char probe;
        ssize_t r;
        if (want > 0) {
            int e = buf_reserve(out, want);
            if (e < 0)
                return err_set_errno(ei, e, "cannot read %s", path);
            r = read(fd, out->p + out->n, want);
        } else {
            r = read(fd, &probe, 1);
        }
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return err_set_errno(ei, -errno, "cannot read %s", path);
        if (r == 0)
            return 0;
        if (want == 0)
            return err_set(ei, -EFBIG, "%s is larger than the %zu bytes that are read of it", path,
                           out->max);
        out->n += (size_t)r;
    }
}

int os_write_all(int fd, const void *p, size_t n)
{
    const char *c = p;
    while (n > 0) {
        ssize_t r = write(fd, c, n);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return -errno;
        c += r;
        n -= (size_t)r;
    }
    return 0;
}

int os_pwrite_all(int fd, const void *p, size_t n, off_t off)
{
    const char *c = p;
    while (n > 0) {
        ssize_t r = pwrite(fd, c, n, off);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return -errno;
        c += r;
        off += r;
        n -= (size_t)r;
    }
    return 0;
}

static int write_tmp(const char *tmp, struct sv content, mode_t mode, struct errinfo *ei)
{
    _cleanup_(closep) int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return err_set_errno(ei, -errno, "cannot create %s", tmp);
    int r = fchmod(fd, mode) < 0 ? -errno : 0; /* the umask may have taken bits */
    if (r == 0)
        r = os_write_all(fd, content.p, content.n);
    if (r == 0 && fdatasync(fd) < 0)
        r = -errno;
    if (r == 0 && close(take_fd(&fd)) < 0)
        r = -errno;
    if (r < 0) {
        unlink(tmp);
        return err_set_errno(ei, r, "cannot write %s", tmp);
    }
    return 0;
}

int os_write_file_atomic(const char *path, struct sv content, mode_t mode, struct errinfo *ei)
{
    _cleanup_(freep) char *tmp = xasprintf("%s.tmp-%016" PRIx64, path, rand_u64());
    int r = write_tmp(tmp, content, mode, ei);
    if (r < 0)
        return r;
    if (rename(tmp, path) < 0) {
        r = err_set_errno(ei, -errno, "cannot replace %s", path);
        unlink(tmp);
        return r;
    }
    r = os_fsync_parent(path);
    if (r < 0)
        return err_set_errno(ei, r, "cannot sync the directory of %s", path);
    return 0;
}

int os_fsync_dir(const char *path)
{
    _cleanup_(closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    return fsync(fd) < 0 ? -errno : 0;
}

int os_fsync_parent(const char *path)
{
    struct sv s = sv_c(path);
    while (s.n > 1 && s.p[s.n - 1] == '/')
        s.n--;
    ssize_t slash = sv_rfind(s, '/');
    if (slash < 0)
        return os_fsync_dir(".");
    if (slash == 0)
        return os_fsync_dir("/");
    _cleanup_(freep) char *dir = sv_dup(sv_take(s, (size_t)slash));
    return os_fsync_dir(dir);
}

int os_lock_file(const char *path, int *ret_fd, struct errinfo *ei)
{
    _cleanup_(closep) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_set_errno(ei, -errno, "cannot open the lock file %s", path);
    /* flock belongs to the open file: it ends with the last descriptor, also after a kill. */
    while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno == EWOULDBLOCK)
            return err_set(ei, E_CONFLICT, "%s is locked by another process; end that one first",
                           path);
        if (errno != EINTR)
            return err_set_errno(ei, -errno, "cannot lock %s", path);
    }
    *ret_fd = take_fd(&fd);
    return 0;
}
