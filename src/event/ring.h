/* A ring of whole records in shared memory that outlives its process: who is killed loses nothing
 * that it had put here. One process writes and reads it at a time; ring_put and ring_rewind under
 * the caller's lock, ring_peek and ring_take by one thread. Positions only grow until the ring is
 * rewound. */
#pragma once

#include <stdatomic.h>
#include <sys/uio.h>

#include "base/err.h"
#include "event/record.h"

enum { STREAM_EVENTS, STREAM_TRANSCRIPTS, STREAM_COUNT };

enum { RING_BYTES = 512 * 1024 };

/* What is written to disk while the process may die: when `end` is beyond the tail, the bytes up to
 * it were being appended to that segment at that offset. */
struct ring_state {
    _Alignas(64) _Atomic uint64_t head;
    _Alignas(64) _Atomic uint64_t tail;
    _Atomic uint64_t pending_end, pending_offset;
    _Atomic uint32_t pending_segment;
    _Atomic uint64_t lost; /* records dropped and not yet reported */
};

struct ring {
    struct ring_state *s;
    char *data;
    uint64_t touched; /* highest position used since memory was given back */
};

/* The memory of a module: a ring for each stream. */
struct ring_memory {
    void *map;
    struct ring ring[STREAM_COUNT];
};
int ring_memory_new(int *ret_fd, struct errinfo *ei);
int ring_memory_map(int fd, struct ring_memory *ret, struct errinfo *ei);
void ring_memory_unmap(struct ring_memory *m);

uint64_t ring_used(const struct ring *r);
bool ring_fits(const struct ring *r, size_t n);
/* The parts make one record; it must fit. Seen by others only when it is complete. */
void ring_put(struct ring *r, const struct iovec *parts, int n_parts);
/* Whole records from the tail, at most max bytes (at least one record): up to two pieces, their
 * sum and the number of records and the first and last time. 0 = empty. */
struct ring_batch {
    struct iovec piece[2];
    size_t bytes;
    uint32_t records;
    int64_t first_us, last_us;
};
size_t ring_peek(struct ring *r, size_t max, struct ring_batch *ret);
void ring_take(struct ring *r, size_t n);
/* When it is empty: the next records use the first pages again. true = it was empty. */
bool ring_rewind(struct ring *r);
/* Gives the memory of an empty, rewound ring back to the system. */
void ring_release(struct ring *r);
