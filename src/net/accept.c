/* The accept thread: one for all listeners of the process, so that a new connection wakes nobody
 * else and limits are decided in one place. It reads nothing; open() runs on a worker. */
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "conf/patterns.h"
#include "log/log.h"
#include "net/net_priv.h"
#include "os/proc.h"

enum {
    BATCH = 64,         /* accepted from one listener before the others get their turn */
    BACKOFF_MS = 100,   /* after running out of descriptors or memory */
    REFUSING_MAX = 256, /* connections over the limit that are told so; more are just closed */
    WARN_EVERY_MS = 10000,
};

struct acceptor {
    struct net *net;
    pthread_t thread;
    int wake_fd;
    int reserve_fd; /* given up to accept and close when descriptors have run out; this thread only
                     */
    int64_t backoff_until_ms, warned_ms; /* this thread only */
    atomic_bool stop;
};

static bool deny_by_list(const struct conf *cf, int64_t mode, const struct setting *list,
                         const char *ip)
{
    enum { OFF, GRANT, DENY };
    if (mode == OFF)
        return false;
    return conf_lists_ip(cf, list, ip) == (mode == DENY);
}

static bool denied(const struct conf *cf, const struct listener *l, const char *ip)
{
    if (deny_by_list(cf, cf->net.access_mode, conf_find(SV("net.access_ips")), ip))
        return true;
    return l->access_mode && deny_by_list(cf, net_setting(cf, l->access_mode), l->access_ips, ip);
}

static void take(struct acceptor *a, const struct listener *l, int fd,
                 const struct sockaddr_storage *peer)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    struct net *n = a->net;
    struct conn_facts f = { .net = n, .listener = l, .fd = fd, .peer = *peer };
    char ip[ADDR_TEXT_MAX];
    sockaddr_text(peer, ip);
    /* An IPv6 customer has a whole /64: counting its addresses one by one would limit nobody. */
    if (sockaddr_bytes(peer, f.ip.addr) && strchr(ip, ':'))
        memset(f.ip.addr + 8, 0, 8);
    f.ip.limit = l->per_ip;
    f.trusted = conf_trusts_ip(cf, ip);
    int64_t max = atomic_load(&n->max_conns), open = atomic_fetch_add(&n->n_conns, 1) + 1;
    int64_t from_ip = ip_counts_inc(&n->per_ip, &f.ip);
    int64_t per_ip = l->per_ip ? net_setting(cf, l->per_ip) : 0;
    ctr_inc(CTR_conn_accepted);
    if (denied(cf, l, ip))
        f.refuse = "access";
    else if (open > max)
        f.refuse = "module";
    else if (per_ip > 0 && from_ip > per_ip && !f.trusted)
        f.refuse = "ip";
    if (open > max + REFUSING_MAX) {
        ctr_inc(CTR_conn_refused_limit);
        close(fd);
        ip_counts_dec(&n->per_ip, &f.ip);
        atomic_fetch_sub(&n->n_conns, 1);
        return;
    }
    conn_start(&f);
}

/* Out of descriptors: the peer at the head of the queue would wake us for ever, so it is taken by
 * means of the reserve and let go. */
static void shed(struct acceptor *a, int listen_fd, int err)
{
    int64_t now = clock_mono_ms();
    if (a->warned_ms == 0 || now - a->warned_ms > WARN_EVERY_MS) {
        a->warned_ms = now;
        log_warn("cannot accept connections: %s; raise LimitNOFILE= or lower net.max_connections",
                 strerrordesc_np(err));
    }
    if ((err == EMFILE || err == ENFILE) && a->reserve_fd >= 0) {
        close(a->reserve_fd);
        int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) {
            close(fd);
            ctr_inc(CTR_conn_refused_limit);
        }
    }
    if (err == EMFILE || err == ENFILE)
        a->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    a->backoff_until_ms = now + BACKOFF_MS;
}

/* The supervisor has shut the socket down: the service was stopped, or its addresses changed. */
static void forget(struct net *n, struct listener *l)
{
    pthread_mutex_lock(&n->listen_lock);
    closep(&l->l.fd);
    l->l.fd = -1;
    pthread_mutex_unlock(&n->listen_lock);
}

static void accept_some(struct acceptor *a, struct listener *l, int listen_fd)
{
    for (int i = 0; i < BATCH; i++) {
        struct sockaddr_storage peer = { 0 };
        socklen_t n = sizeof(peer);
        int fd = accept4(listen_fd, (struct sockaddr *)&peer, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            take(a, l, fd, &peer);
            continue;
        }
        int e = errno;
        if (e == EMFILE || e == ENFILE || e == ENOBUFS || e == ENOMEM) {
            shed(a, listen_fd, e);
            return;
        }
        /* Others are of the one connection (network errors), or EAGAIN. */
        if (e == ECONNABORTED || e == EINTR)
            continue;
        if (e == EINVAL)
            forget(a->net, l);
        return;
    }
}

static void *acceptor_main(void *arg)
{
    struct acceptor *a = arg;
    struct net *n = a->net;
    struct pollfd fds[LISTENERS_MAX + 1];
    os_thread_name("net-accept");
    while (!atomic_load(&a->stop)) {
        unsigned n_l;
        int64_t wait = a->backoff_until_ms ? a->backoff_until_ms - clock_mono_ms() : -1;
        bool backing_off = a->backoff_until_ms && wait > 0;
        if (!backing_off) {
            a->backoff_until_ms = 0;
            wait = -1;
        }
        fds[0] = (struct pollfd){ .fd = a->wake_fd, .events = POLLIN };
        pthread_mutex_lock(&n->listen_lock);
        n_l = n->n_listeners;
        for (unsigned i = 0; i < n_l; i++)
            fds[i + 1] =
                (struct pollfd){ .fd = backing_off ? -1 : n->listener[i].l.fd, .events = POLLIN };
        pthread_mutex_unlock(&n->listen_lock);
        if (poll(fds, n_l + 1, (int)wait) < 0 && errno != EINTR)
            panic("poll: %m");
        uint64_t drop;
        if (fds[0].revents && read(a->wake_fd, &drop, sizeof(drop)) < 0 && errno != EAGAIN)
            panic("eventfd: %m");
        for (unsigned i = 0; i < n_l && !atomic_load(&a->stop); i++) {
            if (fds[i + 1].revents)
                accept_some(a, &n->listener[i], fds[i + 1].fd);
        }
    }
    return NULL;
}

int acceptor_start(struct net *n, struct errinfo *ei)
{
    struct acceptor *a = xcalloc(1, sizeof(*a));
    a->net = n;
    a->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    a->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int e = a->wake_fd < 0 ? errno : pthread_create(&a->thread, NULL, acceptor_main, a);
    if (e != 0) {
        closep(&a->wake_fd);
        closep(&a->reserve_fd);
        free(a);
        return err_set_errno(ei, -e, "cannot start the accept thread");
    }
    n->acceptor = a;
    return 0;
}

void acceptor_wake(struct net *n)
{
    uint64_t one = 1;
    if (n->acceptor && write(n->acceptor->wake_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
        panic("eventfd: %m");
}

void acceptor_stop(struct net *n)
{
    struct acceptor *a = n->acceptor;
    atomic_store(&a->stop, true);
    acceptor_wake(n);
    pthread_join(a->thread, NULL);
    closep(&a->reserve_fd);
    for (unsigned i = 0; i < n->n_listeners; i++)
        forget(n, &n->listener[i]);
}

void acceptor_free(struct net *n)
{
    if (!n->acceptor)
        return;
    close(n->acceptor->wake_fd);
    free(take_ptr(n->acceptor));
}
