/* Sender Rewriting Scheme: the envelope sender of forwarded mail becomes an address of the
 * forwarder, so that SPF of the next server agrees, and what is returned to it finds back.
 *
 *   SRS0=HASH=TT=host=local@us         of local@host
 *   SRS1=HASH=first==HASH=TT=host=local@us   of an SRS0 address of the server `first`
 *
 * HASH: six characters of base 32 of a keyed hash; TT: days, modulo 1024. Both survive servers that
 * change case. Pure. */
#pragma once

#include "base/buf.h"

#define SRS_DAYS 1024 /* the time stamp comes round */

struct srs_key {
    /* A keyed hash (HMAC-SHA-256) of text. */
    void (*mac)(void *arg, struct sv text, uint8_t ret[32]);
    void *arg;
};

/* Does the local part look like SRS? */
bool srs_is(struct sv local);
/* Appends the address for `domain` of ours. sender: "local@host". E_PARSE: no such address;
 * -ENOMEM: out is full. */
int srs_forward(const struct srs_key *k, struct sv sender, struct sv domain, int64_t day,
                struct buf *out);
/* Appends the address that is behind one of ours. E_PARSE, E_PERM (not made here), E_TIMEOUT (older
 * than max_days). */
int srs_reverse(const struct srs_key *k, struct sv local, int64_t day, int64_t max_days,
                struct buf *out);
