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

static bool in_network(const uint8_t ip[16], struct sv net, struct sv bits_text)
{
    uint8_t base[16];
    uint32_t bits;
    bool v4;
    if (!parse(net, base, &v4) || sv_to_u32(bits_text, &bits) < 0)
        return false;
    if (bits > (v4 ? 32 : 128))
        return false;
    if (v4)
        bits += 96;
    size_t whole = bits / 8;
    if (memcmp(ip, base, whole) != 0)
        return false;
    uint8_t mask = (uint8_t)(0xff00 >> bits % 8);
    return bits % 8 == 0 || ((ip[whole] ^ base[whole]) & mask) == 0;
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
