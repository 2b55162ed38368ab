/* Send limits of accounts: how much by hour and day, and what becomes of more. */
#include "server/smtp/smtp_priv.h"

enum { OVER_REFUSE, OVER_HOLD };

static bool is_limited(const struct account *a)
{
    return a && (a->option[OPT_MAX_MESSAGES_HOUR] || a->option[OPT_MAX_RECIPIENTS_DAY]);
}

/* Would this message with so many recipients be too much? ret: the limit, "max_messages_hour=20".
 */
static bool is_over(const struct smtp_session *s, unsigned rcpts, char ret[64])
{
    int64_t messages, sent;
    if (!is_limited(s->account))
        return false;
    sent_ask(s->srv->sent, s->account->id, &messages, &sent);
    const struct {
        enum account_option option;
        int64_t would_be;
    } limits[] = {
        { OPT_MAX_MESSAGES_HOUR, messages + 1 },
        { OPT_MAX_RECIPIENTS_DAY, sent + rcpts },
    };
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        int64_t max = account_number(s->account, limits[i].option);
        if (!max || limits[i].would_be <= max)
            continue;
        snprintf(ret, 64, "%s=%" PRId64, account_options[limits[i].option].name, max);
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
    if (is_limited(s->account))
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
