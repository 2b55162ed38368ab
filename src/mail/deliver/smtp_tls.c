/* TLS of an outgoing connection: the policy, STARTTLS, what was found out about the certificate.
 * The settings say what is asked of everybody; DANE asks more of those who publish TLSA records,
 * and MTA-STS of those who publish a policy. Where both do, DANE decides (RFC 8461 2). */
#include "mail/deliver/smtp_tls.h"

#include "conf/routes.h"
#include "mail/deliver/adapt.h"
#include "mail/deliver/tls_outcome.h"
#include "stats/shm.h"

static int policy_failed(struct smtp_client *s, const char *host, const char *policy,
                         const char *reason, struct failure *why)
{
    event(tls_policy_failed, &s->log, F_STR(host, host), F_STR(policy, policy),
          F_STR(reason, reason));
    failure_set(why, false, "451 4.7.5 Could not verify SSL connection (%s: %s: %s)", host, policy,
                reason);
    return E_TLS;
}

/* The same while the domain only tests its policy: it is told, and the mail goes. */
static void test_failed(struct smtp_client *s, const char *host, const char *reason)
{
    event(tls_policy_failed, &s->log, F_STR(host, host), F_STR(policy, "MTA-STS (testing)"),
          F_STR(reason, reason));
}

/* Of a host whose policy fails before it is connected to, or while it is only tested: the session,
 * if there is one, is not counted once more. */
static void count_before(struct smtp_client *s, struct tls_policy *policy, const char *host,
                         const char *result, const char *reason)
{
    tls_outcome(s, policy, host, result, reason);
    policy->counts = false;
}

static enum mta_sts_mode sts_mode(struct smtp_client *s, struct sv domain)
{
    if (!s->sts) {
        s->sts = xcalloc(1, sizeof(*s->sts));
        sts_find(s->cf, s->d->policy_dir, domain, s->sts);
    }
    return s->sts->policy.mode;
}

static int use_sts(struct smtp_client *s, const char *host, struct sv domain,
                   struct tls_policy *ret, struct failure *why)
{
    static const char not_named[] = "the policy does not name this server";
    ret->sts = sts_mode(s, domain);
    if (s->sts->problem)
        count_before(s, ret, host, s->sts->problem, NULL);
    bool named = ret->sts == MTA_STS_NONE || mta_sts_names(&s->sts->policy, sv_c(host));
    if (!named)
        count_before(s, ret, host, "validation-failure", not_named);
    if (ret->sts == MTA_STS_TESTING && !named)
        test_failed(s, host, not_named);
    ret->is_named |= ret->sts != MTA_STS_NONE && named;
    if (ret->sts != MTA_STS_ENFORCE)
        return 0;
    if (!named)
        return policy_failed(s, host, "MTA-STS", not_named, why);
    ret->level = TLS_REQUIRE;
    return 0;
}

/* A login in clear text would give the password away: where nothing is said it needs TLS. */
static void use_rule(const struct conf_route *rule, struct tls_policy *ret)
{
    switch (rule->tls) {
    case ROUTE_TLS_DEFAULT:
        if (*rule->user)
            ret->level = TLS_REQUIRE;
        break;
    case ROUTE_TLS_NEVER:
        ret->level = TLS_NEVER;
        break;
    case ROUTE_TLS_MAY:
        ret->level = TLS_MAY;
        break;
    case ROUTE_TLS_REQUIRE:
    case ROUTE_TLS_VERIFY:
    case ROUTE_TLS_DANE:
        ret->level = TLS_REQUIRE;
        break;
    }
    ret->must_verify = rule->tls == ROUTE_TLS_VERIFY;
    ret->must_dane = rule->tls == ROUTE_TLS_DANE;
}

/* Not what a setting names: unlike that the sender may be spared it, as policies of others. */
static int use_adapted(struct smtp_client *s, struct tls_policy *ret, struct failure *why)
{
    struct errinfo ei = { 0 };
    int r = ret->is_secure || s->lenient || !*ret->domain
                ? 0
                : adapt_holds(s->d, s->cf, ret->domain, &ei);
    if (r == 1)
        ret->is_secure = ret->is_adapted = true;
    if (r >= 0)
        return 0;
    failure_set(why, false, "451 4.3.0 The database cannot be asked now: %s", ei.text);
    return r;
}

