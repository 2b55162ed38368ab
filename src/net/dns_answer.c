/* Answers: from wire form, copies, order of MX records (RFC 5321 5.1: equal preferences in random
 * order). Pure but for that. */
#include <arpa/inet.h>
#include <unbound.h>

#include "base/buf.h"
#include "base/rand.h"
#include "net/dns_priv.h"

void dns_answer_free(struct dns_answer *a)
{
    if (!a)
        return;
    for (size_t i = 0; i < a->n; i++)
        free(a->rr[i].text);
    free(a);
}

static struct dns_answer *answer_new(size_t n)
{
    struct dns_answer *a = xcalloc(1, sizeof(*a) + n * sizeof(a->rr[0]));

    return a;
}

struct dns_answer *dns_answer_copy(const struct dns_answer *a)
{
    struct dns_answer *c = answer_new(a->n);

    c->secure = a->secure;
    c->ttl_s = a->ttl_s;
    c->n = a->n;
    for (size_t i = 0; i < a->n; i++) {
        c->rr[i].prio = a->rr[i].prio;
        c->rr[i].text = xstrdup(a->rr[i].text);
    }
    return c;
}

static void order(struct dns_answer *a)
{
    for (size_t i = a->n; i > 1; i--) {
        size_t k = rand_below((uint32_t)i);
        struct dns_rr t = a->rr[i - 1];

        a->rr[i - 1] = a->rr[k];
        a->rr[k] = t;
    }
    for (size_t i = 1; i < a->n; i++) /* stable: keeps the random order of equals */
        for (size_t k = i; k > 0 && a->rr[k].prio < a->rr[k - 1].prio; k--) {
            struct dns_rr t = a->rr[k];

            a->rr[k] = a->rr[k - 1];
            a->rr[k - 1] = t;
        }
}

struct dns_answer *dns_answer_make(size_t n, const char *const *texts, const uint16_t *prios)
{
    struct dns_answer *a = answer_new(n);

    a->n = n;
    for (size_t i = 0; i < n; i++) {
        a->rr[i].text = xstrdup(texts[i]);
        a->rr[i].prio = prios ? prios[i] : 0;
    }
    if (prios)
        order(a);
    return a;
}

/* Takes a name in wire form (uncompressed, as libunbound gives it) from *rest and adds it without
 * the final dot; the root is "". Bytes that host names do not have are refused: they would only
 * serve to confuse. */
static bool take_name(struct sv *rest, struct buf *out)
{
    struct sv in = *rest;
    size_t start = out->n;

    while (in.n && *in.p) {
        size_t n = (unsigned char)*in.p;

        if (n > 63 || n + 1 > in.n)
            return false;
        if (out->n > start)
            buf_add_c(out, '.');
        for (size_t i = 1; i <= n; i++) {
            unsigned char c = (unsigned char)in.p[i];

            if (c <= ' ' || c >= 127 || c == '.' || c == '\\' || c == '"')
                return false;
            buf_add_c(out, (char)c);
        }
        in = sv_skip(in, n + 1);
    }
    *rest = sv_skip(in, 1);
    return in.n > 0;
}

static bool add_name(struct sv in, struct buf *out)
{
    return take_name(&in, out);
}

/* The same as zone files have it: the root is ".". */
static bool add_target(struct sv *rest, struct buf *out)
{
    size_t start = out->n;

    return take_name(rest, out) && (out->n > start || buf_add_c(out, '.') == 0);
}

static unsigned number16(struct sv d)
{
    return (unsigned)(unsigned char)d.p[0] << 8 | (unsigned char)d.p[1];
}

static uint32_t number32(struct sv d)
{
    return (uint32_t)number16(d) << 16 | number16(sv_skip(d, 2));
}

static bool add_srv(struct sv d, struct buf *out)
{
    struct sv target = sv_skip(d, 6);

    return d.n > 6 &&
           buf_addf(out, "%u %u %u ", number16(d), number16(sv_skip(d, 2)),
                    number16(sv_skip(d, 4))) == 0 &&
           add_target(&target, out);
}

