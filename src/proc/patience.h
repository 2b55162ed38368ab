/* How long to wait for a module's answer. Those who only look must not wait with a module that
 * hangs: each of them holds a thread that signing in and restarting need. Any thread. */
#pragma once

#include "stats/shm.h"

enum question {
    Q_LOOK, /* changes nothing */
    Q_CHANGE,
    Q_MANY, /* changes very many */
};

/* Before a module is asked. ms to wait; 0 = do not ask, it is silent. Else patience_end follows. */
int64_t patience_begin(enum module m, enum question q);
void patience_end(enum module m, enum question q, bool answered);
