/* Collects the mail of remote accounts (mail/account/remote_store.h) from POP3 and IMAP servers
 * into the queue, by threads of its own; owner is the process of the queue. Any thread. */
#pragma once

#include "mail/account/account.h"
#include "mail/mailbox/mailbox.h"
#include "mail/queue/queue.h"

struct collect;

struct collect_opts {
    struct queue *queue;
    struct mailstore *store;
    struct accounts *accounts;
};
int collect_start(const struct collect_opts *o, struct collect **ret, struct errinfo *ei);
/* Ends connections at once; what was accepted is safe. c may be NULL. */
void collect_stop(struct collect *c);
/* Something may be due. */
void collect_wake(struct collect *c);
