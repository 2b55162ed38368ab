/* Finding messages, and what became of one: from the events. */
#include "server/api/message.h"

#include "admin/event_json.h"
#include "admin/session_find.h"
#include "server/api/api_priv.h"
#include "server/api/event_page.h"
#include "server/api/page.h"
#include "server/api/peer.h"

#define BUDGET_MS 1500
/* --- the list --- */

struct listing {
    struct api_call *c;
    const char *q, *direction;
    const char *ip; /* for who sees half of the addresses */
    json_t *items;
};

static bool q_fits(const char *q, json_t *m)
{
    static const char *const texts[] = { "id", "sender", "answer", "peer", "account" };
    struct buf b;
    json_t *to;
    size_t i;
    bool fits;

    if (!q || !*q)
        return true;
    buf_init(&b, 64 * KiB);
    for (i = 0; i < ARRAY_LEN(texts); i++) {
        const char *s = json_string_value(json_object_get(m, texts[i]));

        buf_addf(&b, "%s\n", s ? s : "");
    }
    json_array_foreach(json_object_get(m, "recipients"), i, to)
        buf_addf(&b, "%s\n", json_string_value(to));
    fits = api_q_fits(q, buf_sv(&b));
    buf_done(&b);
    return fits;
}

/* 1 + its number; 0 = any */
static int status_of(const char *name)
{
    for (int i = 0; name && i < TRACE_STATUS_COUNT; i++)
        if (!strcmp(name, trace_statuses[i]))
            return 1 + i;
    return 0;
}

static bool want(void *arg, const struct trace *t)
{
    const struct listing *l = arg;
    json_t *m;

    if (!api_peer_is(l->c->caller, t->peer, l->ip))
        return false;
    m = api_message_json(l->c->caller, t);
    const char *direction = json_string_value(json_object_get(m, "direction"));
    bool ok = (!l->direction || !strcmp(l->direction, direction)) && q_fits(l->q, m);

    json_decref(m);
    return ok;
}

static void add(void *arg, const struct trace *t)
{
    struct listing *l = arg;

    json_array_append_new(l->items, api_message_json(l->c->caller, t));
}

void api_messages_list(struct api_call *c)
{
    struct listing l = { .c = c,
                         .q = api_query(c, "q"),
                         .direction = api_query(c, "direction"),
                         .ip = api_sees_all(c->caller) ? NULL : api_query(c, "ip") };
    struct trace_scope scope;
    struct trace_query q = { .address = sv_c(api_query(c, "address")),
                             .sender = sv_c(api_query(c, "sender")),
                             .recipient = sv_c(api_query(c, "recipient")),
                             .ip = sv_c(l.ip ? NULL : api_query(c, "ip")),
                             .status = status_of(api_query(c, "status")),
                             .from_us = api_query_time_us(c, "from"),
                             .to_us = api_query_time_us(c, "to"),
                             .scope = api_trace_scope(c->caller, &scope),
                             .want = want,
                             .arg = &l,
                             .limit = api_page_limit(c),
                             .budget_ms = BUDGET_MS };
    const char *session = api_query(c, "session");
    struct event_cursor cursor;
    struct errinfo ei = { 0 };
    bool more = false;
    int r;

    if (session && !session_parse(session, &q.session)) {
        api_fail(c, 400, "invalid_parameter", "session",
                 "session: '%.16s' is not a session's 16 hex digits", session);
        return;
    }
    if (!api_event_cursor(c, &cursor))
        return;
    l.items = json_array();
    r = trace_find(api_admin_of(c)->data_dir, &q, &cursor, add, &l, &more, &ei);
    api_event_page(c, r, &ei, l.items, more ? &cursor : NULL);
}

/* --- one message --- */

/* The reply that decided; else the event, in words. */
static json_t *line_json(struct api_call *c, const struct trace *t)
{
    json_t *e = NULL, *line;

    if (!t->answer.n && t->decisive)
        e = api_message_event_json(c->caller, t, t->decisive);
    line = e ? json_incref(json_object_get(e, "sentence")) : event_text_json(t->answer);
    json_decref(e);
    return line;
}

static json_t *verdict_json(struct api_call *c, const struct trace *t)
{
    struct buf text;
    json_t *v;

    buf_init(&text, 4 * KiB);
    trace_sentence(t, &text);
    v = json_pack("{s:s, s:o, s:o, s:o}", "status", trace_statuses[t->status], "text",
                  event_text_json(buf_sv(&text)), "line", line_json(c, t), "next_try_at",
                  t->next_try_ms ? event_time_json(t->next_try_ms * 1000) : json_null());
    api_add_explanation(v, t->answer, t->answer_host);
    buf_done(&text);
    return v;
}

