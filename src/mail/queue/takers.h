/* Threads that wait for work of one kind, under the queue's lock. One of them, the watch, wakes up
 * when time alone makes something due; if all did, each moment that something is due would wake as
 * many threads as there are. */
#pragma once

#include "base/base.h"

#include <pthread.h>

struct takers {
    pthread_cond_t work, watch;
    unsigned sleeping;     /* besides the watch */
    bool watched;          /* somebody is it */
    int64_t watched_until; /* wall ms */
};

void takers_init(struct takers *t);
void takers_done(struct takers *t); /* nobody waits */
/* Until woken, perhaps for nothing; the watch also at a time (wall ms, INT64_MAX = never). */
void takers_wait(struct takers *t, pthread_mutex_t *lock, int64_t until);
void takers_wake(struct takers *t);              /* there is work for one */
void takers_due(struct takers *t, int64_t when); /* something will be due then */
void takers_wake_all(struct takers *t);
/* Who leaves with work calls it: somebody else has the watch. */
void takers_relieve(struct takers *t);
