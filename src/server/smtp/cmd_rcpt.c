/* RCPT: what becomes of an address, and whether this peer may have it. RFC 5321 4.1.1.3, 3.6.2
 * (relaying), RFC 3461 (NOTIFY, ORCPT). Resolved addresses come from the account room's cache: no
 * database here. */
#include "mail/account/address.h"
#include "mail/account/members.h"
#include "mail/account/sender_list.h"
#include "mail/sms/sms_right.h"
#include "proto/srs.h"
#include "server/smtp/smtp_priv.h"

_Static_assert(SMTP_NOTIFY_NEVER == (int)NOTIFY_NEVER &&
                   SMTP_NOTIFY_SUCCESS == (int)NOTIFY_SUCCESS &&
                   SMTP_NOTIFY_FAILURE == (int)NOTIFY_FAILURE &&
                   SMTP_NOTIFY_DELAY == (int)NOTIFY_DELAY,
               "the parser and the message count NOTIFY alike");

enum {
    FEW = 32,            /* recipients that are compared one by one */
    MAX_TARGETS = 100000 /* of one message, aliases followed */
};

/* Local addresses come in one spelling; what another server makes of upper case is its business. */
static bool already_there(struct smtp_tx *tx, struct sv address, enum rcpt_kind kind)
{
    struct message *m = tx->m;
    if (m->n_rcpts <= FEW) {
        for (size_t i = 0; i < m->n_rcpts; i++)
            if (m->rcpts[i].kind == kind && sv_eq(sv_c(m->rcpts[i].address), address))
                return true;
        return false;
    }
    if (!tx->seen) {
        tx->seen = map_new();
        for (size_t i = 0; i < m->n_rcpts; i++)
            map_put(tx->seen, sv_c(m->rcpts[i].address), tx);
    }
    return map_get(tx->seen, address) != NULL;
}

static void add_target(struct smtp_tx *tx, struct sv address, enum rcpt_kind kind,
                       int64_t account_id, const struct smtp_rcpt_args *a)
{
    if (already_there(tx, address, kind))
        return;
    struct rcpt *r = message_add_rcpt(tx->m, address, kind);
    r->account_id = account_id;
    r->notify = a->notify;
    message_set_original(r, a->to.address);
    if (a->orcpt.p)
        message_set(&r->orcpt, a->orcpt);
    if (tx->seen)
        map_put(tx->seen, address, tx);
}

/* True when a target is there that can take the message now. */
static bool any_has_room(struct smtp_session *s, const struct resolved *res)
{
    bool room = res->n_forward > 0;
    for (size_t i = 0; i < res->n && !room; i++)
        room = !account_stores(res->accounts[i]) ||
               !smtp_mailbox_full(s->srv, res->accounts[i], MAX(s->tx->declared, 1));
    return room;
}

static void refuse_full(struct smtp_session *s)
{
    if (s->cf->smtp.full_mailbox_permanent)
        smtp_reply_lit(s, "552 5.2.2 Mailbox has exceeded the limit");
    else
        smtp_reply_lit(s, "452 4.2.2 Mailbox has exceeded the limit");
}

/* True when each target is a null mailbox that forwards to nobody. */
static bool none_receives(struct smtp_session *s, const struct resolved *res)
{
    for (size_t i = 0; i < res->n; i++)
        if (account_can_receive(s->srv->accounts, res->accounts[i]))
            return false;
    return res->n_forward == 0;
}

/* Of several targets the delivery asks each one. */
static bool may_post(struct smtp_session *s, const struct resolved *res)
{
    char text[500];
    if (res->n != 1 || res->n_forward || account_kind(res->accounts[0]) == KIND_USER)
        return true;
    int r = account_may_post(s->srv->accounts, res->accounts[0], sv_c(s->tx->m->sender),
                             sv_c(s->tx->m->auth_user), NULL);
    if (r > 0)
        return true;
    int n = snprintf(text, sizeof(text),
                     r < 0 ? "451 4.3.0 Temporary failure, try again later"
                           : "550 5.7.2 You may not post to %s",
                     res->accounts[0]->address);
    smtp_reply(s, sv_n(text, (size_t)n));
    return false;
}

static void refuse_forward(struct smtp_session *s, const char *address)
{
    char text[500];
    int n =
        snprintf(text, sizeof(text),
                 "550 5.1.1 User %s has invalid forward set and no mailbox; rejecting", address);
    smtp_reply(s, sv_n(text, (size_t)n));
}

