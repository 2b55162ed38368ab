/* Route choice. A host that is this server itself ends the list: hosts of its preference and worse
 * would send the mail in circles (RFC 5321 5.1). Itself = our name, or one of the machine's
 * addresses with a port that smtp.listen names. */
#include "mail/deliver/route.h"

#include "base/codec.h"
#include "mail/deliver/sms.h"
#include "mail/sms/sms_right.h"
#include "net/dns.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

void failure_set(struct failure *f, bool permanent, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    f->permanent = permanent;
    f->mta[0] = '\0';
    vsnprintf(f->answer, sizeof(f->answer), fmt, ap);
    va_end(ap);
}

struct sv route_domain(struct sv address)
{
    ssize_t at = sv_rfind(address, '@');
    return at < 0 ? SV("") : sv_skip(address, (size_t)at + 1);
}

const struct conf_route *route_rule(const struct conf *cf, struct sv domain)
{
    char text[256], ascii[256];
    if ((!cf->routes || !cf->routes->n) && !cf->backups)
        return NULL;
    if (sv_has_8bit(domain) && sv_copy(text, sizeof(text), domain) && dns_to_ascii(text, ascii))
        return conf_route_find(cf, sv_c(ascii));
    return conf_route_find(cf, domain);
}

const char *route_relay(const struct conf *cf, const struct conf_route *rule)
{
    return rule ? rule->host : cf->deliver.relay_host;
}

enum route_family route_family(const struct conf *cf, const struct conf_route *rule)
{
    if (rule && rule->family != ROUTE_FAMILY_DEFAULT)
        return rule->family;
    return (enum route_family)(cf->deliver.address_family + ROUTE_IPV4_FIRST);
}

/* A pattern is there once: with it first the key is unique, also when it is cut. A changed route is
 * another destination: what the old one was like says nothing of it. */
void route_key(const struct conf *cf, struct sv address, char ret[300])
{
    struct sv domain = sv_take(route_domain(address), 255);
    if (sms_is_address(cf, address)) {
        snprintf(ret, 300, "%s", SMS_DESTINATION);
        return;
    }
    const struct conf_route *rule = route_rule(cf, domain);
    const char *relay = route_relay(cf, rule);
    if (*relay && rule) {
        snprintf(ret, 300, "%s (%" PRIx64 ") by relay %s", rule->pattern,
                 (uint64_t)rule->changed_ms, relay);
        return;
    }
    if (*relay) {
        snprintf(ret, 300, "relay %s", relay);
        return;
    }
    for (size_t i = 0; i < domain.n; i++)
        ret[i] = ascii_lower(domain.p[i]);
    ret[domain.n] = '\0';
}

/* --- ourselves --- */

static bool same_address(const struct sockaddr *a, const char *ip)
{
    char text[INET6_ADDRSTRLEN];
    if (a->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)a)->sin_addr, text,
                  sizeof(text));
    else if (a->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr, text,
                  sizeof(text));
    else
        return false;
    return strcmp(text, ip) == 0;
}

static bool is_machine_address(const char *ip)
{
    struct ifaddrs *list;
    bool found = strncmp(ip, "127.", 4) == 0;
    if (found || getifaddrs(&list) < 0)
        return found;
    for (struct ifaddrs *a = list; a && !found; a = a->ifa_next)
        found = a->ifa_addr && same_address(a->ifa_addr, ip);
    freeifaddrs(list);
    return found;
}

/* Does an item of smtp.listen ("0.0.0.0:25", "[::1]:25") answer at ip and port? */
static bool listens(struct sv item, const char *ip, uint16_t port)
{
    uint32_t p;
    item = sv_trim(item);
    ssize_t colon = sv_rfind(item, ':');
    if (colon < 0 || sv_to_u32(sv_skip(item, (size_t)colon + 1), &p) < 0 || p != port)
        return false;
    struct sv host = sv_take(item, (size_t)colon);
    if (host.n > 2 && host.p[0] == '[')
        host = sv_take(sv_skip(host, 1), host.n - 2);
    bool v6 = strchr(ip, ':');
    return sv_eq(host, v6 ? SV("::") : SV("0.0.0.0")) || sv_eq(host, sv_c(ip));
}

