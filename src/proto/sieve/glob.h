/* Wildcards as Sieve's :matches has them. Pure. */
#pragma once

#include "base/sv.h"

/* RFC 5228 2.7.1; a value that was folded like the pattern. caps: of the value. */
bool glob_match(struct sv pattern, struct sv value, struct sv *caps, size_t max_caps,
                size_t *ret_n);
