/* Turns pieces of SMTP content into the message: removes stuffed dots (RFC 5321 4.5.2) and, when
 * asked, makes CRLF of bare LF. Pure. */
#pragma once

#include "base/buf.h"

struct smtp_body {
    bool dots;      /* DATA: yes, BDAT: no */
    bool normalize; /* bare LF -> CRLF */
    bool bol;       /* the next byte begins a line; true at the start */
    bool cr;        /* the last byte was CR */
};

void smtp_body_begin(struct smtp_body *b, bool dots, bool normalize);
/* Appends the content of a piece to out. has: the piece's SMTP_HAS_ bits. -ENOMEM when out is full.
 */
int smtp_body_add(struct smtp_body *b, struct sv in, unsigned has, struct buf *out);
