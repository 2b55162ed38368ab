/* libzip writes a changed archive to a temporary file and renames it over the old one, without
 * syncing it. So it works on another name of the archive (a link, or a copy where the file system
 * has no links), which takes the archive's name when its content is on the disk. */
#include "log/archive.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

#include "base/sv.h"
#include "os/file.h"
#include "os/library.h"

/* clang-format off */
#define LIBZIP(X) \
    X(zip_close) X(zip_discard) X(zip_error_fini) X(zip_error_init_with_code) \
    X(zip_error_strerror) X(zip_fclose) X(zip_file_add) X(zip_fopen_index) X(zip_fread) \
    X(zip_name_locate) X(zip_open) X(zip_register_cancel_callback_with_state) X(zip_source_file) \
    X(zip_source_free) X(zip_strerror)
/* clang-format on */
static struct {
    LIBZIP(LIBRARY_POINTER)
} lib;

enum { COPY_BYTES = 64 * 1024, SAME_NAME_MAX = 1000 };

static int load_library(struct errinfo *ei)
{
#define SYMBOL(function) { #function, (void **)&lib.function },
    static const struct library_symbol symbols[] = { LIBZIP(SYMBOL) };
#undef SYMBOL
    return library_load("libzip.so.4", "libzip4", symbols, ARRAY_LEN(symbols), ei);
}

/* 1 = it is there, 0 = it is not yet. */
static int look(const char *archive, struct errinfo *ei)
{
    struct stat st;
    if (stat(archive, &st) < 0)
        return errno == ENOENT ? 0 : err_set_errno(ei, -errno, "log.archive: '%s'", archive);
    if (S_ISDIR(st.st_mode))
        return err_set(ei, -EISDIR,
                       "log.archive: '%s' is a folder; name a file in it, such as %s/logs.zip",
                       archive, archive);
    if (!S_ISREG(st.st_mode))
        return err_set(ei, E_UNSUPPORTED, "log.archive: '%s' is not a file; name one", archive);
    return 1;
}

/* What a crash left: the other name, and libzip's temporary files, <name>.XXXXXX. */
static void remove_leftovers(const char *fresh)
{
    struct sv path = sv_c(fresh), name = sv_skip(path, (size_t)sv_rfind(path, '/') + 1);
    _cleanup_(freep) char *dir = sv_dup(sv_take(path, path.n - name.n));
    (void)unlink(fresh);
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        struct sv found = sv_c(e->d_name);
        if (found.n == name.n + 7 && sv_starts(found, name) && found.p[name.n] == '.')
            (void)unlinkat(dirfd(d), e->d_name, 0);
    }
    if (d)
        closedir(d);
}

static int copy_file(const char *from, const char *to)
{
    _cleanup_(closep) int in = open(from, O_RDONLY | O_CLOEXEC);
    _cleanup_(closep) int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    _cleanup_(freep) char *mem = xmalloc(COPY_BYTES);
    if (in < 0 || out < 0)
        return -errno;
    for (;;) {
        ssize_t n = read(in, mem, COPY_BYTES);
        if (n == 0)
            return 0;
        int r = n < 0 ? -errno : os_write_all(out, mem, (size_t)n);
        if (r < 0 && r != -EINTR)
            return r;
    }
}

static int zip_failed(zip_t *z, const char *archive, struct errinfo *ei)
{
    return err_set(ei, E_TEMP, "log.archive: '%s': %s; the logs are kept", archive,
                   lib.zip_strerror(z));
}

/* 1 = the entry holds what the file holds. */
static int same_content(zip_t *z, zip_uint64_t entry, const char *path)
{
    _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    zip_file_t *f = lib.zip_fopen_index(z, entry, 0);
    _cleanup_(freep) char *a = xmalloc(COPY_BYTES), *b = xmalloc(COPY_BYTES);
    bool same = fd >= 0 && f;
    while (same) {
        zip_int64_t n = lib.zip_fread(f, a, COPY_BYTES);
        ssize_t have = 0, r = 1;
        while (n > 0 && have < n && (r = read(fd, b + have, (size_t)(n - have))) > 0)
            have += r;
        if (n == 0) {
            same = read(fd, b, 1) == 0;
            break;
        }
        same = n > 0 && have == n && memcmp(a, b, (size_t)n) == 0;
    }
    if (f)
        lib.zip_fclose(f);
    return same;
}

