/* The client's half of SASL, for logging in to relays: SCRAM-SHA-256 and SCRAM-SHA-1 (RFC 5802,
 * 7677; without channel binding), CRAM-MD5 (RFC 2195), PLAIN (RFC 4616), LOGIN. Pure: messages
 * without base64; the nonce is given. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/sv.h"

enum sasl_mech { /* in the order of preference */
                 SASL_SCRAM_SHA256,
                 SASL_SCRAM_SHA1,
                 SASL_CRAM_MD5,
                 SASL_PLAIN,
                 SASL_LOGIN,
                 SASL_MECHS
};
extern const char *const sasl_out_names[];

struct sasl_out {
    enum sasl_mech mech;
    struct sv user, password; /* must outlive the exchange */
    char nonce[40];
    unsigned step;
    struct buf bare;        /* SCRAM: client-first without the header */
    char server_proof[100]; /* SCRAM: what the server has to show, base64 */
    bool proven;            /* the server has shown that it knows the password, or need not */
};

/* The best of what is offered ("PLAIN LOGIN SCRAM-SHA-1"), behind after (-1 = from the first).
 * in_clear: mechanisms that show the password are allowed. Names and passwords that SASLprep might
 * change go by those only. -1 = none. */
int sasl_out_choose(struct sv offered, bool in_clear, struct sv user, struct sv password,
                    int after);
/* nonce: printable, without commas, shorter than 40. */
void sasl_out_init(struct sasl_out *c, enum sasl_mech mech, struct sv user, struct sv password,
                   const char *nonce);
void sasl_out_done(struct sasl_out *c);
bool sasl_out_first(const struct sasl_out *c); /* the client speaks first */
/* The next message of ours, appended. challenge: the server's; empty for the first message of a
 * client that speaks first. E_PARSE: the server does not keep to the mechanism; E_AUTH: it does not
 * know the password. */
int sasl_out_step(struct sasl_out *c, struct sv challenge, struct buf *out, struct errinfo *ei);
