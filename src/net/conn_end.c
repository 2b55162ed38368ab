/* The end of a connection: closed(), and lingering, so that the last reply is not lost to the reset
 * that closing a socket with unread input sends. On the worker that owns the connection. */
#include <sys/socket.h>

#include "base/clock.h"
#include "net/conn_priv.h"

enum { LINGER_BYTES = 256 * 1024 };

bool conn_linger(struct conn *c)
{
    while (!c->timed_out && c->turn_in < LINGER_BYTES) {
        buf_reset(&c->in);
        ssize_t n = recv(c->fd, c->in.p, c->in.cap, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
            return true;
        if (n <= 0)
            break;
        c->turn_in += (uint64_t)n;
    }
    return false;
}

/* True: the last reply may be lost to a reset when the socket is closed now. */
static bool should_linger(struct conn *c, enum close_why why)
{
    if (c->dead || c->eof || c->net->stopping || why == CLOSE_PEER || why == CLOSE_KILLED)
        return false;
    bool unread = conn_in_pending(c) > 0;
    buf_reset(&c->in);
    c->in_off = 0;
    ssize_t n = recv(c->fd, c->in.p, c->in.cap, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN))
        return false;
    return n > 0 || unread;
}

static void end(struct conn *c, struct worker *w)
{
    buf_reset(&c->in);
    c->in_off = 0;
    conn_return(c, w);
    conn_free(c);
}

/* True: lingers, the caller parks it. */
bool conn_finish(struct conn *c, struct worker *w, enum close_why why)
{
    if (c->phase == PH_LINGER) {
        end(c, w);
        return false;
    }
    conn_unregister(c);
    void *session = take_ptr(c->session);
    if (why == CLOSE_KILLED && !c->net->stopping)
        conn_debug(c, "Killed by the administrator", NULL);
    if (session)
        conn_ops(c)->closed(session, why);
    conn_drop_output(c);
    shm_session_close(c->shm_slot);
    if (c->hand) {
        conn_hand_out(c, why == CLOSE_QUIT && !c->dead);
        if (c->fd < 0) {
            end(c, w);
            return false;
        }
    }
    tls_detach(c, !c->dead && why != CLOSE_PEER && why != CLOSE_KILLED);
    if (!should_linger(c, why)) {
        end(c, w);
        return false;
    }
    shutdown(c->fd, SHUT_WR);
    c->phase = PH_LINGER;
    c->close_why = (uint8_t)why;
    c->timed_out = false;
    c->progress = false;
    c->held = false;
    c->shm_slot = -1;
    c->deadline_ms = clock_mono_ms() + LINGER_MS;
    buf_reset(&c->in);
    return true;
}
