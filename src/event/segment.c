/* Reading and writing of segments. */
#include "event/segment.h"

#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

#include "base/hash.h"
#include "event/ring.h"
#include "os/file.h"

#define SEGMENT_MAGIC 0x3130564548534f50u
#define BLOCK_MAGIC   0x4b434c42u
enum { VERSION = 1 };

const char *const stream_suffixes[] = { [STREAM_EVENTS] = "ev", [STREAM_TRANSCRIPTS] = "tr" };

struct segment_head {
    uint64_t magic;
    uint32_t version, stream, number, unused;
    uint64_t reserved[5];
};
_Static_assert(sizeof(struct segment_head) == SEGMENT_HEAD, "written to disk");

struct block_head {
    uint32_t magic, bytes, records, crc;
    int64_t first_us, last_us;
    uint32_t unused[3];
    uint32_t head_crc; /* of all before it */
};
_Static_assert(sizeof(struct block_head) == BLOCK_HEAD, "written to disk");

void segment_path(char ret[SEGMENT_PATH], const char *dir, int stream, uint32_t number, bool index)
{
    snprintf(ret, SEGMENT_PATH, "%.4000s/%08u.%s%s", dir, number, stream_suffixes[stream],
             index ? "x" : "");
}

static int by_number(const void *a, const void *b)
{
    uint32_t x, y;
    memcpy(&x, a, 4);
    memcpy(&y, b, 4);
    return x < y ? -1 : x > y;
}

size_t segment_list(const char *dir, int stream, uint32_t **ret)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    size_t n = 0, cap = 0;
    *ret = NULL;
    while (d && (e = readdir(d))) {
        struct sv name = sv_c(e->d_name);
        uint32_t number;
        if (name.n != 11 || name.p[8] != '.' ||
            !sv_eq(sv_skip(name, 9), sv_c(stream_suffixes[stream])) ||
            sv_to_u32(sv_take(name, 8), &number) < 0)
            continue;
        if (n == cap) {
            cap = cap ? 2 * cap : 64;
            *ret = xrealloc(*ret, cap * sizeof(**ret));
        }
        (*ret)[n++] = number;
    }
    if (d)
        closedir(d);
    if (n)
        qsort(*ret, n, sizeof(**ret), by_number);
    return n;
}

int segment_begin(int fd, int stream, uint32_t number)
{
    struct segment_head h = {
        .magic = SEGMENT_MAGIC, .version = VERSION, .stream = (uint32_t)stream, .number = number
    };
    int r = os_pwrite_all(fd, &h, sizeof(h), 0);
    if (r < 0)
        (void)!ftruncate(fd, 0);
    return r;
}

static int read_at(int fd, void *p, size_t n, uint64_t off)
{
    for (size_t done = 0; done < n;) {
        ssize_t r = pread(fd, (char *)p + done, n - done, (off_t)(off + done));
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return -errno;
        if (r == 0)
            return E_CORRUPT;
        done += (size_t)r;
    }
    return 0;
}

int segment_check(int fd, int stream)
{
    struct segment_head h;
    int r = read_at(fd, &h, sizeof(h), 0);
    if (r < 0)
        return r;
    return h.magic == SEGMENT_MAGIC && h.version == VERSION && h.stream == (uint32_t)stream
               ? 0
               : E_CORRUPT;
}

int segment_append(int fd, uint64_t offset, const struct block *b, const struct iovec piece[2])
{
    struct block_head h = { .magic = BLOCK_MAGIC,
                            .bytes = b->bytes,
                            .records = b->records,
                            .first_us = b->first_us,
                            .last_us = b->last_us };
    h.crc = crc32c(0, piece[0].iov_base, piece[0].iov_len);
    if (piece[1].iov_len)
        h.crc = crc32c(h.crc, piece[1].iov_base, piece[1].iov_len);
    h.head_crc = crc32c(0, &h, offsetof(struct block_head, head_crc));
    struct iovec v[3] = { { &h, sizeof(h) }, piece[0], piece[1] };
    size_t want = sizeof(h) + b->bytes;
    ssize_t r;
    do {
        r = pwritev(fd, v, piece[1].iov_len ? 3 : 2, (off_t)offset);
    } while (r < 0 && errno == EINTR);
    if (r == (ssize_t)want)
        return 0;
    int e = r < 0 ? -errno : -ENOSPC; /* a short write to a file: the volume is full */
    if (r > 0)
        (void)!ftruncate(fd, (off_t)offset);
    return e;
}

int segment_block(int fd, uint64_t offset, uint64_t file_size, struct block *ret)
{
    struct block_head h;
    if (offset + sizeof(h) > file_size || read_at(fd, &h, sizeof(h), offset) < 0 ||
        h.magic != BLOCK_MAGIC ||
        h.head_crc != crc32c(0, &h, offsetof(struct block_head, head_crc)) || h.bytes > BLOCK_MAX ||
        h.bytes % 8 || h.bytes == 0 || offset + sizeof(h) + h.bytes > file_size)
        return 0;
    *ret = (struct block){ .at = offset + sizeof(h),
                           .bytes = h.bytes,
                           .records = h.records,
                           .first_us = h.first_us,
                           .last_us = h.last_us,
                           .crc = h.crc };
    return 1;
}

int segment_read(int fd, const struct block *b, struct buf *out)
{
    buf_reset(out);
    int r = buf_reserve(out, b->bytes);
    if (r == 0)
        r = read_at(fd, out->p, b->bytes, b->at);
    if (r < 0)
        return r;
    out->n = b->bytes;
    return crc32c(0, out->p, out->n) == b->crc ? 0 : E_CORRUPT;
}

uint64_t segment_end(int fd, uint64_t file_size)
{
    struct block b, last = { 0 };
    struct buf data;
    uint64_t end = SEGMENT_HEAD;
    while (segment_block(fd, end, file_size, &b) > 0) {
        last = b;
        end = block_end(&b);
    }
    buf_init(&data, BLOCK_MAX);
    /* A damaged block in the middle stays: later ones are whole. The last one was torn. */
    if (last.bytes && segment_read(fd, &last, &data) < 0)
        end = last.at - BLOCK_HEAD;
    buf_done(&data);
    return end;
}
