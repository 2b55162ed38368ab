/* Bytes between a connection's buffers and its socket, on the worker that owns it. Never waits. */
#include <sys/socket.h>

#include "net/conn_priv.h"

/* LENT_CAP: buf adds one byte, and 64 KiB stay below malloc's threshold for mmap. */
enum { LENT_CAP = READ_CHUNK - 1, TURN_OUT = 512 * 1024, SPARE_MAX = 256 * 1024 };

/* --- buffers: lent by the worker for a turn --- */

static void lend(struct buf *mine, uint32_t *off, struct buf *spare)
{
    size_t max = mine->max, n = mine->n - *off;
    if (n > 0 && mine->cap >= LENT_CAP)
        return;
    if (!spare->p && buf_reserve(spare, LENT_CAP) < 0)
        panic("no memory for a worker's buffer");
    /* A short rest moves into the large buffer: no growing when more arrives. */
    if (n > 0)
        memcpy(spare->p, mine->p + *off, n);
    free(mine->p);
    *mine = *spare;
    mine->max = max;
    mine->n = n;
    *off = 0;
    *spare = (struct buf){ .max = spare->max };
}

static void give_back(struct buf *mine, uint32_t *off, struct buf *spare)
{
    size_t n = mine->n - *off;
    struct buf keep = { .max = mine->max };
    /* A rest that fills the buffer well keeps it; the worker gets another one next time. */
    if (n > READ_CHUNK / 2)
        return;
    if (n > 0) {
        if (buf_add(&keep, mine->p + *off, n) < 0)
            return;
    }
    if (!spare->p && mine->p && mine->cap >= LENT_CAP && mine->cap <= SPARE_MAX) {
        *spare = (struct buf){ .p = mine->p, .cap = mine->cap, .max = spare->max };
    } else {
        free(mine->p);
    }
    *mine = keep;
    *off = 0;
}

void conn_lend(struct conn *c, struct worker *w)
{
    uint32_t out_off = c->out_off;
    lend(&c->in, &c->in_off, &w->in);
    lend(&c->out, &c->out_off, &w->out);
    if (c->held && c->out_off != out_off)
        c->hold_mark -= MIN(out_off - c->out_off, c->hold_mark);
}

void conn_return(struct conn *c, struct worker *w)
{
    uint32_t out_off = c->out_off;
    give_back(&c->in, &c->in_off, &w->in);
    give_back(&c->out, &c->out_off, &w->out);
    if (c->held && c->out_off != out_off)
        c->hold_mark -= MIN(out_off - c->out_off, c->hold_mark);
}

/* --- reading --- */

static ssize_t read_plain(struct conn *c, void *p, size_t n)
{
    ssize_t r = recv(c->fd, p, n, MSG_DONTWAIT);
    /* Not drained even after a short read: asking once more before parking is cheaper than parking
     * when the peer is quick (ADR 0001 has the figures). */
    if (r > 0)
        return r;
    if (r == 0)
        return READ_EOF;
    c->drained = errno != EINTR;
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? READ_BLOCKED : READ_FAILED;
}

static ssize_t read_tls(struct conn *c, void *p, size_t n)
{
    ssize_t r = tls_read(c, p, n);
    c->want_write = false;
    switch (r) {
    case TLS_WANT_WRITE:
        c->want_write = true;
        c->drained = true;
        return READ_BLOCKED;
    case TLS_WANT_READ:
        c->drained = true;
        return READ_BLOCKED;
    case TLS_CLOSED:
        return READ_EOF;
    case TLS_FAILED:
        return READ_FAILED;
    }
    /* As in read_plain: a record is at most 16 KiB, and to park behind each would make a large
     * message wait for a worker thousands of times. */
    return r;
}

