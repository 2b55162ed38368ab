/* What the console sees live: topics, each with one producer whatever the number of streams; events
 * are made once and shared. A stream keeps only its place. */
#pragma once

#include "event/reader.h"
#include "server/api/route.h"

struct feed;

enum topic {
    TOPIC_SESSIONS,
    TOPIC_QUEUE,
    TOPIC_STATISTICS,
    TOPIC_OPERATIONS,
    TOPIC_MESSAGES,
    TOPIC_TRANSCRIPT, /* of one session: "sessions.{id}.transcript" */
    TOPIC_COUNT
};
extern const char *const topic_names[TOPIC_COUNT]; /* "sessions", "queue.outgoing", ... */

struct feed *feed_new(struct api *api);
void feed_free(struct feed *f); /* all streams must be freed */
enum { FEED_SESSIONS_MAX = 4 };
/* What a stream is to tell of. */
struct feed_want {
    unsigned topics;                      /* bits */
    uint64_t sessions[FEED_SESSIONS_MAX]; /* whose transcripts; the caller may see them */
    size_t n_sessions;
};
/* Opens a stream for the call: c->res->stream. False: answered. */
bool feed_open(struct api_call *c, const struct feed_want *want, uint64_t last_id);
/* An event of a topic; data: taken. Dropped when nobody listens. Any thread. */
void feed_publish(struct feed *f, enum topic t, const char *type, json_t *data);
/* There is more of a session's transcript: to be read by those who follow it. Any thread. */
void feed_publish_transcript(struct feed *f, uint64_t session);
/* Something has changed that may have taken somebody the right to his stream: looked at within a
 * second or so. Any thread. */
void feed_recheck(struct feed *f);
bool feed_wanted(struct feed *f, enum topic t); /* does anybody listen? */
/* Sessions whose transcripts somebody follows, each once. Returns how many, at most n. */
size_t feed_followed(struct feed *f, uint64_t *ret, size_t n);

/* Which rows a list has, whatever their order: a sum over the ids of items. */
uint64_t feed_rows_sum(json_t *items);
uint64_t feed_snapshot_rows(struct feed *f, enum topic t); /* of the last snapshot */

/* --- producers, feed_topics.c; called by the feed's thread only --- */

struct feed_rows; /* what a topic's rows were at the last look */
struct feed_rows *feed_rows_new(void);
void feed_rows_free(struct feed_rows *r);
/* Looks at the topic and publishes what has changed. True: something has. */
bool feed_look_sessions(struct api *api, struct feed *f, struct feed_rows *r);
bool feed_look_queue(struct api *api, struct feed *f, struct feed_rows *r);
/* Messages came or moved since: the list is to be read again. */
void feed_look_messages(struct api *api, struct feed *f, struct event_cursor *since);
/* What the followed sessions were at the last look. */
struct feed_follow;
struct feed_follow *feed_follow_new(void);
void feed_follow_free(struct feed_follow *w);
/* A session that did something or has ended has more of a transcript; so one that did something a
 * moment ago, as its line may come behind the figure that told of it. */
void feed_look_transcripts(struct api *api, struct feed *f, struct feed_follow *w);
bool feed_look_statistics(struct api *api, struct feed *f, uint64_t *values);
/* Rows as they were at the last look: {"topic", "items", "total"}. New reference. */
json_t *feed_snapshot(struct api *api, enum topic t);
