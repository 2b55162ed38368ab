/* Mailing lists and groups: one new message to all members. */
#pragma once

#include "mail/deliver/deliver_priv.h"

/* Delivers m to the members of the list that acc is. Errors: nothing was sent. */
int list_deliver(struct deliver *d, struct message *m, struct rcpt *r, const struct account *acc,
                 struct script_outcome *ret, struct errinfo *ei);
