/* Reading events: by the API, the console's live view and the CLI, with a running server or
 * without. Nothing is held between calls but a cursor, which is text for those who page; any
 * thread, any process that may read <data>/status/events.
 *
 *   list        event_query: newest first (or oldest first) over all modules, merged by time, with
 *               filters; keys (session, message, msgid, address, ip, name) use indexes
 *   page        pass the cursor again: it stays right while events are added and old ones deleted
 *   live        event_now, then event_query oldest first with that cursor; event_any_since is the
 *               cheap question before it
 *   sessions    event_query with name "session.end": the history, one record each with totals
 *   transcript  event_transcript: lines of a session, also of a live one; its cursor follows
 *   timeline    event_timeline: everything about a message id, with its notices
 *
 * A record is looked at with record_text, record_number, record_next (record.h) and event_defs;
 * text_sentence (text.h) gives the sentence for people. Session keys are struct
 * event_head.session: 16 hex digits in the API; message keys are .message. */
#pragma once

#include "event/record.h"

struct event_view {
    enum module module;
    struct record record;        /* valid during the call */
    const struct event_def *def; /* NULL: of a newer version */
};

enum { EVENT_CURSOR_TEXT = 16 * MOD_COUNT + 1 };
struct event_cursor {
    bool set; /* false: begin */
    struct {
        uint32_t segment, offset;
    } at[MOD_COUNT];
};
void event_cursor_text(const struct event_cursor *c, char ret[EVENT_CURSOR_TEXT]);
int event_cursor_parse(struct sv text, struct event_cursor *ret); /* E_PARSE */

enum { EVENT_MESSAGES_MAX = 256 };
struct event_query {
    bool oldest_first;
    int64_t from_us, to_us; /* wall clock, [from, to); 0 = open */
    uint64_t session, message;
    const uint64_t *messages; /* any of these, in ascending order, at most EVENT_MESSAGES_MAX */
    size_t n_messages;
    struct sv msgid;              /* as in the logs, any case */
    struct sv address;            /* sender, recipient, account, user name */
    struct sv ip;                 /* of the peer, or of the server that we called */
    struct sv name;               /* "smtp.rcpt.refused", or a beginning with its dot: "smtp." */
    struct sv or_name;            /* with name: or this one */
    int service;                  /* 1 + enum service; 0 = any */
    int module;                   /* 1 + enum module; 0 = any */
    enum event_severity severity; /* at least */
    /* Further conditions of the caller; NULL = none. Called for candidates only. */
    bool (*match)(const struct event_view *e, void *arg);
    void *match_arg;
    size_t limit;      /* 0 = none */
    int64_t budget_ms; /* then it stops, to go on with the cursor; 0 = none */
};
/* Calls fn for each event; false from fn ends it (that event counts as read). cursor may be NULL;
 * set, it is where to begin, and in any case where to go on afterwards. *ret_more (may be NULL):
 * there may be more. Negative only for a query that cannot be (E_PARSE: no such name). */
int event_query(const char *data_dir, const struct event_query *q, struct event_cursor *cursor,
                bool (*fn)(const struct event_view *e, void *arg), void *arg, bool *ret_more,
                struct errinfo *ei);

void event_now(const char *data_dir, struct event_cursor *ret);
/* May there be something behind the cursor? Costs some stat calls. */
bool event_any_since(const char *data_dir, const struct event_cursor *c);

struct transcript_line {
    int64_t time_us;
    enum transcript_type type;
    uint64_t session;
    struct sv text; /* one log entry; continuation lines after '\n' */
};
/* The lines of a session in their order. cursor as above. */
int event_transcript(const char *data_dir, uint64_t session, struct event_cursor *cursor,
                     bool (*fn)(const struct transcript_line *l, void *arg), void *arg);

/* All events of a message and of the notices about it, by time. */
struct event_timeline {
    struct event_view *events; /* records point into memory of the timeline */
    size_t n;
    bool cut; /* there are more than EVENT_TIMELINE_MAX */
    void *memory;
};
enum { EVENT_TIMELINE_MAX = 20000 };
/* key 0: by id alone. Both: what the key has, and events that name the id and have no key. */
int event_timeline(const char *data_dir, struct sv msgid, uint64_t key, struct event_timeline *ret);
/* The events of several messages at once, by time; without their notices'. keys as
 * event_query.messages. */
int event_timelines(const char *data_dir, const uint64_t *keys, size_t n,
                    struct event_timeline *ret);
void event_timeline_done(struct event_timeline *t);
