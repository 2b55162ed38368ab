/* Cuts what an SMTP client sends into command lines and pieces of message content. Pure; run by the
 * worker that owns the connection. RFC 5321 2.3.8 (only CRLF ends a line), 4.1.1.4 and 4.5.2
 * (DATA), RFC 3030 (BDAT).
 *
 * Only CRLF ends a command and only CRLF "." CRLF (or "." CRLF at the very beginning) ends DATA:
 * what other servers take for a line end never is one here, so that no second transaction can be
 * smuggled in. */
#pragma once

#include "base/sv.h"

enum smtp_piece_kind {
    SMTP_LINE, /* a command without its CRLF */
    SMTP_LONG, /* a line beyond the limit; the rest of it is swallowed */
    SMTP_BAD, /* a line with a bare LF, a bare CR or a NUL; up to the next CRLF nothing is a command
               */
    SMTP_SWALLOW,  /* more of a line that was refused: nothing to do */
    SMTP_BODY,     /* DATA content as on the wire (dots not yet removed) */
    SMTP_BODY_END, /* the same, and the end follows; may be empty */
    SMTP_CHUNK,    /* BDAT content */
    SMTP_CHUNK_END,
};

/* What the content of a piece has in it, so that most pieces are copied without a second look. */
enum {
    SMTP_HAS_DOT = 1,     /* a line begins with a dot, which is to be removed */
    SMTP_HAS_BARE_LF = 2, /* LF without CR in front */
    SMTP_HAS_CR_DOT = 4,  /* CR "." CR: some servers take it for the end of DATA */
};

enum smtp_framer_mode { SMTP_MODE_COMMAND, SMTP_MODE_DATA, SMTP_MODE_BDAT };

struct smtp_framer { /* zeroed = a new connection */
    uint8_t mode;
    bool swallow;        /* inside a refused line */
    bool bol;            /* DATA: the next byte begins a line */
    char last[2];        /* BDAT: the two bytes in front of the next one, newest second */
    uint64_t chunk_left; /* BDAT: bytes still to come, > 0 */
};

struct smtp_piece {
    enum smtp_piece_kind kind;
    unsigned has;
    struct sv data; /* in the input */
    size_t used;    /* bytes of input to take away, > 0 */
};

/* 1 = *ret is the next piece, 0 = more input is needed (at most max_line + 1 bytes in all).
 * max_line counts the CRLF. */
int smtp_framer_next(struct smtp_framer *f, struct sv in, size_t max_line, struct smtp_piece *ret);

/* What comes next is content. The framer returns to commands by itself at its end. */
void smtp_framer_data(struct smtp_framer *f);
void smtp_framer_bdat(struct smtp_framer *f, uint64_t size, bool first); /* size > 0 */
