/* Return-Path: and Received: lines (RFC 5321 4.4, RFC 3848 protocol names). What comes from the
 * peer is cleaned: a name can neither end a line nor close a comment. Pure. */
#include "mail/message/message.h"

#include "base/clock.h"

enum { MAX_NAME = 255 };

static void add_clean(struct buf *out, struct sv s)
{
    s = sv_take(s, MAX_NAME);
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool bad = c <= ' ' || c == 127 || strchr("()\\\"<>;,", c);
        (void)buf_add_c(out, bad ? '?' : (char)c);
    }
}

static void add_path(struct buf *out, struct sv s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        (void)buf_add_c(out, c < ' ' || c == 127 ? '?' : (char)c);
    }
}

static void add_from(struct buf *out, const struct trace_facts *t)
{
    (void)buf_add_str(out, "Received: from ");
    add_clean(out, t->helo.n ? t->helo : SV("unknown"));
    (void)buf_add_str(out, " (");
    if (t->peer_host.n) {
        add_clean(out, t->peer_host);
        (void)buf_add_c(out, ' ');
    }
    (void)buf_add_str(out, sv_find(t->peer_ip, ':') >= 0 ? "[IPv6:" : "[");
    add_clean(out, t->peer_ip);
    (void)buf_add_str(out, "])\r\n");
}

int message_trace_headers(const struct trace_facts *t, struct sv return_path, struct buf *out)
{
    char date[40];
    clock_rfc5322(t->wall_s, date);
    (void)buf_add_str(out, "Return-Path: <");
    add_path(out, return_path);
    (void)buf_add_str(out, ">\r\n");
    add_from(out, t);
    (void)buf_add_str(out, "\tby ");
    add_clean(out, t->by);
    (void)buf_addf(out, " with %s", t->protocol);
    if (t->tls_info.n) {
        (void)buf_add_str(out, "\r\n\t(");
        for (size_t i = 0; i < t->tls_info.n; i++)
            (void)buf_add_c(out, strchr("()\\\r\n", t->tls_info.p[i]) ? '?' : t->tls_info.p[i]);
        (void)buf_add_c(out, ')');
    }
    (void)buf_add_str(out, " id ");
    add_clean(out, t->id);
    if (t->for_rcpt.n) {
        (void)buf_add_str(out, "\r\n\tfor <");
        add_path(out, t->for_rcpt);
        (void)buf_add_c(out, '>');
    }
    return buf_addf(out, ";\r\n\t%s\r\n", date);
}
