/* MTA-STS (RFC 8461): the record and the policy of a domain. Pure. */
#pragma once

#include "base/err.h"
#include "base/sv.h"

enum { MTA_STS_MAX_MX = 64, MTA_STS_MAX_TEXT = 64 * 1024, MTA_STS_MAX_AGE_S = 31557600 };

enum mta_sts_mode { MTA_STS_NONE, MTA_STS_TESTING, MTA_STS_ENFORCE };

struct mta_sts_policy {
    enum mta_sts_mode mode;
    int64_t max_age_s;
    size_t n;
    char mx[MTA_STS_MAX_MX][256]; /* host names, or *.suffix for one label more */
};

/* The TXT record of _mta-sts.DOMAIN (3.1): its id. False: it is not one. */
bool mta_sts_record(struct sv txt, char ret_id[33]);
/* What https://mta-sts.DOMAIN/.well-known/mta-sts.txt holds (3.2). E_PARSE. */
int mta_sts_parse(struct sv text, struct mta_sts_policy *ret, struct errinfo *ei);
/* Does the policy name the host (4.1)? */
bool mta_sts_names(const struct mta_sts_policy *p, struct sv host);
