/* Objects that live long (sessions, what caches hold), kept apart from everything else: on the
 * common heap a few of them on each page would hold all the memory that a burst of work once took.
 * Any thread. */
#pragma once

#include <pthread.h>

#include "base/list.h"
#include "base/sv.h"

struct slab {
    size_t size;          /* of an object; constant */
    pthread_mutex_t lock; /* guards the chunks */
    struct list
        partial; /* chunks with free objects; empty ring before the first use: see slab_alloc */
};
/* A static slab of objects of this type. */
#define SLAB_OF(type)                                                                              \
    {                                                                                              \
        sizeof(type), PTHREAD_MUTEX_INITIALIZER,                                                   \
        {                                                                                          \
            NULL, NULL                                                                             \
        }                                                                                          \
    }

void *slab_alloc(struct slab *s); /* zeroed; never NULL */
void slab_free(struct slab *s, void *p);

/* A text of the same kind, terminated. Texts of the same length share their pages. Never NULL. */
char *slab_text(struct sv text);
char *slab_text_n(size_t n);     /* NULs, to be filled */
void slab_text_free(char *text); /* may be NULL */
