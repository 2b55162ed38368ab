/* Replies as a client reads them (RFC 5321 4.2), which come from a peer that may be hostile. Pure.
 */
#pragma once

#include "base/err.h"
#include "base/sv.h"

/* One line without its line end, "250-text", "250 text" or "250": its code, and whether it is the
 * last of its reply. E_PARSE: not a reply. */
int smtp_reply_line(struct sv line, int *ret_code, bool *ret_last);
/* The lines of a reply, separated by '\n', all good for smtp_reply_line, as one text of at most
 * cap - 1 bytes: "550 5.1.1 no such user here". An enhanced code that each line repeats is kept
 * once; text beyond cap is cut. */
void smtp_reply_join(struct sv lines, char *ret, size_t cap);
