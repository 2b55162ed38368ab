/* A thread for requests that take long, one after the other, so that all else is answered meanwhile
 * and the heart beats. It is started when it is first needed. */
#pragma once

#include "base/base.h"

struct aside;

struct aside *aside_new(void);
/* fn(arg) later, on the thread. False: too many wait already. Any thread. */
bool aside_run(struct aside *a, void (*fn)(void *arg), void *arg);
/* Ends the thread when nothing waits any more. */
void aside_free(struct aside *a);
