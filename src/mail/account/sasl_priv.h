/* Inside of a SASL exchange. */
#pragma once

#include <gsasl.h>

#include "mail/account/attempt.h"
#include "mail/account/mechanisms.h"
#include "mail/account/scram.h"

#define SASL_IN_MAX (12 * 1024) /* a PLAIN message of three longest names */

struct sasl {
    struct accounts *a;
    const struct auth_peer *peer;
    enum mech_id id;
    unsigned step;
    bool over;  /* done or failed: further steps are refused */
    bool begun; /* t is in use */
    struct attempt t;
    char *user; /* LOGIN */
    struct scram scram;
    bool scram_real; /* the keys are an account's, not invented */
    Gsasl_session *gs;
    int callback_error; /* of attempt_begin inside a callback; 0 = none */
};

/* attempt_begin with this exchange's data, at most once. */
int sasl_begin_attempt(struct sasl *s, struct sv user, struct errinfo *ei);
/* True when authzid is empty or names the account that logs in. */
bool sasl_authzid_fits(struct sasl *s, struct sv authzid);
/* Counts and logs a refusal; user may be empty. E_AUTH, E_LIMIT, E_TEMP. */
int sasl_refuse(struct sasl *s, struct sv user, struct errinfo *ei);

/* sasl_scram.c, sasl_gsasl.c */
void sasl_scram_start(struct sasl *s);
int sasl_scram_step(struct sasl *s, struct sv in, struct buf *out, const struct account **ret,
                    struct errinfo *ei);
int sasl_gsasl_start(struct sasl *s, struct errinfo *ei);
int sasl_gsasl_step(struct sasl *s, struct sv in, struct buf *out, const struct account **ret,
                    struct errinfo *ei);
