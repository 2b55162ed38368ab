/* Writing IMAP: numbers, strings, flags, number sets. Pure; everything appends to a buf and leaves
 * errors to its sticky overflow flag. */
#pragma once

#include "base/buf.h"

void imap_put_u64(struct buf *out, uint64_t v);
/* astring: an atom when it may be one, else a quoted string or a literal. */
void imap_put_astring(struct buf *out, struct sv s);
/* System flags are bits 0..4 (\Seen \Answered \Flagged \Deleted \Draft), keywords bits 8.. in the
 * order of the list. Writes "(\Seen $Junk)"; recent adds \Recent. */
void imap_put_flags(struct buf *out, uint64_t flags, bool recent, const char *const *keywords,
                    size_t n_keywords);
/* Bit of a system flag's name ("\\Seen", any case) or 0. */
uint64_t imap_system_flag(struct sv name);

/* Number sets "1:3,7" from numbers that are given one by one. Ascending runs are compressed. */
struct imap_set_writer {
    struct buf *out;
    uint32_t lo, hi; /* the run not yet written; lo 0 = none */
    bool any;
};
void imap_set_add(struct imap_set_writer *w, uint32_t v);
void imap_set_done(struct imap_set_writer *w);
