/* The inside of the room: one attempt at a remote account, by one thread. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "conf/conf.h"
#include "event/event.h"
#include "mail/account/remote_store.h"
#include "mail/collect/collect.h"
#include "mail/message/message.h"
#include "net/client.h"
#include "net/secure.h"

enum {
    MAX_LISTED = 200000, /* messages of one mailbox */
    MAX_REPLY_LINE = 8 * 1024,
    MAX_LIST_LINE = 4 * 1024 * 1024,
    MAX_CONTENT_LINE = 8 * 1024 * 1024,
    MAX_LINES = 100000, /* of one answer */
};

struct collect {
    struct collect_opts o;
    atomic_bool stopping;
    pthread_mutex_t lock; /* guards what stands below */
    pthread_cond_t wake;
    unsigned wakes;
    pthread_t *threads;
    size_t n_threads;
    int64_t *busy; /* by thread: id of what it works at, 0 = nothing */
};

struct listed {      /* a message there */
    uint32_t number; /* POP3: of the session; IMAP: uid */
    char id[REMOTE_SEEN_ID + 1];
    uint64_t key;     /* that it has here */
    int64_t since_ms; /* when it was taken; 0 = not yet */
    bool queued;      /* is in the queue, and was not written down */
};

struct attempt {
    struct collect *c;
    const struct conf *cf;
    const struct remote_account *r;
    const struct account *acc;
    struct logctx log;
    struct client *client;
    char ip[46];
    bool is_secure;                   /* the host is a secure destination */
    struct secure_destination secure; /* points into cf */
    struct listed *v;
    size_t n;
    unsigned tag;             /* IMAP */
    uint32_t uidvalidity;     /* IMAP; 0 = not told */
    bool uidplus;             /* IMAP */
    int64_t began_ms, end_ms; /* monotonic; end_ms: no longer */
    int64_t collected, deleted;
};

/* Content on its way into a message. */
struct sink {
    struct attempt *x;
    struct message *m;
    struct buf mem; /* not yet written */
    int fd;         /* spool file; -1 = none yet */
    bool begun;     /* the header was looked at, trace fields are there */
    bool too_large, circles, accepted;
    uint64_t total, limit;
};

/* --- session.c: lines, deadlines, TLS, logs --- */
int session_connect(struct attempt *x, struct errinfo *ei);
int session_tls(struct attempt *x, struct errinfo *ei);
/* Why there is no TLS, or none that will do; E_TLS. */
int session_insecure(struct attempt *x, const char *why, struct errinfo *ei);
/* What became of asking for TLS: a refusal (E_AUTH) is the same as no TLS. */
int session_starttls(struct attempt *x, int r, struct errinfo *ei);
/* shown: for the log, NULL = the command itself. */
int session_send(struct attempt *x, const char *shown, struct errinfo *ei, const char *fmt, ...)
    _printf_(4, 5);
int session_line(struct attempt *x, size_t max, struct sv *ret, struct errinfo *ei);
int session_read(struct attempt *x, void *p, size_t n, struct errinfo *ei);
int session_overdue(struct attempt *x, struct errinfo *ei);
int session_refused(struct attempt *x, const char *what, struct sv reply, struct errinfo *ei);
/* A message of the list; E_LIMIT. uid: as the server tells it. */
int session_add(struct attempt *x, uint32_t number, struct sv uid, struct errinfo *ei);

/* --- take.c --- */
void sink_begin(struct sink *s, struct attempt *x, const struct listed *l);
/* What is too large is swallowed, up to a limit (E_RANGE). */
int sink_add(struct sink *s, struct sv in, struct errinfo *ei);
/* Accepts it: durable in the queue when it returns 0. */
int sink_end(struct sink *s, struct errinfo *ei);
void sink_done(struct sink *s);

/* --- pop3.c, imap.c --- */
struct collect_protocol {
    int (*begin)(struct attempt *x, struct errinfo *ei); /* greeting, TLS, login */
    int (*list)(struct attempt *x, struct errinfo *ei);
    int (*fetch)(struct attempt *x, const struct listed *l, struct sink *to, struct errinfo *ei);
    int (*drop)(struct attempt *x, const struct listed *l, struct errinfo *ei);
    int (*end)(struct attempt *x, struct errinfo *ei); /* makes deletions final */
};
extern const struct collect_protocol collect_pop3, collect_imap;

/* --- atrn.c: greeting, TLS, login, ATRN, and the session of our server --- */
int collect_atrn(struct attempt *x, struct errinfo *ei);

/* --- attempt.c --- */
int attempt_run(struct attempt *x, struct errinfo *ei);
