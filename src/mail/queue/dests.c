/* Destinations, senders and the flows between them. A flow is in its sender's ring while its
 * destination is open, else it is set aside at the destination; a ring may hold flows whose
 * destination has become full meanwhile, they are set aside when their turn comes. So each step
 * costs the same however many wait. */
#include "mail/queue/dests.h"

#include "base/hash.h"

enum {
    IDLE_MAX = 20000,   /* destinations remembered though nothing waits for them */
    RANKS = 16,         /* of probes: by failures so far */
    LOW_TURN = 8,       /* each 8th turn begins with the lowest priority */
    PROBE_TURN = 4,     /* each 4th turn begins with a probe when there is none */
    RINGS = DEST_PROBE, /* PROVEN, NEW, BACKLOG */
};

struct sender {
    char *name;
    unsigned n_flows;
    struct list ring[RINGS][PRIORITIES];  /* in dests.ring while there are flows below */
    struct list flows[RINGS][PRIORITIES]; /* whose destinations are open, in turn */
};

struct flow {
    struct list link;    /* in sender.flows, or in dest.aside */
    struct list of_dest; /* in dest.flows */
    struct list waiters;
    struct dest *dest;
    struct sender *sender;
    enum priority priority;
    bool runs; /* in the sender's ring, of this class: */
    enum dest_class ring;
};

struct dest {
    char *key;
    struct list flows[PRIORITIES];
    struct list aside[PRIORITIES];
    unsigned n_waiting, n_active, n_runs;
    double window;
    bool proven, backlog;
    unsigned strikes, failures; /* in a row; rests that were in vain */
    int64_t next_probe;
    char *answer;
    struct heap_node probe; /* in dests.resting while it rests and something waits */
    struct list due;        /* in dests.due when that time has come */
    struct list idle;       /* in dests.idle while nothing waits and nobody is there */
};

struct dests {
    struct map *by_key, *senders, *flows;
    struct list ring[RINGS][PRIORITIES]; /* of senders */
    struct heap resting;
    struct list due[RANKS];
    unsigned n_due, n_runs[RINGS];
    struct list idle; /* the longest first */
    size_t n_idle, n_backlog;
    unsigned active[DEST_CLASSES];
    unsigned turn, new_turn, takes;
};

struct dests *dests_new(void)
{
    struct dests *ds = xcalloc(1, sizeof(*ds));
    ds->by_key = map_new();
    ds->senders = map_new();
    ds->flows = map_new();
    for (size_t c = 0; c < RINGS; c++)
        for (size_t p = 0; p < PRIORITIES; p++)
            list_init(&ds->ring[c][p]);
    for (size_t i = 0; i < RANKS; i++)
        list_init(&ds->due[i]);
    list_init(&ds->idle);
    return ds;
}

static void free_dest(void *p)
{
    struct dest *d = p;
    free(d->key);
    free(d->answer);
    free(d);
}

static void free_sender(void *p)
{
    struct sender *s = p;
    free(s->name);
    free(s);
}

static void free_flow(void *p)
{
    struct flow *f = p;
    list_for_each_safe(l, tmp, &f->waiters)
    {
        list_del(l);
        container_of(l, struct waiter, link)->flow = NULL;
    }
    free(f);
}

void dests_free(struct dests *ds)
{
    map_free(ds->flows, free_flow);
    map_free(ds->senders, free_sender);
    map_free(ds->by_key, free_dest);
    heap_done(&ds->resting);
    free(ds);
}

/* --- destinations --- */

static void forget_idle(struct dests *ds)
{
    while (ds->n_idle > IDLE_MAX) {
        struct dest *d = container_of(ds->idle.next, struct dest, idle);
        list_del(&d->idle);
        ds->n_idle--;
        map_del(ds->by_key, sv_c(d->key));
        free_dest(d);
    }
}

static enum dest_class class_of(const struct dest *d)
{
    return d->proven ? DEST_PROVEN : d->backlog ? DEST_BACKLOG : DEST_NEW;
}

static void end_backlog(struct dests *ds, struct dest *d)
{
    ds->n_backlog -= d->backlog;
    d->backlog = false;
}

/* In the list of idle ones exactly when nothing concerns it. */
static void note_use(struct dests *ds, struct dest *d)
{
    bool idle = !d->n_waiting && !d->n_active, listed = !list_empty(&d->idle);
    if (idle && !listed) {
        end_backlog(ds, d);
        list_add_tail(&ds->idle, &d->idle);
        ds->n_idle++;
        forget_idle(ds);
    } else if (!idle && listed) {
        list_del(&d->idle);
        ds->n_idle--;
    }
}

