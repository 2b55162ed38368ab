/* MAIL: who may send what from here. RFC 5321 4.1.1.2, RFC 1870 (SIZE), RFC 6409 (submission), RFC
 * 6531. */
#include "server/smtp/smtp_priv.h"

static bool fail_for_now(struct smtp_session *s)
{
    smtp_reply_lit(s, "451 4.3.0 Temporary failure, try again later");
    return false;
}

/* Fresh facts of the account: it may have been disabled or limited since AUTH. */
static bool refresh_account(struct smtp_session *s)
{
    const struct account *now;
    int r = account_find_id(s->srv->accounts, s->account->id, &now, NULL);
    if (r == 0) {
        account_unref(s->account);
        s->account = now;
        s->log.account = now->address;
    }
    if (r < 0 && r != E_NOTFOUND)
        return fail_for_now(s);
    if (r < 0 || !s->account->enabled) {
        smtp_reply_lit(s, "550 5.7.1 Permission denied");
        return false;
    }
    return true;
}

static bool check_limits(struct smtp_session *s, const struct smtp_mail_args *a)
{
    uint64_t max = smtp_max_message(s);
    if (max && a->has_size && a->size > max) {
        if (s->cf->smtp.size_code_552)
            smtp_reply_lit(s, "552 5.3.4 Message is too long");
        else
            smtp_reply_lit(s, "501 5.7.1 Message is too long");
        return false;
    }
    if (!queue_has_space(s->srv->queue)) {
        smtp_reply_lit(s, "452 4.3.1 Insufficient system storage");
        return false;
    }
    if (s->account && s->account->soft_quota_bytes &&
        smtp_quota_full(s->srv, s->account, s->account->soft_quota_bytes, 1)) {
        smtp_reply_lit(s, "501 5.7.1 Soft quota applied");
        return false;
    }
    return true;
}

static bool check_own_sender(struct smtp_session *s, const struct smtp_path *from)
{
    if (!s->cf->smtp.reject_sender_mismatch || from->address.n == 0)
        return true;
    int owns = account_owns_address(s->srv->accounts, s->account, from->address);
    if (owns != 0)
        return owns > 0 || fail_for_now(s);
    smtp_reply_lit(s, "501 5.7.1 Permission denied");
    return false;
}

/* Somebody without login who says he is one of us. */
static bool check_local_sender(struct smtp_session *s, const struct smtp_path *from)
{
    bool strict = s->cf->smtp.submission_required || s->cf->smtp.reject_local_unauthenticated;
    if (!strict || from->domain.n == 0 || conn_peer_trusted(s->c))
        return true;
    int ours = account_domain_is_local(s->srv->accounts, from->domain);
    if (ours <= 0)
        return ours == 0 || fail_for_now(s);
    if (s->cf->smtp.submission_required)
        smtp_reply_lit(s, "501 5.7.1 Permission denied");
    else
        smtp_reply_lit(s, "550 5.7.1 Access not allowed");
    return false;
}

static bool check_dns(struct smtp_session *s, const struct smtp_path *from)
{
    if (!smtp_wants_dns(s))
        return true;
    smtp_find_rdns(s);
    if (s->cf->smtp.reject_no_rdns && s->rdns != RDNS_FOUND) {
        if (s->rdns == RDNS_NONE)
            smtp_reply_lit(s, "501 5.7.1 Sender IP must resolve");
        else
            smtp_reply_lit(s, "451 4.4.3 Name server failure, try again later");
        return false;
    }
    if (!s->cf->smtp.reject_unknown_domain || from->domain.n == 0)
        return true;
    int r = smtp_check_sender_domain(s, from->domain);
    if (r == E_NXDOMAIN)
        smtp_reply_lit(s, "501 5.7.1 Sender domain must exist");
    else if (r < 0)
        smtp_reply_lit(s, "451 4.4.3 Name server failure, try again later");
    return r == 0;
}

static bool check_sender(struct smtp_session *s, const struct smtp_path *from)
{
    if (!s->account)
        return check_local_sender(s, from) && check_dns(s, from);
    /* An account may be forced to the submission service even though it has logged in here. */
    if (s->cf->smtp.submission_required && !s->srv->submission && !check_local_sender(s, from))
        return false;
    return check_own_sender(s, from);
}

void smtp_cmd_mail(struct smtp_session *s, struct sv args)
{
    struct smtp_mail_args a;
    enum smtp_arg bad = smtp_parse_mail(args, &a);
    if (bad == SMTP_ARG_OK && a.transid.p && !s->cf->smtp.transid)
        bad = SMTP_ARG_SYNTAX; /* not offered */
    if (bad == SMTP_ARG_OK && a.requiretls && !smtp_offers_requiretls(s))
        bad = SMTP_ARG_SYNTAX;
    if (bad != SMTP_ARG_OK) {
        smtp_reply_arg(s, bad);
        return;
    }
    s->subject = a.from.address;
    if (s->cf->smtp.max_messages && s->messages >= (unsigned)s->cf->smtp.max_messages) {
        smtp_reply_421(s, SV("4.7.0"), SV("Too many messages in this session, closing connection"));
        return;
    }
    if (a.from.utf8 && !a.smtputf8) {
        smtp_reply_lit(s, "553 5.6.7 Address needs SMTPUTF8");
        return;
    }
    if ((s->account && !refresh_account(s)) || !check_limits(s, &a) || !check_sender(s, &a.from) ||
        !smtp_sent_room(s, 0) || !smtp_milter_mail(s, args, a.from.address))
        return;
    smtp_tx_begin(s, &a);
    smtp_set_state(s, ST_MAIL);
    smtp_reply_parts(s, SV("250 2.1.0 <"), a.from.address, SV(">... Sender ok"));
}
