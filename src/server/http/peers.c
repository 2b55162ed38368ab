/* Connections: how many, from where, for how long. A connection that takes too long over its head,
 * body or answer is shut down from outside: libmicrohttpd's own timeout begins anew with each byte.
 */
#include <arpa/inet.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/deadline.h"
#include "server/http/http_priv.h"
#include "stats/shm.h"

void http_address_text(const struct sockaddr *a, char ret[46])
{
    const void *ip = a->sa_family == AF_INET6
                         ? (const void *)&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr
                         : &((const struct sockaddr_in *)(const void *)a)->sin_addr;

    if (!inet_ntop(a->sa_family, ip, ret, 46))
        snprintf(ret, 46, "unknown");
}

/* IPv4 whole, IPv6 by /64. */
static void address_key(const struct sockaddr *a, char ret[46])
{
    struct in6_addr net;

    if (a->sa_family != AF_INET6) {
        http_address_text(a, ret);
        return;
    }
    net = ((const struct sockaddr_in6 *)(const void *)a)->sin6_addr;
    memset(net.s6_addr + 8, 0, 8);
    if (!inet_ntop(AF_INET6, &net, ret, 46))
        snprintf(ret, 46, "unknown");
}

enum MHD_Result http_accept(void *arg, const struct sockaddr *addr, socklen_t n _unused_)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    struct http *h = arg;
    char ip[46], key[46];
    bool ok, trusted;

    http_address_text(addr, ip);
    address_key(addr, key);
    if (!h->o.allowed(ip))
        return MHD_NO;
    trusted = h->o.trusted(ip);
    pthread_mutex_lock(&h->peers_lock);
    ok = h->n_peers < (size_t)cf->web.max_connections &&
         (trusted || !cf->web.per_ip ||
          (intptr_t)map_get(h->per_ip, sv_c(key)) < (intptr_t)cf->web.per_ip);
    pthread_mutex_unlock(&h->peers_lock);
    ctr_inc(ok ? CTR_conn_accepted : CTR_conn_refused_limit);
    return ok ? MHD_YES : MHD_NO;
}

