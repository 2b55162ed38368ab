/* Growing byte buffer with a maximum. Memory is always cap + 1 bytes, so that a terminating NUL and
 * vsnprintf have room even at n == max. Once an add failed all later ones fail too: a text with a
 * hole in its middle must not look complete. */
#include "base/buf.h"

enum { FIRST_ALLOC = 128 };

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){ .max = max };
}

void buf_done(struct buf *b)
{
    free(b->p);
    *b = (struct buf){ .max = b->max };
}

void buf_reset(struct buf *b)
{
    b->n = 0;
    b->overflow = false;
}

static int set_overflow(struct buf *b)
{
    b->overflow = true;
    return -ENOMEM;
}

static int grow(struct buf *b, size_t need)
{
    size_t alloc = b->p ? b->cap + 1 : FIRST_ALLOC;
    if (need >= SIZE_MAX / 4)
        return set_overflow(b);
    while (alloc <= need)
        alloc *= 2;
    alloc = MIN(alloc - 1, b->max) + 1;
    char *p = realloc(b->p, alloc);
    if (!p)
        return set_overflow(b);
    b->p = p;
    b->cap = alloc - 1;
    return 0;
}

int buf_reserve(struct buf *b, size_t extra)
{
    if (b->overflow)
        return -ENOMEM;
    if (extra <= b->cap - b->n)
        return 0;
    if (b->n > b->max || extra > b->max - b->n)
        return set_overflow(b);
    return grow(b, b->n + extra);
}

int buf_add(struct buf *b, const void *p, size_t n)
{
    if (b->overflow)
        return -ENOMEM;
    if (n == 0)
        return 0;
    if (n > b->cap - b->n) {
        /* p may point into b itself, whose memory is about to move. */
        uintptr_t off = (uintptr_t)p - (uintptr_t)b->p;
        bool inside = b->p && off < b->n;
        int r = buf_reserve(b, n);
        if (r < 0)
            return r;
        if (inside)
            p = b->p + off;
    }
    memcpy(b->p + b->n, p, n);
    b->n += n;
    return 0;
}

int buf_add_sv(struct buf *b, struct sv s)
{
    return buf_add(b, s.p, s.n);
}

int buf_add_c(struct buf *b, char c)
{
    int r = buf_reserve(b, 1);
    if (r < 0)
        return r;
    b->p[b->n++] = c;
    return 0;
}

int buf_add_str(struct buf *b, const char *s)
{
    return buf_add(b, s, strlen(s));
}

int buf_addf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int r = buf_vaddf(b, fmt, ap);
    va_end(ap);
    return r;
}

/* Formats into the memory at hand; grows and formats again only when that was too small. */
int buf_vaddf(struct buf *b, const char *fmt, va_list ap)
{
    if (b->overflow)
        return -ENOMEM;
    size_t room = b->p ? b->cap - b->n : 0;
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(b->p ? b->p + b->n : NULL, b->p ? room + 1 : 0, fmt, ap);
    if (n > 0 && (size_t)n > room) {
        int r = buf_reserve(b, (size_t)n);
        n = r < 0 ? r : vsnprintf(b->p + b->n, b->cap - b->n + 1, fmt, again);
    }
    va_end(again);
    if (n < 0) {
        if (b->p)
            b->p[b->n] = '\0'; /* whoever terminated b before must not see the half-written text */
        return set_overflow(b);
    }
    b->n += (size_t)n;
    return 0;
}

void buf_consume(struct buf *b, size_t n)
{
    n = MIN(n, b->n);
    if (n == 0)
        return;
    b->n -= n;
    if (b->n)
        memmove(b->p, b->p + n, b->n);
}

int buf_terminate(struct buf *b)
{
    if (!b->p && grow(b, b->n) < 0)
        return -ENOMEM;
    b->p[b->n] = '\0';
    return b->overflow ? -ENOMEM : 0;
}

char *buf_take(struct buf *b, size_t *ret_n)
{
    /* Not terminated through buf_terminate, as this must work with overflow set. Overflow stays
     * set: the caller may ask for it after taking. */
    size_t n = b->n;
    char *p = xrealloc(take_ptr(b->p), n + 1);
    p[n] = '\0';
    b->n = b->cap = 0;
    if (ret_n)
        *ret_n = n;
    return p;
}
