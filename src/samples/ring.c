/* The files. Numbers are in the machine's order: files stay on their machine. */
#include "samples/ring.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "os/file.h"

const struct ring_def ring_defs[RING_COUNT] = {
    [RING_1M] = { "1m", 60, 2 * 24 * 60 },
    [RING_5M] = { "5m", 300, 14 * 24 * 12 },
    [RING_1H] = { "1h", 3600, 400 * 24 },
};

#define RING_MAGIC 0x314c504d41535050u
enum {
    VERSION = 1,
    COLUMNS_MAX = 500, /* of a file */
    NAME_BYTES = 32,
    HEAD_BYTES = 16384,
    RECORD_HEAD = 24, /* checksum, covered_s, slot, boot */
    COLUMNS = SERIES_COUNT + CTR_COUNT,
    TRIES = 20,
};

/* Names follow: of the series; then, in 1m, of the sums, with a = in front. */
struct head {
    uint64_t magic;
    uint32_t version, columns;
    int64_t step_s, slots, since_s;
    uint32_t unused, crc; /* of all before it and the names */
};
_Static_assert(sizeof(struct head) + COLUMNS_MAX * NAME_BYTES <= HEAD_BYTES, "the head has a size");
_Static_assert(COLUMNS <= COLUMNS_MAX, "a file has room for all series");

struct ring {
    int fd;
    const struct ring_def *def;
    size_t columns;
    int64_t since_s;
    int16_t at[COLUMNS]; /* where a column of ours stands in the file; -1 = not there */
};

static size_t columns_of(const struct ring_def *d)
{
    return d == &ring_defs[RING_1M] ? COLUMNS : SERIES_COUNT;
}

static void column_name(size_t i, char ret[NAME_BYTES])
{
    memset(ret, 0, NAME_BYTES);
    snprintf(ret, NAME_BYTES, "%s%s", i < SERIES_COUNT ? "" : "=",
             i < SERIES_COUNT ? series_name((int)i) : counter_names[i - SERIES_COUNT]);
}

static size_t head_size(size_t columns)
{
    return sizeof(struct head) + columns * NAME_BYTES;
}

static uint32_t head_crc(const char *head, size_t columns)
{
    uint32_t crc = crc32c(0, head, offsetof(struct head, crc));
    return crc32c(crc, head + sizeof(struct head), columns * NAME_BYTES);
}

static int write_head(const struct ring *r)
{
    char b[HEAD_BYTES] = { 0 };
    struct head h = { .magic = RING_MAGIC,
                      .version = VERSION,
                      .columns = (uint32_t)r->columns,
                      .step_s = r->def->step_s,
                      .slots = r->def->slots,
                      .since_s = r->since_s };
    for (size_t i = 0; i < r->columns; i++)
        column_name(i, b + sizeof(h) + i * NAME_BYTES);
    memcpy(b, &h, sizeof(h));
    h.crc = head_crc(b, r->columns);
    memcpy(b, &h, sizeof(h));
    return os_pwrite_all(r->fd, b, sizeof(b), 0);
}

