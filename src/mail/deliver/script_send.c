/* What a script sends: redirects, notifications, replies. Each becomes a message of its own in the
 * queue, which has it durably before the delivery is recorded. */
#include "base/clock.h"
#include "mail/deliver/script_priv.h"

static bool owns(void *arg, struct sv address)
{
    struct script_run *x = arg;
    return account_owns_address(x->d->accounts, x->acc, address) > 0;
}

static struct sieve_facts facts_for(struct script_run *x, const struct message *m)
{
    return (struct sieve_facts){ .host = sv_c(x->host),
                                 .account = sv_c(x->acc->address),
                                 .name = sv_c(x->acc->name),
                                 .id = sv_c(m->id),
                                 .key = m->key,
                                 .now_s = clock_wall_s(),
                                 .owns = owns,
                                 .arg = x };
}

void script_not_sent(struct script_run *x, const struct sieve_action *a, const char *what,
                     const char *reason)
{
    if (!script_asks(x, a)) {
        event(account_not_sent, &x->log, F_ADDR(rcpt, x->r->address), F_STR(what, what),
              F_STR(reason, reason));
        return;
    }
    event(sieve_not_sent, &x->log, F_ADDR(rcpt, x->r->address), F_STR(what, what),
          F_STR(script, script_name(x, a->script)), F_INT(line, a->line), F_STR(reason, reason));
}

static void tell_sent(struct script_run *x, const struct sieve_action *a, const char *what,
                      const struct message *m)
{
    if (!script_asks(x, a)) {
        event(account_sent, &x->log, F_ADDR(rcpt, x->r->address), F_STR(what, what),
              F_ID(child, m->id), F_KEY(child_key, m->key));
        return;
    }
    event(sieve_sent, &x->log, F_ADDR(rcpt, x->r->address), F_STR(what, what), F_ID(child, m->id),
          F_KEY(child_key, m->key), F_STR(script, script_name(x, a->script)), F_INT(line, a->line));
}

static int add_target(struct script_run *x, struct message *m, struct sv target, struct errinfo *ei)
{
    return send_add_target(x->d, m, target, x->acc->address, 0, ei);
}

/* --- redirect --- */

/* NULL: it may be sent. */
static const char *redirect_refusal(struct script_run *x, const struct sieve_action *a,
                                    struct errinfo *ei, int *ret)
{
    _cleanup_(message_unrefp) struct message *probe = message_new();
    *ret = 0;
    if (sieve_redirect_loops(&x->res, sv_c(x->acc->address)))
        return "the message came back from an earlier redirect";
    if (x->m->hops + 1 > (unsigned)x->cf->smtp.max_hops)
        return "too many hops";
    int r = add_target(x, probe, a->target, ei);
    if (r == E_NOTFOUND)
        return ei->text;
    if (r >= 0 && x->acc->local_only && send_has_remote(probe))
        return "the account may send to local domains only";
    *ret = r;
    return NULL;
}

int script_plan(struct script_run *x, struct errinfo *ei)
{
    for (size_t i = 0; i < x->res.n; i++) {
        const struct sieve_action *a = &x->res.v[i];
        int r;
        if (a->kind != SIEVE_DO_REDIRECT)
            continue;
        const char *why = redirect_refusal(x, a, ei, &r);
        if (r < 0)
            return r;
        x->dropped[i] = why != NULL;
        if (why)
            script_not_sent(x, a, "redirect", why);
    }
    return 0;
}

static int fill(struct script_run *x, struct message *m, const struct sieve_action *a,
                struct errinfo *ei)
{
    _cleanup_(buf_done) struct buf head = { 0 };
    struct sieve_facts f = facts_for(x, m);
    struct sv header, body;
    sieve_content(&x->e, &x->res, a, &header, &body);
    buf_init(&head, header.n + body.n + 8 * KiB);
    int r = sieve_redirect_header(&x->e, &x->res, a, &f, &head);
    return r < 0 ? r : send_fill(x->d, x->cf, m, &head, body, ei);
}

/* All redirects of one form of the message in one message: it is queued for all or for none. */
static int redirect(struct script_run *x, size_t first, struct errinfo *ei)
{
    const struct sieve_action *a = &x->res.v[first];
    _cleanup_(message_unrefp) struct message *m = send_begin(x->m, x->acc->id, "redirect");
    int r = 0;
    message_set(&m->sender, x->e.sender);
    m->hops = x->m->hops + 1;
    m->body_8bit = x->m->body_8bit;
    m->smtputf8 = x->m->smtputf8;
    m->requiretls = x->m->requiretls;
    m->tls_optional = x->m->tls_optional;
    for (size_t i = first; i < x->res.n && r >= 0; i++) {
        const struct sieve_action *b = &x->res.v[i];
        if (b->kind == SIEVE_DO_REDIRECT && !x->dropped[i] && b->header.p == a->header.p)
            r = add_target(x, m, b->target, ei);
    }
    for (size_t i = 0; i < m->n_rcpts; i++) /* the sender's wish; success is told for the mailbox */
        m->rcpts[i].notify = x->r->notify == NOTIFY_SUCCESS
                                 ? NOTIFY_NEVER
                                 : x->r->notify & ~(unsigned)NOTIFY_SUCCESS;
    send_depends_on(m, a->header);
    if (r >= 0)
        r = fill(x, m, a, ei);
    if (r >= 0)
        r = send_accept(x->d, x->m, m, ei);
    if (r < 0 && r != E_EXISTS)
        return r == E_NOTFOUND ? E_TEMP : r;
    bool known = r == E_EXISTS;
    for (size_t i = first; i < x->res.n; i++) {
        const struct sieve_action *b = &x->res.v[i];
        if (b->kind != SIEVE_DO_REDIRECT || x->dropped[i] || b->header.p != a->header.p)
            continue;
        x->dropped[i] = true;
        if (known)
            continue;
        char what[360];
        sv_copy(what, sizeof(what), SV("redirect to "));
        sv_copy(what + 12, sizeof(what) - 12, b->target);
        tell_sent(x, b, what, m);
    }
    return 0;
}

