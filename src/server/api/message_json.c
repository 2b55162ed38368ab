/* A message and its events as JSON. What a domain admin may not see is taken out of the record
 * itself, before sentence and fields are made of it. */
#include "server/api/message.h"

#include "admin/event_json.h"
#include "event/explain.h"
#include "server/api/peer.h"

enum { RCPTS_SHOWN = 20 };

static bool sees(void *arg, struct sv address)
{
    return api_sees_address(arg, address);
}

const struct trace_scope *api_trace_scope(const struct api_caller *who, struct trace_scope *ret)
{
    if (api_sees_all(who))
        return NULL;
    *ret = (struct trace_scope){ sees, (void *)who };
    return ret;
}

/* Transcripts are seen of sessions that had logged in as one of the caller's accounts. */
static bool sees_session(const struct api_caller *who, struct sv account)
{
    return api_sees_all(who) || (account.n && api_sees_address(who, account));
}

static const char *direction_of(const struct trace *t)
{
    if (t->leaves)
        return "out";
    return t->own ? "local" : "in";
}

static json_t *rcpts_json(const struct trace *t)
{
    json_t *list = json_array();

    for (size_t i = 0; i < MIN(t->n, (size_t)RCPTS_SHOWN); i++)
        json_array_append_new(list, event_text_json(t->rcpts[i].original.n ? t->rcpts[i].original
                                                                           : t->rcpts[i].address));
    return list;
}

json_t *api_message_json(const struct api_caller *who, const struct trace *t)
{
    char room[API_PEER_MAX];

    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:I, s:s, s:o, s:o, s:o, s:o, s:s, s:o}", "id",
                     t->id.n ? event_text_json(t->id) : json_null(), "key", event_key_json(t->key),
                     "time", event_time_json(t->time_us), "sender", event_text_json(t->sender),
                     "recipients", rcpts_json(t), "recipients_total", (json_int_t)t->total,
                     "direction", direction_of(t), "peer",
                     event_text_json(api_shown_peer(who, t->peer, room)), "session",
                     event_key_json(sees_session(who, t->account) ? t->session : 0), "account",
                     event_text_json(sees_session(who, t->account) ? t->account : SV("")), "size",
                     t->bytes ? json_integer((json_int_t)t->bytes) : json_null(), "status",
                     trace_statuses[t->status], "answer", event_text_json(t->answer));
}

/* A transaction with another server names its first recipient, not the alias that led to him. */
static bool is_hidden_target(const struct trace *t, const struct record *r, struct sv rcpt)
{
    if (r->head.type != EVT_delivery_transaction)
        return false;
    for (size_t i = 0; i < t->n; i++)
        if (sv_ieq(t->rcpts[i].address, rcpt))
            return false;
    return true;
}

/* The caller's own copy of the record. */
static void redact(const struct api_caller *who, const struct trace *t, struct event_view *e,
                   unsigned char room[RECORD_EVENT_MAX])
{
    struct event_arg args[FIELD_END];
    struct event_head h = e->record.head;
    struct logctx c = { .service = h.service, .session = h.session, .message = h.message };
    struct sv rest = e->record.fields, original = record_text(&e->record, FIELD_original);
    struct trace_scope scope;
    bool hide = trace_hides_target(api_trace_scope(who, &scope),
                                   record_text(&e->record, FIELD_rcpt), original);
    struct event_value v;
    char peer[API_PEER_MAX];
    size_t n = 0;

    while (n < ARRAY_LEN(args) && record_next(&rest, &v)) {
        bool is_rcpt = v.field == FIELD_rcpt || v.field == FIELD_original;

        if (!t->whole && ((is_rcpt && !api_sees_address(who, v.text)) || v.field == FIELD_rcpts))
            continue;
        if ((hide && v.field == FIELD_original) ||
            (v.field == FIELD_rcpt && is_hidden_target(t, &e->record, v.text)))
            continue;
        if (hide && v.field == FIELD_rcpt)
            v.text = original;
        if (v.field == FIELD_account && !api_sees_address(who, v.text))
            continue;
        if (v.field == FIELD_peer)
            v.text = api_shown_peer(who, v.text, peer);
        args[n++] = (struct event_arg){ v.field, v.number, v.text, v.n };
    }
    if (!sees_session(who, record_text(&e->record, FIELD_account)))
        c.session = 0;
    n = record_encode((enum event_type)h.type, &c, args, n, room);
    if (record_decode(sv_n((const char *)room, n), &e->record) <= 0)
        e->record.fields = SV_NULL;
    e->record.head.time_us = h.time_us;
}

json_t *api_message_event_json(const struct api_caller *who, const struct trace *t,
                               const struct event_view *e)
{
    unsigned char room[RECORD_EVENT_MAX];
    struct trace_scope scope;
    struct event_view own = *e;

    if (!trace_shows(t, api_trace_scope(who, &scope), &e->record))
        return NULL;
    if (!api_sees_all(who))
        redact(who, t, &own, room);
    return event_json(&own);
}

json_t *api_account_event_json(const struct api_caller *who, const struct event_view *e)
{
    static const enum event_field names[] = { FIELD_account, FIELD_user };
    static const struct trace none;
    unsigned char room[RECORD_EVENT_MAX];
    struct event_view own = *e;
    bool seen = api_sees_all(who);

    for (size_t i = 0; i < ARRAY_LEN(names) && !seen; i++) {
        struct sv name = record_text(&e->record, names[i]);

        seen = name.n && api_sees_address(who, name);
    }
    if (!seen)
        return NULL;
    if (!api_sees_all(who))
        redact(who, &none, &own, room);
    return event_json(&own);
}

void api_add_explanation(json_t *o, struct sv reply, struct sv host)
{
    const struct explanation *e = reply.n ? explain_reply(reply, host.n > 0) : NULL;
    uint64_t code = 0;
    const char *cause = e ? e->cause : NULL;

    if (!e && sv_to_u64(sv_take(reply, 3), &code) == 0 && code >= 400 && code < 600)
        cause = explain_code((unsigned)code);
    json_object_set_new(o, "cause", cause ? json_string(cause) : json_null());
    json_object_set_new(o, "remedy", e ? json_string(e->remedy) : json_null());
    json_object_set_new(o, "setting", e && *e->setting ? json_string(e->setting) : json_null());
    json_object_set_new(o, "explanation", e ? json_string(e->id) : json_null());
}
