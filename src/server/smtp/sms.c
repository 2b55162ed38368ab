/* Recipients that are telephone numbers: who may have them, and how many a day. */
#include "mail/sms/sms_right.h"
#include "server/smtp/smtp_priv.h"

enum { OVER_REFUSE, OVER_HOLD };

/* Whose the messages count as: all of those without login together. */
static int64_t counted_as(const struct smtp_session *s)
{
    return s->account ? s->account->id : 0;
}

static bool may_send(struct smtp_session *s)
{
    int r = s->account ? sms_may_send(s->srv->accounts, s->cf, s->account, NULL)
                       : s->cf->sms.trusted && smtp_trusted(s);
    if (r < 0)
        smtp_reply_lit(s, "451 4.3.0 Temporary failure, try again later");
    else if (r == 0)
        smtp_reply_lit(s, "550 5.7.1 You may not send SMS");
    return r > 0;
}

bool smtp_sms_room(struct smtp_session *s)
{
    int64_t max = s->cf->sms.daily_limit;
    if (!max)
        return true;
    if (sent_ask(s->srv->sms, counted_as(s)).day.rcpts + s->tx->n_sms < max)
        return true;
    if (s->cf->sms.over_limit == OVER_HOLD) {
        s->tx->sms_hold = true;
        return true;
    }
    smtp_reply_lit(s, "450 4.7.1 Daily limit of SMS is reached, try again later");
    return false;
}

bool smtp_sms_rcpt(struct smtp_session *s, struct sv address, char ret[ADDR_MAX + 1])
{
    char number[SMS_NUMBER_TEXT];
    if (!may_send(s))
        return false;
    if (sms_number_of(s->cf, address, number) < 0) {
        smtp_reply_lit(s, "550 5.1.3 Not a telephone number");
        return false;
    }
    snprintf(ret, ADDR_MAX + 1, "%s@%s", number, s->cf->sms.domain);
    return smtp_sms_room(s);
}

void smtp_sms_hold(struct smtp_session *s)
{
    if (s->tx->sms_hold)
        smtp_hold(s, "sms.daily_limit");
}

void smtp_sms_count(struct smtp_session *s)
{
    if (s->tx->n_sms)
        sent_add(s->srv->sms, counted_as(s), s->tx->n_sms);
}