/* --- replies and notifications --- */

/* A message of a program: nobody is told when it cannot be delivered. */
static int send_own(struct script_run *x, struct message *m, struct buf *content,
                    const struct sieve_action *a, const char *what, struct errinfo *ei)
{
    for (size_t i = 0; i < m->n_rcpts; i++)
        m->rcpts[i].notify = NOTIFY_NEVER;
    m->bounce = true;
    m->body_8bit = true;
    message_take_content(m, content);
    int r = send_accept(x->d, x->m, m, ei);
    if (r >= 0)
        tell_sent(x, a, what, m);
    return r == E_EXISTS ? 0 : r;
}

int script_vacation(struct script_run *x, const struct sieve_action *a, struct errinfo *ei)
{
    _cleanup_(message_unrefp) struct message *m = send_begin(x->m, x->acc->id, "reply");
    _cleanup_(buf_done) struct buf b = { 0 }, id = { 0 };
    struct sieve_facts f = facts_for(x, m);
    const char *why = sieve_vacation_refusal(&x->e, &x->res, a, &f);
    int64_t period_ms = a->seconds < 0 ? x->cf->sieve.vacation_period : a->seconds * 1000;
    buf_init(&b, a->text.n * 2 + 128 * KiB);
    buf_init(&id, a->text.n + 64 * KiB);
    int r = why ? 0 : add_target(x, m, x->e.sender, ei);
    if (r == E_NOTFOUND)
        why = ei->text;
    if (!why && r >= 0)
        r = sieve_vacation_reply(&x->e, &x->res, a, &f, &b);
    sieve_vacation_id(&x->e, a, &id);
    send_depends_on(m, buf_sv(&id));
    if (!why && r >= 0 && period_ms > 0) /* before it is sent: none to other messages */
        r = account_script_remember(x->d->accounts, x->acc->id, 'v', buf_sv(&id), x->m->key,
                                    clock_wall_ms() + period_ms, true, ei);
    if (!why && r == E_EXISTS)
        why = "the sender has had this reply not long ago";
    if (why) {
        script_not_sent(x, a, script_asks(x, a) ? "vacation" : "automatic reply", why);
        return 0;
    }
    return r < 0 ? r
                 : send_own(x, m, &b, a, script_asks(x, a) ? "vacation reply" : "automatic reply",
                            ei);
}

static int notify(struct script_run *x, const struct sieve_action *a, struct errinfo *ei)
{
    _cleanup_(message_unrefp) struct message *m = send_begin(x->m, x->acc->id, "notification");
    _cleanup_(buf_done) struct buf b = { 0 };
    _cleanup_(mailto_done) struct mailto to;
    struct sieve_facts f = facts_for(x, m);
    const char *why = NULL;
    int r = 0;
    buf_init(&b, 256 * KiB);
    if (!mailto_parse(a->target, &to))
        why = "the method is no mailto: address";
    else if (sieve_is_automatic(&x->res)) /* RFC 5436 2.7.1 */
        why = "the message was sent by a program (Auto-Submitted)";
    for (size_t i = 0; !why && i < to.n && r >= 0; i++)
        r = add_target(x, m, sv_c(to.rcpt[i]), ei);
    if (r == E_NOTFOUND)
        why = ei->text;
    else if (!why && x->acc->local_only && send_has_remote(m))
        why = "the account may send to local domains only";
    send_depends_on(m, a->text);
    if (!why && r >= 0)
        r = sieve_notice(&x->e, &x->res, a, &f, &to, &b);
    if (why) {
        script_not_sent(x, a, "notification", why);
        return 0;
    }
    return r < 0 ? r : send_own(x, m, &b, a, "notification", ei);
}

/* The account's own forwarding and redirects first. When one of them cannot be queued, all is tried
 * again later, and the queue knows those that it has. A reply that cannot be queued is left out. */
int script_send(struct script_run *x, struct errinfo *ei)
{
    if (x->forward) {
        int r = forward_send(x->d, x->m, x->r, x->acc, x->forward, ei);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < x->res.n; i++) {
        const struct sieve_action *a = &x->res.v[i];
        if (a->kind != SIEVE_DO_REDIRECT || x->dropped[i])
            continue;
        int r = redirect(x, i, ei);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < x->res.n; i++) {
        const struct sieve_action *a = &x->res.v[i];
        if (a->kind == SIEVE_DO_NOTIFY && notify(x, a, ei) < 0)
            script_not_sent(x, a, "notification", ei->text);
        if (a->kind == SIEVE_DO_VACATION && script_vacation(x, a, ei) < 0)
            script_not_sent(x, a, "vacation", ei->text);
    }
    return 0;
}
