/* A connection changes sides: a session's becomes an outbound one (conn_hand_over), an outbound one
 * gets a session (net_adopt). Where the roles of SMTP are reversed (ATRN, RFC 2645 5.3): the socket
 * and its TLS stay, and the other engine reads on where this one stopped. */
#include <openssl/ssl.h>

#include "conf/patterns.h"
#include "net/client_priv.h"
#include "net/conn_priv.h"

void conn_hand_over(struct conn *c, void (*take)(void *arg, struct client *client), void *arg)
{
    if (c->hand)
        panic("%s: a connection is handed over twice", conn_ops(c)->name);
    c->hand = xcalloc(1, sizeof(*c->hand));
    *c->hand = (struct hand_over){ take, arg };
    conn_close(c); /* nothing is read or run from now on */
}

/* Input that OpenSSL has taken from the socket already stays inside of ssl. */
void conn_hand_out(struct conn *c, bool usable)
{
    struct client *client = NULL;
    if (usable && conn_in_pending(c) == 0) {
        client = client_adopt(c->fd, c->ssl, c->peer, c->local, conn_tls_info(c));
        c->fd = -1;
        c->ssl = NULL;
    }
    c->hand->take(c->hand->arg, client);
}

/* The place of l among the listeners, which is never listened at; made the first time. */
static const struct listener *place_of(struct net *n, const struct net_listener *l)
{
    const struct listener *found = NULL;
    pthread_mutex_lock(&n->listen_lock);
    for (unsigned i = 0; i < n->n_listeners && !found; i++)
        if (n->listener[i].l.fd < 0 && n->listener[i].l.ops == l->ops &&
            n->listener[i].l.service == l->service && n->listener[i].l.arg == l->arg)
            found = &n->listener[i];
    if (!found && n->n_listeners < LISTENERS_MAX) {
        struct listener *new = &n->listener[n->n_listeners++];
        *new = (struct listener){ .l = *l };
        new->l.fd = -1;
        found = new;
    }
    pthread_mutex_unlock(&n->listen_lock);
    return found;
}

int net_adopt(struct net *n, const struct net_listener *l, void *arg, struct client *c,
              uint32_t *ret_id, struct errinfo *ei)
{
    struct conn_facts f = { .net = n, .arg = arg, .id = shm_session_new_id() };
    socklen_t len = sizeof(f.peer);
    char ip[ADDR_TEXT_MAX];
    if (client_has_input(c) || c->out.n)
        return err_set(ei, E_CONFLICT, "%s: input before the roles were reversed", c->peer);
    if (getpeername(c->fd, (struct sockaddr *)&f.peer, &len) < 0)
        return err_set_errno(ei, E_CLOSED, "%s: %s", c->peer, strerrordesc_np(errno));
    if (!(f.listener = place_of(n, l)))
        return err_set(ei, E_LIMIT, "more than %d listening addresses", LISTENERS_MAX);
    /* Counted before net_stop looks: it waits until the count is 0. */
    int64_t open = atomic_fetch_add(&n->n_conns, 1) + 1;
    if (atomic_load(&n->stopping) || open > atomic_load(&n->max_conns)) {
        atomic_fetch_sub(&n->n_conns, 1);
        return atomic_load(&n->stopping)
                   ? err_set(ei, E_CLOSED, "the server stops")
                   : err_set(ei, E_LIMIT, "too many connections (net.max_connections)");
    }
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    sockaddr_text(&f.peer, ip);
    f.trusted = conf_trusts_ip(cf, ip);
    (void)sockaddr_bytes(&f.peer, f.ip.addr);
    (void)ip_counts_inc(&n->per_ip, &f.ip); /* of no limit's group: conn_free takes it back */
    f.fd = c->fd;
    f.ssl = take_ptr(c->ssl);
    c->fd = -1;
    *ret_id = f.id;
    client_close(c);
    conn_start(&f);
    return 0;
}
