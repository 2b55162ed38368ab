/* DNS through libunbound: one context per configuration, its resolver in a thread of libunbound's,
 * results collected by ours, which wakes the caller. Forwarders only: a context without one is
 * never used, because it would ask the root servers by itself. The context is made at the first
 * lookup, so modules that look nothing up pay nothing. */
#include "net/dns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <idn2.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unbound.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/rand.h"
#include "conf/conf.h"
#include "log/log.h"
#include "net/dns_priv.h"
#include "os/proc.h"

/* One configuration's resolver. Counted: lookups in progress outlive a reconfiguration. */
struct resolver {
    atomic_uint refs;
    struct ub_ctx *ub;
    pthread_t thread;
    int stop_fd; /* eventfd: readable when thread is to end */
};

/* One lookup. Counted: by the caller and by the callback to come. */
struct query {
    atomic_uint refs;
    pthread_mutex_t lock; /* guards done, result */
    pthread_cond_t changed;
    bool done;
    int error; /* libunbound's */
    struct ub_result *result;
};

static struct {
    pthread_mutex_t lock; /* guards the rest */
    struct resolver *resolver;
    bool configured; /* resolver is up to date; NULL then means that there is no server */
    char why[220];   /* why there is none */
    int (*hook)(const char *name, enum dns_type, struct dns_answer **);
} dns = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* libunbound counts its contexts and makes and destroys global locks with the first and last of
 * them, unguarded (seen by TSAN): held while a context is made or deleted. Taken after dns.lock. */
static pthread_mutex_t library_lock = PTHREAD_MUTEX_INITIALIZER;

/* --- resolver --- */

static void *collect(void *arg)
{
    struct resolver *r = arg;

    os_thread_name("dns");
    for (;;) {
        struct pollfd p[2] = { { .fd = ub_fd(r->ub), .events = POLLIN },
                               { .fd = r->stop_fd, .events = POLLIN } };

        if (poll(p, 2, -1) <= 0)
            continue;
        if (p[1].revents)
            break;
        ub_process(r->ub);
    }
    return NULL;
}

static void resolver_unref(struct resolver *r)
{
    if (!r || atomic_fetch_sub(&r->refs, 1) != 1)
        return;
    eventfd_write(r->stop_fd, 1);
    pthread_join(r->thread, NULL);
    close(r->stop_fd);
    pthread_mutex_lock(&library_lock);
    ub_ctx_delete(r->ub);
    pthread_mutex_unlock(&library_lock);
    free(r);
}

