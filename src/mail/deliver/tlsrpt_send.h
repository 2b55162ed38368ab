/* One TLS report: to whom it goes, and sending it by mail and HTTPS. */
#pragma once

#include "mail/deliver/tlsrpt.h"
#include "proto/tlsrpt.h"

/* Which targets have it, over several attempts. */
struct tlsrpt_done {
    size_t n;
    uint64_t target[TLSRPT_MAX_TARGETS + 1]; /* a hash of each */
};

extern const struct logctx tlsrpt_log;

/* Looks up what the domain wants and sends the report about its day, as far as it is counted in the
 * database; what was reported, or is not wanted, is deleted there. 0: that is done. Else once more
 * later; *done tells whom to leave out then. Blocks (DNS, HTTPS). */
int tlsrpt_send(struct deliver *d, const struct conf *cf, const char *domain, int64_t day,
                struct tlsrpt_done *done);
