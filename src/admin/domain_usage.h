/* Counting what the mailboxes of domains with a quota hold (mail/mailbox/mailbox.h): when the quota
 * is set, and when modules start behind a crash or a boot. Any thread. */
#pragma once

#include <stdatomic.h>

#include "mail/account/account.h"

struct mailstore;

/* Costs little when all is known. stop: may be NULL; true ends it early, and it is not done. */
int domain_usage_count(struct accounts *a, struct mailstore *s, struct sv domain,
                       const atomic_bool *stop, struct errinfo *ei);
/* All domains that have a quota; what fails is logged. */
void domain_usage_count_all(struct accounts *a, struct mailstore *s, const atomic_bool *stop);
