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
                LOG_TYPE_COUNT,
};

enum log_level { LOG_NONE, LOG_SUMMARY, LOG_DEBUG, LOG_EXTENDED };

struct logctx { /* embedded in a session; constant while it is used */
    enum log_type type;
    uint32_t id;        /* session id; the low 16 bits are printed */
    char source[46];    /* peer address; "" = SYSTEM */
    const char *prefix; /* "" or "Client session " */
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

/* Writes one line when the level of c->type is at least `at`. */
void log_line(const struct logctx *c, enum log_level at, const char *fmt, ...) _printf_(3, 4);
/* "<<< data" (read from the peer) and ">>> data" (written to it), at LOG_DEBUG. Trailing CRLF is
 * cut; further lines of data follow as continuation lines without prefix (log.multiline). */
void log_in(const struct logctx *c, struct sv data);
void log_out(const struct logctx *c, struct sv data);
/* The transaction's summary at LOG_SUMMARY (log.summary):
 * *** <from> <to> <n rcpt> <bytes> <hh:mm:ss> <OUTCOME> <MSGID> */
void log_summary(const struct logctx *c, struct sv from, struct sv first_rcpt, unsigned n_rcpt,
                 uint64_t bytes, int64_t duration_s, const char *outcome, const char *msgid);
/* General errors (e file), also to the journal of the system when it says so. */
void log_error(const char *fmt, ...) _printf_(1, 2);
void log_warn(const char *fmt, ...) _printf_(1, 2);
/* The maintenance log (logcfg.maint): changes at LOG_SUMMARY, refused access at LOG_DEBUG, both
 * only at LOG_EXTENDED. fmt gives "<what was done>"; the line is "<what was done> '<admin>'", so
 * that log_maint("a@x.org", "'%s' updated", "System") writes: 'System' updated 'a@x.org' */
void log_maint(const char *admin, const char *fmt, ...) _printf_(2, 3);
/* 'smtp.max_errors' updated 'a@x.org': '20' -> '50'. Secrets: pass "(set)" or "", as conf_text
 * does. */
void log_maint_set(const char *admin, const char *object, const char *old, const char *new_value);
/* "Access denied '<who>': <what>" */
void log_maint_denied(const char *who, const char *fmt, ...) _printf_(2, 3);
/* Authentication log (log.auth.*): policy lines and results. service is "SMTP", "IMAP", ... Policy
 * lines and failures at LOG_SUMMARY, successes at LOG_DEBUG. Source and id: log_thread_session. */
void log_auth_policy(const char *service, const char *fmt, ...) _printf_(2, 3);
void log_auth_result(const char *service, bool ok, struct sv user, int method);

/* Lines go to this pipe from now on, by a flusher thread: a batch when it has 64 KiB or is 20 ms
 * old; at most 4 MiB wait. Takes the fd. Attaching again changes the pipe; -1 is
 * log_detach. */
void log_attach(int pipe_fd);
/* Returns when all lines so far are handed over or dropped (after 5 s without the reader). */
void log_flush(void);
void log_detach(void); /* flushes, ends the thread; lines go to stderr again */
/* Tests: lines are appended to the capture, '\n' terminated; NULL ends it. Not thread-safe to set.
 */
struct buf;
void log_test_capture(struct buf *b);
