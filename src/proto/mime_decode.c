/* Transfer encodings and encoded words (RFC 2045 6, RFC 2047). Broken input gives what can be read.
 * Pure. */
#include "proto/mime_priv.h"

#define MAX_WORD (4 * KiB) /* RFC 2047 says 75; beyond this "=?" is text */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void decode_qp(struct sv in, bool header, struct buf *out)
{
    for (size_t i = 0; i < in.n; i++) {
        char c = in.p[i];

        if (header && c == '_') {
            buf_add_c(out, ' ');
            continue;
        }
        if (c != '=') {
            buf_add_c(out, c);
            continue;
        }
        if (i + 2 < in.n && hex_value(in.p[i + 1]) >= 0 && hex_value(in.p[i + 2]) >= 0) {
            buf_add_c(out, (char)(hex_value(in.p[i + 1]) * 16 + hex_value(in.p[i + 2])));
            i += 2;
            continue;
        }
        size_t k = i + 1; /* soft line break, white space before it allowed */
        while (k < in.n && (in.p[k] == ' ' || in.p[k] == '\t' || in.p[k] == '\r'))
            k++;
        if (!header && (k == in.n || in.p[k] == '\n'))
            i = k;
        else
            buf_add_c(out, c);
    }
}

/* Skips what is not in the alphabet; ends at padding. */
static void decode_base64(struct sv in, struct buf *out)
{
    static const uint8_t value[256] = {
        ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,
        ['H'] = 8,  ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14,
        ['O'] = 15, ['P'] = 16, ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21,
        ['V'] = 22, ['W'] = 23, ['X'] = 24, ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28,
        ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32, ['g'] = 33, ['h'] = 34, ['i'] = 35,
        ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40, ['o'] = 41, ['p'] = 42,
        ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48, ['w'] = 49,
        ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
        ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63,
        ['/'] = 64,
    };
    uint32_t acc = 0;
    int bits = 0;
    size_t need = in.n / 4 * 3 + 3;

    need = MIN(need, out->max - MIN(out->n, out->max));
    if (buf_reserve(out, need) < 0)
        return;
    for (size_t i = 0; i < in.n && in.p[i] != '='; i++) {
        uint8_t v = value[(unsigned char)in.p[i]];

        if (!v)
            continue;
        acc = acc << 6 | (uint32_t)(v - 1);
        bits += 6;
        if (bits < 8)
            continue;
        bits -= 8;
        if (out->n < out->cap)
            out->p[out->n++] = (char)(acc >> bits & 0xff);
        else
            buf_add_c(out, (char)(acc >> bits & 0xff));
    }
}

int mime_decode_body(const struct mime_part *leaf, struct buf *out)
{
    struct sv s = leaf->encoding.p ? mime_skip_cfws(leaf->encoding) : SV_NULL,
              enc = mime_take_token(&s);
    bool text = sv_ieq(leaf->type, SV("text"));
    struct buf raw, charset;
    int r;

    buf_init(&raw, out->max);
    if (sv_ieq(enc, SV("base64")))
        decode_base64(leaf->body, &raw);
    else if (sv_ieq(enc, SV("quoted-printable")))
        decode_qp(leaf->body, false, &raw);
    if (!sv_ieq(enc, SV("base64")) && !sv_ieq(enc, SV("quoted-printable")))
        s = leaf->body;
    else
        s = buf_sv(&raw);
    buf_init(&charset, 256);
    if (text && leaf->content_type.p)
        mime_param(leaf->content_type, SV("charset"), &charset);
    r = text ? mime_to_utf8(buf_sv(&charset), s, out) : buf_add_sv(out, s);
    if (raw.overflow)
        r = -ENOMEM;
    buf_done(&charset);
    buf_done(&raw);
    return r;
}

/* Length of the text up to its "?=", or -1. *no_end: none begins before there; spares a hostile
 * header the same search from each of its "=?". */
