/* Between emit.c and upkeep.c: the thread that now and then looks after a module's files. */
#pragma once

#include "event/event.h"

void upkeep_start(const char *data_dir, enum module self);
void upkeep_stop(void);
void upkeep_configure(const struct event_conf *c);
/* sealed: segments closed so far. */
void upkeep_tick(uint32_t sealed);
