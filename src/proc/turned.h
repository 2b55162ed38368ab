/* Mail that we fetch by ATRN: the session of our SMTP server on a connection that `mail/collect`
 * has made. */
#pragma once

#include "mail/collect/collect.h"
#include "net/net.h"
#include "server/smtp/smtp_server.h"

struct turned_side {
    struct net *net;
    const struct smtp_server *srv;
};
/* As collect_turn.serve; arg: a struct turned_side. */
int turned_serve(void *arg, struct client *c, const char *domains, const atomic_bool *cancel,
                 int64_t until_ms, int64_t *ret_messages, struct errinfo *ei);
