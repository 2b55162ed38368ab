/* From events to what became of a message. */
#include "admin/trace.h"

#include "mail/account/address.h"

const char *const trace_statuses[TRACE_STATUS_COUNT] = {
    [TRACE_ACCEPTED] = "accepted",     [TRACE_WAITING] = "waiting", [TRACE_DELIVERED] = "delivered",
    [TRACE_MIXED] = "mixed",           [TRACE_BOUNCED] = "bounced", [TRACE_REFUSED] = "refused",
    [TRACE_INCOMPLETE] = "incomplete", [TRACE_TIMEOUT] = "timeout", [TRACE_LOST] = "lost",
    [TRACE_DELETED] = "deleted",
};
const char *const trace_fates[FATE_COUNT] = {
    [FATE_NONE] = "",           [FATE_ACCEPTED] = "accepted",   [FATE_REFUSED] = "refused",
    [FATE_WAITING] = "waiting", [FATE_DELIVERED] = "delivered", [FATE_BOUNCED] = "bounced",
    [FATE_DELETED] = "deleted",
};

/* What is needed only while the events are gone through. */
struct making {
    struct trace *t;
    size_t cap;
    const struct event_view *accepted, *ended, *refused, *waiting, *last, *gone;
};

static struct trace_rcpt *recipient(struct making *m, struct sv address)
{
    struct trace *t = m->t;

    for (size_t i = 0; i < t->n; i++)
        if (sv_ieq(t->rcpts[i].address, address) || sv_ieq(t->rcpts[i].original, address))
            return &t->rcpts[i];
    if (t->n == TRACE_RCPTS_MAX || !address.n)
        return NULL;
    if (t->n == m->cap) {
        m->cap = m->cap ? 2 * m->cap : 4;
        t->rcpts = xrealloc(t->rcpts, m->cap * sizeof(*t->rcpts));
    }
    t->rcpts[t->n] = (struct trace_rcpt){ .address = address };
    return &t->rcpts[t->n++];
}

static void set_fate(struct making *m, const struct record *r, enum trace_fate fate)
{
    struct sv address = record_text(r, FIELD_rcpt), original = record_text(r, FIELD_original);
    /* What RCPT named and what it stands for are one recipient, until there are several. */
    struct trace_rcpt *to = original.n ? recipient(m, original) : NULL;

    if (!to || (to->fate > FATE_ACCEPTED && !sv_ieq(to->address, address)))
        to = recipient(m, address);
    if (!to || (to->fate == FATE_BOUNCED && fate == FATE_WAITING))
        return;
    if (original.n) {
        to->original = original;
        to->address = address;
    }
    /* Giving up is not an attempt of its own. */
    if (fate == FATE_WAITING || fate == FATE_DELIVERED)
        to->attempts = MAX(to->attempts + 1, (unsigned)record_number(r, FIELD_attempts));
    to->fate = fate;
    to->reply = record_text(r, FIELD_reply);
    to->host = record_text(r, FIELD_host);
    to->at_us = r->head.time_us;
}

/* Deleted as a whole: those who had not got it, nor were told, do not get it any more. */
static void delete_rest(struct making *m, const struct record *r)
{
    for (size_t i = 0; i < m->t->n; i++) {
        struct trace_rcpt *to = &m->t->rcpts[i];

        if (to->fate != FATE_ACCEPTED && to->fate != FATE_WAITING)
            continue;
        to->fate = FATE_DELETED;
        to->at_us = r->head.time_us;
    }
}

/* What each event may know about the whole. */
static void take_facts(struct making *m, const struct event_view *e)
{
    const struct record *r = &e->record;
    struct trace *t = m->t;
    struct sv sender = record_text(r, FIELD_sender), id = record_text(r, FIELD_msgid);

    if (sender.p && !t->sender.p)
        t->sender = sender;
    if (id.n)
        t->id = id;
    if (e->record.head.service == 1 + SVC_SMTP_CLIENT || !r->head.message)
        return;
    if (!t->session)
        t->session = r->head.session;
    if (!t->peer.n)
        t->peer = record_text(r, FIELD_peer);
    if (!t->account.n)
        t->account = record_text(r, FIELD_account);
}

