/* The life of an SMTP session: callbacks from net/, state, greeting, end. Runs on the workers; one
 * callback of a session at a time. RFC 5321 3.1, 4.3; RFC 3207 4.2 (what STARTTLS forgets). */
#include "server/smtp/smtp_priv.h"

#include <pthread.h>
#include <unistd.h>

#include "base/clock.h"
#include "mail/account/limit.h"

enum { SWALLOW_MAX = 1024 * 1024 };

static char machine_name[256];
static pthread_once_t machine_once = PTHREAD_ONCE_INIT;

static void ask_machine(void)
{
    if (gethostname(machine_name, sizeof(machine_name) - 1) < 0 || !*machine_name)
        (void)sv_copy(machine_name, sizeof(machine_name), SV("localhost"));
}

void smtp_hostname(const struct conf *cf, char ret[256])
{
    pthread_once(&machine_once, ask_machine);
    (void)sv_copy(ret, 256, sv_c(*cf->system.hostname ? cf->system.hostname : machine_name));
}

/* Which states may follow which. A session that breaks it has a bug, not a bad peer. */
static unsigned legal_next(enum smtp_state from)
{
    switch (from) {
    case ST_WAIT:
        return ST_NEW;
    case ST_NEW:
        return ST_NEW | ST_READY | ST_MAIL | ST_CHUNK | ST_AUTH;
    case ST_READY:
        return ST_NEW | ST_READY | ST_MAIL | ST_CHUNK | ST_AUTH;
    case ST_MAIL:
        return ST_IDLE | ST_RCPT | ST_CHUNK;
    case ST_RCPT:
        return ST_IDLE | ST_RCPT | ST_DATA | ST_BDAT | ST_CHUNK;
    case ST_DATA:
        return ST_IDLE;
    case ST_BDAT:
        return ST_IDLE | ST_BDAT | ST_CHUNK;
    case ST_CHUNK:
        return ST_IDLE | ST_TX | ST_BDAT;
    case ST_AUTH:
        return ST_IDLE;
    case ST_END:
        return 0;
    }
    return 0;
}

void smtp_set_state(struct smtp_session *s, enum smtp_state to)
{
    if (s->state == ST_END)
        return;
    if (to != ST_END && !(legal_next(s->state) & to))
        panic("smtp: state %x cannot become %x", (unsigned)s->state, (unsigned)to);
    s->state = to;
}

void smtp_idle(struct smtp_session *s)
{
    smtp_set_state(s, s->helo ? ST_READY : ST_NEW);
}

void smtp_close(struct smtp_session *s)
{
    smtp_set_state(s, ST_END);
    conn_close(s->c);
}

uint64_t smtp_max_message(const struct smtp_session *s)
{
    int64_t server = s->cf->smtp.max_message_size;
    int64_t own = s->account ? s->account->max_message_bytes : 0;
    return (uint64_t)limit_of(own, 0, server).max;
}

bool smtp_trusted(const struct smtp_session *s)
{
    return !s->turned && s->cf->smtp.relay_trusted && conn_peer_trusted(s->c);
}

static struct smtp_session *session_new(struct conn *c, const struct smtp_server *srv,
                                        const struct conf *cf)
{
    struct smtp_session *s = xcalloc(1, sizeof(*s));
    s->c = c;
    s->srv = srv;
    s->cf = cf;
    s->state = ST_WAIT;
    s->active_ms = clock_mono_ms();
    s->max_line = (uint32_t)cf->smtp.max_line;
    conn_logctx(c, &s->log);
    event(smtp_session_start, &s->log, F_IP(local, conn_local_ip(c)));
    return s;
}

static void greet(struct smtp_session *s)
{
    smtp_set_state(s, ST_NEW);
    conn_set_timeout(s->c, s->cf->net.session_timeout);
    smtp_greet(s);
}

static void refuse_early_talker(struct smtp_session *s)
{
    smtp_reply_lit(s, "554 5.7.1 Permission denied");
    smtp_close(s);
}

static void *smtp_open(struct conn *c, void *arg)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    struct smtp_session *s = session_new(c, arg, cf);
    bool watch = cf->smtp.early_talkers == 1 /* reject */ && !conn_is_tls(c);
    if (watch && conn_has_input(c)) {
        refuse_early_talker(s);
    } else if (watch && cf->smtp.greeting_delay > 0 && !s->srv->submission &&
               !conn_peer_trusted(c)) {
        conn_set_timeout(c, cf->smtp.greeting_delay); /* then smtp_timeout greets */
    } else {
        greet(s);
    }
    s->cf = NULL;
    return s;
}

/* The peer waits for the greeting, which ends its own part as a server. */
static void *turned_open(struct conn *c, void *arg)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    const struct smtp_turned *turned = arg;
    struct smtp_session *s = session_new(c, turned->srv, cf);
    s->turned = turned;
    greet(s);
    s->cf = NULL;
    return s;
}

