/* The callbacks at a session's ends: open() with or without a handshake before it, refusal, the
 * last word of timeout(). On the worker that owns the connection. */
#include <sys/socket.h>

#include "base/clock.h"
#include "event/event.h"
#include "net/conn_priv.h"

void conn_debug(struct conn *c, const char *what, const char *why)
{
    struct logctx log;
    conn_logctx(c, &log);
    log_line(&log, LOG_DEBUG, "%s%s%s", what, why ? ": " : "", why ? why : "");
}

void conn_enter(struct conn *c)
{
    c->cb_mark = (uint32_t)c->out.n;
}

void conn_begin_close(struct conn *c, enum close_why why)
{
    if (c->closing)
        return;
    c->closing = true;
    c->close_why = why;
    c->timeout_ms = MIN(c->timeout_ms, (uint32_t)CLOSE_FLUSH_MS);
    c->progress = true;
}

static void open_session(struct conn *c)
{
    c->phase = PH_OPEN;
    c->progress = true;
    /* The event tells when more has come; only OpenSSL's own buffer would stay silent. */
    c->drained = !(c->ssl && tls_buffered(c));
    conn_enter(c);
    c->session = conn_ops(c)->open(c, c->own_arg ? c->own_arg : c->listener->l.arg);
    if (!c->session)
        conn_begin_close(c, CLOSE_LIMIT);
}

void conn_begin_handshake(struct conn *c)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    c->phase = PH_HANDSHAKE;
    c->deadline_ms = clock_mono_ms() + cf->net.handshake_timeout;
    c->progress = false;
}

void conn_open(struct conn *c)
{
    struct sockaddr_storage ss = { 0 };
    socklen_t n = sizeof(ss);
    if (getsockname(c->fd, (struct sockaddr *)&ss, &n) == 0)
        c->local_port = sockaddr_text(&ss, c->local);
    c->shm_slot = shm_session_open(c->listener->l.service, c->id, c->peer, c->local);
    if (c->refuse) {
        c->phase = PH_OPEN;
        struct logctx log;
        conn_logctx(c, &log);
        event(connection_refused, &log, F_STR(reason, c->refuse));
        /* Before the handshake a line of text would only confuse; it is not worth one. */
        if (c->listener->l.refuse && !c->listener->l.tls) {
            conn_enter(c);
            c->listener->l.refuse(c, c->refuse);
        }
        conn_begin_close(c, CLOSE_LIMIT);
        return;
    }
    if (c->ssl)
        shm_session_tls(c->shm_slot, true);
    if (c->ssl || !c->listener->l.tls) {
        open_session(c);
        return;
    }
    conn_begin_handshake(c);
}

void conn_goodbye(struct conn *c, enum close_why why)
{
    bool stay = false;
    c->timed_out = false;
    c->progress = true;
    c->shutting_down = why == CLOSE_SHUTDOWN;
    if (conn_ops(c)->timeout) {
        conn_enter(c);
        stay = conn_ops(c)->timeout(c->session);
    }
    if (stay && why == CLOSE_TIMEOUT)
        return;
    if (why == CLOSE_TIMEOUT)
        ctr_inc(CTR_conn_closed_idle);
    conn_begin_close(c, why);
}

enum shake conn_handshake(struct conn *c)
{
    struct errinfo ei = { 0 };
    struct logctx log;
    if (c->timed_out) {
        conn_logctx(c, &log);
        event(tls_timeout, &log);
        return SHAKE_TIMEOUT;
    }
    int r = c->ssl ? 0 : tls_attach(c);
    if (r == 0)
        r = tls_handshake(c, &ei);
    if (r == TLS_WANT_READ || r == TLS_WANT_WRITE)
        return r == TLS_WANT_READ ? SHAKE_READ : SHAKE_WRITE;
    if (r != TLS_DONE) {
        conn_logctx(c, &log);
        event(tls_failed, &log, F_STR(reason, *ei.text ? ei.text : "no certificate is loaded"));
        c->dead = true;
        return SHAKE_FAILED;
    }
    ctr_inc(CTR_tls_handshakes);
    if (tls_resumed(c))
        ctr_inc(CTR_tls_resumed);
    shm_session_tls(c->shm_slot, true);
    if (!c->session) {
        open_session(c);
        return SHAKE_DONE;
    }
    c->phase = PH_OPEN;
    c->progress = true;
    c->drained = !tls_buffered(c);
    conn_enter(c);
    if (conn_ops(c)->secured)
        conn_ops(c)->secured(c->session);
    return SHAKE_DONE;
}