static void take(struct making *m, const struct event_view *e)
{
    const struct record *r = &e->record;

    take_facts(m, e);
    switch ((enum event_type)r->head.type) { /* the others change nothing */
    case EVT_smtp_rcpt_accepted:
        set_fate(m, r, FATE_ACCEPTED);
        break;
    case EVT_smtp_rcpt_refused:
        set_fate(m, r, FATE_REFUSED);
        m->refused = e;
        break;
    case EVT_smtp_message_refused:
    case EVT_smtp_mail_refused:
        m->refused = e;
        break;
    case EVT_smtp_message_accepted:
    case EVT_notice_accepted:
        m->accepted = e;
        break;
    case EVT_smtp_message_incomplete:
    case EVT_smtp_message_timeout:
        m->ended = e;
        break;
    case EVT_delivery_local:
        set_fate(m, r, FATE_DELIVERED);
        m->last = e;
        break;
    case EVT_delivery_remote:
        m->t->leaves = true;
        set_fate(m, r, FATE_DELIVERED);
        m->last = e;
        break;
    case EVT_delivery_local_failed:
        set_fate(m, r, FATE_WAITING);
        m->last = e;
        break;
    case EVT_delivery_deferred:
    case EVT_queue_behind:
        m->t->leaves = true;
        set_fate(m, r, FATE_WAITING);
        m->last = e;
        break;
    case EVT_delivery_failed:
        set_fate(m, r, FATE_BOUNCED);
        m->last = e;
        break;
    case EVT_delivery_transaction:
        m->t->leaves = true;
        break;
    case EVT_queue_waiting:
        m->waiting = e;
        break;
    case EVT_queue_deleted:
        if (record_text(r, FIELD_rcpt).n) { /* for this recipient only */
            set_fate(m, r, FATE_DELETED);
            m->last = e;
            break;
        }
        delete_rest(m, r);
        m->gone = e;
        break;
    case EVT_message_lost:
        m->gone = e;
        break;
    default:
        break;
    }
}

size_t trace_count(const struct trace *t, enum trace_fate fate)
{
    size_t n = 0;

    for (size_t i = 0; i < t->n; i++)
        n += t->rcpts[i].fate == fate;
    return n;
}

static enum trace_status status_of_deliveries(const struct trace *t)
{
    size_t delivered = trace_count(t, FATE_DELIVERED);

    if (trace_count(t, FATE_WAITING))
        return TRACE_WAITING;
    if (delivered)
        return trace_count(t, FATE_BOUNCED) || trace_count(t, FATE_DELETED) ? TRACE_MIXED
                                                                            : TRACE_DELIVERED;
    if (trace_count(t, FATE_BOUNCED)) /* nobody has it, and the sender knows */
        return TRACE_BOUNCED;
    return trace_count(t, FATE_DELETED) ? TRACE_DELETED : TRACE_ACCEPTED;
}

/* Deleting is the last that happens to a message, not all that did. */
static enum trace_status status_when_gone(const struct making *m)
{
    const struct trace *t = m->t;

    if (m->gone->record.head.type == EVT_message_lost)
        return TRACE_LOST;
    return trace_count(t, FATE_DELIVERED) || trace_count(t, FATE_BOUNCED) ? status_of_deliveries(t)
                                                                          : TRACE_DELETED;
}

