/* What is kept over time, the one definition of it: each counter of stats/counters.def, and for
 * each service how many sessions were open at once. A sample of a counter is by how much it grew:
 * so the rule of counting (one filter counts a session once) is that of the counter itself. */
#pragma once

#include "stats/shm.h"

enum { SERIES_COUNT = (int)CTR_COUNT + (int)SVC_COUNT }; /* counters first, then services */

enum series_kind {
    SERIES_COUNTER, /* samples are added up */
    SERIES_PEAK,    /* of samples the largest is taken */
};
extern const char *const series_kind_names[]; /* "counter", "peak" */

const char *series_name(int i);  /* "smtp_messages_in", "sessions_imap" */
const char *series_group(int i); /* what it is about: "smtp", "delivery", "network" */
const char *series_unit(int i);  /* "count", "bytes" */
const char *series_help(int i);
enum series_kind series_kind(int i);
int series_find(struct sv name); /* -1 = no such series */

/* The segment's figures at this moment: sums since the server's start, then peaks. take: peaks
 * begin anew. */
void series_now(struct shm *s, bool take, uint64_t ret[SERIES_COUNT]);
