/* The life of a ManageSieve session: callbacks from net/, answers. Runs on the workers. */
#include "server/managesieve/managesieve_priv.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"

enum { MAX_LINE = 8 * 1024, MAX_LOGGED = 400 };

/* --- answers --- */

static void write_out(struct ms_session *s, const struct buf *b)
{
    log_out(&s->log, sv_take(buf_sv(b), MAX_LOGGED));
    if (b->overflow || conn_write(s->c, buf_sv(b)) < 0)
        conn_close(s->c);
}

void ms_reply(struct ms_session *s, const char *status, const char *code, struct sv text)
{
    _cleanup_(buf_done) struct buf b = { 0 };

    buf_init(&b, 64 * KiB);
    buf_add_str(&b, status);
    if (code)
        buf_addf(&b, " (%s)", code);
    if (text.n) {
        buf_add_c(&b, ' ');
        managesieve_put_string(&b, text);
    }
    buf_add_str(&b, "\r\n");
    write_out(s, &b);
}

void ms_ok(struct ms_session *s, const char *text)
{
    ms_reply(s, "OK", NULL, sv_c(text));
}

void ms_no(struct ms_session *s, const char *code, const char *fmt, ...)
{
    char text[600];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    ms_reply(s, "NO", code, sv_c(text));
}

void ms_bye(struct ms_session *s, const char *code, const char *text)
{
    if (s->state == MS_END)
        return;
    ms_reply(s, "BYE", code, sv_c(text));
    s->state = MS_END;
    conn_close(s->c);
}

void ms_wrong(struct ms_session *s, const char *text)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();

    ms_no(s, NULL, "%s", text);
    if (++s->errors >= (unsigned)cf->managesieve.max_errors)
        ms_bye(s, NULL, "Too many errors");
}

/* --- callbacks --- */

static void *ms_open(struct conn *c, void *arg)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    _cleanup_(buf_done) struct buf b = { 0 };
    struct ms_session *s = xcalloc(1, sizeof(*s));

    s->c = c;
    s->srv = arg;
    s->state = MS_LOGIN;
    s->framer.max_line = MAX_LINE;
    conn_logctx(c, &s->log);
    event(managesieve_session_start, &s->log, F_IP(local, conn_local_ip(c)));
    conn_set_timeout(c, cf->net.session_timeout);
    buf_init(&b, 16 * KiB);
    ms_put_capabilities(s, &b);
    buf_addf(&b, "OK \"%s ManageSieve server ready\"\r\n",
             *cf->system.hostname ? cf->system.hostname : "Posthorn");
    write_out(s, &b);
    return s;
}

static int ms_next_frame(void *session, struct sv in, bool eof _unused_, struct frame *ret)
{
    struct ms_session *s = session;
    struct imap_frame f;

    if (imap_framer_next(&s->framer, in, &f) == 0)
        return 0;
    *ret = (struct frame){ (int)f.kind, f.data, f.used };
    return 1;
}

static enum pool ms_pool_of(void *session, const struct frame *f)
{
    return ms_pool(session, f);
}

static void run_frame(struct ms_session *s, const struct frame *f)
{
    if (f->kind < 0) {
        ms_bye(s, NULL, "Input cannot be understood");
        return;
    }
    imap_framer_took(&s->framer, f->kind, f->used);
    if (s->state != MS_END)
        ms_frame(s, f);
}

static void ms_run(void *session, const struct frame *f)
{
    struct ms_session *s = session;
    const struct logctx *before = log_thread_session(&s->log);

    run_frame(s, f);
    log_thread_session(before);
}

static bool ms_timeout(void *session)
{
    struct ms_session *s = session;

    if (conn_shutting_down(s->c)) {
        ms_bye(s, "TRYLATER", "Server is going down");
        return false;
    }
    s->timed_out = true;
    ms_bye(s, NULL, "Autologout; idle for too long");
    return false;
}

/* RFC 5804 2.2: capabilities once more, as the client must forget those before. */
static void ms_secured(void *session)
{
    struct ms_session *s = session;
    _cleanup_(buf_done) struct buf b = { 0 };

    log_line(&s->log, LOG_DEBUG, "SSL: %s", conn_tls_info(s->c));
    buf_init(&b, 16 * KiB);
    ms_put_capabilities(s, &b);
    buf_add_str(&b, "OK \"TLS is active\"\r\n");
    write_out(s, &b);
}

void ms_summary(struct ms_session *s, const char *outcome)
{
    event(managesieve_summary, &s->log, F_INT(count, s->stored), F_STR(outcome, outcome));
    s->stored = 0;
}

static void tell_totals(struct ms_session *s, enum close_why why)
{
    uint64_t in, out;
    bool silent = s->timed_out || why == CLOSE_TIMEOUT || why == CLOSE_PEER;
    bool good = s->logged_out && (s->account || !s->failures);

    conn_totals(s->c, &in, &out);
    event(session_end, &s->log,
          F_STR(outcome, good     ? "success"
                         : silent ? "disconnected"
                                  : "failed"),
          F_STR(why, close_why_names[s->timed_out ? CLOSE_TIMEOUT : why]),
          F_MS(duration, MAX(clock_wall_ms() - conn_started_ms(s->c), 0)), F_BYTES(bytes_in, in),
          F_BYTES(bytes_out, out), F_INT(commands, s->commands),
          F_INT(errors, s->errors + s->failures),
          F_STR(tls, conn_is_tls(s->c) ? conn_tls_info(s->c) : NULL));
}

static void ms_closed(void *session, enum close_why why)
{
    struct ms_session *s = session;

    if (s->account)
        ms_summary(s, s->timed_out || why == CLOSE_TIMEOUT ? "TIMEOUT"
                      : s->logged_out                      ? "OK"
                                                           : "INCOMPLETE-SESSION");
    tell_totals(s, why);
    ms_sasl_free(s);
    ms_pending_free(s);
    ms_leave_account(s);
    free(s);
}

void managesieve_refuse(struct conn *c, const char *reason)
{
    conn_writef(c, "BYE %s\r\n",
                !strcmp(reason, "access") ? "\"Access denied\""
                : !strcmp(reason, "ip")   ? "(TRYLATER) \"Too many connections from your address\""
                                          : "(TRYLATER) \"Too many connections, try again later\"");
}

const struct proto_ops managesieve_ops = {
    .name = "ManageSieve",
    .open = ms_open,
    .frame = ms_next_frame,
    .pool = ms_pool_of,
    .run = ms_run,
    .timeout = ms_timeout,
    .secured = ms_secured,
    .closed = ms_closed,
    .max_input = MAX_LINE + 1024,
};