int smtp_tls_policy(struct smtp_client *s, const struct route *route, size_t i, struct sv domain,
                    const struct route_addresses *found, struct tls_policy *ret,
                    struct failure *why)
{
    const char *host = route->host[i];
    bool relay = *route_relay(s->cf, s->rule);
    *ret = (struct tls_policy){ .level = (int)s->cf->deliver.starttls };
    if (s->rule)
        use_rule(s->rule, ret);
    if (!relay)
        sv_copy(ret->domain, sizeof(ret->domain), domain);
    ret->is_secure = secure_find(sv_c(s->cf->deliver.secure_destinations), sv_c(host),
                                 sv_c(ret->domain), &ret->secure);
    int r = use_adapted(s, ret, why);
    if (r < 0)
        return r;
    if (ret->is_secure)
        ret->level = TLS_REQUIRE;
    ret->is_named = route->secure;
    if (ret->level == TLS_NEVER)
        return 0;
    if (s->lenient && !ret->must_dane) /* the sender wants no policy of others to hold it up */
        return 0;
    ret->counts = !relay;
    /* Where the host was found by an insecure answer, its records prove nothing (RFC 7672 2.2.1):
     * nothing more is asked. */
    if ((s->cf->deliver.dane || ret->must_dane) && route->secure)
        dane_find(host, route->port, found, &ret->dane);
    if (ret->dane.state == DANE_ERROR) {
        count_before(s, ret, host, "dnssec-invalid", ret->dane.why);
        return policy_failed(s, host, "DANE", ret->dane.why, why);
    }
    if (ret->must_dane && ret->dane.state != DANE_RECORDS) {
        count_before(s, ret, host, "dane-required", NULL);
        return policy_failed(s, host, "route", "it has no TLSA records that count", why);
    }
    if (ret->dane.state == DANE_RECORDS)
        ret->level = TLS_REQUIRE;
    else if (s->cf->deliver.mta_sts && s->d->policy_dir && !relay)
        return use_sts(s, host, domain, ret, why);
    return 0;
}

/* Unlike the others this is our own administrator's word: the mail does not wait. */
static int secure_failed(struct smtp_client *s, const struct tls_policy *p, const char *reason,
                         struct failure *why)
{
    const char *policy = p->is_adapted ? "adapted secure destination" : "secure destination";
    event(tls_policy_failed, &s->log, F_STR(host, s->host), F_STR(policy, policy),
          F_STR(reason, reason));
    failure_set(why, true, "554 Could not verify SSL connection (%s: %s: %s)", s->host, policy,
                reason);
    return E_TLS;
}

/* Of the policy that decides about this host; NULL: none does. */
static const char *policy_name(const struct tls_policy *p)
{
    return p->dane.n                   ? "DANE"
           : p->sts == MTA_STS_ENFORCE ? "MTA-STS"
           : p->must_verify            ? "route"
                                       : NULL;
}

/* result: for TLS reports. */
static int tls_missing(struct smtp_client *s, const struct tls_policy *policy, const char *result,
                       const char *why_not, struct failure *why)
{
    const char *name = policy_name(policy);
    tls_outcome(s, policy, s->host, result, why_not);
    if (policy->is_secure && !(s->caps & CAP_STARTTLS))
        return secure_failed(s, policy, why_not, why);
    if (name)
        return policy_failed(s, s->host, name, why_not, why);
    if (policy->sts == MTA_STS_TESTING)
        test_failed(s, s->host, why_not);
    failure_set(why, false, "451 4.7.4 Could not verify SSL connection (%s: %s)", s->host, why_not);
    return E_TLS;
}

/* What is asked of the certificate: by DANE, where a record is usable, else by MTA-STS or the
 * route. */
static bool must_verify(const struct tls_policy *policy, const struct client_tls_result *found)
{
    return found->usable_tlsa || policy->sts == MTA_STS_ENFORCE || policy->must_verify;
}

