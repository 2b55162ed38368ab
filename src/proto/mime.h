/* MIME structure of a message, by one pass over its bytes. Pure: the tree points into the message.
 * Made for broken mail: never fails on content, only on the bounds below; every octet belongs
 * somewhere. RFC 5322, 2045, 2046, 2047, 2231; what IMAP says about it: RFC 3501 7.4.2. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/sv.h"

#define MIME_MAX_DEPTH 50   /* deeper parts are leaves */
#define MIME_MAX_PARTS 2000 /* more parts are part of the last one's body */

struct mime_header {
    struct sv name;  /* without the colon */
    struct sv value; /* raw, folded, behind the colon and without the final line end */
    struct sv raw;   /* the whole field with its final line end */
};

struct mime_part {
    struct sv header; /* header block including the empty line behind it */
    struct sv body;
    struct sv type, subtype; /* as written; "text"/"plain" by default; message/rfc822 in digests */
    struct sv content_type;  /* raw value, p == NULL when absent */
    struct sv encoding, id, description, disposition, md5, language, location; /* raw values */
    uint32_t lines; /* body lines, for text and message/rfc822 */
    unsigned n_headers;
    struct mime_header *headers;
    unsigned n_children; /* multipart: parts; message/rfc822: exactly one, the message inside */
    struct mime_part *children, *next; /* children: first child; next: sibling */
};

/* Parses into memory of a. E_RANGE only when the arena is full (a tree of headers only is still
 * returned). */
int mime_parse(struct sv msg, struct arena *a, struct mime_part **ret);
/* First header field of that name, or NULL. */
const struct mime_header *mime_header_get(const struct mime_part *p, struct sv name);
/* Cuts the header block of any message, without parsing MIME: length up to and with the empty line.
 */
size_t mime_header_length(struct sv msg);
/* Received fields of a message: how often it was sent on. */
unsigned mime_count_received(struct sv msg);
/* A message, or its header block, without the Return-Path at its front. */
struct sv mime_without_return_path(struct sv block);

/* IMAP texts, byte-exact on broken mail: the parenthesised ENVELOPE, BODY (ext false) and
 * BODYSTRUCTURE. */
int mime_imap_envelope(const struct mime_part *root, struct buf *out);
int mime_imap_bodystructure(const struct mime_part *root, bool ext, struct buf *out);
/* A string as IMAP quoted string, literal, or NIL when p == NULL. 8-bit and CR/LF/NUL force a
 * literal. */
int mime_imap_string(struct sv s, struct buf *out);

/* Finds a section: "" = whole, "1.2", "HEADER", "TEXT", "1.MIME", "1.2.HEADER", "1.TEXT". 0 and the
 * bytes; E_NOTFOUND when there is no such part (FETCH then answers NIL or ""). HEADER.FIELDS is
 * applied by mime_header_fields. */
int mime_section(const struct mime_part *root, struct sv msg, struct sv section, struct sv *ret);
/* Header lines of a header block whose names are in (or, with `not`, not in) names; ends with an
 * empty line. */
int mime_header_fields(struct sv header, const struct sv *names, size_t n, bool not,
                       struct buf *out);

/* Values for people and for search. Unfolded; encoded words (RFC 2047) decoded to UTF-8 where the
 * charset is known (iconv), kept raw otherwise. */
int mime_decode_header(struct sv value, struct buf *out);
/* A Content-Type or Content-Disposition parameter incl. RFC 2231 continuations; E_NOTFOUND. */
int mime_param(struct sv value, struct sv name, struct buf *out);
/* Body of a leaf decoded from base64/quoted-printable (broken input: what can be read), and for
 * text converted to UTF-8. For SEARCH TEXT/BODY. */
int mime_decode_body(const struct mime_part *leaf, struct buf *out);
/* What a reader sees of HTML, about: tags and comments go, common entities become characters. */
void mime_html_text(struct sv html, struct buf *out);
/* Date header -> seconds since the epoch; E_PARSE. */
int mime_date(struct sv value, int64_t *ret_s, int *ret_zone_minutes);

/* Raw pieces of one mailbox or group marker, as ENVELOPE needs them. A group's name is in local.
 * p == NULL: not there. Text that is no address: one word is a local part, several are a name. */
struct mime_address {
    struct sv name, route, local, host;
    bool group_start, group_end;
};
/* Address list -> array in a; never fails on content. E_RANGE when the arena is full: what fits. */
int mime_addresses(struct sv value, struct arena *a, struct mime_address **ret, size_t *ret_n);
