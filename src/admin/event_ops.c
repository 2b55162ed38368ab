/* What happened: events, messages, sessions, and why. Reads files, which work the same with and
 * without a running server; a running one first writes what it has in memory. */
#include "admin/admin_priv.h"

#include "admin/event_json.h"
#include "admin/session_find.h"
#include "base/clock.h"
#include "conf/conf.h"

enum { MAX_ROWS = 5000, MAX_LINES = 20000, BUDGET_MS = 10000 };

/* --- arguments --- */

static json_t *bad(const char *name, const char *value, const char *allowed)
{
    return admin_error(E_PARSE, "%s: '%.60s' is not %s", name, value, allowed);
}

/* since=1h: that long ago. dflt_ms 0: open. */
static json_t *take_since(const struct admin_call *c, int64_t dflt_ms, int64_t *ret_us)
{
    const char *v = admin_arg(c, "since");
    int64_t ms = dflt_ms;

    if (v && conf_parse_duration(sv_c(v), &ms) < 0)
        return bad("since", v, "a duration, such as 30m, 1h, 7d");
    *ret_us = ms ? clock_wall_us() - ms * 1000 : 0;
    return NULL;
}

static json_t *take_limit(const struct admin_call *c, size_t dflt, size_t *ret)
{
    const char *v = admin_arg(c, "limit");
    uint64_t n = dflt;

    if (v && (sv_to_u64(sv_c(v), &n) < 0 || n == 0 || n > MAX_ROWS))
        return bad("limit", v, "a number from 1 to 5000");
    *ret = (size_t)n;
    return NULL;
}

static int index_of(const char *v, const char *const *names, int n)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(v, names[i]))
            return i;
    return -1;
}

void admin_write_events(struct admin *a)
{
    static const enum module recording[] = { MOD_SMTP, MOD_ACCESS };

    event_flush();
    for (size_t i = 0; i < ARRAY_LEN(recording) && a->ask; i++)
        json_decref(a->ask(a->arg, recording[i], "events.flush", NULL));
}

/* --- events --- */

static bool add_event(const struct event_view *e, void *rows)
{
    json_array_append_new(rows, event_json(e));
    return true;
}

static json_t *take_filters(const struct admin_call *c, struct event_query *q)
{
    const char *session = admin_arg(c, "session"), *service = admin_arg(c, "service"),
               *severity = admin_arg(c, "severity");

    q->name = sv_c(admin_arg(c, "name"));
    q->address = sv_c(admin_arg(c, "address"));
    q->ip = sv_c(admin_arg(c, "ip"));
    q->msgid = sv_c(admin_arg(c, "id"));
    if (session && !session_parse(session, &q->session))
        return bad("session", session, "a session's key of 16 hex digits");
    if (service && (q->service = 1 + index_of(service, service_names, SVC_COUNT)) == 0)
        return bad("service", service,
                   "a service; allowed: smtp, submission, smtp-client, pop3, "
                   "imap, control, managesieve");
    if (severity) {
        int s = index_of(severity, event_severities, SEV_COUNT);
        if (s < 0)
            return bad("severity", severity, "one; allowed: info, notice, warning, error");
        q->severity = (enum event_severity)s;
    }
    return NULL;
}

static json_t *list_events(const struct admin_call *c)
{
    struct event_query q = { .budget_ms = BUDGET_MS };
    struct event_cursor cursor = { 0 };
    const char *from = admin_arg(c, "cursor");
    char text[EVENT_CURSOR_TEXT];
    struct errinfo ei = { 0 };
    bool more = false;
    json_t *error = take_filters(c, &q), *rows;
    int r;

    if (!error)
        error = take_since(c, 0, &q.from_us);
    if (!error)
        error = take_limit(c, 100, &q.limit);
    if (!error && from && event_cursor_parse(sv_c(from), &cursor) < 0)
        error = bad("cursor", from, "one of an answer before");
    if (error)
        return error;
    admin_write_events(c->a);
    rows = json_array();
    r = event_query(c->a->data_dir, &q, &cursor, add_event, rows, &more, &ei);
    if (r < 0)
        return admin_rows(r, rows, &ei);
    event_cursor_text(&cursor, text);
    return json_pack("{s:b, s:o, s:s?}", "ok", 1, "rows", rows, "next_cursor", more ? text : NULL);
}

/* --- messages --- */

static json_t *not_known(const char *id)
{
    return admin_error(E_NOTFOUND,
                       "nothing is known of message '%.40s': mistyped, or older than "
                       "events.retention_days",
                       id);
}

