/* A connection inside net/. Who may touch what: everything belongs to the one owner (the worker
 * that runs it, or nobody while it is parked), except where a lock or an atomic is named. */
#pragma once

#include <event2/event_struct.h>

#include "net/net_priv.h"

struct ssl_st;
struct tls_store;

/* Ownership. OWNED: queued or running. PARKING: a worker is adding the event. PARKED: only the
 * event and whoever changes this word may take it. WOKE_*: taken, and why; on its way to a worker.
 */
enum conn_state { ST_OWNED, ST_PARKING, ST_PARKED, ST_WOKE_IO, ST_WOKE_TIMER, ST_WOKE_NOTE };

enum conn_phase {
    PH_NEW,       /* open() has not run */
    PH_HANDSHAKE, /* TLS, at the start or after STARTTLS */
    PH_OPEN,
    PH_LINGER, /* session over; swallows input so that the last reply is not lost to a reset */
};

enum out_type { OUT_FILE, OUT_GEN };

/* Output that is made when it can be sent; `after` holds what was written behind it. */
struct out_item {
    struct out_item *next;
    enum out_type type;
    int fd;
    uint64_t off, len;
    int (*gen)(void *arg, struct buf *out);
    void (*done)(void *arg);
    void *arg;
    struct buf after;
};

struct notebox {
    uint32_t n;
    struct note note[];
};

/* conn_hand_over: who gets the connection when its session is over. */
struct hand_over {
    void (*take)(void *arg, struct client *client);
    void *arg;
};

struct conn {
    struct event ev; /* the owner, or libevent under its own lock */
    struct task task;
    struct net *net;
    struct reactor *reactor;
    const struct listener *listener;
    void *session;
    void *own_arg;          /* of open(); NULL = the listener's */
    struct hand_over *hand; /* with closing */
    struct ssl_st *ssl;
    struct buf in, out; /* in_off, out_off: how much of them is done */
    uint32_t in_off, out_off;
    uint32_t after_bytes; /* in the items' after */
    uint32_t hold_mark;   /* while held: output before this offset is not held */
    struct out_item *items;
    struct notebox *notes; /* net->table_lock */
    char *tls_text;        /* conn_tls_info; made on demand */
    const char *refuse;
    int fd;
    uint32_t id, slot;
    int32_t shm_slot;
    uint32_t timeout_ms; /* idle timeout of the session's state */
    int64_t deadline_ms; /* monotonic; idle, handshake, or end of lingering */
    int64_t held_until_ms, started_ms;
    uint64_t turn_in, turn_out; /* bytes moved in this turn */
    uint32_t cb_mark;           /* output at the start of the running callback */
    uint32_t tls_retry;         /* length of the SSL_write that must be repeated; 0 none */
    struct ip_key ip;
    uint16_t peer_port, local_port;
    char peer[ADDR_TEXT_MAX], local[ADDR_TEXT_MAX];
    _Atomic uint8_t state; /* enum conn_state */
    atomic_bool urgent;    /* someone wants the owner's attention */
    atomic_bool has_notes; /* notes is not empty */
    atomic_bool killed;    /* conn_kill_id, or the end of net_stop's patience */
    atomic_bool stop;      /* net_stop, net_end_sessions */
    uint8_t phase;         /* enum conn_phase */
    uint8_t close_why;     /* enum close_why, valid with closing */
    uint8_t parked_for;    /* EV_* of the last parking */
    bool closing : 1;      /* after flushing */
    bool want_tls : 1;     /* conn_starttls was called */
    bool held : 1;         /* conn_delay */
    bool eof : 1;          /* the peer has finished sending */
    bool drained : 1;      /* the last read took all there was */
    bool timed_out : 1;    /* the timer fired */
    bool progress : 1;     /* a frame ran or output went out in this turn */
    bool trusted : 1;
    bool shutting_down : 1; /* timeout() has been told of the server's end */
    bool want_write : 1;    /* TLS wants to write before it can read */
    bool want_read : 1;     /* TLS wants to read before it can write */
    bool dead : 1;          /* the socket failed: output is dropped */
};

