/* Where libevent's small allocations live. It keeps one of 24 bytes for each descriptor that a loop
 * ever saw, for good: on the heap, made between the allocations of the sessions, these would hold
 * nearly every page of it when the sessions are gone. Any thread. */
#include <event2/event.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "net/net_priv.h"

enum { SLOT = 32, REGION = 16 * 1024 * 1024 };

/* One per process, because libevent's allocator is. */
static struct {
    pthread_mutex_t lock; /* guards the next two */
    char *fresh;          /* never handed out from here on */
    void *unused;         /* chain through the first word */
    char *lo, *hi;        /* constant once set */
} region = { .lock = PTHREAD_MUTEX_INITIALIZER };

static bool inside(const void *p)
{
    return (const char *)p >= region.lo && (const char *)p < region.hi;
}

static void *take_slot(void)
{
    pthread_mutex_lock(&region.lock);
    void *p = region.unused;
    if (p) {
        memcpy(&region.unused, p, sizeof(void *));
    } else if (region.fresh < region.hi) {
        p = region.fresh;
        region.fresh += SLOT;
    }
    pthread_mutex_unlock(&region.lock);
    return p;
}

static void *mem_alloc(size_t n)
{
    void *p = n <= SLOT ? take_slot() : NULL;
    return p ? p : malloc(n);
}

static void mem_free(void *p)
{
    if (!inside(p)) {
        free(p);
        return;
    }
    pthread_mutex_lock(&region.lock);
    memcpy(p, &region.unused, sizeof(void *));
    region.unused = p;
    pthread_mutex_unlock(&region.lock);
}

static void *mem_realloc(void *p, size_t n)
{
    if (!p)
        return mem_alloc(n);
    if (!inside(p))
        return realloc(p, n);
    if (n <= SLOT)
        return p;
    void *q = malloc(n);
    if (q) {
        memcpy(q, p, SLOT);
        mem_free(p);
    }
    return q;
}

void event_mem_init(void)
{
    char *p = mmap(NULL, REGION, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return;
    region.lo = region.fresh = p;
    region.hi = p + REGION;
    event_set_mem_functions(mem_alloc, mem_realloc, mem_free);
}