static struct dest *get(struct dests *ds, struct sv key)
{
    struct dest *d = map_get(ds->by_key, key);
    if (d)
        return d;
    d = xcalloc(1, sizeof(*d));
    d->key = sv_dup(key);
    d->window = 1;
    list_init(&d->due);
    list_init(&d->idle);
    for (size_t p = 0; p < PRIORITIES; p++) {
        list_init(&d->flows[p]);
        list_init(&d->aside[p]);
    }
    map_put(ds->by_key, key, d);
    return d;
}

static bool is_open(const struct dest *d)
{
    return !d->failures && d->n_active < (unsigned)d->window;
}

/* --- flows --- */

static struct sender *get_sender(struct dests *ds, struct sv name)
{
    struct sender *s = map_get(ds->senders, name);
    if (s)
        return s;
    s = xcalloc(1, sizeof(*s));
    s->name = sv_dup(name);
    for (size_t c = 0; c < RINGS; c++) {
        for (size_t p = 0; p < PRIORITIES; p++) {
            list_init(&s->ring[c][p]);
            list_init(&s->flows[c][p]);
        }
    }
    map_put(ds->senders, name, s);
    return s;
}

static struct sv flow_key(char *buf, size_t size, struct sv key, struct sv sender, enum priority p)
{
    int n = snprintf(buf, size, "%u" SV_FMT "\n" SV_FMT, (unsigned)p, SV_ARG(key), SV_ARG(sender));
    return sv_n(buf, MIN((size_t)n, size - 1));
}

static void set_aside(struct dests *ds, struct flow *f)
{
    if (f->runs) {
        struct sender *s = f->sender;
        list_del(&f->link);
        if (list_empty(&s->flows[f->ring][f->priority]))
            list_del(&s->ring[f->ring][f->priority]);
        f->runs = false;
        f->dest->n_runs--;
        ds->n_runs[f->ring]--;
    } else {
        list_del(&f->link);
    }
    list_add_tail(&f->dest->aside[f->priority], &f->link);
}

static void let_run(struct dests *ds, struct flow *f)
{
    struct sender *s = f->sender;
    list_del(&f->link);
    f->runs = true;
    f->ring = class_of(f->dest);
    f->dest->n_runs++;
    ds->n_runs[f->ring]++;
    if (list_empty(&s->flows[f->ring][f->priority]))
        list_add_tail(&ds->ring[f->ring][f->priority], &s->ring[f->ring][f->priority]);
    list_add_tail(&s->flows[f->ring][f->priority], &f->link);
}

static struct flow *first_aside(const struct dest *d)
{
    for (size_t p = 0; p < PRIORITIES; p++)
        if (!list_empty(&d->aside[p]))
            return container_of(d->aside[p].next, struct flow, link);
    return NULL;
}

static unsigned rank(const struct dest *d)
{
    return MIN(d->failures, (unsigned)RANKS - 1);
}

static void stop_probing(struct dests *ds, struct dest *d)
{
    heap_del(&ds->resting, &d->probe);
    if (!list_empty(&d->due)) {
        list_del(&d->due);
        ds->n_due--;
    }
}

/* After every change: what may run runs, and a destination that rests waits for its time. */
static void settle(struct dests *ds, struct dest *d)
{
    struct flow *f;
    bool wants_probe = d->failures && d->n_waiting && !d->n_active;
    while (is_open(d) && d->n_runs < (unsigned)d->window - d->n_active && (f = first_aside(d)))
        let_run(ds, f);
    if (!wants_probe)
        stop_probing(ds, d);
    else if (!d->probe.at && list_empty(&d->due))
        heap_add(&ds->resting, &d->probe, d->next_probe);
    note_use(ds, d);
}

static struct flow *get_flow(struct dests *ds, struct sv key, struct sv sender, enum priority p)
{
    char buf[DEST_KEY + 300];
    struct sv name = flow_key(buf, sizeof(buf), key, sender, p);
    struct flow *f = map_get(ds->flows, name);
    if (f)
        return f;
    f = xcalloc(1, sizeof(*f));
    f->dest = get(ds, key);
    f->sender = get_sender(ds, sender);
    f->sender->n_flows++;
    f->priority = p;
    list_init(&f->waiters);
    list_init(&f->link);
    list_init(&f->of_dest);
    list_add_tail(&f->dest->flows[p], &f->of_dest);
    list_add_tail(&f->dest->aside[p], &f->link);
    map_put(ds->flows, name, f);
    return f;
}

