/* The life of a POP3 session: callbacks from net/, lines, replies. Runs on the workers. */
#include "server/pop3/pop3_priv.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"

enum { LINE = 1, MAX_LINE = 12288, MAX_PLAIN = 2048 };

static void reply(struct pop3_session *s, const char *status, const char *fmt, va_list ap)
{
    char line[600];
    int n = snprintf(line, sizeof(line), "%s ", status);

    n += vsnprintf(line + n, sizeof(line) - (size_t)n - 2, fmt, ap);
    n = MIN(n, (int)sizeof(line) - 3);
    log_out(&s->log, sv_n(line, (size_t)n));
    memcpy(line + n, "\r\n", 2);
    conn_write(s->c, sv_n(line, (size_t)n + 2));
}

void pop3_ok(struct pop3_session *s, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    reply(s, "+OK", fmt, ap);
    va_end(ap);
}

void pop3_err(struct pop3_session *s, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    reply(s, "-ERR", fmt, ap);
    va_end(ap);
}

static void *pop3_open(struct conn *c, void *arg)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    struct pop3_session *s = xcalloc(1, sizeof(*s));

    s->c = c;
    s->srv = arg;
    s->state = POP_AUTH;
    conn_logctx(c, &s->log);
    event(pop3_session_start, &s->log, F_IP(local, conn_local_ip(c)));
    conn_set_timeout(c, cf->net.session_timeout);
    pop3_ok(s, "%s POP3 server ready", *cf->system.hostname ? cf->system.hostname : "Posthorn");
    return s;
}

static int pop3_frame(void *session _unused_, struct sv in, bool eof _unused_, struct frame *ret)
{
    ssize_t eol = sv_find(in, '\n');
    struct sv line;

    if (eol < 0)
        return in.n >= MAX_LINE ? E_RANGE : 0;
    line = sv_take(in, (size_t)eol);
    if (line.n && line.p[line.n - 1] == '\r')
        line.n--;
    *ret = (struct frame){ .kind = LINE, .data = line, .used = (size_t)eol + 1 };
    return 1;
}

/* Takes the verb off; the rest, without the one space between. */
static struct sv take_verb(struct sv line, struct sv *ret_rest)
{
    ssize_t sp = sv_find(line, ' ');

    *ret_rest = sp < 0 ? SV_NULL : sv_skip(line, (size_t)sp + 1);
    return sp < 0 ? line : sv_take(line, (size_t)sp);
}

static enum pool pop3_pool(void *session, const struct frame *f)
{
    struct pop3_session *s = session;
    struct sv rest;
    const struct pop3_cmd *cmd;

    if (s->state == POP_SASL)
        return pop3_login_is_fast(s, NULL, f->data) ? POOL_FAST : POOL_SLOW;
    cmd = pop3_find(take_verb(f->data, &rest));
    if (!cmd || !(cmd->states & s->state) || !cmd->secret)
        return POOL_FAST;
    return pop3_login_is_fast(s, cmd, rest) ? POOL_FAST : POOL_SLOW;
}

static void log_command(struct pop3_session *s, const struct pop3_cmd *cmd, struct sv line)
{
    char masked[32];

    if (!cmd || !cmd->secret) {
        log_in(&s->log, line);
        return;
    }
    snprintf(masked, sizeof(masked), "%s ****", cmd->name);
    log_in(&s->log, sv_c(masked));
}

static int split_args(const struct pop3_cmd *cmd, struct sv rest, struct sv args[2])
{
    int n = 0;

    if (cmd->max_args < 0) {
        args[0] = rest;
        return rest.p && rest.n ? 1 : 0;
    }
    while (rest.p) {
        struct sv a = sv_split(&rest, ' ');

        if (!a.n)
            continue;
        if (n == 2)
            return 3;
        args[n++] = a;
    }
    return n;
}

/* What is no command at all. Too much of it ends the session: that is no mail client. */
static void wrong(struct pop3_session *s, const char *text)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();

    if (++s->errors < (unsigned)cf->pop3.max_errors) {
        pop3_err(s, "%s", text);
        return;
    }
    pop3_err(s, "%s; too many errors, closing connection", text);
    conn_close(s->c);
}

