/* Sleeping on a 32-bit word: one wake-up for exactly one thread, cheaper than a condition variable
 * each. */
#pragma once

#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/base.h"

/* Returns the word's value once it is not `value` any more. */
static inline uint32_t futex_wait_while(_Atomic uint32_t *word, uint32_t value)
{
    uint32_t now;
    while ((now = atomic_load_explicit(word, memory_order_acquire)) == value)
        syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
    return now;
}

/* After the store the word may be gone already (its owner need not sleep to see it): the wake-up of
 * a stale address is harmless. */
static inline void futex_set_and_wake(_Atomic uint32_t *word, uint32_t value)
{
    atomic_store_explicit(word, value, memory_order_release);
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
