/* TLSA records of a host. RFC 7672 2.2. */
#include "mail/deliver/dane.h"

#include "net/dns.h"

#include <stdio.h>

static int hex_digit(char c)
{
    c = ascii_lower(c);
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool small_number(struct sv *rest, uint8_t *ret)
{
    uint32_t v;
    if (sv_to_u32(sv_split(rest, ' '), &v) < 0 || v > 255)
        return false;
    *ret = (uint8_t)v;
    return true;
}

bool dane_parse(struct sv text, struct tlsa *ret)
{
    *ret = (struct tlsa){ 0 };
    if (!small_number(&text, &ret->usage) || !small_number(&text, &ret->selector) ||
        !small_number(&text, &ret->matching) || !text.n || text.n % 2 ||
        text.n / 2 > sizeof(ret->data))
        return false;
    for (size_t i = 0; i < text.n; i += 2) {
        int high = hex_digit(text.p[i]), low = hex_digit(text.p[i + 1]);
        if (high < 0 || low < 0)
            return false;
        ret->data[ret->n++] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* A record that is too long for us (a whole certificate) is unusable, but it is there: with nothing
 * else TLS is mandatory all the same. */
static void take_records(const struct dns_answer *a, struct dane *d)
{
    d->state = DANE_RECORDS;
    for (size_t i = 0; i < a->n && d->n < DANE_MAX_RECORDS; i++)
        if (dane_parse(sv_c(a->rr[i].text), &d->tlsa[d->n]))
            d->n++;
    if (!d->n)
        d->tlsa[d->n++] = (struct tlsa){ .usage = 255 };
}

static void look_up(const char *base, uint16_t port, struct dane *d)
{
    char name[300];
    struct dns_reply reply;
    struct errinfo ei = { 0 };
    snprintf(name, sizeof(name), "_%u._tcp.%s", port, base);
    int r = dns_ask(&(struct dns_question){ .name = name, .type = DNS_TLSA }, &reply, &ei);
    if (r < 0 && r != E_NXDOMAIN && r != E_NODATA) {
        d->state = DANE_ERROR;
        snprintf(d->why, sizeof(d->why), "the TLSA records cannot be looked up: %s",
                 reply.security == DNS_BOGUS ? "bogus" : err_name(r));
    } else if (r == 0 && reply.security == DNS_SECURE) {
        take_records(reply.answer, d);
        sv_copy(d->base, sizeof(d->base), sv_c(base));
    }
    dns_reply_done(&reply);
}

/* Is the name itself, an alias to somewhere insecure, in a signed zone? */
static bool alias_is_secure(const char *host)
{
    struct dns_reply reply;
    int r = dns_ask(&(struct dns_question){ .name = host, .type = DNS_CNAME }, &reply, NULL);
    bool secure = r == 0 && reply.security == DNS_SECURE;
    dns_reply_done(&reply);
    return secure;
}

void dane_find(const char *host, uint16_t port, const struct route_addresses *found,
               struct dane *ret)
{
    *ret = (struct dane){ .state = DANE_NONE };
    bool alias = *found->canonical;
    if (!found->secure && !(alias && alias_is_secure(host)))
        return;
    if (found->secure && alias)
        look_up(found->canonical, port, ret);
    if (ret->state == DANE_NONE)
        look_up(host, port, ret);
}
