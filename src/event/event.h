/* Events: one call in a handler gives the line of the text log, a record that is always kept, the
 * counter, and by the reader's tail the console's live view. Rows of events.def and fields.def
 * decide what a call means; a name that they do not have does not compile:
 *
 *     event(smtp_rcpt_refused, &s->log, F_ADDR(rcpt, a), F_CODE(code, 550), F_STR(reply, text));
 *
 * The context gives session, message, peer and account. Any thread. An event costs a copy into
 * shared memory; one thread of the process writes batches to <data>/status/events/<module>/. When
 * that cannot be done in time an event waits at most 50 ms, is dropped and counted (events_lost):
 * mail does not wait for it. What a stranger may leave has an end too (share.h). What the process had emitted when it was killed is written by the
 * supervisor. */
#pragma once

#include "base/err.h"
#include "base/sv.h"
#include "log/log.h"
#include "stats/shm.h"

enum event_type {
#define EVENT(number, symbol, ...) EVT_##symbol = (number),
#include "event/events.def"
#undef EVENT
    EVT_END = 256,
};

enum field_type {
    FT_NONE,
    FT_TEXT,
    FT_ADDRESS,
    FT_IP,
    FT_ID, /* up to here texts */
    FT_HEX,
    FT_INTEGER,
    FT_BYTES,
    FT_DURATION, /* milliseconds */
    FT_CODE,
    FT_TIME, /* milliseconds since 1970 UTC */
};

enum event_field {
#define FIELD(number, symbol, type, key, help) FIELD_##symbol = (number),
#include "event/fields.def"
#undef FIELD
    FIELD_END = 128,
};

/* enum constants, so that a field of another type does not compile */
enum {
#define FIELD(number, symbol, type, key, help) FIELD_TYPE_##symbol = FT_##type,
#include "event/fields.def"
#undef FIELD
};

enum event_severity { SEV_INFO, SEV_NOTICE, SEV_WARNING, SEV_ERROR, SEV_COUNT };
extern const char *const event_severities[SEV_COUNT]; /* "info", "notice", ... */

struct event_arg {
    uint8_t field;
    bool number;
    struct sv text;
    uint64_t n;
};

#define EVENT_CHECK(f, type)                                                                       \
    (0 *                                                                                           \
     sizeof(struct { char field_has_another_type[(int)FIELD_TYPE_##f == (int)(type) ? 1 : -1]; }))
static inline struct sv event_sv(struct sv s)
{
    return s;
}
#define EVENT_TEXT(f, type, v)                                                                     \
    {                                                                                              \
        .field = FIELD_##f + EVENT_CHECK(f, type), .text = _Generic((v), struct sv                 \
                                                                    : event_sv, default            \
                                                                    : sv_c)(v)                     \
    }
#define EVENT_NUMBER(f, type, v)                                                                   \
    {                                                                                              \
        .field = FIELD_##f + EVENT_CHECK(f, type), .number = true, .n = (uint64_t)(v)              \
    }
/* Texts: struct sv or a string; NULL = the field is absent. They are kept up to 512 bytes. */
#define F_STR(f, v)  EVENT_TEXT(f, FT_TEXT, v)
#define F_ADDR(f, v) EVENT_TEXT(f, FT_ADDRESS, v)
#define F_IP(f, v)   EVENT_TEXT(f, FT_IP, v)
#define F_ID(f, v)   EVENT_TEXT(f, FT_ID, v)
/* Numbers */
#define F_KEY(f, v)   EVENT_NUMBER(f, FT_HEX, v)
#define F_INT(f, v)   EVENT_NUMBER(f, FT_INTEGER, v)
#define F_BYTES(f, v) EVENT_NUMBER(f, FT_BYTES, v)
#define F_MS(f, v)    EVENT_NUMBER(f, FT_DURATION, v)
#define F_CODE(f, v)  EVENT_NUMBER(f, FT_CODE, v)
#define F_TIME(f, v)  EVENT_NUMBER(f, FT_TIME, v)

/* symbol: of events.def. ctx: const struct logctx *, log_here() when there is no session at hand.
 */
#define event(symbol, ctx, ...)                                                                    \
    event_emit(EVT_##symbol, (ctx), (const struct event_arg[]){ { 0 }, __VA_ARGS__ },              \
               sizeof((const struct event_arg[]){ { 0 }, __VA_ARGS__ }) /                          \
                   sizeof(struct event_arg))
void event_emit(enum event_type type, const struct logctx *c, const struct event_arg *args,
                size_t n);

/* --- the catalogue --- */

struct event_def {
    const char *symbol, *name; /* NULL: no such number */
    enum event_severity severity;
    int counter; /* enum counter, -1 = none */
    int log;     /* enum log_type, -1 = the context's */
    int level;   /* enum log_level; LOG_NONE = no line */
    const char *text, *sentence, *help;
};
struct field_def {
    const char *name; /* NULL: no such number */
    enum field_type type;
    int key; /* enum event_key of record.h */
    const char *help;
};
extern const struct event_def event_defs[EVT_END];
extern const struct field_def field_defs[FIELD_END];
extern const char *const field_type_names[]; /* "text", "address", ... */

/* --- life, by proc/ and cli/ --- */

/* The shared memory that outlives a killed module; the supervisor holds one per module. */
int event_memory_new(int *ret_fd, struct errinfo *ei);
/* From now on events are kept below <data>/status/events. memory_fd: of event_memory_new, kept by
 * the caller; -1 = private memory. Writes first what a predecessor left in it. A store that cannot
 * be opened is no error here: it is tried again. Settings: event_configure, before or after. */
int event_start(const char *data_dir, enum module self, int memory_fd, struct errinfo *ei);
/* Writes what is left and ends the thread. */
void event_stop(void);
void event_flush(void); /* returns when all events so far are written, or cannot be */
/* The supervisor, after the end of a module: writes what it left behind. */
void event_drain(const char *data_dir, enum module m, int memory_fd);

struct event_conf {
    bool enabled, transcripts;
    unsigned days, transcript_days;           /* 0 = for ever */
    uint64_t max_bytes, transcript_max_bytes; /* of all modules together; 0 = no limit */
    unsigned peer_share; /* percent of these for one stranger's address; 0 = no limit */
};
void event_configure(const struct event_conf *c);
/* To be called about once a second by one thread: indexes, retention, memory given back. */
void event_tick(void);

/* Tests: records are appended to b (record.h); NULL ends it. Not thread-safe to set. */
struct buf;
void event_test_capture(struct buf *b);
