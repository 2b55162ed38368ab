/* One turn of a connection on a worker: flush, notes, frames, read, until the peer is needed; then
 * park. The order here is what conn.h promises; conn_test_driver.c repeats it without sockets. */
#include <event2/event.h>
#include <poll.h>

#include "base/clock.h"
#include "net/conn_priv.h"

enum { FRAMES_PER_TURN = 64, TIMER_SLACK_MS = 10, STAY_US = 200 };

enum next_kind { NEXT_AGAIN, NEXT_READ, NEXT_WRITE, NEXT_BOTH, NEXT_TIMER, NEXT_POOL, NEXT_CLOSE };

struct next {
    enum next_kind kind;
    int64_t ms;         /* NEXT_TIMER */
    enum pool pool;     /* NEXT_POOL */
    enum close_why why; /* NEXT_CLOSE */
};

static struct next next_is(enum next_kind k)
{
    return (struct next){ .kind = k };
}

static struct next next_close(enum close_why why)
{
    return (struct next){ .kind = NEXT_CLOSE, .why = why };
}

static struct next next_pool(enum pool p)
{
    return (struct next){ .kind = NEXT_POOL, .pool = p };
}

static struct next next_timer(int64_t ms)
{
    return (struct next){ .kind = NEXT_TIMER, .ms = MAX(ms, 1) };
}

/* No callback runs while output is due that it might pile on, or after the last word. */
static bool may_run(const struct conn *c)
{
    return !c->closing && !c->want_tls && !c->held && !c->items &&
           conn_out_pending(c) <= OUT_LOW_WATER &&
           !atomic_load_explicit(&c->killed, memory_order_relaxed);
}

static bool run_notes(struct conn *c)
{
    if (!may_run(c))
        return false;
    struct notebox *box = conn_take_notes(c);
    if (!box)
        return false;
    for (uint32_t i = 0; i < box->n && !c->closing; i++) {
        conn_enter(c);
        if (conn_ops(c)->note)
            conn_ops(c)->note(c->session, &box->note[i]);
    }
    free(box);
    return true;
}

enum ran { RAN_NONE, RAN_SOME, RAN_ELSEWHERE };

static void run_frame(struct conn *c, struct frame *f, bool bad)
{
    size_t used = MIN(f->used, conn_in_pending(c));
    if (!bad && used == 0)
        panic("%s: frame() took no input", conn_ops(c)->name);
    c->in_off += (uint32_t)used;
    c->progress = true;
    conn_enter(c);
    conn_ops(c)->run(c->session, f);
    if (bad && used == 0)
        conn_begin_close(c, CLOSE_ERROR);
    if ((c->want_tls || c->hand) && conn_has_input(c)) {
        conn_debug(c,
                   c->want_tls ? "Input before the TLS handshake, connection closed"
                               : "Input before the roles were reversed, connection closed",
                   NULL);
        c->closing = false; /* conn_hand_over has begun it, for another reason */
        conn_drop_output(c);
        conn_begin_close(c, CLOSE_ERROR);
    }
}

static enum ran run_frames(struct conn *c, struct worker *w, enum pool *ret_elsewhere)
{
    const struct proto_ops *ops = conn_ops(c);
    for (unsigned n = 0;; n++) {
        enum ran ran = n > 0 ? RAN_SOME : RAN_NONE;
        struct sv in = { c->in.p + c->in_off, conn_in_pending(c) };
        struct frame f = { 0 };
        if (in.n == 0 || n == FRAMES_PER_TURN || !may_run(c))
            return ran;
        int r = ops->frame(c->session, in, c->eof, &f);
        if (r == 0 && in.n < ops->max_input)
            return ran;
        bool bad = r <= 0;
        if (bad) {
            f.kind = -1;
            f.data = in;
        } else if (ops->pool) {
            enum pool p = ops->pool(c->session, &f);
            if (p != POOL_FAST && p != w->pool->which) {
                *ret_elsewhere = p;
                /* What has been answered goes out before the peer waits for slow work. */
                return n > 0 ? RAN_SOME : RAN_ELSEWHERE;
            }
        }
        run_frame(c, &f, bad);
    }
}