static ssize_t find_end(struct sv rest, const char **no_end)
{
    const char *from = MAX(rest.p, *no_end), *end = rest.p + rest.n;
    ssize_t at = from < end ? sv_find_sv(sv_n(from, (size_t)(end - from)), SV("?=")) : -1;

    if (at >= 0)
        return from - rest.p + at;
    *no_end = MAX(*no_end, end - 1); /* the '?' may be the last byte that was seen */
    return -1;
}

/* =?charset?encoding?text?= at the front of s: its length and decoded bytes, or 0. */
static size_t encoded_word(struct sv s, const char **no_end, struct sv *ret_charset,
                           struct buf *out)
{
    struct sv rest = sv_take(s, MAX_WORD), charset, enc, text;
    ssize_t end, star;
    bool base64;

    if (!sv_starts(rest, SV("=?")))
        return 0;
    rest = sv_skip(rest, 2);
    charset = sv_split(&rest, '?');
    if (!rest.p || !charset.n || charset.n > 60)
        return 0;
    enc = sv_split(&rest, '?');
    if (!rest.p || enc.n != 1)
        return 0;
    base64 = ascii_lower(*enc.p) == 'b';
    if (!base64 && ascii_lower(*enc.p) != 'q')
        return 0;
    end = base64 ? sv_find(rest, ' ') : -1; /* ends the word; in Q it is often seen */
    if (end >= 0)
        rest.n = (size_t)end;
    end = find_end(rest, no_end);
    if (end < 0)
        return 0;
    text = sv_take(rest, (size_t)end);
    star = sv_find(charset, '*'); /* language, RFC 2231 5 */
    *ret_charset = star >= 0 ? sv_take(charset, (size_t)star) : charset;
    if (base64)
        decode_base64(text, out);
    else
        decode_qp(text, true, out);
    return (size_t)(rest.p + end + 2 - s.p);
}

/* Encoded words in a row whose bytes wait for conversion: senders cut characters in two. */
struct words {
    struct buf raw;
    struct sv charset;
};

static void flush_words(struct words *w, struct buf *out)
{
    if (w->raw.n)
        mime_to_utf8(w->charset, buf_sv(&w->raw), out);
    buf_reset(&w->raw);
    w->charset = SV_NULL;
}

/* Text up to the next "=?", which may begin at its front but is no encoded word. */
static struct sv plain_text(struct sv s)
{
    ssize_t next = sv_find_sv(sv_n(s.p + 1, s.n - 1), SV("=?"));

    return sv_take(s, next < 0 ? s.n : (size_t)next + 1);
}

static void decode_flat(struct sv s, struct buf *out)
{
    struct words w = { .charset = SV_NULL };
    struct buf one;
    bool after_word = false;
    const char *no_end = s.p;
    struct sv blank = SV_NULL; /* behind an encoded word: no part of the text if one follows */

    buf_init(&w.raw, s.n + 1);
    buf_init(&one, MAX_WORD);
    while (s.n) {
        struct sv charset, plain;
        size_t n;

        buf_reset(&one);
        n = encoded_word(s, &no_end, &charset, &one);
        if (n) {
            if (!sv_ieq(charset, w.charset))
                flush_words(&w, out);
            if (!after_word)
                buf_add_sv(out, blank);
            w.charset = charset;
            buf_add_sv(&w.raw, buf_sv(&one));
            after_word = true;
            blank = SV_NULL;
            s = sv_n(s.p + n, s.n - n);
            continue;
        }
        plain = plain_text(s);
        s = sv_n(s.p + plain.n, s.n - plain.n);
        if (sv_trim(plain).n == 0) {
            blank = plain;
            continue;
        }
        flush_words(&w, out);
        buf_add_sv(out, blank);
        mime_to_utf8(SV_NULL, plain, out);
        after_word = false;
        blank = SV_NULL;
    }
    flush_words(&w, out);
    buf_add_sv(out, blank);
    buf_done(&one);
    buf_done(&w.raw);
}

int mime_decode_header(struct sv value, struct buf *out)
{
    struct buf flat;

    buf_init(&flat, value.n + 1);
    mime_unfold(sv_trim(value), &flat);
    decode_flat(buf_sv(&flat), out);
    buf_done(&flat);
    return out->overflow ? -ENOMEM : 0;
}
