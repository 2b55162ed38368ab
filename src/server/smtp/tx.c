/* The transaction: from MAIL to its summary line. */
#include "server/smtp/smtp_priv.h"

#include <unistd.h>

#include "base/clock.h"

void smtp_tx_begin(struct smtp_session *s, const struct smtp_mail_args *a)
{
    struct smtp_tx *tx = s->tx = xcalloc(1, sizeof(*tx));
    struct message *m = tx->m = message_new();
    tx->rx.fd = -1;
    tx->declared = a->has_size ? a->size : 0;
    m->session_id = conn_id(s->c);
    s->log.message = m->key;
    s->log.message_id = m->id; /* "" until the content begins */
    (void)sv_copy(m->peer_ip, sizeof(m->peer_ip), sv_c(conn_peer_ip(s->c)));
    message_set(&m->sender, a->from.address);
    if (a->envid.p)
        message_set(&m->envid, a->envid);
    if (a->transid.p)
        message_set(&m->transid, a->transid);
    m->ret = a->ret;
    m->body_8bit = a->body == SMTP_BODY_8BITMIME;
    m->smtputf8 = a->smtputf8;
    m->requiretls = a->requiretls;
    if (s->account) {
        message_set(&m->auth_user, sv_c(s->account->address));
        m->auth_account = s->account->id;
    }
}

static void tx_free(struct smtp_tx *tx)
{
    /* An accepted message's spool file is the queue's: smtp_rx_finish has taken the descriptor. */
    if (tx->rx.fd >= 0) {
        close(tx->rx.fd);
        (void)unlink(tx->m->spool_path);
    }
    if (tx->seen)
        map_free(tx->seen, NULL);
    buf_done(&tx->rx.mem);
    message_unref(tx->m);
    free(tx->first_rcpt);
    free(tx);
}

void smtp_tx_end(struct smtp_session *s, const char *outcome)
{
    struct smtp_tx *tx = take_ptr(s->tx);
    if (!tx)
        return;
    milters_reset(s->milters);
    bool ok = !strcmp(outcome, "OK");
    enum event_type type = ok                            ? EVT_smtp_message_accepted
                           : !strcmp(outcome, "TIMEOUT") ? EVT_smtp_message_timeout
                                                         : EVT_smtp_message_incomplete;
    if (tx->rx.started && !tx->rx.logged)
        smtp_rx_log_bytes(s, &tx->rx);
    /* As in the logs people compare with: what is incomplete counts no bytes and no time. */
    const struct event_arg args[] = {
        F_ADDR(sender, tx->m->sender),
        F_ADDR(rcpt, tx->first_rcpt),
        F_INT(rcpts, tx->n_rcpts),
        F_BYTES(bytes, ok ? tx->rx.content : 0),
        F_MS(duration, ok ? (clock_mono_us() - tx->rx.started_us) / 1000 : 0),
        F_STR(outcome, outcome),
    };
    event_emit(type, &s->log, args, ARRAY_LEN(args));
    s->log.message = 0;
    s->log.message_id = NULL;
    s->summarised = true;
    tx_free(tx);
}