static void drop_flow(struct dests *ds, struct flow *f)
{
    char buf[DEST_KEY + 300];
    struct sender *s = f->sender;
    set_aside(ds, f);
    list_del(&f->link);
    list_del(&f->of_dest);
    map_del(ds->flows, flow_key(buf, sizeof(buf), sv_c(f->dest->key), sv_c(s->name), f->priority));
    if (!--s->n_flows) {
        map_del(ds->senders, sv_c(s->name));
        free_sender(s);
    }
    free(f);
}

void dests_add(struct dests *ds, struct sv key, struct sv sender, enum priority p, bool first,
               struct waiter *w)
{
    struct flow *f = get_flow(ds, sv_take(key, DEST_KEY - 1), sv_take(sender, 255), p);
    if (first)
        list_add_head(&f->waiters, &w->link);
    else
        list_add_tail(&f->waiters, &w->link);
    w->flow = f;
    f->dest->n_waiting++;
    if (!f->runs && is_open(f->dest))
        let_run(ds, f);
    settle(ds, f->dest);
}

/* Without the rest of what follows. */
static struct dest *unlink_waiter(struct dests *ds, struct waiter *w)
{
    struct flow *f = w->flow;
    struct dest *d = f->dest;
    list_del(&w->link);
    w->flow = NULL;
    d->n_waiting--;
    if (list_empty(&f->waiters))
        drop_flow(ds, f);
    return d;
}

void dests_remove(struct dests *ds, struct waiter *w)
{
    if (w->flow)
        settle(ds, unlink_waiter(ds, w));
}

/* --- taking --- */

static struct waiter *first_of(struct dests *ds, struct flow *f)
{
    struct waiter *w = container_of(f->waiters.next, struct waiter, link);
    unlink_waiter(ds, w);
    return w;
}

/* Room for one more that may not be there. */
static bool has_room(const struct dests *ds, const struct dest_policy *pol, enum dest_class c)
{
    unsigned old = ds->active[DEST_BACKLOG] + ds->active[DEST_PROBE];
    return c == DEST_PROVEN || (old + ds->active[DEST_NEW] < pol->limit[DEST_NEW] &&
                                (c == DEST_NEW || old < pol->limit[c]));
}

/* Of a sender's new destinations the oldest and the newest take turns: thousands that are dead do
 * not keep the next one waiting. */
static struct list *turn_in(struct dests *ds, const struct list *flows, unsigned c)
{
    return c != DEST_PROVEN && ++ds->new_turn % 2 == 0 ? flows->prev : flows->next;
}

/* The flow whose turn it is; those whose destinations are full by now are set aside. */
static struct flow *turn_of(struct dests *ds, struct list *ring, unsigned c, unsigned p)
{
    while (!list_empty(ring)) {
        struct sender *s = container_of(ring->next, struct sender, ring[c][p]);
        struct flow *f = container_of(turn_in(ds, &s->flows[c][p], c), struct flow, link);
        if (!is_open(f->dest)) {
            set_aside(ds, f);
            continue;
        }
        list_del(&f->link);
        list_add_tail(&s->flows[c][p], &f->link);
        list_del(&s->ring[c][p]);
        list_add_tail(ring, &s->ring[c][p]);
        return f;
    }
    return NULL;
}

static struct flow *pick(struct dests *ds, const struct dest_policy *pol)
{
    bool low_first = ++ds->turn % LOW_TURN == 0;
    for (unsigned i = 0; i < PRIORITIES; i++) {
        unsigned p = low_first ? PRIORITIES - 1 - i : i;
        for (unsigned k = 0; k < RINGS; k++) {
            unsigned c = (k + ds->turn) % RINGS;
            if (!has_room(ds, pol, (enum dest_class)c))
                continue;
            struct flow *f = turn_of(ds, &ds->ring[c][p], c, p);
            if (f)
                return f;
        }
    }
    return NULL;
}

static void move_due(struct dests *ds, int64_t now)
{
    struct heap_node *n;
    while ((n = heap_first(&ds->resting)) && n->when <= now) {
        struct dest *d = container_of(n, struct dest, probe);
        heap_del(&ds->resting, n);
        list_add_tail(&ds->due[rank(d)], &d->due);
        ds->n_due++;
    }
}

static struct flow *pick_probe(const struct dests *ds)
{
    for (size_t i = 0; i < RANKS; i++)
        if (!list_empty(&ds->due[i]))
            return first_aside(container_of(ds->due[i].next, struct dest, due));
    return NULL;
}

