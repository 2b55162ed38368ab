/* The ring: two positions, and the data behind them. */
#include "event/ring.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEAD_BYTES = 4096, MAP_BYTES = HEAD_BYTES + STREAM_COUNT * RING_BYTES };

#define RING_MAGIC 0x31474e4952485000u

struct ring_head {
    uint64_t magic, bytes;
    struct ring_state state[STREAM_COUNT];
};
_Static_assert(sizeof(struct ring_head) <= HEAD_BYTES, "the data begins behind it");

int ring_memory_new(int *ret_fd, struct errinfo *ei)
{
    _cleanup_(closep) int fd = memfd_create("posthorn-events", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || ftruncate(fd, MAP_BYTES) < 0)
        return err_set_errno(ei, -errno, "cannot create the memory of events");
    /* Nobody who gets the descriptor can shrink it under the others (SIGBUS). */
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        return err_set_errno(ei, -errno, "cannot seal the memory of events");
    struct ring_head head = { .magic = RING_MAGIC, .bytes = MAP_BYTES };
    if (pwrite(fd, &head, 16, 0) != 16)
        return err_set_errno(ei, -errno, "cannot write the memory of events");
    *ret_fd = take_fd(&fd);
    return 0;
}

int ring_memory_map(int fd, struct ring_memory *ret, struct errinfo *ei)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || st.st_size != MAP_BYTES)
        return err_set(ei, E_CORRUPT,
                       "the memory of events has another size: supervisor and module are of "
                       "different versions; restart the server");
    void *p = mmap(NULL, MAP_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        return err_set_errno(ei, -errno, "cannot map the memory of events");
    struct ring_head *h = p;
    if (h->magic != RING_MAGIC || h->bytes != MAP_BYTES) {
        munmap(p, MAP_BYTES);
        return err_set(ei, E_CORRUPT,
                       "the memory of events is of another version; restart the "
                       "server");
    }
    *ret = (struct ring_memory){ .map = p };
    for (int i = 0; i < STREAM_COUNT; i++)
        ret->ring[i] = (struct ring){
            .s = &h->state[i],
            .data = (char *)p + HEAD_BYTES + (size_t)i * RING_BYTES,
            .touched = RING_BYTES,
        };
    return 0;
}

void ring_memory_unmap(struct ring_memory *m)
{
    if (m->map)
        munmap(m->map, MAP_BYTES);
    *m = (struct ring_memory){ 0 };
}

static uint64_t get(const _Atomic uint64_t *p)
{
    return atomic_load_explicit(p, memory_order_acquire);
}

static void set(_Atomic uint64_t *p, uint64_t v)
{
    atomic_store_explicit(p, v, memory_order_release);
}

/* A process that died while it rewound leaves the head behind the tail: that is empty too. More
 * than the ring holds is damage. */
uint64_t ring_used(const struct ring *r)
{
    uint64_t head = get(&r->s->head), tail = get(&r->s->tail);
    return head <= tail || head - tail > RING_BYTES ? 0 : head - tail;
}

bool ring_fits(const struct ring *r, size_t n)
{
    return ring_used(r) + n <= RING_BYTES;
}

static void copy_in(struct ring *r, uint64_t at, const char *p, size_t n)
{
    size_t off = at % RING_BYTES, first = MIN(n, RING_BYTES - off);
    memcpy(r->data + off, p, first);
    if (n > first)
        memcpy(r->data, p + first, n - first);
}

void ring_put(struct ring *r, const struct iovec *parts, int n_parts)
{
    uint64_t at = get(&r->s->head);
    for (int i = 0; i < n_parts; i++) {
        if (parts[i].iov_len)
            copy_in(r, at, parts[i].iov_base, parts[i].iov_len);
        at += parts[i].iov_len;
    }
    r->touched = MAX(r->touched, at);
    set(&r->s->head, at);
}

static void copy_out(const struct ring *r, uint64_t at, void *p, size_t n)
{
    size_t off = at % RING_BYTES, first = MIN(n, RING_BYTES - off);
    memcpy(p, r->data + off, first);
    memcpy((char *)p + first, r->data, n - first);
}

size_t ring_peek(struct ring *r, size_t max, struct ring_batch *ret)
{
    uint64_t tail = get(&r->s->tail), left = ring_used(r);
    *ret = (struct ring_batch){ 0 };
    while (left >= sizeof(struct event_head)) {
        struct event_head h;
        copy_out(r, tail + ret->bytes, &h, sizeof(h));
        if (h.size < sizeof(h) || h.size % 8 || h.size > left)
            break; /* damaged: what follows cannot be told apart */
        if (ret->bytes && ret->bytes + h.size > max)
            break;
        if (ret->records++ == 0)
            ret->first_us = ret->last_us = h.time_us;
        ret->first_us = MIN(ret->first_us, h.time_us);
        ret->last_us = MAX(ret->last_us, h.time_us);
        ret->bytes += h.size;
        left -= h.size;
    }
    if (!ret->bytes) {
        set(&r->s->tail, get(&r->s->head));
        return 0;
    }
    size_t off = tail % RING_BYTES, first = MIN(ret->bytes, RING_BYTES - off);
    ret->piece[0] = (struct iovec){ r->data + off, first };
    ret->piece[1] = (struct iovec){ r->data, ret->bytes - first };
    return ret->bytes;
}

void ring_take(struct ring *r, size_t n)
{
    set(&r->s->tail, get(&r->s->tail) + n);
}

bool ring_rewind(struct ring *r)
{
    if (ring_used(r))
        return false;
    set(&r->s->pending_end, 0);
    set(&r->s->head, 0);
    set(&r->s->tail, 0);
    return true;
}

void ring_release(struct ring *r)
{
    if (r->touched)
        (void)madvise(r->data, RING_BYTES, MADV_REMOVE);
    r->touched = 0;
}
