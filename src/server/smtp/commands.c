/* The command table, and the loop's body: look up, check, run. The table also prints HELP and the
 * EHLO keywords that name commands. RFC 5321 4.1. */
#include "server/smtp/smtp_priv.h"

static bool vrfy_on(const struct smtp_session *s)
{
    return s->cf->smtp.vrfy;
}

static bool expn_on(const struct smtp_session *s)
{
    return s->cf->smtp.expn;
}

static bool etrn_on(const struct smtp_session *s)
{
    return s->cf->smtp.etrn != SMTP_ETRN_NO;
}

/* What the connection is was settled before the roles were reversed. */
static bool tls_on(const struct smtp_session *s)
{
    return !s->turned && conn_can_tls(s->c);
}

static bool auth_on(const struct smtp_session *s)
{
    return !s->turned;
}

static void cmd_noop(struct smtp_session *s, struct sv args)
{
    (void)args;
    smtp_reply_lit(s, "250 2.0.0 OK");
}

static void cmd_rset(struct smtp_session *s, struct sv args)
{
    (void)args;
    smtp_tx_end(s, "INCOMPLETE-SESSION");
    smtp_idle(s);
    smtp_reply_lit(s, "250 2.0.0 Reset state");
}

static void cmd_quit(struct smtp_session *s, struct sv args)
{
    char host[256];
    (void)args;
    smtp_hostname(s->cf, host);
    smtp_reply_parts(s, SV("221 2.0.0 "), sv_c(host), SV(" closing connection"));
    smtp_close(s);
}

/* The order is that of how often they come. HELO, EHLO and BDAT judge their arguments and state
 * themselves: their replies differ, and the octets of a chunk come in any case. */
const struct smtp_cmd smtp_cmds[] = {
    { "MAIL", ST_IDLE, F_LOGIN | F_TX | F_MILTERS, POOL_FAST, 1, 99, smtp_cmd_mail,
      EVT_smtp_mail_refused, NULL,
      "MAIL FROM:<sender> [SIZE=n] [BODY=8BITMIME] [SMTPUTF8] [RET=FULL|HDRS] [ENVID=id] "
      "[AUTH=sender] [REQUIRETLS]" },
    { "RCPT", ST_TX, F_TX | F_MILTERS, POOL_FAST, 1, 99, smtp_cmd_rcpt, EVT_smtp_rcpt_refused, NULL,
      "RCPT TO:<recipient> [NOTIFY=NEVER|SUCCESS,FAILURE,DELAY] [ORCPT=rfc822;recipient]" },
    { "DATA", ST_RCPT, F_TX | F_MILTERS, POOL_FAST, 0, 0, smtp_cmd_data, 0, NULL, "DATA" },
    { "BDAT", ST_ANY, F_MILTERS, POOL_FAST, 0, 99, smtp_cmd_bdat, 0, NULL, "BDAT size [LAST]" },
    { "EHLO", ST_ANY, F_MILTERS, POOL_FAST, 0, 99, smtp_cmd_ehlo, 0, NULL, "EHLO domain" },
    { "HELO", ST_ANY, F_MILTERS, POOL_FAST, 0, 99, smtp_cmd_helo, 0, NULL, "HELO domain" },
    { "QUIT", ST_ANY, 0, POOL_FAST, 0, 0, cmd_quit, 0, NULL, "QUIT" },
    { "RSET", ST_ANY, 0, POOL_FAST, 0, 0, cmd_rset, 0, NULL, "RSET" },
    { "STARTTLS", ST_IDLE, 0, POOL_FAST, 0, 0, smtp_cmd_starttls, 0, tls_on, "STARTTLS" },
    { "AUTH", ST_IDLE, F_TX, POOL_SLOW, 1, 2, smtp_cmd_auth, EVT_smtp_auth_refused, auth_on,
      "AUTH mechanism [initial-response]" },
    { "NOOP", ST_ANY, 0, POOL_FAST, 0, 99, cmd_noop, 0, NULL, "NOOP" },
    { "HELP", ST_ANY, 0, POOL_FAST, 0, 1, smtp_cmd_help, 0, NULL, "HELP [command]" },
    { "VRFY", ST_ANY, F_LOGIN, POOL_FAST, 1, 99, smtp_cmd_vrfy, 0, vrfy_on, "VRFY address" },
    { "EXPN", ST_ANY, F_LOGIN, POOL_FAST, 1, 99, smtp_cmd_expn, 0, expn_on, "EXPN list" },
    { "ETRN", ST_IDLE, F_TX, POOL_SLOW, 1, 1, smtp_cmd_etrn, 0, etrn_on, "ETRN domain|@domain" },
    { "ATRN", ST_IDLE, F_TX, POOL_SLOW, 0, 1, smtp_cmd_atrn, EVT_odmr_refused, smtp_atrn_on,
      "ATRN [domain,domain...]" },
};
const size_t smtp_cmds_count = ARRAY_LEN(smtp_cmds);

