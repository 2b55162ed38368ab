/* Commands (smtp.commands) at the end of the content, one after the other: each sees what those
 * before made of the message, and the first that objects decides. docs/commands.md */
#include "server/smtp/smtp_priv.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "mail/command/command.h"
#include "mail/filter/change.h"
#include "os/file.h"

enum {
    MAX_ENV = 100 * 1024,
    MAX_RCPTS = 64 * 1024, /* bytes; POSTHORN_RECIPIENT_COUNT says how many there are */
};

static bool applies(const struct smtp_session *s, const struct conf_command *c)
{
    unsigned service = s->srv->submission ? MILTER_FOR_SUBMISSION : MILTER_FOR_SMTP;
    return (c->services & service) && !(c->except.authenticated && s->account) &&
           !(c->except.trusted && conn_peer_trusted(s->c)) &&
           !conf_except_has(&c->except, conn_peer_ip(s->c));
}

/* The next that is to be run on the session's mail. */
static bool next(const struct smtp_session *s, struct sv *rest, struct conf_command *ret)
{
    struct sv item;
    while (conf_list_next(rest, &item))
        if (conf_parse_command(item, ret) && applies(s, ret))
            return true;
    return false;
}

bool smtp_wants_commands(const struct smtp_session *s)
{
    struct sv rest = sv_c(s->cf->smtp.commands);
    struct conf_command c;
    return s->srv->commands && next(s, &rest, &c);
}

/* --- what it is told --- */

static void put_text(struct buf *env, struct sv value)
{
    for (size_t i = 0; i < value.n; i++)
        buf_add_c(env, (unsigned char)value.p[i] < 32 || value.p[i] == 127 ? '?' : value.p[i]);
}

static void put(struct buf *env, const char *name, struct sv value)
{
    buf_addf(env, "POSTHORN_%s=", name);
    put_text(env, value);
    buf_add_c(env, '\0');
}

static void put_number(struct buf *env, const char *name, uint64_t n)
{
    char text[24];
    int len = snprintf(text, sizeof(text), "%" PRIu64, n);
    put(env, name, sv_n(text, (size_t)len));
}

/* As they were given, one a line; those of one alias are one. */
static void put_rcpts(struct buf *env, const struct message *m)
{
    const char *before = "";
    size_t n = 0, begin;
    buf_add_str(env, "POSTHORN_RECIPIENTS=");
    begin = env->n;
    for (size_t i = 0; i < m->n_rcpts; i++) {
        const struct rcpt *r = &m->rcpts[i];
        const char *given = *r->original ? r->original : r->address;
        if (!strcmp(given, before))
            continue;
        before = given;
        if (env->n - begin + strlen(given) < MAX_RCPTS) {
            buf_add_str(env, n ? "\n" : "");
            put_text(env, sv_c(given));
        }
        n++;
    }
    buf_add_c(env, '\0');
    put_number(env, "RECIPIENT_COUNT", n);
}

static void put_envelope(struct smtp_session *s, struct buf *env)
{
    const struct message *m = s->tx->m;
    const struct smtp_rx *rx = &s->tx->rx;
    char host[256];
    smtp_hostname(s->cf, host);
    put(env, "SENDER", sv_c(m->sender));
    put_rcpts(env, m);
    put(env, "CLIENT_ADDRESS", sv_c(conn_peer_ip(s->c)));
    put(env, "CLIENT_NAME", sv_c(s->peer_host ? s->peer_host : ""));
    put(env, "CLIENT_HELO", sv_c(s->helo ? s->helo : ""));
    put(env, "CLIENT_TRUSTED", conn_peer_trusted(s->c) ? SV("yes") : SV("no"));
    put(env, "USER", sv_c(m->auth_user));
    put(env, "TLS", conn_is_tls(s->c) ? SV("yes") : SV("no"));
    put(env, "SERVICE", s->srv->submission ? SV("submission") : SV("smtp"));
    put(env, "SERVER", sv_c(host));
    put(env, "MESSAGE_ID", sv_c(m->id));
    put_number(env, "MESSAGE_SIZE", rx->fd < 0 ? rx->mem.n : rx->spooled);
}