/* Output first. Returns false when *ret is to be done now; *blocked: some output must wait. */
static bool flush_first(struct conn *c, struct worker *w, bool *blocked, struct next *ret)
{
    *blocked = false;
    switch (conn_flush(c, w)) {
    case FLUSH_DONE:
        break;
    case FLUSH_BLOCKED:
        *blocked = true;
        if (c->timed_out) {
            ctr_inc(CTR_conn_closed_idle);
            *ret = next_close(CLOSE_TIMEOUT);
            return false;
        }
        if (!may_run(c)) {
            *ret = next_is(c->want_read ? NEXT_READ : NEXT_WRITE);
            return false;
        }
        break;
    case FLUSH_WAIT:
        c->progress = true; /* our limit, not the peer's sloth */
        *ret = next_timer(bandwidth_wait_ms(&c->net->bandwidth));
        return false;
    case FLUSH_MOVE:
        *ret = next_pool(POOL_BULK);
        return false;
    case FLUSH_DEAD:
        *ret = next_close(c->closing ? (enum close_why)c->close_why : CLOSE_PEER);
        return false;
    case FLUSH_ERROR:
        conn_debug(c, "Output could not be made, connection closed", NULL);
        *ret = next_close(CLOSE_ERROR);
        return false;
    }
    if (c->held) {
        *ret = next_timer(c->held_until_ms - clock_mono_ms());
        return false;
    }
    return true;
}

/* All frames are done that can be: get more input or park. False: go on, input has come. */
static bool want_input(struct conn *c, bool blocked, struct next *ret)
{
    if (c->eof) {
        *ret = blocked ? next_is(NEXT_WRITE) : next_close(CLOSE_PEER);
        return true;
    }
    if (!c->drained) {
        ssize_t n = conn_read_more(c);
        if (n > 0)
            return false;
        if (n == READ_EOF) {
            c->eof = true;
            return false;
        }
        if (n == READ_FAILED) {
            c->dead = true;
            *ret = next_close(CLOSE_PEER);
            return true;
        }
        if (n == READ_THROTTLED) {
            c->progress = true;
            *ret = next_timer(bandwidth_wait_ms(&c->net->bandwidth));
            return true;
        }
    }
    *ret = next_is(blocked || c->want_write ? NEXT_BOTH : NEXT_READ);
    return true;
}

static struct next serve(struct conn *c, struct worker *w)
{
    struct next nx;
    bool blocked;
    for (unsigned rounds = 0;; rounds++) {
        enum pool elsewhere = w->pool->which;
        if (atomic_load(&c->killed))
            return next_close(CLOSE_KILLED);
        if (!flush_first(c, w, &blocked, &nx))
            return nx;
        if (c->closing && !blocked)
            return next_close((enum close_why)c->close_why);
        if (c->want_tls && !blocked) {
            c->want_tls = false;
            conn_begin_handshake(c);
            return next_is(NEXT_AGAIN);
        }
        if (atomic_load(&c->stop) && !blocked && !c->shutting_down) {
            conn_goodbye(c, CLOSE_SHUTDOWN);
            continue;
        }
        if (run_notes(c))
            continue;
        enum ran ran = run_frames(c, w, &elsewhere);
        if (ran == RAN_ELSEWHERE)
            return next_pool(elsewhere);
        if (ran == RAN_SOME) {
            /* Others wait and this peer keeps talking: behind them. */
            if (rounds > 0 && rounds % 4 == 0 && may_run(c) && workpool_busy(w->pool))
                return next_pool(w->pool->which);
            continue;
        }
        if (c->timed_out) {
            conn_goodbye(c, CLOSE_TIMEOUT);
            continue;
        }
        if (want_input(c, blocked, &nx))
            return nx;
    }
}

static struct next shake(struct conn *c)
{
    switch (conn_handshake(c)) {
    case SHAKE_DONE:
        return next_is(NEXT_AGAIN);
    case SHAKE_READ:
        return next_is(NEXT_READ);
    case SHAKE_WRITE:
        return next_is(NEXT_WRITE);
    case SHAKE_TIMEOUT:
        return next_close(CLOSE_TIMEOUT);
    case SHAKE_FAILED:
        break;
    }
    return next_close(CLOSE_ERROR);
}

static void on_timer(struct conn *c)
{
    int64_t now = clock_mono_ms() + TIMER_SLACK_MS;
    if (c->held) {
        c->held = c->held_until_ms > now;
        c->progress = true;
        return;
    }
    c->timed_out = c->deadline_ms <= now && !c->progress;
}

