/* Messages by address, session, time. Candidates are events that name what is looked for; a message
 * is given where its first such event is, which no later event moves: pages neither repeat nor miss
 * one. */
#include "admin/trace.h"

#include "base/clock.h"
#include "base/hash.h"

bool trace_is_id(struct sv s)
{
    uint64_t n;

    for (size_t i = 0; i < 3 && i < s.n; i++)
        if (ascii_upper(s.p[i]) < 'A' || ascii_upper(s.p[i]) > 'Z')
            return false;
    return s.n == 8 && sv_to_u64(sv_skip(s, 3), &n) == 0;
}

static bool is_own(const struct event_view *e, void *id)
{
    return e->record.head.message &&
           sv_ieq(record_text(&e->record, FIELD_msgid), *(const struct sv *)id);
}

static bool keep_key(const struct event_view *e, void *arg)
{
    *(uint64_t *)arg = e->record.head.message;
    return false;
}

uint64_t trace_key(const char *data_dir, struct sv id)
{
    uint64_t key = 0;
    struct event_query q = { .msgid = id, .match = is_own, .match_arg = &id, .limit = 1 };

    event_query(data_dir, &q, NULL, keep_key, &key, NULL, NULL);
    return key;
}

/* --- candidates --- */

enum { BATCH = EVENT_MESSAGES_MAX, CANDIDATES_MAX = 1024 };

/* An event, told from others of its message: several may have the same microsecond. */
struct candidate {
    uint64_t key;
    int64_t time_us;
    enum module module;
    uint64_t hash; /* of type and fields */
};

struct finding {
    const struct trace_query *q;
    struct event_query by; /* the key that leads */
    struct candidate found[CANDIDATES_MAX];
    size_t n, left; /* left: messages that are still wanted */
    void (*fn)(void *arg, const struct trace *t);
    void *arg;
};

/* One of each message, except that a client may be refused after it. */
static bool stands_for_message(enum event_type t)
{
    return t == EVT_smtp_message_accepted || t == EVT_notice_accepted ||
           t == EVT_smtp_message_incomplete || t == EVT_smtp_message_timeout ||
           t == EVT_smtp_mail_refused;
}

static bool names_recipient(enum event_type t)
{
    return t == EVT_smtp_rcpt_accepted || t == EVT_smtp_rcpt_refused || t == EVT_delivery_local ||
           t == EVT_delivery_remote || t == EVT_delivery_deferred ||
           t == EVT_delivery_local_failed || t == EVT_delivery_failed;
}

/* Could the message that this event stands for have become that? */
static bool can_become(enum event_type t, int status)
{
    bool came = t == EVT_smtp_message_accepted || t == EVT_notice_accepted;

    switch (status - 1) {
    case TRACE_REFUSED:
        return !came;
    case TRACE_INCOMPLETE:
        return t == EVT_smtp_message_incomplete;
    case TRACE_TIMEOUT:
        return t == EVT_smtp_message_timeout;
    default:
        return came || !status;
    }
}

/* The events of which no message with this status is without one, when they are rare: then the
 * index leads to them. */
static void rare_events(int status, struct event_query *by)
{
    switch (status - 1) {
    case TRACE_MIXED:
        by->or_name = sv_c(event_defs[EVT_queue_deleted].name);
        by->name = sv_c(event_defs[EVT_delivery_failed].name);
        break;
    case TRACE_BOUNCED:
        by->name = sv_c(event_defs[EVT_delivery_failed].name);
        break;
    case TRACE_LOST:
        by->name = sv_c(event_defs[EVT_message_lost].name);
        break;
    case TRACE_DELETED:
        by->name = sv_c(event_defs[EVT_queue_deleted].name);
        break;
    default:
        break;
    }
}

static bool sees_event(const struct trace_query *q, const struct record *r)
{
    static const enum event_field fields[] = { FIELD_sender, FIELD_rcpt, FIELD_original };

    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        struct sv s = record_text(r, fields[i]);

        if (s.n && q->scope->sees(q->scope->arg, s))
            return true;
    }
    return false;
}

