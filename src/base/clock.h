/* Time. Tests may shift both clocks (clock_test_advance); nothing else may read the clock. */
#pragma once

#include "base/base.h"

int64_t clock_mono_ms(void); /* milliseconds, never goes back */
int64_t clock_mono_us(void);
int64_t clock_wall_ms(void); /* milliseconds since 1970-01-01 UTC */
int64_t clock_wall_us(void);
int64_t clock_wall_s(void);
int64_t clock_thread_cpu_us(void);      /* used by the calling thread so far */
int clock_zone_minutes(int64_t wall_s); /* east of UTC, of the local time zone then */
/* Have the bytes that came since started_us taken longer than grace_ms and one second for each
 * `rate` of them? rate 0: never. For senders that trickle. */
bool clock_trickles(int64_t started_us, uint64_t bytes, int64_t rate, int64_t grace_ms);
void clock_test_advance(int64_t ms); /* tests only: moves both clocks forward */
void clock_test_freeze(
    int64_t wall_ms); /* tests only: both clocks stand still until advanced; 0 = run again */

/* "Wed, 05 Oct 2011 10:47:12 +0200" (RFC 5322 3.3) in local time. ret needs 40 bytes. */
void clock_rfc5322(int64_t wall_s, char ret[40]);
/* "05-Oct-2011 10:47:12 +0200" (RFC 3501 date-time), with a leading space for day < 10. */
void clock_imap(int64_t wall_s, char ret[40]);
/* "hh:mm:ss" and "yyyymmdd" in local time; "yyyymmddhhmmss". */
void clock_hms(int64_t wall_s, char ret[16]);
void clock_ymd(int64_t wall_s, char ret[16]);
void clock_ymdhms(int64_t wall_s, char ret[24]);
