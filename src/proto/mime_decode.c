/* Transfer encodings, charsets, encoded words (RFC 2045 6, RFC 2047). Broken input gives what can
 * be read. Pure. */
#include "proto/mime_priv.h"

#include <iconv.h>

#include "base/codec.h"

static void latin1_to_utf8(struct sv in, struct buf *out)
{
    for (size_t i = 0; i < in.n; i++) {
        unsigned char c = (unsigned char)in.p[i];

        if (c < 0x80) {
            buf_add_c(out, (char)c);
        } else {
            buf_add_c(out, (char)(0xc0 | (c >> 6)));
            buf_add_c(out, (char)(0x80 | (c & 0x3f)));
        }
    }
}

/* Invalid input bytes become '?'. */
static void convert(iconv_t cd, struct sv in, struct buf *out)
{
    char *src = (char *)in.p;
    size_t left = in.n;

    while (left) {
        char chunk[4096], *dst = chunk;
        size_t room = sizeof(chunk), r = iconv(cd, &src, &left, &dst, &room);

        if (buf_add(out, chunk, sizeof(chunk) - room) < 0)
            return;
        if (r != (size_t)-1 || errno == E2BIG)
            continue;
        if (left) {
            src++;
            left--;
            buf_add_c(out, '?');
        }
    }
}

int mime_to_utf8(struct sv charset, struct sv in, struct buf *out)
{
    char name[64];
    iconv_t cd;

    if (!charset.n || sv_ieq(charset, SV("utf-8")) || sv_ieq(charset, SV("us-ascii")) ||
        !sv_copy(name, sizeof(name), charset)) {
        if (utf8_valid(in))
            buf_add_sv(out, in);
        else
            latin1_to_utf8(in, out);
        return out->overflow ? -ENOMEM : 0;
    }
    cd = strchr(name, '/') ? (iconv_t)-1 : iconv_open("UTF-8", name);
    if (cd == (iconv_t)-1)
        return mime_to_utf8(SV_NULL, in, out);
    convert(cd, in, out);
    iconv_close(cd);
    return out->overflow ? -ENOMEM : 0;
}

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
    uint32_t acc = 0;
    int bits = 0;

    for (size_t i = 0; i < in.n && in.p[i] != '='; i++) {
        char c = in.p[i];
        int v;

        if (c >= 'A' && c <= 'Z')
            v = c - 'A';
        else if (c >= 'a' && c <= 'z')
            v = c - 'a' + 26;
        else if (c >= '0' && c <= '9')
            v = c - '0' + 52;
        else if (c == '+' || c == '/')
            v = c == '+' ? 62 : 63;
        else
            continue;
        acc = acc << 6 | (uint32_t)v;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            buf_add_c(out, (char)(acc >> bits & 0xff));
        }
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
    buf_done(&charset);
    buf_done(&raw);
    return r;
}

/* =?charset?encoding?text?= at the front of s: its length, or 0. */
static size_t encoded_word(struct sv s, struct buf *out)
{
    struct sv rest, charset, enc, text;
    struct buf raw;
    ssize_t end, star;

    if (!sv_starts(s, SV("=?")))
        return 0;
    rest = sv_skip(s, 2);
    charset = sv_split(&rest, '?');
    if (!rest.p || !charset.n || charset.n > 60)
        return 0;
    enc = sv_split(&rest, '?');
    if (!rest.p || enc.n != 1)
        return 0;
    end = sv_find_sv(rest, SV("?="));
    if (end < 0)
        return 0;
    text = sv_take(rest, (size_t)end);
    if (sv_find(text, ' ') >= 0 && ascii_lower(*enc.p) == 'b')
        return 0;
    star = sv_find(charset, '*'); /* language, RFC 2231 5 */
    if (star >= 0)
        charset = sv_take(charset, (size_t)star);
    if (ascii_lower(*enc.p) != 'b' && ascii_lower(*enc.p) != 'q')
        return 0;
    buf_init(&raw, text.n + 1);
    if (ascii_lower(*enc.p) == 'b')
        decode_base64(text, &raw);
    else
        decode_qp(text, true, &raw);
    mime_to_utf8(charset, buf_sv(&raw), out);
    buf_done(&raw);
    return (size_t)(rest.p + end + 2 - s.p);
}

int mime_decode_header(struct sv value, struct buf *out)
{
    struct buf flat;
    struct sv s;
    size_t blank_at = 0; /* where white space behind an encoded word began in out */
    bool after_word = false;

    buf_init(&flat, value.n + 1);
    mime_unfold(sv_trim(value), &flat);
    s = buf_sv(&flat);
    while (s.n) {
        size_t before = out->n, n = encoded_word(s, out);

        if (n) {
            /* White space between two encoded words is not part of the text (RFC 2047 6.2). */
            if (after_word && blank_at < before) {
                memmove(out->p + blank_at, out->p + before, out->n - before);
                out->n -= before - blank_at;
            }
            s = sv_skip(s, n);
            after_word = true;
            blank_at = out->n;
            continue;
        }
        ssize_t next = sv_find_sv(sv_skip(s, 1), SV("=?"));
        struct sv plain = sv_take(s, next < 0 ? s.n : (size_t)next + 1);

        if (sv_trim(plain).n)
            after_word = false;
        mime_to_utf8(SV_NULL, plain, out);
        s = sv_skip(s, plain.n);
    }
    buf_done(&flat);
    return out->overflow ? -ENOMEM : 0;
}
