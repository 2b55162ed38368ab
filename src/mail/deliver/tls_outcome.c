#include "mail/deliver/tls_outcome.h"

#include "base/clock.h"
#include "base/codec.h"
#include "mail/deliver/tlsrpt.h"

enum { MAX_POLICY = 64 * 1024, MAX_REASON = 200, DAY_S = 86400 };
enum { V_EXPIRED = 10, V_OTHER_NAME = 62 }; /* X509_V_ERR_... */

const char *tls_outcome_of(long verify)
{
    return verify == V_EXPIRED      ? "certificate-expired"
           : verify == V_OTHER_NAME ? "certificate-host-mismatch"
                                    : "certificate-not-trusted";
}

/* "3 1 1 hex", a record a line. */
static void add_tlsa(struct buf *b, const struct dane *d)
{
    for (size_t i = 0; i < d->n; i++) {
        const struct tlsa *t = &d->tlsa[i];
        if (!t->n) /* stands for a record that is too long for us */
            continue;
        (void)buf_addf(b, "%s%u %u %u ", b->n ? "\n" : "", t->usage, t->selector, t->matching);
        (void)hex_enc(sv_n(t->data, t->n), b);
    }
}

static void add_sts(struct buf *b, struct buf *patterns, const struct mta_sts_policy *p)
{
    (void)buf_addf(b, "version: STSv1\nmode: %s\n",
                   p->mode == MTA_STS_ENFORCE ? "enforce" : "testing");
    for (size_t i = 0; i < p->n; i++) {
        (void)buf_addf(b, "mx: %s\n", p->mx[i]);
        (void)buf_addf(patterns, "%s%s", i ? "\n" : "", p->mx[i]);
    }
    (void)buf_addf(b, "max_age: %" PRId64, p->max_age_s);
}

/* Which policy decided, in the texts of a count. */
static void describe(const struct smtp_client *s, const struct tls_policy *p, const char *host,
                     struct buf *text, struct buf *patterns, struct tls_count *ret)
{
    if (p->dane.state != DANE_NONE) {
        ret->policy_type = "tlsa";
        ret->policy_domain = *p->dane.base ? p->dane.base : host;
        add_tlsa(text, &p->dane);
    } else if (p->sts != MTA_STS_NONE) {
        ret->policy_type = "sts";
        add_sts(text, patterns, &s->sts->policy);
    } else if (s->sts && s->sts->problem) {
        ret->policy_type = "sts";
    }
    (void)buf_terminate(text);
    (void)buf_terminate(patterns);
    ret->policy = text->p ? text->p : "";
    ret->mx_patterns = patterns->p ? patterns->p : "";
}

bool tls_domain(const char *domain, char ret[DNS_NAME_TEXT])
{
    if (!*domain || *domain == '[' || !dns_to_ascii(domain, ret))
        return false;
    for (char *c = ret; *c; c++)
        *c = ascii_lower(*c);
    return true;
}

void tls_outcome(struct smtp_client *s, const struct tls_policy *p, const char *host,
                 const char *result, const char *reason)
{
    char domain[DNS_NAME_TEXT], why[MAX_REASON] = "";
    struct buf text, patterns;
    if (!p->counts || !s->cf->deliver.tls_reports || !tls_domain(p->domain, domain))
        return;
    struct tls_count c = { .day = clock_wall_s() / DAY_S,
                           .domain = domain,
                           .policy_type = "no-policy-found",
                           .policy_domain = domain,
                           .result = "",
                           .sending_ip = "",
                           .mx = "",
                           .ip = "",
                           .reason = "",
                           .sessions = 1 };
    buf_init(&text, MAX_POLICY);
    buf_init(&patterns, MAX_POLICY);
    describe(s, p, host, &text, &patterns, &c);
    if (result) {
        c.result = result;
        c.mx = host;
        c.sending_ip = s->c ? client_local_ip(s->c) : "";
        c.ip = s->c ? s->ip : "";
        sv_copy(why, sizeof(why), sv_c(reason ? reason : ""));
        c.reason = why;
    }
    tlsrpt_count(s->d, &c);
    buf_done(&text);
    buf_done(&patterns);
}
