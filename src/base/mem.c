/* Allocation that ends the process instead of returning NULL, the end itself (panic), and the
 * helpers that move or drop ownership of file descriptors. */
#include "base/base.h"

#include <unistd.h>

static _noreturn_ void out_of_memory(size_t n)
{
    panic("out of memory (%zu bytes)", n);
}

void *xmalloc(size_t n)
{
    void *p = malloc(n ? n : 1); /* malloc(0) may return NULL, which would look like failure */
    if (!p)
        out_of_memory(n);
    return p;
}

void *xcalloc(size_t n, size_t size)
{
    void *p = n && size ? calloc(n, size) : calloc(1, 1);
    if (!p)
        out_of_memory(size && n > SIZE_MAX / size ? SIZE_MAX : n * size);
    return p;
}

void *xrealloc(void *p, size_t n)
{
    void *q = realloc(p, n ? n : 1); /* realloc(p, 0) would free p */
    if (!q)
        out_of_memory(n);
    return q;
}

char *xstrdup(const char *s)
{
    size_t n = strlen(s) + 1;
    return memcpy(xmalloc(n), s, n);
}

char *xstrndup(const char *s, size_t n)
{
    n = strnlen(s, n);
    char *p = xmalloc(n + 1);
    memcpy(p, s, n);
    p[n] = '\0';
    return p;
}

char *xasprintf(const char *fmt, ...)
{
    char *p = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&p, fmt, ap);
    va_end(ap);
    if (n < 0 || !p)
        panic("vasprintf(\"%s\") failed", fmt);
    return p;
}

void panic(const char *fmt, ...)
{
    /* No stdio stream and no heap: either may be what is broken. */
    char msg[512];
    static const char prefix[] = "panic: ";
    size_t n = sizeof(prefix) - 1;
    memcpy(msg, prefix, n);

    va_list ap;
    va_start(ap, fmt);
    int r = vsnprintf(msg + n, sizeof(msg) - n - 1, fmt, ap);
    va_end(ap);
    if (r > 0)
        n += MIN((size_t)r, sizeof(msg) - n - 2);
    msg[n++] = '\n';

    for (size_t off = 0; off < n;) {
        ssize_t w = write(STDERR_FILENO, msg + off, n - off);
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            break;
        off += (size_t)w;
    }
    abort();
}

void closep(int *fd)
{
    if (*fd < 0)
        return;
    int saved = errno;
    close(*fd); /* not repeated on EINTR: Linux has released the descriptor by then */
    *fd = -1;
    errno = saved;
}

int take_fd(int *fd)
{
    int v = *fd;
    *fd = -1;
    return v;
}
