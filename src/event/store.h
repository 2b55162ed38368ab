/* The writer of one stream of one module, and what becomes of its files later. One thread, except
 * where it says otherwise. */
#pragma once

#include "event/ring.h"
#include "event/segment.h"

enum { SEGMENT_BYTES = 16 * 1024 * 1024 };

struct store {
    char dir[SEGMENT_PATH];
    int stream;
    int fd; /* -1 = not open */
    uint32_t number;
    uint64_t size; /* where the next block goes */
    int64_t first_us;
    bool fresh;              /* the directory was looked at */
    _Atomic uint32_t sealed; /* segments closed since the start: work for store_maintain */
};

/* <data>/status/events/<module> */
void store_dir(char ret[SEGMENT_PATH], const char *data_dir, enum module m);
void store_init(struct store *s, const char *dir, int stream);
void store_done(struct store *s);
/* Appends what the ring holds, at most max bytes, and takes it out. Bytes written, 0 = the ring is
 * empty, or -errno: then the ring is as it was. */
int store_flush(struct store *s, struct ring *r, size_t max, struct errinfo *ei);
/* What a predecessor was writing when it died: takes out of the ring what reached the file. Called
 * once, before store_flush. */
void store_recover(struct store *s, struct ring *r);

/* Indexes that are missing, for all segments of this module but the one that is written; then
 * retention over all modules: segments whose last event is older than days go, then the oldest ones
 * beyond max_bytes. Any thread, one at a time. */
struct store_limits {
    unsigned days;
    uint64_t max_bytes;
};
void store_maintain(const char *data_dir, enum module m, int stream,
                    const struct store_limits *limits);
