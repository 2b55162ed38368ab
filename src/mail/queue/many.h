/* The same done with each of many files, by several threads: what takes time is the disk, which has
 * to be asked for many at once. */
#pragma once

#include "base/base.h"

/* fn: for each i below n, by any thread, in no order. Few are done by the caller alone, who also
 * takes part otherwise: it works without any other thread. */
void many_do(size_t n, void (*fn)(void *arg, size_t i), void *arg);
