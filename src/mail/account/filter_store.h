/* The rules of content filters (docs/filters.md): of the server, of domains, of accounts. In the
 * system database; changes are audited and in force when the call returns. Any thread; the compiled
 * rules come from the cache. */
#pragma once

#include "mail/account/account.h"
#include "mail/account/address.h"
#include "proto/filter/filter.h"

/* Compiled; counted, immutable. Rules that are off are in it. */
struct filter_list {
    enum filter_level level;
    int64_t owner; /* id; 0 = the server */
    char *name;    /* of the owner in logs: "server", domain or account */
    bool slow;     /* some rule looks at more than envelope and header */
    struct filter_rules rules;
};
/* 0, E_NOTFOUND (the owner has none that are on), E_TEMP. */
int account_filters(struct accounts *a, enum filter_level level, int64_t owner,
                    const struct filter_list **ret, struct errinfo *ei);
void filter_list_unref(const struct filter_list *l);
DEFINE_CLEANUP(const struct filter_list, filter_list_unref)
/* Its rule of that index was hit. Written within a second or so; lost when the process dies. */
void account_filter_hit(struct accounts *a, const struct filter_list *l, size_t rule);
/* Tests and answers: what was counted is written. */
void account_filter_hits_write(struct accounts *a);

/* --- for administrators. owner: "" = the server, a domain, an account's address --- */

struct filter_info {
    const char *name, *text;
    int64_t position; /* 1 = the first */
    bool off;
    int64_t hits, hit_ms; /* wall clock; 0 = never */
    int64_t changed_ms;
};
/* In order; stops when fn returns false. E_NOTFOUND: no such owner. */
int filters_each(struct accounts *a, struct sv owner,
                 bool (*fn)(const struct filter_info *, void *arg), void *arg, struct errinfo *ei);
/* Who has rules: "" (the server), then domains, then accounts, by name. Stops when fn returns
 * false. */
int filters_owners(struct accounts *a,
                   bool (*fn)(enum filter_level level, const char *owner, void *arg), void *arg,
                   struct errinfo *ei);
/* The rules of a text: each in place of the one of its name, or behind the others; with `all`, in
 * place of all. E_PARSE: ei says where; E_CONFLICT: a word that is not for this owner,
 * or a list, which has no mailbox; E_LIMIT. */
int filters_put(struct accounts *a, const char *admin, struct sv owner, struct sv text, bool all,
                struct errinfo *ei);
/* A rule in place of the one of that name, which may get another name; it keeps its place and what
 * was counted. E_NOTFOUND; E_EXISTS: another rule has the name; E_PARSE, E_CONFLICT, E_LIMIT. */
int filters_replace(struct accounts *a, const char *admin, struct sv owner, struct sv name,
                    struct sv text, struct errinfo *ei);
/* Asks the rule, or does not. */
int filters_turn(struct accounts *a, const char *admin, struct sv owner, struct sv name, bool on,
                 struct errinfo *ei);
int filters_delete(struct accounts *a, const char *admin, struct sv owner, struct sv name,
                   struct errinfo *ei);
/* position: 1 = the first; beyond the last = the last. */
int filters_move(struct accounts *a, const char *admin, struct sv owner, struct sv name,
                 int64_t position, struct errinfo *ei);
/* The owner's rules as they are now, compiled past the cache: for trying a message. Free with
 * filter_rules_done. ret_level: of the owner. */
int filters_load(struct accounts *a, struct sv owner, enum filter_level *ret_level,
                 struct filter_rules *ret, struct errinfo *ei);
/* Level and id of an owner. E_NOTFOUND, E_PARSE. */
int filters_owner(struct accounts *a, struct sv owner, enum filter_level *ret_level,
                  int64_t *ret_id, struct errinfo *ei);
