/* The file `states` in the queue's directory: every state that a checkpoint writes to a .tm$ file,
 * one behind the other, so that a start reads one file from its beginning to its end and not a
 * million. The .tm$ files remain what counts: whatever is wrong with this file, it is removed, and
 * they are read.
 *
 * A header, REC_STATE records, and behind those of each checkpoint a REC_MARK. It is written after
 * the sync of the mail store, and synced before a .tm$ file gets its name: thus the last state of
 * an item before the last mark is at least as new as its .tm$ file, and everything it says of
 * mailboxes is durable. What is behind the last mark counts for nothing.
 *
 * States of items that are over stay until there are more of them than of items that wait; then the
 * file is written anew. The queue's thread, or start and end of the queue; without its lock. */
#pragma once

#include "base/buf.h"
#include "mail/queue/io.h"

struct message;
struct queue;

struct states {
    int fd;             /* -1: there is no file */
    uint64_t salt, end; /* where the next record goes: behind the last mark, or what came since */
    struct buf pending;
    bool failed;        /* of this checkpoint not everything could be written */
    bool fresh;         /* its name is not durable yet */
    bool unmarked;      /* something was added since the last mark */
    uint64_t n;         /* in the file */
    uint64_t tolerated; /* so many more than items; tests change it */
};

void states_init(struct states *s);
void states_done(struct states *s);

/* At start. fn: for each in turn; m is its own. A file that is missing is an empty one, one that
 * is damaged is told and removed. */
void states_load(struct queue *q, void (*fn)(struct message *m, uint32_t version, void *arg),
                 void *arg);
/* Of a .tm$ file that is going to be written. An error shows in states_commit. */
void states_add(struct queue *q, uint64_t key, uint32_t version, struct sv env);
/* What was added counts from now on. When that fails, the file is removed, durably. < 0: not even
 * that, and no .tm$ file may get its name. */
int states_commit(struct queue *q);
/* Leaves out what is not needed any more, when it is much. */
void states_tidy(struct queue *q);