static int set_options(struct ub_ctx *ub, const struct conf_dns *c, struct errinfo *ei)
{
    static const char *const options[][2] = {
        { "do-not-query-localhost:", "no" }, { "unblock-lan-zones:", "yes" },
        { "msg-cache-size:", "1m" },         { "rrset-cache-size:", "2m" },
        { "key-cache-size:", "512k" },       { "neg-cache-size:", "256k" },
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

static int add_server(struct ub_ctx *ub, struct sv server, struct errinfo *ei)
{
    char text[80];
    int rc;

    if (!sv_copy(text, sizeof(text), server))
        return err_set(ei, E_RANGE, "DNS server '" SV_FMT "' is not an address", SV_ARG(server));
    rc = ub_ctx_set_fwd(ub, text);
    if (rc)
        return err_set(ei, E_PARSE, "DNS server '%s': %s; use ADDRESS or ADDRESS@PORT", text,
                       ub_strerror(rc));
    return 0;
}

static int servers_of_list(struct ub_ctx *ub, const char *list, struct errinfo *ei)
{
    struct sv rest = sv_c(list);
    int n = 0;

    while (rest.p) {
        struct sv s = sv_trim(sv_split(&rest, ';'));
        int r = s.n ? add_server(ub, s, ei) : 0;

        if (r < 0)
            return r;
        n += s.n > 0;
    }
    return n;
}

static int servers_of_system(struct ub_ctx *ub, struct errinfo *ei)
{
    FILE *f = fopen("/etc/resolv.conf", "re");
    char line[512];
    int n = 0, r = 0;

    while (f && r >= 0 && fgets(line, sizeof(line), f)) {
        struct sv s = sv_trim(sv_c(line));

        if (!sv_starts(s, SV("nameserver")))
            continue;
        s = sv_trim(sv_skip(s, 10));
        r = s.n ? add_server(ub, s, ei) : 0;
        n += s.n > 0;
    }
    if (f)
        fclose(f);
    return r < 0 ? r : n;
}

/* Order matters: forwarders before anything that finalises the context (ub_ctx_set_fwd fails
 * afterwards). */
static int configure_context(struct ub_ctx *ub, const struct conf_dns *c, struct errinfo *ei)
{
    int n, r, rc = ub_ctx_async(ub, 1);

    if (rc)
        return err_set(ei, E_TEMP, "DNS: %s", ub_strerror(rc));
    r = set_options(ub, c, ei);
    if (r < 0)
        return r;
    n = *c->servers ? servers_of_list(ub, c->servers, ei) : servers_of_system(ub, ei);
    if (n == 0)
        return err_set(ei, E_TEMP,
                       "no DNS server: set dns.servers, or name one in /etc/resolv.conf");
    return n < 0 ? n : open_zones(ub, ei);
}

static int resolver_new(struct resolver **ret, struct errinfo *ei)
{
    _cleanup_(conf_unrefp) const struct conf *c = conf_pin();
    struct resolver *r = xcalloc(1, sizeof(*r));
    int rc;

    atomic_init(&r->refs, 1);
    r->ub = ub_ctx_create();
    if (!r->ub) {
        free(r);
        return err_set(ei, E_TEMP, "DNS: libunbound cannot start");
    }
    rc = configure_context(r->ub, &c->dns, ei);
    r->stop_fd = rc == 0 ? eventfd(0, EFD_CLOEXEC) : -1;
    if (rc == 0 && (r->stop_fd < 0 || pthread_create(&r->thread, NULL, collect, r)))
        rc = err_set(ei, E_TEMP, "DNS: no descriptor or thread is left");
    if (rc < 0) {
        closep(&r->stop_fd);
        ub_ctx_delete(r->ub);
        free(r);
        return rc;
    }
    *ret = r;
    return 0;
}

/* The current resolver, counted; made when there is none yet. */
static int resolver_get(struct resolver **ret, struct errinfo *ei)
{
    struct errinfo why = { 0 };
    int r = 0;

    pthread_mutex_lock(&dns.lock);
    if (!dns.configured) {
        pthread_mutex_lock(&library_lock);
        int made = resolver_new(&dns.resolver, &why);
        pthread_mutex_unlock(&library_lock);
        if (made < 0)
            snprintf(dns.why, sizeof(dns.why), "%s", why.text);
        dns.configured = true;
    }
    if (dns.resolver) {
        atomic_fetch_add(&dns.resolver->refs, 1);
        *ret = dns.resolver;
    } else {
        r = err_set(ei, E_TEMP, "%s", dns.why);
    }
    pthread_mutex_unlock(&dns.lock);
    return r;
}

int dns_configure(struct errinfo *ei _unused_)
{
    struct resolver *old;

    pthread_mutex_lock(&dns.lock);
    old = dns.resolver;
    dns.resolver = NULL;
    dns.configured = false;
    pthread_mutex_unlock(&dns.lock);
    dns_cache_clear();
    resolver_unref(old);
    return 0;
}

void dns_test_hook(int (*fn)(const char *name, enum dns_type, struct dns_answer **))
{
    pthread_mutex_lock(&dns.lock);
    dns.hook = fn;
    pthread_mutex_unlock(&dns.lock);
    dns_cache_clear();
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

static int answer_of(const struct query *q, const char *name, enum dns_type type,
                     struct dns_answer **ret, struct errinfo *ei)
{
    const struct ub_result *u = q->result;

    if (q->error || !u)
        return err_set(ei, E_TEMP, "DNS: %s: %s", name, ub_strerror(q->error));
    if (u->bogus)
        return err_set(ei, E_TEMP, "DNS: %s: %s", name,
                       u->why_bogus ? u->why_bogus : "validation failed");
    if (u->nxdomain)
        return err_set(ei, E_NXDOMAIN, "DNS: %s does not exist", name);
    if (u->rcode != 0)
        return err_set(ei, E_TEMP, "DNS: %s: the server failed (code %d)", name, u->rcode);
    if (!u->havedata)
        return err_set(ei, E_NODATA, "DNS: %s has no such record", name);
    return dns_decode(u, type, ret);
}

static int resolve(const char *name, enum dns_type type, int64_t timeout_ms,
                   struct dns_answer **ret, int64_t *ret_ttl_s, struct errinfo *ei)
{
    struct resolver *r = NULL;
    struct query *q;
    int rc, id = 0, result = resolver_get(&r, ei);

    if (result < 0)
        return result;
    q = query_new();
    rc = ub_resolve_async(r->ub, name, (int)type, 1, q, on_result, &id);
    if (rc) {
        query_unref(q);
        query_unref(q);
        resolver_unref(r);
        return err_set(ei, E_TEMP, "DNS: %s: %s", name, ub_strerror(rc));
    }
    if (wait_result(q, timeout_ms)) {
        result = answer_of(q, name, type, ret, ei);
        *ret_ttl_s = q->result ? q->result->ttl : 0;
    } else {
        /* A result that is being delivered right now is not found any more: its callback drops the
         * count. */
        if (ub_cancel(r->ub, id) == 0)
            query_unref(q);
        result =
            err_set(ei, E_TIMEOUT, "DNS: %s: no answer within %" PRId64 " ms", name, timeout_ms);
    }
    query_unref(q);
    resolver_unref(r);
    return result;
}

static void log_lookup(const char *name, enum dns_type type, int result, const struct dns_answer *a,
                       const char *from)
{
    static const struct logctx system = { .type = LOG_DNS, .prefix = "" };

    if (result == 0)
        log_line(&system, LOG_DEBUG, "DNS query '%s' type %d %s [OK - %zu] %s", name, (int)type,
                 from, a->n, a->n ? a->rr[0].text : "");
    else
        log_line(&system, LOG_SUMMARY, "DNS query '%s' type %d %s [%s]", name, (int)type, from,
                 err_name(result));
}

int dns_lookup(const char *name, enum dns_type type, struct dns_answer **ret, struct errinfo *ei)
{
    _cleanup_(conf_unrefp) const struct conf *c = conf_pin();
    int (*hook)(const char *, enum dns_type, struct dns_answer **);
    int64_t began = clock_mono_ms(), ttl_s = 0;
    char *ascii = NULL;
    int r = E_TEMP;

    if (idn2_lookup_u8((const uint8_t *)name, (uint8_t **)&ascii,
                       IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
        ascii = NULL;
    if (ascii)
        name = ascii;
    pthread_mutex_lock(&dns.lock);
    hook = dns.hook;
    pthread_mutex_unlock(&dns.lock);
    if (hook) {
        r = hook(name, type, ret);
        if (r < 0)
            err_set(ei, r, "DNS: %s: %s", name, err_name(r));
    } else if (c->dns.cache && dns_cache_get(name, type, ret, &r)) {
        if (r < 0)
            err_set(ei, r, "DNS: %s: %s", name, err_name(r));
        log_lookup(name, type, r, r == 0 ? *ret : NULL, "from the cache");
    } else {
        r = resolve(name, type, c->dns.timeout, ret, &ttl_s, ei);
        if (r == 0)
            (*ret)->took_ms = clock_mono_ms() - began;
        if (c->dns.cache)
            dns_cache_put(name, type, r, r == 0 ? *ret : NULL, ttl_s, (size_t)c->dns.cache_size);
        log_lookup(name, type, r, r == 0 ? *ret : NULL, "from the server");
    }
    idn2_free(ascii);
    return r;
}

int dns_lookup_ptr(const char *ip, struct dns_answer **ret, struct errinfo *ei)
{
    unsigned char b[16];
    char name[80];

    if (inet_pton(AF_INET, ip, b) == 1) {
        snprintf(name, sizeof(name), "%u.%u.%u.%u.in-addr.arpa", b[3], b[2], b[1], b[0]);
    } else if (inet_pton(AF_INET6, ip, b) == 1) {
        size_t n = 0;

        for (int i = 15; i >= 0; i--)
            n += (size_t)snprintf(name + n, sizeof(name) - n, "%x.%x.", b[i] & 15, b[i] >> 4);
        snprintf(name + n, sizeof(name) - n, "ip6.arpa");
    } else {
        return err_set(ei, E_PARSE, "'%s' is not an IP address", ip);
    }
    return dns_lookup(name, DNS_PTR, ret, ei);
}
