/* TLS of an outgoing connection: the policy, STARTTLS, what was found out about the certificate.
 * The settings say what is asked of everybody; DANE asks more of those who publish TLSA records. */
#include "mail/deliver/smtp_tls.h"

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

int smtp_tls_policy(struct smtp_client *s, const struct route *route, size_t i, struct sv domain,
                    const struct route_addresses *found, struct tls_policy *ret,
                    struct failure *why)
{
    *ret = (struct tls_policy){ .level = (int)s->cf->deliver.starttls };
    if (!*s->cf->deliver.relay_host)
        sv_copy(ret->domain, sizeof(ret->domain), domain);
    /* Where the host was found by an insecure answer, its records prove nothing (RFC 7672 2.2.1):
     * nothing more is asked. */
    if (ret->level == TLS_NEVER || !s->cf->deliver.dane || !route->secure)
        return 0;
    dane_find(route->host[i], route->port, found, &ret->dane);
    if (ret->dane.state == DANE_ERROR)
        return policy_failed(s, route->host[i], "DANE", ret->dane.why, why);
    if (ret->dane.state == DANE_RECORDS)
        ret->level = TLS_REQUIRE;
    return 0;
}

static int tls_missing(struct smtp_client *s, const struct tls_policy *policy, const char *why_not,
                       struct failure *why)
{
    if (policy->dane.n)
        return policy_failed(s, s->host, "DANE", why_not, why);
    failure_set(why, false, "451 4.7.4 Could not verify SSL connection (%s: %s)", s->host, why_not);
    return E_TLS;
}

static int judge(struct smtp_client *s, const struct tls_policy *policy,
                 const struct client_tls_result *found, struct failure *why)
{
    if (found->usable_tlsa && found->verify) {
        char reason[160];
        snprintf(reason, sizeof(reason), "the certificate does not match: %s",
                 client_verify_text(found->verify));
        log_line(&s->log, LOG_DEBUG, "SSL: Not verified (%ld)", found->verify);
        return policy_failed(s, s->host, "DANE", reason, why);
    }
    if (found->verify)
        log_line(&s->log, LOG_DEBUG, "SSL: Not verified (%ld) - proceed anyway", found->verify);
    else
        log_line(&s->log, LOG_DEBUG, "SSL: Verified (%s%s%s)", client_tls_info(s->c),
                 *found->how ? ", " : "", found->how);
    if (policy->dane.n)
        event(tls_policy_met, &s->log, F_STR(host, s->host), F_STR(policy, "DANE"),
              F_STR(outcome, *found->how ? found->how : "encrypted; no record is usable"),
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
    };
    bool required = policy->level == TLS_REQUIRE;
    if (!(s->caps & CAP_STARTTLS))
        return required ? tls_missing(s, policy, "STARTTLS is not offered", why) : 0;
    s->waiting_for = "STARTTLS";
    int r = smtp_send(s, "STARTTLS");
    if (r >= 0)
        r = smtp_read_reply(s, s->cf->deliver.command_timeout, &reply);
    if (r < 0)
        return smtp_turned_away(s, r, &reply, why);
    if (reply.code != 220)
        return required ? tls_missing(s, policy, reply.text, why) : 0;
    if (client_has_input(s->c)) /* clear text that would be read as if it were protected */
        return tls_missing(s, policy, "the server sent more than its answer to STARTTLS", why);
    client_set_timeout(s->c, s->cf->deliver.command_timeout);
    r = client_tls_start(s->c, &o, &found, &ei);
    if (r < 0) {
        log_line(&s->log, LOG_DEBUG, "SSL: Handshake failed (%s)", ei.text);
        return tls_missing(s, policy, ei.text, why);
    }
    shm_session_tls(s->slot, true);
    return judge(s, policy, &found, why);
}