static void run_line(struct pop3_session *s, struct sv line)
{
    struct sv rest, verb = take_verb(line, &rest), args[2] = { SV_NULL, SV_NULL };
    const struct pop3_cmd *cmd = pop3_find(verb);
    int n;

    log_command(s, cmd, line);
    s->commands++;
    if (sv_find(line, '\0') >= 0) {
        wrong(s, "NUL in a command");
        return;
    }
    if (!cmd || line.n > MAX_PLAIN) {
        wrong(s, cmd ? "Line too long" : "Command unrecognized");
        return;
    }
    if (!(cmd->states & s->state)) {
        wrong(s, s->state == POP_AUTH ? "Log in first" : "Not after the login");
        return;
    }
    n = split_args(cmd, rest, args);
    if (n < cmd->min_args || (cmd->max_args >= 0 && n > cmd->max_args)) {
        wrong(s, n < cmd->min_args ? "Argument is missing" : "Too many arguments");
        return;
    }
    conn_set_state(s->c, sv_c(cmd->name));
    cmd->run(s, args, n);
}

static void run_frame(struct pop3_session *s, const struct frame *f)
{
    if (s->state == POP_END)
        return;
    if (f->kind < 0) {
        pop3_err(s, "Line too long, closing connection");
        conn_close(s->c);
    } else if (s->state == POP_SASL) {
        log_in(&s->log, SV("****"));
        pop3_sasl_line(s, f->data);
    } else {
        run_line(s, f->data);
    }
}

static void pop3_run(void *session, const struct frame *f)
{
    struct pop3_session *s = session;
    const struct logctx *before = log_thread_session(&s->log);

    run_frame(s, f);
    log_thread_session(before);
}

static bool pop3_timeout(void *session)
{
    struct pop3_session *s = session;

    /* RFC 1939 3: no update, and nothing is sent but what tells a shutdown. */
    if (conn_shutting_down(s->c))
        pop3_err(s, "[SYS/TEMP] Server is going down");
    else
        s->timed_out = true;
    return false;
}

/* STLS forgets what was said before (RFC 2595 4). */
static void pop3_secured(void *session)
{
    struct pop3_session *s = session;

    log_line(&s->log, LOG_DEBUG, "SSL: %s", conn_tls_info(s->c));
    free(s->user);
    s->user = NULL;
}

void pop3_summary(struct pop3_session *s, unsigned deleted, const char *outcome)
{
    event(pop3_summary, &s->log, F_INT(messages, s->retrieved), F_BYTES(bytes, s->retrieved_bytes),
          F_INT(deleted, deleted), F_STR(outcome, outcome));
}

static void tell_totals(struct pop3_session *s, enum close_why why)
{
    uint64_t in, out;
    bool silent = s->timed_out || why == CLOSE_TIMEOUT || why == CLOSE_PEER;
    bool good = why == CLOSE_QUIT && (s->account || !s->failures);

    conn_totals(s->c, &in, &out);
    event(session_end, &s->log,
          F_STR(outcome, silent ? "disconnected"
                         : good ? "success"
                                : "failed"),
          F_STR(why, close_why_names[s->timed_out ? CLOSE_TIMEOUT : why]),
          F_MS(duration, MAX(clock_wall_ms() - conn_started_ms(s->c), 0)), F_BYTES(bytes_in, in),
          F_BYTES(bytes_out, out), F_INT(commands, s->commands), F_INT(messages, s->retrieved),
          F_INT(errors, s->errors + s->failures),
          F_STR(tls, conn_is_tls(s->c) ? conn_tls_info(s->c) : NULL));
}

static void pop3_closed(void *session, enum close_why why)
{
    struct pop3_session *s = session;

    if (s->state == POP_TRANS)
        pop3_summary(s, 0, s->timed_out || why == CLOSE_TIMEOUT ? "TIMEOUT" : "INCOMPLETE-SESSION");
    tell_totals(s, why);
    pop3_sasl_free(s);
    if (s->account) {
        pop3_drop_close(s);
        account_unref(s->account);
    }
    free(s->user);
    free(s);
}

void pop3_refuse(struct conn *c, const char *reason)
{
    conn_writef(c, "-ERR %s\r\n",
                !strcmp(reason, "access") ? "[SYS/PERM] Permission denied"
                : !strcmp(reason, "ip")   ? "[SYS/TEMP] Too many connections from this IP"
                                          : "[SYS/TEMP] Too many connections, try again later");
}

const struct proto_ops pop3_ops = {
    .name = "POP3",
    .open = pop3_open,
    .frame = pop3_frame,
    .pool = pop3_pool,
    .run = pop3_run,
    .timeout = pop3_timeout,
    .secured = pop3_secured,
    .closed = pop3_closed,
    .max_input = MAX_LINE + 1,
};
