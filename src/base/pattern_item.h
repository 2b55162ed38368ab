/* Words of named patterns: their names as they are used, [Name], and what an item of a pattern is.
 * Pure. */
#pragma once

#include "base/sv.h"

enum { PATTERN_NAME_MAX = 60 };

enum pattern_item {
    PATTERN_ITEM_ADDRESS, /* a mask of whole addresses, or a part of one */
    PATTERN_ITEM_IP,      /* address, network, or mask (192.168.*.*) */
    PATTERN_ITEM_NAME,    /* another pattern */
    PATTERN_ITEM_BAD_IP,  /* looks like one, and is none */
    PATTERN_ITEM_BAD_NAME,
};

/* Is it written as a pattern's name: [Name], 1 to 60 letters, digits, - _ and dots, no address? */
bool pattern_is_name(struct sv text);
/* Without its brackets. */
struct sv pattern_inner(struct sv name);
enum pattern_item pattern_item_kind(struct sv item);
