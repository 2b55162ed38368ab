/* Lists of addresses in settings: single addresses, networks (10.0.0.0/8, 2001:db8::/32), masks
 * (192.168.*.*), ranges per part (192-193.*.*.*) and of addresses (10.0.0.1-10.0.0.9). Pure. */
#include "base/iplist.h"

#include <arpa/inet.h>

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

/* Address text to 16 bytes, IPv4 as ::ffff:a.b.c.d. ret_v4: it was written as IPv4. */
static bool parse(struct sv s, uint8_t ret[16], bool *ret_v4)
{
    char text[INET6_ADDRSTRLEN];
    if (!sv_copy(text, sizeof(text), s))
        return false;
    *ret_v4 = inet_pton(AF_INET, text, ret + 12) == 1;
    if (*ret_v4) {
        memcpy(ret, mapped, sizeof(mapped));
        return true;
    }
    return inet_pton(AF_INET6, text, ret) == 1;
}

static bool has_prefix(const uint8_t ip[16], const uint8_t base[16], unsigned bits)
{
    size_t whole = bits / 8;
    if (memcmp(ip, base, whole) != 0)
        return false;
    uint8_t mask = (uint8_t)(0xff00 >> bits % 8);
    return bits % 8 == 0 || ((ip[whole] ^ base[whole]) & mask) == 0;
}

/* Of the 16 bytes; -1: it is no network. */
static int read_network(struct sv net, struct sv bits_text, uint8_t ret[16])
{
    uint32_t bits;
    bool v4;
    if (!parse(net, ret, &v4) || sv_to_u32(bits_text, &bits) < 0 || bits > (v4 ? 32 : 128))
        return -1;
    return (int)bits + (v4 ? 96 : 0);
}

static bool in_network(const uint8_t ip[16], struct sv net, struct sv bits_text)
{
    uint8_t base[16];
    int bits = read_network(net, bits_text, base);
    return bits >= 0 && has_prefix(ip, base, (unsigned)bits);
}

/* "*", "7" or "192-193". */
static bool part_matches(uint8_t v, struct sv part)
{
    if (sv_eq(part, SV("*")))
        return true;
    struct sv hi = part;
    struct sv lo = sv_split(&hi, '-');
    uint32_t a, b;
    if (sv_to_u32(lo, &a) < 0)
        return false;
    b = a;
    if (hi.p && sv_to_u32(hi, &b) < 0)
        return false;
    return v >= a && v <= b;
}

static bool in_mask(const uint8_t ip[16], struct sv mask)
{
    if (memcmp(ip, mapped, sizeof(mapped)) != 0)
        return false;
    for (int i = 0; i < 4; i++) {
        if (!mask.p || !part_matches(ip[12 + i], sv_split(&mask, '.')))
            return false;
    }
    return !mask.p;
}

static bool in_range(const uint8_t ip[16], struct sv from, struct sv to)
{
    uint8_t a[16], b[16];
    bool a4, b4;
    return parse(from, a, &a4) && parse(to, b, &b4) && a4 == b4 && memcmp(ip, a, 16) >= 0 &&
           memcmp(ip, b, 16) <= 0;
}

static bool matches(const uint8_t ip[16], struct sv item)
{
    uint8_t one[16];
    bool v4;
    if (parse(item, one, &v4))
        return memcmp(ip, one, 16) == 0;
    ssize_t slash = sv_find(item, '/');
    if (slash >= 0)
        return in_network(ip, sv_take(item, (size_t)slash), sv_skip(item, (size_t)slash + 1));
    ssize_t dash = sv_find(item, '-');
    if (dash >= 0 && in_range(ip, sv_trim(sv_take(item, (size_t)dash)),
                              sv_trim(sv_skip(item, (size_t)dash + 1))))
        return true;
    return in_mask(ip, item);
}

struct sv ip_list_find(const char *ip, struct sv list)
{
    uint8_t b[16];
    bool v4;
    if (!parse(sv_c(ip), b, &v4))
        return SV_NULL;
    while (list.p) {
        struct sv item = sv_trim(sv_split(&list, ';'));
        if (item.n > 0 && matches(b, item))
            return item;
    }
    return SV_NULL;
}

