/* Failed logins by account name and by peer address, counted by all modules together in a table of
 * fixed size. Names are kept as keyed hashes only. A flood of invented names displaces other names
 * with few failures, never a lock that still holds unless its whole set is locked. Lock-free, any
 * thread; of counts that race with each other for the last free place one may be lost. */
#pragma once

#include "base/sv.h"

enum failure_kind { FAILURE_NAME, FAILURE_IP };

bool failures_locked(enum failure_kind k, struct sv key);
/* Counts one more; *ret_locked when this one made the lock. limit 0: counts, never locks. A
 * name is forgotten lock_ms (at most a day) after its last failure, an address lock_ms after its
 * first. */
unsigned failures_add(enum failure_kind k, struct sv key, int64_t limit, int64_t lock_ms,
                      bool *ret_locked);
/* Forgets; returns how many there were. */
unsigned failures_clear(enum failure_kind k, struct sv key);
/* Text of an address -> what is counted: IPv4 whole, IPv6 by /64. */
struct sv failures_ip_key(const char *ip, char ret[64]);