/* Must not change anything but framer_next: it may be called twice for the same input. */
static int smtp_frame(void *session, struct sv in, bool eof, struct frame *ret)
{
    struct smtp_session *s = session;
    struct smtp_piece p;
    (void)eof;
    s->framer_next = s->framer;
    if (s->state == ST_WAIT) { /* one byte before the greeting is too early */
        *ret = (struct frame){ .kind = SMTP_LINE, .data = in, .used = in.n };
        return in.n > 0;
    }
    size_t max_line = s->state == ST_AUTH ? MAX(s->max_line, SMTP_MAX_SASL) : s->max_line;
    int r = smtp_framer_next(&s->framer_next, in, max_line, &p);
    if (r <= 0)
        return r;
    *ret =
        (struct frame){ .kind = (int)p.kind | (int)(p.has << 8), .data = p.data, .used = p.used };
    return 1;
}

static enum pool line_pool(struct smtp_session *s, struct sv line)
{
    struct sv args;
    if (s->state == ST_AUTH)
        return smtp_auth_fast(s, line) ? POOL_FAST : POOL_SLOW;
    const struct smtp_cmd *cmd = smtp_cmd_find(smtp_verb(line, &args));
    if (!cmd)
        return POOL_FAST;
    if ((cmd->flags & F_MILTERS) && smtp_may_ask_milters(s))
        return POOL_SLOW;
    if (cmd->run == smtp_cmd_auth && smtp_auth_fast(s, args))
        return POOL_FAST;
    if (cmd->run == smtp_cmd_mail) {
        _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
        s->cf = cf;
        bool slow = smtp_wants_dns(s);
        s->cf = NULL;
        return slow ? POOL_SLOW : POOL_FAST;
    }
    return cmd->pool;
}

static enum pool smtp_pool(void *session, const struct frame *f)
{
    struct smtp_session *s = session;
    enum smtp_piece_kind kind = (enum smtp_piece_kind)(f->kind & 0xff);
    if (kind == SMTP_LINE)
        return line_pool(s, f->data);
    if ((kind == SMTP_BODY_END || (kind == SMTP_CHUNK_END && s->chunk_last)) &&
        (smtp_may_ask_milters(s) || (s->tx && s->tx->rx.slow_filters)))
        return POOL_SLOW;
    return s->tx && s->tx->rx.fd >= 0 ? POOL_BULK : POOL_FAST;
}

/* A line that is not a command. */
static void bad_line(struct smtp_session *s, struct sv line, struct sv reply)
{
    if (s->state == ST_AUTH) {
        smtp_auth_free(s); /* what is secret in it must not be logged */
        smtp_idle(s);
    } else {
        smtp_log_line(s, sv_take(line, 200));
    }
    event(smtp_command_refused, &s->log, F_STR(reply, reply));
    smtp_reply(s, reply);
}

static void run_piece(struct smtp_session *s, enum smtp_piece_kind kind, unsigned has,
                      const struct frame *f)
{
    switch (kind) {
    case SMTP_LINE:
        if (s->state == ST_AUTH) {
            s->refusal = EVT_smtp_auth_refused;
            s->subject = SV_NULL;
            smtp_auth_line(s, f->data);
            s->refusal = 0;
        } else {
            smtp_run_line(s, f->data);
        }
        return;
    case SMTP_LONG:
        s->swallowed = f->used;
        bad_line(s, f->data, SV("500 5.5.2 Line too long"));
        return;
    case SMTP_BAD:
        bad_line(s, f->data,
                 has & SMTP_HAS_BARE_LF ? SV("500 5.5.2 Line must end in CRLF, not in a bare LF")
                                        : SV("500 5.5.2 Bare CR or NUL in a command"));
        return;
    case SMTP_SWALLOW:
        s->swallowed += f->used;
        if (s->swallowed > SWALLOW_MAX)
            smtp_reply_421(s, SV("4.7.0"), SV("Line too long, closing connection"));
        return;
    case SMTP_BODY:
    case SMTP_BODY_END:
        smtp_data_piece(s, f->data, has, f->used, kind == SMTP_BODY_END);
        return;
    case SMTP_CHUNK:
    case SMTP_CHUNK_END:
        smtp_chunk_piece(s, f->data, has, kind == SMTP_CHUNK_END);
        return;
    }
}

static void run_frame(struct smtp_session *s, const struct frame *f)
{
    if (s->state == ST_END)
        return;
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    s->cf = cf;
    s->framer = s->framer_next;
    s->max_line = (uint32_t)cf->smtp.max_line;
    if (s->state == ST_WAIT)
        refuse_early_talker(s);
    else if (f->kind < 0)
        smtp_reply_421(s, SV("4.3.0"), SV("Input cannot be read, closing connection"));
    else
        run_piece(s, (enum smtp_piece_kind)(f->kind & 0xff), (unsigned)f->kind >> 8, f);
    s->cf = NULL;
}

static void smtp_run(void *session, const struct frame *f)
{
    struct smtp_session *s = session;
    const struct logctx *before = log_thread_session(&s->log);
    run_frame(s, f);
    log_thread_session(before);
}

