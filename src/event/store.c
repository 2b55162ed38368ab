/* Appending to segments. The directory is made again when it is gone, a full volume is an error
 * that the caller repeats. */
#include "event/store.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/file.h"

#define DAY_US (86400 * INT64_C(1000000))

void store_dir(char ret[SEGMENT_PATH], const char *data_dir, enum module m)
{
    snprintf(ret, SEGMENT_PATH, "%.4000s/status/events/%s", data_dir, module_names[m]);
}

void store_init(struct store *s, const char *dir, int stream)
{
    *s = (struct store){ .fd = -1, .stream = stream };
    (void)sv_copy(s->dir, sizeof(s->dir), sv_c(dir));
}

void store_done(struct store *s)
{
    closep(&s->fd);
    s->fd = -1;
    s->fresh = false;
}

static int open_segment(struct store *s, uint32_t number, int flags)
{
    char path[SEGMENT_PATH];
    segment_path(path, s->dir, s->stream, number, false);
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0640);
    return fd < 0 ? -errno : fd;
}

/* A segment that was closed has an index, or is full. */
static bool may_continue(struct store *s, uint32_t number)
{
    char path[SEGMENT_PATH];
    segment_path(path, s->dir, s->stream, number, true);
    return access(path, F_OK) < 0;
}

/* Goes on with the last segment of the directory; cuts a torn block off its end. */
static void open_last(struct store *s)
{
    uint32_t *list;
    struct stat st;
    struct block b;
    size_t n = segment_list(s->dir, s->stream, &list);
    s->number = n ? list[n - 1] : 0;
    free(list);
    if (!n || !may_continue(s, s->number))
        return;
    int fd = open_segment(s, s->number, 0);
    if (fd < 0)
        return;
    if (segment_check(fd, s->stream) < 0 || fstat(fd, &st) < 0) {
        close(fd); /* left as it is; the next number is begun */
        return;
    }
    s->size = segment_end(fd, (uint64_t)st.st_size);
    if (s->size < (uint64_t)st.st_size && ftruncate(fd, (off_t)s->size) < 0) {
        close(fd);
        return;
    }
    s->first_us = segment_block(fd, SEGMENT_HEAD, s->size, &b) > 0 ? b.first_us : 0;
    s->fd = fd;
}

static int begin_next(struct store *s, struct errinfo *ei)
{
    for (int tries = 0; tries < 1000; tries++) {
        int fd = open_segment(s, ++s->number, O_CREAT | O_EXCL);
        if (fd == -EEXIST)
            continue;
        int r = fd < 0 ? fd : segment_begin(fd, s->stream, s->number);
        if (r < 0 && fd >= 0) {
            char path[SEGMENT_PATH];
            segment_path(path, s->dir, s->stream, s->number--, false);
            (void)unlink(path);
            close(fd);
        }
        if (r < 0)
            return err_set_errno(ei, r, "%s", s->dir);
        s->fd = fd;
        s->size = SEGMENT_HEAD;
        s->first_us = 0;
        return 0;
    }
    return err_set(ei, E_EXISTS, "%s: segments of these numbers are there already", s->dir);
}

/* Somebody may have removed the file, or the whole directory, under us. */
static bool still_there(const struct store *s)
{
    char path[SEGMENT_PATH];
    struct stat a, b;
    segment_path(path, s->dir, s->stream, s->number, false);
    return fstat(s->fd, &a) == 0 && stat(path, &b) == 0 && a.st_ino == b.st_ino &&
           a.st_dev == b.st_dev;
}

static bool is_full(const struct store *s, int64_t now_us)
{
    return s->size >= SEGMENT_BYTES || (s->first_us && now_us / DAY_US != s->first_us / DAY_US);
}

static int ready(struct store *s, int64_t now_us, struct errinfo *ei)
{
    if (s->fd >= 0 && !still_there(s))
        store_done(s);
    if (!s->fresh) {
        int r = os_mkdirs(s->dir, 0750, ei);
        if (r < 0)
            return r;
        s->fresh = true;
        open_last(s);
    }
    if (s->fd >= 0 && is_full(s, now_us)) {
        closep(&s->fd);
        s->fd = -1;
        atomic_fetch_add(&s->sealed, 1);
    }
    return s->fd >= 0 ? 0 : begin_next(s, ei);
}

int store_flush(struct store *s, struct ring *r, size_t max, struct errinfo *ei)
{
    struct ring_batch batch;
    if (!ring_peek(r, MIN(max, (size_t)BLOCK_MAX), &batch))
        return 0;
    int e = ready(s, batch.last_us, ei);
    if (e < 0) {
        store_done(s); /* looked at afresh when it is tried again */
        return e;
    }
    struct block b = { .bytes = (uint32_t)batch.bytes,
                       .records = batch.records,
                       .first_us = batch.first_us,
                       .last_us = batch.last_us };
    atomic_store(&r->s->pending_segment, s->number);
    atomic_store(&r->s->pending_offset, s->size);
    atomic_store(&r->s->pending_end, atomic_load(&r->s->tail) + batch.bytes);
    e = segment_append(s->fd, s->size, &b, batch.piece);
    if (e < 0) {
        atomic_store(&r->s->pending_end, 0);
        store_done(s);
        return err_set_errno(ei, e, "%s", s->dir);
    }
    if (!s->first_us)
        s->first_us = batch.first_us;
    s->size += BLOCK_HEAD + batch.bytes;
    ring_take(r, batch.bytes);
    return (int)batch.bytes;
}

void store_recover(struct store *s, struct ring *r)
{
    uint64_t end = atomic_load(&r->s->pending_end), tail = atomic_load(&r->s->tail);
    struct block b;
    if (!ring_used(r) || end <= tail || end > atomic_load(&r->s->head))
        return;
    int fd = open_segment(s, atomic_load(&r->s->pending_segment), 0);
    struct stat st;
    struct buf data;
    buf_init(&data, BLOCK_MAX);
    if (fd >= 0 && fstat(fd, &st) == 0 &&
        segment_block(fd, atomic_load(&r->s->pending_offset), (uint64_t)st.st_size, &b) > 0 &&
        b.bytes == end - tail && segment_read(fd, &b, &data) == 0)
        ring_take(r, (size_t)(end - tail));
    buf_done(&data);
    closep(&fd);
    atomic_store(&r->s->pending_end, 0);
}
