/* The intake journal: preallocated segments, group commit. Private to the room.
 *
 * Life of a segment: spare (header durable, empty) -> active (takes records) -> full -> after a
 * checkpoint spare again with a new salt, or removed. One write or sync that fails makes the
 * segment bad: nothing is appended to it any more (a failed fdatasync may have dropped the pages, a
 * second one would lie), and it is removed after the checkpoint.
 *
 * All calls are made with the lock held that journal_open was given; it is released while a call
 * waits for the disk. It guards every field here. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "mail/queue/io.h"
#include "mail/queue/record.h"

struct jseg {
    struct list link;    /* in spares or full, oldest first */
    struct list entries; /* jent: what needs this segment */
    unsigned slot;       /* number in the file name */
    int fd;
    uint64_t gen, salt, size, tail;
    unsigned inflight; /* writes going on */
    unsigned readers;
    bool bad;
};

/* A record that somebody needs until a checkpoint; embedded in a queue item. */
struct jent {
    struct list link;
    void *owner;
    struct jseg *seg; /* NULL = not in the journal */
    uint64_t off;     /* of the record */
    uint32_t len;     /* of its payload */
};

/* One record to write; on the writer's stack. Fill the first part, then jwrite_prepare (without
 * lock). */
struct jwrite {
    enum rec_type type;
    uint64_t key;
    uint32_t aux;
    struct sv payload[2];
    struct jent *ent;  /* filled and linked when written; NULL = nobody needs the record later */
    struct jent *also; /* the same, for a second one */
    /* the journal's: */
    size_t length;
    uint32_t crc;
    char head[REC_HEAD];
    uint64_t off;
    int result;
    struct jwrite *next;
    _Atomic uint32_t turn; /* futex: what the owner is woken for */
};

struct journal {
    pthread_mutex_t *lock;
    const struct queue_io *io;
    char *dir;
    uint64_t seg_size, next_gen;
    char boot[40];
    bool boot_known;     /* false: any start may be one after a power cut */
    struct jseg *active; /* NULL after it went bad, until a spare is there */
    struct list spares, full;
    unsigned n_spares, n_full, next_slot;
    int spare_error;              /* why there is no spare; 0 = one will come */
    bool leading;                 /* somebody writes a batch */
    struct jwrite *first, **last; /* waiting for the next batch */
    pthread_cond_t changed;       /* a spare came, a write or read ended */
    void (*need_work)(void *arg); /* wakes the checkpoint thread: a segment is full or bad */
    void *need_arg;
};

void jwrite_prepare(struct jwrite *w);
void jent_init(struct jent *e, void *owner);
void jent_drop(struct jent *e); /* the record is not needed any more */

/* Opens the directory; segments are found by journal_scan. */
int journal_open(struct journal *j, const char *dir, uint64_t seg_size, const struct queue_io *io,
                 pthread_mutex_t *lock, struct errinfo *ei);
void journal_done(struct journal *j);
/* Calls fn for every segment file in order of generation (valid ones; others are kept as free
 * files). */
int journal_scan(struct journal *j, int (*fn)(void *arg, struct jseg *s, const struct seg_head *h),
                 void *arg, struct errinfo *ei);

/* Appends and waits until it is durable. E_FULL: no room for another segment. After an error the
 * record may still be found by recovery: revoke it. */
int journal_commit(struct journal *j, struct jwrite *w);
/* The same for n: as few syncs as their size allows. The first error; each has its result. */
int journal_commit_all(struct journal *j, struct jwrite *const *w, size_t n);
/* Appends n records in order without sync: they survive the death of the process. */
int journal_write(struct journal *j, struct jwrite *const *w, size_t n);
/* Reads back a record's payload: its bytes [from, from + n). The lock is released meanwhile; the
 * caller keeps e alive. */
int journal_read(struct journal *j, const struct jent *e, uint32_t from, void *p, size_t n);
/* The whole record at e, checked; buf gets REC_HEAD + payload. */
struct buf;
int journal_read_record(struct journal *j, const struct jent *e, struct buf *buf, struct rec *ret);

/* Checkpoint thread: makes spares until there are `want`. Not with the lock held. */
int journal_make_spares(struct journal *j, unsigned want, struct errinfo *ei);
/* Gives a full segment back: removed when bad or when there are enough spares. */
void journal_recycle(struct journal *j, struct jseg *s);
/* Marks all segments unused on disk (clean close: nothing to replay). Not with the lock held. */
void journal_wipe(struct journal *j);
