/* POP3 as a client: RFC 1939, RFC 2595 (STLS). */
#include "mail/collect/collect_priv.h"
#include "proto/remote_reply.h"

static int reply(struct attempt *x, const char *what, struct errinfo *ei)
{
    struct sv line, text;
    int r = session_line(x, MAX_REPLY_LINE, &line, ei);
    if (r < 0)
        return r;
    log_in(&x->log, line);
    return pop3_reply(line, &text) ? 0 : session_refused(x, what, text, ei);
}

static int begin(struct attempt *x, struct errinfo *ei)
{
    int r = x->r->tls == REMOTE_TLS ? session_tls(x, ei) : 0;
    if (r == 0)
        r = reply(x, "the connection", ei);
    if (r == 0 && x->r->tls == REMOTE_STARTTLS) {
        r = session_send(x, NULL, ei, "STLS");
        if (r == 0)
            r = session_starttls(x, reply(x, "STLS", ei), ei);
        if (r == 0)
            r = session_tls(x, ei);
    }
    if (r == 0)
        r = session_send(x, NULL, ei, "USER %s", x->r->user);
    if (r == 0)
        r = reply(x, "the user name", ei);
    if (r == 0)
        r = session_send(x, "PASS ****", ei, "PASS %s", x->r->password);
    return r < 0 ? r : reply(x, "the login", ei);
}

static int list(struct attempt *x, struct errinfo *ei)
{
    int r = session_send(x, NULL, ei, "UIDL");
    if (r == 0)
        r = reply(x, "UIDL", ei);
    while (r == 0) {
        struct sv line, uid;
        uint32_t number;
        r = session_line(x, MAX_REPLY_LINE, &line, ei);
        if (r < 0 || sv_eq(line, SV(".")))
            return r;
        if (!pop3_uidl(line, &number, &uid))
            return err_set(ei, E_PARSE, "the answer to UIDL has a line that is none: " SV_FMT,
                           SV_ARG(sv_take(line, 80)));
        r = session_add(x, number, uid, ei);
    }
    return r;
}

static int fetch(struct attempt *x, const struct listed *l, struct sink *to, struct errinfo *ei)
{
    int r = session_send(x, NULL, ei, "RETR %u", l->number);
    if (r == 0)
        r = reply(x, "RETR", ei);
    while (r == 0) {
        struct sv line;
        r = session_line(x, MAX_CONTENT_LINE, &line, ei);
        if (r < 0 || sv_eq(line, SV(".")))
            return r;
        r = sink_add(to, sv_skip(line, sv_starts(line, SV("."))), ei);
        if (r == 0)
            r = sink_add(to, SV("\r\n"), ei);
    }
    return r;
}

static int drop(struct attempt *x, const struct listed *l, struct errinfo *ei)
{
    int r = session_send(x, NULL, ei, "DELE %u", l->number);
    return r < 0 ? r : reply(x, "DELE", ei);
}

static int end(struct attempt *x, struct errinfo *ei)
{
    int r = session_send(x, NULL, ei, "QUIT");
    return r < 0 ? r : reply(x, "QUIT", ei);
}

const struct collect_protocol collect_pop3 = { begin, list, fetch, drop, end };
