/* Start, reload and stop of a module's network side. Called by proc/ on its main thread. */
#include "net/net.h"

#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "log/log.h"
#include "net/conn_priv.h"
#include "net/tls_priv.h"
#include "os/proc.h"

enum { BULK_MIN = 2, FDS_KEPT_FREE = 256, STEP_MS = 5, FORCE_MS = 3000, UNSENT_BYTES = 256 * 1024 };

/* Not on the heap: a thread that has just loaded net_current may still look into it (and find an
 * empty table) when net_stop has finished. The lock below is never destroyed for the same reason.
 */
static struct net the_net = {
    .table_lock = PTHREAD_MUTEX_INITIALIZER,
    .listen_lock = PTHREAD_MUTEX_INITIALIZER,
};
struct net *_Atomic net_current;
static bool left_behind; /* by a net_stop that could not wait any longer; main thread only */

static int64_t max_connections(const struct conf *cf)
{
    struct rlimit rl;
    int64_t max = cf->net.max_connections;
    if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur != RLIM_INFINITY) {
        int64_t room = (int64_t)rl.rlim_cur - FDS_KEPT_FREE;
        max = MIN(max, MAX(room, 16));
    }
    return max;
}

static void read_settings(struct net *n)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    atomic_store(&n->max_conns, max_connections(cf));
    atomic_store(&n->bandwidth.rate, cf->net.bandwidth);
}

static int start_parts(struct net *n, const struct conf *cf, struct errinfo *ei)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned want = cf->net.reactors ? (unsigned)cf->net.reactors : (unsigned)MIN(MAX(cpus, 1), 4);
    unsigned size[POOL_COUNT] = { [POOL_FAST] = (unsigned)cf->net.workers_fast,
                                  [POOL_SLOW] = (unsigned)cf->net.workers_slow,
                                  [POOL_BULK] = (unsigned)cf->net.workers_bulk };
    for (int p = 0; p < POOL_COUNT; p++) {
        int r = workpool_start(&n->pool[p], (enum pool)p, size[p], ei);
        if (r < 0)
            return r;
    }
    for (n->n_reactors = 0; n->n_reactors < want; n->n_reactors++) {
        int r = reactor_start(&n->reactor[n->n_reactors], n->n_reactors, ei);
        if (r < 0)
            return r;
    }
    return acceptor_start(n, ei);
}

static void free_parts(struct net *n)
{
    for (unsigned i = 0; i < n->n_reactors; i++)
        reactor_stop(&n->reactor[i]);
    n->n_reactors = 0;
    for (int p = 0; p < POOL_COUNT; p++) {
        if (n->pool[p].workers)
            workpool_done(&n->pool[p]);
        n->pool[p].workers = NULL;
    }
    acceptor_free(n);
    ip_counts_done(&n->per_ip);
    pthread_mutex_destroy(&n->bandwidth.lock);
    pthread_mutex_lock(&n->table_lock);
    free(take_ptr(n->table));
    free(take_ptr(n->free_slots));
    n->n_table = n->n_free = 0;
    pthread_mutex_unlock(&n->table_lock);
    n->n_listeners = 0;
}

int net_start(struct net **ret, struct errinfo *ei)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    struct net *n = &the_net;
    if (atomic_load(&net_current) || left_behind)
        return err_set(ei, E_EXISTS, "the network side runs already");
    signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL */
    os_raise_nofile();
    atomic_store(&n->stopping, false);
    ip_counts_init(&n->per_ip);
    pthread_mutex_init(&n->bandwidth.lock, NULL);
    n->bandwidth.tokens = 0;
    n->bandwidth.filled_us = clock_mono_us();
    for (int i = 0; i < REACTORS_MAX; i++)
        atomic_store(&n->reactor[i].n_common, 0);
    read_settings(n);
    int r = start_parts(n, cf, ei);
    if (r < 0) {
        for (int p = 0; p < POOL_COUNT; p++) {
            if (n->pool[p].workers)
                (void)workpool_stop(&n->pool[p], INT64_MAX);
        }
        free_parts(n);
        return r;
    }
    atomic_store(&net_current, n);
    *ret = n;
    return 0;
}

