/* Shared by the files of this room. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "server/http/libs_priv.h"
#include "base/hash.h"
#include "base/list.h"
#include "conf/conf.h"
#include "server/http/http.h"

#define HTTP_HEAD_MAX   (16 * KiB) /* a request's line and headers */
#define HTTP_JOBS_MAX   2000       /* requests that wait for a worker */
#define HTTP_LISTEN_MAX 16
#define HTTP_GZIP_MIN   1024
/* Bodies in memory, of all connections and of one address; small ones are always taken, so that
 * signing in works. Trusted addresses have no share of their own. */
#define HTTP_BODIES_MAX  (64 * MiB)
#define HTTP_BODIES_PEER (16 * MiB)
#define HTTP_BODY_SMALL  (8 * KiB)

enum phase {
    PHASE_HEAD,  /* waits for a complete head: also between two requests */
    PHASE_BODY,  /* reads the body */
    PHASE_WORK,  /* the handler has it */
    PHASE_WRITE, /* the answer is being taken */
    PHASE_STREAM,
};

/* What an accepted connection is to the table of sessions and to the history. Its thread's, and
 * the worker's while that has a request of it. */
struct session {
    uint32_t id;
    int32_t slot;
    int64_t started_ms; /* wall clock */
    char local[46];
    char account[256]; /* of the last request that had one */
    uint64_t in, out;  /* bytes, as far as they are in the table */
    uint32_t requests, refused;
    const char *tls; /* version; NULL = none */
    bool kept;       /* its begin is in the history */
    bool streams;    /* the answer is one without end, */
    bool cut;        /* or was not taken to its end */
};

/* An accepted connection. */
struct peer {
    struct list node;
    struct http *h;
    struct MHD_Connection *mhd;
    int fd;
    struct session s;
    atomic_bool killed, late; /* shut down by an administrator, or as it was over its time */
    char ip[46], ip_key[46];
    bool tls, trusted;
    enum phase phase;
    int64_t deadline_ms; /* of the phase; 0 = none */
};

/* One request, from its first line to its end. */
struct http_conn {
    struct http *h;
    struct MHD_Connection *mhd;
    struct peer *peer;
    char *uri; /* as sent */
    const char *method;
    struct buf body;
    size_t body_max;
    size_t body_held;  /* counted in bodies */
    bool body_refused; /* there is no room for it */
    bool begun, api, queued, done, suspended;
    struct list node; /* of jobs or of delayed answers */
    int64_t due_ms;
    struct http_response res;
    bool gzip;         /* the client takes it */
    bool body_gzipped; /* and the body is */
};

struct files;

struct http {
    struct http_opts o;
    char *console_path, *cert_dir;

    /* Until the first connection comes; then libraries, daemons and workers begin. */
    struct {
        int fd;
        bool tls;
    } waiting[HTTP_LISTEN_MAX];
    size_t n_waiting;
    int wake[2]; /* written to at stop */
    pthread_t waiter;
    bool waits;
    pthread_mutex_t begin_lock; /* guards begun against a reload */
    bool begun;

    uint16_t tls_port; /* of the first socket with TLS; 0 = none */
    struct MHD_Daemon *daemons[HTTP_LISTEN_MAX];
    size_t n_daemons;
    struct files *files;

    pthread_mutex_t peers_lock; /* guards peers, counts, bodies */
    pthread_cond_t peers_change;
    struct list peers;
    size_t n_peers;
    size_t bodies;          /* bytes */
    struct map *bodies_ips; /* address -> bytes */
    struct map *per_ip;     /* address -> number */

    pthread_mutex_t jobs_lock; /* guards jobs, delayed, n_jobs, stop */
    pthread_cond_t jobs_come, timer_wakes;
    struct list jobs, delayed;
    size_t n_jobs;
    bool stop;
    pthread_t *workers, timer;
    size_t n_workers;
    bool timer_runs;
};

/* begin.c */
int http_wait_begin(struct http *h, struct errinfo *ei);
void http_wait_end(struct http *h); /* afterwards begun does not change */

/* server.c: what the first connection starts. */
void http_start(struct http *h);

/* peers.c: limits by number and time. */
enum MHD_Result http_accept(void *arg, const struct sockaddr *addr, socklen_t n);
void http_notify(void *arg, struct MHD_Connection *c, void **socket_context,
                 enum MHD_ConnectionNotificationCode code);
struct peer *http_peer(struct MHD_Connection *c);
void http_phase(struct peer *p, enum phase phase);
/* Room for n more bytes of the request's body, now or later. */
bool http_body_fits(const struct http_conn *c, uint64_t n);
bool http_body_hold(struct http_conn *c, size_t n); /* false: there is no room */
void http_body_release(struct http_conn *c);
void http_reap(struct http *h); /* ends those that are over their time */
/* Until nobody waits for an answer, or takes one; ms at most. */
void http_wait_answered(struct http *h, int64_t ms);
void http_peers_end(struct http *h);

void http_address_text(const struct sockaddr *a, char ret[46]);

/* session.c */
void http_session_open(struct peer *p);
void http_session_request(struct http_conn *c);
void http_session_answered(struct peer *p, int status);
void http_session_bytes(struct peer *p); /* tells what it has moved so far */
void http_session_close(struct peer *p);

/* request.c */
void *http_uri_begin(void *arg, const char *uri, struct MHD_Connection *c);
enum MHD_Result http_access(void *arg, struct MHD_Connection *c, const char *url,
                            const char *method, const char *version, const char *data, size_t *n,
                            void **req_cls);
void http_completed(void *arg, struct MHD_Connection *c, void **req_cls,
                    enum MHD_RequestTerminationCode code);

/* worker.c */
int http_workers_start(struct http *h, struct errinfo *ei);
void http_workers_stop(struct http *h);
bool http_submit(struct http_conn *c); /* false: too many wait */

/* reply.c */
enum MHD_Result http_reply(struct http_conn *c);
enum MHD_Result http_reply_error(struct http_conn *c, int status, const char *text, bool close);
void http_add_common_headers(struct http_conn *c, struct MHD_Response *r);
bool http_accepts_gzip(const char *accept_encoding);
/* Gzips in place; level: 1 to 9. False: it would not be smaller, or failed. */
bool http_gzip(struct buf *body, int level);

/* files.c */
struct files *files_new(const char *dir);
void files_free(struct files *f);
void files_scan(struct files *f);
enum MHD_Result http_reply_file(struct http_conn *c);

/* clear.c: pages that ask for a password are not shown in clear text. */
bool http_must_have_tls(const struct http_conn *c);
enum MHD_Result http_reply_use_tls(struct http_conn *c);

/* cert.c: the process's certificates for MHD's TLS. Files that cannot be used are logged and left
 * out; on a reload what they held before stays in force. E_NOTFOUND: there is none. */
int http_certs_load(const char *dir, struct errinfo *ei);
bool http_certs_any(void);
void http_certs_unload(void);
int http_cert_callback(gnutls_session_t session, const struct gnutls_cert_retr_st *info,
                       gnutls_pcert_st **certs, unsigned *n, gnutls_ocsp_data_st **ocsp,
                       unsigned *n_ocsp, gnutls_privkey_t *key, unsigned *flags);
