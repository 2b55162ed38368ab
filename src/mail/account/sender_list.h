/* Senders that are kept out, or let in all the same: addresses, domains and named patterns
 * ("[name]"), in a list of the server and one of each domain (table sender_list). A domain stands
 * for all below it; the nearest entry holds: an address before patterns, these before its domain,
 * that before the one above it. Of patterns that say different things one that lets in. Changes are
 * audited and in force when the call returns. Any thread; what is asked comes from the cache. */
#pragma once

#include "mail/account/account.h"
#include "mail/account/address.h"

enum { SENDERS_MAX = 20000 }; /* of one owner */
enum sender_verdict { SENDER_UNKNOWN, SENDER_ALLOW, SENDER_DENY };

/* What the list of a domain says of a reverse path, and if it says nothing, that of the server.
 * domain_id 0: the server's alone. A null sender is unknown. E_TEMP. */
int account_sender_verdict(struct accounts *a, int64_t domain_id, struct sv sender,
                           enum sender_verdict *ret);

/* --- for administrators. owner: "" = the server, or a domain --- */

struct sender_entry {
    int64_t owner_id;   /* of the domain; 0 = the server */
    const char *owner;  /* "" = the server, or a domain */
    const char *sender; /* address, domain or "[name]" */
    bool allow;
    int64_t changed_ms;
    const char *admin; /* who put it there */
};
/* In alphabetic order; stops when fn returns false. owner SV_NULL: all lists, the server's first.
 * E_NOTFOUND: no such owner. */
int senders_each(struct accounts *a, struct sv owner,
                 bool (*fn)(const struct sender_entry *, void *arg), void *arg, struct errinfo *ei);
/* The canonical form of an entry: an address, a domain, or a pattern's name. E_PARSE, E_RANGE.
 * Pure.
 */
int sender_name(struct sv text, char ret[ADDR_MAX + 1], struct errinfo *ei);
/* Puts n senders into the list, all or none, in place of what it said of them. Those that are none:
 * E_PARSE, as patterns that do not exist. E_LIMIT. *ret: how many are new or changed; may
 * be NULL. */
int senders_put(struct accounts *a, const char *admin, struct sv owner, const struct sv *senders,
                size_t n, bool allow, size_t *ret, struct errinfo *ei);
/* E_NOTFOUND: it is not in the list. */
int senders_remove(struct accounts *a, const char *admin, struct sv owner, struct sv sender,
                   struct errinfo *ei);
