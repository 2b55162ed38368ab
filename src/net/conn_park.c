/* Parking: how a connection passes between workers and its reactor. The state word decides who has
 * it; whoever changes PARKED into WOKE_* owns it and queues it. See docs/internals/conn.md. */
#include <event2/event.h>

#include "net/conn_priv.h"

static bool move(struct conn *c, enum conn_state from, enum conn_state to)
{
    uint8_t expected = (uint8_t)from;
    return atomic_compare_exchange_strong(&c->state, &expected, (uint8_t)to);
}

static void enqueue(struct conn *c)
{
    /* What is left to send is bulk; everything else starts on the fast workers. */
    enum pool p = c->items && c->phase == PH_OPEN ? POOL_BULK : POOL_FAST;
    workpool_push(&c->net->pool[p], &c->task);
}

/* Takes c from where it waits. A worker that is still parking sees it and goes on; it may get to
 * PARKED between two looks at the state, so both are tried in one loop. After success c may be
 * gone. */
static void wake(struct conn *c, enum conn_state woke)
{
    uint8_t was = atomic_load(&c->state);
    while (was == ST_PARKING || was == ST_PARKED) {
        if (!atomic_compare_exchange_weak(&c->state, &was, (uint8_t)woke))
            continue;
        if (was == ST_PARKED)
            enqueue(c);
        return;
    }
}

/* On the reactor's thread. */
static void on_event(evutil_socket_t fd _unused_, short what, void *arg)
{
    wake(arg, what & EV_TIMEOUT ? ST_WOKE_TIMER : ST_WOKE_IO);
}

bool conn_park(struct conn *c, short what, int64_t ms)
{
    struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
    const struct timeval *common = ms >= 1000 ? reactor_common(c->reactor, ms) : NULL;
    c->parked_for = (uint8_t)what;
    event_assign(&c->ev, c->reactor->base, what & (EV_READ | EV_WRITE) ? c->fd : -1, what, on_event,
                 c);
    atomic_store(&c->state, ST_PARKING);
    /* A claimer sets urgent, then looks at the state; here it is the other way round, so one of
     * the two sees the other. */
    if (atomic_load(&c->urgent)) {
        (void)move(c, ST_PARKING, ST_WOKE_NOTE);
        return false;
    }
    if (event_add(&c->ev, common ? common : &tv) < 0)
        panic("event_add: %m");
    return move(c, ST_PARKING, ST_PARKED);
}

void conn_claim(struct conn *c)
{
    wake(c, ST_WOKE_NOTE);
}