static bool may_relay(struct smtp_session *s)
{
    if (s->account && s->account->local_only) {
        smtp_reply_lit(s, "550 5.7.1 You have rights to send mail to local domains only");
        return false;
    }
    if (!s->account && !smtp_trusted(s)) {
        smtp_reply_lit(s, "550 5.7.1 We do not relay");
        return false;
    }
    return true;
}

/* Routes and the queue know a backup domain by its A-labels. */
static void add_remote(struct smtp_session *s, struct sv address, const struct resolved *res,
                       const struct smtp_rcpt_args *a)
{
    char domain[ADDR_DOMAIN_MAX + 1], text[ADDR_MAX + 1];
    size_t n = 0;
    ssize_t at = sv_rfind(address, '@');
    if (res->backup && at > 0 &&
        addr_parse_domain(sv_skip(address, (size_t)at + 1), domain, &n, NULL) == 0 &&
        (size_t)at + 1 + n < sizeof(text)) {
        memcpy(text, address.p, (size_t)at + 1);
        memcpy(text + at + 1, domain, n);
        address = sv_n(text, (size_t)at + 1 + n);
    }
    add_target(s->tx, address, RCPT_REMOTE, 0, a);
}

static bool take_sms(struct smtp_session *s, const struct smtp_rcpt_args *a, struct sv address)
{
    char number[ADDR_MAX + 1];
    if (!smtp_sms_rcpt(s, address, number))
        return false;
    add_target(s->tx, sv_c(number), RCPT_REMOTE, 0, a);
    s->tx->n_sms++;
    return true;
}

/* An alias may lead to telephone numbers. */
static bool add_forward(struct smtp_session *s, struct sv address, const struct smtp_rcpt_args *a)
{
    bool sms = sms_is_address(s->cf, address);
    if (sms && !smtp_sms_room(s))
        return false;
    s->tx->n_sms += sms;
    add_target(s->tx, address, RCPT_REMOTE, 0, a);
    return true;
}

/* Adds what the address stands for, or refuses it. Who returns mail to an address of ours need not
 * have a right to relay. */
static bool take_targets(struct smtp_session *s, const struct smtp_rcpt_args *a, struct sv address,
                         const struct resolved *res)
{
    bool returned = address.p != a->to.address.p;
    switch (res->kind) {
    case RESOLVE_REMOTE:
        if (!returned && (!res->backup || s->turned) && !may_relay(s))
            return false;
        add_remote(s, address, res, a);
        return true;
    case RESOLVE_LOCAL:
    case RESOLVE_FORWARD:
        if (!may_post(s, res))
            return false;
        if (none_receives(s, res)) {
            refuse_forward(s, res->accounts[0]->address);
            return false;
        }
        if (!any_has_room(s, res)) {
            refuse_full(s);
            return false;
        }
        for (size_t i = 0; i < res->n; i++)
            add_target(s->tx, sv_c(res->accounts[i]->address), RCPT_LOCAL, res->accounts[i]->id, a);
        for (size_t i = 0; i < res->n_forward; i++)
            if (!add_forward(s, sv_c(res->forward[i]), a))
                return false;
        return true;
    case RESOLVE_DISCARD:
        add_target(s->tx, a->to.address, RCPT_DISCARD, 0, a);
        return true;
    case RESOLVE_UNKNOWN:
        if (s->account || smtp_trusted(s)) /* one of us mistyped */
            smtp_reply_lit(s, "550 5.1.1 Unknown local user");
        else
            smtp_reply_lit(s, "550 5.1.1 Unknown user; rejecting");
        return false;
    case RESOLVE_DISABLED:
        smtp_reply_lit(s, "550 5.1.1 User unknown; rejecting");
        return false;
    }
    return false;
}

