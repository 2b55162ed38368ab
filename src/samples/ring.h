/* Files of samples, <data>/status/traffic/{1m,5m,1h}: a head that names the columns, then as many
 * records of the same size as steps are kept. The record of a step has its place by its number, so
 * an old one is overwritten by the one that comes a round later, and what was never written, is
 * torn (its checksum) or of another round (its number) is no sample: a gap. One process writes
 * (module control); any may read at the same time. */
#pragma once

#include "samples/series.h"

enum ring_step { RING_1M, RING_5M, RING_1H, RING_COUNT };
struct ring_def {
    const char *name;
    int64_t step_s;
    int64_t slots; /* how many steps are kept */
};
extern const struct ring_def ring_defs[RING_COUNT];

struct sample {
    int64_t slot;       /* its begin: slot * step_s, seconds since 1970 */
    uint64_t boot;      /* the server's start, shm_started_s: of the newest part */
    uint32_t covered_s; /* how much of the step was counted: less at a start or an end */
    uint64_t v[SERIES_COUNT];
    uint64_t sums[CTR_COUNT]; /* RING_1M only: the counters at the end of it */
};

struct ring;
/* writable: makes the file and its directory when there is none, moves a damaged one away, and
 * brings one that an older version wrote into the present form. Otherwise -ENOENT, E_CORRUPT;
 * columns of an older version are read by their names, missing ones are 0. */
int ring_open(const char *data_dir, enum ring_step step, bool writable, struct ring **ret,
              struct errinfo *ei);
void ring_close(struct ring *r);
DEFINE_CLEANUP(struct ring, ring_close)
/* 1 = ret is the slot's sample, 0 = there is none, negative = the file cannot be read. */
int ring_read(struct ring *r, int64_t slot, struct sample *ret);
/* The sample at a place of the file, whatever its slot; 0 <= place < slots. */
int ring_read_place(struct ring *r, int64_t place, struct sample *ret);
int ring_write(struct ring *r, const struct sample *s);
int64_t ring_since_s(const struct ring *r); /* when the file was first made */
