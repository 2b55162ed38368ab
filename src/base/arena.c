/* Bump allocation from a chain of zeroed blocks. Requests beyond half a block get a block of their
 * own behind the head, so the head's free space is not lost. Under AddressSanitizer every request
 * has its own block, which puts a red zone behind it. */
#include "base/arena.h"

#if defined(__SANITIZE_ADDRESS__)
#define ONE_MALLOC_EACH 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ONE_MALLOC_EACH 1
#endif
#endif
#ifndef ONE_MALLOC_EACH
#define ONE_MALLOC_EACH 0
#endif

enum { ALIGN = 16, BLOCK_SIZE = 4096 };

struct arena_block {
    struct arena_block *next;
    size_t size, off; /* of data */
    _Alignas(ALIGN) char data[];
};

#define BLOCK_DATA (BLOCK_SIZE - sizeof(struct arena_block))

void arena_init(struct arena *a, size_t cap)
{
    *a = (struct arena){ .cap = cap };
}

void arena_reset(struct arena *a)
{
    for (struct arena_block *b = a->head, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    arena_init(a, a->cap);
}

void arena_done(struct arena *a)
{
    arena_reset(a);
    a->cap = 0;
}

static struct arena_block *block_new(size_t size)
{
    if (size > PTRDIFF_MAX - sizeof(struct arena_block))
        return NULL;
    struct arena_block *b = calloc(1, sizeof(*b) + size);
    if (b)
        b->size = size;
    return b;
}

static char *alloc_own_block(struct arena *a, size_t n)
{
    struct arena_block *b = block_new(n);
    if (!b)
        return NULL;
    b->off = n;
    struct arena_block **at = a->head ? &a->head->next : &a->head;
    b->next = *at;
    *at = b;
    return b->data;
}

static char *alloc_shared(struct arena *a, size_t n, size_t align)
{
    struct arena_block *b = a->head;
    size_t off = b ? (b->off + align - 1) & ~(align - 1) : 0;
    if (!b || off > b->size || n > b->size - off) {
        b = block_new(BLOCK_DATA);
        if (!b)
            return NULL;
        b->next = a->head;
        a->head = b;
        off = 0;
    }
    b->off = off + n;
    return b->data + off;
}

static char *alloc(struct arena *a, size_t n, size_t align)
{
    /* Nothing is free of charge, or empty requests without number would pass the cap. */
    n = MAX(n, (size_t)1);
    char *p = NULL;
    if (n <= a->cap - a->used) {
        bool own = ONE_MALLOC_EACH || n > BLOCK_DATA / 2;
        p = own ? alloc_own_block(a, n) : alloc_shared(a, n, align);
    }
    if (!p) {
        a->overflow = true;
        return NULL;
    }
    /* Padding is charged too, but never refuses the request that fits the cap without it. */
    size_t pad = (align - (n & (align - 1))) & (align - 1);
    a->used += n;
    a->used += MIN(pad, a->cap - a->used);
    return p;
}

void *arena_alloc(struct arena *a, size_t n)
{
    return alloc(a, n, ALIGN);
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
    n = n ? strnlen(s, n) : 0;
    char *p = alloc(a, n + 1, 1);
    if (p && n)
        memcpy(p, s, n);
    return p;
}

struct sv arena_sv(struct arena *a, struct sv s)
{
    char *p = alloc(a, s.n, 1);
    if (!p)
        return SV_NULL;
    if (s.n)
        memcpy(p, s.p, s.n);
    return (struct sv){ p, s.n };
}
