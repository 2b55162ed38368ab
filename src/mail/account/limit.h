/* Limits of size and amount at several levels: the smallest that is set holds, 0 sets none at its
 * level. So nobody gets more by what he sets for himself than those above him allow. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum limit_level { LIMIT_NONE, LIMIT_ACCOUNT, LIMIT_DOMAIN, LIMIT_SERVER };
extern const char *const limit_level_names[]; /* "account"; LIMIT_NONE: "none" */

struct limit {
    int64_t max;            /* 0 = any amount */
    enum limit_level level; /* whose it is; of equal ones the nearest to the account */
};
/* 0 for a level that sets none, or does not know this limit. */
struct limit limit_of(int64_t account, int64_t domain, int64_t server);
/* With this amount, is it too much? */
static inline bool limit_exceeded(struct limit l, int64_t amount)
{
    return l.max > 0 && amount > l.max;
}
