/* An outbound connection inside net/. One thread at a time. */
#pragma once

#include "net/client.h"
#include "net/net_priv.h"

struct ssl_st;

struct client {
    int fd;
    struct ssl_st *ssl;
    const atomic_bool *cancel;
    int64_t timeout_ms, deadline_ms; /* of each call; of the running one (monotonic) */
    struct buf in, out;
    size_t in_off;
    char peer[ADDR_TEXT_MAX + 8]; /* "ip:port" for errors */
    char local[ADDR_TEXT_MAX];
    char *tls_text;
};

/* A connection that begins in the middle: takes fd, which does not block, and ssl (NULL: none). */
struct client *client_adopt(int fd, struct ssl_st *ssl, const char *peer, const char *local,
                            const char *tls_text);
/* Waits for poll events until the deadline: 0, E_TIMEOUT, E_CANCELLED. */
int client_wait(struct client *c, short events, struct errinfo *ei);
/* client_tls.c: > 0 bytes, 0 = wait for *ret_events, or negative with ei. */
ssize_t client_tls_read(struct client *c, void *p, size_t n, short *ret_events, struct errinfo *ei);
ssize_t client_tls_write(struct client *c, const void *p, size_t n, short *ret_events,
                         struct errinfo *ei);
void client_tls_close(struct client *c);
