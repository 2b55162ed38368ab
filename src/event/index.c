/* File: head, 1024 entries of buckets (by the top 10 bits of the hash), buckets. A bucket is its
 * hashes in order with the place of their lists, and the lists: differences as varints. */
#include "event/index.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "event/ring.h"
#include "os/file.h"

#define INDEX_MAGIC 0x3130584948534f50u
enum { VERSION = 1, BUCKETS = 1024, BUCKET_SHIFT = 22, BUCKET_MAX = 64 * 1024 * 1024 };

struct index_head {
    uint64_t magic;
    uint32_t version, records;
    int64_t first_us, last_us;
    uint32_t unused[7], crc; /* of all before it */
};
_Static_assert(sizeof(struct index_head) == 64, "written to disk");

struct bucket {
    uint32_t offset, bytes, keys, crc;
};

struct key {
    uint32_t hash, list; /* list: offset in the bucket */
};

/* --- building --- */

struct builder {
    uint64_t *entries; /* hash << 32 | offset / 8 */
    size_t n, cap;
    uint32_t at; /* offset / 8 of the record at hand */
};

static void add_key(void *arg, uint32_t hash)
{
    struct builder *b = arg;
    uint64_t entry = (uint64_t)hash << 32 | b->at;
    if (b->n == b->cap) {
        b->cap = b->cap ? 2 * b->cap : 64 * 1024;
        b->entries = xrealloc(b->entries, b->cap * sizeof(*b->entries));
    }
    b->entries[b->n++] = entry;
}

static void add_records(struct builder *b, const struct block *blk, struct sv data, int stream,
                        struct index_head *h)
{
    uint64_t at = blk->at;
    while (data.n) {
        struct record r;
        struct sv text;
        b->at = (uint32_t)(at / 8);
        int ok = stream == STREAM_EVENTS ? record_decode(data, &r)
                                         : record_decode_transcript(data, &r.head, &text);
        if (ok <= 0)
            return;
        if (stream == STREAM_EVENTS)
            record_keys(&r, add_key, b);
        else
            add_key(b, key_hash_number(KEY_SESSION, r.head.session));
        if (h->records++ == 0)
            h->first_us = h->last_us = r.head.time_us;
        h->first_us = MIN(h->first_us, r.head.time_us);
        h->last_us = MAX(h->last_us, r.head.time_us);
        at += r.head.size;
        data = sv_skip(data, r.head.size);
    }
}

/* By hash; equal hashes stay in the order of their offsets. Four passes of eight bits. */
static void sort_entries(struct builder *b)
{
    uint64_t *from = b->entries, *to = xmalloc((b->n + 1) * sizeof(*to)), *spare = to;
    for (int shift = 32; shift < 64; shift += 8) {
        size_t count[257] = { 0 };
        for (size_t i = 0; i < b->n; i++)
            count[(from[i] >> shift & 0xff) + 1]++;
        for (int i = 0; i < 256; i++)
            count[i + 1] += count[i];
        for (size_t i = 0; i < b->n; i++)
            to[count[from[i] >> shift & 0xff]++] = from[i];
        uint64_t *t = from;
        from = to;
        to = t;
    }
    free(spare); /* four passes: the result is in b->entries again */
}

static void put_varint(struct buf *out, uint32_t v)
{
    for (; v >= 0x80; v >>= 7)
        buf_add_c(out, (char)(v | 0x80));
    buf_add_c(out, (char)v);
}

/* Appends the bucket of entries[*i...] to out. */
static void put_bucket(const struct builder *b, size_t *i, uint32_t number, struct bucket *ret,
                       struct buf *keys, struct buf *lists)
{
    buf_reset(keys);
    buf_reset(lists);
    uint32_t n = 0;
    size_t end = *i;
    while (end < b->n && b->entries[end] >> (32 + BUCKET_SHIFT) == number) {
        n += end == *i || b->entries[end] >> 32 != b->entries[end - 1] >> 32;
        end++;
    }
    for (uint32_t last = 0; *i < end; ++*i) {
        uint64_t e = b->entries[*i];
        bool first = keys->n == 0 || e >> 32 != b->entries[*i - 1] >> 32;
        if (!first && e == b->entries[*i - 1])
            continue;
        if (first) {
            struct key k = { (uint32_t)(e >> 32), (uint32_t)(n * sizeof(k) + lists->n) };
            buf_add(keys, &k, sizeof(k));
            last = 0;
        }
        put_varint(lists, (uint32_t)e - last);
        last = (uint32_t)e;
    }
    *ret = (struct bucket){ .keys = n, .bytes = (uint32_t)(keys->n + lists->n) };
}

