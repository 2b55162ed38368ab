/* The context of a connection's lines and events; the same for the test driver. */
#include "log/log.h"
#include "net/conn.h"

void conn_logctx(const struct conn *c, struct logctx *ret)
{
    static const enum log_type types[SVC_COUNT] = {
        [SVC_SMTP] = LOG_SMTP,
        [SVC_SUBMISSION] = LOG_SMTP,
        [SVC_SMTP_CLIENT] = LOG_SMTP,
        [SVC_POP3] = LOG_POP3,
        [SVC_IMAP] = LOG_IMAP,
        [SVC_CONTROL] = LOG_WEB,
        [SVC_MANAGESIEVE] = LOG_MANAGESIEVE,
    };
    *ret = (struct logctx){
        .type = types[conn_service(c)],
        .id = conn_id(c),
        .prefix = "",
        .service = (uint8_t)(1 + conn_service(c)),
        .session = shm_session_key(conn_id(c)),
    };
    (void)sv_copy(ret->source, sizeof(ret->source), sv_c(conn_peer_ip(c)));
}