static struct next turn(struct conn *c, struct worker *w, enum conn_state woke)
{
    struct next nx = next_is(NEXT_AGAIN);
    if (woke == ST_WOKE_TIMER)
        on_timer(c);
    if (atomic_load(&c->stop))
        c->held = false; /* whoever guesses passwords must not hold up the end */
    if (woke == ST_WOKE_IO && c->parked_for & EV_READ)
        c->drained = false;
    if (c->phase == PH_LINGER)
        return conn_linger(c) ? next_is(NEXT_READ) : next_close((enum close_why)c->close_why);
    if (c->phase == PH_NEW)
        conn_open(c);
    while (nx.kind == NEXT_AGAIN) {
        if (atomic_load(&c->killed))
            return next_close(CLOSE_KILLED);
        if (c->phase == PH_HANDSHAKE && atomic_load(&c->stop))
            return next_close(CLOSE_SHUTDOWN);
        if (c->phase == PH_HANDSHAKE) {
            nx = shake(c);
            continue;
        }
        nx = serve(c, w);
    }
    return nx;
}

static void account(struct conn *c)
{
    if (c->turn_in > 0)
        ctr_add(CTR_bytes_in, c->turn_in);
    if (c->turn_out > 0)
        ctr_add(CTR_bytes_out, c->turn_out);
    if (c->turn_in + c->turn_out > 0)
        shm_session_bytes(c->shm_slot, c->turn_in, c->turn_out);
    c->turn_in = c->turn_out = 0;
}

static bool park(struct conn *c, const struct next *nx)
{
    short what = nx->kind == NEXT_READ    ? EV_READ
                 : nx->kind == NEXT_WRITE ? EV_WRITE
                 : nx->kind == NEXT_BOTH  ? EV_READ | EV_WRITE
                                          : 0;
    int64_t ms = nx->ms;
    if (c->progress) {
        ms = what ? (int64_t)c->timeout_ms : ms;
        c->deadline_ms = clock_mono_ms() + c->timeout_ms;
        c->progress = false;
    } else if (what) {
        ms = MAX(c->deadline_ms - clock_mono_ms(), 1);
    }
    return conn_park(c, what, ms);
}

/* A peer that waits for each answer before it asks on is served without the way through the reactor
 * and the pool, which costs it two more threads' wake-ups: the worker stays with it for a moment.
 * Few may at a time, and none while others wait. A peer that was not answered waits for a note,
 * such as that the journal was synced, which finds only parked ones at once. True: input has come.
 */
static bool stay(struct conn *c, struct worker *w, bool answered)
{
    struct workpool *p = w->pool;
    const struct timespec moment = { .tv_nsec = STAY_US * 1000L };
    struct pollfd peer = { .fd = c->fd, .events = POLLIN };
    bool come = false;

    if (!answered || c->phase != PH_OPEN || p->which == POOL_BULK || atomic_load(&c->urgent) ||
        workpool_busy(p))
        return false;
    if (atomic_fetch_add(&p->n_staying, 1) < c->net->n_reactors)
        come = ppoll(&peer, 1, &moment, NULL) > 0;
    atomic_fetch_sub(&p->n_staying, 1);
    return come;
}

void conn_work(struct task *t, struct worker *w)
{
    struct conn *c = container_of(t, struct conn, task);
    for (;;) {
        enum conn_state woke = atomic_exchange(&c->state, ST_OWNED);
        /* Before the flags are looked at: what is set from now on stops the parking. */
        atomic_store(&c->urgent, false);
        if (woke == ST_WOKE_NOTE)
            event_del(&c->ev);
        conn_lend(c, w);
        struct next nx = turn(c, w, woke);
        bool answered = c->turn_out > 0;
        account(c);
        if (nx.kind == NEXT_CLOSE) {
            if (!conn_finish(c, w, nx.why))
                return;
            nx = next_is(NEXT_READ);
        }
        conn_return(c, w);
        if (nx.kind == NEXT_READ && stay(c, w, answered)) {
            c->drained = false;
            continue;
        }
        if (nx.kind == NEXT_POOL) {
            workpool_push(&c->net->pool[nx.pool], &c->task);
            return;
        }
        if (park(c, &nx))
            return;
    }
}