static int put_all(const struct builder *b, const struct index_head *h, struct buf *out)
{
    struct bucket *dir = xcalloc(BUCKETS, sizeof(*dir));
    struct buf keys, lists;
    size_t i = 0;
    buf_init(&keys, BUCKET_MAX);
    buf_init(&lists, BUCKET_MAX);
    buf_add(out, h, sizeof(*h));
    buf_add(out, dir, BUCKETS * sizeof(*dir));
    for (uint32_t k = 0; k < BUCKETS; k++) {
        put_bucket(b, &i, k, &dir[k], &keys, &lists);
        dir[k].offset = (uint32_t)out->n;
        buf_add_sv(out, buf_sv(&keys));
        buf_add_sv(out, buf_sv(&lists));
        if (!out->overflow && dir[k].bytes)
            dir[k].crc = crc32c(k, out->p + dir[k].offset, dir[k].bytes);
    }
    bool bad = out->overflow || keys.overflow || lists.overflow;
    if (!bad)
        memcpy(out->p + sizeof(*h), dir, BUCKETS * sizeof(*dir));
    buf_done(&keys);
    buf_done(&lists);
    free(dir);
    return bad ? -ENOMEM : 0;
}

static int read_segment(const char *path, int stream, struct builder *b, struct index_head *h)
{
    _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    struct block blk;
    struct buf data;
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    int r = segment_check(fd, stream);
    if (r < 0)
        return r;
    buf_init(&data, BLOCK_MAX);
    for (uint64_t at = SEGMENT_HEAD; segment_block(fd, at, (uint64_t)st.st_size, &blk) > 0;
         at = block_end(&blk))
        if (segment_read(fd, &blk, &data) == 0)
            add_records(b, &blk, buf_sv(&data), stream, h);
    buf_done(&data);
    return 0;
}

static int write_file(const char *path, struct sv content, struct errinfo *ei)
{
    char tmp[SEGMENT_PATH + 8];
    snprintf(tmp, sizeof(tmp), "%s.new", path);
    _cleanup_(closep) int fd =
        open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
    int r = fd < 0 ? -errno : os_write_all(fd, content.p, content.n);
    /* Not synced: an index that a power cut has damaged is made again. */
    if (r == 0 && rename(tmp, path) < 0)
        r = -errno;
    if (r < 0 && fd >= 0)
        (void)unlink(tmp);
    return r < 0 ? err_set_errno(ei, r, "%s", path) : 0;
}

int index_build(const char *segment, int stream, const char *path, struct errinfo *ei)
{
    struct builder b = { 0 };
    struct index_head h = { .magic = INDEX_MAGIC, .version = VERSION };
    struct buf out;
    buf_init(&out, 256 * MiB);
    int r = read_segment(segment, stream, &b, &h);
    if (r < 0) {
        err_set_errno(ei, r, "%s", segment);
    } else {
        sort_entries(&b);
        h.crc = crc32c(0, &h, offsetof(struct index_head, crc));
        r = put_all(&b, &h, &out);
        if (r == 0)
            r = write_file(path, buf_sv(&out), ei);
    }
    free(b.entries);
    buf_done(&out);
    return r;
}

/* --- reading --- */

static int read_exactly(int fd, void *p, size_t n, uint64_t off)
{
    ssize_t r = pread(fd, p, n, (off_t)off);
    return r < 0 ? -errno : (size_t)r == n ? 0 : E_CORRUPT;
}

