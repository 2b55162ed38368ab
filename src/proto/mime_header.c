/* Structured header values: tokens, comments, parameters (RFC 2045 5.1, RFC 2231). Pure. */
#include "proto/mime_priv.h"

#include "base/codec.h"

#define MAX_PIECES   100       /* of a parameter in pieces (RFC 2231 3) */
#define MAX_BOUNDARY (8 * KiB) /* RFC 2046 says 70; a longer one is none */

size_t mime_comment_length(struct sv s)
{
    const char *p = s.p, *end = s.p + s.n;
    size_t depth = 0;

    while (p < end) {
        char c = *p++;

        if (c == '\\' && p < end)
            p++;
        else if (c == '(')
            depth++;
        else if (c == ')' && --depth == 0)
            break;
    }
    return (size_t)(p - s.p);
}

struct sv mime_skip_cfws(struct sv s)
{
    const char *p = s.p, *end = s.p + s.n;

    while (p < end) {
        if (*p == '(')
            p += mime_comment_length(sv_n(p, (size_t)(end - p)));
        else if (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n')
            p++;
        else
            break;
    }
    return sv_n(p, (size_t)(end - p));
}

static bool is_token_char(char c)
{
    return (unsigned char)c > 32 && c != 127 && !strchr("()<>@,;:\\\"/[]?=", c);
}

struct sv mime_take_token(struct sv *s)
{
    size_t n = 0;
    struct sv t;

    while (n < s->n && s->p[n] && is_token_char(s->p[n]))
        n++;
    t = sv_take(*s, n);
    *s = sv_skip(*s, n);
    return t;
}

void mime_content_type(struct sv value, struct sv *type, struct sv *subtype)
{
    struct sv s = mime_skip_cfws(value), t = mime_take_token(&s), st;

    s = mime_skip_cfws(s);
    if (!t.n || !s.n || *s.p != '/')
        return;
    s = mime_skip_cfws(sv_skip(s, 1));
    st = mime_take_token(&s);
    if (!st.n)
        return;
    *type = t;
    *subtype = st;
}

bool mime_is_message(const struct mime_part *p)
{
    return sv_ieq(p->type, SV("message")) &&
           (sv_ieq(p->subtype, SV("rfc822")) || sv_ieq(p->subtype, SV("global")));
}

static size_t
quoted_length(struct sv s) /* s begins behind the opening quote; up to the closing one */
{
    size_t n = 0;

    while (n < s.n && s.p[n] != '"')
        n += s.p[n] == '\\' && n + 1 < s.n ? 2 : 1;
    return n;
}

int mime_next_param(struct sv *rest, struct mime_param *ret)
{
    for (;;) {
        struct sv s = mime_skip_cfws(*rest);

        while (s.n && *s.p != ';') /* garbage up to the next parameter */
            s = sv_skip(s, 1);
        if (!s.n)
            return 0;
        s = mime_skip_cfws(sv_skip(s, 1));
        ret->name = mime_take_token(&s);
        s = mime_skip_cfws(s);
        *rest = s;
        if (!ret->name.n || !s.n || *s.p != '=')
            continue;
        s = mime_skip_cfws(sv_skip(s, 1));
        ret->quoted = s.n && *s.p == '"';
        if (ret->quoted) {
            s = sv_skip(s, 1);
            ret->value = sv_take(s, quoted_length(s));
            s = sv_skip(s, ret->value.n + 1);
        } else {
            size_t n = 0;

            /* Senders forget quotes: take all up to the end of the parameter. */
            while (n < s.n && s.p[n] && !strchr("; \t\r\n(", s.p[n]))
                n++;
            ret->value = sv_take(s, n);
            s = sv_skip(s, n);
        }
        *rest = s;
        return 1;
    }
}

int mime_unfold(struct sv raw, struct buf *out)
{
    const char *p = raw.p, *end = raw.p + raw.n;

    while (p < end) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        const char *stop = nl ? nl : end;

        if (nl && stop > p && stop[-1] == '\r')
            stop--;
        buf_add(out, p, (size_t)(stop - p));
        p = nl ? nl + 1 : end;
    }
    return out->overflow ? -ENOMEM : 0;
}

int mime_unquote(struct sv raw, struct buf *out)
{
    for (size_t i = 0; i < raw.n; i++) {
        char c = raw.p[i];

        if (c == '\n' || (c == '\r' && i + 1 < raw.n && raw.p[i + 1] == '\n'))
            continue;
        if (c == '\\' && i + 1 < raw.n)
            c = raw.p[++i];
        buf_add_c(out, c);
    }
    return out->overflow ? -ENOMEM : 0;
}

