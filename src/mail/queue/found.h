/* What recovery has found, by key, in order of appearance. Pure; one thread. Its own table, as
 * there may be a million: the keys are random, and nothing is taken out again. */
#pragma once

#include "base/base.h"

struct item;

struct found { /* an item while the records are read */
    struct item *it;
    uint64_t key;
    int64_t received_ms;
    uint64_t gen, off; /* of the last record that changed its state */
    bool foreign_boot; /* of that record's segment */
    bool done, revoked, in_journal;
    bool adopted;      /* its envelope gained children */
    bool content_file; /* its .tms was there, with all of the content */
    bool from_states;  /* its .tm$ was not read, and may be older */
};

struct founds {
    struct found **chunks;
    size_t n, n_chunks;
    uint32_t *slots; /* number of a found + 1; 0 = free */
    unsigned bits;   /* of the number of slots; 0 = none yet */
};

struct found *founds_add(struct founds *fs, uint64_t key); /* zeroed; the key is not there yet */
struct found *founds_get(const struct founds *fs, uint64_t key); /* NULL: none */
struct found *founds_at(const struct founds *fs, size_t i);      /* the i-th that was added */
void founds_done(struct founds *fs);                             /* the items are the caller's */
