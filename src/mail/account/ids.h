/* Ids of new rows. No database of ours makes them by itself in the same way, and those of accounts
 * must never come twice: mailboxes are named by them. */
#pragma once

#include "db/db.h"

/* The next id of "domain", "account", "alias", "app_password", "audit" and so on. Inside a
 * transaction, which then holds the sequence's row until it ends. */
int id_next(struct dbc *c, const char *sequence, int64_t *ret, struct errinfo *ei);
