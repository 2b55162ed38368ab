/* The notice to a list's moderators, and the addresses by which they answer:
 * list+approve.ID.SIGNATURE@domain and list+reject.ID.SIGNATURE@domain. The signature is that of
 * list, queue item and decision, so an address serves for one decision about one post. */
#pragma once

#include "mail/deliver/deliver_priv.h"

struct moderate_order {
    bool approve;
    char id[16]; /* of the post */
    struct sv signature;
};
/* Is the address such a one, whoever made it? The signature stays a part of address. */
bool moderate_order_parse(const struct account *list, struct sv address,
                          struct moderate_order *ret);
/* 1 = we have made it, for a post that is there; 0 = not, or the post has gone. */
int moderate_order_signed(struct deliver *d, const struct account *list,
                          const struct moderate_order *order, struct errinfo *ei);
/* RFC 3834: was it sent by a program? Content: a whole message. */
bool moderate_is_automatic(struct sv content);

/* Queues the notice about the post m, once. until_ms: when it is returned. */
int moderate_notice(struct deliver *d, struct message *m, const struct account *list,
                    struct sv content, int64_t until_ms, struct errinfo *ei);
