/* Messages that a delivery makes out of the one it delivers: forwarded ones, redirects, replies,
 * copies of lists, notices. Each is durable in the queue before the delivery is recorded; a
 * delivery that is repeated makes the same ones, whose keys the queue knows (ADR 0017). */
#pragma once

#include "mail/deliver/deliver_priv.h"

/* The whole content of a message for as long as it is open. */
struct content_view {
    struct sv bytes;
    void *map; /* of a spool file */
};
int content_view_open(const struct message *m, struct content_view *ret, struct errinfo *ei);
void content_view_close(struct content_view *v);

/* A new message with ids of its own that remembers which one it comes from. Its key says whose
 * delivery makes it, for which account (0 = none), and what it is ("forward"). */
struct message *send_begin(const struct message *from, int64_t account_id, const char *what);
void send_name(struct message *m, const struct message *from, int64_t account_id, const char *what);
/* With other detail it is another message. */
void send_depends_on(struct message *m, struct sv detail);
/* Recipients for an address: accounts here, or the address itself elsewhere; none is there twice.
 * instead: the address here that the mail was for, by which SRS knows a forwarded message. The
 * account `self` (0 = none) is left out. E_NOTFOUND: nobody, and *ei says so; E_TEMP. */
int send_add_target(struct deliver *d, struct message *m, struct sv target, const char *instead,
                    int64_t self, struct errinfo *ei);
/* The message has been sent on for this account before (Delivered-To). */
bool send_came_back(struct sv message, const char *account);
bool send_has_remote(const struct message *m);
/* Content in memory, or in a spool file when it is large. Takes what head holds. */
int send_fill(struct deliver *d, const struct conf *cf, struct message *m, struct buf *head,
              struct sv body, struct errinfo *ei);
/* Into the queue, with a key that depends on the recipients, too; without them nothing. E_EXISTS:
 * an earlier delivery of `from` has done it. */
int send_accept(struct deliver *d, struct message *from, struct message *m, struct errinfo *ei);
