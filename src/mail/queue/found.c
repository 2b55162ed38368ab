/* Chunks that never move, and an open-addressed table of their numbers. */
#include "mail/queue/found.h"

enum { CHUNK = 4096, FIRST_BITS = 8 };

struct found *founds_at(const struct founds *fs, size_t i)
{
    return &fs->chunks[i / CHUNK][i % CHUNK];
}

/* Keys of children are computed from those of their parents: all bits count. */
static size_t first_slot(const struct founds *fs, uint64_t key)
{
    return (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> (64 - fs->bits));
}

static uint32_t *find_slot(const struct founds *fs, uint64_t key)
{
    size_t mask = ((size_t)1 << fs->bits) - 1, i = first_slot(fs, key);
    while (fs->slots[i] && founds_at(fs, fs->slots[i] - 1)->key != key)
        i = (i + 1) & mask;
    return &fs->slots[i];
}

static void grow(struct founds *fs)
{
    free(fs->slots);
    fs->bits = fs->bits ? fs->bits + 1 : FIRST_BITS;
    fs->slots = xcalloc((size_t)1 << fs->bits, sizeof(*fs->slots));
    for (size_t i = 0; i < fs->n; i++)
        *find_slot(fs, founds_at(fs, i)->key) = (uint32_t)i + 1;
}

struct found *founds_add(struct founds *fs, uint64_t key)
{
    if (!fs->bits || fs->n >= (size_t)1 << (fs->bits - 1))
        grow(fs);
    if (fs->n == fs->n_chunks * CHUNK) {
        fs->chunks = xrealloc(fs->chunks, (fs->n_chunks + 1) * sizeof(*fs->chunks));
        fs->chunks[fs->n_chunks++] = xcalloc(CHUNK, sizeof(struct found));
    }
    struct found *f = founds_at(fs, fs->n);
    f->key = key;
    *find_slot(fs, key) = (uint32_t)++fs->n;
    return f;
}

struct found *founds_get(const struct founds *fs, uint64_t key)
{
    uint32_t i = fs->bits ? *find_slot(fs, key) : 0;
    return i ? founds_at(fs, i - 1) : NULL;
}

void founds_done(struct founds *fs)
{
    for (size_t i = 0; i < fs->n_chunks; i++)
        free(fs->chunks[i]);
    free(fs->chunks);
    free(fs->slots);
    *fs = (struct founds){ 0 };
}
