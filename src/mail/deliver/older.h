/* Mail that has become old is forwarded, once (acc.forwardolder): a thread that works just after
 * midnight. */
#pragma once

#include "mail/deliver/deliver_priv.h"

int older_start(struct deliver *d, struct errinfo *ei);
void older_stop(struct deliver *d); /* after d->stopping is set */
/* Another day than that of the last time, by the machine's time zone. Pure but for that. */
bool older_is_due(int64_t last_ms, int64_t now_ms);
/* All accounts. now_ms: wall clock, from which ages count. */
void older_run(struct deliver *d, int64_t now_ms);
