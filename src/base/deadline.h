/* Waiting with a limit. By the kernel's monotonic clock, which tests do not move and nobody sets:
 * a wait is about real time, not about dates. Conditions need no attributes for it. */
#pragma once

#include <pthread.h>
#include <time.h>

#include "base/base.h"

/* ms from now; less than 0 is now. */
struct timespec deadline_in(int64_t ms);
/* As pthread_cond_timedwait, under lock. False: the time is up. May return true for no reason. */
bool deadline_wait(pthread_cond_t *cond, pthread_mutex_t *lock, const struct timespec *deadline);
