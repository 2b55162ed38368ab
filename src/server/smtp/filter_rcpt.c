/* Rules of the server that look at nothing but the client, at RCPT: what they refuse would be
 * refused at the end of the content in any case. */
#include "mail/account/filter_store.h"
#include "server/smtp/smtp_priv.h"

static void refuse(struct smtp_session *s, struct sv address, struct sv reply)
{
    char text[ADDR_MAX + 100];
    int n = snprintf(text, sizeof(text), "550 5.7.1 Access to <%.*s> not allowed by rules",
                     (int)MIN(address.n, (size_t)ADDR_MAX), address.p);
    smtp_reply(s, sv_eq(reply, SV(FILTER_OWN_REPLY)) ? sv_n(text, (size_t)n) : reply);
}

/* What cannot be known now is asked once more when the content is there. */
bool smtp_filter_rcpt(struct smtp_session *s, struct sv address)
{
    _cleanup_(filter_list_unrefp) const struct filter_list *list = NULL;
    if (account_filters(s->srv->accounts, FILTER_SERVER, 0, &list, NULL) < 0 || !list)
        return true;
    struct filter_rule *early[FILTER_MAX_RULES];
    struct filter_rules rules = { early, filter_early(&list->rules, early) };
    if (!rules.n)
        return true;
    struct filter_facts facts = { 0 };
    struct filter_result res = { 0 };
    smtp_filter_facts(s, &facts);
    struct filter_view *view = filter_view_new(&facts);
    bool refused = filter_run(view, &rules, &res, NULL) == 0 && res.end == FILTER_END_REJECT;
    if (refused) {
        smtp_filter_tell(s, list, res.hits[res.n - 1]);
        refuse(s, address, res.reply);
    }
    filter_result_done(&res);
    filter_view_free(view);
    return !refused;
}
