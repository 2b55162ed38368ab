/* Commands out, replies in, and both in the log. A command is logged together with its reply, so
 * that a pipelined session reads like any other. */
#include "mail/deliver/smtp_client.h"
#include "proto/smtp_reply.h"
#include "stats/shm.h"

enum { MAX_LINE = 8192, MAX_LINES = 200, MAX_COMMAND = 4096 };

int smtp_send_masked(struct smtp_client *s, struct sv text, struct sv shown)
{
    struct errinfo ei;
    ssize_t space = sv_find(shown, ' ');
    shm_session_state(s->slot, sv_take(shown, space < 0 ? shown.n : (size_t)space));
    s->commands++;
    int r = buf_add_sv(&s->unlogged, shown);
    if (r >= 0)
        r = buf_add_c(&s->unlogged, '\n');
    if (r >= 0)
        r = client_write(s->c, text, &ei);
    if (r >= 0)
        r = client_write(s->c, SV("\r\n"), &ei);
    shm_session_bytes(s->slot, 0, text.n + 2);
    ctr_add(CTR_bytes_out, text.n + 2);
    return r < 0 ? r : 0;
}

int smtp_send(struct smtp_client *s, const char *fmt, ...)
{
    struct buf b;
    buf_init(&b, MAX_COMMAND);
    va_list ap;
    va_start(ap, fmt);
    int r = buf_vaddf(&b, fmt, ap);
    va_end(ap);
    if (r >= 0)
        r = smtp_send_masked(s, buf_sv(&b), buf_sv(&b));
    buf_done(&b);
    return r;
}

/* Logs the oldest command that has no reply yet. */
static void log_command(struct smtp_client *s)
{
    ssize_t end = s->unlogged.n ? sv_find(buf_sv(&s->unlogged), '\n') : -1;
    if (end < 0)
        return;
    log_out(&s->log, sv_take(buf_sv(&s->unlogged), (size_t)end));
    buf_consume(&s->unlogged, (size_t)end + 1);
}

static void log_commands(struct smtp_client *s)
{
    while (s->unlogged.n)
        log_command(s);
}

/* Administrators expect only the last line of a client's reply; all of it at the extended level. */
static void log_reply(struct smtp_client *s, struct sv last)
{
    log_command(s);
    log_in(&s->log, log_on(LOG_SMTP, LOG_EXTENDED) ? buf_sv(&s->reply_lines) : last);
}

static int read_lines(struct smtp_client *s, struct reply *ret, struct sv *ret_last)
{
    for (int n = 0; n < MAX_LINES; n++) {
        struct sv line;
        struct errinfo ei;
        bool last;
        int code, r = client_read_line(s->c, MAX_LINE, &line, &ei);
        if (r < 0)
            return r;
        shm_session_bytes(s->slot, line.n + 2, 0);
        ctr_add(CTR_bytes_in, line.n + 2);
        if (n && buf_add_c(&s->reply_lines, '\n') < 0)
            return E_RANGE;
        size_t at = s->reply_lines.n;
        if (buf_add_sv(&s->reply_lines, line) < 0)
            return E_RANGE;
        *ret_last = sv_skip(buf_sv(&s->reply_lines), at);
        if (smtp_reply_line(line, &code, &last) < 0 || (n && code != ret->code))
            return E_PARSE;
        ret->code = code;
        if (last)
            return 0;
    }
    return E_RANGE;
}

int smtp_read_reply(struct smtp_client *s, int64_t timeout_ms, struct reply *ret)
{
    struct sv last = SV("");
    struct errinfo ei;
    *ret = (struct reply){ 0 };
    buf_reset(&s->reply_lines);
    client_set_timeout(s->c, timeout_ms);
    int r = client_flush(s->c, &ei);
    if (r >= 0)
        r = read_lines(s, ret, &last);
    if (r < 0) {
        log_commands(s);
        if (s->reply_lines.n)
            log_in(&s->log, buf_sv(&s->reply_lines));
        s->timed_out = r == E_TIMEOUT;
        ret->code = 0;
        return r;
    }
    log_reply(s, last);
    smtp_reply_join(buf_sv(&s->reply_lines), ret->text, sizeof(ret->text));
    return 0;
}

void smtp_lost(const struct smtp_client *s, int r, char ret[512])
{
    const char *what = r == E_TIMEOUT                 ? "timed out"
                       : r == E_CANCELLED             ? "was ended by the administrator"
                       : r == E_PARSE || r == E_RANGE ? "brought an answer that is not SMTP"
                                                      : "was lost";
    snprintf(ret, 512, "451 4.4.2 Connection to %s %s while waiting for the answer to %s", s->host,
             what, s->waiting_for ? s->waiting_for : "the last command");
}
