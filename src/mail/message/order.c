/* Orders of a message: what is to be done when it is delivered. Equal ones are kept once, so that a
 * message to thousands of recipients carries a folder's name once. */
#include "mail/message/message.h"

static bool same(const struct rcpt_order *a, const struct rcpt_order *b)
{
    return !strcmp(a->folder, b->folder) && !strcmp(a->reply, b->reply) &&
           !strcmp(a->subject, b->subject) && a->reply_period == b->reply_period;
}

static size_t find(const struct message *m, const struct rcpt_order *o)
{
    size_t i = 0;
    while (i < m->n_orders && !same(&m->orders[i], o))
        i++;
    return i;
}

const struct rcpt_order *message_order(const struct message *m, const struct rcpt *r)
{
    return r->order ? &m->orders[r->order - 1] : NULL;
}

int message_give_order(struct message *m, struct rcpt *r, const struct rcpt_order *o)
{
    size_t i = find(m, o);
    if (i == MESSAGE_MAX_ORDERS)
        return E_LIMIT;
    if (i == m->n_orders) {
        m->orders = xrealloc(m->orders, (i + 1) * sizeof(*m->orders));
        m->orders[m->n_orders++] = (struct rcpt_order){
            .folder = xstrdup(o->folder),
            .reply = xstrdup(o->reply),
            .subject = xstrdup(o->subject),
            .reply_period = o->reply_period,
        };
    }
    r->order = (uint16_t)(i + 1);
    return 0;
}