bool ip_in_list(const char *ip, struct sv list)
{
    return ip_list_find(ip, list).p != NULL;
}

int ip_net_bits(struct sv net, bool *ret_v4)
{
    ssize_t slash = sv_find(net, '/');
    struct sv base = slash < 0 ? net : sv_take(net, (size_t)slash);
    uint8_t b[16];
    uint32_t bits;
    if (!parse(base, b, ret_v4))
        return -1;
    bits = *ret_v4 ? 32 : 128;
    if (slash < 0)
        return (int)bits;
    uint32_t n;
    return sv_to_u32(sv_skip(net, (size_t)slash + 1), &n) == 0 && n <= bits ? (int)n : -1;
}

/* One of the four parts of a mask: "7", "*" or "192-193". */
static bool is_mask_part(struct sv part)
{
    uint32_t lo, hi;
    if (sv_eq(part, SV("*")))
        return true;
    struct sv to = part;
    struct sv from = sv_split(&to, '-');
    if (sv_to_u32(from, &lo) < 0 || lo > 255)
        return false;
    return !to.p || (sv_to_u32(to, &hi) == 0 && hi <= 255 && lo <= hi);
}

bool ip_is_network_or_mask(struct sv item)
{
    bool v4;
    int parts = 0;
    if (ip_net_bits(item, &v4) >= 0)
        return true;
    for (struct sv rest = item; rest.p; parts++)
        if (!is_mask_part(sv_split(&rest, '.')))
            return false;
    return parts == 4;
}

/* --- read once --- */

struct network { /* in the order of the bytes, as memcpy makes them */
    uint64_t base[2], mask[2];
};
struct ip_set {
    struct network *v;
    size_t n;
    struct sv *others; /* masks and ranges */
    size_t n_others;
    char *list; /* what they point into */
};

static bool compile(struct sv item, struct network *ret)
{
    uint8_t base[16] = { 0 }, mask[16] = { 0 };
    bool v4;
    ssize_t slash = sv_find(item, '/');
    int bits = slash < 0 ? (parse(item, base, &v4) ? 128 : -1)
                         : read_network(sv_take(item, (size_t)slash),
                                        sv_skip(item, (size_t)slash + 1), base);
    for (int i = 0; i < bits; i++)
        mask[i / 8] |= (uint8_t)(0x80 >> i % 8);
    memcpy(ret->base, base, sizeof(base));
    memcpy(ret->mask, mask, sizeof(mask));
    return bits >= 0;
}

static bool is_in(const uint64_t ip[2], const struct network *n)
{
    return (((ip[0] ^ n->base[0]) & n->mask[0]) | ((ip[1] ^ n->base[1]) & n->mask[1])) == 0;
}

struct ip_set *ip_set_new(struct sv list)
{
    struct ip_set *s = xcalloc(1, sizeof(*s));
    s->list = sv_dup(list);
    struct sv rest = sv_c(s->list);
    while (rest.p) {
        struct sv item = sv_trim(sv_split(&rest, ';'));
        struct network net;
        if (!item.n)
            continue;
        if (compile(item, &net)) {
            s->v = xrealloc(s->v, (s->n + 1) * sizeof(*s->v));
            s->v[s->n++] = net;
        } else {
            s->others = xrealloc(s->others, (s->n_others + 1) * sizeof(*s->others));
            s->others[s->n_others++] = item;
        }
    }
    return s;
}

void ip_set_free(struct ip_set *s)
{
    if (!s)
        return;
    free(s->v);
    free(s->others);
    free(s->list);
    free(s);
}

bool ip_set_has(const struct ip_set *s, const char *ip)
{
    uint8_t b[16];
    uint64_t words[2];
    bool v4;
    if (!parse(sv_c(ip), b, &v4))
        return false;
    memcpy(words, b, sizeof(words));
    for (size_t i = 0; i < s->n; i++)
        if (is_in(words, &s->v[i]))
            return true;
    for (size_t i = 0; i < s->n_others; i++)
        if (matches(b, s->others[i]))
            return true;
    return false;
}
