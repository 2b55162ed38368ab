/* The network side of a module: reactors, workers, listeners. proc/ wires it, nobody else includes
 * it. */
#pragma once

#include "net/conn.h"

struct net;

struct net_listener {
    enum service service;
    const struct proto_ops *ops;
    void *arg;
    int fd;   /* bound and listening, from the supervisor */
    bool tls; /* TLS from the start */
    /* Names of the settings that say who may connect (ENUM off, grant, deny, and its LIST), beside
     * net.access_mode; NULL = none */
    const char *access_mode_setting, *access_ips_setting;
    const char
        *per_ip_setting; /* name of the INT setting that limits connections per address, or NULL */
    /* Name of a DURATION setting: while it is not 0 clients are asked for a certificate, and any or
     * none will do (net/peer_certificate.h). NULL = never. */
    const char *certificate_setting;
    /* Called (on a worker) instead of ops->open when a limit refuses the connection, to write one
     * line such as "421 ..."; may be NULL. reason is a CLOSE_LIMIT text: "module", "ip", "access".
     */
    void (*refuse)(struct conn *c, const char *reason);
};

int net_start(struct net **ret, struct errinfo *ei); /* sizes from the current settings */
/* Takes l->fd when it succeeds. A socket that its maker shuts down is closed here and forgotten. */
int net_listen(struct net *n, const struct net_listener *l, struct errinfo *ei);
struct client;
/* An outbound connection becomes one of this side, with its TLS: open() is called with arg as for a
 * new connection from its peer. l->fd is not looked at. ret_id: the session's, for conn_kill_id.
 * Takes c when it succeeds: closed() is called in every case then. E_CONFLICT: input of it is not
 * read; E_LIMIT: too many connections; E_CLOSED: the net stops. Any thread. */
int net_adopt(struct net *n, const struct net_listener *l, void *arg, struct client *c,
              uint32_t *ret_id, struct errinfo *ei);
/* The sessions of a service end: told so (timeout() with CLOSE_SHUTDOWN following) when what runs
 * has finished; by_force: those that were told are cut. New connections are not affected. */
void net_end_sessions(struct net *n, enum service svc, bool by_force);
/* Re-reads settings and certificates for new connections. */
void net_reload(struct net *n);
/* Stops accepting, tells parked sessions (timeout() is called with CLOSE_SHUTDOWN following), waits
 * for jobs up to deadline_ms, closes all. */
void net_stop(struct net *n, int64_t deadline_ms);

/* Extra work on the pools (deliveries use their own threads). E_FULL. */
int net_job(enum pool p, void (*fn)(void *arg), void *arg);
/* Binds and listens; used by the supervisor. addr: "0.0.0.0:25", "[::]:25", "127.0.0.1:2525".
 * The error names address and port, and who may hold it. IPv6 sockets are v6-only. */
int net_bind(const char *addr, int *ret_fd, struct errinfo *ei);
