/* What a reply means: cause, remedy, the setting that decides. Pure. */
#pragma once

#include "base/sv.h"

struct explanation {
    const char *id, *pattern, *cause, *remedy;
    const char *setting; /* "" = none */
};
extern const struct explanation explanations[];
extern const size_t explanations_count;

/* The row of a reply of ours, or of the reason of a delivery of ours; NULL: none, as for the words
 * of another server. */
const struct explanation *explain_reply(struct sv reply);
bool explain_matches(const struct explanation *e, struct sv reply);
/* In words what any reply with this code means; never NULL. */
const char *explain_code(unsigned code);