/* A character-string in quotes (RFC 1035 5.1): what is not printable as \DDD. */
static bool take_string(struct sv *rest, struct buf *out)
{
    size_t n = rest->n ? (unsigned char)*rest->p : 0;

    if (n + 1 > rest->n)
        return false;
    buf_add_c(out, '"');
    for (size_t i = 1; i <= n; i++) {
        unsigned char c = (unsigned char)rest->p[i];

        if (c == '"' || c == '\\')
            buf_addf(out, "\\%c", c);
        else if (c < ' ' || c >= 127)
            buf_addf(out, "\\%03u", c);
        else
            buf_add_c(out, (char)c);
    }
    *rest = sv_skip(*rest, n + 1);
    return buf_add_c(out, '"') == 0;
}

static bool add_naptr(struct sv d, struct buf *out)
{
    struct sv rest = sv_skip(d, 4);

    if (d.n < 8 || buf_addf(out, "%u %u", number16(d), number16(sv_skip(d, 2))) < 0)
        return false;
    for (int i = 0; i < 3; i++) /* flags, services, regular expression */
        if (buf_add_c(out, ' ') < 0 || !take_string(&rest, out))
            return false;
    return buf_add_c(out, ' ') == 0 && add_target(&rest, out);
}

static bool add_tlsa(struct sv d, struct buf *out)
{
    if (d.n < 4 || buf_addf(out, "%u %u %u ", (unsigned char)d.p[0], (unsigned char)d.p[1],
                            (unsigned char)d.p[2]) < 0)
        return false;
    for (size_t i = 3; i < d.n; i++)
        buf_addf(out, "%02x", (unsigned char)d.p[i]);
    return true;
}

static bool add_soa(struct sv d, struct buf *out)
{
    if (!add_target(&d, out) || buf_add_c(out, ' ') < 0 || !add_target(&d, out) || d.n != 20)
        return false;
    for (; d.n; d = sv_skip(d, 4))
        buf_addf(out, " %" PRIu32, number32(d));
    return true;
}

static bool decode_rr(struct sv d, enum dns_type type, struct dns_rr *ret)
{
    char ip[INET6_ADDRSTRLEN];
    struct buf b;
    bool ok = false;

    buf_init(&b, (size_t)4 * 65536 + 64); /* four characters for each byte at most */
    switch (type) {
    case DNS_A:
        ok = d.n == 4 && inet_ntop(AF_INET, d.p, ip, sizeof(ip)) && buf_add_str(&b, ip) == 0;
        break;
    case DNS_AAAA:
        ok = d.n == 16 && inet_ntop(AF_INET6, d.p, ip, sizeof(ip)) && buf_add_str(&b, ip) == 0;
        break;
    case DNS_MX:
        ok = d.n > 2 && add_name(sv_skip(d, 2), &b);
        if (ok)
            ret->prio = (uint16_t)number16(d);
        break;
    case DNS_SRV:
        ok = add_srv(d, &b);
        break;
    case DNS_NAPTR:
        ok = add_naptr(d, &b);
        break;
    case DNS_TLSA:
        ok = add_tlsa(d, &b);
        break;
    case DNS_SOA:
        ok = add_soa(d, &b);
        break;
    case DNS_NS:
    case DNS_CNAME:
    case DNS_PTR:
        ok = add_name(d, &b);
        break;
    case DNS_TXT:
        for (ok = true; ok && d.n; d = sv_skip(d, (size_t)(unsigned char)*d.p + 1)) {
            size_t n = (unsigned char)*d.p;

            ok = n + 1 <= d.n && buf_add(&b, d.p + 1, n) == 0;
        }
        break;
    }
    ok = ok && !b.overflow;
    ret->text = ok ? buf_take(&b, NULL) : NULL;
    buf_done(&b);
    return ok;
}

int dns_decode(const struct ub_result *u, enum dns_type type, struct dns_answer **ret)
{
    struct dns_answer *a;
    size_t n = 0;

    while (u->data[n])
        n++;
    a = answer_new(n);
    a->secure = u->secure;
    for (size_t i = 0; i < n; i++)
        if (decode_rr(sv_n(u->data[i], (size_t)u->len[i]), type, &a->rr[a->n]))
            a->n++;
    if (!a->n) {
        dns_answer_free(a);
        return E_TEMP;
    }
    if (type == DNS_MX)
        order(a);
    *ret = a;
    return 0;
}
