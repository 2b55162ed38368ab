/* Forwarding by accounts.
 *
 * A forwarded message carries Delivered-To with the account's address: with it a message that comes
 * back is known, whatever way it took. It is not sent again then; an account that keeps no copy
 * refuses it, and the sender is told. */
#include "mail/deliver/forward.h"

#include "base/clock.h"
#include "proto/mime.h"

bool forward_wanted(const struct account *acc)
{
    return acc->option[OPT_FORWARD_TO] || acc->option[OPT_COPY_INCOMING] ||
           account_is(acc, OPT_NULL_MAILBOX);
}

static void not_sent(const struct message *m, const struct rcpt *r, const char *what,
                     const char *reason)
{
    struct logctx c = deliver_ctx(m);
    event(account_not_sent, &c, F_ADDR(rcpt, r->address), F_STR(what, what), F_STR(reason, reason));
}

/* One of forward_to or copy_incoming. Returns how many addresses can be sent to; < 0: E_TEMP. */
static int add_list(struct deliver *d, struct message *to, const struct message *m,
                    const struct rcpt *r, const struct account *acc, enum account_option list,
                    unsigned notify, struct errinfo *ei)
{
    struct sv rest = sv_c(account_recipients(acc, list));
    size_t before = to->n_rcpts;
    int n = 0;
    while (rest.n) {
        char what[400];
        struct sv target = sv_split(&rest, ';');
        size_t at = to->n_rcpts;
        const char *why = NULL;
        int e = send_add_target(d, to, target, acc->address, acc->id, ei);
        if (e < 0 && e != E_NOTFOUND)
            return e;
        if (e == E_NOTFOUND)
            why = ei->text;
        for (size_t i = at; acc->local_only && i < to->n_rcpts; i++)
            if (to->rcpts[i].kind == RCPT_REMOTE) {
                to->rcpts[i].kind = RCPT_DISCARD; /* the queue settles it at once */
                why = "the account may send to local domains only";
            }
        n += !why;
        snprintf(what, sizeof(what), "%s " SV_FMT, account_options[list].name, SV_ARG(target));
        if (why)
            not_sent(m, r, what, why);
    }
    for (size_t i = before; i < to->n_rcpts; i++)
        to->rcpts[i].notify = notify;
    return n;
}

static const char loop[] = "the message came back from an earlier forwarding";
static const char hops[] = "too many hops";

static void refuse(struct forward_plan *p, const struct account *acc, const char *why)
{
    const char *form = !why ? "550 5.1.1 User %s has invalid forward set and no mailbox; rejecting"
                       : why == hops ? "554 5.4.6 Too many hops"
                                     : "554 5.4.6 Mail forwarding loop for %s";
    snprintf(p->refusal, sizeof(p->refusal), form, acc->address);
    message_unref(take_ptr(p->m));
}

int forward_plan(struct deliver *d, const struct message *m, const struct rcpt *r,
                 const struct account *acc, struct forward_plan *ret, struct errinfo *ei)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    bool null = account_is(acc, OPT_NULL_MAILBOX), forwards = acc->option[OPT_FORWARD_TO] != NULL;
    unsigned failure = r->notify & ~(unsigned)NOTIFY_SUCCESS; /* success is told for the account */
    const char *why = NULL;
    int n = 0;
    *ret = (struct forward_plan){ .store = !null && (!forwards || account_is(acc, OPT_KEEP_COPY)) };
    int e = content_view_open(m, &ret->content, ei);
    if (e < 0)
        return e;
    if (send_came_back(ret->content.bytes, acc->address))
        why = loop;
    else if (m->hops + 1 > (unsigned)cf->smtp.max_hops)
        why = hops;
    if (why) {
        not_sent(m, r, "forwarding", why);
    } else {
        ret->m = send_begin(m, acc->id, "forward");
        n = add_list(d, ret->m, m, r, acc, OPT_FORWARD_TO,
                     r->notify == NOTIFY_SUCCESS ? NOTIFY_NEVER : failure, ei);
        e = n < 0 ? n : add_list(d, ret->m, m, r, acc, OPT_COPY_INCOMING, NOTIFY_NEVER, ei);
        if (e < 0)
            return e;
    }
    if (!ret->store && !n && (null || why))
        refuse(ret, acc, why);
    else if (!n)
        ret->store |= !null; /* better here than nowhere */
    return 0;
}

int forward_fill(struct deliver *d, const struct conf *cf, const struct account *acc,
                 struct message *m, struct sv content, struct errinfo *ei)
{
    _cleanup_(buf_done) struct buf head = { 0 };
    struct sv rest = mime_without_return_path(content);
    char host[256], date[40];
    deliver_hostname(cf, host);
    clock_rfc5322(m->received_ms / 1000, date);
    buf_init(&head, rest.n + 8 * KiB);
    int r = buf_addf(&head,
                     "Return-Path: <%s>\r\nReceived: by %s (forwarded by an account)\r\n\tid %s;"
                     "\r\n\t%s\r\nDelivered-To: %s\r\n",
                     m->sender, host, m->id, date, acc->address);
    return r < 0 ? r : send_fill(d, cf, m, &head, rest, ei);
}

static void tell_sent(const struct message *m, const struct rcpt *r, const struct message *to)
{
    struct logctx c = deliver_ctx(m);
    for (size_t i = 0; i < to->n_rcpts; i++) {
        char what[400];
        if (to->rcpts[i].kind == RCPT_DISCARD)
            continue;
        snprintf(what, sizeof(what), "forwarded to %s", to->rcpts[i].address);
        event(account_sent, &c, F_ADDR(rcpt, r->address), F_STR(what, what), F_ID(child, to->id),
              F_KEY(child_key, to->key));
    }
}

int forward_send(struct deliver *d, struct message *m, const struct rcpt *r,
                 const struct account *acc, struct forward_plan *p, struct errinfo *ei)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    if (!p->m || !p->m->n_rcpts)
        return 0;
    message_set(&p->m->sender, sv_c(m->sender));
    message_set(&p->m->envid, sv_c(m->envid));
    p->m->ret = m->ret;
    p->m->hops = m->hops + 1;
    p->m->body_8bit = m->body_8bit;
    p->m->smtputf8 = m->smtputf8;
    p->m->requiretls = m->requiretls;
    p->m->tls_optional = m->tls_optional;
    int e = forward_fill(d, cf, acc, p->m, p->content.bytes, ei);
    if (e >= 0)
        e = send_accept(d, m, p->m, ei);
    if (e < 0)
        return e == E_EXISTS ? 0 : e == E_NOTFOUND ? E_TEMP : e;
    tell_sent(m, r, p->m);
    return 0;
}

void forward_done(struct forward_plan *p)
{
    content_view_close(&p->content);
    message_unref(take_ptr(p->m));
}
