/* What the spool directory holds at start: one listing of it, then the envelopes from the file
 * `states` (states.h). What that does not have is read from the .tm$ files, by several threads in
 * order of their inodes, as a disk with a million of them has to be asked for many at a time and in
 * its own order, and added to it. */
#pragma once

#include "base/arena.h"
#include "mail/message/message.h"

struct queue;

struct spooled { /* an item with a .tm$ file, a .tms file, or both */
    const char *item;
    uint64_t inode;
    struct message *m; /* counted; NULL: cannot be read, or is too large for a first look */
    uint32_t version;
    bool env;
    bool content; /* the .tms is there, with all of the content: it got its name with that */
    bool from_states;
};

struct scan {
    struct spooled *v;
    size_t n, cap;
    struct scan_slot {
        uint32_t number; /* in v, + 1; 0 = free */
        uint32_t hash;   /* part of it: almost no other item is looked at */
    } * slots;           /* by item */
    unsigned bits;
    size_t n_contents, n_unfinished; /* .tms and .new files that were listed */
    struct arena names;
};

int scan_run(struct queue *q, struct scan *ret, struct errinfo *ei);
void scan_done(struct scan *s); /* messages that were not taken (m = NULL) go, too */
