#include "base/deadline.h"

#include <errno.h>

#define NS_PER_S 1000000000L

struct timespec deadline_in(int64_t ms)
{
    struct timespec t;

    ms = MAX(ms, 0);
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += (long)(ms % 1000) * 1000000;
    if (t.tv_nsec >= NS_PER_S) {
        t.tv_sec++;
        t.tv_nsec -= NS_PER_S;
    }
    return t;
}

bool deadline_wait(pthread_cond_t *cond, pthread_mutex_t *lock, const struct timespec *deadline)
{
    return pthread_cond_clockwait(cond, lock, CLOCK_MONOTONIC, deadline) != ETIMEDOUT;
}
