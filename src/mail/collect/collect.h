/* Collects the mail of remote accounts (mail/account/remote_store.h) from POP3 and IMAP servers
 * into the queue, by threads of its own; owner is the process of the queue. Any thread. */
#pragma once

#include <stdatomic.h>

#include "mail/account/account.h"
#include "mail/mailbox/mailbox.h"
#include "mail/queue/queue.h"

struct collect;

struct client;
/* ATRN: the peer of a connection becomes the client, and our SMTP server answers it; given from
 * outside, as that is above this room. */
struct collect_turn {
    /* Returns when the session is over; ret_messages: those it has accepted. Takes c in every case.
     * domains: that recipients may be in, with ; between them; "" = all local ones. cancel,
     * until_ms (monotonic): it ends at once then. */
    int (*serve)(void *arg, struct client *c, const char *domains, const atomic_bool *cancel,
                 int64_t until_ms, int64_t *ret_messages, struct errinfo *ei);
    void *arg;
};

struct collect_opts {
    struct queue *queue;
    struct mailstore *store;
    struct accounts *accounts;
    struct collect_turn turn; /* NULL members: ATRN is not asked */
};
int collect_start(const struct collect_opts *o, struct collect **ret, struct errinfo *ei);
/* Ends connections at once; what was accepted is safe. c may be NULL. */
void collect_stop(struct collect *c);
/* Something may be due. */
void collect_wake(struct collect *c);
