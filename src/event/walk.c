/* Candidates come from the index of a segment, or from reading it. */
#include "event/walk.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "event/index.h"

enum {
    WINDOW_ONE = 1024,       /* read for a record that was found by a key */
    WINDOW_MANY = 64 * 1024, /* read for one of many */
    OFFSETS_MAX = 64 * 1024 * 1024,
};

static int by_value(const void *a, const void *b)
{
    uint32_t x, y;
    memcpy(&x, a, 4);
    memcpy(&y, b, 4);
    return x < y ? -1 : x > y;
}

void walk_open(struct walk *w, const struct walk_opts *o, struct position bound)
{
    *w = (struct walk){ .o = *o, .bound = bound, .fd = -1 };
    qsort(w->o.hashes, w->o.n_hashes, sizeof(w->o.hashes[0]), by_value);
    w->n = segment_list(o->dir, o->stream, &w->numbers);
    w->at = o->newest_first ? w->n : 0;
    buf_init(&w->offsets, OFFSETS_MAX);
    buf_init(&w->window, RECORD_MAX + WINDOW_MANY);
}

void walk_close(struct walk *w)
{
    closep(&w->fd);
    free(w->numbers);
    buf_done(&w->offsets);
    buf_done(&w->window);
}

/* --- candidates of a segment --- */

static uint32_t offset_at(const struct walk *w, size_t i)
{
    uint32_t v;
    memcpy(&v, w->offsets.p + i * 4, 4);
    return v;
}

static int from_index(struct walk *w, const char *index)
{
    int r = index_lookup(index, w->o.hashes, w->o.n_hashes, &w->offsets);
    if (r >= 0 && w->o.n_hashes > 1 && w->offsets.n)
        qsort(w->offsets.p, w->offsets.n / 4, 4, by_value);
    if (r == E_CORRUPT)
        (void)unlink(index); /* its module makes it again */
    return r;
}

static void scan_block(struct walk *w, const struct block *b, struct sv data)
{
    uint64_t at = b->at;
    struct event_head h;
    while (data.n >= sizeof(h)) {
        memcpy(&h, data.p, sizeof(h));
        if (h.size < sizeof(h) || h.size % 8 || h.size > data.n)
            return;
        uint32_t unit = (uint32_t)(at / 8);
        if (w->o.keep(w->o.arg, &h, sv_take(data, h.size)) &&
            buf_add(&w->offsets, &unit, sizeof(unit)) < 0)
            return;
        at += h.size;
        data = sv_skip(data, h.size);
    }
}

static bool outside(const struct walk *w, int64_t first_us, int64_t last_us)
{
    return (w->o.from_us && last_us < w->o.from_us) || (w->o.to_us && first_us >= w->o.to_us);
}

/* Where reading begins: at the bound when it is the begin of a block, as it is for who follows. */
static uint64_t scan_from(const struct walk *w, uint32_t number)
{
    struct block b;
    if (!w->o.newest_first && w->bound.segment == number && w->bound.offset > SEGMENT_HEAD &&
        (segment_block(w->fd, w->bound.offset, w->size, &b) > 0 || w->bound.offset == w->size))
        return w->bound.offset;
    return SEGMENT_HEAD;
}

/* A block at the end that is being written just now: its checksum tells. */
static bool is_torn(const struct walk *w, const struct block *b)
{
    struct block after;
    return segment_block(w->fd, block_end(b), w->size, &after) <= 0;
}

static void scan(struct walk *w, uint32_t number)
{
    struct block b;
    struct buf data;
    uint64_t at = scan_from(w, number);
    buf_init(&data, BLOCK_MAX);
    for (; segment_block(w->fd, at, w->size, &b) > 0; at = block_end(&b)) {
        if (w->o.newest_first && w->bound.segment == number && b.at >= w->bound.offset)
            break;
        if (outside(w, b.first_us, b.last_us))
            continue;
        if (segment_read(w->fd, &b, &data) == 0)
            scan_block(w, &b, buf_sv(&data));
        else if (is_torn(w, &b))
            break;
    }
    w->end.offset = (uint32_t)at;
    buf_done(&data);
}

/* Leaves out what lies beyond the bound. */
static void apply_bound(struct walk *w, uint32_t number)
{
    w->next = 0;
    w->n_next = w->offsets.n / 4;
    if (w->bound.segment != number)
        return;
    while (w->o.newest_first && w->n_next > 0 &&
           (uint64_t)offset_at(w, w->n_next - 1) * 8 >= w->bound.offset)
        w->n_next--;
    while (!w->o.newest_first && w->next < w->n_next &&
           (uint64_t)offset_at(w, w->next) * 8 < w->bound.offset)
        w->next++;
}

static bool beyond_bound(const struct walk *w, uint32_t number)
{
    return w->o.newest_first ? number > w->bound.segment : number < w->bound.segment;
}