/* An SRS address of ours becomes the address behind it (in tmp). False: refused. */
static bool find_returned(struct smtp_session *s, struct sv *address, struct buf *tmp)
{
    ssize_t at = sv_rfind(*address, '@');
    struct sv local = at < 0 ? *address : sv_take(*address, (size_t)at);
    if (!s->cf->smtp.srs || at < 0 || !srs_is(local))
        return true;
    int r = account_domain_is_local(s->srv->accounts, sv_skip(*address, (size_t)at + 1));
    if (r == 0)
        return true;
    if (r > 0)
        r = account_srs_reverse(s->srv->accounts, local, s->cf->smtp.srs_max_age, tmp, NULL);
    if (r == 0)
        *address = buf_sv(tmp);
    else if (r == E_TEMP)
        smtp_reply_lit(s, "451 4.3.0 Temporary failure, try again later");
    else if (s->cf->smtp.srs_verify)
        smtp_reply_lit(s, "550 5.7.1 Access to recipient not allowed [SPF-SRS]");
    return r == 0 || (r != E_TEMP && !s->cf->smtp.srs_verify);
}

/* Senders that the recipient's domain or the server keeps out. Who has logged in is known here. */
static bool is_sender_let_in(struct smtp_session *s, struct sv address)
{
    struct accounts *accounts = s->srv->accounts;
    enum sender_verdict verdict = SENDER_UNKNOWN;
    int64_t domain = 0;
    ssize_t at = sv_rfind(address, '@');
    if (s->account)
        return true;
    int r = at < 0 ? 0 : account_domain_id(accounts, sv_skip(address, (size_t)at + 1), &domain);
    if (r == 0)
        r = account_sender_verdict(accounts, domain, sv_c(s->tx->m->sender), &verdict);
    if (r < 0)
        smtp_reply_lit(s, "451 4.3.0 Temporary failure, try again later");
    else if (verdict == SENDER_DENY)
        smtp_reply_lit(s, "554 5.7.1 Message cannot be accepted, rules rejection");
    return r == 0 && verdict != SENDER_DENY;
}

/* Whoever we have called and turned brings what we have asked for, and nothing else. */
static bool is_asked_for(const struct smtp_session *s, struct sv address)
{
    ssize_t at = sv_rfind(address, '@');
    struct sv rest = s->turned ? sv_c(s->turned->domains) : SV("");
    if (!rest.n || at < 0)
        return true;
    char domain[ADDR_DOMAIN_MAX + 1];
    size_t n = 0;
    if (addr_parse_domain(sv_skip(address, (size_t)at + 1), domain, &n, NULL) < 0)
        return false;
    while (rest.p && rest.n)
        if (sv_eq(sv_split(&rest, ';'), sv_n(domain, n)))
            return true;
    return false;
}

static bool take_rcpt(struct smtp_session *s, const struct smtp_rcpt_args *a, bool *ret_remote)
{
    _cleanup_(buf_done) struct buf returned = { 0 };
    struct sv address = a->to.address;
    struct resolved res;
    if (s->tx->n_rcpts >= (unsigned)s->cf->smtp.max_recipients) {
        smtp_reply_lit(s, "452 4.5.3 Too many recipients");
        return false;
    }
    if (a->to.utf8 && !s->tx->m->smtputf8) {
        smtp_reply_lit(s, "553 5.6.7 Address needs SMTPUTF8");
        return false;
    }
    if (!smtp_sent_room(s, s->tx->n_rcpts + 1))
        return false;
    if (!is_asked_for(s, address)) {
        smtp_reply_lit(s, "550 5.7.1 We do not relay");
        return false;
    }
    buf_init(&returned, 1 * KiB);
    if (!find_returned(s, &address, &returned))
        return false;
    *ret_remote = sms_is_address(s->cf, address);
    if (*ret_remote)
        return take_sms(s, a, address);
    int r = account_resolve(s->srv->accounts, address, &res, NULL);
    if (r < 0) {
        if (r == E_PARSE)
            smtp_reply_arg(s, SMTP_ARG_SYNTAX);
        else
            smtp_reply_lit(s, "451 4.3.0 Temporary failure, try again later");
        return false;
    }
    bool ok = s->tx->m->n_rcpts + res.n + res.n_forward < MAX_TARGETS;
    if (ok)
        ok = is_sender_let_in(s, address) && smtp_filter_rcpt(s, a->to.address) &&
             take_targets(s, a, address, &res);
    else
        smtp_reply_lit(s, "452 4.5.3 Too many recipients");
    *ret_remote = res.kind == RESOLVE_REMOTE;
    resolved_done(&res);
    return ok;
}

static void remove_targets(struct smtp_tx *tx, size_t from, size_t to)
{
    if (from == to)
        return;
    if (tx->seen)
        map_free(take_ptr(tx->seen), NULL); /* made again when it is needed */
    message_remove_rcpts(tx->m, from, to);
}