static int read_all(int fd, void *p, size_t n, int64_t off)
{
    for (size_t done = 0; done < n;) {
        ssize_t got = pread(fd, (char *)p + done, n - done, off + (int64_t)done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            return E_CORRUPT;
        done += (size_t)got;
    }
    return 0;
}

static int read_head(struct ring *r)
{
    char b[HEAD_BYTES];
    struct head h;
    int e = read_all(r->fd, b, sizeof(b), 0);
    if (e < 0)
        return e;
    memcpy(&h, b, sizeof(h));
    if (h.magic != RING_MAGIC || h.version != VERSION || h.columns > COLUMNS_MAX ||
        h.step_s != r->def->step_s || h.slots != r->def->slots || h.crc != head_crc(b, h.columns))
        return E_CORRUPT;
    r->columns = h.columns;
    r->since_s = h.since_s;
    for (size_t i = 0; i < columns_of(r->def); i++) {
        char name[NAME_BYTES];
        column_name(i, name);
        r->at[i] = -1;
        for (size_t k = 0; k < r->columns && r->at[i] < 0; k++)
            if (!memcmp(b + head_size(k), name, NAME_BYTES))
                r->at[i] = (int16_t)k;
    }
    return 0;
}

static bool is_present_form(const struct ring *r)
{
    bool same = r->columns == columns_of(r->def);
    for (size_t i = 0; i < columns_of(r->def); i++)
        same = same && r->at[i] == (int16_t)i;
    return same;
}

static size_t record_size(const struct ring *r)
{
    return RECORD_HEAD + 8 * r->columns;
}

static int64_t offset_of(const struct ring *r, int64_t place)
{
    return HEAD_BYTES + place * (int64_t)record_size(r);
}

static int64_t place_of(const struct ring *r, int64_t slot)
{
    return slot % r->def->slots;
}

/* 1 = b holds a whole record. It is read several times before it counts as torn: it may just be
 * written, by somebody who has to wait for a processor in the middle of it. */
static int read_record(struct ring *r, int64_t place, char *b)
{
    static const struct timespec moment = { .tv_nsec = 1000000 };
    uint32_t crc;
    int64_t slot;
    for (int i = 0; i < TRIES; i++) {
        if (i > 1)
            nanosleep(&moment, NULL);
        int e = read_all(r->fd, b, record_size(r), offset_of(r, place));
        if (e == E_CORRUPT)
            return 0; /* the file is not that long yet */
        if (e < 0)
            return e;
        memcpy(&crc, b, 4);
        memcpy(&slot, b + 8, 8);
        if (slot == 0)
            return 0; /* never written */
        if (crc == crc32c(0, b + 4, record_size(r) - 4))
            return 1;
    }
    return 0;
}

int ring_read_place(struct ring *r, int64_t place, struct sample *ret)
{
    char b[RECORD_HEAD + 8 * COLUMNS_MAX];
    int e = read_record(r, place, b);
    if (e <= 0)
        return e;
    memset(ret, 0, sizeof(*ret));
    memcpy(&ret->covered_s, b + 4, 4);
    memcpy(&ret->slot, b + 8, 8);
    memcpy(&ret->boot, b + 16, 8);
    if (ret->slot <= 0 || place_of(r, ret->slot) != place)
        return 0;
    for (size_t i = 0; i < columns_of(r->def); i++)
        if (r->at[i] >= 0)
            memcpy(i < SERIES_COUNT ? &ret->v[i] : &ret->sums[i - SERIES_COUNT],
                   b + RECORD_HEAD + 8 * (size_t)r->at[i], 8);
    return 1;
}

int ring_read(struct ring *r, int64_t slot, struct sample *ret)
{
    if (slot <= 0)
        return 0;
    int n = ring_read_place(r, place_of(r, slot), ret);
    return n == 1 && ret->slot != slot ? 0 : n;
}

int ring_write(struct ring *r, const struct sample *s)
{
    char b[RECORD_HEAD + 8 * COLUMNS];
    memcpy(b + 4, &s->covered_s, 4);
    memcpy(b + 8, &s->slot, 8);
    memcpy(b + 16, &s->boot, 8);
    memcpy(b + RECORD_HEAD, s->v, sizeof(s->v));
    if (r->columns > SERIES_COUNT)
        memcpy(b + RECORD_HEAD + sizeof(s->v), s->sums, sizeof(s->sums));
    uint32_t crc = crc32c(0, b + 4, record_size(r) - 4);
    memcpy(b, &crc, 4);
    return os_pwrite_all(r->fd, b, record_size(r), offset_of(r, place_of(r, s->slot)));
}

int64_t ring_since_s(const struct ring *r)
{
    return r->since_s;
}

void ring_close(struct ring *r)
{
    closep(&r->fd);
    free(r);
}

static struct ring *ring_new(const struct ring_def *d)
{
    struct ring *r = xcalloc(1, sizeof(*r));
    r->fd = -1;
    r->def = d;
    r->columns = columns_of(d);
    r->since_s = clock_wall_s();
    for (size_t i = 0; i < COLUMNS; i++)
        r->at[i] = (int16_t)i;
    return r;
}

/* A file at path with an own head and the samples of old, which may be NULL. */
static int make(const char *path, const struct ring_def *d, struct ring *old, struct ring **ret)
{
    _cleanup_(freep) char *temp = xasprintf("%s.new", path);
    _cleanup_(ring_closep) struct ring *r = ring_new(d);
    struct sample s;
    r->fd = open(temp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (r->fd < 0)
        return -errno;
    if (old)
        r->since_s = old->since_s;
    int e = write_head(r);
    for (int64_t place = 0; e == 0 && old && place < d->slots; place++)
        if (ring_read_place(old, place, &s) == 1)
            e = ring_write(r, &s);
    if (e == 0 && rename(temp, path) < 0)
        e = -errno;
    if (e < 0)
        unlink(temp);
    else
        *ret = take_ptr(r);
    return e;
}

int ring_open(const char *data_dir, enum ring_step step, bool writable, struct ring **ret,
              struct errinfo *ei)
{
    const struct ring_def *d = &ring_defs[step];
    _cleanup_(freep) char *dir = xasprintf("%s/status/traffic", data_dir);
    _cleanup_(freep) char *path = xasprintf("%s/%s", dir, d->name);
    _cleanup_(ring_closep) struct ring *r = ring_new(d);
    int e = writable ? os_mkdirs(dir, 0750, ei) : 0;
    if (e < 0)
        return e;
    r->fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    e = r->fd < 0 ? -errno : read_head(r);
    if (writable && e == E_CORRUPT) {
        _cleanup_(freep) char *away = xasprintf("%s.damaged", path);
        e = rename(path, away) < 0 ? -errno : -ENOENT;
    }
    if (writable && e == -ENOENT)
        e = make(path, d, NULL, ret);
    else if (writable && e == 0 && !is_present_form(r))
        e = make(path, d, r, ret);
    else if (e == 0)
        *ret = take_ptr(r);
    return e < 0 ? err_set_errno(ei, e, "%s", path) : 0;
}