static struct waiter *take(struct dests *ds, struct flow *f, enum dest_class counts,
                           struct place *ret)
{
    struct dest *d = f->dest;
    if (!f->runs) { /* the next probe is of another flow */
        list_del(&f->link);
        list_add_tail(&d->aside[f->priority], &f->link);
    }
    *ret = (struct place){ d, counts };
    d->n_active++;
    ds->active[counts]++;
    struct waiter *w = first_of(ds, f);
    settle(ds, d);
    return w;
}

struct waiter *dests_take(struct dests *ds, const struct dest_policy *pol, int64_t now,
                          struct place *ret)
{
    move_due(ds, now);
    struct flow *f = NULL;
    /* Whatever else there is to do: */
    if (++ds->takes % PROBE_TURN == 0 && !ds->active[DEST_PROBE] && has_room(ds, pol, DEST_PROBE))
        f = pick_probe(ds);
    if (f)
        return take(ds, f, DEST_PROBE, ret);
    f = pick(ds, pol);
    if (f)
        return take(ds, f, class_of(f->dest), ret);
    if (has_room(ds, pol, DEST_PROBE))
        f = pick_probe(ds);
    return f ? take(ds, f, DEST_PROBE, ret) : NULL;
}

struct waiter *dests_next(struct dests *ds, const struct place *at)
{
    struct dest *d = at->dest;
    if (!d || d->failures || d->n_active > (unsigned)d->window)
        return NULL;
    for (size_t p = 0; p < PRIORITIES; p++) {
        if (list_empty(&d->flows[p]))
            continue;
        struct flow *f = container_of(d->flows[p].next, struct flow, of_dest);
        list_del(&f->of_dest); /* senders take turns */
        list_add_tail(&d->flows[p], &f->of_dest);
        struct waiter *w = first_of(ds, f);
        settle(ds, d);
        return w;
    }
    return NULL;
}

bool dests_enter(struct dests *ds, const struct dest_policy *pol, struct sv key, struct place *ret)
{
    struct dest *d = get(ds, sv_take(key, DEST_KEY - 1));
    bool ok = is_open(d) && !d->n_waiting && has_room(ds, pol, class_of(d));
    if (ok) {
        *ret = (struct place){ d, class_of(d) };
        d->n_active++;
        ds->active[ret->counts]++;
    }
    note_use(ds, d);
    return ok;
}

void dests_leave(struct dests *ds, struct place *at)
{
    struct dest *d = at->dest;
    if (!d)
        return;
    at->dest = NULL;
    ds->active[at->counts]--;
    d->n_active--;
    struct flow *f = is_open(d) ? first_aside(d) : NULL;
    if (f) /* also when others run: it may be more urgent */
        let_run(ds, f);
    settle(ds, d);
}

/* --- what the other side does --- */

/* Those that run are set aside, or go into the ring of the destination's new class. */
static void restart_flows(struct dests *ds, struct dest *d, bool again)
{
    for (size_t p = 0; p < PRIORITIES; p++) {
        list_for_each(l, &d->flows[p])
        {
            struct flow *f = container_of(l, struct flow, of_dest);
            if (!f->runs)
                continue;
            set_aside(ds, f);
            if (again)
                let_run(ds, f);
        }
    }
}

static void answered(struct dests *ds, const struct dest_policy *pol, struct dest *d,
                     struct place *at)
{
    bool fresh = !d->proven;
    d->strikes = d->failures = 0;
    d->next_probe = 0;
    d->proven = true;
    end_backlog(ds, d);
    if (fresh)
        d->window = pol->start;
    d->window = MIN(d->window + 1 / d->window, (double)pol->max);
    if (at->counts != DEST_PROVEN) {
        ds->active[at->counts]--;
        ds->active[at->counts = DEST_PROVEN]++;
    }
    if (fresh)
        restart_flows(ds, d, true);
}

static void rest(struct dests *ds, const struct dest_policy *pol, int64_t now, struct dest *d)
{
    d->window = 1;
    d->strikes = 0;
    d->failures++;
    d->next_probe = now + pol->wait(pol->arg, d->failures);
    end_backlog(ds, d);
    stop_probing(ds, d);
    restart_flows(ds, d, false);
}

void dests_tell(struct dests *ds, const struct dest_policy *pol, int64_t now, struct place *at,
                enum peer what, const char *answer)
{
    struct dest *d = at->dest;
    if (!d)
        return;
    if (what == PEER_ANSWERED) {
        answered(ds, pol, d, at);
        settle(ds, d);
        return;
    }
    free(d->answer);
    d->answer = xstrdup(answer);
    d->window = MAX(d->window - 1, 1.0);
    /* Several were there when it fell silent: their failures are one. */
    if (d->failures && d->next_probe > now && at->counts != DEST_PROBE)
        return;
    if (++d->strikes >= (d->proven && !d->failures ? pol->strikes : 1))
        rest(ds, pol, now, d);
    settle(ds, d);
}