static void open_segment(struct walk *w, uint32_t number)
{
    char path[SEGMENT_PATH], index[SEGMENT_PATH];
    struct index_info info;
    struct stat st;
    segment_path(index, w->o.dir, w->o.stream, number, true);
    w->end = (struct position){ number, UINT32_MAX };
    if ((w->o.from_us || w->o.to_us) && index_info(index, &info) == 0 &&
        outside(w, info.first_us, info.last_us))
        return;
    if (w->o.n_hashes && from_index(w, index) == 0) {
        if (w->offsets.n == 0)
            return;
    } else {
        buf_reset(&w->offsets);
    }
    bool found = w->offsets.n > 0;
    segment_path(path, w->o.dir, w->o.stream, number, false);
    w->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (w->fd < 0 || fstat(w->fd, &st) < 0 || segment_check(w->fd, w->o.stream) < 0) {
        buf_reset(&w->offsets); /* deleted meanwhile, or not begun yet */
        w->end.offset = 0;
        return;
    }
    w->size = (uint64_t)st.st_size;
    w->filtered = !found;
    if (!found)
        scan(w, number);
}

/* The next segment's candidates. False: there is none. */
static bool next_segment(struct walk *w)
{
    closep(&w->fd);
    w->fd = -1;
    buf_reset(&w->offsets);
    w->window.n = 0;
    w->next = w->n_next = 0;
    if (w->o.newest_first ? w->at == 0 : w->at == w->n)
        return false;
    uint32_t number = w->numbers[w->o.newest_first ? --w->at : w->at++];
    if (beyond_bound(w, number))
        return true;
    w->resume = (struct position){ number, w->o.newest_first ? UINT32_MAX : 0 };
    w->where.segment = number;
    open_segment(w, number);
    apply_bound(w, number);
    return true;
}

/* --- records --- */

static bool in_window(const struct walk *w, uint64_t off, size_t n)
{
    return off >= w->window_at && off + n <= w->window_at + w->window.n;
}

static bool fill_window(struct walk *w, uint64_t off, size_t n)
{
    bool many = w->n_next - w->next > 64;
    size_t want = MAX(n, many ? (size_t)WINDOW_MANY : (size_t)WINDOW_ONE);
    uint64_t from = off;
    if (many && w->o.newest_first && off + n > want)
        from = off + n - want;
    w->window.n = 0;
    if (buf_reserve(&w->window, want) < 0)
        return false;
    ssize_t r = pread(w->fd, w->window.p, want, (off_t)from);
    w->window_at = from;
    w->window.n = r > 0 ? (size_t)r : 0;
    return in_window(w, off, n);
}

static bool load(struct walk *w, uint64_t off)
{
    struct event_head h;
    if (!in_window(w, off, sizeof(h)) && !fill_window(w, off, sizeof(h)))
        return false;
    memcpy(&h, w->window.p + (off - w->window_at), sizeof(h));
    if (h.size < sizeof(h) || h.size > RECORD_MAX)
        return false;
    if (!in_window(w, off, h.size) && !fill_window(w, off, h.size))
        return false;
    w->head = h;
    w->raw = sv_n(w->window.p + (off - w->window_at), h.size);
    w->where.offset = (uint32_t)off;
    return true;
}

/* The next candidate that the filter lets through. */
static bool look(struct walk *w)
{
    while (w->next < w->n_next && !w->have) {
        uint32_t unit = offset_at(w, w->o.newest_first ? --w->n_next : w->next++);
        w->have =
            load(w, (uint64_t)unit * 8) && (w->filtered || w->o.keep(w->o.arg, &w->head, w->raw));
    }
    return w->have;
}

enum walk_result walk_find(struct walk *w)
{
    if (look(w))
        return WALK_FOUND;
    if (!next_segment(w))
        return WALK_END;
    return look(w) ? WALK_FOUND : WALK_AGAIN;
}

static struct position behind(const struct walk *w)
{
    uint32_t size = w->o.newest_first ? 0 : w->head.size;
    return (struct position){ w->where.segment, w->where.offset + size };
}

void walk_take(struct walk *w)
{
    w->have = false;
    w->resume = behind(w);
}

struct position walk_position(const struct walk *w)
{
    bool newest = w->o.newest_first;
    if (w->have)
        return newest ? (struct position){ w->where.segment, w->where.offset + w->head.size }
                      : w->where;
    if (w->next < w->n_next)
        return w->resume;
    if (newest)
        return w->at ? (struct position){ w->numbers[w->at - 1] + 1, 0 } : (struct position){ 0 };
    if (w->at < w->n)
        return (struct position){ w->numbers[w->at], 0 };
    return position_cmp(w->end, w->bound) > 0 ? w->end : w->bound;
}

struct position walk_end(const char *dir, int stream)
{
    uint32_t *list;
    size_t n = segment_list(dir, stream, &list);
    struct position p = { 0 };
    if (n) {
        char path[SEGMENT_PATH];
        struct stat st;
        segment_path(path, dir, stream, list[n - 1], false);
        _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
        p = (struct position){ list[n - 1], SEGMENT_HEAD };
        if (fd >= 0 && fstat(fd, &st) == 0)
            p.offset = (uint32_t)segment_end(fd, (uint64_t)st.st_size);
    }
    free(list);
    return p;
}
