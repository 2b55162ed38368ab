/* The SASL mechanisms, strongest first. Whether one is offered depends on settings and session,
 * never on the user. */
#pragma once

#include "mail/account/auth.h"

enum mech_id {
    MECH_SCRAM_SHA256_PLUS,
    MECH_SCRAM_SHA1_PLUS,
    MECH_SCRAM_SHA256,
    MECH_SCRAM_SHA1,
    MECH_DIGEST_MD5,
    MECH_CRAM_MD5,
    MECH_PLAIN,
    MECH_LOGIN,
    MECH_COUNT
};

struct mech {
    const char *name;
    enum auth_method method;
    bool clear_text; /* shows the password to who listens */
    bool plus;       /* needs channel binding */
};
extern const struct mech mechs[MECH_COUNT];

bool mech_offered(const struct auth_peer *p, enum mech_id id);
