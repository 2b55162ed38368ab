/* Inside of the feed: streams, the ring of events, the thread that looks at the topics. The lock is
 * held while a stream is told to wait or to go on, so that no event falls between "nothing there"
 * and "wait". */
#pragma once

#include "base/list.h"
#include "server/api/api_priv.h"
#include "server/api/feed.h"

/* Counted by the ring and by the stream that is writing it. */
struct blob {
    unsigned refs; /* under the feed's lock */
    size_t n;
    char text[];
};

struct entry {
    uint64_t id;
    int64_t at_ms;
    enum topic topic;
    uint64_t session; /* of TOPIC_TRANSCRIPT */
    struct blob *blob;
};

struct api_stream {
    struct list node;
    struct feed *f;
    struct feed_want want;
    bool all;        /* sees all rows; others are told that something has changed */
    unsigned greet;  /* topics whose snapshot is still to come */
    unsigned missed; /* topics whose rows are to be read again: events were dropped before it took
                        them */
    size_t greeted;  /* of want.sessions */
    uint64_t pos;    /* last event that it has, or need not have */
    unsigned beat;
    bool over, waiting;
    struct blob *now; /* being written */
    size_t at;
    void (*wake)(void *arg);
    void *arg;
    char proof[72]; /* what it was opened with */
    int64_t account_id, expires_ms;
    uint32_t scopes;
    enum account_role role;
};

struct feed {
    struct api *api;
    pthread_mutex_t lock; /* guards all */
    pthread_cond_t changed;
    struct list streams;
    size_t n_streams, listeners[TOPIC_COUNT];
    struct entry *ring; /* oldest first */
    size_t n, cap, bytes;
    uint64_t last_id;
    uint64_t dropped[TOPIC_COUNT]; /* last event of each topic that the ring no longer has */
    struct blob *snapshot[TOPIC_COUNT];
    uint64_t snapshot_id[TOPIC_COUNT];   /* last event that it contains */
    uint64_t snapshot_rows[TOPIC_COUNT]; /* feed_rows_sum of its items */
    unsigned beat;
    bool running, joinable, stop;
    bool recheck; /* are the streams still rightful? */
    pthread_t thread;
};

/* With the lock: lets a stream that waits go on. */
void feed_wake(struct api_stream *s);
/* With the lock: the thread is there, or has been started. */
bool feed_ensure_thread(struct feed *f);
