/* One name server: a context of libunbound that forwards everything to it. Each has its own,
 * because libunbound chooses among several forwarders by itself and gives none a deadline (a dead
 * one costs 17 s). A context without a forwarder would ask the root servers; it is never used: each
 * call's result is checked. The context and its thread are made at the first lookup. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unbound.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/deadline.h"
#include "conf/conf.h"
#include "net/dns_priv.h"
#include "os/proc.h"

enum { SILENT_MS = 30000 };

struct dns_server {
    atomic_uint refs;
    char text[DNS_SERVER_TEXT];
    _Atomic int64_t silent_until_ms; /* monotonic */
    pthread_mutex_t lock;            /* guards making the rest; afterwards that is constant */
    struct ub_ctx *ub;               /* NULL: not made yet */
    pthread_t thread;
    int stop_fd; /* eventfd: readable when thread is to end */
};

/* One lookup. Counted: by the caller and by the callback to come. */
struct query {
    atomic_uint refs;
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t changed;
    bool done;
    int error; /* libunbound's */
    struct ub_result *result;
};

/* libunbound counts its contexts and makes and destroys global locks with the first and last of
 * them, unguarded (seen by TSAN): held while a context is made or deleted. Taken after a server's
 * lock. */
static pthread_mutex_t library_lock = PTHREAD_MUTEX_INITIALIZER;

/* --- context --- */

static void *collect(void *arg)
{
    struct dns_server *s = arg;

    os_thread_name("dns");
    for (;;) {
        struct pollfd p[2] = { { .fd = ub_fd(s->ub), .events = POLLIN },
                               { .fd = s->stop_fd, .events = POLLIN } };

        if (poll(p, 2, -1) <= 0)
            continue;
        if (p[1].revents)
            break;
        ub_process(s->ub);
    }
    return NULL;
}

struct dns_server *dns_server_new(const char *text)
{
    struct dns_server *s = xcalloc(1, sizeof(*s));

    atomic_init(&s->refs, 1);
    pthread_mutex_init(&s->lock, NULL);
    s->stop_fd = -1;
    snprintf(s->text, sizeof(s->text), "%s", text);
    return s;
}

void dns_server_unref(struct dns_server *s)
{
    if (!s || atomic_fetch_sub(&s->refs, 1) != 1)
        return;
    if (s->ub) {
        eventfd_write(s->stop_fd, 1);
        pthread_join(s->thread, NULL);
        close(s->stop_fd);
        pthread_mutex_lock(&library_lock);
        ub_ctx_delete(s->ub);
        pthread_mutex_unlock(&library_lock);
    }
    pthread_mutex_destroy(&s->lock);
    free(s);
}

const char *dns_server_text(const struct dns_server *s)
{
    return s->text;
}

bool dns_server_silent(const struct dns_server *s)
{
    return clock_mono_ms() < atomic_load(&s->silent_until_ms);
}

static int set_options(struct ub_ctx *ub, const struct conf_dns *c, struct errinfo *ei)
{
    static const char *const options[][2] = {
        { "do-not-query-localhost:", "no" },
        { "unblock-lan-zones:", "yes" },
        /* Nothing: how much is kept is for the cache above it to say (dns.cache_size). */
        { "msg-cache-slabs:", "1" },
        { "msg-cache-size:", "0" },
        { "rrset-cache-size:", "2m" },
        { "key-cache-size:", "512k" },
        { "neg-cache-size:", "256k" },
        /* How long libunbound itself takes a server for dead: no longer than we do. */
        { "infra-host-ttl:", "30" },
    };
    int rc;

    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        if ((rc = ub_ctx_set_option(ub, options[i][0], options[i][1])))
            return err_set(ei, E_TEMP, "DNS: option %s %s", options[i][0], ub_strerror(rc));
    if (!c->cache && (rc = ub_ctx_set_option(ub, "cache-max-ttl:", "0")))
        return err_set(ei, E_TEMP, "DNS: option cache-max-ttl: %s", ub_strerror(rc));
    if (*c->trust_anchor && (rc = ub_ctx_add_ta_file(ub, c->trust_anchor)))
        return err_set(ei, E_TEMP, "dns.trust_anchor: %s: %s", c->trust_anchor, ub_strerror(rc));
    return 0;
}

/* Zones that libunbound would answer by itself: private networks and reserved names belong to the
 * site's own servers. Removed, as a transparent zone would keep its built-in records (127.0.0.1 is
 * localhost). These calls finalise the context, so they come last. */
static int open_zones(struct ub_ctx *ub, struct errinfo *ei)
{
    static const char *const zones[] = { "test.", "invalid.", "onion.", "home.arpa.",
                                         "127.in-addr.arpa." };

    for (size_t i = 0; i < ARRAY_LEN(zones); i++) {
        int rc = ub_ctx_zone_remove(ub, zones[i]);

        if (rc)
            return err_set(ei, E_TEMP, "DNS: zone %s %s", zones[i], ub_strerror(rc));
    }
    return 0;
}

/* Order matters: the forwarder before anything that finalises the context (ub_ctx_set_fwd fails
 * afterwards). */
static int configure_context(struct ub_ctx *ub, const char *server, const struct conf_dns *c,
                             struct errinfo *ei)
{
    int r, rc = ub_ctx_async(ub, 1);

    if (rc)
        return err_set(ei, E_TEMP, "DNS: %s", ub_strerror(rc));
    r = set_options(ub, c, ei);
    if (r < 0)
        return r;
    rc = ub_ctx_set_fwd(ub, server);
    if (rc)
        return err_set(ei, E_TEMP, "DNS server '%s': %s; use ADDRESS or ADDRESS@PORT", server,
                       ub_strerror(rc));
    return open_zones(ub, ei);
}

