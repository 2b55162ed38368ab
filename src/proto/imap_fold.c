/* Case folding for SEARCH. Simple one-to-one folding of the scripts that have case and are written
 * in mail; invalid UTF-8 is copied octet by octet. Pure. */
#include "proto/imap_fold.h"

static uint32_t fold_latin(uint32_t c)
{
    if (c < 0x100)
        return c >= 0xc0 && c <= 0xde && c != 0xd7 ? c + 32 : c == 0xb5 ? 0x3bc : c;
    if (c == 0x178)
        return 0xff;
    if (c == 0x17f || c == 0x130 || c == 0x131 || c == 0x138 || c == 0x149)
        return c;
    if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e))
        return c & 1 ? c + 1 : c;
    return c | 1;
}

static uint32_t fold_greek(uint32_t c)
{
    if (c >= 0x391 && c <= 0x3ab && c != 0x3a2)
        return c + 32;
    if (c == 0x386)
        return 0x3ac;
    if (c >= 0x388 && c <= 0x38a)
        return c + 37;
    if (c == 0x38c)
        return 0x3cc;
    if (c == 0x38e || c == 0x38f)
        return c + 63;
    return c == 0x3c2 ? 0x3c3 : c;
}

static uint32_t fold_cyrillic(uint32_t c)
{
    if (c < 0x410)
        return c + 80;
    if (c < 0x430)
        return c + 32;
    if (c < 0x460)
        return c;
    if (c >= 0x482 && c <= 0x489)
        return c;
    if (c == 0x4c0)
        return 0x4cf;
    if (c >= 0x4c1 && c <= 0x4ce)
        return c & 1 ? c + 1 : c;
    return c | 1;
}

static uint32_t fold(uint32_t c)
{
    if (c < 0x80)
        return c >= 'A' && c <= 'Z' ? c + 32 : c;
    if (c < 0x180)
        return fold_latin(c);
    if (c >= 0x370 && c < 0x400)
        return fold_greek(c);
    if (c >= 0x400 && c < 0x530)
        return fold_cyrillic(c);
    if (c >= 0x531 && c <= 0x556)
        return c + 48;
    if (c >= 0x1e00 && c <= 0x1eff && !(c >= 0x1e96 && c <= 0x1e9f))
        return c | 1;
    if (c >= 0xff21 && c <= 0xff3a)
        return c + 32;
    return c;
}

/* Length of the sequence at p (2 or 3 octets: all that can have case here), 0 when it is something
 * else. */
static unsigned decode(const unsigned char *p, size_t n, uint32_t *ret)
{
    if (n >= 2 && p[0] >= 0xc2 && p[0] < 0xe0 && (p[1] & 0xc0) == 0x80) {
        *ret = (uint32_t)(p[0] & 0x1f) << 6 | (p[1] & 0x3f);
        return 2;
    }
    if (n >= 3 && (p[0] & 0xf0) == 0xe0 && (p[1] & 0xc0) == 0x80 && (p[2] & 0xc0) == 0x80) {
        *ret = (uint32_t)(p[0] & 0x0f) << 12 | (uint32_t)(p[1] & 0x3f) << 6 | (p[2] & 0x3f);
        return *ret >= 0x800 ? 3 : 0;
    }
    return 0;
}

static int put(struct buf *out, uint32_t c)
{
    char b[3] = { (char)c };
    if (c < 0x80)
        return buf_add(out, b, 1);
    if (c < 0x800) {
        b[0] = (char)(0xc0 | c >> 6);
        b[1] = (char)(0x80 | (c & 0x3f));
        return buf_add(out, b, 2);
    }
    b[0] = (char)(0xe0 | c >> 12);
    b[1] = (char)(0x80 | (c >> 6 & 0x3f));
    b[2] = (char)(0x80 | (c & 0x3f));
    return buf_add(out, b, 3);
}

int imap_fold(struct sv in, struct buf *out)
{
    for (size_t i = 0; i < in.n;) {
        unsigned char b = (unsigned char)in.p[i];
        uint32_t c;
        unsigned len = b < 0x80 ? 0 : decode((const unsigned char *)in.p + i, in.n - i, &c);
        int r = len ? put(out, fold(c)) : buf_add_c(out, ascii_lower((char)b));
        if (r < 0)
            return r;
        i += len ? len : 1;
    }
    return 0;
}

static bool is_ascii(struct sv s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] & 0x80)
            return false;
    }
    return true;
}

/* How common an octet is in mail, roughly: position in this string. What is not in it is rare. */
static size_t commonness(char c)
{
    static const char order[] = "\"!?;jzqxkvbwpygf>/<:=,0123456789.-umdlhcsrioant e";
    const char *q = strchr(order, c);
    return q && c ? (size_t)(q - order) + 1 : 0;
}

static size_t rarest(struct sv needle)
{
    size_t best = 0;
    for (size_t i = 1; i < needle.n; i++) {
        if (commonness(ascii_lower(needle.p[i])) < commonness(ascii_lower(needle.p[best])))
            best = i;
    }
    return best;
}

static const char *next_of(const char *from, const char *end, char c)
{
    const char *q = from < end ? memchr(from, c, (size_t)(end - from)) : NULL;
    return q ? q : end;
}

/* memchr runs through text many times faster than a loop over its octets: it looks for the rarest
 * one of the needle, in both cases. */
bool imap_ascii_contains(struct sv hay, struct sv needle)
{
    if (needle.n == 0)
        return true;
    if (needle.n > hay.n)
        return false;
    size_t k = rarest(needle);
    char lo = ascii_lower(needle.p[k]), up = ascii_upper(lo);
    const char *from = hay.p + k, *end = hay.p + hay.n - (needle.n - 1 - k);
    const char *l = next_of(from, end, lo), *u = up == lo ? end : next_of(from, end, up);
    while (l < end || u < end) {
        const char *at = MIN(l, u);
        if (sv_ieq(sv_n(at - k, needle.n), needle))
            return true;
        if (at == l)
            l = next_of(l + 1, end, lo);
        else
            u = next_of(u + 1, end, up);
    }
    return false;
}

bool imap_fold_contains(struct sv hay, struct sv needle, struct buf *tmp)
{
    if (is_ascii(needle))
        return imap_ascii_contains(hay, needle);
    buf_reset(tmp);
    return imap_fold(hay, tmp) == 0 && sv_find_sv(buf_sv(tmp), needle) >= 0;
}
