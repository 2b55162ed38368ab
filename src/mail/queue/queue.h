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

struct conf;
struct queue;

struct queue_opts {
    const char *dir;       /* <mail>/_outgoing: spool files, journal/ below it */
    const char *temp_dir;  /* <temp>/SMTP: emptied at open */
    const char *sync_path; /* a path on the mail store's file system, for the checkpoint */
    const char *server_id;
    /* Key of the server that takes an address's mail: what has the same key may share a connection.
     * NULL = its domain. */
    void (*destination)(const struct conf *cf, struct sv address, char ret[300]);
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
/* Accepts m, which the delivery of parent made (taken by the caller) and whose key follows from
 * that of parent. E_EXISTS: an earlier delivery of parent, perhaps before a crash, has queued it
 * already, and m is dropped. This is known until no recipient of parent waits (ADR 0017). */
int queue_accept_child(struct queue *q, struct message *parent, struct message *m,
                       struct errinfo *ei);
/* The answer would be E_EXISTS. */
bool queue_has_child(struct queue *q, const struct message *parent, uint64_t key);
bool queue_has_space(struct queue *q); /* cheap; MAIL answers 452 otherwise */

/* Deliverers. Takes up to max messages that have waiting recipients of the kind and are due; blocks
 * until there is one, returns 0 at queue_close. The messages belong to the caller (counted) until
 * queue_settle. A message with RCPT_REMOTE comes with a place at one destination (queue_where),
 * whose recipients are to be tried; the others are marked as skipped. */
size_t queue_take(struct queue *q, enum rcpt_kind kind, struct message **ret, size_t max);
/* Records what the deliverer wrote into the recipients' state/answer (only recipients of the kind
 * it took). Recipients still waiting and not skipped: next attempt at m->next_try_ms (set by the
 * caller; 0 = by retry schedule). When none waits any more the item is finished and its files go.
 * Drops the reference of queue_take. */
void queue_settle(struct queue *q, struct message *m, enum rcpt_kind kind);
/* The same for several: one write. */
void queue_settle_all(struct queue *q, struct message **m, size_t n, enum rcpt_kind kind);
/* Returns a taken message untouched: not an attempt. It is given out again at once. */
void queue_give_back(struct queue *q, struct message *m, enum rcpt_kind kind);
/* The same with a remote one; returns the next message for its destination, with the place there,
 * or NULL: then the place is left. */
struct message *queue_settle_next(struct queue *q, struct message *m);
/* A customer fetches what waits for him (ATRN): messages with a recipient that `reaches` holds for
 * (called with the queue locked), in order of arrival, also before they are due. ret_n: how many
 * there are. One thread; reaches and arg live until the end. */
struct queue_turn;
struct queue_turn *queue_turn_begin(struct queue *q,
                                    bool (*reaches)(const struct rcpt *, void *arg), void *arg,
                                    size_t *ret_n);
/* The next one that is still there and in nobody's hands, taken without a place (queue_where) as by
 * queue_take: what is not the customer's is to be marked as skipped, then queue_settle. NULL: that
 * was all, or the queue stops. */
struct message *queue_turn_next(struct queue_turn *t);
void queue_turn_end(struct queue_turn *t);
/* Destination of the place that a taken message has. False: none; its sender is to be told of a
 * delay or of its end, no attempt is due. */
bool queue_where(struct queue *q, const struct message *m, char ret[300]);
/* It has not been asked since the start: who is slow to answer is left for a probe, so that many
 * who never answer do not hold the deliverers. */
bool queue_first_contact(struct queue *q, const struct message *m);
/* What the destination did; answer: the reason of a failure. After failures it rests, and what
 * waits for it waits without attempts. */
enum queue_peer { QUEUE_PEER_ANSWERED, QUEUE_PEER_FAILED };
void queue_tell(struct queue *q, struct message *m, enum queue_peer what, const char *answer);
/* Goes on with a taken message at the destination of a recipient that is not tried, when one is
 * free at once. False: settle it. The place that it had is left in any case. */
bool queue_go_on(struct queue *q, struct message *m, const bool *tried);
/* How long it is tried for the recipient: queue.lifetime, bounce_lifetime, or backup_lifetime; ms.
 * rcpt NULL: for the first that is given up among those that wait. */
int64_t queue_lifetime(const struct conf *cf, const struct message *m, const struct rcpt *rcpt);
bool queue_expired(struct queue *q, const struct message *m, const struct rcpt *rcpt);

/* What the administrator sees and does. Times of what waits for a destination that rests: its next
 * probe. */
struct queue_info {
    /* rcpt, original (before an alias; may be ""), answer: the first waiting one's */
    const char *item, *id, *sender, *rcpt, *original, *answer, *subject;
    const char *login; /* account that handed it in, "" */
    /* All n_rcpts of them; NULL while it is being delivered: then they are the deliverer's. */
    const struct rcpt *rcpts;
    int64_t received_ms, next_try_ms;
    uint64_t size;
    unsigned n_rcpts, n_waiting, attempts;
    bool active; /* being delivered now */
    bool held, returning, paused;
    bool moderated;                   /* a list's moderators have not decided yet */
    bool local;                       /* some recipient waits for local delivery */
    const enum queue_action *ordered; /* what is done when the attempt under way ends; or NULL */
    enum priority priority;
};
extern const char *const queue_priority_names[PRIORITIES];
/* In order of arrival; what comes or goes meanwhile may be left out. fn: with the queue locked. */
void queue_each(struct queue *q, bool (*fn)(const struct queue_info *, void *arg), void *arg);
void queue_each_newest(struct queue *q, bool (*fn)(const struct queue_info *, void *arg),
                       void *arg); /* the other way round */
enum queue_state {
    QS_QUEUED,
    QS_SENDING,
    QS_WAITING,
    QS_OVERDUE, /* for more than 4 hours */
    QS_HELD,
    QS_PAUSED,
    QS_MODERATION,
    QS_COUNT
};
enum queue_state queue_state_of(const struct queue_info *i, int64_t now_ms);
/* Of all messages: kept, not counted. */
struct queue_totals {
    size_t total, states[QS_COUNT];
    int64_t oldest_ms; /* 0 = there is none */
};
void queue_totals(struct queue *q, int64_t now_ms, struct queue_totals *ret);
size_t queue_count(struct queue *q);
/* How many that this account handed in are QS_HELD: known without looking at all of them. */
size_t queue_held_of(struct queue *q, struct sv login);
/* Which of the messages of these keys are in the queue: one walk through it. */
void queue_find_keys(struct queue *q, const uint64_t *keys, size_t n, bool *ret);
/* Actions on all messages that `want` chooses. Each is an event of its message. For one that is
 * being delivered it is recorded at once and takes effect when that attempt ends. */
enum queue_action {
    QUEUE_HOLD,
    QUEUE_RELEASE,
    QUEUE_SEND_NOW, /* not what is held */
    QUEUE_RETURN,   /* to the sender, with a notice */
    QUEUE_DELETE,   /* without */
    QUEUE_PRIORITY,
    QUEUE_APPROVE, /* a post to a moderated list: it goes to the members */
    QUEUE_REJECT,  /* its sender gets it back */
    QUEUE_ACTIONS
};
extern const char *const queue_action_names[QUEUE_ACTIONS];
enum queue_steer_result {
    STEER_DONE,
    STEER_AS_IT_WAS, /* was so already; to be sent now: is being sent */
    STEER_LATER,     /* is being delivered now: is done when that attempt ends. Recorded */
    STEER_BUSY,      /* a decision about a post that is being put before its moderators */
    STEER_HELD,      /* is not sent now: must be released before */
    STEER_SHARED,    /* also waits for recipients that the caller does not reach */
    STEER_FAILED,
    STEER_RESULTS
};
struct queue_steer {
    enum queue_action action;
    enum priority priority;                             /* of QUEUE_PRIORITY */
    const char *admin;                                  /* who, for events */
    bool dry_run;                                       /* counts only */
    bool (*want)(const struct queue_info *, void *arg); /* as fn of queue_each; NULL = all */
    /* May the caller act for this recipient? The others are left alone: deleting and sending now
     * concern his recipients only, the rest is done when all that wait are his. NULL = yes. */
    bool (*reaches)(const struct queue_info *, const struct rcpt *, void *arg);
    void (*each)(const char *id, enum queue_steer_result, void *arg); /* the same; may be NULL */
    void *arg;
    const atomic_bool *cancel; /* when true, the rest is left and counts as failed; NULL = never */
};
struct queue_steered {
    size_t n[STEER_RESULTS];
};
/* Durable when it returns 0. An error: some may have been done, ret says how many. */
int queue_steer(struct queue *q, const struct queue_steer *s, struct queue_steered *ret,
                struct errinfo *ei);
/* Holds back everything for other servers, what goes to a destination (domain, or key as
 * queue_where gives it), or what comes from a domain. Durable when it returns: 1 = changed, 0 = it
 * was so. */
enum queue_pause_kind { PAUSE_ALL, PAUSE_DESTINATION, PAUSE_SENDER };
int queue_pause(struct queue *q, enum queue_pause_kind kind, struct sv name, bool on,
                const char *admin, struct errinfo *ei);
void queue_each_pause(struct queue *q, void (*fn)(enum queue_pause_kind, const char *, void *arg),
                      void *arg);
/* What is known of the server that takes an address's mail. */
struct queue_dest {
    const char *state; /* "open", "full", "resting", "paused" */
    unsigned active, window, failures;
    int64_t next_probe_ms; /* 0 = does not rest */
    char answer[400];      /* of its last failure, "" */
};
void queue_destination(struct queue *q, const char *address, struct queue_dest *ret);
/* One message by its name. */
int queue_retry(struct queue *q,
                struct sv item_or_id); /* due now; "" = all. E_NOTFOUND; else number */
int queue_delete(struct queue *q, struct sv item_or_id, struct errinfo *ei); /* no bounce */
int queue_view(struct queue *q, struct sv item_or_id, struct message **ret); /* counted */
void queue_idle_wait(struct queue *q); /* tests: returns when nothing local waits */