static json_t *lanes_json(const struct trace *t)
{
    json_t *list = json_array();

    for (size_t i = 0; i < t->n; i++) {
        const struct trace_rcpt *r = &t->rcpts[i];
        bool waits = r->fate == FATE_WAITING, open = waits || r->fate == FATE_ACCEPTED;
        json_t *o = json_pack(
            "{s:o, s:o, s:s, s:o, s:o, s:i, s:o, s:o}", "recipient", event_text_json(r->address),
            "original", r->original.n ? event_text_json(r->original) : json_null(), "status",
            trace_fates[r->fate], "answer", event_text_json(r->reply), "host",
            event_text_json(r->host), "attempts", (int)r->attempts, "next_try_at",
            waits && t->next_try_ms ? event_time_json(t->next_try_ms * 1000) : json_null(),
            "ended_at", open ? json_null() : event_time_json(r->at_us));

        api_add_explanation(o, r->reply, r->host);
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *events_json(struct api_call *c, const struct event_timeline *tl,
                           const struct trace *t)
{
    json_t *list = json_array();

    for (size_t i = 0; i < tl->n; i++) {
        json_t *e = api_message_event_json(c->caller, t, &tl->events[i]);

        if (e)
            json_array_append_new(list, e);
    }
    return list;
}

/* A notice goes to the sender: who sees him sees it. */
static json_t *related_json(struct api_call *c, const struct event_timeline *tl,
                            const struct trace *t)
{
    json_t *list = json_array();

    for (size_t i = 0; i < tl->n && t->whole; i++) {
        const struct record *r = &tl->events[i].record;

        if (r->head.message == t->key && r->head.type == EVT_notice_queued)
            json_array_append_new(list,
                                  json_pack("{s:o, s:o, s:s}", "id",
                                            event_text_json(record_text(r, FIELD_child)), "key",
                                            event_key_json(record_number(r, FIELD_child_key)),
                                            "relation", "notice"));
    }
    if (t->parent.n)
        json_array_append_new(
            list, json_pack("{s:o, s:o, s:s}", "id", event_text_json(t->parent), "key",
                            event_key_json(trace_key(api_admin_of(c)->data_dir, t->parent)),
                            "relation", "parent"));
    return list;
}

static bool any_line(const struct transcript_line *l _unused_, void *arg)
{
    *(bool *)arg = true;
    return false;
}

static json_t *missing_json(struct api_call *c, const struct event_timeline *tl,
                            const struct trace *t, json_t *m)
{
    json_t *list = json_array();
    bool any = false;

    if (tl->cut)
        json_array_append_new(
            list, json_sprintf("Only the first %d events are shown.", EVENT_TIMELINE_MAX));
    if (!t->begins)
        json_array_append_new(
            list, json_string("Its beginning is not kept: it is older than events.retention_days, "
                              "or the message is arriving just now."));
    if (!json_is_string(json_object_get(m, "session")))
        return list;
    event_transcript(api_admin_of(c)->data_dir, t->session, NULL, any_line, &any);
    if (!any)
        json_array_append_new(
            list, json_string("The transcript of its session is not kept: it is older than "
                              "events.transcript_days, or events.transcripts was off."));
    return list;
}

static uint64_t key_of(struct api_call *c, const char *id)
{
    uint64_t key = 0;

    if (strlen(id) == 16)
        session_parse(id, &key);
    else if (trace_is_id(sv_c(id)))
        key = trace_key(api_admin_of(c)->data_dir, sv_c(id));
    return key;
}

void api_messages_show(struct api_call *c)
{
    const char *id = api_param(c, "id");
    uint64_t key;
    struct event_timeline tl = { 0 };
    struct trace_scope room;
    const struct trace_scope *scope = api_trace_scope(c->caller, &room);
    struct trace t = { 0 };
    json_t *m;

    admin_write_events(api_admin_of(c));
    key = key_of(c, id);
    if (key)
        event_timeline(api_admin_of(c)->data_dir, strlen(id) == 16 ? SV_NULL : sv_c(id), key, &tl);
    if (tl.n)
        trace_make(&tl, key, scope, &t);
    if (tl.n && trace_in_scope(&t, scope)) {
        m = api_message_json(c->caller, &t);
        json_object_set_new(m, "verdict", verdict_json(c, &t));
        json_object_set_new(m, "events", events_json(c, &tl, &t));
        json_object_set_new(m, "lanes", lanes_json(&t));
        json_object_set_new(m, "related", related_json(c, &tl, &t));
        json_object_set_new(m, "missing", missing_json(c, &tl, &t, m));
        api_reply(c, 200, m);
    } else {
        api_fail(c, 404, "not_found", NULL,
                 "nothing is known of message '%.40s': mistyped, or older than "
                 "events.retention_days",
                 id);
    }
    trace_done(&t);
    event_timeline_done(&tl);
}

const struct api_route api_message_routes[] = {
    { .method = "GET",
      .path = "/messages",
      .scope = SCOPE_MESSAGES_READ,
      .flags = ROUTE_PAGED,
      .id = "listMessages",
      .query = api_message_params,
      .status = 200,
      .response = &api_message_schema,
      .run = api_messages_list,
      .help = "Messages that came or were refused, the newest first. A page may be short, or "
              "empty, with a next_cursor: then the search goes on there." },
    { .method = "GET",
      .path = "/messages/{id}",
      .scope = SCOPE_MESSAGES_READ,
      .id = "getMessage",
      .status = 200,
      .response = &api_message_detail_schema,
      .run = api_messages_show,
      .help = "A message by its id or key: what became of it, why, and all its events." },
    { 0 },
};