static void begin(struct http *h, struct MHD_Connection *c, void **context)
{
    const struct sockaddr *addr =
        lib_mhd.MHD_get_connection_info(c, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
    struct peer *p = xcalloc(1, sizeof(*p));
    intptr_t n;

    p->h = h;
    p->mhd = c;
    p->fd = lib_mhd.MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    p->tls = lib_mhd.MHD_get_connection_info(c, MHD_CONNECTION_INFO_PROTOCOL) != NULL;
    http_address_text(addr, p->ip);
    address_key(addr, p->ip_key);
    p->trusted = h->o.trusted(p->ip);
    *context = p;
    http_session_open(p);
    pthread_mutex_lock(&h->peers_lock);
    list_add_tail(&h->peers, &p->node);
    h->n_peers++;
    n = (intptr_t)map_get(h->per_ip, sv_c(p->ip_key));
    map_put(h->per_ip, sv_c(p->ip_key), (void *)(n + 1));
    pthread_mutex_unlock(&h->peers_lock);
    http_phase(p, PHASE_HEAD);
}

static void end(struct http *h, struct peer *p)
{
    intptr_t n;

    pthread_mutex_lock(&h->peers_lock); /* the reaper may just look at it */
    list_del(&p->node);
    pthread_cond_signal(&h->peers_change);
    h->n_peers--;
    n = (intptr_t)map_get(h->per_ip, sv_c(p->ip_key));
    if (n > 1)
        map_put(h->per_ip, sv_c(p->ip_key), (void *)(n - 1));
    else
        map_del(h->per_ip, sv_c(p->ip_key));
    pthread_mutex_unlock(&h->peers_lock);
    http_session_close(p);
    free(p);
}

void http_notify(void *arg, struct MHD_Connection *c, void **socket_context,
                 enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        begin(arg, c, socket_context);
    else if (*socket_context)
        end(arg, take_ptr(*socket_context));
}

struct peer *http_peer(struct MHD_Connection *c)
{
    return lib_mhd.MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

void http_phase(struct peer *p, enum phase phase)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    int64_t allowed = 0;

    switch (phase) {
    case PHASE_HEAD:
        allowed = cf->web.idle_timeout;
        break;
    case PHASE_BODY:
    case PHASE_WRITE:
        allowed = cf->web.request_timeout;
        break;
    case PHASE_WORK:
    case PHASE_STREAM:
        break;
    }
    pthread_mutex_lock(&p->h->peers_lock);
    p->phase = phase;
    p->deadline_ms = allowed ? clock_mono_ms() + allowed : 0;
    pthread_cond_signal(&p->h->peers_change);
    pthread_mutex_unlock(&p->h->peers_lock);
}

/* With the lock. */
static bool some_are_answered(const struct http *h)
{
    list_for_each(l, &h->peers)
    {
        const struct peer *p = container_of(l, struct peer, node);

        if (p->phase == PHASE_WORK || p->phase == PHASE_WRITE)
            return true;
    }
    return false;
}

void http_wait_answered(struct http *h, int64_t ms)
{
    struct timespec until = deadline_in(ms);

    pthread_mutex_lock(&h->peers_lock);
    while (some_are_answered(h) && deadline_wait(&h->peers_change, &h->peers_lock, &until))
        ;
    pthread_mutex_unlock(&h->peers_lock);
}

/* --- bodies --- */

/* With the lock. */
static bool fits(const struct http_conn *c, uint64_t n)
{
    const struct http *h = c->h;
    intptr_t of_peer = (intptr_t)map_get(h->bodies_ips, sv_c(c->peer->ip_key));

    if (c->body_held + n <= HTTP_BODY_SMALL)
        return true;
    return h->bodies + n <= HTTP_BODIES_MAX &&
           (c->peer->trusted || (uint64_t)of_peer + n <= HTTP_BODIES_PEER);
}

bool http_body_fits(const struct http_conn *c, uint64_t n)
{
    bool ok;

    pthread_mutex_lock(&c->h->peers_lock);
    ok = n <= HTTP_BODIES_MAX && fits(c, n);
    pthread_mutex_unlock(&c->h->peers_lock);
    return ok;
}

/* With the lock. */
static void count_body(struct http *h, const char *ip, intptr_t n)
{
    intptr_t now = (intptr_t)map_get(h->bodies_ips, sv_c(ip)) + n;

    h->bodies += (size_t)n;
    if (now > 0)
        map_put(h->bodies_ips, sv_c(ip), (void *)now);
    else
        map_del(h->bodies_ips, sv_c(ip));
}

bool http_body_hold(struct http_conn *c, size_t n)
{
    bool ok;

    pthread_mutex_lock(&c->h->peers_lock);
    ok = fits(c, n);
    if (ok) {
        count_body(c->h, c->peer->ip_key, (intptr_t)n);
        c->body_held += n;
    }
    pthread_mutex_unlock(&c->h->peers_lock);
    return ok;
}

void http_body_release(struct http_conn *c)
{
    if (!c->body_held)
        return;
    pthread_mutex_lock(&c->h->peers_lock);
    count_body(c->h, c->peer->ip_key, -(intptr_t)c->body_held);
    pthread_mutex_unlock(&c->h->peers_lock);
    c->body_held = 0;
}

void http_reap(struct http *h)
{
    int64_t now = clock_mono_ms();

    pthread_mutex_lock(&h->peers_lock);
    list_for_each(l, &h->peers)
    {
        struct peer *p = container_of(l, struct peer, node);

        if (!p->deadline_ms || now < p->deadline_ms)
            continue;
        shutdown(p->fd, SHUT_RDWR); /* it stays open until end() */
        p->deadline_ms = 0;
        atomic_store(&p->late, true);
        ctr_inc(CTR_conn_closed_idle);
    }
    pthread_mutex_unlock(&h->peers_lock);
}

void http_peers_end(struct http *h)
{
    pthread_mutex_lock(&h->peers_lock);
    list_for_each(l, &h->peers) shutdown(container_of(l, struct peer, node)->fd, SHUT_RDWR);
    pthread_mutex_unlock(&h->peers_lock);
}
