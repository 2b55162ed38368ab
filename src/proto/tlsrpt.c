#include "proto/tlsrpt.h"

static int hex_digit(char c)
{
    c = ascii_lower(c);
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Without its %XX; false: too long, or one of them is none. */
static bool decode(struct sv s, char *ret, size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (n + 1 == cap)
            return false;
        if (c == '%') {
            int high = i + 2 < s.n ? hex_digit(s.p[i + 1]) : -1,
                low = high >= 0 ? hex_digit(s.p[i + 2]) : -1;
            if (low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        }
        ret[n++] = c;
    }
    ret[n] = '\0';
    return strlen(ret) == n;
}

static bool is_host(struct sv s)
{
    if (!s.n || s.n > 253 || s.p[0] == '.')
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = ascii_lower(s.p[i]);
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.'))
            return false;
    }
    return true;
}

/* What may stand in an envelope and in a header field without quotes. */
static bool is_address(struct sv s)
{
    ssize_t at = sv_rfind(s, '@');
    if (at <= 0 || at > 64 || !is_host(sv_skip(s, (size_t)at + 1)))
        return false;
    for (size_t i = 0; i < (size_t)at; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c <= ' ' || c >= 127 || strchr("()<>[]:;@\\,\"", c))
            return false;
    }
    return true;
}

static bool take_mail(struct sv rest, struct tlsrpt_target *ret)
{
    struct sv address = sv_split(&rest, '?'); /* header fields behind it are not for reports */
    return decode(address, ret->address, sizeof(ret->address)) && is_address(sv_c(ret->address));
}

static bool take_https(struct sv rest, struct tlsrpt_target *ret)
{
    size_t end = 0;
    uint32_t port = 443;
    while (end < rest.n && !strchr("/?#", rest.p[end]))
        end++;
    struct sv path = sv_skip(rest, end), port_text = sv_take(rest, end),
              host = sv_split(&port_text, ':');
    if (!is_host(host) || !sv_copy(ret->host, sizeof(ret->host), host))
        return false;
    if (port_text.p && (sv_to_u32(port_text, &port) < 0 || !port || port > 65535))
        return false;
    for (char *c = ret->host; *c; c++)
        *c = ascii_lower(*c);
    for (size_t i = 0; i < path.n; i++)
        if (path.p[i] <= ' ' || path.p[i] >= 127)
            return false;
    struct sv fragment = path, whole = sv_split(&fragment, '#');
    bool rooted = sv_starts(whole, SV("/"));
    ret->port = (uint16_t)port;
    ret->path[0] = '/';
    return sv_copy(ret->path + !rooted, sizeof(ret->path) - !rooted, whole) && *ret->path;
}

static void take_target(struct sv uri, struct tlsrpt_record *ret)
{
    struct tlsrpt_target t = { .https = sv_istarts(uri, SV("https://")) };
    bool good = t.https ? take_https(sv_skip(uri, 8), &t)
                        : sv_istarts(uri, SV("mailto:")) && take_mail(sv_skip(uri, 7), &t);
    if (good && ret->n < TLSRPT_MAX_TARGETS)
        ret->target[ret->n++] = t;
}

bool tlsrpt_parse(struct sv txt, struct tlsrpt_record *ret)
{
    struct sv rest = txt, version = sv_trim(sv_split(&rest, ';'));
    bool found = false;
    ret->n = 0;
    if (!sv_eq(version, SV("v=TLSRPTv1")))
        return false;
    while (rest.p) {
        struct sv field = sv_trim(sv_split(&rest, ';'));
        if (found || !sv_starts(field, SV("rua=")))
            continue;
        found = true;
        field = sv_skip(field, 4);
        while (field.p)
            take_target(sv_trim(sv_split(&field, ',')), ret);
    }
    return found;
}
