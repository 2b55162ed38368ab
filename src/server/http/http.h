/* The HTTP/1.1 server of module control: listeners, TLS, limits, files of the console; everything
 * below /api/, and /unsubscribe, goes to a handler. Sole user of libmicrohttpd. Connections are
 * served by one thread per listener, which never waits; the handler runs on workers and may block.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

struct http;
struct http_conn; /* a request's connection */

/* Lives during the call. */
struct http_request {
    const char *method;
    struct sv path, query; /* as sent, percent-encoded; query.p == NULL = none */
    struct sv body;
    const char *peer; /* address */
    bool tls, trusted;
    const struct http_conn *conn;
};
/* Value of a header, NULL = absent; of several the first. */
const char *http_header(const struct http_request *r, const char *name);

/* The connection is a session: its id (stats/shm.h); the account by which it is known from now on,
 * empty = none; and that it is to be in the history from here, as somebody does something by it.
 * Within run. */
uint32_t http_session_id(const struct http_request *r);
bool http_session_kept(const struct http_request *r);
void http_session_keep(const struct http_request *r);
void http_session_account(const struct http_request *r, struct sv account);

/* A body that has no end: read until -1. wait, wake: as api_stream_read says. */
struct http_stream {
    ssize_t (*read)(void *stream, char *ret, size_t cap, void (*wait)(void *arg));
    void (*on_ready)(void *stream, void (*wake)(void *arg), void *arg);
    void (*free)(void *stream);
    void *stream; /* NULL = the body is in the response */
};
struct http_response {
    int status;
    const char *type; /* Content-Type; NULL = no body */
    struct buf body;
    struct buf headers; /* "Name: value\n" lines */
    int64_t delay_ms;   /* answer after this time */
    struct http_stream stream;
};

struct http_handler {
    /* Largest body that is taken; 0 = none. head: without a body. In the connections' thread: must
     * not block. */
    size_t (*body_max)(void *arg, const struct http_request *head);
    /* On a worker. res is empty; the server frees what is in it. */
    void (*run)(void *arg, const struct http_request *req, struct http_response *res);
    void (*end_streams)(void *arg); /* the server stops */
    void *arg;
};

struct http_opts {
    struct http_handler handler;
    const char *console_path;        /* directory */
    const char *cert_dir;            /* NULL = no TLS */
    bool (*allowed)(const char *ip); /* may connect at all */
    bool (*trusted)(const char *ip); /* exempt from limits */
};
/* Limits come from the settings web.*. */
int http_new(const struct http_opts *o, struct http **ret, struct errinfo *ei);
/* A listening socket to be served; takes it. Before http_begin. */
int http_listen(struct http *h, int fd, bool tls, struct errinfo *ei);
/* From now on connections are served. Libraries, threads and certificates come with the first one:
 * a server whose console nobody looks at does without their memory. */
int http_begin(struct http *h, struct errinfo *ei);
/* Certificates and the console's files are read again. */
void http_reload(struct http *h);
void http_stop(struct http *h); /* ends all connections; frees */
/* Ends the connection that is this session. False: there is none. Any thread. */
bool http_session_end(struct http *h, uint32_t id);
/* Calls fn with each certificate that is in use: its first name, and when it ends (UTC, seconds).
 * Any thread; fn must not block. None before the first connection and without TLS. */
void http_certs_each(void (*fn)(const char *name, int64_t ends_s, void *arg), void *arg);

/* --- for tests --- */

/* Is this head one that two readers might read differently (RFC 9112 6.1, 11.2)? Returns what is
 * wrong, NULL = nothing. Counts of headers and the values of the last ones. Pure. */
struct http_head {
    unsigned content_lengths, transfer_encodings, hosts;
    const char *content_length, *transfer_encoding;
    bool bad_name, http_1_0;
};
const char *http_head_fault(const struct http_head *h);
