/* MTA-STS (RFC 8461) for a domain: its policy, from the disk or fetched anew. Blocking (DNS,
 * HTTPS); delivery threads. */
#pragma once

#include "conf/conf.h"
#include "proto/mta_sts.h"

struct sts {
    bool asked;                   /* the rest is filled in */
    struct mta_sts_policy policy; /* mode MTA_STS_NONE: nothing is asked of the hosts */
    const char *problem;          /* there is a policy, but it cannot be had: RFC 8460 4.3.2.2 */
};

/* The policy that holds for the domain now. A known one holds until its max_age is over, whatever
 * the domain's record and its web server say; a new id has it fetched again. After a failure it is
 * not fetched for five minutes. dir: where policies are kept, a file each. */
void sts_find(const struct conf *cf, const char *dir, struct sv domain, struct sts *ret);
/* Deletes the files of policies whose time is over. sts_find does so once a day. */
void sts_sweep(const char *dir);
