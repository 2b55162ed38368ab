/* Growing byte buffer that must be told its maximum. buf_add* never write past it: they return
 * -ENOMEM and set the sticky `overflow`, so a run of adds may be checked once at its end. */
#pragma once

#include "base/sv.h"

struct buf {
    char *p;
    size_t n;   /* used */
    size_t cap; /* allocated */
    size_t max; /* never more than this */
    bool overflow;
};

void buf_init(struct buf *b, size_t max);     /* allocates nothing yet */
void buf_done(struct buf *b);                 /* frees; b may be initialised again */
void buf_reset(struct buf *b);                /* empties, keeps memory, clears overflow */
int buf_reserve(struct buf *b, size_t extra); /* room for extra bytes beyond n */
int buf_add(struct buf *b, const void *p, size_t n);
int buf_add_sv(struct buf *b, struct sv s);
int buf_add_c(struct buf *b, char c);
int buf_add_str(struct buf *b, const char *s);
int buf_addf(struct buf *b, const char *fmt, ...) _printf_(2, 3);
int buf_vaddf(struct buf *b, const char *fmt, va_list ap);
void buf_consume(struct buf *b, size_t n);    /* drops the first n bytes (memmove) */
int buf_terminate(struct buf *b);             /* a NUL behind p[n] that n does not count */
char *buf_take(struct buf *b, size_t *ret_n); /* NUL-terminated heap memory; b becomes empty */

static inline struct sv buf_sv(const struct buf *b)
{
    return (struct sv){ b->p, b->n };
}
