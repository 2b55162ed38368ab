/* Notices to senders: which are due, and putting them into the queue. Runs on delivery threads,
 * just before the result is recorded. */
#include "base/clock.h"
#include "mail/deliver/send.h"

static void add_targets(struct message *dsn, const struct resolved *to)
{
    for (size_t i = 0; i < to->n; i++) {
        struct rcpt *r = message_add_rcpt(dsn, sv_c(to->accounts[i]->address), RCPT_LOCAL);
        r->account_id = to->accounts[i]->id;
        r->notify = NOTIFY_NEVER;
    }
    for (size_t i = 0; i < to->n_forward; i++)
        message_add_rcpt(dsn, sv_c(to->forward[i]), RCPT_REMOTE)->notify = NOTIFY_NEVER;
}

/* dsn_make addressed it to the sender; a local sender becomes an account. False: nobody to tell. */
static int address(struct deliver *d, struct message *dsn, struct errinfo *ei)
{
    struct resolved to = { 0 };
    char *sender = xstrdup(dsn->rcpts[0].address);
    int r = account_resolve(d->accounts, sv_c(sender), &to, ei);
    if (r >= 0 && (to.kind == RESOLVE_LOCAL || to.kind == RESOLVE_FORWARD)) {
        dsn->rcpts[0].state = RCPT_DELIVERED; /* replaced by what it stands for */
        dsn->rcpts[0].kind = RCPT_DISCARD;
        add_targets(dsn, &to);
    } else if (r >= 0 && to.kind != RESOLVE_REMOTE) {
        r = err_set(ei, E_NOTFOUND, "the sender %s does not exist here", sender);
    }
    resolved_done(&to);
    free(sender);
    return r;
}

/* The same recipients are told of once. */
static int accept(struct deliver *d, struct message *m, struct message *dsn, const char *kind,
                  struct errinfo *ei)
{
    message_assign_ids(dsn);
    send_name(dsn, m, 0, kind);
    for (size_t i = 0; i < m->n_rcpts; i++)
        if (dsn_wants(&m->rcpts[i], kind))
            send_depends_on(dsn, sv_c(m->rcpts[i].address));
    return send_accept(d, m, dsn, ei);
}

/* Both sides: the notice belongs to the message, and the other way round. */
static void tell_queued(const struct message *m, const struct message *dsn, const char *kind)
{
    struct logctx c = deliver_ctx(m);
    event(notice_queued, &c, F_ADDR(sender, m->sender), F_STR(kind, kind), F_ID(child, dsn->id),
          F_KEY(child_key, dsn->key));
}

static void tell_accepted(const struct message *m, const struct message *dsn, const char *kind)
{
    struct logctx c = deliver_ctx(dsn);
    event(notice_accepted, &c, F_ID(parent, m->id), F_STR(kind, kind), F_ADDR(sender, dsn->sender),
          F_ADDR(rcpt, m->sender), F_BYTES(bytes, dsn->size));
}

/* 0: told, or nobody to tell; else it has to be tried again. */
static int send_dsn(struct deliver *d, struct message *m, const char *kind)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    char host[256];
    struct errinfo ei = { 0 };
    deliver_hostname(cf, host);
    struct dsn_opts o = {
        .kind = kind,
        .hostname = host,
        .from = cf->deliver.bounce_from,
        .max_content = (uint64_t)cf->deliver.bounce_max_content,
        .retry_until_ms = m->received_ms + queue_lifetime(cf, m, NULL),
    };
    _cleanup_(message_unrefp) struct message *dsn = dsn_make(m, &o, &ei);
    if (!dsn)
        return ei.code == E_NOTFOUND ? 0 : ei.code;
    int r = address(d, dsn, &ei);
    if (r == E_NOTFOUND || r == E_PARSE) {
        struct logctx c = deliver_ctx(m);
        event(notice_none, &c, F_ADDR(sender, m->sender), F_STR(reason, ei.text));
        return 0;
    }
    if (r >= 0)
        r = accept(d, m, dsn, kind, &ei);
    if (r == E_EXISTS)
        return 0;
    if (r < 0)
        log_error("Notice about message %s: %s", m->id, ei.text);
    if (r < 0)
        return r;
    tell_accepted(m, dsn, kind);
    tell_queued(m, dsn, kind);
    return 0;
}

static bool any(const struct message *m, const char *kind)
{
    for (size_t i = 0; i < m->n_rcpts; i++)
        if (dsn_wants(&m->rcpts[i], kind))
            return true;
    return false;
}

static void tell_failures(const struct message *m)
{
    struct logctx c = deliver_ctx(m);
    for (size_t i = 0; i < m->n_rcpts; i++)
        if (m->rcpts[i].state == RCPT_FAILED && !m->rcpts[i].told)
            event(delivery_failed, &c, F_ADDR(rcpt, m->rcpts[i].address),
                  F_ADDR(original, *m->rcpts[i].original ? m->rcpts[i].original : NULL),
                  F_STR(reply, m->rcpts[i].answer),
                  F_STR(host, *m->rcpts[i].remote_mta ? m->rcpts[i].remote_mta : NULL));
}

/* Never a notice about a notice, whatever its NOTIFY says. */
static void tell_dropped(const struct message *m)
{
    struct logctx c = deliver_ctx(m);
    bool failed = false;
    for (size_t i = 0; i < m->n_rcpts; i++)
        failed |= m->rcpts[i].state == RCPT_FAILED && !m->rcpts[i].told;
    if (failed)
        event(notice_dropped, &c, F_ADDR(sender, m->sender));
}

static void notify(struct deliver *d, struct message *m, const char *kind)
{
    if (m->bounce || !*m->sender) {
        if (strcmp(kind, "failed") == 0)
            tell_dropped(m);
        return;
    }
    if (!any(m, kind))
        return;
    if (send_dsn(d, m, kind) >= 0 || strcmp(kind, "failed") != 0)
        return; /* a lost notice of success is not worth a second delivery */
    for (size_t i = 0; i < m->n_rcpts; i++)
        if (dsn_wants(&m->rcpts[i], kind))
            m->rcpts[i].state = RCPT_WAITING;
}

static void notify_delay(struct deliver *d, struct message *m)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    int64_t after = cf->queue.delay_warning;
    if (m->delay_told || !after || clock_wall_ms() - m->received_ms < after ||
        (!message_waiting(m, RCPT_LOCAL) && !message_waiting(m, RCPT_REMOTE)))
        return;
    m->delay_told = true;
    if (any(m, "delayed") && !m->bounce && *m->sender)
        (void)send_dsn(d, m, "delayed");
}

void bounce_notify(struct deliver *d, struct message *m)
{
    tell_failures(m);
    notify(d, m, "failed");
    notify(d, m, "delivered");
    notify(d, m, "relayed");
    notify_delay(d, m);
    for (size_t i = 0; i < m->n_rcpts; i++)
        m->rcpts[i].told = m->rcpts[i].state != RCPT_WAITING;
}
