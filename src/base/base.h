/* The vocabulary of every room: attributes, sizes, ownership helpers, memory that never returns
 * NULL. Includes libc only. */
#pragma once

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#define KiB                   ((size_t)1024)
#define MiB                   (KiB * 1024)
#define ARRAY_LEN(a)          (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)             ((a) < (b) ? (a) : (b))
#define MAX(a, b)             ((a) > (b) ? (a) : (b))
#define container_of(p, T, m) ((T *)((char *)(p)-offsetof(T, m)))
#define _printf_(a, b)        __attribute__((format(printf, a, b)))
#define _warn_unused_         __attribute__((warn_unused_result))
#define _cleanup_(f)          __attribute__((cleanup(f)))
#define _unused_              __attribute__((unused))
#define _noreturn_            __attribute__((noreturn))

/* Moves ownership out of a cleanup variable: the variable becomes NULL (or -1 for take_fd). */
#define take_ptr(p)                                                                                \
    ({                                                                                             \
        __typeof__(p) *_pp = &(p);                                                                 \
        __typeof__(p) _v = *_pp;                                                                   \
        *_pp = NULL;                                                                               \
        _v;                                                                                        \
    })

/* Defines `static inline void <fn>p(T **)` for use with _cleanup_. */
#define DEFINE_CLEANUP(T, fn)                                                                      \
    static inline void fn##p(T **p)                                                                \
    {                                                                                              \
        if (*p)                                                                                    \
            fn(*p);                                                                                \
    }

/* Allocation for sizes that the program chooses. They end the process when memory is exhausted:
 * no caller can do better, and the supervisor restarts the module. Sizes that a peer chooses go
 * through buf/arena, which have a cap and return -ENOMEM. xcalloc memory is zeroed; free() it. */
void *xmalloc(size_t n) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t n) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *fmt, ...) _printf_(1, 2) __attribute__((malloc, returns_nonnull));

/* Ends the process with a message on stderr. Only for broken invariants. */
_noreturn_ void panic(const char *fmt, ...) _printf_(1, 2);

static inline void freep(void *p)
{
    void *q; /* copied: p points to a T *, which may not be read as a void * */
    memcpy(&q, p, sizeof(q));
    free(q);
}

void closep(int *fd); /* closes *fd if it is >= 0, keeps errno */
int take_fd(int *fd); /* returns *fd and sets it to -1 */

#include "base/banned.h"
