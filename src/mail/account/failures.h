/* Failed logins by account name and by peer address, in memory of fixed size. Names are kept as
 * keyed hashes only. A flood of invented names displaces other names with few failures, never a
 * lock that still holds unless its whole set is locked. Any thread. Times from clock_mono_ms. */
#pragma once

#include "base/sv.h"

struct failures;
enum failure_kind { FAILURE_NAME, FAILURE_IP };

struct failures *failures_new(void);
void failures_free(struct failures *f);
bool failures_locked(struct failures *f, enum failure_kind k, struct sv key);
/* Counts one more; *ret_locked when this one made the lock. limit 0: counts, never locks. A
 * name is forgotten lock_ms after its last failure, an address lock_ms after its first. */
unsigned failures_add(struct failures *f, enum failure_kind k, struct sv key, int64_t limit,
                      int64_t lock_ms, bool *ret_locked);
/* Forgets; returns how many there were. */
unsigned failures_clear(struct failures *f, enum failure_kind k, struct sv key);
/* Text of an address -> what is counted: IPv4 whole, IPv6 by /64. */
struct sv failures_ip_key(const char *ip, char ret[64]);
