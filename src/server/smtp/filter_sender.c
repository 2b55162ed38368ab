/* Rules that put the sender into a list of senders. What the list says already is not written
 * again, so that a flood of one sender's mail costs one change. */
#include "mail/account/sender_list.h"
#include "server/smtp/smtp_priv.h"

int smtp_list_sender(struct smtp_session *s, const struct smtp_listing *l, struct errinfo *ei)
{
    struct accounts *a = s->srv->accounts;
    struct sv sender = sv_c(s->tx->m->sender);
    enum sender_verdict was, want = l->allow ? SENDER_ALLOW : SENDER_DENY;
    char who[FILTER_MAX_NAME + 16];
    if (!sender.n || s->account) /* the lists are not asked about either */
        return 0;
    int r = account_sender_verdict(a, l->domain, sender, &was);
    if (r < 0)
        return err_set(ei, r, "the list of senders cannot be read now");
    if (was == want)
        return 0;
    snprintf(who, sizeof(who), "rule '" SV_FMT "'", SV_ARG(l->rule));
    r = senders_put(a, who, l->domain ? sv_c(l->owner) : SV(""), &sender, 1, l->allow, NULL, ei);
    if (r == 0)
        event(filter_listed, &s->log, F_STR(rule, l->rule), F_STR(owner, l->owner),
              F_ADDR(sender, s->tx->m->sender), F_STR(what, l->allow ? "allow" : "deny"));
    return r;
}
