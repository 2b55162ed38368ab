/* How TLS with other servers went, counted by day, recipient domain and policy, until it is
 * reported (RFC 8460): table tls_count. */
#pragma once

#include "mail/account/account.h"

enum { TLS_COUNT_ROWS = 5000 }; /* of one report; further ones are left out */

/* Sessions that went the same way. No text is NULL. */
struct tls_count {
    int64_t day;               /* since 1970-01-01 UTC */
    const char *domain;        /* of recipients; A-labels in lower case */
    const char *policy_type;   /* "sts", "tlsa", "no-policy-found" */
    const char *policy_domain; /* where the policy is from */
    const char *policy;        /* its text, lines with '\n' between; "" = none */
    const char *mx_patterns;   /* the same: its patterns */
    const char *result;        /* result type of RFC 8460 4.3; "" = success */
    /* Of failures only: */
    const char *sending_ip, *mx, *ip; /* "" = not connected */
    const char *reason;
    int64_t sessions;
};

/* Adds to what is there, all or nothing. E_TEMP: again later. */
int tls_counts_add(struct accounts *a, const struct tls_count *v, size_t n, struct errinfo *ei);
/* Ordered by day, domain, policy. domain: "" = all; day: -1 = all. What is given lives during the
 * call; fn returns false to stop. At most TLS_COUNT_ROWS where a domain and a day are given. */
int tls_counts_each(struct accounts *a, const char *domain, int64_t day,
                    bool (*fn)(const struct tls_count *, void *arg), void *arg, struct errinfo *ei);
/* Days and domains of what is there, once each; `policy` and all behind it are "". The same order.
 */
int tls_counts_pending(struct accounts *a, bool (*fn)(const struct tls_count *, void *arg),
                       void *arg, struct errinfo *ei);
int tls_counts_delete(struct accounts *a, const char *domain, int64_t day, struct errinfo *ei);
