/* Directories: making a path and removing a tree. Removal goes by descriptors and never follows a
 * symbolic link, so a link planted inside the tree cannot lead it outside. */
#include "os/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_DEPTH = 128 };

static int make_one(const char *path, mode_t mode, struct errinfo *ei)
{
    if (mkdir(path, mode) == 0)
        return 0;
    int e = errno;
    struct stat st;
    if (e == EEXIST || e == EROFS || e == EACCES || e == EPERM) {
        if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
            return 0;
        if (e == EEXIST)
            return err_set(ei, -ENOTDIR, "%s exists and is not a directory", path);
    }
    return err_set_errno(ei, -e, "cannot create the directory %s", path);
}

/* Length of the parent's path; 0: none that could be made. */
static size_t parent_end(const char *path, size_t n)
{
    while (n > 0 && path[n - 1] == '/')
        n--;
    while (n > 0 && path[n - 1] != '/')
        n--;
    while (n > 0 && path[n - 1] == '/')
        n--;
    return n;
}

int os_mkdirs(const char *path, mode_t mode, struct errinfo *ei)
{
    if (path[0] == '\0')
        return err_set(ei, -EINVAL, "cannot create a directory without a name");
    _cleanup_(freep) char *copy = xstrdup(path);
    size_t n = strlen(copy), end = n;
    bool made;
    /* Up to what exists, then down: most of a path is there already. */
    while (!(made = mkdir(copy, mode) == 0) && (errno == ENOENT || errno == ENOTDIR) &&
           parent_end(copy, end) > 0) {
        end = parent_end(copy, end);
        copy[end] = '\0';
    }
    int r = made ? 0 : make_one(copy, mode, ei);
    while (r == 0 && end < n) {
        copy[end] = '/';
        end = strlen(copy);
        r = make_one(copy, mode, ei);
    }
    return r;
}

static int remove_at(int dirfd, const char *name, unsigned depth);

static int remove_children(int fd, unsigned depth)
{
    DIR *d = fdopendir(fd);
    if (!d) {
        int e = errno;
        close(fd);
        return -e;
    }
    int r = 0;
    for (;;) {
        errno = 0;
        struct dirent *e = readdir(d);
        if (!e) {
            r = errno ? -errno : 0;
            break;
        }
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        r = remove_at(dirfd(d), e->d_name, depth + 1);
        if (r < 0)
            break;
    }
    closedir(d);
    return r;
}

static int remove_at(int dirfd, const char *name, unsigned depth)
{
    if (depth > MAX_DEPTH)
        return -ELOOP;
    if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return -errno;
    int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = remove_children(fd, depth);
    if (r < 0)
        return r;
    if (unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        return -errno;
    return 0;
}

int os_remove_tree(const char *path, struct errinfo *ei)
{
    int r = remove_at(AT_FDCWD, path, 0);
    return r < 0 ? err_set_errno(ei, r, "cannot remove %s", path) : 0;
}
