/* Randomness from the kernel (getrandom). Thread-safe, never fails (panics). */
#pragma once

#include "base/base.h"

void rand_bytes(void *p, size_t n);
uint64_t rand_u64(void);
uint32_t rand_below(uint32_t n); /* uniform in [0, n) */
