/* Which waiting message goes to which server next. Pure but for memory: the caller tells the time
 * and holds its lock.
 *
 * A destination has a window: how many deliverers may be at it. It begins with one; when that one
 * has had an answer, with a few; it grows by one for each window of answers and shrinks by one with
 * each connection that fails. After some failures in a row the destination rests: what waits for it
 * waits without attempts of its own, and after a time that grows one message probes it.
 *
 * What waits is in flows, one for each destination, sender and priority, in order of arrival.
 * Senders take turns, and so do the destinations of a sender. Deliverers are kept for destinations
 * that have answered: only a part of them may be at new ones, a smaller one at those that rest and
 * at those that only a backlog from before the start waits for. */
#pragma once

#include "base/list.h"
#include "mail/message/message.h"
#include "mail/queue/heap.h"

enum { DEST_KEY = 300 };

struct dests;
struct dest;
struct flow;

/* BACKLOG: new, and what waits for it is all from before the start. */
enum dest_class { DEST_PROVEN, DEST_NEW, DEST_BACKLOG, DEST_PROBE, DEST_CLASSES };

struct waiter {        /* embedded in what waits */
    struct list link;  /* in its flow */
    struct flow *flow; /* NULL = does not wait */
};

struct place {         /* a deliverer's, at a destination */
    struct dest *dest; /* NULL = none */
    enum dest_class counts;
};

struct dest_policy {
    unsigned start, max; /* the window after the first answer; its limit */
    unsigned strikes;    /* failures in a row until a destination that answered rests */
    /* Deliverers: of DEST_PROBE those that probe, of DEST_BACKLOG those and the ones at
     * destinations of a backlog, of DEST_NEW those two and the ones at new ones; of DEST_PROVEN not
     * looked at. */
    unsigned limit[DEST_CLASSES];
    int64_t (*wait)(void *arg, unsigned failures); /* ms until the next probe */
    void *arg;
};

enum peer { PEER_ANSWERED, PEER_FAILED };

struct dests *dests_new(void);
void dests_free(struct dests *ds); /* whoever waits is forgotten */

/* Waits for key. sender: whose turn it is; first: before the others of its flow. */
void dests_add(struct dests *ds, struct sv key, struct sv sender, enum priority p, bool first,
               struct waiter *w);
void dests_remove(struct dests *ds, struct waiter *w); /* also when it does not wait */
/* The next one, with a place at its destination; NULL when there is none now. */
struct waiter *dests_take(struct dests *ds, const struct dest_policy *pol, int64_t now,
                          struct place *ret);
/* The next one for the destination where a place is held already; NULL: none, or it rests. */
struct waiter *dests_next(struct dests *ds, const struct place *at);
/* A place at the destination, if one is free now and nobody else waits for it. */
bool dests_enter(struct dests *ds, const struct dest_policy *pol, struct sv key, struct place *ret);
void dests_leave(struct dests *ds, struct place *at); /* also when none is held */
void dests_tell(struct dests *ds, const struct dest_policy *pol, int64_t now, struct place *at,
                enum peer what, const char *answer);
/* What messages that failed before say when the program starts: it rests, and is probed at once. */
void dests_distrust(struct dests *ds, struct sv key, const char *answer);
/* Who waits was there when the program started: thousands of such destinations must not hold what
 * is kept for those that new mail goes to. Ends when the destination is asked, or with dests_news.
 * False: it rests. */
bool dests_backlog(struct dests *ds, const struct waiter *w);
void dests_news(struct dests *ds, struct sv key); /* new mail goes there */
/* Everybody who waits for the destination of a place. */
void dests_each_waiter(const struct place *at, void (*fn)(struct waiter *, void *arg), void *arg);
void dests_probe_now(struct dests *ds, struct sv key);
/* When time alone makes a difference; INT64_MAX = never. */
int64_t dests_wake(const struct dests *ds);
/* Somebody can be taken, or that is not known: a destination may have become full. */
bool dests_runnable(const struct dests *ds, const struct dest_policy *pol);

enum dest_state { DEST_OPEN, DEST_FULL, DEST_RESTS };
struct dest_info {
    const char *key;
    enum dest_state state;
    unsigned waiting, active, window, failures;
    int64_t next_probe_ms; /* 0 = does not rest */
    const char *answer;    /* of the last failure, "" */
};
enum dest_state dests_state(const struct dests *ds, struct sv key);
bool dests_rests(const struct place *at);
bool dests_first_contact(const struct place *at); /* it has not been asked before */
const char *dests_key(const struct place *at);
void dests_of(const struct waiter *w, struct dest_info *ret);                  /* w waits */
bool dests_info(const struct dests *ds, struct sv key, struct dest_info *ret); /* false: unknown */
/* All that are known, also those that nothing waits for. */
void dests_each(const struct dests *ds, bool (*fn)(const struct dest_info *, void *arg), void *arg);
