/* Life of a connection and what handlers may ask of it. */
#include "net/conn.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/slab.h"
#include "net/conn_names_priv.h"
#include "net/conn_priv.h"
#include "net/tls_priv.h"

static struct slab conns = SLAB_OF(struct conn);

void conn_start(const struct conn_facts *f)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    struct conn *c = slab_alloc(&conns);
    struct net *n = f->net;
    static _Atomic unsigned turn;
    c->net = n;
    c->listener = f->listener;
    c->task.run = conn_work;
    c->reactor = &n->reactor[atomic_fetch_add(&turn, 1) % n->n_reactors];
    c->fd = f->fd;
    c->id = f->id ? f->id : shm_session_new_id();
    c->ssl = f->ssl;
    c->own_arg = f->arg;
    c->shm_slot = -1;
    c->ip = f->ip;
    c->trusted = f->trusted;
    c->refuse = f->refuse;
    c->peer_port = sockaddr_text(&f->peer, c->peer);
    c->timeout_ms = (uint32_t)cf->net.session_timeout;
    c->started_ms = clock_wall_ms();
    c->progress = true;
    buf_init(&c->in, MAX(f->listener->l.ops->max_input, (size_t)READ_CHUNK));
    buf_init(&c->out, 4 * MiB);
    atomic_init(&c->state, ST_OWNED);
    conn_register(c);
    workpool_push(&n->pool[POOL_FAST], &c->task);
}

void conn_free(struct conn *c)
{
    struct net *n = c->net;
    closep(&c->fd);
    free(c->hand);
    ip_counts_dec(&n->per_ip, &c->ip);
    buf_done(&c->in);
    buf_done(&c->out);
    free(c->tls_text);
    slab_free(&conns, c);
    /* Last: net_stop takes n apart when the count is 0. */
    atomic_fetch_sub(&n->n_conns, 1);
}

/* --- during callbacks --- */

void conn_close(struct conn *c)
{
    if (c->closing)
        return;
    c->closing = true;
    c->close_why = CLOSE_QUIT;
}

void conn_starttls(struct conn *c)
{
    if (!c->ssl)
        c->want_tls = true;
}

void conn_set_timeout(struct conn *c, int64_t ms)
{
    c->timeout_ms = (uint32_t)MIN(MAX(ms, 1), 7 * 86400000LL);
    c->progress = true;
}

void conn_delay(struct conn *c, int64_t ms)
{
    if (ms <= 0)
        return;
    if (!c->held)
        c->hold_mark = c->cb_mark;
    c->held = true;
    c->held_until_ms = clock_mono_ms() + ms;
}

bool conn_has_input(struct conn *c)
{
    if (conn_in_pending(c) > 0)
        return true;
    if (c->ssl)
        return tls_has_input(c);
    char byte;
    return recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

void conn_set_account(struct conn *c, struct sv account)
{
    shm_session_account(c->shm_slot, account);
}

void conn_set_state(struct conn *c, struct sv state)
{
    shm_session_state(c->shm_slot, state);
}

/* --- facts --- */

void conn_totals(const struct conn *c, uint64_t *ret_in, uint64_t *ret_out)
{
    shm_session_totals(c->shm_slot, ret_in, ret_out);
    *ret_in += c->turn_in;
    *ret_out += c->turn_out;
}

uint32_t conn_id(const struct conn *c)
{
    return c->id;
}

const char *conn_peer_ip(const struct conn *c)
{
    return c->peer;
}

const char *conn_local_ip(const struct conn *c)
{
    return c->local;
}

uint16_t conn_peer_port(const struct conn *c)
{
    return c->peer_port;
}

uint16_t conn_local_port(const struct conn *c)
{
    return c->local_port;
}

enum service conn_service(const struct conn *c)
{
    return c->listener->l.service;
}

bool conn_is_tls(const struct conn *c)
{
    return c->ssl && c->phase == PH_OPEN;
}

bool conn_peer_trusted(const struct conn *c)
{
    return c->trusted;
}

int64_t conn_started_ms(const struct conn *c)
{
    return c->started_ms;
}

bool conn_can_tls(const struct conn *c _unused_)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    return cf->net.tls && tls_available();
}

bool conn_shutting_down(const struct conn *c)
{
    return c->shutting_down;
}
