/* The files behind the sink: naming, rotation, deletion. Used by the sink's thread alone. */
#pragma once

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
    int64_t checked_ms; /* when the name was last seen to exist */
    int64_t retry_ms;   /* after a failure: not before this time */
};

struct log_files {
    char *dir, *server_id;
    uint64_t rotate_bytes;
    unsigned delete_days;
    struct log_file files[LOG_TYPE_COUNT];
    uint32_t day;        /* the last one that log_files_tick saw */
    uint64_t lost;       /* lines, since the last report */
    int64_t reported_ms; /* when stderr was last told; 0 = never */
    char fault[200];     /* of the latest failure */
};

void log_files_init(struct log_files *f);
/* Closes the files when the directory or server id changes; deletes by the new age. */
void log_files_configure(struct log_files *f, const struct log_sink_conf *c);
void log_files_add(struct log_files *f, enum log_type t, uint32_t ymd, struct sv text);
void log_files_write(struct log_files *f); /* what is pending, to disk */
/* Day change: closes yesterday's files, deletes the old ones. Reports losses. */
void log_files_tick(struct log_files *f);
void log_files_done(struct log_files *f);

/* The system log's socket; lines are dropped when it does not take them. */
struct log_syslog {
    const char *path; /* "/dev/log"; tests have their own */
    int fd;           /* -1 = not connected */
    int64_t retry_ms;
};
void log_syslog_send(struct log_syslog *s, enum log_type t, struct sv text);
