/* The deliverer's inside, shared by its files. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "conf/conf.h"
#include "event/event.h"
#include "mail/deliver/deliver.h"

enum { LOCAL_BATCH = 64 };

struct deliver {
    struct queue *queue;
    struct mailstore *store;
    struct accounts *accounts;
    struct archive *archive;
    char *policy_dir; /* NULL: none */
    struct tlsrpt *tlsrpt;
    struct older *older;
    struct adapt *adapt;
    pthread_t *threads;
    size_t n_threads, n_running;
    pthread_cond_t ended; /* a thread ended */

    size_t may_start;     /* further threads of remote_run */
    size_t n_free;        /* of those that there are: wait for a message, or are about to */
    pthread_mutex_t lock; /* guards everything below and the numbers of threads */
    struct list sessions; /* struct outgoing: connections and their cancel flags */
    struct list troubles; /* trouble.c */
    struct list turns;    /* turned.c */
    unsigned n_connections;
    pthread_cond_t connection_free;
    atomic_bool stopping; /* new connections are not opened any more */
};

/* A connection that can be killed. */
struct outgoing {
    struct list link;
    uint32_t id;
    atomic_bool cancel;
};
void outgoing_open(struct deliver *d, struct outgoing *o);
void outgoing_close(struct deliver *d, struct outgoing *o);

/* The context of what becomes of a message. */
struct logctx deliver_ctx(const struct message *m);

/* A thread with the stack that a delivery needs; 0 or an errno. */
int deliver_thread(pthread_t *ret, void *(*run)(void *arg), void *arg);
/* With the lock: one more thread of remote_run when none is free. They are made as they are needed:
 * most servers never have as many connections as they may. An errno; the message that could not
 * have its thread waits for one that becomes free. */
int deliver_start_remote(struct deliver *d);
/* local.c, remote.c: threads */
void *local_run(void *arg);
void *remote_run(void *arg);

/* What decides about an account's mail: its rules of content filters; then the scripts, the
 * server's before, its own, the server's after. Those that are there, counted. */
enum { SCRIPTS_MAX = 3 };
struct active_script;
struct filter_list;
struct script_chain {
    const struct filter_list *rules; /* NULL: none */
    const struct active_script *v[SCRIPTS_MAX];
    size_t n;
};
/* False: mail goes to the inbox. */
bool script_chain_any(const struct script_chain *c);
/* script_chain.c. < 0: cannot tell now. One that cannot be read is left out, and logged. */
int script_chain_find(struct deliver *d, const struct account *acc, struct script_chain *ret,
                      struct errinfo *ei);
void script_chain_done(struct script_chain *c);

/* script.c: delivers to an account with rules or Sieve scripts. */
struct forward_plan;
struct script_outcome {
    enum rcpt_state state;
    char text[600]; /* the answer */
    bool stored;    /* in a folder of the mailbox */
    bool deleted;   /* by a rule: it is not answered either */
};
/* What the account's mailbox, and its domain, may hold (local_store.c). */
struct mailbox_quota deliver_quota(const struct account *acc);
/* Not stored. */
void outcome_set(struct script_outcome *ret, enum rcpt_state state, const char *text);
/* Asks the rules, runs the scripts and carries out what they say, and the account's forwarding
 * (NULL: none). First what the mailbox recognises when it is repeated, then what leaves. mb: NULL
 * when the forwarding keeps no copy. -ESTALE: open the mailbox again and repeat. Other errors,
 * E_QUOTA too: nothing has left. */
int script_deliver(struct deliver *d, struct message *m, struct rcpt *r, const struct account *acc,
                   const struct script_chain *scripts, struct forward_plan *forward,
                   struct mailbox *mb, struct script_outcome *ret, struct errinfo *ei);

/* auto_reply.c: has the account an automatic reply today? Sends it, or tells why not. */
bool auto_reply_wanted(const struct account *acc);
void auto_reply(struct deliver *d, struct message *m, struct rcpt *r, const struct account *acc);

/* bounce.c: tells the sender what has newly become of the recipients (bounce, success, delay),
 * through the queue. Called before queue_settle: after a crash it is repeated, and the queue knows
 * the notice. A notice that cannot be queued turns the recipients back into waiting ones. */
void bounce_notify(struct deliver *d, struct message *m);

/* dsn.c */
struct dsn_opts {
    const char *kind; /* "failed", "delayed", "relayed", "delivered" */
    const char *hostname;
    const char *from;       /* deliver.bounce_from */
    uint64_t max_content;   /* deliver.bounce_max_content */
    int64_t retry_until_ms; /* for "delayed" */
};
struct message *dsn_make(const struct message *m, const struct dsn_opts *o, struct errinfo *ei);
bool dsn_wants(const struct rcpt *r, const char *kind);
