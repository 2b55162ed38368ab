/* IDLE (RFC 2177): the session is parked, notes from mail/notify wake it. Only waiting sessions are
 * subscribed, so that a delivery costs nothing when nobody waits. */
#include "server/imap/imap_priv.h"

#include "mail/notify/notify.h"

void cmd_idle(struct cmd *c)
{
    struct session *s = c->s;
    if (cmd_no_args(c) < 0)
        return;
    c->detached = true;
    s->idling = true;
    s->framer.raw = true;
    s->wait_tag = sv_dup(c->tag);
    conn_write(s->c, SV("+ idling\r\n"));
    log_out(&s->log, SV("+ idling"));
    session_timeout_reset(s);
    if (s->state != ST_SELECTED)
        return;
    s->tell_idle = true;
    notify_subscribe(s->acc->id, conn_handle_of(s->c));
    /* What came before the subscription would wake nobody. */
    session_sync_now(s);
}

void idle_stop(struct session *s)
{
    if (!s->idling)
        return;
    if (s->tell_idle)
        notify_unsubscribe(s->acc->id, conn_handle_of(s->c));
    s->tell_idle = false;
    s->idling = false;
    s->framer.raw = false;
    free(s->wait_tag);
    s->wait_tag = NULL;
    session_timeout_reset(s);
}

void idle_line(struct session *s, struct sv line)
{
    bool done = sv_ieq(sv_trim(line), SV("DONE"));
    char *tag = take_ptr(s->wait_tag);
    log_in(&s->log, done ? SV("DONE") : SV("(not DONE)"));
    idle_stop(s);
    cmd_end_detached(s, sv_c(tag), done ? "OK IDLE completed" : "BAD DONE expected");
    free(tag);
}
