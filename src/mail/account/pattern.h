/* Named patterns: one word, [Name], for many addresses. An item of a pattern is
 *   a mask of a whole address    sales-*@example.org, ?@example.org
 *   part of an address           @example.org, info
 *   an IP address or network     192.0.2.7, 10.0.0.0/8, 2001:db8::/32, 192.168.*.*
 *   another pattern              [Staff]
 * without regard to case. An alias whose address is [Name]@domain stands for every address of the
 * domain that fits and that no account, alias or subaddress has. In lists of senders and conditions
 * of rules it stands for the addresses that fit; in forward_to and copies of accounts for those of
 * its items that are whole addresses; in settings for its IPs (conf/patterns.h). Any thread. */
#pragma once

#include "base/pattern_item.h"
#include "mail/account/account.h"

enum { PATTERN_ITEMS_MAX = 10000 };

/* Does one item that is no pattern fit? Pure; the address is canonical. */
bool pattern_item_fits(struct sv item, struct sv address);

/* name: with or without brackets. items: one a line, or with ; between them; replaces all. Patterns
 * in it must be there, and must not lead back (E_CONFLICT). What uses it must still be able to: a
 * setting needs an IP, an account that forwards to it an address that is not its own (E_CONFLICT).
 */
int pattern_set(struct accounts *a, const char *admin, struct sv name, const char *items,
                struct errinfo *ei);
/* E_CONFLICT, with the user's name, while something uses it. */
int pattern_delete(struct accounts *a, const char *admin, struct sv name, struct errinfo *ei);
/* In order of their names, which have no brackets; items: one a line. */
int pattern_each(struct accounts *a, bool (*fn)(const char *name, const char *items, void *arg),
                 void *arg, struct errinfo *ei);
/* Does the address, canonical, fit the pattern or one that is in it? 1 = yes; 0 also when there is
 * no such pattern. E_TEMP: the database. */
int pattern_fits(struct accounts *a, struct sv name, struct sv address, struct errinfo *ei);
/* Does the pattern, "[name]" in small letters, have the address, or the IP? 1 = yes; E_TEMP. For
 * struct filter_facts. */
int pattern_has(void *accounts, struct sv name, struct sv text, bool is_ip);

/* What has a pattern somewhere, and would miss it. */
struct pattern_user {
    const char *kind; /* alias, pattern, setting, account, senders, rule */
    struct sv name; /* address of the alias, pattern without brackets, setting, field of the account
                     * (forward_to), entry of the list of senders ("[name]"), rule */
    struct sv owner;  /* domain of the alias, account, owner of list or rule; "" = the server */
    const char *text; /* as errors call it: "forward_to of user@example.org" */
};
enum { PATTERN_USERS_MAX = 1000 };
/* All of them, kind after kind in the order above. name: with or without brackets, any case. What
 * fn gets lives until it returns; it is called while the database is read and may not ask it. 1 =
 * there are more than PATTERN_USERS_MAX, as many were told; E_NOTFOUND: no such pattern. */
int pattern_users(struct accounts *a, struct sv name,
                  void (*fn)(const struct pattern_user *, void *arg), void *arg,
                  struct errinfo *ei);

/* The IPs of all patterns, for a snapshot (settings_store.c) and checks of values. */
struct conf_patterns;
int patterns_read_from(struct dbc *c, struct conf_patterns **ret, struct errinfo *ei);
