/* Cuts the input of an IMAP session into frames. Pure: what has been taken is told by
 * imap_framer_took, so that looking twice at the same input gives the same frame. Memory is bounded
 * by max_line; literals are passed on in pieces as they come. RFC 3501 section 2.2.1 and 4.3. */
#pragma once

#include "base/sv.h"

enum imap_frame_kind {
    IMAP_LINE,     /* a line; data is without CRLF */
    IMAP_PART,     /* a line that announces a literal at its end; data is without CRLF */
    IMAP_CHUNK,    /* octets of a literal */
    IMAP_BAD_LINE, /* a line with NUL, bare CR or bare LF; data is without line end */
    IMAP_LONG,     /* the beginning of a line that is too long */
    IMAP_SKIP,     /* more of it */
    IMAP_LONG_END, /* its end (at most the last octets of it), without line end */
};

struct imap_framer {
    uint64_t literal_left; /* set by the owner after IMAP_PART */
    uint32_t max_line;
    uint32_t scanned; /* octets of the input that hold no LF */
    bool raw;         /* lines announce no literals (SASL, IDLE) */
    bool skipping;    /* inside a line that is too long */
};

struct imap_frame {
    enum imap_frame_kind kind;
    struct sv data;
    size_t used;
};

/* 1 = *ret is filled, 0 = more input is needed. */
int imap_framer_next(struct imap_framer *f, struct sv in, struct imap_frame *ret);
/* The frame was taken from the input. */
void imap_framer_took(struct imap_framer *f, int kind, size_t used);
