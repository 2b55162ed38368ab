/* The queue's inside, shared by its files. One lock guards everything; it is never held over a disk
 * access except renames and unlinks of spool files.
 *
 * A message is an item. Where it is kept:
 *   content: in memory while it is fresh; always also in the journal record `content`, or in the
 *            file <item>.tms
 *   state:   in the newest of the records `content` and `state`, or in the file <item>.tm$
 * A segment is given back only when no item needs a record in it. What has waited for some time is
 * in files only: it has no struct records, as there may be a million of such items. */
#pragma once

#include <pthread.h>

#include "base/hash.h"
#include "conf/conf.h"
#include "mail/queue/dests.h"
#include "mail/queue/journal.h"
#include "mail/queue/pauses.h"
#include "mail/queue/queue.h"
#include "mail/queue/states.h"
#include "mail/queue/takers.h"

#define KINDS 2 /* RCPT_LOCAL, RCPT_REMOTE: what is delivered by threads */
enum item_place {
    PLACE_NONE,   /* nowhere: in a deliverer's hands, or over */
    PLACE_READY,  /* for local delivery */
    PLACE_DEST,   /* for its turn at a destination */
    PLACE_LATER,  /* for its time */
    PLACE_NOTICE, /* its sender is to be told; no attempt */
    PLACE_PAUSED, /* for an administrator, by a pause */
};

struct item;

struct records { /* an item's, in the journal */
    struct jent content;
    uint32_t content_at; /* length of the envelope before the content in its record */
    unsigned cur;        /* state[cur] is the newest; the other one is being written */
    struct jent state[2];
    struct jent done;     /* what ended it */
    struct list children; /* children.c */

    /* The checkpoint's. */
    struct item *saved_next;
    bool saving; /* from collect to the end: keeps what could not be saved */
    bool saved_content, saved_state;
    uint32_t saved_version;
    uint64_t finished_epoch; /* queue.sync_epoch when it was over */
};

struct order;

/* Who may write the next state of an item. */
enum hands {
    HANDS_FREE,
    HANDS_STEERED, /* an administrator's action is being recorded */
    HANDS_ORDERED, /* there is an order for the deliverer who has it */
    HANDS_SETTLED, /* its deliverer records the result */
};

/* There may be a million: fields are where they leave no holes. */
struct item {
    struct list link; /* in queue.items */
    unsigned refs;
    uint32_t version;        /* of the newest state */
    struct message *m;       /* recipients' state belongs to the deliverer while active */
    struct records *records; /* NULL: none, and none is being written */
    enum item_place place : 8;
    bool in_file; /* the content is in .tms */
    bool has_env; /* a .tm$ is there */
    bool committed, active, finished;
    bool old;       /* was there at the start */
    bool revived;   /* by recovery: its new state is to be recorded */
    bool has_local; /* some recipient is local: files go only after a sync of the mail store */
    bool overdue;
    unsigned char counted_as; /* enum queue_state + 1; 0 = not counted */
    bool urgent;              /* an administrator wants an attempt now */
    bool return_failed;       /* its notice could not be queued: not at once again */
    bool told_behind;         /* that it waits for a destination that rests */
    /* enum hands. Set with the lock, except that its deliverer makes FREE SETTLED. */
    _Atomic unsigned char hands;
    size_t counted; /* bytes in queue.mem_used */

    uint32_t waiting[KINDS];
    union {
        struct waiter wait; /* in queue.dests, when it has a flow */
        struct list ready;  /* else perhaps in queue.ready or queue.notices */
    };
    struct heap_node later[KINDS]; /* in queue.later, perhaps besides a place of above */
    struct heap_node deadline;     /* in queue.deadlines */
    int64_t quiet_until;           /* no notice before */
    struct list untold;            /* in queue.untold: to be told */
    struct place at;               /* of its deliverer */
    struct order *order; /* what takes effect when its deliverer is done; NULL = nothing */

    /* What queue_each shows, because the message is the deliverer's while active. */
    uint32_t first_waiting;
    unsigned attempts;
    int64_t next_try_ms;
    char *answer; /* of the first waiting one, while active; NULL = none */
};

struct doomed { /* spool files to remove after the next sync of the mail store */
    struct doomed *next;
    char item[40];
};

struct queue {
    pthread_mutex_t lock;
    const struct queue_io *io;
    char *dir, *temp_dir, *sync_path;
    int dir_fd, sync_fd, lock_fd;
    bool one_fs; /* spool and mail store are on the same file system */
    struct journal journal;

