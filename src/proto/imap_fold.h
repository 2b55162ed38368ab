/* Text comparison of SEARCH: substrings without regard to case. Pure. RFC 3501 section 6.4.4. */
#pragma once

#include "base/buf.h"

/* UTF-8 with simple case folding (Latin, Greek, Cyrillic, Armenian, fullwidth); other octets are
 * copied. */
int imap_fold(struct sv in, struct buf *out);
/* Substring, ASCII letters in any case. */
bool imap_ascii_contains(struct sv hay, struct sv needle);
/* needle must be folded. tmp is scratch memory. */
bool imap_fold_contains(struct sv hay, struct sv needle, struct buf *tmp);
