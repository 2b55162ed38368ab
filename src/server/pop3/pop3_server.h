/* The POP3 server: RFC 1939, 2449 (CAPA, RESP-CODES, PIPELINING), 2595 (STLS), 3206
 * (AUTH-RESP-CODE), 5034 (SASL), 6856 (UTF8). proc/ passes a struct pop3_server as the listeners'
 * arg; it must outlive the connections. */
#pragma once

#include "mail/account/account.h"
#include "mail/mailbox/mailbox.h"
#include "net/conn.h"

struct pop3_server {
    struct accounts *accounts;
    struct mailstore *store;
};

extern const struct proto_ops pop3_ops;
void pop3_refuse(struct conn *c, const char *reason);