static bool is_candidate(const struct event_view *e, void *arg)
{
    const struct finding *f = arg;
    enum event_type t = (enum event_type)e->record.head.type;
    const struct event_query *by = &f->by;

    if (!e->record.head.message)
        return false;
    if (by->session)
        return stands_for_message(t) || t == EVT_delivery_transaction;
    if (by->address.n)
        return stands_for_message(t) || names_recipient(t);
    if (by->ip.n)
        return stands_for_message(t) || t == EVT_delivery_transaction;
    if (by->name.n)
        return sv_eq(by->name, sv_c(event_defs[t].name)) ||
               sv_eq(by->or_name, sv_c(event_defs[t].name));
    if (!f->q->scope)
        return stands_for_message(t) && can_become(t, f->q->status);
    return (stands_for_message(t) || names_recipient(t)) && sees_event(f->q, &e->record);
}

/* As event_query looks at it: the leading key and the span. */
static bool leads(const struct finding *f, const struct event_view *e)
{
    const struct event_query *by = &f->by;
    const struct record *r = &e->record;

    return (!by->from_us || r->head.time_us >= by->from_us) &&
           (!by->session || r->head.session == by->session) &&
           (!by->address.n || record_has(r, KEY_ADDRESS, by->address, 0)) &&
           (!by->ip.n || record_has(r, KEY_IP, by->ip, 0)) && is_candidate(e, (void *)f);
}

static struct candidate candidate_of(const struct event_view *e)
{
    const struct record *r = &e->record;

    return (struct candidate){ r->head.message, r->head.time_us, e->module,
                               fnv1a64(r->fields.p, r->fields.n) ^ r->head.type };
}

static bool is_same(const struct candidate *a, const struct candidate *b)
{
    return a->key == b->key && a->time_us == b->time_us && a->module == b->module &&
           a->hash == b->hash;
}

static bool add(const struct event_view *e, void *arg)
{
    struct finding *f = arg;

    f->found[f->n++] = candidate_of(e);
    return true;
}

/* --- messages --- */

static bool is_sender(const struct trace *t, struct sv s)
{
    return sv_ieq(t->sender, s);
}

static bool is_recipient(const struct trace *t, struct sv s)
{
    for (size_t i = 0; i < t->n; i++)
        if (sv_ieq(t->rcpts[i].address, s) || sv_ieq(t->rcpts[i].original, s))
            return true;
    return false;
}

static bool any_has(const struct event_timeline *tl, uint64_t key, const struct event_query *q)
{
    for (size_t i = 0; i < tl->n; i++) {
        const struct record *r = &tl->events[i].record;

        if (r->head.message == key && (!q->session || r->head.session == q->session) &&
            (!q->ip.n || record_has(r, KEY_IP, q->ip, 0)) &&
            (!q->address.n || record_has(r, KEY_ADDRESS, q->address, 0)))
            return true;
    }
    return false;
}

/* Only by what is shown: to ask must not tell more than to look. */
static bool has_address(const struct finding *f, const struct event_timeline *tl,
                        const struct trace *t)
{
    const struct trace_scope *s = f->q->scope;
    struct sv a = f->q->address;

    if (!s)
        return any_has(tl, t->key, &(struct event_query){ .address = a });
    return is_sender(t, a) || is_recipient(t, a) ||
           (sv_ieq(t->account, a) && s->sees(s->arg, t->account));
}

static bool has_session(const struct finding *f, const struct event_timeline *tl,
                        const struct trace *t)
{
    const struct trace_scope *s = f->q->scope;

    if (s)
        return t->session == f->q->session && t->account.n && s->sees(s->arg, t->account);
    return any_has(tl, t->key, &(struct event_query){ .session = f->q->session });
}

/* All that was asked, also beside the key that leads. */
static bool fits(const struct finding *f, const struct event_timeline *tl, const struct trace *t)
{
    const struct trace_query *q = f->q;

    return trace_in_scope(t, q->scope) && (!q->status || q->status == 1 + (int)t->status) &&
           (!q->sender.n || is_sender(t, q->sender)) &&
           (!q->recipient.n || is_recipient(t, q->recipient)) &&
           (!q->address.n || has_address(f, tl, t)) &&
           (!q->ip.n || any_has(tl, t->key, &(struct event_query){ .ip = q->ip })) &&
           (!q->session || has_session(f, tl, t)) && (!q->want || q->want(q->arg, t));
}

static bool is_first(const struct finding *f, const struct event_timeline *tl,
                     const struct candidate *c)
{
    for (size_t i = 0; i < tl->n; i++) {
        const struct event_view *e = &tl->events[i];

        if (e->record.head.message == c->key && leads(f, e)) {
            struct candidate first = candidate_of(e);

            return is_same(&first, c);
        }
    }
    return false;
}

