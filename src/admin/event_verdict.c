/* What became of a message, from its events: the last word about each recipient, and the event that
 * decides about the whole. */
#include "admin/event_json.h"

#include "event/explain.h"

enum { RCPTS_MAX = 1000 };

enum fate { FATE_NONE, FATE_ACCEPTED, FATE_REFUSED, FATE_WAITING, FATE_DELIVERED, FATE_FAILED };
static const char *const fates[] = { "", "accepted", "refused", "waiting", "delivered", "failed" };

struct recipient {
    struct sv address, original, reply, host;
    enum fate fate;
};

struct verdict {
    struct recipient *rcpts;
    size_t n;
    const struct event_view *accepted, *ended, *refused, *waiting, *decisive, *gone;
    struct sv sender, id;
};

static struct recipient *recipient(struct verdict *v, struct sv address)
{
    for (size_t i = 0; i < v->n; i++)
        if (sv_ieq(v->rcpts[i].address, address) || sv_ieq(v->rcpts[i].original, address))
            return &v->rcpts[i];
    if (v->n == RCPTS_MAX || !address.n)
        return NULL;
    v->rcpts[v->n].address = address;
    return &v->rcpts[v->n++];
}

static void set_fate(struct verdict *v, const struct record *r, enum fate fate)
{
    struct sv address = record_text(r, FIELD_rcpt), original = record_text(r, FIELD_original);
    /* What RCPT named and what it stands for are one recipient, until there are several. */
    struct recipient *to = original.n ? recipient(v, original) : NULL;

    if (!to || (to->fate > FATE_ACCEPTED && !sv_ieq(to->address, address)))
        to = recipient(v, address);
    if (!to || (to->fate == FATE_FAILED && fate == FATE_WAITING))
        return;
    if (original.n) {
        to->original = original;
        to->address = address;
    }
    to->fate = fate;
    to->reply = record_text(r, FIELD_reply);
    to->host = record_text(r, FIELD_host);
}

static void take(struct verdict *v, const struct event_view *e)
{
    const struct record *r = &e->record;
    struct sv sender = record_text(r, FIELD_sender), id = record_text(r, FIELD_msgid);

    if (sender.p && !v->sender.p)
        v->sender = sender;
    if (id.n)
        v->id = id;
    switch ((enum event_type)r->head.type) { /* the others change nothing */
    case EVT_smtp_rcpt_accepted:
        set_fate(v, r, FATE_ACCEPTED);
        break;
    case EVT_smtp_rcpt_refused:
        set_fate(v, r, FATE_REFUSED);
        v->refused = e;
        break;
    case EVT_smtp_message_refused:
    case EVT_smtp_mail_refused:
        v->refused = e;
        break;
    case EVT_smtp_message_accepted:
    case EVT_notice_accepted:
        v->accepted = e;
        break;
    case EVT_smtp_message_incomplete:
    case EVT_smtp_message_timeout:
        v->ended = e;
        break;
    case EVT_delivery_local:
    case EVT_delivery_remote:
        set_fate(v, r, FATE_DELIVERED);
        v->decisive = e;
        break;
    case EVT_delivery_local_failed:
    case EVT_delivery_deferred:
        set_fate(v, r, FATE_WAITING);
        v->decisive = e;
        break;
    case EVT_delivery_failed:
        set_fate(v, r, FATE_FAILED);
        v->decisive = e;
        break;
    case EVT_queue_waiting:
        v->waiting = e;
        break;
    case EVT_queue_deleted:
    case EVT_message_lost:
        v->gone = e;
        break;
    default:
        break;
    }
}

static size_t count(const struct verdict *v, enum fate fate)
{
    size_t n = 0;

    for (size_t i = 0; i < v->n; i++)
        n += v->rcpts[i].fate == fate;
    return n;
}

static const char *state_of(struct verdict *v)
{
    size_t delivered = count(v, FATE_DELIVERED), failed = count(v, FATE_FAILED),
           waiting = count(v, FATE_WAITING);

    if (v->gone) {
        v->decisive = v->gone;
        return v->gone->record.head.type == EVT_message_lost ? "lost" : "deleted";
    }
    if (!v->accepted) {
        v->decisive = v->refused ? v->refused : v->ended;
        if (v->refused)
            return "refused";
        return v->ended && v->ended->record.head.type == EVT_smtp_message_timeout ? "timeout"
                                                                                  : "incomplete";
    }
    if (!v->decisive)
        v->decisive = v->accepted;
    if (waiting)
        return "waiting";
    if (failed)
        return delivered ? "partly" : "failed";
    return delivered ? "delivered" : "accepted";
}

static json_t *rcpts_json(const struct verdict *v)
{
    json_t *list = json_array();

    for (size_t i = 0; i < v->n; i++) {
        const struct recipient *r = &v->rcpts[i];

        json_array_append_new(list, json_pack("{s:o, s:s, s:o, s:o, s:o}", "address",
                                              event_text_json(r->address), "state", fates[r->fate],
                                              "reply", event_text_json(r->reply), "host",
                                              event_text_json(r->host), "explanation",
                                              event_explanation_json(r->reply)));
    }
    return list;
}

static json_t *sentence(const struct verdict *v, const char *state)
{
    size_t delivered = count(v, FATE_DELIVERED), waiting = count(v, FATE_WAITING),
           failed = count(v, FATE_FAILED), n = v->n - count(v, FATE_REFUSED);

    if (!strcmp(state, "delivered"))
        return json_sprintf("delivered to %zu of %zu recipients", delivered, n);
    if (!strcmp(state, "waiting"))
        return json_sprintf("%zu of %zu recipients wait for the next attempt, %zu have it", waiting,
                            n, delivered);
    if (!strcmp(state, "partly") || !strcmp(state, "failed"))
        return json_sprintf("%zu of %zu recipients will not get it; the sender was told", failed,
                            n);
    if (!strcmp(state, "accepted"))
        return json_string("accepted; the delivery has not begun");
    if (!strcmp(state, "refused"))
        return json_string("refused; the sending server has the message and tells its sender");
    if (!strcmp(state, "timeout"))
        return json_string("not received: the peer fell silent in the middle");
    if (!strcmp(state, "incomplete"))
        return json_string("not received: the session ended before the message was complete");
    return json_sprintf("%s", state);
}

json_t *event_verdict_json(const struct event_timeline *t, uint64_t key)
{
    struct verdict v = { .rcpts = xcalloc(RCPTS_MAX, sizeof(*v.rcpts)) };
    uint64_t next = 0;
    const char *state;
    json_t *j;

    for (size_t i = 0; i < t->n; i++)
        if (!t->events[i].record.head.message || t->events[i].record.head.message == key)
            take(&v, &t->events[i]);
    state = state_of(&v);
    if (!strcmp(state, "waiting") && v.waiting)
        next = record_number(&v.waiting->record, FIELD_next_try);
    j = json_pack("{s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o}", "id", event_text_json(v.id),
                  "message", json_sprintf("%016" PRIX64, key), "sender", event_text_json(v.sender),
                  "state", state, "verdict", sentence(&v, state), "recipients", rcpts_json(&v),
                  "next_try", next ? event_time_json((int64_t)next * 1000) : json_null(),
                  "decisive", v.decisive ? event_json(v.decisive) : json_null(), "explanation",
                  v.decisive ? event_explanation_json(record_text(&v.decisive->record, FIELD_reply))
                             : json_null());
    free(v.rcpts);
    return j;
}
