/* Everything the queue asks of the file system for durability, behind a table, so that tests can
 * drop what was not synced (power cut), fail a call (ENOSPC, EIO) and pretend a reboot. */
#pragma once

#include <sys/uio.h>

#include "base/err.h"

struct queue_io {
    void *arg;
    int (*open)(void *arg, const char *path, int flags,
                mode_t mode); /* fd or -errno, as all below */
    ssize_t (*pwritev)(void *arg, int fd, const struct iovec *iov, int n, off_t off);
    ssize_t (*pread)(void *arg, int fd, void *p, size_t n, off_t off);
    int (*datasync)(void *arg, int fd);
    int (*syncfs)(void *arg, int fd);
    int (*rename)(void *arg, const char *from, const char *to); /* replaces */
    int (*unlink)(void *arg, const char *path);
    int (*sync_dir)(void *arg, const char *path);
    void (*boot_id)(void *arg, char ret[40]); /* changes when the kernel starts anew */
};

extern const struct queue_io queue_io_real;
/* Tests: queues opened from now on use io; NULL = the real one. */
void queue_io_test(const struct queue_io *io);
const struct queue_io *queue_io_current(void);

/* A directory whose name is durable, unless what it is in was made just now and not synced. */
int queue_io_make_dir(const struct queue_io *io, const char *path, struct errinfo *ei);
/* Writes all of iov (changes it). 0 or -errno. */
int queue_io_write(const struct queue_io *io, int fd, struct iovec *iov, int n, off_t off);
/* Reads exactly n bytes. 0, -errno, or E_CORRUPT when the file is shorter. */
int queue_io_read(const struct queue_io *io, int fd, void *p, size_t n, off_t off);
