/* Named patterns: one word, [Name], for many addresses. An item of a pattern is
 *   a mask of a whole address    sales-*@example.org, ?@example.org
 *   part of an address           @example.org, info
 *   another pattern              [Staff]
 * without regard to case. An alias whose address is [Name]@domain stands for every address of the
 * domain that fits and that no account, alias or subaddress has. Any thread. */
#pragma once

#include "mail/account/account.h"

enum { PATTERN_ITEMS_MAX = 10000 };

/* Does one item that is no pattern fit? Pure; the address is canonical. */
bool pattern_item_fits(struct sv item, struct sv address);
/* Is it written as a pattern's name: [Name], 1 to 60 letters, digits, - _ and dots? */
bool pattern_is_name(struct sv text);

/* name: with or without brackets. items: one a line, or with ; between them; replaces all. Patterns
 * in it must be there, and must not lead back (E_CONFLICT). */
int pattern_set(struct accounts *a, const char *admin, struct sv name, const char *items,
                struct errinfo *ei);
/* E_CONFLICT while an alias or another pattern has it. */
int pattern_delete(struct accounts *a, const char *admin, struct sv name, struct errinfo *ei);
/* In order of their names, which have no brackets; items: one a line. */
int pattern_each(struct accounts *a, bool (*fn)(const char *name, const char *items, void *arg),
                 void *arg, struct errinfo *ei);
/* Does the address, canonical, fit the pattern or one that is in it? 1 = yes; 0 also when there is
 * no such pattern. E_TEMP: the database. */
int pattern_fits(struct accounts *a, struct sv name, struct sv address, struct errinfo *ei);
