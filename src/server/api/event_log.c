/* What happened: events, as `posthorn tool events` lists them. */
#include "admin/event_json.h"
#include "admin/session_find.h"
#include "base/iplist.h"
#include "server/api/api_priv.h"
#include "server/api/event_page.h"
#include "server/api/message.h"
#include "server/api/page.h"
#include "server/api/peer.h"

#define BUDGET_MS 1500

static const struct api_field params[] = {
    { "name", API_TEXT, 0, 1, 60, NULL, NULL,
      "Such as smtp.rcpt.refused, or its beginning with the dot: smtp." },
    { "severity", API_ENUM, 0, 0, 0, "info|notice|warning|error", NULL, "At least." },
    { "service", API_ENUM, 0, 0, 0, "smtp|submission|smtp-client|pop3|imap|control|managesieve",
      NULL, NULL },
    { "account", API_TEXT, 0, 1, 320, NULL, NULL,
      "Whole address: account, name of a login, sender or recipient." },
    { "peer", API_TEXT, 0, 1, 64, NULL, NULL, "Address, or network: 203.0.113.0/24." },
    { "session", API_TEXT, 0, 16, 16, NULL, NULL, "16 hex digits." },
    { "message", API_TEXT, 0, 8, 16, NULL, NULL, "Id (OSA88513) or key of a message." },
    { "from", API_TIME, 0, 0, 0, NULL, NULL, "Not before." },
    { "to", API_TIME, 0, 0, 0, NULL, NULL, "Before." },
    { 0 },
};

struct listing {
    struct api_call *c;
    const char *q, *account, *session, *peer, *net; /* NULL = any; net: a peer that is one */
    json_t *items;
    size_t limit;
    /* For who sees half: the message that was looked at last, as what he sees of an event depends
     * on all of it. */
    struct event_timeline timeline;
    struct trace trace;
    bool in_scope;
};

static void forget_message(struct listing *l)
{
    trace_done(&l->trace);
    event_timeline_done(&l->timeline);
    l->trace = (struct trace){ 0 };
    l->timeline = (struct event_timeline){ 0 };
    l->in_scope = false;
}

static json_t *event_of_message(struct listing *l, const struct event_view *e)
{
    struct trace_scope room;
    const struct trace_scope *scope = api_trace_scope(l->c->caller, &room);
    uint64_t key = e->record.head.message;

    if (l->trace.key != key) {
        forget_message(l);
        event_timeline(api_admin_of(l->c)->data_dir, SV_NULL, key, &l->timeline);
        trace_make(&l->timeline, key, scope, &l->trace);
        l->in_scope = trace_in_scope(&l->trace, scope);
    }
    return l->in_scope ? api_message_event_json(l->c->caller, &l->trace, e) : NULL;
}

/* Filters are of what is shown: else they would tell the rest. */
static bool shows(json_t *fields, const char *text)
{
    const char *key;
    json_t *v;

    json_object_foreach(fields, key, v) if (json_is_string(v) && sv_ieq(sv_c(json_string_value(v)),
                                                                        sv_c(text))) return true;
    return false;
}

static bool q_fits(const char *q, json_t *event)
{
    json_t *fields = json_object_get(event, "fields"), *v;
    const char *key;
    struct buf b;
    bool fits;

    if (!q || !*q)
        return true;
    buf_init(&b, 64 * KiB);
    buf_addf(&b, "%s\n%s\n", json_string_value(json_object_get(event, "name")),
             json_string_value(json_object_get(event, "sentence")));
    json_object_foreach(fields, key, v) if (json_is_string(v))
        buf_addf(&b, "%s\n", json_string_value(v));
    fits = api_q_fits(q, buf_sv(&b));
    buf_done(&b);
    return fits;
}

static bool fits_as_shown(const struct listing *l, json_t *event)
{
    const char *session = json_string_value(json_object_get(event, "session"));

    return (!l->account || shows(json_object_get(event, "fields"), l->account)) &&
           (!l->session || (session && sv_ieq(sv_c(session), sv_c(l->session))));
}

static bool add(const struct event_view *e, void *arg)
{
    struct listing *l = arg;
    bool all = api_sees_all(l->c->caller);
    json_t *j = all                      ? event_json(e)
                : e->record.head.message ? event_of_message(l, e)
                                         : api_account_event_json(l->c->caller, e);

    if (j && q_fits(l->q, j) && (all || fits_as_shown(l, j)))
        json_array_append(l->items, j);
    json_decref(j);
    return json_array_size(l->items) < l->limit;
}

static bool in_net(const struct listing *l, const struct record *r)
{
    struct sv rest = r->fields;
    char ip[API_PEER_MAX];
    struct event_value v;

    while (record_next(&rest, &v))
        if (field_defs[v.field].key == KEY_IP && !v.number && sv_copy(ip, sizeof(ip), v.text) &&
            ip_in_list(ip, sv_c(l->net)))
            return true;
    return false;
}

/* Could the caller see it? Quick, for what there is most of. */
static bool may_see(const struct listing *l, const struct record *r)
{
    static const enum event_field names[] = { FIELD_account, FIELD_user, FIELD_sender, FIELD_rcpt,
                                              FIELD_original };

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct sv s = record_text(r, names[i]);

        if (s.n && api_sees_address(l->c->caller, s))
            return true;
    }
    return false;
}

static bool match(const struct event_view *e, void *arg)
{
    const struct listing *l = arg;
    const struct record *r = &e->record;

    if (l->net && !in_net(l, r))
        return false;
    if (api_sees_all(l->c->caller))
        return true;
    return (!l->peer || api_peer_is(l->c->caller, record_text(r, FIELD_peer), l->peer)) &&
           may_see(l, r);
}

