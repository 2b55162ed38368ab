/* Binary heap: the earliest first. */
#include "mail/queue/heap.h"

static void set(struct heap *h, size_t i, struct heap_node *n)
{
    h->p[i] = n;
    n->at = i + 1;
}

static void sift_up(struct heap *h, size_t i)
{
    struct heap_node *n = h->p[i];
    for (; i > 0 && n->when < h->p[(i - 1) / 2]->when; i = (i - 1) / 2)
        set(h, i, h->p[(i - 1) / 2]);
    set(h, i, n);
}

static void sift_down(struct heap *h, size_t i)
{
    struct heap_node *n = h->p[i];
    for (size_t c; (c = 2 * i + 1) < h->n; i = c) {
        if (c + 1 < h->n && h->p[c + 1]->when < h->p[c]->when)
            c++;
        if (h->p[c]->when >= n->when)
            break;
        set(h, i, h->p[c]);
    }
    set(h, i, n);
}

void heap_add(struct heap *h, struct heap_node *n, int64_t when)
{
    if (h->n == h->cap) {
        h->cap = h->cap ? h->cap * 2 : 64;
        h->p = xrealloc(h->p, h->cap * sizeof(*h->p));
    }
    n->when = when;
    h->p[h->n] = n;
    sift_up(h, h->n++);
}

void heap_del(struct heap *h, struct heap_node *n)
{
    if (!n->at)
        return;
    size_t i = n->at - 1;
    struct heap_node *last = h->p[--h->n];
    n->at = 0;
    if (last == n)
        return;
    set(h, i, last);
    sift_up(h, i);
    sift_down(h, last->at - 1);
}

void heap_done(struct heap *h)
{
    free(h->p);
    *h = (struct heap){ 0 };
}