static bool was_before(const struct candidate *c, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (is_same(&c[k], &c[i]))
            return true;
    return false;
}

static int by_value(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

/* Gives the messages of some candidates. Returns how many it has dealt with, or a code. */
static int give_some(struct finding *f, const char *data_dir, const struct candidate *c, size_t n)
{
    uint64_t keys[BATCH];
    struct event_timeline tl;
    size_t n_keys = 0, i = 0;
    int r;

    for (i = 0; i < n; i++)
        keys[i] = c[i].key;
    qsort(keys, n, sizeof(keys[0]), by_value);
    for (i = 0; i < n; i++)
        if (!n_keys || keys[n_keys - 1] != keys[i])
            keys[n_keys++] = keys[i];
    r = event_timelines(data_dir, keys, n_keys, &tl);
    for (i = 0; i < n && r >= 0 && f->left; i++) {
        struct trace t;

        if (!is_first(f, &tl, &c[i]) || was_before(c, i))
            continue;
        trace_make(&tl, c[i].key, f->q->scope, &t);
        if (fits(f, &tl, &t)) {
            f->fn(f->arg, &t);
            f->left--;
        }
        trace_done(&t);
    }
    event_timeline_done(&tl);
    return r < 0 ? r : (int)i;
}

/* All candidates, or those that were dealt with when enough was found or the time was up. */
static int give(struct finding *f, const char *data_dir, int64_t until_ms)
{
    size_t done = 0;
    int r = 0;

    while (done < f->n && f->left && r >= 0 && (!done || !until_ms || clock_mono_ms() < until_ms)) {
        r = give_some(f, data_dir, f->found + done, MIN(f->n - done, (size_t)BATCH));
        done += r > 0 ? (size_t)r : 0;
    }
    return r < 0 ? r : (int)done;
}

static void choose(struct finding *f)
{
    const struct trace_query *q = f->q;

    f->by = (struct event_query){
        .from_us = q->from_us, .to_us = q->to_us, .match = is_candidate, .match_arg = f
    };
    if (q->session)
        f->by.session = q->session;
    else if (q->address.n || q->recipient.n || q->sender.n)
        f->by.address = q->address.n ? q->address : q->recipient.n ? q->recipient : q->sender;
    else if (q->ip.n)
        f->by.ip = q->ip;
    else if (!q->scope)
        rare_events(q->status, &f->by);
}

static bool pass(const struct event_view *e _unused_, void *arg _unused_)
{
    return true;
}

/* One round: candidates, then their messages; the cursor ends behind what was dealt with. */
static int go_on(struct finding *f, const char *data_dir, struct event_cursor *cursor,
                 int64_t until_ms, bool *ret_more, struct errinfo *ei)
{
    struct event_cursor begin = *cursor;
    int r;

    f->n = 0;
    f->by.limit = MIN(MAX(2 * f->left, (size_t)BATCH), (size_t)CANDIDATES_MAX);
    f->by.budget_ms = until_ms ? MAX(until_ms - clock_mono_ms(), 1) : 0;
    r = event_query(data_dir, &f->by, cursor, add, f, ret_more, ei);
    if (r >= 0)
        r = give(f, data_dir, until_ms);
    if (r < 0 || (size_t)r == f->n)
        return r;
    f->by.limit = (size_t)r;
    f->by.budget_ms = 0;
    *cursor = begin;
    return event_query(data_dir, &f->by, cursor, pass, NULL, ret_more, ei);
}

int trace_find(const char *data_dir, const struct trace_query *q, struct event_cursor *cursor,
               void (*fn)(void *arg, const struct trace *t), void *arg, bool *ret_more,
               struct errinfo *ei)
{
    struct finding *f = xcalloc(1, sizeof(*f));
    struct event_cursor own = { 0 };
    int64_t until_ms = q->budget_ms ? clock_mono_ms() + q->budget_ms : 0;
    bool more = true;
    int r = 0;

    *f = (struct finding){
        .q = q, .left = q->limit ? q->limit : SIZE_MAX / 4, .fn = fn, .arg = arg
    };
    cursor = cursor ? cursor : &own;
    if (!cursor->set)
        event_now(data_dir, cursor); /* each round begins at the same events */
    choose(f);
    while (more && r >= 0 && f->left && (!until_ms || clock_mono_ms() < until_ms))
        r = go_on(f, data_dir, cursor, until_ms, &more, ei);
    if (ret_more)
        *ret_more = more;
    free(f);
    return r;
}
