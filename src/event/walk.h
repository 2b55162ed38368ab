/* Goes through the records of one stream of one module, in one direction, segment by segment: those
 * that keys and a filter let through. A step of the reader; one thread. */
#pragma once

#include "event/segment.h"
#include "event/store.h"

/* Where a record is: compared by segment, then offset. */
struct position {
    uint32_t segment, offset;
};
static inline int position_cmp(struct position a, struct position b)
{
    if (a.segment != b.segment)
        return a.segment < b.segment ? -1 : 1;
    return a.offset < b.offset ? -1 : a.offset > b.offset;
}

enum { WALK_HASHES = 256 };

struct walk_opts {
    const char *dir;
    int stream;
    bool newest_first;
    uint32_t hashes[WALK_HASHES]; /* candidates have one of these keys; n_hashes 0: all */
    unsigned n_hashes;
    int64_t from_us, to_us; /* what lies outside may be left out; 0 = open */
    /* Decides; raw is a whole record, of size head->size, not yet checked any further. */
    bool (*keep)(void *arg, const struct event_head *head, struct sv raw);
    void *arg;
};

struct walk {
    struct walk_opts o;
    struct position bound; /* newest first: records below; else records from here on */
    uint32_t *numbers;     /* segments */
    size_t n, at;          /* at: segments before (oldest first) or from here on are dealt with */
    int fd;
    uint64_t size;       /* of the open segment */
    struct buf offsets;  /* u32, in units of 8: candidates of the open segment */
    size_t next, n_next; /* next..n_next are left (newest first: from the end) */
    struct buf window;   /* bytes of the file from window_at */
    uint64_t window_at;
    bool filtered; /* the candidates have passed the filter already */
    bool have;     /* a record is found and not yet taken */
    struct position where;
    struct position resume; /* behind what was taken of the open segment */
    struct position end;    /* behind what was read of the open segment */
    struct event_head head;
    struct sv raw; /* valid until the next call */
};

/* bound: newest first {UINT32_MAX, UINT32_MAX} for all, oldest first {0, 0}. */
void walk_open(struct walk *w, const struct walk_opts *o, struct position bound);
void walk_close(struct walk *w);
enum walk_result { WALK_END, WALK_FOUND, WALK_AGAIN }; /* AGAIN: a segment has none */
enum walk_result walk_find(struct walk *w);
void walk_take(struct walk *w);
/* Where to go on later: behind what was taken. */
struct position walk_position(const struct walk *w);
/* Behind the last record of a directory. */
struct position walk_end(const char *dir, int stream);
