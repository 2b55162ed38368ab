/* Send limits of accounts: how much by hour and day, and what becomes of more. */
#include "server/smtp/smtp_priv.h"

enum { OVER_REFUSE, OVER_HOLD };

/* What holds for an account that has logged in: its own limits and those of the server. */
struct limits {
    struct limit {
        enum account_option option;
        int64_t server, max; /* max: the smaller one that is set; 0 = none */
        int64_t would_be;    /* with one message more */
    } of[4];
    bool any;
};

static void limits_find(const struct smtp_session *s, unsigned rcpts, struct limits *ret)
{
    *ret = (struct limits){ .of = {
                                { .option = OPT_MAX_MESSAGES_HOUR,
                                  .server = s->cf->smtp.max_messages_hour },
                                { .option = OPT_MAX_MESSAGES_DAY,
                                  .server = s->cf->smtp.max_messages_day },
                                { .option = OPT_MAX_RECIPIENTS_HOUR,
                                  .server = s->cf->smtp.max_recipients_hour },
                                { .option = OPT_MAX_RECIPIENTS_DAY,
                                  .server = s->cf->smtp.max_recipients_day },
                            } };
    if (!s->account)
        return;
    for (size_t i = 0; i < ARRAY_LEN(ret->of); i++) {
        struct limit *l = &ret->of[i];
        int64_t own = account_number(s->account, l->option);
        l->max = own && l->server ? MIN(own, l->server) : MAX(own, l->server);
        ret->any = ret->any || l->max;
    }
    if (!ret->any)
        return;
    struct sent_lately sent = sent_ask(s->srv->sent, s->account->id);
    ret->of[0].would_be = sent.hour.messages + 1;
    ret->of[1].would_be = sent.day.messages + 1;
    ret->of[2].would_be = sent.hour.rcpts + rcpts;
    ret->of[3].would_be = sent.day.rcpts + rcpts;
}

/* Would this message with so many recipients be too much? ret: the limit, "max_messages_hour=20".
 */
static bool is_over(const struct smtp_session *s, unsigned rcpts, char ret[64])
{
    struct limits limits;
    limits_find(s, rcpts, &limits);
    for (size_t i = 0; i < ARRAY_LEN(limits.of); i++) {
        const struct limit *l = &limits.of[i];
        if (!l->max || l->would_be <= l->max)
            continue;
        snprintf(ret, 64, "%s=%" PRId64, account_options[l->option].name, l->max);
        return true;
    }
    return false;
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
    limits_find(s, 0, &limits);
    if (limits.any)
        sent_add(s->srv->sent, s->account->id, s->tx->n_rcpts);
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
