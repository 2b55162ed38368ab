/* Lookups: the cache, then the servers in turn, and the log of DNS. */
#include "net/dns.h"

#include <arpa/inet.h>
#include <idn2.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/clock.h"
#include "conf/conf.h"
#include "log/log.h"
#include "net/dns_priv.h"

/* The servers of one configuration. Counted: lookups in progress outlive a reconfiguration. */
struct server_list {
    atomic_uint refs;
    size_t n;
    struct dns_server *server[DNS_MAX_SERVERS];
};

static struct {
    pthread_mutex_t lock;     /* guards the rest */
    struct server_list *list; /* NULL: not read yet */
    int (*hook)(const char *name, enum dns_type, struct dns_answer **);
} dns = { .lock = PTHREAD_MUTEX_INITIALIZER };

static const struct {
    enum dns_type type;
    const char *name;
} type_names[] = {
    { DNS_A, "A" },         { DNS_AAAA, "AAAA" }, { DNS_CNAME, "CNAME" }, { DNS_MX, "MX" },
    { DNS_NAPTR, "NAPTR" }, { DNS_NS, "NS" },     { DNS_PTR, "PTR" },     { DNS_SOA, "SOA" },
    { DNS_SRV, "SRV" },     { DNS_TLSA, "TLSA" }, { DNS_TXT, "TXT" },
};

const char *dns_type_name(enum dns_type t)
{
    for (size_t i = 0; i < ARRAY_LEN(type_names); i++)
        if (type_names[i].type == t)
            return type_names[i].name;
    return "?";
}

bool dns_type_parse(const char *word, enum dns_type *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(type_names); i++)
        if (sv_ieq(sv_c(type_names[i].name), sv_c(word))) {
            *ret = type_names[i].type;
            return true;
        }
    return false;
}

const char *dns_security_name(enum dns_security s)
{
    static const char *const names[] = { "insecure", "secure", "bogus" };

    return names[s];
}

void dns_reply_done(struct dns_reply *r)
{
    dns_answer_free(r->answer);
    r->answer = NULL;
}

/* --- servers --- */

static bool add_server(struct server_list *l, struct sv text)
{
    char copy[DNS_SERVER_TEXT];

    text = sv_trim(text);
    if (!text.n || l->n == DNS_MAX_SERVERS || !sv_copy(copy, sizeof(copy), text))
        return false;
    l->server[l->n++] = dns_server_new(copy);
    return true;
}

static void servers_of_system(struct server_list *l)
{
    FILE *f = fopen("/etc/resolv.conf", "re");
    char line[512];

    while (f && fgets(line, sizeof(line), f)) {
        struct sv s = sv_trim(sv_c(line));

        if (sv_starts(s, SV("nameserver")))
            add_server(l, sv_skip(s, 10));
    }
    if (f)
        fclose(f);
}

static void list_unref(struct server_list *l)
{
    if (!l || atomic_fetch_sub(&l->refs, 1) != 1)
        return;
    for (size_t i = 0; i < l->n; i++)
        dns_server_unref(l->server[i]);
    free(l);
}
DEFINE_CLEANUP(struct server_list, list_unref)

static struct server_list *list_new(const struct conf_dns *c)
{
    struct server_list *l = xcalloc(1, sizeof(*l));
    struct sv rest = sv_c(c->servers);

    atomic_init(&l->refs, 1);
    while (*c->servers && rest.p)
        add_server(l, sv_split(&rest, ';'));
    if (!*c->servers)
        servers_of_system(l);
    return l;
}

static int list_get(const struct conf_dns *c, struct server_list **ret, struct errinfo *ei)
{
    pthread_mutex_lock(&dns.lock);
    if (!dns.list)
        dns.list = list_new(c);
    atomic_fetch_add(&dns.list->refs, 1);
    *ret = dns.list;
    pthread_mutex_unlock(&dns.lock);
    return (*ret)->n ? 0
                     : err_set(ei, E_TEMP,
                               "no DNS server: set dns.servers, or name one in /etc/resolv.conf");
}

int dns_servers(char ret[DNS_MAX_SERVERS][DNS_SERVER_TEXT], struct errinfo *ei)
{
    _cleanup_(conf_unrefp) const struct conf *c = conf_pin();
    _cleanup_(list_unrefp) struct server_list *l = NULL;
    int r = list_get(&c->dns, &l, ei);

    if (r < 0)
        return r;
    for (size_t i = 0; i < l->n; i++)
        memcpy(ret[i], dns_server_text(l->server[i]), DNS_SERVER_TEXT);
    return (int)l->n;
}

