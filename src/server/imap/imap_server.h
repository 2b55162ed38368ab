/* The IMAP4rev1 server (RFC 3501 and the extensions in docs/protocols/imap.md): a protocol for
 * net/conn.h. proc/ gives it the accounts and the mail store and connects its hooks. */
#pragma once

#include "net/conn.h"

struct accounts;
struct mailstore;

/* The listener's argument: outlives all sessions. */
struct imap_server {
    struct accounts *accounts;
    struct mailstore *store;
    const char
        *temp_dir; /* large messages of APPEND wait here; NULL = /tmp. Best on the store's volume */
};

extern const struct proto_ops imap_ops; /* arg: struct imap_server */

/* Writes "* BYE ..." on a connection that a limit refuses; reason as in struct net_listener. */
void imap_refuse(struct conn *c, const char *reason);

/* The note that tells a waiting session of a change: a = account, b = folder. */
enum { IMAP_NOTE_MAILBOX = 1 };
/* For struct notify_hooks: posts the note to the connection. Any thread, does not block. */
void imap_post(uint64_t handle, int64_t account_id, int64_t folder_id);
