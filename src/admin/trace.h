/* A message as its events tell it: what became of each recipient, and the event that decides about
 * the whole. Shared by the operations of this room and the API. */
#pragma once

#include "event/reader.h"

enum trace_status {
    TRACE_ACCEPTED, /* the delivery has not begun */
    TRACE_WAITING,
    TRACE_DELIVERED,
    TRACE_MIXED, /* some have it, some will not get it */
    TRACE_BOUNCED,
    TRACE_REFUSED,
    TRACE_INCOMPLETE,
    TRACE_TIMEOUT,
    TRACE_LOST,
    TRACE_DELETED,
    TRACE_STATUS_COUNT,
};
extern const char *const trace_statuses[TRACE_STATUS_COUNT];

enum trace_fate {
    FATE_NONE,
    FATE_ACCEPTED,
    FATE_REFUSED,
    FATE_WAITING,
    FATE_DELIVERED,
    FATE_BOUNCED,
    FATE_DELETED, /* from the queue, while others stayed */
    FATE_COUNT
};
extern const char *const trace_fates[FATE_COUNT];

struct trace_rcpt {
    struct sv address, original; /* original: before an alias, else NULL */
    struct sv reply, host;
    enum trace_fate fate;
    unsigned attempts;
    int64_t at_us; /* of its last event */
};

enum { TRACE_RCPTS_MAX = 1000 };

/* Texts and events point into the timeline. */
struct trace {
    uint64_t key;
    struct sv id, sender, peer, account;
    struct sv parent; /* id of the message that this notice is about */
    uint64_t session; /* that brought it; 0 = made here */
    uint64_t bytes;   /* 0: not known */
    int64_t time_us;
    struct trace_rcpt *rcpts;
    size_t n, total; /* total: also those beyond TRACE_RCPTS_MAX */
    bool whole;      /* all of it is shown, not only the recipients in scope */
    bool own;        /* made here, or brought by somebody who had logged in */
    bool leaves;     /* goes to another server */
    bool begins;     /* its beginning is kept */
    enum trace_status status;
    int64_t next_try_ms;               /* TRACE_WAITING, else 0 */
    const struct event_view *decisive; /* NULL: nothing is known */
    struct sv answer;                  /* its reply or reason */
    struct sv answer_host;             /* that gave it; empty = this server */
};
/* Who looks: sees says whether an address is his. Of a message whose sender is not his he is shown
 * his recipients and what became of them, nothing else. NULL = sees all. */
struct trace_scope {
    bool (*sees)(void *arg, struct sv address);
    void *arg;
};
/* Of the timeline's events those with this key, and those without any. Pure. */
void trace_make(const struct event_timeline *t, uint64_t key, const struct trace_scope *scope,
                struct trace *ret);
/* Is the event about the message as the scope shows it? */
bool trace_shows(const struct trace *t, const struct trace_scope *scope, const struct record *r);
/* Is address, to which original leads, to be shown as original? Both are somebody else's. */
bool trace_hides_target(const struct trace_scope *scope, struct sv address, struct sv original);
/* Has the message a sender or a recipient in scope? */
bool trace_in_scope(const struct trace *t, const struct trace_scope *scope);
void trace_done(struct trace *t);
size_t trace_count(const struct trace *t, enum trace_fate fate);
/* What became of it, in words. */
void trace_sentence(const struct trace *t, struct buf *out);

/* The key of the latest message with this id; 0 = none is known. */
uint64_t trace_key(const char *data_dir, struct sv id);
bool trace_is_id(struct sv s); /* three letters, five digits */

/* --- finding --- */

struct trace_query {
    struct sv address; /* any of: sender, recipient, recipient before an alias, account */
    struct sv sender, recipient, ip;
    uint64_t session;
    int status;             /* 1 + enum trace_status; 0 = any */
    int64_t from_us, to_us; /* as event_query; of the first event that fits */
    const struct trace_scope *scope;
    /* Further conditions. NULL = none. */
    bool (*want)(void *arg, const struct trace *t);
    void *arg;
    size_t limit;
    int64_t budget_ms; /* then it stops, to go on with the cursor; 0 = none */
};
/* Calls fn for each message that fits, the newest first; each once over all pages. cursor and
 * ret_more as event_query. A page may be short or empty although there are more. */
int trace_find(const char *data_dir, const struct trace_query *q, struct event_cursor *cursor,
               void (*fn)(void *arg, const struct trace *t), void *arg, bool *ret_more,
               struct errinfo *ei);
