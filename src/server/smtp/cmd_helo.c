/* HELO and EHLO, and STARTTLS, which makes them necessary again. RFC 5321 4.1.1.1, RFC 3207. */
#include "server/smtp/smtp_priv.h"

/* True when the greeting is taken; ends a transaction as RSET does (RFC 5321 4.1.4). */
static bool take_name(struct smtp_session *s, struct sv args, bool esmtp)
{
    struct sv rest;
    struct sv name = smtp_verb(args, &rest); /* clients add their address behind the name */
    if (s->helo && s->cf->smtp.helo_once) {
        smtp_reply_lit(s, "503 5.5.1 HELO/EHLO already specified");
        return false;
    }
    if (!smtp_helo_valid(name)) {
        smtp_reply_lit(s, "501 5.5.1 HELO/EHLO requires domain address");
        return false;
    }
    smtp_tx_end(s, "INCOMPLETE-SESSION");
    if (!smtp_milter_helo(s, name)) {
        smtp_idle(s);
        return false;
    }
    free(s->helo);
    s->helo = sv_dup(name);
    s->esmtp = esmtp;
    smtp_set_state(s, ST_READY);
    return true;
}

void smtp_cmd_helo(struct smtp_session *s, struct sv args)
{
    char host[256];
    if (!take_name(s, args, false))
        return;
    smtp_hostname(s->cf, host);
    smtp_reply_parts(s, SV("250 "), sv_c(host), SV(" Hello "), sv_c(s->helo), SV(" ["),
                     sv_c(conn_peer_ip(s->c)), SV("], pleased to meet you."));
}

static void add_auth_line(struct smtp_session *s, struct buf *out)
{
    struct smtp_auth a = { 0 };
    smtp_auth_peer(s, &a);
    size_t start = out->n;
    buf_add_str(out, "250-AUTH ");
    size_t names = out->n;
    if (s->account || s->turned || auth_mechanisms(&a.peer, "", " ", out) < 0 || out->n == names)
        out->n = start;
    else
        buf_add_str(out, "\r\n");
    buf_done(&a.cb);
}

/* RFC 8689 2: under TLS only. */
bool smtp_offers_requiretls(const struct smtp_session *s)
{
    return s->cf->smtp.requiretls && conn_is_tls(s->c);
}

void smtp_cmd_ehlo(struct smtp_session *s, struct sv args)
{
    char host[256];
    struct buf b;
    if (!take_name(s, args, true))
        return;
    smtp_hostname(s->cf, host);
    buf_init(&b, 4 * KiB);
    buf_addf(&b, "250-%s Hello %s [%s], pleased to meet you.\r\n", host, s->helo,
             conn_peer_ip(s->c));
    buf_add_str(&b, "250-ENHANCEDSTATUSCODES\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"
                    "250-CHUNKING\r\n250-DSN\r\n");
    if (smtp_max_message(s))
        buf_addf(&b, "250-SIZE %" PRIu64 "\r\n", smtp_max_message(s));
    else
        buf_add_str(&b, "250-SIZE\r\n");
    if (smtp_offers_requiretls(s))
        buf_add_str(&b, "250-REQUIRETLS\r\n");
    if (s->cf->smtp.transid)
        buf_add_str(&b, "250-TRANSID\r\n");
    if (s->cf->smtp.vrfy)
        buf_add_str(&b, "250-VRFY\r\n");
    if (s->cf->smtp.expn)
        buf_add_str(&b, "250-EXPN\r\n");
    if (s->cf->smtp.etrn != SMTP_ETRN_NO)
        buf_add_str(&b, "250-ETRN\r\n");
    if (smtp_atrn_on(s))
        buf_add_str(&b, "250-ATRN\r\n");
    add_auth_line(s, &b);
    if (!s->turned && !conn_is_tls(s->c) && conn_can_tls(s->c))
        buf_add_str(&b, "250-STARTTLS\r\n");
    buf_add_str(&b, "250 HELP\r\n");
    smtp_reply_lines(s, &b);
    buf_done(&b);
}

void smtp_cmd_starttls(struct smtp_session *s, struct sv args)
{
    (void)args;
    if (conn_is_tls(s->c)) {
        smtp_reply_lit(s, "503 5.5.1 Incorrect command sequence");
        return;
    }
    smtp_reply_lit(s, "220 2.0.0 Ready to start TLS");
    conn_starttls(s->c);
}