static void decide(struct making *m)
{
    struct trace *t = m->t;

    if (m->gone) {
        t->decisive = m->gone;
        t->status = status_when_gone(m);
    } else if (m->refused && t->n && trace_count(t, FATE_REFUSED) == t->n) {
        t->decisive = m->refused; /* others may have been accepted */
        t->status = TRACE_REFUSED;
    } else if (m->accepted || m->last || m->waiting) { /* the beginning may be too old */
        t->decisive = m->last ? m->last : m->accepted ? m->accepted : m->waiting;
        t->status = status_of_deliveries(t);
        if (!m->accepted && !m->last)
            t->status = TRACE_WAITING;
    } else {
        t->decisive = m->refused ? m->refused : m->ended;
        t->status = m->refused ? TRACE_REFUSED
                    : m->ended && m->ended->record.head.type == EVT_smtp_message_timeout
                        ? TRACE_TIMEOUT
                        : TRACE_INCOMPLETE;
    }
    if (t->status == TRACE_WAITING && m->waiting)
        t->next_try_ms = (int64_t)record_number(&m->waiting->record, FIELD_next_try);
}

/* Events of one recipient. */
static bool is_of_recipient(unsigned type)
{
    return type == EVT_smtp_rcpt_accepted || type == EVT_smtp_rcpt_refused ||
           type == EVT_delivery_local || type == EVT_delivery_remote ||
           type == EVT_delivery_deferred || type == EVT_delivery_local_failed ||
           type == EVT_delivery_failed || type == EVT_notice_accepted || type == EVT_queue_behind ||
           type == EVT_queue_deleted;
}

static bool sees_recipient(const struct trace_scope *s, const struct record *r)
{
    struct sv to = record_text(r, FIELD_rcpt), original = record_text(r, FIELD_original);

    return s->sees(s->arg, to) || (original.n && s->sees(s->arg, original));
}

/* What a recipient's own scripts and fields do with his mail: the sender's admin is not told. */
static bool is_private(unsigned type)
{
    return type == EVT_sieve_filed || type == EVT_sieve_sent || type == EVT_sieve_discarded ||
           type == EVT_sieve_not_sent || type == EVT_sieve_failed || type == EVT_account_sent ||
           type == EVT_account_not_sent;
}

/* Rules of a domain or an account that is somebody else's. */
static bool is_foreign_rule(const struct trace_scope *s, const struct record *r)
{
    char owner[ADDR_MAX + 2];
    struct sv name = record_text(r, FIELD_owner);

    if ((r->head.type != EVT_filter_hit && r->head.type != EVT_filter_failed) ||
        sv_eq(name, SV("server")))
        return false;
    snprintf(owner, sizeof(owner), "%s" SV_FMT, sv_find(name, '@') < 0 ? "@" : "", SV_ARG(name));
    return !s->sees(s->arg, sv_c(owner));
}

bool trace_shows(const struct trace *t, const struct trace_scope *scope, const struct record *r)
{
    if (scope &&
        ((is_private(r->head.type) && !sees_recipient(scope, r)) || is_foreign_rule(scope, r)))
        return false;
    if (t->whole)
        return true;
    if (r->head.message && r->head.message != t->key)
        return false; /* of a notice: goes to somebody else */
    if (r->head.type == EVT_notice_queued || r->head.type == EVT_delivery_transaction)
        return false; /* tells of the notice, or of other recipients' servers */
    if (r->head.type == EVT_queue_deleted && !record_text(r, FIELD_rcpt).n)
        return true; /* as a whole */
    return !is_of_recipient(r->head.type) || sees_recipient(scope, r);
}

bool trace_hides_target(const struct trace_scope *s, struct sv address, struct sv original)
{
    return s && original.n && !s->sees(s->arg, address) && !s->sees(s->arg, original);
}

/* Where somebody else's alias leads is not shown. */
static void hide_targets(struct trace *t, const struct trace_scope *scope)
{
    for (size_t i = 0; i < t->n; i++) {
        struct trace_rcpt *to = &t->rcpts[i];

        if (!trace_hides_target(scope, to->address, to->original))
            continue;
        to->address = to->original;
        to->original = SV_NULL;
    }
}

static bool is_whole(const struct event_timeline *tl, uint64_t key, const struct trace_scope *scope)
{
    for (size_t i = 0; i < tl->n && scope; i++) {
        const struct record *r = &tl->events[i].record;
        struct sv sender = record_text(r, FIELD_sender);

        if (r->head.message == key && sender.p)
            return sender.n && scope->sees(scope->arg, sender);
    }
    return !scope;
}

