/* Replies: every one is logged and counted here; those that appear in several places are written
 * once. Hot ones are put together from slices, without printf. RFC 5321 4.2, RFC 2034. */
#include "server/smtp/smtp_priv.h"

#include "base/clock.h"
#include "base/rand.h"

enum { MAX_REPLY = 2048 };

static void send_reply(struct smtp_session *s, struct sv line)
{
    log_out(&s->log, line);
    if (conn_write(s->c, line) < 0)
        smtp_close(s); /* a peer that sends commands and reads no replies */
}

/* What the command that runs asked for is refused. */
static void tell_refusal(struct smtp_session *s, struct sv line)
{
    bool names_sender = s->refusal == EVT_smtp_mail_refused;
    uint64_t code = 0;
    (void)sv_to_u64(sv_take(line, 3), &code);
    struct event_arg args[] = { F_ADDR(rcpt, s->subject), F_CODE(code, code),
                                F_STR(reply, sv_trim(line)) };
    if (names_sender)
        args[0] = (struct event_arg)F_ADDR(sender, s->subject);
    /* No transaction has begun; for those who look for it, it was a message nevertheless. */
    if (names_sender)
        s->log.message = rand_u64() | 1;
    event_emit(s->refusal, &s->log, args, ARRAY_LEN(args));
    if (names_sender)
        s->log.message = 0;
}

/* A session of errors only is not worth keeping. */
static void count_error(struct smtp_session *s, char digit)
{
    if (digit < '4' || s->state == ST_END)
        return;
    if (++s->errors >= (unsigned)s->cf->smtp.max_errors)
        smtp_reply_421(s, SV("4.7.0"), SV("Too many errors, closing connection"));
}

void smtp_replyv(struct smtp_session *s, const struct sv *parts, size_t n)
{
    char line[MAX_REPLY];
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        struct sv part = sv_take(parts[i], MAX_REPLY - 2 - len);
        if (part.n)
            memcpy(line + len, part.p, part.n);
        len += part.n;
    }
    line[len++] = '\r';
    line[len++] = '\n';
    if (line[0] >= '4' && s->refusal)
        tell_refusal(s, sv_n(line, len));
    send_reply(s, sv_n(line, len));
    count_error(s, line[0]);
}

void smtp_reply(struct smtp_session *s, struct sv text)
{
    smtp_replyv(s, &text, 1);
}

void smtp_reply_refusal(struct smtp_session *s, struct sv lines)
{
    ssize_t end = sv_find(lines, '\r');
    if (s->refusal)
        tell_refusal(s, sv_take(lines, end < 0 ? lines.n : (size_t)end));
    send_reply(s, lines);
    if (sv_starts(lines, SV("421")))
        smtp_close(s);
    else
        count_error(s, lines.p[0]);
}

void smtp_reply_lines(struct smtp_session *s, struct buf *lines)
{
    send_reply(s, buf_sv(lines));
}

void smtp_reply_arg(struct smtp_session *s, enum smtp_arg r)
{
    switch (r) {
    case SMTP_ARG_OK:
        return;
    case SMTP_ARG_SYNTAX:
        smtp_reply_lit(s, "501 5.5.4 Syntax error in parameters scanning");
        return;
    case SMTP_ARG_UNBALANCED:
        smtp_reply_lit(s, "501 5.5.2 Unbalanced");
        return;
    case SMTP_ARG_DOMAIN:
        smtp_reply_lit(s, "501 5.5.2 Domain name required");
        return;
    }
}

void smtp_reply_421(struct smtp_session *s, struct sv enhanced, struct sv reason)
{
    char host[256], line[MAX_REPLY];
    smtp_hostname(s->cf, host);
    int n = snprintf(line, sizeof(line), "421 " SV_FMT " %s " SV_FMT "\r\n", SV_ARG(enhanced), host,
                     SV_ARG(reason));
    event(smtp_session_closed, &s->log, F_CODE(code, 421),
          F_STR(reply, sv_trim(sv_n(line, (size_t)n))));
    send_reply(s, sv_n(line, (size_t)n));
    smtp_close(s);
}

void smtp_greet(struct smtp_session *s)
{
    char host[256], date[40];
    smtp_hostname(s->cf, host);
    clock_rfc5322(clock_wall_s(), date);
    smtp_reply_parts(s, SV("220 "), sv_c(host), SV(" ESMTP " SMTP_PRODUCT),
                     s->cf->smtp.show_version ? SV(" " POSTHORN_VERSION) : SV(""), SV("; "),
                     sv_c(date));
}