static bool smtp_timeout(void *session)
{
    struct smtp_session *s = session;
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    s->cf = cf;
    bool stay = false;
    if (conn_shutting_down(s->c)) {
        smtp_reply_421(s, SV("4.3.2"), SV("Server is going down, closing connection"));
    } else if (s->state == ST_WAIT) {
        greet(s);
        stay = true;
    } else if (s->state != ST_END) {
        s->timed_out = true;
        smtp_tx_end(s, "TIMEOUT");
        smtp_reply_421(s, SV("4.4.2"), SV("Timeout, closing connection"));
    }
    s->cf = NULL;
    return stay;
}

static void forget_peer(struct smtp_session *s)
{
    free(s->helo);
    s->helo = NULL;
    if (s->account) {
        s->log.account = NULL;
        account_unref(s->account);
        s->account = NULL;
        conn_set_account(s->c, SV(""));
    }
}

static void smtp_secured(void *session)
{
    struct smtp_session *s = session;
    log_line(&s->log, LOG_DEBUG, "SSL: %s", conn_tls_info(s->c));
    smtp_tx_end(s, "INCOMPLETE-SESSION");
    forget_peer(s);
    s->esmtp = false;
    s->framer = (struct smtp_framer){ 0 };
    smtp_set_state(s, ST_NEW);
}

/* Green, red and brown of the list of sessions: success, failed, disconnected. */
static const char *outcome_of(const struct smtp_session *s, enum close_why why)
{
    if (s->timed_out || why == CLOSE_TIMEOUT || why == CLOSE_PEER)
        return "disconnected";
    return why == CLOSE_QUIT && (s->messages || !s->errors) ? "success" : "failed";
}

static void tell_totals(struct smtp_session *s, enum close_why why)
{
    uint64_t in, out;
    conn_totals(s->c, &in, &out);
    event(session_end, &s->log, F_STR(outcome, outcome_of(s, why)),
          F_STR(why, close_why_names[s->timed_out ? CLOSE_TIMEOUT : why]),
          F_MS(duration, MAX(clock_wall_ms() - conn_started_ms(s->c), 0)), F_BYTES(bytes_in, in),
          F_BYTES(bytes_out, out), F_INT(commands, s->commands), F_INT(messages, s->messages),
          F_INT(errors, s->errors), F_STR(helo, s->helo),
          F_STR(tls, conn_is_tls(s->c) ? conn_tls_info(s->c) : NULL));
}

static void smtp_closed(void *session, enum close_why why)
{
    struct smtp_session *s = session;
    const char *outcome = s->timed_out || why == CLOSE_TIMEOUT ? "TIMEOUT" : "INCOMPLETE-SESSION";
    if (s->tx)
        smtp_tx_end(s, outcome);
    else if (!s->summarised)
        event(smtp_session_empty, &s->log, F_INT(rcpts, 0), F_BYTES(bytes, 0), F_MS(duration, 0),
              F_STR(outcome, outcome));
    if (why == CLOSE_PEER || why == CLOSE_ERROR)
        ctr_inc(CTR_smtp_terminations);
    tell_totals(s, why);
    smtp_auth_free(s);
    milters_free(s->milters);
    if (s->account)
        account_unref(s->account);
    free(s->helo);
    free(s->peer_host);
    const struct smtp_turned *turned = s->turned;
    unsigned messages = s->messages;
    free(s);
    if (turned)
        turned->ended(turned->arg, messages, why);
}

void smtp_refuse(struct conn *c, const char *reason)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    struct smtp_session s = { .c = c, .cf = cf, .state = ST_WAIT };
    conn_logctx(c, &s.log);
    log_line(&s.log, LOG_DEBUG, "Connected, local IP=%s", conn_local_ip(c));
    if (!strcmp(reason, "access"))
        smtp_reply_lit(&s, "554 5.7.1 Permission denied");
    else if (!strcmp(reason, "ip"))
        smtp_reply_lit(&s, "554 5.7.1 Permission denied. Maximal parallel connections from this IP "
                           "reached");
    else
        smtp_reply_421(&s, SV("4.3.2"), SV("Too many connections, try again later"));
    event(smtp_session_empty, &s.log, F_INT(rcpts, 0), F_BYTES(bytes, 0), F_MS(duration, 0),
          F_STR(outcome, "INCOMPLETE-SESSION"));
    log_line(&s.log, LOG_DEBUG, "Disconnected");
}

const struct proto_ops smtp_ops = {
    .name = "SMTP",
    .open = smtp_open,
    .frame = smtp_frame,
    .pool = smtp_pool,
    .run = smtp_run,
    .timeout = smtp_timeout,
    .secured = smtp_secured,
    .closed = smtp_closed,
    .max_input = SMTP_INPUT,
};

const struct proto_ops smtp_turned_ops = {
    .name = "SMTP",
    .open = turned_open,
    .frame = smtp_frame,
    .pool = smtp_pool,
    .run = smtp_run,
    .timeout = smtp_timeout,
    .secured = smtp_secured,
    .closed = smtp_closed,
    .max_input = SMTP_INPUT,
};