/* Half of an address is 16 bits of IPv4, 32 of IPv6. False: answered. */
static bool read_peer(struct listing *l, struct event_query *q)
{
    const char *peer = api_query(l->c, "peer");
    bool v4 = false, all = api_sees_all(l->c->caller);
    int bits = peer ? ip_net_bits(sv_c(peer), &v4) : 0;

    if (!peer)
        return true;
    if (bits < 0) {
        api_fail(l->c, 400, "invalid_parameter", "peer",
                 "peer: '%.64s' is neither an address nor a network such as 203.0.113.0/24", peer);
        return false;
    }
    if (!strchr(peer, '/')) {
        l->peer = all ? NULL : peer;
        q->ip = sv_c(all ? peer : NULL);
        return true;
    }
    if (!all && bits > (v4 ? 16 : 32)) {
        api_fail(l->c, 400, "invalid_parameter", "peer",
                 "peer: '%.64s': you see the first half of addresses; ask for networks of at most "
                 "/%d",
                 peer, v4 ? 16 : 32);
        return false;
    }
    l->net = peer;
    return true;
}

/* False: answered. */
static bool read_message(struct api_call *c, struct event_query *q)
{
    const char *id = api_query(c, "message");

    if (!id)
        return true;
    if (strlen(id) == 16 && session_parse(id, &q->message))
        return true;
    if (trace_is_id(sv_c(id))) {
        q->message = trace_key(api_admin_of(c)->data_dir, sv_c(id));
        q->msgid = q->message ? SV_NULL : sv_c(id);
        return true;
    }
    api_fail(c, 400, "invalid_parameter", "message",
             "message: '%.16s' is neither an id such as OSA88513 nor a key of 16 hex digits", id);
    return false;
}

/* 1 + its place; 0 = any. */
static int place(const char *name, const char *const *names, int n)
{
    for (int i = 0; name && i < n; i++)
        if (!strcmp(name, names[i]))
            return 1 + i;
    return 0;
}

static void list(struct api_call *c)
{
    int severity = place(api_query(c, "severity"), event_severities, SEV_COUNT);
    struct listing l = { .c = c,
                         .q = api_query(c, "q"),
                         .account = api_query(c, "account"),
                         .session = api_query(c, "session"),
                         .limit = api_page_limit(c) };
    struct event_query q = { .name = sv_c(api_query(c, "name")),
                             .address = sv_c(l.account),
                             .service = place(api_query(c, "service"), service_names, SVC_COUNT),
                             .severity = severity ? (enum event_severity)(severity - 1) : SEV_INFO,
                             .from_us = api_query_time_us(c, "from"),
                             .to_us = api_query_time_us(c, "to"),
                             .match = match,
                             .match_arg = &l,
                             .budget_ms = BUDGET_MS };
    struct event_cursor cursor;
    struct errinfo ei = { 0 };
    bool more = false;
    int r;

    if (l.session && !session_parse(l.session, &q.session)) {
        api_fail(c, 400, "invalid_parameter", "session",
                 "session: '%.16s' is not a session's 16 hex digits", l.session);
        return;
    }
    if (!api_event_cursor(c, &cursor) || !read_peer(&l, &q) || !read_message(c, &q))
        return;
    l.items = json_array();
    r = event_query(api_admin_of(c)->data_dir, &q, &cursor, add, &l, &more, &ei);
    forget_message(&l);
    if (r == E_PARSE) {
        json_decref(l.items);
        api_fail(c, 400, "invalid_parameter", "name", "name: %s", ei.text);
        return;
    }
    api_event_page(c, r, &ei, l.items, more ? &cursor : NULL);
}

/* --- which there are --- */

static const struct api_field kind_fields[] = {
    { "name", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "severity", API_ENUM, API_REQUIRED, 0, 0, "info|notice|warning|error", NULL, NULL },
    { "sentence", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "With {fields}." },
    { "help", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "What it means." },
    { 0 },
};
static const struct api_schema kind_schema = { "EventKind", "A kind of event.", kind_fields };

static bool is_first(unsigned t)
{
    for (unsigned i = 0; i < t; i++)
        if (event_defs[i].name && !strcmp(event_defs[i].name, event_defs[t].name))
            return false;
    return true;
}

static void kinds(struct api_call *c)
{
    json_t *items = json_array();

    for (unsigned t = 0; t < EVT_END; t++) {
        const struct event_def *d = &event_defs[t];

        if (d->name && is_first(t))
            json_array_append_new(items,
                                  json_pack("{s:s, s:s, s:s, s:s}", "name", d->name, "severity",
                                            event_severities[d->severity], "sentence",
                                            d->sentence ? d->sentence : "", "help", d->help));
    }
    api_page_of(c, items, "name", true);
}

const struct api_route api_event_log_routes[] = {
    { .method = "GET",
      .path = "/event-log",
      .scope = SCOPE_MESSAGES_READ,
      .flags = ROUTE_PAGED,
      .id = "listEvents",
      .query = params,
      .status = 200,
      .response = &api_event_schema,
      .run = list,
      .help = "What happened, the newest first: logins, refusals, deliveries, changes. A page may "
              "be short, or empty, with a next_cursor: then the search goes on there." },
    { .method = "GET",
      .path = "/reference/events",
      .scope = SCOPE_SELF,
      .flags = ROUTE_PAGED,
      .id = "listEventKinds",
      .status = 200,
      .response = &kind_schema,
      .run = kinds,
      .help = "Kinds of events: names to ask /event-log for." },
    { 0 },
};