const struct smtp_cmd *smtp_cmd_find(struct sv verb)
{
    for (size_t i = 0; i < smtp_cmds_count; i++)
        if (sv_ieq(verb, sv_c(smtp_cmds[i].verb)))
            return &smtp_cmds[i];
    return NULL;
}

/* An AUTH line with its response masked; SV_NULL when there is nothing to mask. */
static struct sv mask(struct sv line, char ret[128])
{
    struct sv args, response;
    struct sv verb = smtp_verb(line, &args);
    struct sv mechanism = smtp_verb(args, &response);
    if (!sv_ieq(verb, SV("AUTH")) || response.n == 0)
        return SV_NULL;
    size_t shown = (size_t)(mechanism.p + mechanism.n - line.p);
    int n = snprintf(ret, 128, SV_FMT " ****", SV_ARG(sv_take(line, MIN(shown, 100))));
    return sv_n(ret, (size_t)n);
}

void smtp_log_line(struct smtp_session *s, struct sv line)
{
    char masked[128];
    if (!log_wanted(&s->log, LOG_DEBUG))
        return;
    struct sv shown = mask(line, masked);
    log_in(&s->log, shown.p ? shown : line);
}

/* What the state says against it, or an empty slice. */
static struct sv state_refusal(const struct smtp_session *s, const struct smtp_cmd *cmd)
{
    bool greeted = s->helo || !s->cf->smtp.require_helo;
    if ((cmd->flags & F_TX) && !greeted)
        return SV("503 5.5.1 HELO/EHLO command required");
    if (cmd->run == smtp_cmd_auth && s->account)
        return SV("503 5.5.1 Authentication already done");
    if (!(cmd->states & s->state))
        return SV("503 5.5.1 Incorrect command sequence");
    if ((cmd->flags & F_LOGIN) && s->srv->submission && !s->account)
        return SV("530 5.7.1 Authentication required [AUTH]");
    return SV_NULL;
}

static void refuse_command(struct smtp_session *s, struct sv reply)
{
    event(smtp_command_refused, &s->log, F_STR(reply, reply));
    smtp_reply(s, reply);
}

void smtp_run_line(struct smtp_session *s, struct sv line)
{
    struct sv args;
    const struct smtp_cmd *cmd = smtp_cmd_find(smtp_verb(line, &args));
    /* A client that did not understand our refusal of AUTH goes on with its secrets. */
    if (!cmd && s->auth_refused)
        log_in(&s->log, SV("****"));
    else
        smtp_log_line(s, line);
    s->commands++;
    if (!cmd) {
        refuse_command(s, SV("500 5.5.1 Command unrecognized"));
        return;
    }
    conn_set_state(s->c, sv_c(cmd->verb));
    s->auth_refused = cmd->run == smtp_cmd_auth;
    if (cmd->enabled && !cmd->enabled(s)) {
        refuse_command(s, SV("502 5.5.1 Sorry, we do not support this operation"));
        return;
    }
    struct sv refusal = state_refusal(s, cmd);
    if (refusal.n) {
        smtp_reply(s, refusal);
        return;
    }
    /* Counting words costs, and only these two limits are told by it. */
    if ((cmd->min_args && args.n == 0) ||
        (cmd->max_args < 99 && smtp_arg_count(args) > cmd->max_args)) {
        smtp_reply_arg(s, SMTP_ARG_SYNTAX);
        return;
    }
    s->refusal = cmd->refusal;
    s->subject = cmd->run == smtp_cmd_auth ? SV_NULL : args;
    cmd->run(s, args);
    s->refusal = 0;
}