void dests_distrust(struct dests *ds, struct sv key, const char *answer)
{
    struct dest *d = get(ds, sv_take(key, DEST_KEY - 1));
    if (!d->failures) {
        d->failures = 1;
        d->answer = xstrdup(answer);
    }
    settle(ds, d);
}

bool dests_backlog(struct dests *ds, const struct waiter *w)
{
    struct dest *d = w->flow->dest;
    if (!d->backlog && !d->proven && !d->failures) {
        d->backlog = true;
        ds->n_backlog++;
        restart_flows(ds, d, true);
    }
    return !d->failures;
}

void dests_news(struct dests *ds, struct sv key)
{
    struct dest *d = ds->n_backlog ? map_get(ds->by_key, sv_take(key, DEST_KEY - 1)) : NULL;
    if (!d || !d->backlog)
        return;
    end_backlog(ds, d);
    restart_flows(ds, d, true);
}

void dests_each_waiter(const struct place *at, void (*fn)(struct waiter *, void *arg), void *arg)
{
    for (size_t p = 0; at->dest && p < PRIORITIES; p++) {
        list_for_each(l, &at->dest->flows[p])
        {
            struct flow *f = container_of(l, struct flow, of_dest);
            list_for_each(k, &f->waiters) fn(container_of(k, struct waiter, link), arg);
        }
    }
}

void dests_probe_now(struct dests *ds, struct sv key)
{
    struct dest *d = map_get(ds->by_key, sv_take(key, DEST_KEY - 1));
    if (!d || !d->failures)
        return;
    d->next_probe = 0;
    if (d->probe.at) {
        heap_del(&ds->resting, &d->probe);
        heap_add(&ds->resting, &d->probe, 0);
    }
}

/* --- looking --- */

static enum dest_state state_of(const struct dest *d)
{
    return d->failures ? DEST_RESTS : is_open(d) ? DEST_OPEN : DEST_FULL;
}

static struct dest_info info_of(const struct dest *d)
{
    return (struct dest_info){
        .key = d->key,
        .state = state_of(d),
        .waiting = d->n_waiting,
        .active = d->n_active,
        .window = (unsigned)d->window,
        .failures = d->failures,
        .next_probe_ms = d->failures ? d->next_probe : 0,
        .answer = d->answer ? d->answer : "",
    };
}

void dests_of(const struct waiter *w, struct dest_info *ret)
{
    *ret = info_of(w->flow->dest);
}

int64_t dests_wake(const struct dests *ds)
{
    const struct heap_node *n = heap_first(&ds->resting);
    return n ? n->when : INT64_MAX;
}

bool dests_runnable(const struct dests *ds, const struct dest_policy *pol)
{
    for (unsigned c = 0; c < RINGS; c++)
        if (ds->n_runs[c] && has_room(ds, pol, (enum dest_class)c))
            return true;
    return ds->n_due && has_room(ds, pol, DEST_PROBE);
}

enum dest_state dests_state(const struct dests *ds, struct sv key)
{
    const struct dest *d = map_get(ds->by_key, sv_take(key, DEST_KEY - 1));
    return d ? state_of(d) : DEST_OPEN;
}

bool dests_rests(const struct place *at)
{
    return at->dest && at->dest->failures;
}

bool dests_first_contact(const struct place *at)
{
    return at->dest && (at->counts == DEST_NEW || at->counts == DEST_BACKLOG);
}

const char *dests_key(const struct place *at)
{
    return at->dest ? at->dest->key : "";
}

bool dests_info(const struct dests *ds, struct sv key, struct dest_info *ret)
{
    const struct dest *d = map_get(ds->by_key, sv_take(key, DEST_KEY - 1));
    if (d)
        *ret = info_of(d);
    return d;
}

struct each {
    bool (*fn)(const struct dest_info *, void *arg);
    void *arg;
};

static bool each_one(struct sv key _unused_, void *value, void *arg)
{
    const struct each *e = arg;
    struct dest_info i = info_of(value);
    return e->fn(&i, e->arg);
}

void dests_each(const struct dests *ds, bool (*fn)(const struct dest_info *, void *arg), void *arg)
{
    struct each e = { fn, arg };
    map_each(ds->by_key, each_one, &e);
}
