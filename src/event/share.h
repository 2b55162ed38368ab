/* How much of what is kept one stranger may take: else he pushes out what others have left. By
 * address (IPv6 by /64) and by session, for each day. Memory for a fixed number; who took most
 * stays known. Under the caller's lock. */
#pragma once

#include "base/base.h"
#include "log/log.h"

enum { SHARE_SETS = 1024, SHARE_WAYS = 4, SHARE_OF_SESSION = 4 };

struct share {
    uint64_t limit; /* bytes of an address and day; a session has a quarter; 0 = no limit */
    struct {
        uint64_t key, bytes;
        uint32_t day;
    } v[SHARE_SETS][SHARE_WAYS];
};

/* So that an address alone cannot fill percent of max_bytes in days. */
uint64_t share_limit(uint64_t max_bytes, unsigned days, unsigned percent);
/* Is c of a stranger? Not: who has logged in, whom we have called, who is on this machine. */
bool share_is_stranger(const struct logctx *c);
/* Takes n bytes for c. False: its share of the day is used up; *ret_first: with these. */
bool share_take(struct share *s, const struct logctx *c, size_t n, uint32_t day, bool *ret_first);
