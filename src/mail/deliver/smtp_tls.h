/* What TLS with one host has to prove, and STARTTLS under that. RFC 3207, 7672, 8461. */
#pragma once

#include "mail/deliver/dane.h"
#include "net/secure.h"
#include "mail/deliver/smtp_client.h"
#include "mail/deliver/sts.h"

struct tls_policy {
    enum { TLS_NEVER, TLS_MAY, TLS_REQUIRE } level; /* as deliver.starttls; policies raise it */
    struct dane dane;
    enum mta_sts_mode sts; /* what the domain's policy asks; MTA_STS_NONE where DANE decides */
    bool is_named;         /* the host is the domain's by DNSSEC, MTA-STS or our own settings */
    bool must_verify, must_dane; /* the route asks: a valid certificate; by TLSA records */
    bool counts;     /* for TLS reports; not: nothing of the domain's, or told already */
    bool is_secure;  /* a secure destination: what does not fit is returned */
    bool is_adapted; /* by the mail that came from there, not by the settings */
    struct secure_destination secure; /* points into the settings; of an adapted one all empty */
    char domain[256]; /* that the mail is for; "" = the host was named by a setting */
};

/* The policy for host i of the route. E_TLS (*why filled): the host must not be used. */
int smtp_tls_policy(struct smtp_client *s, const struct route *route, size_t i, struct sv domain,
                    const struct route_addresses *found, struct tls_policy *ret,
                    struct failure *why);
/* STARTTLS. 1 = encrypted, 0 = go on in clear text, negative = this connection is of no use. */
int smtp_start_tls(struct smtp_client *s, const struct tls_policy *policy, struct failure *why);
