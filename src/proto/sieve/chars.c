/* Encoded characters: "${hex:40 41}", "${unicode:20AC}" (RFC 5228 2.4.2.4). */
#include "base/codec.h"
#include "proto/sieve/sieve_priv.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int digit(char c)
{
    char l = ascii_lower(c);
    return c >= '0' && c <= '9' ? c - '0' : l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

/* The next number of up to max digits; -1 at the end, -2 when it is none. */
static int64_t next_number(struct sv *s, size_t max)
{
    while (s->n && is_blank(*s->p))
        *s = sv_skip(*s, 1);
    if (!s->n)
        return -1;
    int64_t v = 0;
    size_t n = 0;
    for (; s->n && !is_blank(*s->p); *s = sv_skip(*s, 1), n++) {
        if (n == max || digit(*s->p) < 0)
            return -2;
        v = v * 16 + digit(*s->p);
    }
    return v;
}

static void add_utf8(struct buf *out, uint32_t u)
{
    char c[4];
    size_t n = u < 0x80 ? 1 : u < 0x800 ? 2 : u < 0x10000 ? 3 : 4;
    static const unsigned char first[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    for (size_t i = n; i-- > 1; u >>= 6)
        c[i] = (char)(0x80 | (u & 0x3f));
    c[0] = (char)(first[n] | u);
    (void)buf_add(out, c, n);
}

/* 1 = decoded, 0 = it is not what it looked like and stays, -1 = no character has this number. */
static int decode_inside(struct sv in, bool unicode, struct buf *out)
{
    int64_t v;
    size_t count = 0;
    while ((v = next_number(&in, unicode ? 6 : 2)) >= 0) {
        count++;
        if (!unicode)
            (void)buf_add_c(out, (char)v);
        else if (v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
            return -1;
        else
            add_utf8(out, (uint32_t)v);
    }
    return v == -1 && count;
}

bool sieve_decode_characters(struct sieve_str *s, struct arena *a, struct sieve_problems *problems)
{
    _cleanup_(buf_done) struct buf out = { 0 };
    struct sv rest = s->s;
    buf_init(&out, s->s.n + 4);
    while (rest.n) {
        bool hex = sv_istarts(rest, SV("${hex:")), unicode = sv_istarts(rest, SV("${unicode:"));
        ssize_t end = hex || unicode ? sv_find(rest, '}') : -1;
        if (end >= 0) {
            size_t head = hex ? 6 : 10, keep = out.n;
            int r = decode_inside(sv_n(rest.p + head, (size_t)end - head), unicode, &out);
            if (r < 0) {
                sieve_complain(problems, s->line, s->col,
                               "\"${unicode:...}\" in this text names no character of Unicode");
                return false;
            }
            if (r > 0) {
                rest = sv_skip(rest, (size_t)end + 1);
                continue;
            }
            out.n = keep;
        }
        (void)buf_add_c(&out, *rest.p);
        rest = sv_skip(rest, 1);
    }
    if (!utf8_valid(buf_sv(&out)) || memchr(out.p ? out.p : "", '\0', out.n)) {
        sieve_complain(problems, s->line, s->col,
                       "the encoded characters in this text give no UTF-8 text");
        return false;
    }
    s->s = arena_sv(a, buf_sv(&out));
    return s->s.p || !out.n;
}
