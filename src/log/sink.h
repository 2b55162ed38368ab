/* The supervisor's side of the logs: reads the modules' pipes, owns the files
 * <dir>/<letter><server id><yyyymmdd>-<nn>.log and the subdirectories, rotates by size and day,
 * deletes by age. One thread. */
#pragma once

#include "base/err.h"

struct log_sink;

struct log_sink_conf {
    const char *dir;
    const char *server_id;   /* "" on a single server */
    uint64_t rotate_bytes;   /* 0 = only daily */
    unsigned delete_days;    /* 0 = never */
};

int log_sink_new(const struct log_sink_conf *c, struct log_sink **ret, struct errinfo *ei);
/* Copies conf; takes effect with the next line (logcfg.dir, logcfg.rotate live). */
void log_sink_configure(struct log_sink *s, const struct log_sink_conf *c);
/* Starts reading a module's pipe in the sink's thread; takes the fd. */
int log_sink_add_pipe(struct log_sink *s, int fd);
int log_sink_local_fd(struct log_sink *s); /* a pipe for the supervisor's own log_attach */
void log_sink_free(struct log_sink *s);    /* drains, closes */
