/* Randomness from getrandom(2), one system call per draw: nothing is buffered in user space that a
 * fork could hand to two processes. */
#include "base/rand.h"

#include <sys/random.h>

void rand_bytes(void *p, size_t n)
{
    char *d = p;
    while (n) {
        ssize_t r = getrandom(d, n, 0);
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            panic("getrandom: %m");
        d += r;
        n -= (size_t)r;
    }
}

uint64_t rand_u64(void)
{
    uint64_t v;
    rand_bytes(&v, sizeof(v));
    return v;
}

uint32_t rand_below(uint32_t n)
{
    if (n == 0)
        panic("rand_below(0)");
    /* Lemire: the high half of a product, rejecting the few low halves that would favour some
     * results. */
    uint32_t reject = -n % n;
    for (;;) {
        uint64_t m = (rand_u64() >> 32) * n;
        if ((uint32_t)m >= reject)
            return (uint32_t)(m >> 32);
    }
}
