/* Writes the samples: once a minute what the counters have grown by since the last time. It belongs
 * to the minute in which that time began, so each is counted once whatever the wall clock does:
 * when the clock jumps, minutes in between have no sample, and minutes that come again are added
 * to. What was counted while nobody wrote (module control was down, the volume full) is in the
 * first sample after it. 5-minute and hourly samples are made from the finer ones each time, so a
 * crash between the files mends itself. */
#pragma once

#include "samples/ring.h"

struct sampler;
/* Takes the first sample. One per server; not thread-safe. */
int sampler_open(const char *data_dir, struct shm *shm, struct sampler **ret, struct errinfo *ei);
/* Milliseconds until the present minute ends, at most a minute: when to call next. */
int64_t sampler_wait_ms(void);
/* Writes what has come since the last call. After an error it comes with the next call. */
int sampler_tick(struct sampler *s, struct errinfo *ei);
void sampler_close(struct sampler *s); /* without a last sample: call sampler_tick before */
