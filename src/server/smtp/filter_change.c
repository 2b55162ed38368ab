/* What rules change of a message's header, written like what milters change. */
#include "mail/filter/change.h"
#include "server/smtp/smtp_priv.h"

bool smtp_filter_change(struct smtp_session *s, const struct filter_action *const *actions,
                        size_t n)
{
    struct edit e;
    bool ok = smtp_edit_open(s, &e);
    for (size_t i = 0; ok && i < n; i++)
        filter_change(&e, actions[i]);
    if (ok && e.changed) {
        s->tx->rx.error = smtp_edit_write(s, &e);
        ok = smtp_rx_check(s);
    }
    edit_done(&e);
    return ok;
}