/* What a connection does next; returned to conn_work.c's loop. */
enum flush {
    FLUSH_DONE,    /* nothing is left to send (or the rest is held) */
    FLUSH_BLOCKED, /* the peer does not take more now */
    FLUSH_WAIT,    /* the bandwidth limit says later */
    FLUSH_MOVE,    /* much is left: go on in POOL_BULK, behind the others */
    FLUSH_DEAD,    /* the peer is gone */
    FLUSH_ERROR,   /* a file or generator failed */
};

static inline size_t conn_in_pending(const struct conn *c)
{
    return c->in.n - c->in_off;
}
static inline size_t conn_out_pending(const struct conn *c)
{
    return c->out.n - c->out_off;
}
static inline const struct proto_ops *conn_ops(const struct conn *c)
{
    return c->listener->l.ops;
}

enum {
    READ_CHUNK = 64 * 1024,
    OUT_LOW_WATER = 64 * 1024,
    OUT_PLAIN_MAX = 1024 * 1024,
    NOTES_MAX = 256,
    CLOSE_FLUSH_MS = 10000,
    LINGER_MS = 2000,
};

/* conn_work.c */
void conn_work(struct task *t, struct worker *w);
/* conn_open.c */
enum shake { SHAKE_DONE, SHAKE_READ, SHAKE_WRITE, SHAKE_TIMEOUT, SHAKE_FAILED };
void conn_open(struct conn *c); /* first turn: open(), refusal, or the handshake begins */
void conn_begin_handshake(struct conn *c);
enum shake conn_handshake(struct conn *c);
void conn_debug(struct conn *c, const char *what, const char *why); /* a line of the log */
void conn_enter(struct conn *c); /* before each callback that may write */
void conn_begin_close(struct conn *c, enum close_why why);
void conn_goodbye(struct conn *c, enum close_why why); /* timeout() */
/* conn_end.c */
bool conn_finish(struct conn *c, struct worker *w,
                 enum close_why why); /* true: park it, it lingers */
bool conn_linger(struct conn *c);     /* false: done, conn_finish frees it */
/* conn_park.c: true when it is parked (and no longer the caller's); false when it woke already. */
bool conn_park(struct conn *c, short what, int64_t ms);
/* Takes a parked connection for attention; table_lock held, urgent set. */
void conn_claim(struct conn *c);
/* conn_io.c */
enum { READ_BLOCKED = 0, READ_THROTTLED = -1, READ_EOF = -2, READ_FAILED = -3 };
ssize_t conn_read_more(struct conn *c); /* bytes read, or READ_* */
enum flush conn_flush(struct conn *c, struct worker *w);
void conn_lend(struct conn *c, struct worker *w);   /* buffers for this turn */
void conn_return(struct conn *c, struct worker *w); /* and back, keeping what is pending */
/* conn_out.c */
int conn_refill(struct conn *c,
                struct worker *w); /* 0, 1 = made no progress for now, or negative */
void conn_drop_output(struct conn *c);
/* conn_table.c */
void conn_register(struct conn *c);
void conn_unregister(struct conn *c); /* after it no other thread reaches c */
struct notebox *conn_take_notes(struct conn *c);
void conn_stop_all(struct net *net, bool by_force);
void conn_stop_service(struct net *net, enum service svc, bool by_force);
/* conn_hand.c */
void conn_hand_out(struct conn *c, bool usable); /* when it is to be; the socket is gone then */
/* conn.c */
void conn_free(struct conn *c);

/* conn_tls.c. TLS_* results; other values are byte counts. */
enum { TLS_DONE = 1, TLS_WANT_READ = -1, TLS_WANT_WRITE = -2, TLS_CLOSED = -3, TLS_FAILED = -4 };
int tls_attach(struct conn *c); /* 0 or negative */
int tls_handshake(struct conn *c, struct errinfo *ei);
ssize_t tls_read(struct conn *c, void *p, size_t n);
ssize_t tls_write(struct conn *c, const void *p, size_t n);
bool tls_has_input(struct conn *c); /* waits for it in TLS or in the socket */
bool tls_buffered(struct conn *c);  /* inside OpenSSL: the socket will not signal it */
void tls_detach(struct conn *c, bool clean);
bool tls_resumed(const struct conn *c);
