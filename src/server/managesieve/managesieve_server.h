/* The ManageSieve server (RFC 5804): mail programs list, check, store and activate the Sieve
 * scripts of the account that has logged in. proc/ passes a struct managesieve_server as the
 * listeners' arg; it must outlive the connections. */
#pragma once

#include "mail/account/account.h"
#include "mail/mailbox/mailbox.h"
#include "net/conn.h"

struct managesieve_server {
    struct accounts *accounts;
    struct mailstore *store; /* scripts are told of folders that do not exist */
};

extern const struct proto_ops managesieve_ops;
void managesieve_refuse(struct conn *c, const char *reason);
