/* What TLS reports (RFC 8460) say about one session: counted by the policy of the domain that the
 * mail is for. */
#pragma once

#include "mail/deliver/smtp_tls.h"
#include "net/dns.h"

/* result: a result type of RFC 8460 4.3, NULL = success. reason: in words, NULL = none. Does
 * nothing where reports are off or the session is not for them (tls_policy.counts). */
void tls_outcome(struct smtp_client *s, const struct tls_policy *p, const char *host,
                 const char *result, const char *reason);
/* A domain as policies and counts name it: A-labels in lower case. False: it is none. */
bool tls_domain(const char *domain, char ret[DNS_NAME_TEXT]);
/* The result type of an X509_V_* code. */
const char *tls_outcome_of(long verify);
