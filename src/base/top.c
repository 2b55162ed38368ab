/* A heap whose root is the last of the rows that are kept. */
#include "base/top.h"

void top_init(struct top *t, size_t size, size_t max,
              int (*cmp)(const void *a, const void *b, const void *arg), const void *arg)
{
    *t = (struct top){ .size = size, .max = max, .cmp = cmp, .arg = arg };
}

void top_done(struct top *t)
{
    free(t->rows);
    free(t->order);
    *t = (struct top){ 0 };
}

static bool after(const struct top *t, size_t i, size_t k)
{
    return t->cmp(top_row(t, i), top_row(t, k), t->arg) > 0;
}

static void swap(struct top *t, size_t i, size_t k)
{
    unsigned was = t->order[i];
    t->order[i] = t->order[k];
    t->order[k] = was;
}

static void sift_up(struct top *t, size_t i)
{
    while (i > 0 && after(t, i, (i - 1) / 2)) {
        swap(t, i, (i - 1) / 2);
        i = (i - 1) / 2;
    }
}

static void sift_down(struct top *t, size_t n)
{
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= n)
            return;
        if (child + 1 < n && after(t, child + 1, child))
            child++;
        if (!after(t, child, i))
            return;
        swap(t, i, child);
        i = child;
    }
}

static void grow(struct top *t)
{
    size_t n = t->n ? 2 * t->n : 16;
    if (t->n && (t->n < 16 || (t->n & (t->n - 1)))) /* at powers of two */
        return;
    t->rows = xrealloc(t->rows, n * t->size);
    t->order = xrealloc(t->order, n * sizeof(*t->order));
}

void top_add(struct top *t, const void *row)
{
    if (t->n < t->max) {
        grow(t);
        t->order[t->n] = (unsigned)t->n;
        memcpy(top_row(t, t->n), row, t->size);
        sift_up(t, t->n++);
    } else if (t->max && t->cmp(row, top_row(t, 0), t->arg) < 0) {
        memcpy(top_row(t, 0), row, t->size);
        sift_down(t, t->n);
    }
}

void top_sort(struct top *t)
{
    for (size_t n = t->n; n > 1; n--) {
        swap(t, 0, n - 1);
        sift_down(t, n - 1);
    }
}