void trace_make(const struct event_timeline *tl, uint64_t key, const struct trace_scope *scope,
                struct trace *ret)
{
    struct making m = { .t = ret };
    const struct event_view *begin;

    *ret = (struct trace){ .key = key, .whole = is_whole(tl, key, scope) };
    for (size_t i = 0; i < tl->n; i++) {
        const struct record *r = &tl->events[i].record;

        if (r->head.message ? r->head.message == key : ret->whole)
            if (trace_shows(ret, scope, r))
                take(&m, &tl->events[i]);
    }
    decide(&m);
    begin = m.accepted ? m.accepted : m.ended ? m.ended : m.refused;
    ret->begins = begin != NULL;
    begin = begin ? begin : ret->decisive;
    ret->time_us = begin   ? begin->record.head.time_us
                   : tl->n ? tl->events[0].record.head.time_us
                           : 0;
    ret->total = ret->n;
    if (m.accepted) {
        const struct record *r = &m.accepted->record;

        ret->bytes = record_number(r, FIELD_bytes);
        if (ret->whole)
            ret->total = MAX(ret->total, (size_t)record_number(r, FIELD_rcpts));
        ret->parent = record_text(r, FIELD_parent);
        if (r->head.type == EVT_notice_accepted && !ret->n)
            set_fate(&m, r, FATE_ACCEPTED);
        ret->total = MAX(ret->total, ret->n);
    }
    ret->own =
        ret->account.n || (m.accepted && m.accepted->record.head.type == EVT_notice_accepted);
    if (ret->decisive) {
        ret->answer = record_text(&ret->decisive->record, FIELD_reply);
        ret->answer_host = record_text(&ret->decisive->record, FIELD_host);
        if (!ret->answer.n)
            ret->answer = record_text(&ret->decisive->record, FIELD_reason);
    }
    hide_targets(ret, scope);
}

void trace_done(struct trace *t)
{
    free(t->rcpts);
    t->rcpts = NULL;
}

void trace_sentence(const struct trace *t, struct buf *out)
{
    size_t delivered = trace_count(t, FATE_DELIVERED), waiting = trace_count(t, FATE_WAITING),
           bounced = trace_count(t, FATE_BOUNCED), deleted = trace_count(t, FATE_DELETED),
           n = t->n - trace_count(t, FATE_REFUSED);
    const char *s = n == 1 ? "" : "s";

    switch (t->status) {
    case TRACE_DELIVERED:
        buf_addf(out, "delivered to %zu of %zu recipient%s", delivered, n, s);
        break;
    case TRACE_WAITING:
        buf_addf(out, "waiting for the next attempt: %zu of %zu recipient%s; delivered: %zu",
                 waiting, n, s, delivered);
        break;
    case TRACE_MIXED:
    case TRACE_BOUNCED:
        buf_addf(out, "%zu of %zu recipient%s will not get it%s", bounced + deleted, n, s,
                 bounced ? "; the sender was told" : "");
        if (deleted)
            buf_addf(out, "; deleted by an administrator, without a notice: %zu", deleted);
        break;
    case TRACE_ACCEPTED:
        buf_add_str(out, "accepted; the delivery has not begun");
        break;
    case TRACE_REFUSED:
        buf_add_str(out, "refused; the sending server has the message and tells its sender");
        break;
    case TRACE_TIMEOUT:
        buf_add_str(out, "not received: the peer fell silent in the middle");
        break;
    case TRACE_INCOMPLETE:
        buf_add_str(out, "not received: the session ended before the message was complete");
        break;
    case TRACE_LOST:
        buf_add_str(out, "lost: its content is missing");
        break;
    case TRACE_DELETED:
        buf_add_str(out, "deleted from the queue by an administrator");
        break;
    case TRACE_STATUS_COUNT:
        break;
    }
}

bool trace_in_scope(const struct trace *t, const struct trace_scope *scope)
{
    return !scope || (t->sender.n && scope->sees(scope->arg, t->sender)) || t->n > 0;
}
