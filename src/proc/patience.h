/* How long to wait for a module's answer. Those who only look must not wait with a module that
 * hangs: each of them holds a thread that signing in and restarting need. Any thread. */
#pragma once

#include "stats/shm.h"

/* Before a module is asked. look: the question changes nothing. ms to wait; 0 = do not ask, it is
 * silent. Else patience_end follows. */
int64_t patience_begin(enum module m, bool look);
void patience_end(enum module m, bool look, bool answered);
