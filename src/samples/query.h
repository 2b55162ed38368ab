/* Reading samples: with a running server or without, any thread, any process that may read
 * <data>/status/traffic. */
#pragma once

#include "samples/ring.h"

enum { QUERY_POINTS_MAX = 3000, QUERY_POINTS_AUTO = 800, QUERY_SERIES_MAX = 16 };

struct samples_query {
    int series[QUERY_SERIES_MAX];
    size_t n;
    int64_t from_s, to_s; /* wall clock, [from, to) */
    int64_t step_s;       /* of samples_steps; 0 = the finest that fits and is still kept */
    struct shm *shm;      /* NULL while no server runs: nothing after the last minute */
};
struct samples {
    int64_t from_s, step_s; /* from_s: a multiple of step_s, at or before the query's */
    int64_t since_s;        /* nothing was sampled before; 0 = nothing at all */
    int64_t now_s;
    size_t points, n;
    uint32_t *covered_s; /* [points]: how much of each step was counted; present */
    bool *present;       /* [points]: false = no sample: a gap */
    uint64_t *v;         /* [n * points], one series after the other */
};
/* Steps that may be asked for, in seconds, ascending. */
extern const int64_t samples_steps[];
extern const size_t samples_steps_count;
/* The step that fits a span: at most QUERY_POINTS_AUTO points, and from_s is still kept so finely.
 * Pure. */
int64_t samples_auto_step(int64_t from_s, int64_t to_s, int64_t now_s);

/* E_RANGE: too many points, or no span. No samples yet is no error. The step that runs now holds
 * what was counted up to this moment. samples_done in any case. */
int samples_read(const char *data_dir, const struct samples_query *q, struct samples *ret,
                 struct errinfo *ei);
void samples_done(struct samples *s);

/* Calls fn with each start of the server that the samples of [from_s, to_s) know, the oldest first.
 */
int samples_starts(const char *data_dir, int64_t from_s, int64_t to_s,
                   void (*fn)(int64_t started_s, void *arg), void *arg, struct errinfo *ei);
