/* Text logs in the form that docs/logs.md describes. A line is
 *   <source padded to 15> [<4 hex of the session>] <hh:mm:ss> <text>
 * with source = peer address or SYSTEM. Modules format lines and hand them to the supervisor
 * through a pipe (log_attach); the supervisor owns the files (sink.h). Without a pipe lines go to
 * stderr, in unit tests to a capture (log_test_capture).
 * Any thread; never blocks longer than 50 ms: then the line is dropped and counted.
 * Text from peers is escaped here, once (control characters, invalid UTF-8). */
#pragma once

#include "base/err.h"
#include "base/sv.h"

enum log_type {                  /* letter of the file name or its subdirectory */
                LOG_SMTP,        /* s */
                LOG_POP3,        /* p */
                LOG_IMAP,        /* m */
                LOG_WEB,         /* c: web and control */
                LOG_ERRORS,      /* e: general errors, always on */
                LOG_AUTH,        /* authentication, with milliseconds */
                LOG_MAINTENANCE, /* maintenance/: who changed what */
                LOG_MAILFLOW,    /* what happened to a message after SMTP */
                LOG_DNS,
                LOG_SQL,
                LOG_MANAGESIEVE, /* v */
                LOG_TYPE_COUNT,
};

#define LOG_CLIENT "Client session " /* before the lines of our own sessions with other servers */

enum log_level { LOG_NONE, LOG_SUMMARY, LOG_DEBUG, LOG_EXTENDED };

struct logctx { /* embedded in a session; what a line or an event belongs to */
    enum log_type type;
    uint32_t id;        /* session id; the low 16 bits are printed */
    char source[46];    /* peer address; "" = SYSTEM */
    uint8_t service;    /* 1 + enum service, 0 = none */
    const char *prefix; /* "" or LOG_CLIENT */
    /* For events (event/event.h); 0 and NULL where there is none. The texts live as long as they
     * stand here. */
    uint64_t session;       /* key of the session: shm_session_key(id) */
    uint64_t message;       /* key of the message that is being worked on */
    const char *message_id; /* and its id */
    const char *account;    /* address of who has logged in */
};

bool log_on(enum log_type t, enum log_level at_least);
void log_set_level(enum log_type t, enum log_level l); /* LOG_ERRORS stays on */
/* All levels from settings, by enum log_type; values outside the choices are taken as LOG_NONE. */
void log_configure_levels(const int64_t levels[LOG_TYPE_COUNT]);
void log_set_max_line(
    size_t bytes); /* log.max_line; the rest of a longer line is cut, with a mark */
/* The session that this thread works for: general errors and authentication lines carry its source
 * and id instead of SYSTEM [0000]. Set around a job, NULL at its end; returns the one before. */
const struct logctx *log_thread_session(const struct logctx *c);
/* The session of this thread, or a context without any. */
const struct logctx *log_here(void);

/* Would a line of c at that level be written, or be part of a transcript? */
bool log_wanted(const struct logctx *c, enum log_level at);
/* Writes one line when the level of c->type is at least `at`. */
void log_line(const struct logctx *c, enum log_level at, const char *fmt, ...) _printf_(3, 4);
/* "<<< data" (read from the peer) and ">>> data" (written to it), at LOG_DEBUG. Trailing CRLF is
 * cut; further lines of data follow as continuation lines without prefix (log.multiline). */
void log_in(const struct logctx *c, struct sv data);
void log_out(const struct logctx *c, struct sv data);
/* A line that the caller has put together, with what came from outside by log_add; for room event.
 * t other than c->type: without c's prefix. The maintenance log's levels are kinds of lines
 * (logcfg.maint): changes at LOG_SUMMARY, refused access at LOG_DEBUG, both only at
 * LOG_EXTENDED. */
bool log_type_wanted(const struct logctx *c, enum log_type t, enum log_level at);
void log_write(const struct logctx *c, enum log_type t, enum log_level at, struct sv text);
/* Adds text escaped, cut at log.max_line. */
struct buf;
void log_add(struct buf *b, struct sv text);
/* General errors (e file), also to the journal of the system when it says so. */
void log_error(const char *fmt, ...) _printf_(1, 2);
void log_warn(const char *fmt, ...) _printf_(1, 2);

/* What else becomes of lines; set once, at the start of a process. Any thread calls them. */
enum log_direction { LOG_IN, LOG_OUT, LOG_NOTE };
struct log_hooks {
    /* A line of a session (c->session) up to LOG_DEBUG, at whatever level the log is; without
     * source, id, time, c->prefix and the marks of direction. */
    void (*transcript)(const struct logctx *c, enum log_direction d, struct sv text);
    void (*general)(const struct logctx *c, bool error, struct sv text); /* log_error, log_warn */
};
void log_set_hooks(const struct log_hooks *h);
void log_set_transcripts(bool on); /* off: hooks.transcript is not called */

/* Lines go to this pipe from now on, by a flusher thread: a batch when it has 64 KiB or is 20 ms
 * old; at most 4 MiB wait. Takes the fd. Attaching again changes the pipe; -1 is
 * log_detach. */
void log_attach(int pipe_fd);
/* Returns when all lines so far are handed over or dropped (after 5 s without the reader). */
void log_flush(void);
void log_detach(void); /* flushes, ends the thread; lines go to stderr again */
/* Tests: lines are appended to the capture, '\n' terminated; NULL ends it. Not thread-safe to set.
 */
void log_test_capture(struct buf *b);
