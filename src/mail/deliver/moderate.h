/* Moderated lists. A post becomes a message of its own that waits in the queue for the moderators,
 * whatever becomes of the sender's other recipients. They get a notice and decide by the tool, the
 * API, or a message to an address of the list that only the notice names. */
#pragma once

#include "mail/deliver/deliver_priv.h"

/* 0: the message goes to the members. 1: not, or not yet; *ret says how. < 0: try again. */
int moderate(struct deliver *d, struct message *m, struct rcpt *r, const struct account *list,
             struct sv content, struct script_outcome *ret, struct errinfo *ei);
