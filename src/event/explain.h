/* What a reply means: cause, remedy, the setting that decides. Pure. */
#pragma once

#include "base/sv.h"

struct explanation {
    const char *id, *pattern, *cause, *remedy;
    const char *setting; /* "" = none */
};
extern const struct explanation explanations[];
extern const size_t explanations_count;

/* The row of a reply; NULL: none. by_peer: of an attempt of ours at another server, whose own words
 * are not looked up, as they only look like ours by chance: then the rows of our own deliveries
 * alone (smtp.err.c.*) are meant. */
const struct explanation *explain_reply(struct sv reply, bool by_peer);
bool explain_matches(const struct explanation *e, struct sv reply);
/* In words what any reply with this code means; never NULL. */
const char *explain_code(unsigned code);