static json_t *message_by_id(const struct admin_call *c, const char *id, bool with_events)
{
    struct event_timeline t;
    struct trace m;
    json_t *verdict, *rows;
    uint64_t key;

    admin_write_events(c->a);
    key = trace_key(c->a->data_dir, sv_c(id));
    if (!key)
        return not_known(id);
    rows = json_array();
    event_timeline(c->a->data_dir, sv_c(id), key, &t);
    for (size_t i = 0; i < t.n && with_events; i++)
        json_array_append_new(rows, event_json(&t.events[i]));
    trace_make(&t, key, NULL, &m);
    verdict = event_verdict_json(&m);
    trace_done(&m);
    event_timeline_done(&t);
    return json_pack("{s:b, s:o, s:o, s:b}", "ok", 1, "message", verdict, "rows", rows, "cut",
                     (int)t.cut);
}

static void add_message(void *rows, const struct trace *t)
{
    json_array_append_new(rows, event_verdict_json(t));
}

static json_t *messages_of(const struct admin_call *c, const struct trace_query *q)
{
    json_t *rows = json_array();
    struct errinfo ei = { 0 };
    int r;

    admin_write_events(c->a);
    r = trace_find(c->a->data_dir, q, NULL, add_message, rows, NULL, &ei);

    return admin_rows(r, rows, &ei);
}

static json_t *trace(const struct admin_call *c)
{
    const char *what = admin_arg(c, "what");
    struct trace_query q = { .budget_ms = BUDGET_MS };
    json_t *error;

    if (trace_is_id(sv_c(what)))
        return message_by_id(c, what, true);
    error = take_since(c, 3600 * 1000, &q.from_us);
    if (!error)
        error = take_limit(c, 50, &q.limit);
    if (error)
        return error;
    if (strchr(what, '@'))
        q.address = sv_c(what);
    else
        q.ip = sv_c(what);
    return messages_of(c, &q);
}

static json_t *why(const struct admin_call *c)
{
    const char *id = admin_arg(c, "id"), *from = admin_arg(c, "from"), *to = admin_arg(c, "to");
    struct trace_query q = { .sender = sv_c(from), .recipient = sv_c(to), .budget_ms = BUDGET_MS };
    json_t *error;

    if (id && !trace_is_id(sv_c(id)))
        return bad("id", id, "a message id, such as OSA88513");
    if (id)
        return message_by_id(c, id, false);
    if (!from && !to)
        return admin_error(E_PARSE, "name a message id, or from=, to= and since=");
    error = take_since(c, 24 * 3600 * 1000, &q.from_us);
    if (!error)
        error = take_limit(c, 10, &q.limit);
    return error ? error : messages_of(c, &q);
}

/* --- sessions --- */

static bool add_line(const struct transcript_line *l, void *rows)
{
    json_array_append_new(rows, event_line_json(l));
    return json_array_size(rows) < MAX_LINES;
}

static bool keep_event(const struct event_view *e, void *arg)
{
    *(json_t **)arg = event_json(e);
    return false;
}

static json_t *show_session(const struct admin_call *c)
{
    const char *text = admin_arg(c, "id");
    struct event_query q = { .name = SV("session.end"), .limit = 1 };
    json_t *rows, *end = NULL;
    uint64_t key;

    admin_write_events(c->a);
    q.session = key = session_find(c->a->data_dir, text, 0);

    if (!key)
        return admin_error(E_NOTFOUND,
                           "no session '%.40s' is known; `posthorn tool events "
                           "name=session.end` lists the ended ones, `sessions` the live ones",
                           text);
    rows = json_array();
    event_transcript(c->a->data_dir, key, NULL, add_line, rows);
    event_query(c->a->data_dir, &q, NULL, keep_event, &end, NULL, NULL);
    return json_pack("{s:b, s:o, s:o, s:o}", "ok", 1, "session", event_key_json(key), "end",
                     end ? end : json_null(), "rows", rows);
}

const struct admin_op admin_event_ops[] = {
    { "event.list",
      "[name] [address] [ip] [id] [session] [service] [severity] [since] [limit] "
      "[cursor]",
      "Events, newest first.", list_events },
    { "message.trace", "what [since] [limit]",
      "The timeline of a message id; or the messages of an address or IP.", trace },
    { "message.why", "[id] [from] [to] [since] [limit]", "What became of a message, and why.",
      why },
    { "session.show", "id", "Transcript and totals of a session.", show_session },
    { 0 },
};
