/* Who changed what: rows of table `audit`, written in the transaction of the change itself, so that
 * a change without its row (or a row without its change) cannot exist. Any room may use it for its
 * own objects. Values of secrets are written as AUDIT_SECRET by the caller. */
#pragma once

#include "base/err.h"
#include "db/db.h"

#define AUDIT_SECRET "(changed)"

/* One changed field. Call inside an open transaction of c. old_value or new_value NULL = none
 * (created, deleted). */
int audit_write(struct dbc *c, const char *admin, const char *object, const char *field,
                const char *old_value, const char *new_value, struct errinfo *ei);

struct audit_row {
    int64_t id;
    int64_t at_ms; /* wall clock */
    const char *admin, *object, *field;
    const char *old_value, *new_value; /* NULL = none */
};
/* Newest first, at most limit rows (0 = all); stops when fn returns false. The row lives during the
 * call. */
int audit_each(struct db *db, size_t limit, bool (*fn)(const struct audit_row *, void *arg),
               void *arg, struct errinfo *ei);
/* The same with entries whose id is less than before, as many as fn wants. */
int audit_before(struct db *db, int64_t before, bool (*fn)(const struct audit_row *, void *arg),
                 void *arg, struct errinfo *ei);
/* Changes of settings with from_ms <= at < to_ms, the newest first, at most limit. */
int audit_settings(struct db *db, int64_t from_ms, int64_t to_ms, size_t limit,
                   bool (*fn)(const struct audit_row *, void *arg), void *arg, struct errinfo *ei);
/* One row in a transaction of its own: for what is no change of the database (a look, an order to
 * another part). */
int audit_write_alone(struct db *db, const char *admin, const char *object, const char *field,
                      const char *old_value, const char *new_value, struct errinfo *ei);