static int make_context(struct dns_server *s, const struct conf_dns *c, struct errinfo *ei)
{
    int r;

    s->ub = ub_ctx_create();
    if (!s->ub)
        return err_set(ei, E_TEMP, "DNS: libunbound cannot start");
    r = configure_context(s->ub, s->text, c, ei);
    s->stop_fd = r == 0 ? eventfd(0, EFD_CLOEXEC) : -1;
    if (r == 0 && (s->stop_fd < 0 || pthread_create(&s->thread, NULL, collect, s)))
        r = err_set(ei, E_TEMP, "DNS: no descriptor or thread is left");
    if (r < 0) {
        closep(&s->stop_fd);
        ub_ctx_delete(s->ub);
        s->ub = NULL;
    }
    return r;
}

static int open_context(struct dns_server *s, const struct conf_dns *c, struct errinfo *ei)
{
    int r = 0;

    pthread_mutex_lock(&s->lock);
    if (!s->ub) {
        pthread_mutex_lock(&library_lock);
        r = make_context(s, c, ei);
        pthread_mutex_unlock(&library_lock);
    }
    pthread_mutex_unlock(&s->lock);
    return r;
}

/* --- one lookup --- */

static void query_unref(struct query *q)
{
    if (atomic_fetch_sub(&q->refs, 1) != 1)
        return;
    if (q->result)
        ub_resolve_free(q->result);
    pthread_cond_destroy(&q->changed);
    pthread_mutex_destroy(&q->lock);
    free(q);
}

static void on_result(void *arg, int error, struct ub_result *result)
{
    struct query *q = arg;

    pthread_mutex_lock(&q->lock);
    q->done = true;
    q->error = error;
    q->result = result;
    pthread_cond_signal(&q->changed);
    pthread_mutex_unlock(&q->lock);
    query_unref(q);
}

static struct query *query_new(void)
{
    struct query *q = xcalloc(1, sizeof(*q));

    atomic_init(&q->refs, 2);
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->changed, NULL);
    return q;
}

static bool wait_result(struct query *q, int64_t timeout_ms)
{
    struct timespec until = deadline_in(timeout_ms);
    bool done;

    pthread_mutex_lock(&q->lock);
    while (!q->done && deadline_wait(&q->changed, &q->lock, &until))
        ;
    done = q->done;
    pthread_mutex_unlock(&q->lock);
    return done;
}

static void describe(const struct ub_result *u, const char *name, struct dns_reply *ret)
{
    const char *canon = u->canonname;
    size_t n = canon ? strlen(canon) : 0;

    ret->security = u->bogus ? DNS_BOGUS : u->secure ? DNS_SECURE : DNS_INSECURE;
    ret->ttl_s = u->ttl > 0 ? (uint32_t)u->ttl : 0;
    if (n > 1 && canon[n - 1] == '.')
        n--;
    if (n && !sv_ieq(sv_n(canon, n), sv_c(name)))
        (void)sv_copy(ret->canonical, sizeof(ret->canonical), sv_n(canon, n));
}

static int answer_of(const struct query *q, const char *name, enum dns_type type,
                     struct dns_reply *ret, struct errinfo *ei)
{
    const struct ub_result *u = q->result;
    int r;

    if (q->error || !u)
        return err_set(ei, E_TEMP, "DNS: %s: %s", name, ub_strerror(q->error));
    describe(u, name, ret);
    if (u->bogus)
        return err_set(ei, E_TEMP, "DNS: %s: %s", name,
                       u->why_bogus ? u->why_bogus : "validation failed");
    if (u->nxdomain)
        return err_set(ei, E_NXDOMAIN, "DNS: %s does not exist", name);
    if (u->rcode != 0)
        return err_set(ei, E_TEMP, "DNS: %s: the server failed (code %d)", name, u->rcode);
    if (!u->havedata)
        return err_set(ei, E_NODATA, "DNS: %s has no such record", name);
    r = dns_decode(u, type, &ret->answer);
    return r < 0 ? err_set(ei, r, "DNS: %s: the records cannot be read", name) : 0;
}

int dns_server_resolve(struct dns_server *s, const struct conf_dns *c, const char *name,
                       enum dns_type type, int64_t timeout_ms, struct dns_reply *ret,
                       struct errinfo *ei)
{
    struct query *q;
    int rc, id = 0, r = open_context(s, c, ei);

    if (r < 0)
        return r;
    q = query_new();
    rc = ub_resolve_async(s->ub, name, (int)type, 1, q, on_result, &id);
    if (rc) {
        query_unref(q);
        query_unref(q);
        return err_set(ei, E_TEMP, "DNS: %s: %s", name, ub_strerror(rc));
    }
    if (wait_result(q, timeout_ms)) {
        r = answer_of(q, name, type, ret, ei);
        atomic_store(&s->silent_until_ms, 0);
    } else {
        /* A result that is being delivered right now is not found any more: its callback drops the
         * count. */
        if (ub_cancel(s->ub, id) == 0)
            query_unref(q);
        atomic_store(&s->silent_until_ms, clock_mono_ms() + SILENT_MS);
        r = err_set(ei, E_TIMEOUT, "DNS: %s: no answer from %s within %" PRId64 " ms", name,
                    s->text, timeout_ms);
    }
    query_unref(q);
    return r;
}
