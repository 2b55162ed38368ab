/* Members of lists and groups: addresses, ours or elsewhere. Any thread. */
#pragma once

#include "mail/account/account.h"

enum account_kind { KIND_USER, KIND_LIST, KIND_GROUP };
enum account_kind account_kind(const struct account *acc);

/* add, remove: addresses with ; , or line ends between them; what follows # in a line is left out;
 * NULL = none. replace: only those of add are left. E_CONFLICT: the account has no members. */
struct member_change {
    const char *add, *remove;
    bool replace;
};
int account_members_change(struct accounts *a, const char *admin, struct sv address,
                           const struct member_change *c, struct errinfo *ei);
struct member {
    struct sv address;
    int64_t account_id; /* of an enabled account of ours, else 0 */
    bool listed;        /* else found by list_query */
};
typedef bool member_fn(const struct member *m, void *arg);
/* In order of their addresses, each once. */
int account_members_each(struct accounts *a, int64_t account_id, member_fn *fn, void *arg,
                         struct errinfo *ei);
/* Does the list_query name domains only that the caller may see, each in full? */
bool member_query_within(struct sv query, bool (*sees)(struct sv domain, void *arg), void *arg);
/* 1 = whoever sends from this address, or has logged in as auth ("" = nobody), may post; 0 = not.
 */
int account_may_post(struct accounts *a, const struct account *list, struct sv sender,
                     struct sv auth, struct errinfo *ei);
/* Is one of the list's owners or moderators. */
bool account_moderates(const struct account *list, struct sv sender, struct sv auth);
/* 1 = a post of theirs, who may post, waits for a moderator; 0 = not. */
int account_post_waits(struct accounts *a, const struct account *list, struct sv sender,
                       struct sv auth, struct errinfo *ei);
