/* Chunks of 64 KiB at addresses of that alignment, so that an object finds its chunk. A chunk whose
 * last object went is unmapped. Under sanitizers each object is its own allocation, so that misuse
 * shows. */
#include "base/slab.h"

#include <sys/mman.h>

/* In front of each text is a byte: the index of its slab, or TEXT_CLASSES = on the heap. */
static struct slab texts[] = { SLAB_OF(char[16]), SLAB_OF(char[32]),  SLAB_OF(char[48]),
                               SLAB_OF(char[64]), SLAB_OF(char[128]), SLAB_OF(char[256]) };

enum { TEXT_CLASSES = ARRAY_LEN(texts) };

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
void *slab_alloc(struct slab *s)
{
    return xcalloc(1, s->size);
}

void slab_free(struct slab *s _unused_, void *p)
{
    free(p);
}

static size_t text_class(size_t n _unused_)
{
    return TEXT_CLASSES;
}
#else

enum { CHUNK = 64 * 1024, ALIGN = 16 };

struct chunk {
    struct list link; /* in slab.partial, or alone when full */
    void *unused;     /* chain of freed objects through their first word */
    uint32_t used;    /* objects handed out */
    uint32_t fresh;   /* objects that were handed out at least once: the rest is untouched */
};

static size_t stride(const struct slab *s)
{
    return (s->size + ALIGN - 1) / ALIGN * ALIGN;
}

static size_t first(void)
{
    return (sizeof(struct chunk) + ALIGN - 1) / ALIGN * ALIGN;
}

static uint32_t per_chunk(const struct slab *s)
{
    return (uint32_t)((CHUNK - first()) / stride(s));
}

static struct chunk *map_chunk(void)
{
    char *p = mmap(NULL, 2 * CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        panic("no memory for sessions");
    size_t before = (CHUNK - ((uintptr_t)p & (CHUNK - 1))) & (CHUNK - 1);
    if (before > 0)
        munmap(p, before);
    munmap(p + before + CHUNK, CHUNK - before);
    struct chunk *c = (struct chunk *)(void *)(p + before);
    list_init(&c->link);
    return c;
}

void *slab_alloc(struct slab *s)
{
    pthread_mutex_lock(&s->lock);
    if (!s->partial.next)
        list_init(&s->partial);
    if (list_empty(&s->partial))
        list_add_head(&s->partial, &map_chunk()->link);
    struct chunk *c = container_of(s->partial.next, struct chunk, link);
    void *p = c->unused;
    if (p)
        memcpy(&c->unused, p, sizeof(void *));
    else
        p = (char *)c + first() + c->fresh++ * stride(s);
    if (++c->used == per_chunk(s))
        list_del(&c->link);
    pthread_mutex_unlock(&s->lock);
    return memset(p, 0, s->size);
}

void slab_free(struct slab *s, void *p)
{
    if (!p)
        return;
    struct chunk *c = (struct chunk *)((uintptr_t)p & ~(uintptr_t)(CHUNK - 1));
    pthread_mutex_lock(&s->lock);
    memcpy(p, &c->unused, sizeof(void *));
    c->unused = p;
    if (c->used-- == per_chunk(s))
        list_add_tail(&s->partial, &c->link);
    bool empty = c->used == 0;
    if (empty)
        list_del(&c->link);
    pthread_mutex_unlock(&s->lock);
    if (empty)
        munmap(c, CHUNK);
}

static size_t text_class(size_t n)
{
    size_t i = 0;
    while (i < TEXT_CLASSES && texts[i].size < n)
        i++;
    return i;
}
#endif

char *slab_text_n(size_t n)
{
    size_t i = text_class(n + 2);
    char *p = i < TEXT_CLASSES ? slab_alloc(&texts[i]) : xcalloc(1, n + 2);
    p[0] = (char)i;
    return p + 1;
}

char *slab_text(struct sv text)
{
    char *p = slab_text_n(text.n);
    if (text.n > 0)
        memcpy(p, text.p, text.n);
    return p;
}

void slab_text_free(char *text)
{
    if (!text)
        return;
    size_t i = (unsigned char)text[-1];
    if (i < TEXT_CLASSES)
        slab_free(&texts[i], text - 1);
    else
        free(text - 1);
}