int dns_configure(struct errinfo *ei _unused_)
{
    struct server_list *old;

    pthread_mutex_lock(&dns.lock);
    old = dns.list;
    dns.list = NULL;
    pthread_mutex_unlock(&dns.lock);
    dns_cache_clear();
    list_unref(old);
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

/* Answers that another server may give better: silence and failures of the server, not a signature
 * that is wrong. */
static bool ask_next(int r, const struct dns_reply *reply)
{
    return (r == E_TIMEOUT || r == E_TEMP) && reply->security != DNS_BOGUS;
}

static int ask_server(struct dns_server *s, const struct conf_dns *c, const struct dns_question *q,
                      struct dns_reply *ret, struct errinfo *ei)
{
    int r = dns_server_resolve(s, c, q->name, q->type,
                               q->timeout_ms > 0 ? q->timeout_ms : c->timeout, ret, ei);

    if (!ask_next(r, ret))
        snprintf(ret->server, sizeof(ret->server), "%s", dns_server_text(s));
    return r;
}

/* A context of its own has nothing in its cache. That may be on: without one, libunbound would give
 * no times to live. */
static int ask_afresh(const char *server, const struct conf_dns *c, const struct dns_question *q,
                      struct dns_reply *ret, struct errinfo *ei)
{
    struct dns_server *s = dns_server_new(server);
    struct conf_dns own = *c;
    int r;

    own.cache = true;
    r = ask_server(s, &own, q, ret, ei);

    dns_server_unref(s);
    return r;
}

static int ask_servers(const struct conf_dns *c, const struct dns_question *q,
                       struct dns_reply *ret, struct errinfo *ei)
{
    _cleanup_(list_unrefp) struct server_list *l = NULL;
    int r = list_get(c, &l, ei);
    bool asked[DNS_MAX_SERVERS] = { false };

    if (r < 0)
        return r;
    for (int silent = 0; silent < 2; silent++) /* those that have been silent come last */
        for (size_t i = 0; i < l->n; i++) {
            if (asked[i] || (!silent && dns_server_silent(l->server[i])))
                continue;
            asked[i] = true;
            r = q->fresh ? ask_afresh(dns_server_text(l->server[i]), c, q, ret, ei)
                         : ask_server(l->server[i], c, q, ret, ei);
            if (!ask_next(r, ret))
                return r;
        }
    return r;
}

static int ask_hook(int (*hook)(const char *, enum dns_type, struct dns_answer **),
                    const struct dns_question *q, struct dns_reply *ret)
{
    int r = hook(q->name, q->type, &ret->answer);

    if (ret->answer)
        ret->security = ret->answer->secure ? DNS_SECURE : DNS_INSECURE;
    if (r < 0)
        dns_reply_done(ret);
    return r;
}

/* Log of DNS: summary = what failed; debug = every question, its answer and from where. */
static void log_reply(const struct dns_question *q, int result, const struct dns_reply *r)
{
    static const struct logctx system = { .type = LOG_DNS, .prefix = "" };
    enum log_level level = result == 0 ? LOG_DEBUG : LOG_SUMMARY;
    const char *from = r->cached ? "the cache" : *r->server ? r->server : "no server";

    if (!log_on(LOG_DNS, level))
        return;
    log_line(&system, level, "DNS query '%s' %s [%s - %zu] %s from %s in %" PRId64 " ms", q->name,
             dns_type_name(q->type), result == 0 ? "OK" : err_name(result),
             r->answer ? r->answer->n : 0, dns_security_name(r->security), from, r->took_ms);
    for (size_t i = 0; r->answer && i < r->answer->n && log_on(LOG_DNS, LOG_DEBUG); i++) {
        const struct dns_rr *rr = &r->answer->rr[i];

        if (q->type == DNS_MX)
            log_line(&system, LOG_DEBUG, "DNS answer '%s' %" PRIu32 " MX %u %s", q->name, r->ttl_s,
                     rr->prio, rr->text);
        else
            log_line(&system, LOG_DEBUG, "DNS answer '%s' %" PRIu32 " %s %s", q->name, r->ttl_s,
                     dns_type_name(q->type), rr->text);
    }
}

static int ask(const struct conf_dns *c, const struct dns_question *q, struct dns_reply *ret,
               struct errinfo *ei)
{
    int r;
    int (*hook)(const char *, enum dns_type, struct dns_answer **);

    pthread_mutex_lock(&dns.lock);
    hook = dns.hook;
    pthread_mutex_unlock(&dns.lock);
    if (hook || (c->cache && !q->fresh && !q->server && dns_cache_get(q->name, q->type, ret, &r))) {
        r = hook ? ask_hook(hook, q, ret) : r;
        return r < 0 ? err_set(ei, r, "DNS: %s: %s", q->name, err_name(r)) : 0;
    }
    r = q->server ? ask_afresh(q->server, c, q, ret, ei) : ask_servers(c, q, ret, ei);
    if (c->cache && !q->fresh && !q->server)
        dns_cache_put(q->name, q->type, r, ret, (size_t)c->cache_size);
    return r;
}

bool dns_to_ascii(const char *name, char ret[DNS_NAME_TEXT])
{
    char *ascii = NULL;
    bool ok = idn2_lookup_u8((const uint8_t *)name, (uint8_t **)&ascii,
                             IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) == IDN2_OK &&
              sv_copy(ret, DNS_NAME_TEXT, sv_c(ascii));

    idn2_free(ascii);
    return ok;
}

int dns_ask(const struct dns_question *question, struct dns_reply *ret, struct errinfo *ei)
{
    _cleanup_(conf_unrefp) const struct conf *c = conf_pin();
    struct dns_question q = *question;
    int64_t began = clock_mono_ms();
    char ascii[DNS_NAME_TEXT];
    int r;

    *ret = (struct dns_reply){ 0 };
    if (dns_to_ascii(q.name, ascii))
        q.name = ascii;
    r = ask(&c->dns, &q, ret, ei);
    ret->took_ms = clock_mono_ms() - began;
    if (ret->answer) {
        ret->answer->took_ms = ret->took_ms;
        ret->answer->ttl_s = ret->ttl_s;
    }
    log_reply(&q, r, ret);
    return r;
}

int dns_lookup(const char *name, enum dns_type type, struct dns_answer **ret, struct errinfo *ei)
{
    struct dns_reply reply;
    int r = dns_ask(&(struct dns_question){ .name = name, .type = type }, &reply, ei);

    if (r == 0)
        *ret = take_ptr(reply.answer);
    dns_reply_done(&reply);
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
