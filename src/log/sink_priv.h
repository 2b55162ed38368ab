/* The files behind the sink: naming, rotation, deletion. Used by the sink's thread alone. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "log/log.h"
#include "log/sink.h"

struct log_file {
    int fd;       /* -1 = not open */
    uint32_t ymd; /* of the open file, or of the failed attempt */
    unsigned nn;
    uint64_t size; /* with what is pending */
    struct buf pending;
    unsigned pending_lines;
    int64_t retry_ms; /* after a failure: not before this time */
};

/* Deletion of old logs (sink_old.c). */
struct log_old {
    int wake;         /* eventfd that is written to when the thread is through */
    bool due;         /* to be done as soon as no thread runs */
    int64_t again_ms; /* it failed; 0 = it did not */
    bool started;
    atomic_bool ended, cancel;
    pthread_t thread;
    /* The thread's while it runs. */
    char *dir, *server_id, *archive;
    uint32_t keep; /* the first day that is not deleted */
    bool failed;
};

struct log_files {
    char *dir, *server_id;
    char *archive; /* "" = none */
    uint64_t rotate_bytes;
    size_t cache_bytes; /* 0 = none */
    unsigned delete_days;
    struct log_file files[LOG_TYPE_COUNT];
    struct log_old old;
    size_t waiting;      /* bytes of all that is pending */
    int64_t waiting_ms;  /* since when */
    bool urgent;         /* an error is among it */
    uint32_t day;        /* the last one that log_files_tick saw */
    uint64_t lost;       /* lines, since the last report on stderr */
    int64_t reported_ms; /* when that was; 0 = never */
    uint64_t untold;     /* lost lines that the log does not tell of yet */
    int64_t told_ms;     /* when it last told of some; 0 = never */
    bool works;          /* nothing has failed since something was written */
    char fault[200];     /* of the latest failure */
};

void log_files_init(struct log_files *f, int wake);
/* Closes the files when the directory or server id changes; deletes by the new age. */
void log_files_configure(struct log_files *f, const struct log_sink_conf *c);
void log_files_add(struct log_files *f, enum log_type t, uint32_t ymd, struct sv text);
/* What is pending, to disk; with a cache when that is full, has waited for long or holds an error.
 */
void log_files_write(struct log_files *f);
/* Frees the buffers in which nothing is pending. */
void log_files_slim(struct log_files *f);
/* How long what is pending may wait still, at most `most` milliseconds. */
int log_files_patience(const struct log_files *f, int most);
/* Day change: closes yesterday's files, deletes the old ones. Reports losses. */
void log_files_tick(struct log_files *f);
void log_files_done(struct log_files *f);

/* Starts deletion when it is due, joins its thread when that has ended. */
void log_old_tick(struct log_old *o, const struct log_files *f);
void log_old_stop(struct log_old *o);

/* The system log's socket; lines are dropped when it does not take them. */
struct log_syslog {
    const char *path; /* "/dev/log"; tests have their own */
    int fd;           /* -1 = not connected */
    int64_t retry_ms;
};
void log_syslog_send(struct log_syslog *s, enum log_type t, struct sv text);

/* Lines on their way to the syslog server (sink_forward.c): a bounded queue, and a packet socket to
 * the process that speaks with the server. */
struct log_forward {
    int fd[2];        /* ours, and the reader's; -1 = there is no socket */
    struct buf queue; /* of frames, see log_frame */
    size_t sent;      /* bytes of it that are in the socket */
    uint64_t untold;  /* lost lines that the log does not tell of yet */
    int64_t told_ms;
};
void log_forward_init(struct log_forward *f);
void log_forward_add(struct log_forward *f, const char *host, enum log_type t, struct sv text);
void log_forward_flush(struct log_forward *f);       /* as much as the socket takes */
bool log_forward_waits(const struct log_forward *f); /* for room in the socket */
void log_forward_drop(struct log_forward *f);        /* what waits: nobody wants it any more */
void log_forward_done(struct log_forward *f);
