/* What a client must be told when its view of a mailbox goes from one snapshot to another. Pure.
 * RFC 3501 sections 7.3.1, 7.4.1, 7.4.2. */
#pragma once

#include "mail/mailbox/mailbox.h"

/* Messages whose flags the session itself has changed. */
struct imap_expect {
    const uint32_t *uids; /* sorted; lives as long as the diff */
    size_t n;
    bool tell; /* answer for each of them, changed or not; else only what differs from: */
    enum store_mode mode; /* old flags changed so by bits */
    uint64_t bits;
};

enum imap_event_type {
    EVENT_END,
    EVENT_EXPUNGE, /* number */
    EVENT_FLAGS,   /* the list of keywords has changed: FLAGS and PERMANENTFLAGS */
    EVENT_EXISTS,  /* number; RECENT follows */
    EVENT_FETCH,   /* flags of the message at index `number` - 1 of the new snapshot */
};
struct imap_event {
    enum imap_event_type type;
    uint32_t number;
};

struct imap_diff {
    const struct snap *old, *new;
    struct imap_expect expect;
    uint32_t retell_lo, retell_hi; /* uids whose flags are told in any case; 0, 0 = none */
    int stage;
    uint32_t i, j, expunged; /* cursors */
    size_t e;
};
void imap_diff_init(struct imap_diff *d, const struct snap *old, const struct snap *new,
                    const struct imap_expect *expect);
/* The next thing to tell, in an order that is valid on the wire. */
struct imap_event imap_diff_next(struct imap_diff *d);
/* Messages of old that are not in new. */
uint32_t imap_diff_count_expunged(const struct snap *old, const struct snap *new);
