/* The first rows of many by an order, in memory for those only: a page of a long list. */
#pragma once

#include "base/base.h"

struct top {
    size_t size, max, n; /* bytes of a row; rows kept at most; rows kept */
    char *rows;
    unsigned *order; /* where in rows the i-th is: the heap moves these, not the rows */
    int (*cmp)(const void *a, const void *b, const void *arg); /* < 0: a comes before b */
    const void *arg;
};

void top_init(struct top *t, size_t size, size_t max,
              int (*cmp)(const void *a, const void *b, const void *arg), const void *arg);
void top_done(struct top *t);
void top_add(struct top *t, const void *row); /* copied when it is among the first */
void top_sort(struct top *t);                 /* rows in order; nothing may be added after it */
static inline void *top_row(const struct top *t, size_t i)
{
    return t->rows + t->order[i] * t->size;
}
