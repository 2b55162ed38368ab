/* What is done once a day, and for whom. Any thread; blocks on the database. */
#pragma once

#include "mail/account/account.h"

/* When the job was done last; wall clock ms, 0 = never. */
int job_last(struct accounts *a, const char *name, int64_t *ret_ms, struct errinfo *ei);
int job_done(struct accounts *a, const char *name, int64_t now_ms, struct errinfo *ei);
/* Ids of the accounts that have another value than the default. fn may call this room. */
int accounts_with_option(struct accounts *a, enum account_option o,
                         bool (*fn)(int64_t account_id, void *arg), void *arg, struct errinfo *ei);