static const struct setting *setting_of(const char *name, enum set_type type, struct errinfo *ei)
{
    const struct setting *s = name ? conf_find(sv_c(name)) : NULL;
    if (name && (!s || s->type != type))
        err_set(ei, E_NOTFOUND, "%s is not a setting of type %s", name, conf_type_names[type]);
    return s && s->type == type ? s : NULL;
}

int64_t net_setting(const struct conf *cf, const struct setting *s)
{
    int64_t v;
    memcpy(&v, (const char *)cf + s->offset, sizeof(v));
    return v;
}

static bool same_but_fd(const struct net_listener *a, const struct net_listener *b)
{
    return a->service == b->service && a->tls == b->tls && a->ops == b->ops && a->arg == b->arg &&
           a->refuse == b->refuse;
}

/* A place for l: one that a listener of its kind has left, as connections may still look at it. */
static int take_place(struct net *n, const struct listener *l, struct errinfo *ei)
{
    for (unsigned i = 0; i < n->n_listeners; i++)
        if (n->listener[i].l.fd < 0 && same_but_fd(&n->listener[i].l, &l->l)) {
            n->listener[i].l.fd = l->l.fd;
            return 0;
        }
    if (n->n_listeners == LISTENERS_MAX)
        return err_set(ei, E_LIMIT, "more than %d listening addresses", LISTENERS_MAX);
    n->listener[n->n_listeners++] = *l;
    return 0;
}

int net_listen(struct net *n, const struct net_listener *l, struct errinfo *ei)
{
    int on = 1, unsent = UNSENT_BYTES;
    struct errinfo none = { 0 };
    struct listener new = { .l = *l,
                            .per_ip = setting_of(l->per_ip_setting, SET_INT, &none),
                            .certificate = setting_of(l->certificate_setting, SET_DURATION, &none),
                            .access_mode = setting_of(l->access_mode_setting, SET_ENUM, &none),
                            .access_ips = setting_of(l->access_ips_setting, SET_LIST, &none) };
    if (none.code || !new.access_mode != !new.access_ips)
        return err_set(ei, E_NOTFOUND, "%s", none.code ? none.text : "half a rule of access");
    if (os_set_nonblock(l->fd, true) < 0)
        return err_set_errno(ei, -errno, "listening socket %d", l->fd);
    /* Both are inherited by accepted sockets. The second keeps the kernel from buffering megabytes
     * for a peer that does not read. */
    setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(l->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
    pthread_mutex_lock(&n->listen_lock);
    int r = take_place(n, &new, ei);
    pthread_mutex_unlock(&n->listen_lock);
    if (r == 0)
        acceptor_wake(n);
    return r;
}

void net_end_sessions(struct net *n, enum service svc, bool by_force)
{
    conn_stop_service(n, svc, by_force);
}

void net_reload(struct net *n)
{
    struct errinfo ei = { 0 };
    read_settings(n);
    if (tls_reload(&ei) < 0)
        log_error("%s; the previous certificates stay in use", ei.text);
}

int net_job(enum pool p, void (*fn)(void *arg), void *arg)
{
    struct net *n = atomic_load(&net_current);
    return n ? workpool_job(&n->pool[p], fn, arg) : E_CLOSED;
}

static bool wait_for_conns(struct net *n, int64_t until_ms)
{
    while (atomic_load(&n->n_conns) > 0) {
        if (clock_mono_ms() >= until_ms)
            return false;
        usleep(STEP_MS * 1000);
    }
    return true;
}

void net_stop(struct net *n, int64_t deadline_ms)
{
    int64_t until = clock_mono_ms() + deadline_ms;
    atomic_store(&n->stopping, true);
    acceptor_stop(n);
    conn_stop_all(n, false);
    bool all = wait_for_conns(n, until);
    if (!all) {
        conn_stop_all(n, true);
        all = wait_for_conns(n, clock_mono_ms() + FORCE_MS);
    }
    bool idle = true;
    for (int p = 0; p < POOL_COUNT; p++)
        idle &= workpool_stop(&n->pool[p], MAX(until, clock_mono_ms() + 200));
    atomic_store(&net_current, NULL);
    if (!all || !idle) {
        /* A handler hangs in something that has no end: what it may touch must stay. */
        log_error("stopping: %u connections or jobs did not end within %" PRId64 " ms",
                  atomic_load(&n->n_conns), deadline_ms);
        left_behind = true;
        return;
    }
    free_parts(n);
}
