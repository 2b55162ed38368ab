/* Shared by the mime_*.c files. */
#pragma once

#include "proto/mime.h"

/* Steps over white space, folds and comments (RFC 5322 3.2.2; nested, unclosed ones end with the
 * text). */
struct sv mime_skip_cfws(struct sv s);
/* s begins with '(': length of the comment with its parentheses; all of s when it does not end. */
size_t mime_comment_length(struct sv s);
/* A token (RFC 2045 5.1) from the front of *s; empty when there is none. */
struct sv mime_take_token(struct sv *s);
/* "type/subtype" of a Content-Type value; leaves both alone when it is not one. */
void mime_content_type(struct sv value, struct sv *type, struct sv *subtype);
/* The boundary parameter, unquoted (into a if need be); false when missing or empty. */
bool mime_boundary(struct sv content_type, struct arena *a, struct sv *ret);
bool mime_is_message(const struct mime_part *p); /* message/rfc822 or message/global */

/* Walks parameters behind the first ';' of a Content-Type or Content-Disposition value. */
struct mime_param {
    struct sv name;
    struct sv value; /* raw: without the quotes, escapes still in it when quoted */
    bool quoted;
};
/* 1 = *ret filled and *rest moved on, 0 = no more. Start with *rest = text from the first ';' on.
 */
int mime_next_param(struct sv *rest, struct mime_param *ret);
int mime_unquote(struct sv raw, struct buf *out); /* removes backslash escapes and folds */
/* Removes the line ends of folds. */
int mime_unfold(struct sv raw, struct buf *out);
/* Converts text to UTF-8. Unknown or empty charset, or invalid input: valid UTF-8 is taken as it
 * is, the rest as Latin-1. */
int mime_to_utf8(struct sv charset, struct sv in, struct buf *out);
bool mime_charset_known(struct sv name); /* one that has to be converted */
