/* Modified UTF-7: printable ASCII stands for itself, "&-" for "&", anything else is UTF-16 in a
 * base64 without padding and with "," for "/", between "&" and "-". Pure. RFC 3501 section 5.1.3.
 */
#include "proto/imap_mutf7.h"
#include "base/codec.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static int b64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == ',' ? 63 : -1;
}

static int put_utf8(struct buf *out, uint32_t c)
{
    char b[4];
    size_t n = 0;
    if (c < 0x80) {
        b[n++] = (char)c;
    } else if (c < 0x800) {
        b[n++] = (char)(0xc0 | c >> 6);
        b[n++] = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        b[n++] = (char)(0xe0 | c >> 12);
        b[n++] = (char)(0x80 | (c >> 6 & 0x3f));
        b[n++] = (char)(0x80 | (c & 0x3f));
    } else {
        b[n++] = (char)(0xf0 | c >> 18);
        b[n++] = (char)(0x80 | (c >> 12 & 0x3f));
        b[n++] = (char)(0x80 | (c >> 6 & 0x3f));
        b[n++] = (char)(0x80 | (c & 0x3f));
    }
    return buf_add(out, b, n);
}

/* One UTF-16 unit. *high holds a waiting high surrogate. */
static int put_unit(struct buf *out, uint32_t u, uint32_t *high)
{
    if (*high) {
        if (u < 0xdc00 || u > 0xdfff)
            return E_PARSE;
        u = 0x10000 + ((*high - 0xd800) << 10) + (u - 0xdc00);
        *high = 0;
    } else if (u >= 0xd800 && u <= 0xdbff) {
        *high = u;
        return 0;
    } else if (u >= 0xdc00 && u <= 0xdfff) {
        return E_PARSE;
    } else if (u >= 0x20 && u < 0x7f) {
        return E_PARSE; /* must stand for itself: a name has one spelling */
    }
    return put_utf8(out, u);
}

static int decode_shifted(struct sv s, struct buf *out)
{
    uint32_t bits = 0, high = 0;
    unsigned n = 0;
    for (size_t i = 0; i < s.n; i++) {
        int v = b64_value(s.p[i]);
        if (v < 0)
            return E_PARSE;
        bits = bits << 6 | (uint32_t)v;
        n += 6;
        if (n < 16)
            continue;
        n -= 16;
        int r = put_unit(out, bits >> n & 0xffff, &high);
        if (r < 0)
            return r;
    }
    /* Fewer than six bits may be left over, and they are zero. */
    if (high || n >= 6 || (bits & ((1u << n) - 1)))
        return E_PARSE;
    return 0;
}

int imap_mutf7_to_utf8(struct sv in, struct buf *out)
{
    bool after_shift = false;
    for (size_t i = 0; i < in.n; i++) {
        unsigned char c = (unsigned char)in.p[i];
        if (c < 0x20 || c >= 0x7f)
            return E_PARSE;
        if (c != '&') {
            if (buf_add_c(out, (char)c) < 0)
                return -ENOMEM;
            after_shift = false;
            continue;
        }
        ssize_t len = sv_find(sv_skip(in, i + 1), '-');
        if (len < 0)
            return E_PARSE;
        int r;
        if (len == 0) {
            r = buf_add_c(out, '&');
            after_shift = false;
        } else {
            if (after_shift)
                return E_PARSE; /* two shifts in a row have a shorter form */
            r = decode_shifted(sv_n(in.p + i + 1, (size_t)len), out);
            after_shift = true;
        }
        if (r < 0)
            return r;
        i += (size_t)len + 1;
    }
    return 0;
}

struct enc {
    struct buf *out;
    uint32_t bits;
    unsigned n;
    bool shifted;
};

static void enc_unit(struct enc *e, uint32_t u)
{
    if (!e->shifted) {
        buf_add_c(e->out, '&');
        e->shifted = true;
    }
    e->bits = e->bits << 16 | u;
    e->n += 16;
    while (e->n >= 6) {
        e->n -= 6;
        buf_add_c(e->out, alphabet[e->bits >> e->n & 63]);
    }
    e->bits &= (1u << e->n) - 1;
}

static void enc_end(struct enc *e)
{
    if (!e->shifted)
        return;
    if (e->n)
        buf_add_c(e->out, alphabet[e->bits << (6 - e->n) & 63]);
    buf_add_c(e->out, '-');
    *e = (struct enc){ .out = e->out };
}

static uint32_t next_code_point(struct sv s, size_t *i)
{
    unsigned char c = (unsigned char)s.p[(*i)++];
    unsigned more = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    uint32_t v = more == 0 ? c : more == 1 ? c & 0x1f : more == 2 ? c & 0x0f : c & 0x07;
    while (more--)
        v = v << 6 | ((unsigned char)s.p[(*i)++] & 0x3f);
    return v;
}

int imap_utf8_to_mutf7(struct sv in, struct buf *out)
{
    if (!utf8_valid(in))
        return E_PARSE;
    struct enc e = { .out = out };
    for (size_t i = 0; i < in.n;) {
        uint32_t c = next_code_point(in, &i);
        if (c >= 0x20 && c < 0x7f) {
            enc_end(&e);
            buf_add_c(out, (char)c);
            if (c == '&')
                buf_add_c(out, '-');
        } else if (c < 0x10000) {
            enc_unit(&e, c);
        } else {
            enc_unit(&e, 0xd800 + ((c - 0x10000) >> 10));
            enc_unit(&e, 0xdc00 + ((c - 0x10000) & 0x3ff));
        }
    }
    enc_end(&e);
    return out->overflow ? -ENOMEM : 0;
}
