/* LD_PRELOAD: the disk that loses its power. Below $POWERCUT_ROOT nothing is durable until somebody
 * asks for it: fsync, fdatasync (the file's content as it is then; a directory's names as they are
 * then), syncfs and sync (everything below the root). What was asked for is in $POWERCUT_SHADOW.
 * POWERCUT_NAMES=follow: a synced file's name is durable too. $POWERCUT_BOOT_ID is a file that is
 * read in place of the kernel's boot id.
 *
 * The real calls are not made: the shadow is the disk. O_SYNC and O_DSYNC are not simulated; a
 * program that opens a file with them is ended, so that no test passes by mistake. */
#include "powercut.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BOOT_ID "/proc/sys/kernel/random/boot_id"

static struct pc disk;
static bool active;
static const char *boot_id;
static int (*real_openat)(int, const char *, int, ...);

__attribute__((constructor)) static void begin(void)
{
    const char *root = getenv("POWERCUT_ROOT"), *shadow = getenv("POWERCUT_SHADOW");
    const char *names = getenv("POWERCUT_NAMES");
    real_openat = (int (*)(int, const char *, int, ...))dlsym(RTLD_NEXT, "openat");
    boot_id = getenv("POWERCUT_BOOT_ID");
    if (!root || !shadow)
        return;
    if (!realpath(root, disk.root) || !realpath(shadow, disk.shadow))
        pc_die("%s, %s: %s", root, shadow, strerror(errno));
    disk.names_follow = names && !strcmp(names, "follow");
    active = true;
}

static int sync_one(int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -1;
    if (active) {
        mode_t mask = umask(0); /* the shadow is shared by root and the server's user */
        pc_sync_fd(&disk, fd);
        umask(mask);
    }
    return 0;
}

static int sync_everything(void)
{
    if (active) {
        mode_t mask = umask(0);
        pc_sync_all(&disk);
        umask(mask);
    }
    return 0;
}

int fsync(int fd)
{
    return sync_one(fd);
}

int fdatasync(int fd)
{
    return sync_one(fd);
}

int syncfs(int fd)
{
    struct stat st;
    return fstat(fd, &st) < 0 ? -1 : sync_everything();
}

void sync(void)
{
    sync_everything();
}

static int open_any(int dir, const char *path, int flags, mode_t mode)
{
    if (boot_id && !strcmp(path, BOOT_ID))
        path = boot_id;
    if (active && flags & O_DSYNC && path[0] == '/' && pc_inside(&disk, path))
        pc_die("%s is opened with O_SYNC or O_DSYNC, which this simulation does not know", path);
    return real_openat(dir, path, flags, mode);
}

#define MODE(flags)                                                                                \
    ({                                                                                             \
        mode_t m_ = 0;                                                                             \
        if ((flags)&O_CREAT || ((flags)&O_TMPFILE) == O_TMPFILE) {                                 \
            va_list ap_;                                                                           \
            va_start(ap_, flags);                                                                  \
            m_ = va_arg(ap_, mode_t);                                                              \
            va_end(ap_);                                                                           \
        }                                                                                          \
        m_;                                                                                        \
    })

int open(const char *path, int flags, ...)
{
    return open_any(AT_FDCWD, path, flags, MODE(flags));
}

int open64(const char *path, int flags, ...)
{
    return open_any(AT_FDCWD, path, flags, MODE(flags));
}

int openat(int dir, const char *path, int flags, ...)
{
    return open_any(dir, path, flags, MODE(flags));
}

int openat64(int dir, const char *path, int flags, ...)
{
    return open_any(dir, path, flags, MODE(flags));
}

/* What _FORTIFY_SOURCE makes of open() with two arguments. */
int __open_2(const char *path, int flags);
int __open_2(const char *path, int flags)
{
    return open_any(AT_FDCWD, path, flags, 0);
}

int __open64_2(const char *path, int flags);
int __open64_2(const char *path, int flags)
{
    return open_any(AT_FDCWD, path, flags, 0);
}
