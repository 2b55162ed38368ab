/* Templates of requests, and the address that they go to. */
#include "proto/sms/sms.h"
#include "proto/sms/sms_utf8.h"

static int add_json(struct sv s, struct buf *out)
{
    while (s.n) {
        struct sv before = s;
        uint32_t c = sms_utf8_next(&s);
        if (c == '"' || c == '\\')
            (void)buf_addf(out, "\\%c", (char)c);
        else if (c == '\n')
            (void)buf_add_str(out, "\\n");
        else if (c < 0x20 || c == 0x7F)
            (void)buf_addf(out, "\\u%04x", (unsigned)c);
        else if (c == 0xFFFD)
            (void)buf_add_str(out, "\\ufffd");
        else
            (void)buf_add(out, before.p, before.n - s.n);
    }
    return out->overflow ? -ENOMEM : 0;
}

/* RFC 3986 2.3: all but the unreserved ones. Good for paths, queries and forms. */
static int add_percent(struct sv s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        char l = ascii_lower(s.p[i]);
        if ((l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || (c && strchr("-._~", c)))
            (void)buf_add_c(out, (char)c);
        else
            (void)buf_addf(out, "%%%02X", c);
    }
    return out->overflow ? -ENOMEM : 0;
}

static int add_value(struct sv s, enum sms_escape escape, struct buf *out)
{
    return escape == SMS_JSON      ? add_json(s, out)
           : escape == SMS_PERCENT ? add_percent(s, out)
                                   : buf_add_sv(out, s);
}

int sms_fill(struct sv template, const struct sms_values *v, enum sms_escape escape,
             struct buf *out)
{
    const struct {
        struct sv name, value;
    } all[] = {
        { SV("{to}"), v->to },     { SV("{digits}"), sv_skip(v->to, 1) },
        { SV("{from}"), v->from }, { SV("{text}"), v->text },
        { SV("{id}"), v->id },     { SV("{secret}"), v->secret },
    };
    while (template.n) {
        size_t found = ARRAY_LEN(all);
        for (size_t i = 0; *template.p == '{' && i < ARRAY_LEN(all); i++)
            if (sv_starts(template, all[i].name))
                found = i;
        if (found < ARRAY_LEN(all)) {
            (void)add_value(all[found].value, escape, out);
            template = sv_skip(template, all[found].name.n);
        } else {
            (void)buf_add_c(out, *template.p);
            template = sv_skip(template, 1);
        }
    }
    return out->overflow ? -ENOMEM : 0;
}

static bool is_url_text(struct sv s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || (unsigned char)s.p[i] >= 127 ||
            strchr("#<>\"\\^`|", s.p[i]))
            return false;
    return true;
}

static bool is_host(struct sv s)
{
    for (size_t i = 0; i < s.n; i++)
        if (strchr("@{}[]%?", s.p[i]))
            return false;
    return s.n > 0 && s.n <= 253;
}

int sms_url(struct sv text, struct sms_url *ret)
{
    uint32_t port;
    *ret = (struct sms_url){ .tls = sv_istarts(text, SV("https://")) };
    if (!is_url_text(text) || !(ret->tls || sv_istarts(text, SV("http://"))))
        return E_PARSE;
    struct sv rest = sv_skip(text, ret->tls ? 8 : 7);
    size_t n = 0;
    while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?')
        n++;
    struct sv where = sv_take(rest, n);
    ret->path = sv_skip(rest, n);
    ret->host = where;
    ret->port = ret->tls ? 443 : 80;
    ssize_t end = where.n && where.p[0] == '[' ? sv_find(where, ']') : -1;
    if (end > 0) {
        ret->host = sv_take(sv_skip(where, 1), (size_t)end - 1);
        where = sv_skip(where, (size_t)end + 1);
        if (sv_find(ret->host, ':') < 0 || (where.n && where.p[0] != ':'))
            return E_PARSE;
    }
    ssize_t colon = sv_rfind(where, ':');
    if (colon >= 0) {
        if (sv_to_u32(sv_skip(where, (size_t)colon + 1), &port) < 0 || !port || port > 65535)
            return E_PARSE;
        ret->port = (uint16_t)port;
        if (end <= 0)
            ret->host = sv_take(where, (size_t)colon);
        if (end <= 0 && sv_find(ret->host, ':') >= 0)
            return E_PARSE;
    }
    return is_host(ret->host) ? 0 : E_PARSE;
}
