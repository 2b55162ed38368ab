/* Milters and the commands of the session: when they are asked, what they are told, and the reply
 * when one of them objects. */
#include "server/smtp/smtp_priv.h"

#include "base/clock.h"

static struct sv text_or_none(const char *s)
{
    return s && *s ? sv_c(s) : SV_NULL;
}

static struct sv number(uint64_t n, char tmp[512])
{
    int len = snprintf(tmp, 512, "%" PRIu64, n);
    return sv_n(tmp, (size_t)len);
}

static struct sv tls_word(const struct smtp_session *s, unsigned nth)
{
    struct sv rest = text_or_none(conn_tls_info(s->c)), word = SV_NULL;
    for (unsigned i = 0; i <= nth; i++)
        word = rest.p ? sv_split(&rest, ' ') : SV_NULL;
    return word;
}

static struct sv cipher_bits(const struct smtp_session *s)
{
    struct sv cipher = tls_word(s, 1);
    if (!cipher.p)
        return SV_NULL;
    bool long_key = sv_find_sv(cipher, SV("256")) >= 0 && sv_find_sv(cipher, SV("128_")) < 0 &&
                    sv_find_sv(cipher, SV("128-")) < 0;
    return long_key || sv_find_sv(cipher, SV("CHACHA")) >= 0 ? SV("256") : SV("128");
}

static struct sv peer_macro(const struct smtp_session *s, struct sv name, char tmp[512])
{
    const char *ip = conn_peer_ip(s->c);
    if (sv_eq(name, SV("client_addr")))
        return sv_c(ip);
    if (sv_eq(name, SV("client_port")))
        return number(conn_peer_port(s->c), tmp);
    /* Names by PTR are not verified here. */
    if (sv_eq(name, SV("client_resolve")))
        return SV("FAIL");
    if (sv_eq(name, SV("client_name")) || sv_eq(name, SV("client_ptr")) || sv_eq(name, SV("_"))) {
        int n = snprintf(tmp, 512, "[%s]", ip);
        return sv_n(tmp, (size_t)n);
    }
    return SV_NULL;
}

static struct sv server_macro(const struct smtp_session *s, struct sv name, char tmp[512])
{
    if (sv_eq(name, SV("j")) || sv_eq(name, SV("if_name"))) {
        smtp_hostname(s->cf, tmp);
        return sv_c(tmp);
    }
    if (sv_eq(name, SV("v")))
        return SV(SMTP_PRODUCT " " POSTHORN_VERSION);
    if (sv_eq(name, SV("daemon_name")))
        return s->srv->submission ? SV("submission") : SV("smtp");
    if (sv_eq(name, SV("daemon_addr")) || sv_eq(name, SV("if_addr")))
        return sv_c(conn_local_ip(s->c));
    if (sv_eq(name, SV("daemon_port")))
        return number(conn_local_port(s->c), tmp);
    if (sv_eq(name, SV("b"))) {
        clock_rfc5322(clock_wall_s(), tmp);
        return sv_c(tmp);
    }
    return SV_NULL;
}

static struct sv domain_of(struct sv address)
{
    ssize_t at = sv_rfind(address, '@');
    return at < 0 ? SV_NULL : sv_skip(address, (size_t)at + 1);
}

static struct sv mailer(const struct smtp_session *s, struct sv address)
{
    struct sv domain = domain_of(address);
    return domain.n == 0 || account_domain_is_local(s->srv->accounts, domain) > 0 ? SV("local")
                                                                                  : SV("esmtp");
}

/* During MAIL there is no transaction yet; during MAIL and RCPT s->subject is the address. */
static struct sv mail_macro(const struct smtp_session *s, struct sv name)
{
    struct sv sender = s->tx ? sv_c(s->tx->m->sender) : s->subject;
    if (sv_eq(name, SV("i")))
        return s->tx ? text_or_none(s->tx->m->id) : SV_NULL;
    if (sv_eq(name, SV("mail_addr")))
        return sender.p ? sender : SV("");
    if (sv_eq(name, SV("mail_host")))
        return domain_of(sender);
    if (sv_eq(name, SV("mail_mailer")))
        return mailer(s, sender);
    if (!s->tx || s->state & ST_DATA)
        return SV_NULL;
    if (sv_eq(name, SV("rcpt_addr")))
        return s->subject;
    if (sv_eq(name, SV("rcpt_host")))
        return domain_of(s->subject);
    return sv_eq(name, SV("rcpt_mailer")) ? mailer(s, s->subject) : SV_NULL;
}

static struct sv macro(void *arg, struct sv name, char tmp[512])
{
    const struct smtp_session *s = arg;
    if (name.n > 2 && name.p[0] == '{' && name.p[name.n - 1] == '}')
        name = sv_n(name.p + 1, name.n - 2);
    if (sv_eq(name, SV("tls_version")))
        return tls_word(s, 0);
    if (sv_eq(name, SV("cipher")))
        return tls_word(s, 1);
    if (sv_eq(name, SV("cipher_bits")))
        return cipher_bits(s);
    if (sv_eq(name, SV("auth_type")))
        return s->account ? text_or_none(s->mechanism) : SV_NULL;
    if (sv_eq(name, SV("auth_authen")) || sv_eq(name, SV("auth_author")))
        return s->account ? sv_c(s->account->address) : SV_NULL;
    struct sv v = peer_macro(s, name, tmp);
    if (!v.p)
        v = server_macro(s, name, tmp);
    return v.p ? v : mail_macro(s, name);
}

