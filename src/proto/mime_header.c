/* Structured header values: tokens, comments, parameters (RFC 2045 5.1, RFC 2231). Pure. */
#include "proto/mime_priv.h"

#include "base/codec.h"

struct sv mime_skip_cfws(struct sv s)
{
    int depth = 0;

    while (s.n) {
        char c = *s.p;

        if (depth && c == '\\' && s.n > 1)
            s = sv_skip(s, 1);
        else if (c == '(')
            depth++;
        else if (depth && c == ')')
            depth--;
        else if (!depth && c != ' ' && c != '\t' && c != '\r' && c != '\n')
            return s;
        s = sv_skip(s, 1);
    }
    return s;
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

bool mime_boundary(struct sv content_type, struct arena *a, struct sv *ret)
{
    struct sv rest = content_type;
    struct mime_param p;

    while (mime_next_param(&rest, &p)) {
        struct buf b;
        struct sv v;

        if (!sv_ieq(p.name, SV("boundary")))
            continue;
        buf_init(&b, 1 * KiB);
        mime_unquote(p.value, &b);
        v = buf_sv(&b);
        while (v.n && (v.p[v.n - 1] == ' ' || v.p[v.n - 1] == '\t'))
            v.n--;
        *ret = b.overflow || !v.n ? SV_NULL : arena_sv(a, v);
        buf_done(&b);
        return ret->p != NULL;
    }
    return false;
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

/* "name", "name*", "name*3", "name*3*": its base, number (-1 = none) and whether it is extended. */
static bool match_continuation(struct sv have, struct sv want, int *ret_number, bool *ret_extended)
{
    struct sv tail;
    uint32_t n = 0;

    if (!sv_istarts(have, want))
        return false;
    tail = sv_skip(have, want.n);
    *ret_number = -1;
    *ret_extended = false;
    if (!tail.n)
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
    if (sv_to_u32(tail, &n) < 0 || n > 999)
        return false;
    *ret_number = (int)n;
    return true;
}

/* Finds piece `number` of the parameter; E_NOTFOUND. */
static int find_piece(struct sv value, struct sv name, int number, struct mime_param *ret,
                      bool *ret_extended)
{
    struct sv rest = value;

    while (mime_next_param(&rest, ret)) {
        int n;

        if (match_continuation(ret->name, name, &n, ret_extended) && n == number)
            return 0;
    }
    return E_NOTFOUND;
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
            v = sv_skip(v, (size_t)(q + q2 + 2));
        }
    }
    add_percent(v, out);
}

int mime_param(struct sv value, struct sv name, struct buf *out)
{
    struct mime_param p;
    struct sv charset = SV_NULL;
    struct buf raw;
    bool extended;
    int r;

    buf_init(&raw, out->max);
    if (find_piece(value, name, -1, &p, &extended) == 0) {
        add_piece(&p, extended, true, &charset, &raw);
    } else {
        int n = 0;

        while (find_piece(value, name, n, &p, &extended) == 0) {
            add_piece(&p, extended, n == 0, &charset, &raw);
            n++;
        }
        if (n == 0) {
            buf_done(&raw);
            return E_NOTFOUND;
        }
    }
    r = raw.overflow ? -ENOMEM : mime_to_utf8(charset, buf_sv(&raw), out);
    buf_done(&raw);
    return r;
}
