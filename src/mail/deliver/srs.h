/* Envelope senders of forwarded mail (proto/srs.h). */
#pragma once

#include "mail/deliver/deliver_priv.h"

/* The sender for a transaction with these recipients: that of the message, or, when it comes from
 * elsewhere and one of them stands for an address of ours, an address of ours that leads back to
 * it. tmp holds it. E_TEMP: the database cannot tell now; sent as it is, it would be refused. */
int srs_sender(struct deliver *d, const struct conf *cf, const struct message *m,
               struct rcpt *const *list, size_t n, struct buf *tmp, struct sv *ret);