/* Percent-decodes a value of the extended notation (RFC 2231 4). */
static void add_percent(struct sv v, struct buf *out)
{
    for (size_t i = 0; i < v.n; i++) {
        struct buf hex;

        if (v.p[i] != '%' || v.n - i < 3) {
            buf_add_c(out, v.p[i]);
            continue;
        }
        buf_init(&hex, 4);
        if (hex_dec(sv_n(v.p + i + 1, 2), &hex) == 0 && hex.n == 1) {
            buf_add_c(out, hex.p[0]);
            i += 2;
        } else {
            buf_add_c(out, v.p[i]);
        }
        buf_done(&hex);
    }
}

/* "name", "name*", "name*3", "name*3*": its number (-1 = none) and whether it is extended. */
static bool match_continuation(struct sv have, struct sv want, int *ret_number, bool *ret_extended)
{
    struct sv tail;
    uint32_t n = 0;

    if (!sv_istarts(have, want))
        return false;
    tail = sv_skip(have, want.n);
    *ret_number = -1;
    *ret_extended = false;
    if (have.n == want.n)
        return true;
    if (*tail.p != '*')
        return false;
    if (tail.p[tail.n - 1] == '*') {
        *ret_extended = true;
        tail.n--;
    }
    if (tail.n == 0)
        return true;
    tail = sv_skip(tail, 1);
    if (sv_to_u32(tail, &n) < 0 || n >= MAX_PIECES)
        return false;
    *ret_number = (int)n;
    return true;
}

/* A parameter in one piece or in pieces; the first of each number counts. */
struct pieces {
    struct mime_param one, part[MAX_PIECES];
    bool have_one, have[MAX_PIECES];
    bool one_extended, extended[MAX_PIECES];
};

static void find_pieces(struct sv value, struct sv name, struct pieces *ret)
{
    struct sv rest = value;
    struct mime_param p;
    bool extended;
    int n;

    ret->have_one = false;
    memset(ret->have, 0, sizeof(ret->have));
    while (mime_next_param(&rest, &p)) {
        if (!match_continuation(p.name, name, &n, &extended))
            continue;
        if (n < 0 && !ret->have_one) {
            ret->have_one = true;
            ret->one_extended = extended;
            ret->one = p;
        } else if (n >= 0 && !ret->have[n]) {
            ret->have[n] = true;
            ret->extended[n] = extended;
            ret->part[n] = p;
        }
    }
}

static void add_piece(const struct mime_param *p, bool extended, bool first, struct sv *charset,
                      struct buf *out)
{
    struct sv v = p->value;

    if (!extended) {
        if (p->quoted)
            mime_unquote(v, out);
        else
            buf_add_sv(out, v);
        return;
    }
    if (first) { /* charset'language'text */
        ssize_t q = sv_find(v, '\''), q2 = q < 0 ? -1 : sv_find(sv_skip(v, (size_t)q + 1), '\'');

        if (q2 >= 0) {
            *charset = sv_take(v, (size_t)q);
            v = sv_n(v.p + q + q2 + 2, v.n - (size_t)(q + q2 + 2));
        }
    }
    add_percent(v, out);
}

/* The value before it is converted to UTF-8. */
static int param_bytes(struct sv value, struct sv name, struct sv *ret_charset, struct buf *out)
{
    struct pieces ps;

    *ret_charset = SV_NULL;
    find_pieces(value, name, &ps);
    if (!ps.have_one && !ps.have[0])
        return E_NOTFOUND;
    if (ps.have_one)
        add_piece(&ps.one, ps.one_extended, true, ret_charset, out);
    for (int n = 0; !ps.have_one && n < MAX_PIECES && ps.have[n]; n++)
        add_piece(&ps.part[n], ps.extended[n], n == 0, ret_charset, out);
    return out->overflow ? -ENOMEM : 0;
}

int mime_param(struct sv value, struct sv name, struct buf *out)
{
    struct sv charset;
    struct buf raw;
    int r;

    buf_init(&raw, out->max);
    r = param_bytes(value, name, &charset, &raw);
    if (r == 0)
        r = mime_to_utf8(charset, buf_sv(&raw), out);
    buf_done(&raw);
    return r;
}

bool mime_boundary(struct sv content_type, struct arena *a, struct sv *ret)
{
    struct sv charset, v;
    struct buf b;

    buf_init(&b, MAX_BOUNDARY);
    *ret = SV_NULL;
    if (param_bytes(content_type, SV("boundary"), &charset, &b) == 0) {
        v = buf_sv(&b);
        while (v.n && (v.p[v.n - 1] == ' ' || v.p[v.n - 1] == '\t'))
            v.n--;
        if (v.n)
            *ret = arena_sv(a, v);
    }
    buf_done(&b);
    return ret->p != NULL;
}

struct sv mime_without_return_path(struct sv block)
{
    while (sv_istarts(block, SV("Return-Path:"))) {
        do {
            ssize_t nl = sv_find(block, '\n');
            block = nl < 0 ? SV("\r\n") : sv_skip(block, (size_t)nl + 1);
        } while (block.n && (*block.p == ' ' || *block.p == '\t'));
    }
    return block;
}