ssize_t conn_read_more(struct conn *c)
{
    size_t max = conn_ops(c)->max_input, pending = conn_in_pending(c);
    if (pending >= max)
        return READ_BLOCKED;
    if (c->in_off > 0) {
        buf_consume(&c->in, c->in_off);
        c->in_off = 0;
    }
    size_t want = MIN((size_t)READ_CHUNK, max - pending);
    if (c->in.cap - c->in.n < MIN(want, READ_CHUNK / 4) && buf_reserve(&c->in, want) < 0)
        return READ_FAILED;
    want = MIN(want, c->in.cap - c->in.n);
    if (!c->trusted) {
        size_t granted = bandwidth_take(&c->net->bandwidth, want);
        if (granted == 0)
            return READ_THROTTLED;
        want = granted;
    }
    char *at = c->in.p + c->in.n;
    ssize_t r = c->ssl ? read_tls(c, at, want) : read_plain(c, at, want);
    if (!c->trusted)
        bandwidth_give_back(&c->net->bandwidth, want - (size_t)MAX(r, 0));
    if (r > 0) {
        c->in.n += (size_t)r;
        c->turn_in += (size_t)r;
    }
    return r;
}

/* --- writing --- */

static enum flush send_some(struct conn *c, size_t n, size_t *ret_sent)
{
    const char *p = c->out.p + c->out_off;
    ssize_t r;
    *ret_sent = 0;
    if (c->ssl) {
        c->want_read = false;
        r = tls_write(c, p, n);
        if (r == TLS_WANT_READ)
            c->want_read = true;
        if (r == TLS_WANT_READ || r == TLS_WANT_WRITE)
            return FLUSH_BLOCKED;
        if (r <= 0)
            return FLUSH_DEAD;
    } else {
        do
            r = send(c->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        while (r < 0 && errno == EINTR);
        if (r < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK ? FLUSH_BLOCKED : FLUSH_DEAD;
    }
    *ret_sent = (size_t)r;
    return FLUSH_DONE;
}

/* Sends what is pending up to out offset `end`. */
static enum flush drain(struct conn *c, size_t end)
{
    while (c->out_off < end) {
        size_t n = end - c->out_off, granted = n;
        if (!c->trusted) {
            granted = bandwidth_take(&c->net->bandwidth, n);
            if (granted == 0)
                return FLUSH_WAIT;
        }
        /* OpenSSL takes a repeated write only with at least the same length. */
        size_t ask = MIN(MAX(granted, c->tls_retry), n), sent;
        enum flush f = send_some(c, ask, &sent);
        if (!c->trusted)
            bandwidth_give_back(&c->net->bandwidth, granted - MIN(sent, granted));
        if (f != FLUSH_DONE) {
            c->tls_retry = c->ssl && f == FLUSH_BLOCKED ? (uint32_t)ask : 0;
            return f;
        }
        c->tls_retry = 0;
        c->out_off += (uint32_t)sent;
        c->turn_out += sent;
        c->progress = true;
    }
    return FLUSH_DONE;
}

static void forget_sent(struct conn *c)
{
    if (c->out_off < c->out.n)
        return;
    buf_reset(&c->out);
    c->out_off = 0;
    c->hold_mark = 0;
}

enum flush conn_flush(struct conn *c, struct worker *w)
{
    if (c->dead)
        return FLUSH_DEAD;
    for (uint64_t start = c->turn_out;;) {
        if (!c->held && c->items) {
            int r = conn_refill(c, w);
            if (r < 0)
                return FLUSH_ERROR;
            if (r > 0 && conn_out_pending(c) == 0)
                return FLUSH_MOVE;
        }
        enum flush f = drain(c, c->held ? c->hold_mark : c->out.n);
        forget_sent(c);
        if (f == FLUSH_DEAD)
            c->dead = true;
        if (f != FLUSH_DONE)
            return f;
        if (c->held || !c->items)
            return FLUSH_DONE;
        if (atomic_load_explicit(&c->killed, memory_order_relaxed))
            return FLUSH_MOVE;
        if (c->turn_out - start >= TURN_OUT &&
            (w->pool->which != POOL_BULK || workpool_busy(w->pool)))
            return FLUSH_MOVE;
    }
}