static bool is_our_address(const struct conf *cf, const char *ip, uint16_t port)
{
    struct sv rest = sv_c(cf->smtp.listen);
    while (rest.p)
        if (listens(sv_split(&rest, ';'), ip, port))
            return is_machine_address(ip);
    return false;
}

static bool is_ourselves(const struct conf *cf, const char *host, uint16_t port,
                         const char *our_name)
{
    if (sv_ieq(sv_c(host), sv_c(our_name)))
        return true;
    static const enum dns_type types[] = { DNS_A, DNS_AAAA };
    for (size_t t = 0; t < ARRAY_LEN(types); t++) {
        _cleanup_(dns_answer_freep) struct dns_answer *a = NULL;
        if (dns_lookup(host, types[t], &a, NULL) < 0)
            continue;
        for (size_t i = 0; i < a->n; i++)
            if (is_our_address(cf, a->rr[i].text, port))
                return true;
    }
    return false;
}

/* --- names --- */

static void add_host(struct route *r, struct sv host)
{
    if (r->n < ROUTE_MAX_HOSTS)
        sv_copy(r->host[r->n++], sizeof(r->host[0]), host);
}

static int relay_route(const char *text, struct route *ret, struct failure *why)
{
    struct sv host;
    if (!conf_parse_relay(sv_c(text), &host, &ret->port)) {
        failure_set(why, false, "451 4.3.5 The relay '%.200s' is not host:port", text);
        return E_PARSE;
    }
    ret->secure = true;
    add_host(ret, host);
    return 0;
}

static bool literal(struct sv domain, char ret[46])
{
    unsigned char bin[16];
    if (domain.n < 3 || domain.p[0] != '[' || domain.p[domain.n - 1] != ']')
        return false;
    domain = sv_take(sv_skip(domain, 1), domain.n - 2);
    if (sv_istarts(domain, SV("IPv6:")))
        domain = sv_skip(domain, 5);
    return sv_copy(ret, 46, domain) &&
           (inet_pton(AF_INET, ret, bin) == 1 || inet_pton(AF_INET6, ret, bin) == 1);
}

static const char *dns_word(int r)
{
    return r == E_NXDOMAIN  ? "NXDOMAIN"
           : r == E_NODATA  ? "NODATA"
           : r == E_TIMEOUT ? "TIMEOUT"
                            : "SERVFAIL";
}

static void log_query(const struct logctx *log, const char *domain, int r,
                      const struct dns_answer *a)
{
    if (r >= 0)
        log_line(log, LOG_DEBUG, "DNS query '%s' 0 (%" PRId64 ") [OK - %zu]", domain, a->took_ms,
                 a->n);
    else
        log_line(log, LOG_DEBUG, "DNS query '%s' %d (0) [%s - 0]", domain,
                 r == E_NXDOMAIN ? 3
                 : r == E_NODATA ? 0
                                 : 2,
                 dns_word(r));
}

static int mx_error(int r, const char *domain, struct failure *why)
{
    if (r == E_NXDOMAIN || r == E_PARSE)
        failure_set(why, true, "554 Domain %s does not exist while issuing MX query", domain);
    else if (r == E_TIMEOUT)
        failure_set(why, false, "451 4.4.3 Could not resolve target DNS");
    else
        failure_set(why, false, "451 4.4.3 Server failure while issuing MX query for %s", domain);
    return r;
}

static int use_mx(const struct conf *cf, const struct dns_answer *a, const char *domain,
                  const char *our_name, struct route *ret, struct failure *why)
{
    if (a->n == 1 && (!*a->rr[0].text || strcmp(a->rr[0].text, ".") == 0)) {
        failure_set(why, true, "556 5.1.10 Domain %s does not accept mail (null MX)", domain);
        return E_NOTFOUND;
    }
    for (size_t i = 0; i < a->n && ret->n < ROUTE_MAX_HOSTS; i++) {
        if (!*a->rr[i].text || strcmp(a->rr[i].text, ".") == 0)
            continue;
        if (is_ourselves(cf, a->rr[i].text, ret->port, our_name)) {
            while (i > 0 && a->rr[i - 1].prio == a->rr[i].prio && ret->n > 0) {
                ret->n--;
                i--;
            }
            break;
        }
        add_host(ret, sv_c(a->rr[i].text));
    }
    if (ret->n)
        return 0;
    failure_set(why, true, "554 5.4.6 Mail for %s loops back to this server by its MX", domain);
    return E_CONFLICT;
}