    struct list items; /* by when they came */
    size_t n_items;
    size_t n_in_state[QS_COUNT];
    struct map *held;           /* account that handed it in -> size_t *: how many are QS_HELD */
    struct item *first_in_time; /* of items: what is before it is overdue. NULL: all are */
    struct list ready;          /* for local delivery, in order of arrival */
    struct dests *dests;        /* for remote delivery */
    struct heap later[KINDS];   /* items by when a recipient is due */
    struct heap deadlines;      /* items by when their senders are told */
    struct list notices;        /* those due */
    struct list untold;         /* items that wait for a destination that rests, since lately */
    struct pauses pauses;
    pthread_mutex_t pause_lock; /* whoever changes them; taken before lock */
    void (*destination)(const struct conf *, struct sv address, char ret[300]);
    struct takers takers[KINDS];
    size_t n_active[KINDS];
    pthread_cond_t idle; /* an item was settled */
    bool stopping;
    uint64_t mem_used;

    /* Checkpoints. */
    pthread_t thread;
    bool thread_runs, thread_ends;
    pthread_cond_t work, work_done; /* work_done: a checkpoint has ended */
    bool work_due;                  /* the journal wants a spare or has full segments */
    uint64_t forced, forced_done;   /* complete checkpoints asked for and made */
    int last_result;
    int64_t save_until; /* monotonic ms; after it the journal is left to the next start */
    struct doomed *doomed;
    uint64_t sync_epoch;    /* syncs of the mail store begun */
    uint64_t unmarked;      /* local deliveries since the mail store was synced */
    int64_t unmarked_since; /* monotonic ms of the first of them */
    bool names_dirty;       /* spool files were removed, the directory not synced since */
    uint64_t n_named;       /* spool files that got their names in checkpoints */
    struct states states;   /* of its thread, without the lock */

    /* Refused messages whose REC_REVOKE could not be written yet. More are not kept: their
     * records end soon, with the segment that failed. */
    struct revoked {
        uint64_t key;
        char item[40];
    } unrevoked[256];
    size_t n_unrevoked;

    /* queue_has_space */
    _Atomic int64_t space_checked_ms;
    atomic_bool space_ok;
};

/* item.c */
struct item *item_new(struct message *m); /* takes a reference of m */
void item_ref(struct item *it);
void item_unref(struct item *it);
/* Made when there are none. Before a record is written: with the lock, and the item active or not
 * committed until that is over. */
struct records *item_records(struct item *it);
/* Frees them when nothing of the item is in the journal; it is not in use. */
void item_trim(struct item *it);
bool item_content_in_journal(const struct item *it);
bool item_state_in_journal(const struct item *it);
bool item_saving(const struct item *it);
/* The message is a deliverer's from now on: what is shown of it is kept beside. */
void item_lend(struct item *it);
void item_got_back(struct item *it);
/* Recomputes waiting, first_waiting, attempts and next_try_ms from the message. */
void item_refresh(struct item *it);
void item_drop_content(struct queue *q, struct item *it); /* frees memory; the item is not in use */
/* Takes it out of everything; its records stay needed while a checkpoint works on it. */
void item_forget(struct queue *q, struct item *it);
void item_drop_records(struct item *it);
void item_remove_files(struct queue *q, struct item *it, bool after_sync);
/* Needs no lock. names_dirty is the caller's. */
void item_unlink(const struct queue *q, const char *item);

/* totals.c. Locked. */
void totals_add(struct queue *q, struct item *it); /* to queue.items, where it belongs */
void totals_remove(struct queue *q, struct item *it);
void totals_note(struct queue *q, struct item *it); /* something of it changed */

/* steer.c */
struct steer_event {
    enum queue_action action;
    const char *admin;
    enum priority priority;
    const struct message *m;
    const bool *dropped; /* with QUEUE_DELETE: these of its recipients; NULL = all that waited */
};
void steer_tell(const struct steer_event *e); /* not with the lock held */

/* order.c. Locked, except order_close, order_tell. */
bool order_blocked(
    const struct item *it); /* somebody is writing its next state: wait for q->idle */
/* The caller writes its next state between both; nobody else does. False: it is blocked. */
bool order_begin(struct item *it);
void order_end(struct queue *q, struct item *it);
/* Its newest recorded state, between order_begin and order_end: the message itself is a
 * deliverer's. The lock is released meanwhile. */
