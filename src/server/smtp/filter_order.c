/* What rules of the server and of domains have done at delivery: it is noted with the recipient and
 * kept in the queue, so that it holds whatever becomes of the rules meanwhile (ADR 0031). */
#include "mail/account/members.h"
#include "server/smtp/smtp_priv.h"

static struct rcpt_order order_of(const struct message *m, const struct rcpt *r)
{
    static char none[1];
    const struct rcpt_order *o = message_order(m, r);
    return o ? *o : (struct rcpt_order){ .folder = none, .reply = none, .subject = none };
}

bool smtp_order_folder(struct message *m, struct rcpt *r, struct sv folder)
{
    _cleanup_(freep) char *name = sv_dup(folder);
    struct rcpt_order o = order_of(m, r);
    o.folder = name;
    return message_give_order(m, r, &o) == 0;
}

bool smtp_order_reply(struct message *m, struct rcpt *r, const struct filter_action *a)
{
    _cleanup_(freep) char *text = sv_dup(a->text), *subject = sv_dup(a->name);
    struct rcpt_order o = order_of(m, r);
    if (*o.reply) /* the first one holds */
        return true;
    o.reply = text;
    o.subject = subject;
    o.reply_period = a->number ? a->number * 86400 : -1;
    return message_give_order(m, r, &o) == 0;
}

bool smtp_may_reply(struct smtp_session *s, const struct rcpt *r)
{
    _cleanup_(account_unrefp) const struct account *acc = NULL;
    return r->kind == RCPT_LOCAL &&
           account_find_id(s->srv->accounts, r->account_id, &acc, NULL) == 0 &&
           account_kind(acc) == KIND_USER;
}
