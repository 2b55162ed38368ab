/* TLS reports (RFC 8460): a thread that writes what is counted to the database, a batch every ten
 * seconds, and sends the reports of a day that is over. */
#pragma once

#include "mail/account/tls_count.h"
#include "mail/deliver/deliver_priv.h"

/* Costs no input or output. Any thread. */
void tlsrpt_count(struct deliver *d, const struct tls_count *c);

int tlsrpt_start(struct deliver *d, struct errinfo *ei);
/* Writes what was counted. After the last tlsrpt_count; d->tlsrpt is NULL then. */
void tlsrpt_stop(struct deliver *d);

/* When the report of the day is sent: in the four hours after its end (RFC 8460 4: not all at
 * once), always the same time for a domain, also after a restart. Seconds since 1970 UTC. Pure. */
int64_t tlsrpt_due_s(int64_t day, const char *domain, const char *submitter);
