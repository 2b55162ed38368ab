/* Inside of net/: reactors, worker pools, listeners, limits. One struct net per process, as handles
 * and session ids of conn.h name connections without naming a net. See docs/internals/conn.md. */
#pragma once

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "conf/conf.h"
#include "net/net.h"

struct event_base;

/* --- worker pools (pool.c) --- */

struct worker;
/* Something a worker does; embedded in what it is about. next belongs to the queue it is in. */
struct task {
    struct task *next;
    void (*run)(struct task *t, struct worker *w);
};

enum worker_slot { SLOT_FREE, SLOT_RUNS, SLOT_ENDED /* to be joined */ };

/* Buffers that a worker lends to the connection it serves, so that idle connections have none. */
struct worker {
    enum worker_slot slot; /* pool lock */
    struct workpool *pool;
    pthread_t thread;
    pthread_cond_t cond;
    struct worker *next_idle; /* pool lock */
    bool woken;               /* pool lock */
    struct buf in, out;       /* this worker only */
};

struct workpool {
    pthread_mutex_t lock; /* guards all below, never held while a task runs */
    struct task *head, **tail;
    size_t n_queued, n_jobs; /* all tasks; net_job's of them */
    struct worker *idle;     /* most recently idle first: its stack and caches are warm */
    bool waking;             /* a worker is on its way; it wakes the next when work is left */
    bool stop;
    unsigned n_max, n_alive;
    atomic_uint n_staying;  /* workers that wait for the peer of the connection they have */
    pthread_cond_t ended;   /* n_alive has become 0 */
    struct worker *workers; /* n_max */
    enum pool which;
};

int workpool_start(struct workpool *p, enum pool which, unsigned n_max, struct errinfo *ei);
void workpool_push(struct workpool *p, struct task *t);
int workpool_job(struct workpool *p, void (*fn)(void *arg), void *arg);
bool workpool_busy(struct workpool *p); /* more is queued */
/* Ends the workers once the queue is empty; false when some were still busy at until_ms. */
bool workpool_stop(struct workpool *p, int64_t until_ms);
void workpool_done(struct workpool *p);

/* --- reactors (reactor.c) --- */

enum { COMMON_MAX = 16 };

struct reactor {
    struct event_base *base;
    pthread_t thread;
    pthread_mutex_t common_lock; /* for adding; n_common is released after the entry is written */
    _Atomic unsigned n_common;
    struct {
        int64_t ms;
        const struct timeval *tv;
    } common[COMMON_MAX];
};

void event_mem_init(void); /* event_mem.c: once, before any other use of libevent */
int reactor_start(struct reactor *r, unsigned nr, struct errinfo *ei);
void reactor_stop(struct reactor *r);
/* The queue for timers of this length, which many connections share; NULL when there are too many.
 */
const struct timeval *reactor_common(struct reactor *r, int64_t ms);

/* --- limits (limits.c) --- */

/* Connections per address and limit group (the setting's row). */
struct ip_key {
    uint8_t addr[16];
    const struct setting *limit;
};
struct ip_count;
struct ip_counts {
    pthread_mutex_t lock; /* guards all below */
    struct ip_count **bucket;
    size_t n_buckets, n;
};
void ip_counts_init(struct ip_counts *t);
void ip_counts_done(struct ip_counts *t);
uint32_t ip_counts_inc(struct ip_counts *t, const struct ip_key *k); /* the new count */
void ip_counts_dec(struct ip_counts *t, const struct ip_key *k);

/* Token bucket of the module. rate 0: unlimited. */
struct bandwidth {
    _Atomic int64_t rate; /* bytes/s */
    pthread_mutex_t lock; /* guards the two below */
    int64_t tokens, filled_us;
};
size_t bandwidth_take(struct bandwidth *b, size_t want); /* 0: wait bandwidth_wait_ms */
void bandwidth_give_back(struct bandwidth *b, size_t n);
int64_t bandwidth_wait_ms(struct bandwidth *b);

/* --- the whole --- */

enum { LISTENERS_MAX = 64, REACTORS_MAX = 64 };

struct listener {
    struct net_listener l;
    const struct setting *per_ip;                   /* NULL: no limit */
    const struct setting *access_mode, *access_ips; /* NULL: those of all services only */
    const struct setting *certificate;              /* NULL: clients are asked for none */
};

struct net {
    struct reactor reactor[REACTORS_MAX];
    unsigned n_reactors;
    struct workpool pool[POOL_COUNT];

    struct acceptor *acceptor;
    pthread_mutex_t listen_lock; /* guards additions and the fds of listener */
    struct listener
        listener[LISTENERS_MAX]; /* l.fd -1: shut down; its connections still look at it */
    unsigned n_listeners;

    pthread_mutex_t table_lock; /* guards table, free_slots and each connection's notes */
    struct conn **table;
    uint32_t *free_slots;
    uint32_t n_table, n_free;

    struct ip_counts per_ip;
    struct bandwidth bandwidth;
    _Atomic uint32_t n_conns; /* sockets open, also those that are being refused or linger */
    _Atomic int64_t max_conns;
    atomic_bool stopping;
};

/* Of a setting that is a number. */
int64_t net_setting(const struct conf *cf, const struct setting *s);

/* The process's net; NULL before net_start and after net_stop. */
extern struct net *_Atomic net_current;

/* --- accept thread (accept.c) --- */

int acceptor_start(struct net *n, struct errinfo *ei);
void acceptor_wake(struct net *n); /* listeners were added */
void acceptor_stop(struct net *n); /* closes the listeners */
void acceptor_free(struct net *n);

/* Facts of an accepted socket. Takes fd. refuse: NULL or why the peer is turned away. */
struct conn_facts {
    struct net *net;
    const struct listener *listener;
    int fd;
    struct sockaddr_storage peer;
    struct ip_key ip;
    bool trusted;
    const char *refuse;
    struct ssl_st *ssl; /* TLS that is established; taken */
    void *arg;          /* of open(); NULL = the listener's */
    uint32_t id;        /* of its session; 0 = a new one */
};
void conn_start(const struct conn_facts *f);

/* --- addresses (addr.c) --- */

#define ADDR_TEXT_MAX 46
/* 16 bytes, IPv4 as ::ffff:a.b.c.d. False for other families. */
bool sockaddr_bytes(const struct sockaddr_storage *ss, uint8_t ret[16]);
/* Text without port; IPv4-mapped addresses as IPv4. */
uint16_t sockaddr_text(const struct sockaddr_storage *ss, char ret[ADDR_TEXT_MAX]);
/* "1.2.3.4" or "::1" to an address with port; E_PARSE. */
int sockaddr_parse(const char *ip, uint16_t port, struct sockaddr_storage *ret, socklen_t *ret_n);
