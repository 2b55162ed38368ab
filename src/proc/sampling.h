/* The thread of module control that samples the counters once a minute. */
#pragma once

#include "base/err.h"

struct sampling;
/* Never fails: what cannot be written is said in the error log, once, and tried again. */
struct sampling *sampling_start(const char *data_dir);
void sampling_stop(struct sampling *s); /* with a last sample; NULL is fine */
