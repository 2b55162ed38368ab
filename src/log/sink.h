/* The supervisor's side of the logs: reads the modules' pipes, owns the files
 *   <dir>/<letter><server id><yyyymmdd>-<nn>.log        letters s p m c e
 *   <dir>/<subdirectory>/<server id><yyyymmdd>-<nn>.log  auth maintenance mailflow dns sql
 * with nn from 00; rotates by size and day, archives and deletes by age. One thread, and one more
 * while old logs go. A write error costs lines, which are counted (log_lines_lost), told on stderr
 * once a minute and in the log of errors as soon as that can be written; nobody waits for it. */
#pragma once

#include "base/err.h"

struct log_sink;

struct log_sink_conf {
    const char *dir;
    const char *server_id; /* "" on a single server */
    uint64_t rotate_bytes; /* 0 = only daily */
    unsigned delete_days;  /* 0 = never */
    const char *archive;   /* a ZIP file that deleted logs are added to before; NULL or "" = none */
    size_t cache_bytes;    /* lines may wait in memory until there are so many, or 5 s; 0 = not */
    bool syslog;           /* to the system log too */
    bool forward;          /* to the syslog server too, by who reads log_sink_forward_fd */
    const char *host;      /* this server's name there */
};

/* Makes the directory. All functions but log_sink_free may be called by any thread. */
int log_sink_new(const struct log_sink_conf *c, struct log_sink **ret, struct errinfo *ei);
/* Copies conf; takes effect with the next line (logcfg.dir, logcfg.rotate live). */
void log_sink_configure(struct log_sink *s, const struct log_sink_conf *c);
/* Starts reading a module's pipe in the sink's thread; takes the fd. It is closed when its writers
 * are gone, or when something else than log records comes out of it. */
int log_sink_add_pipe(struct log_sink *s, int fd);
/* A pipe for the supervisor's own log_attach, which takes it. -errno. */
int log_sink_local_fd(struct log_sink *s);
/* Where lines for the syslog server come out: packets (SOCK_SEQPACKET) of at most LOG_PACKET_MAX
 * bytes with whole frames. A frame is a struct log_frame and a message of RFC 5424. A packet that
 * is not taken waits; behind 8 MiB of them lines are dropped and counted (syslog_lines_lost). The
 * descriptor stays the sink's, so that readers may come and go; -1 = it could not be made. */
enum { LOG_PACKET_MAX = 32 * 1024, LOG_MESSAGE_MAX = 8 * 1024 };
struct log_frame {
    uint32_t n; /* bytes of the message behind it */
};
int log_sink_forward_fd(const struct log_sink *s);
/* Reads what is in the pipes, writes it, closes all. NULL is allowed. */
void log_sink_free(struct log_sink *s);
