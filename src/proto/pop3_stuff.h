/* Byte-stuffing of POP3's multi-line replies (RFC 1939 3) and TOP's cut (RFC 1939 7). Pure; fed in
 * pieces of any size. */
#pragma once

#include "base/buf.h"

struct pop3_stuff {
    bool limited; /* TOP: stop after `lines` lines of the body */
    uint64_t lines;
    /* private */
    bool in_body, mid_line;
    bool done;          /* TOP has what it wants: feed no more */
    bool line_has_text; /* of the header's current line */
};
void pop3_stuff_init(struct pop3_stuff *s);
void pop3_stuff_top(struct pop3_stuff *s, uint64_t lines);
/* Appends `in`, each line's leading dot doubled. -ENOMEM. */
int pop3_stuff_feed(struct pop3_stuff *s, struct sv in, struct buf *out);
/* Appends the end: a line end when the message lacks one, then ".". */
int pop3_stuff_end(struct pop3_stuff *s, struct buf *out);
