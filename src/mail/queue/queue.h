/* The durable queue: one owner process (smtp). A message whose queue_accept returned 0 survives
 * kill -9 and power loss until every recipient is settled.
 *
 * How: accepted messages are appended to a preallocated intake journal; one fdatasync serves
 * everybody who waits (group commit, leader/follower: the first waiter writes and syncs for all).
 * Local delivery follows from memory. `done` records need no sync: after power loss a delivery is
 * repeated and recognised by its key. A checkpoint (syncfs of the mail store's file system) lets a
 * journal segment go; what still waits by then, what was deferred, and large messages are in spool
 * files <mail>/_outgoing/<item>.tms (content) and .tm$ (envelope and state), written durably. Any
 * thread unless said otherwise. */
#pragma once

#include "mail/message/message.h"

struct queue;

struct queue_opts {
    const char *dir;       /* <mail>/_outgoing: spool files, journal/ below it */
    const char *temp_dir;  /* <temp>/SMTP: emptied at open */
    const char *sync_path; /* a path on the mail store's file system, for the checkpoint */
    const char *server_id;
};
int queue_open(const struct queue_opts *o, struct queue **ret, struct errinfo *ei); /* recovers */
/* Ends queue_take waits for good; queue_accept and queue_settle still work. deliver_stop calls it.
 */
void queue_stop(struct queue *q);
/* Checkpoints and frees. No thread may use the queue any more: deliver_stop comes first. */
void queue_close(struct queue *q);

/* Large content goes to a file in temp_dir while it arrives: returns an open fd and path for
 * message->spool_path. */
int queue_spool_begin(struct queue *q, struct message *m, int *ret_fd, struct errinfo *ei);

/* Durable acceptance; blocks for the group commit. Takes no reference from the caller (makes its
 * own). E_FULL with too little space (452), E_TEMP. After an error the message is not queued and
 * its spool file is removed. Recipients must have been added and ids assigned before. After success
 * the message belongs to the queue and its deliverers: the caller may go on reading what never
 * changes (id, item, size, sender ...), but neither content nor recipients' states. */
int queue_accept(struct queue *q, struct message *m, struct errinfo *ei);
/* A message of this key waits or is being delivered. Looks at all: for rare questions. */
bool queue_has(struct queue *q, uint64_t key);
bool queue_has_space(struct queue *q); /* cheap; MAIL answers 452 otherwise */

/* Deliverers. Takes up to max messages that have waiting recipients of the kind and are due; blocks
 * until there is one, returns 0 at queue_close. The messages belong to the caller (counted) until
 * queue_settle. With RCPT_REMOTE the scheduler respects retry times; per-destination limits are the
 * caller's. */
size_t queue_take(struct queue *q, enum rcpt_kind kind, struct message **ret, size_t max);
/* Records what the deliverer wrote into the recipients' state/answer (only recipients of the kind
 * it took). Recipients still waiting: next attempt at m->next_try_ms (set by the caller; 0 = by
 * retry schedule). When none waits any more the item is finished and its files go. Drops the
 * reference of queue_take. */
void queue_settle(struct queue *q, struct message *m, enum rcpt_kind kind);
/* The same for several: one write. */
void queue_settle_all(struct queue *q, struct message **m, size_t n, enum rcpt_kind kind);
/* Returns a taken message untouched: not an attempt. It is given out again at once. */
void queue_give_back(struct queue *q, struct message *m, enum rcpt_kind kind);
/* A taken message that has to wait for a connection: its content in memory is freed where it can be
 * read again, and comes back with queue_resume (E_TEMP ... when it cannot be read). */
void queue_pause(struct queue *q, struct message *m);
int queue_resume(struct queue *q, struct message *m);
bool queue_expired(struct queue *q, const struct message *m); /* older than queue.lifetime */

/* What the administrator sees and does. */
struct queue_info {
    /* rcpt, original (before an alias; may be ""), answer: the first waiting one's */
    const char *item, *id, *sender, *rcpt, *original, *answer;
    int64_t received_ms, next_try_ms;
    uint64_t size;
    unsigned n_rcpts, n_waiting, attempts;
    bool active; /* being delivered now */
};
void queue_each(struct queue *q, bool (*fn)(const struct queue_info *, void *arg), void *arg);
size_t queue_count(struct queue *q);
int queue_retry(struct queue *q,
                struct sv item_or_id); /* due now; "" = all. E_NOTFOUND; else number */
int queue_delete(struct queue *q, struct sv item_or_id,
                 struct errinfo *ei); /* no bounce. E_CONFLICT while being delivered */
int queue_view(struct queue *q, struct sv item_or_id, struct message **ret); /* counted */
void queue_idle_wait(struct queue *q); /* tests: returns when nothing local waits */
