/* Send limits: how much an account, and all accounts of a domain together, may send by hour and
 * day, and what becomes of more. */
#include "mail/account/limit.h"
#include "server/smtp/smtp_priv.h"

enum { OVER_REFUSE, OVER_HOLD };

static const struct kind {
    enum account_option own;
    enum domain_limit each, total;
    bool rcpts, day;
} kinds[] = {
    { OPT_MAX_MESSAGES_HOUR, DOMAIN_MAX_MESSAGES_HOUR, DOMAIN_TOTAL_MESSAGES_HOUR, false, false },
    { OPT_MAX_MESSAGES_DAY, DOMAIN_MAX_MESSAGES_DAY, DOMAIN_TOTAL_MESSAGES_DAY, false, true },
    { OPT_MAX_RECIPIENTS_HOUR, DOMAIN_MAX_RECIPIENTS_HOUR, DOMAIN_TOTAL_RECIPIENTS_HOUR, true,
      false },
    { OPT_MAX_RECIPIENTS_DAY, DOMAIN_MAX_RECIPIENTS_DAY, DOMAIN_TOTAL_RECIPIENTS_DAY, true, true },
};

/* What holds for an account that has logged in. */
struct limits {
    struct limit account[ARRAY_LEN(kinds)], domain[ARRAY_LEN(kinds)];
    bool any_account, any_domain; /* set: then it is counted */
};

static void limits_find(const struct smtp_session *s, struct limits *ret)
{
    const struct account *a = s->account;
    const int64_t server[] = { s->cf->smtp.max_messages_hour, s->cf->smtp.max_messages_day,
                               s->cf->smtp.max_recipients_hour, s->cf->smtp.max_recipients_day };
    *ret = (struct limits){ .any_account = false };
    for (size_t i = 0; a && i < ARRAY_LEN(kinds); i++) {
        ret->account[i] =
            limit_of(account_number(a, kinds[i].own), a->domain_limit[kinds[i].each], server[i]);
        ret->domain[i] = limit_of(0, a->domain_limit[kinds[i].total], 0);
        ret->any_account = ret->any_account || ret->account[i].max;
        ret->any_domain = ret->any_domain || ret->domain[i].max;
    }
}

/* The one of these limits that a message with so many recipients would exceed; NULL: none. */
static const struct limit *exceeded(const struct limit *of, const struct sent_lately *sent,
                                    unsigned rcpts)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        const struct sent_amount *was = kinds[i].day ? &sent->day : &sent->hour;
        if (limit_exceeded(of[i], kinds[i].rcpts ? was->rcpts + rcpts : was->messages + 1))
            return &of[i];
    }
    return NULL;
}

/* Would this message with so many recipients be too much? ret: whose limit, which one and how much,
 * "account max_messages_hour=20". */
static bool is_over(const struct smtp_session *s, unsigned rcpts, char ret[64])
{
    struct limits limits;
    const struct limit *l = NULL;
    limits_find(s, &limits);
    if (limits.any_account) {
        struct sent_lately sent = sent_ask(s->srv->sent, s->account->id);
        l = exceeded(limits.account, &sent, rcpts);
        if (l)
            snprintf(ret, 64, "%s %s=%" PRId64, limit_level_names[l->level],
                     account_options[kinds[l - limits.account].own].name, l->max);
    }
    if (!l && limits.any_domain) {
        struct sent_lately sent = sent_ask(s->srv->sent, sent_domain(s->account->domain_id));
        l = exceeded(limits.domain, &sent, rcpts);
        if (l)
            snprintf(ret, 64, "%s %s=%" PRId64, limit_level_names[l->level],
                     domain_limit_names[kinds[l - limits.domain].total], l->max);
    }
    return l != NULL;
}

/* What is held waits for a person: without an end, a stolen password would fill the disk. */
static bool may_be_held(const struct smtp_session *s)
{
    return s->cf->smtp.over_limit == OVER_HOLD &&
           queue_held_of(s->srv->queue, sv_c(s->account->address)) <
               (size_t)s->cf->smtp.over_limit_max;
}

bool smtp_sent_room(struct smtp_session *s, unsigned rcpts)
{
    char limit[64];
    if (!is_over(s, rcpts, limit) || may_be_held(s))
        return true;
    event(smtp_over_limit, &s->log, F_ADDR(account, s->account->address), F_STR(reason, limit));
    if (s->cf->smtp.send_limit_permanent)
        smtp_reply_lit(s, "550 5.7.1 We do not relay, account limits apply");
    else
        smtp_reply_lit(s, "450 4.7.1 Account limits apply, try again later");
    return false;
}

void smtp_sent_hold(struct smtp_session *s)
{
    char limit[64];
    if (s->cf->smtp.over_limit == OVER_HOLD && is_over(s, s->tx->n_rcpts, limit))
        smtp_hold(s, limit);
}

void smtp_sent_count(struct smtp_session *s)
{
    struct limits limits;
    limits_find(s, &limits);
    if (limits.any_account)
        sent_add(s->srv->sent, s->account->id, s->tx->n_rcpts);
    if (limits.any_domain)
        sent_add(s->srv->sent, sent_domain(s->account->domain_id), s->tx->n_rcpts);
}

/* As an answer the reason is in the list of the queue, too. */
void smtp_hold(struct smtp_session *s, const char *limit)
{
    struct message *m = s->tx->m;
    char answer[160];
    int n = snprintf(answer, sizeof(answer), "450 4.7.1 Over %s, held for an administrator", limit);
    m->held = true;
    for (size_t i = 0; i < m->n_rcpts; i++)
        message_set(&m->rcpts[i].answer, sv_n(answer, (size_t)n));
    event(queue_held, &s->log, F_STR(admin, limit));
}
