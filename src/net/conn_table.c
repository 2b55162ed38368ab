/* The table of live connections: how other threads name one (handle, session id) and reach it. A
 * connection in the table is not freed while table_lock is held. */
#include <stdlib.h>

#include "net/conn_priv.h"

void conn_register(struct conn *c)
{
    struct net *n = c->net;
    pthread_mutex_lock(&n->table_lock);
    if (n->n_free == 0) {
        uint32_t more = MAX(n->n_table, 256u);
        n->table = xrealloc(n->table, (n->n_table + more) * sizeof(struct conn *));
        n->free_slots = xrealloc(n->free_slots, (n->n_table + more) * sizeof(uint32_t));
        for (uint32_t i = 0; i < more; i++) {
            n->table[n->n_table + i] = NULL;
            n->free_slots[i] = n->n_table + more - 1 - i;
        }
        n->n_table += more;
        n->n_free = more;
    }
    c->slot = n->free_slots[--n->n_free];
    n->table[c->slot] = c;
    pthread_mutex_unlock(&n->table_lock);
}

void conn_unregister(struct conn *c)
{
    struct net *n = c->net;
    pthread_mutex_lock(&n->table_lock);
    n->table[c->slot] = NULL;
    n->free_slots[n->n_free++] = c->slot;
    struct notebox *box = take_ptr(c->notes);
    pthread_mutex_unlock(&n->table_lock);
    free(box);
}

conn_handle conn_handle_of(const struct conn *c)
{
    return (uint64_t)c->slot << 32 | c->id;
}

/* Under the lock. The session id serves as the slot's generation: it is unique per boot. */
static struct conn *find_locked(struct net *n, conn_handle h)
{
    uint32_t slot = (uint32_t)(h >> 32);
    struct conn *c = slot < n->n_table ? n->table[slot] : NULL;
    return c && c->id == (uint32_t)h ? c : NULL;
}

static int add_note(struct conn *c, struct note n)
{
    struct notebox *box = c->notes;
    uint32_t have = box ? box->n : 0;
    for (uint32_t i = 0; i < have; i++) {
        const struct note *o = &box->note[i];
        if (o->type == n.type && o->a == n.a && o->b == n.b)
            return 0;
    }
    if (have == NOTES_MAX)
        return E_FULL;
    if (have % 4 == 0) {
        box = xrealloc(box, sizeof(*box) + (have + 4) * sizeof(struct note));
        c->notes = box;
    }
    box->note[have] = n;
    box->n = have + 1;
    return 0;
}

int conn_note(conn_handle h, struct note n)
{
    struct net *net = atomic_load(&net_current);
    if (!net)
        return E_CLOSED;
    pthread_mutex_lock(&net->table_lock);
    struct conn *c = find_locked(net, h);
    int r = c && !atomic_load(&c->killed) ? add_note(c, n) : E_CLOSED;
    if (r == 0) {
        atomic_store(&c->has_notes, true);
        atomic_store(&c->urgent, true);
        conn_claim(c);
    }
    pthread_mutex_unlock(&net->table_lock);
    return r;
}

struct notebox *conn_take_notes(struct conn *c)
{
    if (!atomic_exchange(&c->has_notes, false))
        return NULL;
    pthread_mutex_lock(&c->net->table_lock);
    struct notebox *box = take_ptr(c->notes);
    pthread_mutex_unlock(&c->net->table_lock);
    return box;
}

/* Under the lock. The shutdown lets the peer see the end at once, even while a handler is busy. */
static void kill_locked(struct conn *c)
{
    atomic_store(&c->killed, true);
    shutdown(c->fd, SHUT_RDWR);
    atomic_store(&c->urgent, true);
    conn_claim(c);
}

int conn_kill_id(uint32_t session_id)
{
    struct net *net = atomic_load(&net_current);
    int r = E_NOTFOUND;
    if (!net)
        return r;
    pthread_mutex_lock(&net->table_lock);
    for (uint32_t i = 0; i < net->n_table && r < 0; i++) {
        struct conn *c = net->table[i];
        if (c && c->id == session_id) {
            kill_locked(c);
            r = 0;
        }
    }
    pthread_mutex_unlock(&net->table_lock);
    return r;
}

static void stop_locked(struct conn *c)
{
    atomic_store(&c->stop, true);
    atomic_store(&c->urgent, true);
    conn_claim(c);
}

void conn_stop_all(struct net *net, bool by_force)
{
    pthread_mutex_lock(&net->table_lock);
    for (uint32_t i = 0; i < net->n_table; i++) {
        struct conn *c = net->table[i];
        if (c && by_force)
            kill_locked(c);
        else if (c)
            stop_locked(c);
    }
    pthread_mutex_unlock(&net->table_lock);
}

void conn_stop_service(struct net *net, enum service svc, bool by_force)
{
    pthread_mutex_lock(&net->table_lock);
    for (uint32_t i = 0; i < net->n_table; i++) {
        struct conn *c = net->table[i];
        if (!c || c->listener->l.service != svc)
            continue;
        if (by_force && atomic_load(&c->stop))
            kill_locked(c);
        else if (!by_force)
            stop_locked(c);
    }
    pthread_mutex_unlock(&net->table_lock);
}
