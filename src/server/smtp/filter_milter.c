/* Milters that rules ask about a message. Such a milter comes when all is there: it is told of the
 * session and the envelope as they are, then sees the message like those that were there from the
 * begin. What it has against a step, it has against the message. */
#include "server/smtp/smtp_priv.h"

static const char *given(const struct rcpt *r)
{
    return *r->original ? r->original : r->address;
}

static enum milter_verdict tell_rcpts(struct smtp_session *s, struct milter_result *ret)
{
    const struct message *m = s->tx->m;
    enum milter_verdict v = MILTERS_PASS;
    for (size_t i = 0; i < m->n_rcpts && v == MILTERS_PASS; i++)
        if (!i || strcmp(given(&m->rcpts[i]), given(&m->rcpts[i - 1])) != 0)
            v = milters_rcpt(s->milters, sv_c(given(&m->rcpts[i])), SV(""), ret);
    return v;
}

static bool tell_envelope(struct smtp_session *s)
{
    struct milter_result r;
    bool connects;
    enum milter_verdict v = milters_helo(s->milters, sv_c(s->helo ? s->helo : ""), &connects, &r);
    if (v == MILTERS_PASS)
        v = milters_mail(s->milters, sv_c(s->tx->m->sender), SV(""), false, &r);
    if (v == MILTERS_PASS)
        v = tell_rcpts(s, &r);
    if (v == MILTERS_PASS)
        v = milters_data(s->milters, &r);
    if (v != MILTERS_PASS)
        smtp_milter_refuse(s, v, &r);
    return v == MILTERS_PASS;
}

void smtp_filter_unknown(struct smtp_session *s, const char *what, struct sv name)
{
    char why[200];
    snprintf(why, sizeof(why),
             "smtp.%ss has no %s '" SV_FMT "' with services=rules, which a rule asks", what, what,
             SV_ARG(name));
    event(filter_failed, &s->log, F_STR(owner, "server"), F_STR(reason, why));
    smtp_rx_refuse(s, SV("451 4.3.0 Message cannot be examined now, try again later"));
}

bool smtp_filter_milter(struct smtp_session *s, struct sv name)
{
    struct milters *own = s->milters, *one = smtp_milter_named(s, name);
    if (!one) {
        smtp_filter_unknown(s, "milter", name);
        return false;
    }
    s->milters = one;
    bool ok = tell_envelope(s) && smtp_milter_message(s);
    bool discard = ok && milters_discard(one);
    s->milters = own;
    milters_free(one);
    if (discard)
        smtp_drop_all_rcpts(s);
    return ok;
}

bool smtp_filter_programs(struct smtp_session *s, const struct filter_action *const *actions,
                          size_t n)
{
    bool ok = true;
    for (size_t i = 0; i < n && ok && s->tx->m->n_rcpts; i++)
        if (actions[i]->kind == FILTER_MILTER)
            ok = smtp_filter_milter(s, actions[i]->text);
        else if (actions[i]->kind == FILTER_COMMAND)
            ok = smtp_command_named(s, actions[i]->text);
    return ok;
}
