#include "mail/sieve/mailto.h"

#include "base/codec.h"
#include "proto/sieve/sieve.h"

enum { MAX_TEXT = 8192 };

static int hex(char c)
{
    char l = ascii_lower(c);
    return c >= '0' && c <= '9' ? c - '0' : l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

static bool decode(struct sv s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '%') {
            if (s.n - i < 3 || hex(s.p[i + 1]) < 0 || hex(s.p[i + 2]) < 0)
                return false;
            c = (char)(hex(s.p[i + 1]) * 16 + hex(s.p[i + 2]));
            i += 2;
        }
        (void)buf_add_c(out, c);
    }
    return !out->overflow && utf8_valid(buf_sv(out)) && !memchr(out->p ? out->p : "", 0, out->n);
}

static bool add_rcpts(struct mailto *m, struct sv list)
{
    while (list.p) {
        _cleanup_(buf_done) struct buf b = { 0 };
        struct sv one = sv_split(&list, ',');
        if (!one.n)
            continue;
        buf_init(&b, sizeof(m->rcpt[0]) - 1);
        if (m->n == MAILTO_MAX_RCPTS || !decode(one, &b) || !sieve_is_address(sv_trim(buf_sv(&b))))
            return false;
        sv_copy(m->rcpt[m->n++], sizeof(m->rcpt[0]), sv_trim(buf_sv(&b)));
    }
    return true;
}

/* Other fields than these are not ours to set for a user: RFC 5436 2.3. */
static bool take_field(struct mailto *m, struct sv field)
{
    struct sv value = field, name = sv_split(&value, '=');
    if (!value.p)
        return false;
    if (sv_ieq(name, SV("to")))
        return add_rcpts(m, value);
    if (sv_ieq(name, SV("subject")))
        return decode(value, &m->subject);
    if (sv_ieq(name, SV("body")))
        return decode(value, &m->body);
    return name.n > 0;
}

bool mailto_parse(struct sv method, struct mailto *ret)
{
    struct mailto *m = ret;
    *m = (struct mailto){ 0 };
    buf_init(&m->subject, MAX_TEXT);
    buf_init(&m->body, MAX_TEXT);
    bool ok = sv_istarts(method, SV("mailto:"));
    struct sv fields = sv_skip(method, 7), to = sv_split(&fields, '?');
    ok = ok && add_rcpts(m, to);
    while (ok && fields.p)
        ok = take_field(m, sv_split(&fields, '&'));
    return ok && m->n > 0;
}

void mailto_done(struct mailto *m)
{
    buf_done(&m->subject);
    buf_done(&m->body);
}

bool mailto_valid(struct sv method)
{
    struct mailto m;
    bool ok = mailto_parse(method, &m);
    mailto_done(&m);
    return ok;
}