int route_find(const struct conf *cf, const struct conf_route *rule, struct sv domain,
               const char *our_name, const struct logctx *log, struct route *ret,
               struct failure *why)
{
    char name[256], ip[46];
    *ret = (struct route){ .port = (uint16_t)cf->deliver.port };
    if (*route_relay(cf, rule))
        return relay_route(route_relay(cf, rule), ret, why);
    if (literal(domain, ip) && !is_our_address(cf, ip, ret->port)) {
        add_host(ret, sv_c(ip));
        return 0;
    }
    if (literal(domain, ip)) {
        failure_set(why, true, "554 5.4.6 Mail for [%s] loops back to this server", ip);
        return E_CONFLICT;
    }
    if (!domain.n || !sv_copy(name, sizeof(name), domain)) {
        failure_set(why, true, "501 5.1.3 Bad destination domain");
        return E_PARSE;
    }
    const struct conf_backup *backup = conf_backup_find(cf, sv_c(name));
    if (backup && backup->fetched) {
        failure_set(why, false, "450 4.4.0 The mail for %s waits until it is fetched (ATRN)", name);
        return E_TEMP;
    }
    struct dns_reply reply;
    int r = dns_ask(&(struct dns_question){ .name = name, .type = DNS_MX }, &reply, NULL);
    _cleanup_(dns_answer_freep) struct dns_answer *a = reply.answer;
    ret->secure = reply.security == DNS_SECURE;
    log_query(log, name, r, a);
    if (r >= 0)
        return use_mx(cf, a, name, our_name, ret, why);
    if (r != E_NODATA)
        return mx_error(r, name, why);
    if (is_ourselves(cf, name, ret->port, our_name)) {
        failure_set(why, true, "554 5.4.6 Mail for %s loops back to this server by its address",
                    name);
        return E_CONFLICT;
    }
    add_host(ret, domain); /* implicit MX */
    return 0;
}

static void add_addresses(const struct dns_reply *reply, struct route_addresses *ret)
{
    if (reply->security != DNS_SECURE)
        ret->secure = false;
    sv_copy(ret->canonical, sizeof(ret->canonical), sv_c(reply->canonical));
    for (size_t i = 0; i < reply->answer->n && ret->n < ROUTE_MAX_ADDRESSES; i++)
        sv_copy(ret->ip[ret->n++], sizeof(ret->ip[0]), sv_c(reply->answer->rr[i].text));
}

static bool is_allowed(enum route_family family, bool v6)
{
    return family != (v6 ? ROUTE_IPV4_ONLY : ROUTE_IPV6_ONLY);
}

static size_t no_address(const char *host, enum route_family family, struct failure *why)
{
    const char *which = family == ROUTE_IPV4_ONLY   ? "IPv4 "
                        : family == ROUTE_IPV6_ONLY ? "IPv6 "
                                                    : "";
    failure_set(why, true, "554 Host %s has no %saddress while issuing MX query", host, which);
    return 0;
}

size_t route_addresses(const char *host, enum route_family family, struct route_addresses *ret,
                       struct failure *why)
{
    static const enum dns_type types[] = { DNS_A, DNS_AAAA, DNS_A };
    bool none = true, v6_first = family == ROUTE_IPV6_FIRST;
    int literal_family = conf_address_family(sv_c(host));
    *ret = (struct route_addresses){ .n = 0 };
    if (literal_family && !is_allowed(family, literal_family == AF_INET6))
        return no_address(host, family, why);
    if (literal_family) {
        sv_copy(ret->ip[ret->n++], sizeof(ret->ip[0]), sv_c(host));
        return ret->n;
    }
    ret->secure = true;
    for (size_t t = v6_first; t < 2u + v6_first; t++) {
        struct dns_reply reply;
        if (!is_allowed(family, types[t] == DNS_AAAA))
            continue;
        int r = dns_ask(&(struct dns_question){ .name = host, .type = types[t] }, &reply, NULL);
        if (r < 0)
            none = none && (r == E_NXDOMAIN || r == E_NODATA);
        else
            add_addresses(&reply, ret);
        dns_reply_done(&reply);
    }
    if (ret->n == 0 && none)
        return no_address(host, family, why);
    if (ret->n == 0)
        failure_set(why, false, "451 4.4.3 Could not resolve target DNS");
    return ret->n;
}