static int resolve(void *arg, const char *name, bool ipv6, char ret[46], struct errinfo *ei)
{
    const struct smtp_session *s = arg;
    const struct smtp_dns *d = &s->srv->dns;
    struct dns_answer *a = NULL;
    if (!d->lookup)
        return err_set(ei, E_TEMP, "'%s' cannot be looked up", name);
    int r = d->lookup(name, ipv6 ? DNS_AAAA : DNS_A, &a, ei);
    if (r < 0)
        return err_set(ei, r, "'%s' cannot be looked up: %s", name, err_name(r));
    (void)sv_copy(ret, 46, sv_c(a->rr[0].text));
    d->answer_free(a);
    return 0;
}

static struct milters *make(struct smtp_session *s, const struct conf *cf, unsigned service,
                            bool trusted, struct sv only)
{
    if (!s->srv->milter_net || !*cf->smtp.milters)
        return NULL;
    const struct milters_opts o = {
        .net = s->srv->milter_net,
        .list = sv_c(cf->smtp.milters),
        .service = service,
        .name = only,
        .trusted = trusted,
        .cancel = s->srv->stopping,
        .log = &s->log,
        .macro = macro,
        .resolve = resolve,
        .arg = s,
        .peer_ip = conn_peer_ip(s->c),
        .peer_port = conn_peer_port(s->c),
    };
    return milters_new(&o);
}

/* The setting of the session's begin holds until its end. */
static void know_milters(struct smtp_session *s, const struct conf *cf)
{
    s->milters_known = true;
    s->milters = make(s, cf, s->srv->submission ? MILTER_FOR_SUBMISSION : MILTER_FOR_SMTP,
                      conn_peer_trusted(s->c), SV_NULL);
}

struct milters *smtp_milter_named(struct smtp_session *s, struct sv name)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    return make(s, cf, MILTER_FOR_RULES, false, name);
}

bool smtp_may_ask_milters(struct smtp_session *s)
{
    if (!s->milters_known) {
        _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
        know_milters(s, cf);
    }
    return milters_may_block(s->milters);
}

/* The reply to what a milter has against a command. */
static void object(struct smtp_session *s, enum milter_verdict v, const struct milter_result *r,
                   struct sv rejected)
{
    if (v == MILTERS_CLOSE)
        smtp_reply_421(s, SV("4.7.1"), SV("Service not available, closing connection"));
    else if (r->reply.n)
        smtp_reply_refusal(s, r->reply);
    else
        smtp_reply(s, r->temporary ? SV(SMTP_MILTER_LATER) : rejected);
}

bool smtp_milter_helo(struct smtp_session *s, struct sv name)
{
    struct milter_result r;
    bool connection = false;
    if (!smtp_may_ask_milters(s))
        return true;
    enum milter_verdict v = milters_helo(s->milters, name, &connection, &r);
    if (v == MILTERS_PASS)
        return true;
    if (connection && !r.reply.n && r.temporary)
        v = MILTERS_CLOSE;
    object(s, v, &r,
           connection ? SV("554 5.7.1 Permission denied") : SV("550 5.7.1 Permission denied"));
    if (connection)
        smtp_close(s);
    return false;
}

/* What stands behind the path of MAIL and RCPT. */
static struct sv parameters(struct sv args, struct sv address)
{
    ssize_t open = sv_find_sv(args, SV("<>"));
    struct sv rest = address.n ? sv_skip(args, (size_t)(address.p + address.n - args.p))
                               : sv_skip(args, open < 0 ? args.n : (size_t)open + 1);
    return sv_trim(rest.n && *rest.p == '>' ? sv_skip(rest, 1) : rest);
}

bool smtp_milter_mail(struct smtp_session *s, struct sv args, struct sv sender)
{
    struct milter_result r;
    if (!smtp_may_ask_milters(s))
        return true;
    enum milter_verdict v =
        milters_mail(s->milters, sender, parameters(args, sender), s->account != NULL, &r);
    if (v != MILTERS_PASS)
        object(s, v, &r, SV("501 5.7.1 Permission denied"));
    return v == MILTERS_PASS;
}

bool smtp_milter_rcpt(struct smtp_session *s, struct sv args, struct sv rcpt)
{
    struct milter_result r;
    if (!smtp_may_ask_milters(s))
        return true;
    enum milter_verdict v = milters_rcpt(s->milters, rcpt, parameters(args, rcpt), &r);
    if (v != MILTERS_PASS)
        object(s, v, &r, SV("550 5.7.1 Permission denied"));
    return v == MILTERS_PASS;
}

void smtp_milter_refuse(struct smtp_session *s, enum milter_verdict v,
                        const struct milter_result *r)
{
    if (v == MILTERS_CLOSE) {
        smtp_tx_end(s, "INCOMPLETE-SESSION");
        smtp_reply_421(s, SV("4.7.1"), SV("Service not available, closing connection"));
        return;
    }
    smtp_rx_refuse(s, r->reply.n     ? r->reply
                      : r->temporary ? SV(SMTP_MILTER_LATER)
                                     : SV("554 5.7.1 Message cannot be accepted, rules rejection"));
}

bool smtp_milter_data(struct smtp_session *s)
{
    struct milter_result r;
    if (!smtp_may_ask_milters(s))
        return true;
    enum milter_verdict v = milters_data(s->milters, &r);
    if (v != MILTERS_PASS)
        smtp_milter_refuse(s, v, &r);
    return v == MILTERS_PASS;
}