int order_read(struct queue *q, struct item *it, struct message **ret);
/* want: taken; was recorded as its newest state. */
void order_give(struct item *it, struct message *want, enum queue_action action, const char *admin);
const enum queue_action *order_action(const struct item *it); /* of the last one; NULL = none */
/* The deliverer is done with it: from now on he alone writes its state, until he makes hands free.
 * Its orders are joined with the message; ret: what is to be told, NULL = there was none. */
struct order *order_close(struct queue *q, struct item *it);
struct order *order_close_locked(struct queue *q, struct item *it); /* waits */
bool order_returned(const struct order *o); /* it made the message one to be returned */
void order_tell(struct order *o,
                const struct message *m); /* and frees it; not with the lock held */
void order_free(struct order *o);

/* children.c. Locked, except child_new. A child is the parent's with child_add. */
struct child;
struct child *child_new(struct item *parent, uint64_t key);
struct jent *child_record(struct child *c);
void child_drop(struct child *c);
void child_add(struct item *parent, struct child *c);
/* A state of the item was written that names them: their records are needed until the checkpoint
 * that runs is over, as its sync does not cover that state. */
void children_recorded(struct item *it);
void children_drop(struct item *it, bool all); /* or those recorded */

/* sched.c */
void sched_place(struct queue *q, struct item *it); /* by what waits and when it is due */
void sched_remove(struct queue *q, struct item *it);
void sched_done(struct queue *q);
void sched_move_due(struct queue *q, enum rcpt_kind kind);
/* The next item, still placed but for its place at a destination, which it holds. NULL: none now.
 */
struct item *sched_next(struct queue *q, enum rcpt_kind kind);
void sched_leave(struct queue *q, struct place *at);
/* The destination began to rest: what waits for it will do so for some time. */
void sched_rests(struct queue *q, const struct place *at);
/* Events of what began to wait so; the lock is released meanwhile. */
void sched_tell_untold(struct queue *q);
int64_t sched_wake(const struct queue *q, enum rcpt_kind kind); /* INT64_MAX = never */
bool sched_runnable(const struct queue *q); /* somebody can be taken for another server */
/* One of those who wait, if there is something to take or to tell now, or sooner than known. */
void sched_wake_remote(struct queue *q);
struct dest_policy sched_policy(const struct conf *cf); /* valid as long as cf */
void sched_destination(const struct queue *q, const struct conf *cf, const char *address,
                       char ret[DEST_KEY]);
/* Is nothing sent to that destination for the time being? */
bool sched_paused(const struct queue *q, const char *key, const char *address);
int64_t sched_retry_delay(unsigned attempts); /* by queue.retry_schedule, ms */

/* settle.c. Locked: the item is a deliverer's from now on, its content is readable; it has the
 * place it->at, or none. False: it cannot be read, and is put off. */
bool settle_take(struct queue *q, struct item *it, enum rcpt_kind kind);

/* steer.c. Locked: committed items in order of arrival, or the newest first; now and then others
 * get the lock. */
void steer_walk(struct queue *q, bool back,
                bool (*fn)(struct item *, const struct queue_info *, void *), void *arg);

/* spool.c: names in dir. suffix ".tms", ".tm$", ".new" behind while that alone would count. */
void spool_path(const struct queue *q, const char *item, const char *suffix, char ret[4096]);
int spool_write(struct queue *q, const char *item, const char *suffix, struct sv a, struct sv b);
int spool_from_memory(struct queue *q, struct message *m, struct errinfo *ei);
int spool_adopt(struct queue *q, struct message *m,
                struct errinfo *ei); /* temp file -> .tms, durable */
int spool_write_env(struct queue *q, const char *item, uint64_t key, uint32_t version,
                    struct sv env);
/* Reads a .tm$. */
int spool_read_env(struct queue *q, const char *item, struct message *m, uint32_t *ret_version,
                   struct errinfo *ei);
/* All of it is in its file. */
bool spool_has_content(const struct queue *q, const struct message *m);

/* checkpoint.c */
int checkpoint_start(struct queue *q, struct errinfo *ei);
void checkpoint_stop(struct queue *q);
int checkpoint_run(struct queue *q, bool everything); /* by the thread, or when it does not run */
/* Locked. False: much waits for it, so that who has much to record, and nobody waits for it, waits
 * for work_done. Else new mail found no room. */
bool checkpoint_keeps_up(const struct queue *q);
/* Waits for one complete checkpoint by the thread. For tests and close. */
int queue_checkpoint(struct queue *q);

/* recover.c */
int recover_run(struct queue *q, struct errinfo *ei);

/* Tests: ends a queue as a crash does: nothing more is written. */
void queue_crash(struct queue *q);