static int add_file(zip_t *z, const char *archive, const char *dir, const char *name,
                    struct errinfo *ei)
{
    _cleanup_(freep) char *path = xasprintf("%s/%s", dir, name), *as = xstrdup(name);
    struct stat st;
    if (lstat(path, &st) < 0)
        return errno == ENOENT ? 0 : err_set_errno(ei, -errno, "%s", path);
    if (!S_ISREG(st.st_mode))
        return err_set(ei, E_UNSUPPORTED, "%s is not a file; it is not archived", path);
    for (unsigned number = 2;; number++) {
        zip_int64_t there = lib.zip_name_locate(z, as, 0);
        if (there < 0)
            break;
        if (same_content(z, (zip_uint64_t)there, path))
            return 0; /* a crash came between archiving and deleting */
        free(as);
        as = xasprintf("%s.%u", name, number);
        if (number > SAME_NAME_MAX)
            return err_set(ei, E_EXISTS, "log.archive: '%s' has too many files %s", archive, name);
    }
    zip_source_t *source = lib.zip_source_file(z, path, 0, -1);
    if (source && lib.zip_file_add(z, as, source, ZIP_FL_ENC_UTF_8) >= 0)
        return 0;
    if (source)
        lib.zip_source_free(source);
    return zip_failed(z, archive, ei);
}

static int is_cancelled(zip_t *z, void *arg)
{
    (void)z;
    return atomic_load((const atomic_bool *)arg);
}

/* Adds all in the file `fresh`; libzip reads them when it closes. */
static int write_fresh(const char *fresh, const char *archive, const char *dir, char *const *names,
                       size_t n, const atomic_bool *cancel, struct errinfo *ei)
{
    int code = 0, r = 0;
    zip_t *z = lib.zip_open(fresh, ZIP_CREATE, &code);
    if (!z) {
        zip_error_t e;
        lib.zip_error_init_with_code(&e, code);
        r = err_set(ei, E_CORRUPT,
                    "log.archive: '%s': %s; move it away or name another file; the logs are kept",
                    archive, lib.zip_error_strerror(&e));
        lib.zip_error_fini(&e);
        return r;
    }
    lib.zip_register_cancel_callback_with_state(z, is_cancelled, NULL, (void *)(uintptr_t)cancel);
    for (size_t i = 0; i < n && r == 0; i++)
        r = add_file(z, archive, dir, names[i], ei);
    if (r == 0 && lib.zip_close(z) == 0)
        return 0;
    if (r == 0)
        r = atomic_load(cancel) ? E_CANCELLED : zip_failed(z, archive, ei);
    lib.zip_discard(z);
    return r;
}

static int sync_file(const char *path)
{
    _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        (void)fchmod(fd, 0640); /* some file systems have no modes */
    return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int log_archive_add(const char *archive, const char *dir, char *const *names, size_t n,
                    const atomic_bool *cancel, struct errinfo *ei)
{
    _cleanup_(freep) char *fresh = xasprintf("%s.new", archive),
                          *lock = xasprintf("%s.lock", archive);
    _cleanup_(closep) int lock_fd = -1;
    int r = load_library(ei), there;
    if (r < 0 || (there = look(archive, ei)) < 0)
        return r < 0 ? r : there;
    r = os_lock_file(lock, &lock_fd, ei);
    if (r == E_CONFLICT)
        return err_set(ei, r,
                       "log.archive: another server adds to '%s' now; give each an archive of its "
                       "own",
                       archive);
    if (r < 0)
        return r;
    remove_leftovers(fresh);
    if (there && link(archive, fresh) < 0 && (r = copy_file(archive, fresh)) < 0)
        r = err_set_errno(ei, r, "log.archive: cannot copy '%s'", archive);
    if (r == 0)
        r = write_fresh(fresh, archive, dir, names, n, cancel, ei);
    if (r == 0 && access(fresh, F_OK) == 0) { /* no file of no files */
        r = sync_file(fresh);
        if (r == 0 && rename(fresh, archive) < 0)
            r = -errno;
        if (r == 0)
            r = os_fsync_parent(archive);
        if (r < 0)
            err_set_errno(ei, r, "log.archive: cannot write '%s'", archive);
    }
    remove_leftovers(fresh); /* of a failure, or the link of an archive that did not change */
    return r;
}
