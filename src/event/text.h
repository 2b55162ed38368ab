/* Templates of lines and sentences: {field}, {field|before|after}. */
#pragma once

#include "base/buf.h"
#include "event/record.h"

/* The line of an event, what came from outside escaped and cut (log_add). */
void text_line(struct buf *out, const char *tmpl, const struct logctx *c,
               const struct event_arg *args, size_t n);
/* The sentence for people of a stored record. Texts are as they were kept: for a terminal or a page
 * they have to be escaped like any text from outside. */
void text_sentence(struct buf *out, const struct record *r);
/* "00:00:12", as lines show durations. */
void text_duration(struct buf *out, uint64_t ms);
