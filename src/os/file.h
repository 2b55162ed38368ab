/* Files: whole reads, atomic writes, directories. May block; any thread. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

/* Appends the whole file to out (bounded by out->max). */
int os_read_file(const char *path, struct buf *out, struct errinfo *ei);
/* Writes tmp file beside path, fdatasync, rename, fsync of the directory: after return 0 the new
 * content is durable; on error the old one is untouched. */
int os_write_file_atomic(const char *path, struct sv content, mode_t mode, struct errinfo *ei);
int os_mkdirs(const char *path, mode_t mode, struct errinfo *ei); /* like mkdir -p */
int os_fsync_dir(const char *path);                               /* of the directory itself */
int os_fsync_parent(const char *path);             /* of the directory that holds path */
int os_write_all(int fd, const void *p, size_t n); /* loops over short writes; -errno */
int os_pwrite_all(int fd, const void *p, size_t n, off_t off);
int os_remove_tree(const char *path, struct errinfo *ei); /* does not follow symbolic links */
/* Exclusive advisory lock on a lock file (created 0600), held until the fd closes. E_CONFLICT when
 * another process has it. */
int os_lock_file(const char *path, int *ret_fd, struct errinfo *ei);