/* Nobody is asked whether he may have it. */
static void add_unasked(struct smtp_session *s, struct sv address, const struct smtp_rcpt_args *a,
                        bool remote)
{
    struct resolved to;
    if (account_resolve(s->srv->accounts, address, &to, NULL) < 0)
        return;
    if (s->tx->m->n_rcpts + to.n + to.n_forward < MAX_TARGETS) {
        if (to.kind == RESOLVE_REMOTE && remote)
            add_remote(s, address, &to, a);
        for (size_t i = 0; i < to.n; i++)
            add_target(s->tx, sv_c(to.accounts[i]->address), RCPT_LOCAL, to.accounts[i]->id, a);
        for (size_t i = 0; i < to.n_forward && remote; i++)
            add_target(s->tx, sv_c(to.forward[i]), RCPT_REMOTE, 0, a);
    }
    resolved_done(&to);
}

void smtp_add_rcpt(struct smtp_session *s, struct sv address)
{
    add_unasked(s, address, &(struct smtp_rcpt_args){ .to.address = address }, true);
}

void smtp_delete_rcpt(struct smtp_session *s, struct sv address)
{
    struct message *m = s->tx->m;
    for (size_t i = m->n_rcpts; i-- > 0;)
        if (sv_ieq(sv_c(m->rcpts[i].original), address) ||
            sv_ieq(sv_c(m->rcpts[i].address), address))
            remove_targets(s->tx, i, i + 1);
}

void smtp_forward_rcpt(struct smtp_session *s, struct sv address, struct sv instead)
{
    add_unasked(s, address, &(struct smtp_rcpt_args){ .to.address = instead }, true);
}

void smtp_drop_rcpts(struct smtp_session *s, const bool *gone, size_t n)
{
    for (size_t i = MIN(n, s->tx->m->n_rcpts); i-- > 0;) {
        size_t to = i + 1;
        while (gone[i] && i > 0 && gone[i - 1]) /* a run at once */
            i--;
        if (gone[i])
            remove_targets(s->tx, i, to);
    }
}

void smtp_drop_all_rcpts(struct smtp_session *s)
{
    size_t n = s->tx->m->n_rcpts;
    bool *gone = xmalloc(n + 1);
    memset(gone, true, n);
    smtp_drop_rcpts(s, gone, n);
    free(gone);
}

/* Copies of what the account sends. Nobody is told what becomes of them. */
void smtp_copy_outgoing(struct smtp_session *s)
{
    struct sv rest = s->account ? sv_c(account_recipients(s->account, OPT_COPY_OUTGOING)) : SV_NULL;
    const struct smtp_rcpt_args to_account = {
        .to.address = rest.n ? sv_c(s->account->address) : SV_NULL,
        .notify = SMTP_NOTIFY_NEVER,
    };
    while (rest.n) {
        struct sv address = sv_split(&rest, ';');
        if (sms_is_address(s->cf, address) && !s->cf->sms.forward)
            continue;
        add_unasked(s, address, &to_account, !s->account->local_only);
    }
}

void smtp_cmd_rcpt(struct smtp_session *s, struct sv args)
{
    struct smtp_rcpt_args a;
    bool remote;
    enum smtp_arg bad = smtp_parse_rcpt(args, &a);
    if (bad != SMTP_ARG_OK) {
        smtp_reply_arg(s, bad);
        return;
    }
    s->subject = a.to.address;
    size_t before = s->tx->m->n_rcpts;
    unsigned sms = s->tx->n_sms;
    if (!take_rcpt(s, &a, &remote) || !smtp_milter_rcpt(s, args, a.to.address)) {
        remove_targets(s->tx, before, s->tx->m->n_rcpts);
        s->tx->n_sms = sms;
        return;
    }
    if (s->tx->n_rcpts++ == 0)
        s->tx->first_rcpt = sv_dup(a.to.address);
    event(smtp_rcpt_accepted, &s->log, F_ADDR(rcpt, a.to.address));
    smtp_set_state(s, ST_RCPT);
    smtp_reply_parts(s, SV("250 2.1.5 <"), a.to.address,
                     remote ? SV(">... Recipient ok; will forward") : SV(">... Recipient ok"));
}
