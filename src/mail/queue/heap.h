/* A binary heap of nodes by time, embedded in what waits. Pure. */
#pragma once

#include "base/base.h"

struct heap_node {
    int64_t when;
    size_t at; /* place in the heap + 1; 0 = in none */
};

struct heap {
    struct heap_node **p;
    size_t n, cap;
};

void heap_add(struct heap *h, struct heap_node *n, int64_t when); /* n is in none */
void heap_del(struct heap *h, struct heap_node *n);               /* also when it is in none */
void heap_done(struct heap *h);
static inline struct heap_node *heap_first(const struct heap *h)
{
    return h->n ? h->p[0] : NULL;
}
