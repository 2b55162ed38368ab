/* Table annotation: what people write beside the charts ("new connection since 14:00"). Changes are
 * audited in their own transaction. */
#pragma once

#include "base/err.h"
#include "db/db.h"

enum { ANNOTATION_MAX = 200, ANNOTATIONS_MAX = 10000 }; /* bytes of one; number of all */

struct annotation {
    int64_t id, at_ms, created_ms; /* wall clock */
    const char *text, *who;
};
/* Those with from_ms <= at < to_ms, the oldest first, at most limit; stops when fn returns false.
 * The row lives during the call. */
int annotation_each(struct db *db, int64_t from_ms, int64_t to_ms, size_t limit,
                    bool (*fn)(const struct annotation *, void *arg), void *arg,
                    struct errinfo *ei);
/* E_LIMIT: there are ANNOTATIONS_MAX. text is valid UTF-8 without control characters. */
int annotation_add(struct db *db, const char *who, int64_t at_ms, const char *text, int64_t *ret_id,
                   struct errinfo *ei);
int annotation_delete(struct db *db, const char *who, int64_t id, struct errinfo *ei); /* E_NOTFOUND
                                                                                        */
