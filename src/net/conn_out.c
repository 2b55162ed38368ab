/* What handlers write: bytes now, files and generators as items that are turned into bytes when the
 * socket takes them. On the worker that owns the connection. */
#include <stdio.h>
#include <unistd.h>

#include "net/conn_priv.h"

enum { REFILL_TO = 64 * 1024, IDLE_CALLS_MAX = 64 };

static struct out_item *last_item(struct conn *c)
{
    struct out_item *it = c->items;
    while (it && it->next)
        it = it->next;
    return it;
}

int conn_write(struct conn *c, struct sv bytes)
{
    if (c->dead)
        return E_CLOSED;
    size_t pending = conn_out_pending(c) + c->after_bytes;
    if (bytes.n > OUT_PLAIN_MAX || pending + bytes.n > OUT_PLAIN_MAX)
        return E_FULL;
    struct out_item *last = c->items ? last_item(c) : NULL;
    if (buf_add_sv(last ? &last->after : &c->out, bytes) < 0)
        return E_FULL;
    if (last)
        c->after_bytes += (uint32_t)bytes.n;
    return 0;
}

int conn_writef(struct conn *c, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof(text))
        return conn_write(c, sv_n(text, (size_t)n));
    struct buf b;
    buf_init(&b, OUT_PLAIN_MAX);
    va_start(ap, fmt);
    int r = buf_vaddf(&b, fmt, ap);
    va_end(ap);
    r = r < 0 ? E_FULL : conn_write(c, buf_sv(&b));
    buf_done(&b);
    return r;
}

static struct out_item *add_item(struct conn *c, enum out_type type)
{
    struct out_item *it = xcalloc(1, sizeof(*it)), *last = last_item(c);
    it->type = type;
    it->fd = -1;
    buf_init(&it->after, OUT_PLAIN_MAX);
    if (last)
        last->next = it;
    else
        c->items = it;
    return it;
}

int conn_write_file(struct conn *c, int fd, uint64_t off, uint64_t len)
{
    if (c->dead) {
        close(fd);
        return E_CLOSED;
    }
    struct out_item *it = add_item(c, OUT_FILE);
    it->fd = fd;
    it->off = off;
    it->len = len;
    return 0;
}

int conn_write_gen(struct conn *c, int (*gen)(void *arg, struct buf *out), void (*done)(void *arg),
                   void *arg)
{
    if (c->dead) {
        if (done)
            done(arg);
        return E_CLOSED;
    }
    struct out_item *it = add_item(c, OUT_GEN);
    it->gen = gen;
    it->done = done;
    it->arg = arg;
    return 0;
}

static void free_item(struct out_item *it)
{
    if (it->type == OUT_FILE)
        close(it->fd);
    else if (it->done)
        it->done(it->arg);
    buf_done(&it->after);
    free(it);
}

void conn_drop_output(struct conn *c)
{
    while (c->items) {
        struct out_item *it = c->items;
        c->items = it->next;
        free_item(it);
    }
    c->after_bytes = 0;
    buf_reset(&c->out);
    c->out_off = 0;
    c->hold_mark = 0;
}

/* Returns like a generator: 1 more to come, 0 finished, negative. */
static int fill_from_file(struct conn *c, struct out_item *it)
{
    size_t have = conn_out_pending(c);
    size_t want = (size_t)MIN((uint64_t)(REFILL_TO - MIN(have, (size_t)REFILL_TO / 2)), it->len);
    if (want == 0)
        return 0;
    if (buf_reserve(&c->out, want) < 0)
        return -ENOMEM;
    ssize_t n = pread(it->fd, c->out.p + c->out.n, want, (off_t)it->off);
    if (n < 0)
        return errno == EINTR ? 1 : -errno;
    if (n == 0)
        return E_CORRUPT; /* shorter than announced: the peer must not take the next reply for it */
    c->out.n += (size_t)n;
    it->off += (uint64_t)n;
    it->len -= (uint64_t)n;
    return it->len > 0;
}

static int fill_from_gen(struct conn *c, struct out_item *it)
{
    int r = it->gen(it->arg, &c->out);
    return c->out.overflow ? E_FULL : r;
}

static int finish_item(struct conn *c)
{
    struct out_item *it = c->items;
    c->items = it->next;
    c->after_bytes -= (uint32_t)it->after.n;
    int r = buf_add_sv(&c->out, buf_sv(&it->after));
    free_item(it);
    return r;
}

int conn_refill(struct conn *c, struct worker *w _unused_)
{
    if (c->out_off > 0 && c->items && conn_out_pending(c) < REFILL_TO) {
        buf_consume(&c->out, c->out_off);
        c->out_off = 0;
    }
    for (int idle = 0; c->items && conn_out_pending(c) < REFILL_TO;) {
        size_t before = c->out.n;
        int r =
            c->items->type == OUT_FILE ? fill_from_file(c, c->items) : fill_from_gen(c, c->items);
        if (r < 0)
            return r;
        if (r == 0) {
            r = finish_item(c);
            if (r < 0)
                return r;
        } else if (c->out.n == before && ++idle == IDLE_CALLS_MAX) {
            return 1;
        }
    }
    return 0;
}
