/* How much accounts, and domains as a whole, have sent lately: for their limits by hour and day. In
 * memory; a file carries it over a restart. Any thread. */
#pragma once

#include <stdint.h>

#include "base/err.h"

struct sent;

struct sent *sent_new(void);
void sent_free(struct sent *s);
struct sent_lately {
    struct sent_amount {
        int64_t messages, rcpts;
    } hour, day; /* the last 60 minutes, the last 24 hours */
};
/* Who sent: an account's id, or this for its domain. */
static inline int64_t sent_domain(int64_t domain_id)
{
    return -domain_id;
}
/* s may be NULL: nothing. */
struct sent_lately sent_ask(struct sent *s, int64_t who);
void sent_add(struct sent *s, int64_t who, unsigned rcpts);
/* Writes what has changed since the last time; durable when it returns 0. */
int sent_save(struct sent *s, const char *path, struct errinfo *ei);
/* Takes over what was saved. No such file, or one of another version: nothing. */
int sent_load(struct sent *s, const char *path, struct errinfo *ei);