/* What of the certificate is told in TLS reports. */
static void count(struct smtp_client *s, const struct tls_policy *policy,
                  const struct client_tls_result *found)
{
    bool asked = must_verify(policy, found) || policy->sts == MTA_STS_TESTING;
    if (found->verify && asked)
        tls_outcome(s, policy, s->host, tls_outcome_of(found->verify),
                    client_verify_text(found->verify));
    else if (policy->dane.n && !found->usable_tlsa)
        tls_outcome(s, policy, s->host, "tlsa-invalid", "no TLSA record is usable");
    else
        tls_outcome(s, policy, s->host, NULL, NULL);
}

static int judge(struct smtp_client *s, const struct tls_policy *policy,
                 const struct client_tls_result *found, struct failure *why)
{
    const char *name = policy_name(policy);
    const char *unfit = policy->is_secure ? secure_check(&policy->secure, found) : NULL;
    char reason[160];
    count(s, policy, found);
    if (unfit)
        return secure_failed(s, policy, unfit, why);
    snprintf(reason, sizeof(reason), "the certificate does not match: %s",
             client_verify_text(found->verify));
    if (found->verify && must_verify(policy, found)) {
        log_line(&s->log, LOG_DEBUG, "SSL: Not verified (%ld)", found->verify);
        return policy_failed(s, s->host, name, reason, why);
    }
    if (policy->must_dane && !found->usable_tlsa)
        return policy_failed(s, s->host, "route", "no TLSA record is usable", why);
    if (found->verify && policy->sts == MTA_STS_TESTING)
        test_failed(s, s->host, reason);
    s->proven = !found->verify && policy->is_named;
    if (found->verify)
        log_line(&s->log, LOG_DEBUG, "SSL: Not verified (%ld) - proceed anyway", found->verify);
    else
        log_line(&s->log, LOG_DEBUG, "SSL: Verified (%s%s%s)", client_tls_info(s->c),
                 *found->how ? ", " : "", found->how);
    if (name)
        event(tls_policy_met, &s->log, F_STR(host, s->host), F_STR(policy, name),
              F_STR(outcome, *found->how      ? found->how
                             : !found->verify ? "valid certificate"
                                              : "encrypted; no record is usable"),
              F_STR(tls, client_tls_info(s->c)));
    return 1;
}

int smtp_start_tls(struct smtp_client *s, const struct tls_policy *policy, struct failure *why)
{
    struct reply reply;
    struct errinfo ei = { 0 };
    struct client_tls_result found;
    struct client_tls_opts o = {
        .server_name = policy->dane.n ? policy->dane.base : s->host,
        .other_name = policy->dane.n ? policy->domain : NULL,
        .tlsa = policy->dane.tlsa,
        .n_tlsa = policy->dane.n,
        .ca_file = s->cf->deliver.ca_file,
        .cert_file = s->cf->deliver.client_certificate,
        .describe = policy->is_secure,
    };
    bool required = policy->level == TLS_REQUIRE;
    if (!(s->caps & CAP_STARTTLS)) {
        int missing =
            tls_missing(s, policy, "starttls-not-supported", "STARTTLS is not offered", why);
        return required ? missing : 0;
    }
    s->waiting_for = "STARTTLS";
    int r = smtp_send(s, "STARTTLS");
    if (r >= 0)
        r = smtp_read_reply(s, s->cf->deliver.command_timeout, &reply);
    if (r < 0)
        return smtp_turned_away(s, r, &reply, why);
    if (reply.code != 220) {
        int missing = tls_missing(s, policy, "starttls-not-supported", reply.text, why);
        return required ? missing : 0;
    }
    if (client_has_input(s->c)) /* clear text that would be read as if it were protected */
        return tls_missing(s, policy, "validation-failure",
                           "the server sent more than its answer to STARTTLS", why);
    client_set_timeout(s->c, s->cf->deliver.command_timeout);
    r = client_tls_start(s->c, &o, &found, &ei);
    if (r < 0) {
        log_line(&s->log, LOG_DEBUG, "SSL: Handshake failed (%s)", ei.text);
        return tls_missing(s, policy, "validation-failure", ei.text, why);
    }
    shm_session_tls(s->slot, true);
    return judge(s, policy, &found, why);
}
