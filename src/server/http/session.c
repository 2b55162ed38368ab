/* A connection as a session like those of the other services: in the table while it lives; in the
 * history only when it has done something, as pages ask by themselves all the time (ADR 0020). */
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "event/event.h"
#include "server/http/http_priv.h"
#include "stats/shm.h"

void http_session_open(struct peer *p)
{
    struct sockaddr_storage ss = { 0 };
    socklen_t n = sizeof(ss);

    if (getsockname(p->fd, (struct sockaddr *)&ss, &n) == 0)
        http_address_text((struct sockaddr *)&ss, p->s.local);
    p->s.id = shm_session_new_id();
    p->s.started_ms = clock_wall_ms();
    p->s.slot = shm_session_open(SVC_CONTROL, p->s.id, p->ip, p->s.local);
    shm_session_tls(p->s.slot, p->tls);
}

static const char *tls_version(const struct peer *p)
{
    const union MHD_ConnectionInfo *i =
        p->tls ? lib_mhd.MHD_get_connection_info(p->mhd, MHD_CONNECTION_INFO_PROTOCOL) : NULL;

    if (!i)
        return NULL;
    return i->protocol == GNUTLS_TLS1_3 ? "TLSv1.3" : "TLSv1.2";
}

/* What a question mark leads in may be a secret, or somebody's address. */
void http_session_request(struct http_conn *c)
{
    struct session *s = &c->peer->s;
    struct sv rest = sv_c(c->uri), path = sv_split(&rest, '?');
    char about[sizeof(((struct shm_session_info *)0)->about)];

    s->requests++;
    s->cut = s->streams = false;
    s->tls = tls_version(c->peer);
    snprintf(about, sizeof(about), "%.*s%s", (int)MIN(path.n, sizeof(about)), path.p,
             rest.p ? "?***" : "");
    shm_session_request(s->slot, sv_c(c->method), sv_c(about));
}

void http_session_answered(struct peer *p, int status)
{
    p->s.refused += status >= 400;
}

/* The kernel knows what went over the line, with TLS and heads. */
void http_session_bytes(struct peer *p)
{
    struct tcp_info t = { 0 };
    socklen_t n = sizeof(t);
    struct session *s = &p->s;

    uint64_t out;

    if (getsockopt(p->fd, IPPROTO_TCP, TCP_INFO, &t, &n) < 0 ||
        n < offsetof(struct tcp_info, tcpi_bytes_retrans) + sizeof(t.tcpi_bytes_retrans))
        return;
    out = t.tcpi_bytes_sent - t.tcpi_bytes_retrans;
    shm_session_bytes(s->slot, t.tcpi_bytes_received - s->in, out - s->out);
    s->in = t.tcpi_bytes_received;
    s->out = out;
}

static void logctx(const struct peer *p, struct logctx *ret)
{
    *ret = (struct logctx){ .type = LOG_WEB,
                            .id = p->s.id,
                            .prefix = "",
                            .service = 1 + SVC_CONTROL,
                            .session = shm_session_key(p->s.id),
                            .account = p->s.account };
    sv_copy(ret->source, sizeof(ret->source), sv_c(p->ip));
}

static void keep(struct peer *p)
{
    struct logctx log;

    if (p->s.kept)
        return;
    p->s.kept = true;
    logctx(p, &log);
    event(control_session_start, &log, F_IP(local, p->s.local));
}

/* HTTP knows no taking leave: it is well when the last request had its whole answer. */
static void tell_end(struct peer *p)
{
    struct session *s = &p->s;
    bool killed = atomic_load(&p->killed), late = atomic_load(&p->late);
    struct logctx log;

    logctx(p, &log);
    event(session_end, &log,
          F_STR(outcome, killed   ? "failed"
                         : s->cut ? "disconnected"
                                  : "success"),
          F_STR(why, killed ? "kill"
                     : late ? "timeout"
                            : "peer"),
          F_MS(duration, MAX(clock_wall_ms() - s->started_ms, 0)), F_BYTES(bytes_in, s->in),
          F_BYTES(bytes_out, s->out), F_INT(commands, s->requests), F_INT(errors, s->refused),
          F_STR(tls, s->tls));
}

void http_session_close(struct peer *p)
{
    http_session_bytes(p);
    if (atomic_load(&p->killed))
        keep(p); /* somebody will look for it */
    if (p->s.kept)
        tell_end(p);
    shm_session_close(p->s.slot);
}

uint32_t http_session_id(const struct http_request *r)
{
    return r->conn->peer->s.id;
}

bool http_session_kept(const struct http_request *r)
{
    return r->conn->peer->s.kept;
}

void http_session_keep(const struct http_request *r)
{
    keep(r->conn->peer);
}

void http_session_account(const struct http_request *r, struct sv account)
{
    struct session *s = &r->conn->peer->s;

    if (sv_eq(account, sv_c(s->account)))
        return;
    if (!sv_copy(s->account, sizeof(s->account), account))
        s->account[0] = '\0';
    shm_session_account(s->slot, account);
}

bool http_session_end(struct http *h, uint32_t id)
{
    bool found = false;

    pthread_mutex_lock(&h->peers_lock);
    list_for_each(l, &h->peers)
    {
        struct peer *p = container_of(l, struct peer, node);

        if (p->s.id != id)
            continue;
        found = true;
        atomic_store(&p->killed, true);
        shutdown(p->fd, SHUT_RDWR); /* it stays open until it is told that it has ended */
        if (p->phase == PHASE_STREAM)
            lib_mhd.MHD_resume_connection(p->mhd); /* waits for news, not for its socket */
        break;
    }
    pthread_mutex_unlock(&h->peers_lock);
    return found;
}
