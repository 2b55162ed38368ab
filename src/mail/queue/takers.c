#include "mail/queue/takers.h"

#include "base/clock.h"

#include <time.h>

enum { WAIT_MAX_MS = 500 }; /* a test's clock may jump */

static void init_cond(pthread_cond_t *c)
{
    pthread_condattr_t a;
    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    pthread_cond_init(c, &a);
    pthread_condattr_destroy(&a);
}

void takers_init(struct takers *t)
{
    *t = (struct takers){ .watched_until = INT64_MAX };
    init_cond(&t->work);
    init_cond(&t->watch);
}

void takers_done(struct takers *t)
{
    pthread_cond_destroy(&t->work);
    pthread_cond_destroy(&t->watch);
}

static void sleep_until(struct takers *t, pthread_mutex_t *lock, int64_t until)
{
    if (until == INT64_MAX) {
        pthread_cond_wait(&t->watch, lock);
        return;
    }
    int64_t ms = MAX(1, MIN(until - clock_wall_ms(), (int64_t)WAIT_MAX_MS));
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    ts.tv_nsec += ms % 1000 * 1000000;
    ts.tv_sec += ms / 1000 + ts.tv_nsec / 1000000000;
    ts.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&t->watch, lock, &ts);
}

void takers_due(struct takers *t, int64_t when)
{
    if (!t->watched || when >= t->watched_until)
        return;
    t->watched_until = when;
    pthread_cond_signal(&t->watch);
}

void takers_wait(struct takers *t, pthread_mutex_t *lock, int64_t until)
{
    if (t->watched) {
        takers_due(t, until); /* who was woken for nothing may know more than the watch */
        t->sleeping++;
        pthread_cond_wait(&t->work, lock);
        t->sleeping--;
        return;
    }
    t->watched = true;
    t->watched_until = until;
    sleep_until(t, lock, until);
    t->watched = false;
}

void takers_wake(struct takers *t)
{
    pthread_cond_signal(t->sleeping ? &t->work : &t->watch);
}

void takers_wake_all(struct takers *t)
{
    pthread_cond_broadcast(&t->work);
    pthread_cond_broadcast(&t->watch);
}

void takers_relieve(struct takers *t)
{
    if (!t->watched && t->sleeping)
        pthread_cond_signal(&t->work);
}