static int open_index(const char *path, struct index_head *h)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = read_exactly(fd, h, sizeof(*h), 0);
    if (r == 0 && (h->magic != INDEX_MAGIC || h->version != VERSION ||
                   h->crc != crc32c(0, h, offsetof(struct index_head, crc))))
        r = E_CORRUPT;
    if (r < 0) {
        close(fd);
        return r;
    }
    return fd;
}

int index_info(const char *path, struct index_info *ret)
{
    struct index_head h;
    int fd = open_index(path, &h);
    if (fd < 0)
        return fd;
    close(fd);
    *ret = (struct index_info){ h.first_us, h.last_us, h.records };
    return 0;
}

static bool take_varint(struct sv *in, uint32_t *ret)
{
    uint32_t v = 0;
    for (unsigned i = 0; i < 5 && i < in->n; i++) {
        unsigned char c = (unsigned char)in->p[i];
        v |= (uint32_t)(c & 0x7f) << (7 * i);
        if (!(c & 0x80)) {
            *ret = v;
            *in = sv_skip(*in, i + 1);
            return true;
        }
    }
    return false;
}

static int find_in(struct sv data, uint32_t n_keys, uint32_t hash, struct buf *out)
{
    struct key k, after;
    uint32_t lo = 0, hi = n_keys;
    if ((uint64_t)n_keys * sizeof(k) > data.n)
        return E_CORRUPT;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        memcpy(&k, data.p + mid * sizeof(k), sizeof(k));
        if (k.hash < hash)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == n_keys)
        return 0;
    memcpy(&k, data.p + lo * sizeof(k), sizeof(k));
    if (k.hash != hash)
        return 0;
    after.list = (uint32_t)data.n;
    if (lo + 1 < n_keys)
        memcpy(&after, data.p + (lo + 1) * sizeof(k), sizeof(k));
    if (k.list > after.list || after.list > data.n)
        return E_CORRUPT;
    struct sv list = sv_n(data.p + k.list, after.list - k.list);
    for (uint32_t at = 0, d; take_varint(&list, &d);) {
        at += d;
        int r = buf_add(out, &at, sizeof(at));
        if (r < 0)
            return r;
    }
    return list.n ? E_CORRUPT : 0;
}

/* The hashes that are in one bucket. */
static int find_in_bucket(int fd, const struct bucket *b, const uint32_t *hashes, unsigned n,
                          struct buf *data, struct buf *out)
{
    if (b->bytes > BUCKET_MAX)
        return E_CORRUPT;
    buf_reset(data);
    int r = buf_reserve(data, b->bytes);
    if (r == 0)
        r = read_exactly(fd, data->p, b->bytes, b->offset);
    if (r == 0 && crc32c(hashes[0] >> BUCKET_SHIFT, data->p, b->bytes) != b->crc)
        r = E_CORRUPT;
    for (unsigned i = 0; i < n && r == 0; i++)
        r = find_in(sv_n(data->p, b->bytes), b->keys, hashes[i], out);
    return r;
}

int index_lookup(const char *path, const uint32_t *hashes, unsigned n, struct buf *out)
{
    struct index_head h;
    struct bucket entries[BUCKETS];
    _cleanup_(closep) int fd = open_index(path, &h);
    if (fd < 0 || n == 0)
        return fd < 0 ? fd : 0;
    uint32_t first = hashes[0] >> BUCKET_SHIFT, last = hashes[n - 1] >> BUCKET_SHIFT;
    int r = read_exactly(fd, entries, (last - first + 1) * sizeof(entries[0]),
                         sizeof(h) + first * sizeof(entries[0]));
    struct buf data;
    buf_init(&data, BUCKET_MAX);
    for (unsigned i = 0, k; i < n && r == 0; i = k) {
        uint32_t number = hashes[i] >> BUCKET_SHIFT;
        for (k = i + 1; k < n && hashes[k] >> BUCKET_SHIFT == number;)
            k++;
        if (entries[number - first].bytes)
            r = find_in_bucket(fd, &entries[number - first], hashes + i, k - i, &data, out);
    }
    buf_done(&data);
    return r;
}
