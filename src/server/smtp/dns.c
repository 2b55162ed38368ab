/* Questions to the name server about the peer and the sender, when the settings ask for them: MAIL
 * then runs on POOL_SLOW. RFC 5321 5.1 (MX, else addresses), RFC 7505 (null MX). */
#include "server/smtp/smtp_priv.h"

bool smtp_wants_dns(const struct smtp_session *s)
{
    const struct conf_smtp *c = &s->cf->smtp;
    if (s->account || conn_peer_trusted(s->c))
        return false;
    bool peer = (c->reject_no_rdns || c->resolve_peer) && s->rdns == RDNS_UNASKED;
    return peer || c->reject_no_rdns || c->reject_unknown_domain;
}

static int lookup(struct smtp_session *s, const char *name, enum dns_type type, bool *ret_null_mx)
{
    const struct smtp_dns *d = &s->srv->dns;
    struct dns_answer *a = NULL;
    if (!d->lookup)
        return E_TEMP;
    int r = d->lookup(name, type, &a, NULL);
    if (r < 0)
        return r;
    *ret_null_mx = type == DNS_MX && a->n == 1 && (!*a->rr[0].text || !strcmp(a->rr[0].text, "."));
    d->answer_free(a);
    return 0;
}

int smtp_check_sender_domain(struct smtp_session *s, struct sv domain)
{
    static const enum dns_type types[] = { DNS_MX, DNS_A, DNS_AAAA };
    char name[SMTP_MAX_DOMAIN + 1];
    bool null_mx = false;
    int ours = *domain.p == '[' ? 1 : account_domain_is_local(s->srv->accounts, domain);
    if (ours != 0)
        return MIN(ours, 0);
    (void)sv_copy(name, sizeof(name), domain);
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        int r = lookup(s, name, types[i], &null_mx);
        if (r == 0)
            return null_mx ? E_NXDOMAIN : 0;
        if (r == E_NXDOMAIN)
            return r;
        if (r != E_NODATA)
            return E_TEMP;
    }
    return E_NXDOMAIN;
}

void smtp_find_rdns(struct smtp_session *s)
{
    const struct smtp_dns *d = &s->srv->dns;
    struct dns_answer *a = NULL;
    if ((s->rdns != RDNS_UNASKED && s->rdns != RDNS_FAILED) ||
        !(s->cf->smtp.reject_no_rdns || s->cf->smtp.resolve_peer))
        return;
    int r = d->lookup_ptr ? d->lookup_ptr(conn_peer_ip(s->c), &a, NULL) : E_TEMP;
    if (r < 0) {
        s->rdns = r == E_NXDOMAIN || r == E_NODATA ? RDNS_NONE : RDNS_FAILED;
        return;
    }
    s->rdns = RDNS_FOUND;
    s->peer_host = sv_dup(sv_take(sv_c(a->rr[0].text), SMTP_MAX_DOMAIN));
    d->answer_free(a);
}