/* The message with our trace headers, which tell where it came from; not to be written to. */
static int open_message(struct smtp_session *s, int *ret, struct errinfo *ei)
{
    const struct smtp_rx *rx = &s->tx->rx;
    int fd, r = 0;
    if (rx->fd >= 0) {
        fd = open(s->tx->m->spool_path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return err_set_errno(ei, -errno, "the message cannot be read");
        *ret = fd;
        return 0;
    }
    fd = memfd_create("message", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd >= 0)
        r = os_write_all(fd, rx->mem.p, rx->mem.n);
    if (fd >= 0 && r == 0 &&
        (lseek(fd, 0, SEEK_SET) < 0 ||
         fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0))
        r = -errno;
    if (fd < 0 || r < 0) {
        r = err_set_errno(ei, fd < 0 ? -errno : r, "the message cannot be handed on");
        closep(&fd);
        return r;
    }
    *ret = fd;
    return 0;
}

/* --- what it says --- */

struct asked { /* one command */
    const struct conf_command *conf;
    struct command_answer answer;
    int64_t started_ms;
};

static int64_t took(const struct asked *k)
{
    return MAX(clock_mono_ms() - k->started_ms, 0);
}

static void tell(struct smtp_session *s, const struct asked *k, const char *what)
{
    struct sv reason = k->answer.output.reason;
    _cleanup_(freep) char *text =
        xasprintf("%s%s" SV_FMT, what, reason.n ? ": " : "", SV_ARG(reason));
    event(command_acted, &s->log, F_STR(command, k->conf->name), F_STR(what, text),
          F_INT(took, took(k)));
}

/* Lines with CRLF are sent as they are. */
static void refuse(struct smtp_session *s, struct sv reply, struct sv own)
{
    char line[520];
    if (!reply.n) {
        smtp_rx_refuse(s, own);
        return;
    }
    int n = snprintf(line, sizeof(line), SV_FMT "\r\n", SV_ARG(reply));
    smtp_rx_refuse(s, sv_n(line, MIN((size_t)n, sizeof(line) - 1)));
}

static void object(struct smtp_session *s, const struct asked *k)
{
    const struct command_output *o = &k->answer.output;
    bool defer = k->answer.verdict == COMMAND_DEFER;
    struct sv why = o->reply.n    ? o->reply
                    : o->reason.n ? o->reason
                                  : sv_c(command_verdict_names[k->answer.verdict]);
    event(command_refused, &s->log, F_STR(command, k->conf->name), F_STR(reply, why),
          F_INT(took, took(k)));
    refuse(s, o->reply,
           defer ? SV(SMTP_MILTER_LATER)
                 : SV("554 5.7.1 Message cannot be accepted, rules rejection"));
}

/* True: go on without it. */
static bool failed(struct smtp_session *s, const struct asked *k, const struct errinfo *ei)
{
    static const char *const fate[] = { "refused for now", "taken without it", "refused" };
    enum milter_failure f = ei->code == E_CANCELLED ? MILTER_FAIL_TEMPFAIL : k->conf->failure;
    event(command_failed, &s->log, F_STR(command, k->conf->name), F_STR(reason, ei->text),
          F_STR(outcome, fate[f]), F_INT(took, took(k)));
    if (f == MILTER_FAIL_ACCEPT)
        return true;
    smtp_rx_refuse(s, f == MILTER_FAIL_REJECT
                          ? SV("554 5.7.1 Message cannot be accepted, rules rejection")
                          : SV(SMTP_MILTER_LATER));
    return false;
}

static void change_field(struct edit *e, const struct command_edit *c)
{
    static const enum filter_action_kind kinds[] = {
        [COMMAND_ADD_HEADER] = FILTER_ADD_HEADER,
        [COMMAND_SET_HEADER] = FILTER_SET_HEADER,
        [COMMAND_REMOVE_HEADER] = FILTER_REMOVE_HEADER,
    };
    filter_change(e, &(struct filter_action){
                         .kind = kinds[c->kind],
                         .name = c->name,
                         .text = c->value,
                     });
}

static bool change(struct smtp_session *s, const struct asked *k)
{
    const struct command_output *o = &k->answer.output;
    struct edit e;
    if (!o->n_edits)
        return true;
    bool ok = smtp_edit_open(s, &e);
    for (size_t i = 0; ok && i < o->n_edits; i++)
        change_field(&e, &o->edits[i]);
    if (ok && e.changed) {
        tell(s, k, "changed the header");
        s->tx->rx.error = smtp_edit_write(s, &e);
        ok = smtp_rx_check(s);
    }
    edit_done(&e);
    return ok;
}

static bool obey(struct smtp_session *s, const struct asked *k)
{
    log_line(&s->log, LOG_DEBUG, "Command " SV_FMT ": %s, %" PRId64 " ms", SV_ARG(k->conf->name),
             command_verdict_names[k->answer.verdict], took(k));
    switch (k->answer.verdict) {
    case COMMAND_ACCEPT:
        return change(s, k);
    case COMMAND_HOLD:
        s->tx->m->held = true;
        tell(s, k, "holds the message");
        return change(s, k);
    case COMMAND_DISCARD:
        tell(s, k, "had the message dropped");
        smtp_drop_all_rcpts(s);
        return true;
    case COMMAND_REJECT:
    case COMMAND_DEFER:
    case COMMAND_FAILED:
    case COMMAND_VERDICTS:
        break;
    }
    object(s, k);
    return false;
}

static bool ask(struct smtp_session *s, const struct conf_command *c)
{
    _cleanup_(buf_done) struct buf env = { 0 };
    _cleanup_(closep) int message = -1;
    struct asked k = { .conf = c, .started_ms = clock_mono_ms() };
    struct errinfo ei = { 0 };
    buf_init(&env, MAX_ENV);
    put_envelope(s, &env);
    int r = open_message(s, &message, &ei);
    if (r == 0)
        r = command_run(s->srv->commands,
                        &(struct command_ask){
                            .conf = c,
                            .at_once = (unsigned)s->cf->smtp.commands_max,
                            .env = buf_sv(&env),
                            .message = message,
                            .cancel = s->srv->stopping,
                        },
                        &k.answer, &ei);
    bool go_on = r < 0 ? failed(s, &k, &ei) : obey(s, &k);
    command_answer_done(&k.answer);
    return go_on;
}

bool smtp_command_message(struct smtp_session *s)
{
    struct sv rest = sv_c(s->cf->smtp.commands);
    struct conf_command c;
    bool ok = true;
    while (ok && s->srv->commands && s->tx->m->n_rcpts && next(s, &rest, &c))
        ok = ask(s, &c);
    return ok;
}

bool smtp_command_named(struct smtp_session *s, struct sv name)
{
    struct sv rest = sv_c(s->cf->smtp.commands), item;
    struct conf_command c;
    while (s->srv->commands && conf_list_next(&rest, &item))
        if (conf_parse_command(item, &c) && (c.services & MILTER_FOR_RULES) && sv_eq(c.name, name))
            return ask(s, &c);
    smtp_filter_unknown(s, "command", name);
    return false;
}
