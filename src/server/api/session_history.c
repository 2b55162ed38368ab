/* Sessions that have ended, from the one event that each leaves, and transcripts of all. */
#include "admin/event_json.h"
#include "base/clock.h"
#include "server/api/api_priv.h"
#include "server/api/event_page.h"
#include "server/api/message.h"
#include "server/api/page.h"
#include "server/api/peer.h"
#include "server/api/session.h"

#define BUDGET_MS      1500
#define TRANSCRIPT_MAX (4 * MiB) /* bytes of a page's texts */
#define SETTLE_MS      3000      /* until the last lines of an ended session are there for sure */

/* --- the row --- */

static bool sees_account(const struct api_caller *who, const struct record *r)
{
    struct sv account = record_text(r, FIELD_account);

    return api_sees_all(who) || (account.n && api_sees_address(who, account));
}

static json_t *text_or_null(const struct record *r, enum event_field f)
{
    struct sv s = record_text(r, f);

    return s.n ? event_text_json(s) : json_null();
}

static json_t *number_or_null(const struct record *r, enum event_field f)
{
    struct event_value v;

    return record_field(r, f, &v) ? json_integer((json_int_t)v.n) : json_null();
}

/* The client of a session with us, or the server that we called. */
static json_t *peer_json(const struct api_caller *who, const struct record *r)
{
    char room[API_PEER_MAX];

    return event_text_json(api_shown_peer(who, record_text(r, FIELD_peer), room));
}

/* e: session.end, or session.start of one that ended without. */
static json_t *row_json(const struct api_caller *who, const struct event_view *e)
{
    const struct record *r = &e->record;
    const struct event_head *h = &r->head;
    bool ended = h->type == EVT_session_end;
    int64_t at_ms = h->time_us / 1000;
    int64_t began_ms = ended ? at_ms - (int64_t)record_number(r, FIELD_duration) : at_ms;
    enum service service = h->service ? (enum service)(h->service - 1) : SVC_SMTP;
    json_t *j = json_pack(
        "{s:o, s:o, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:b, s:o, s:o, s:I, s:I}", "id",
        event_key_json(h->session), "log_id", json_sprintf("%04X", (unsigned)(h->session & 0xffff)),
        "service", service_names[service], "direction", service == SVC_SMTP_CLIENT ? "out" : "in",
        "state", "ended", "doing", "", "peer", peer_json(who, r), "local",
        event_text_json(record_text(r, FIELD_local)), "account",
        event_text_json(record_text(r, FIELD_account)), "tls", record_text(r, FIELD_tls).n > 0,
        "started_at", api_time(began_ms), "active_at", api_time(at_ms), "bytes_in",
        (json_int_t)record_number(r, FIELD_bytes_in), "bytes_out",
        (json_int_t)record_number(r, FIELD_bytes_out));

    json_object_set_new(j, "ended_at", ended ? api_time(at_ms) : json_null());
    json_object_set_new(j, "outcome", text_or_null(r, FIELD_outcome));
    json_object_set_new(j, "why", text_or_null(r, FIELD_why));
    json_object_set_new(j, "duration_ms", number_or_null(r, FIELD_duration));
    json_object_set_new(j, "commands", number_or_null(r, FIELD_commands));
    json_object_set_new(j, "messages", number_or_null(r, FIELD_messages));
    json_object_set_new(j, "errors", number_or_null(r, FIELD_errors));
    json_object_set_new(j, "helo", text_or_null(r, FIELD_helo));
    json_object_set_new(j, "tls_info", text_or_null(r, FIELD_tls));
    json_object_set_new(j, "host", text_or_null(r, FIELD_host));
    json_object_set_new(j, "actions", json_array());
    return j;
}

/* --- the list --- */

struct history {
    struct api_call *c;
    const char *q, *account, *outcome, *peer;
    json_t *items;
};

static bool wanted(const struct event_view *e, void *arg)
{
    const struct history *h = arg;
    const struct record *r = &e->record;
    static const enum event_field texts[] = { FIELD_peer, FIELD_account, FIELD_helo, FIELD_host,
                                              FIELD_why };
    struct buf b;
    bool fits;

    if (!sees_account(h->c->caller, r) ||
        (h->account && !sv_ieq(record_text(r, FIELD_account), sv_c(h->account))) ||
        (h->outcome && !sv_eq(record_text(r, FIELD_outcome), sv_c(h->outcome))) ||
        !api_peer_is(h->c->caller, record_text(r, FIELD_peer), h->peer))
        return false;
    if (!h->q || !*h->q)
        return true;
    buf_init(&b, 8 * KiB);
    buf_addf(&b, "%04X", (unsigned)(r->head.session & 0xffff));
    for (size_t i = api_sees_all(h->c->caller) ? 0 : 1; i < ARRAY_LEN(texts); i++) {
        buf_add_c(&b, '\n');
        buf_add_sv(&b, record_text(r, texts[i]));
    }
    fits = api_q_fits(h->q, buf_sv(&b));
    buf_done(&b);
    return fits;
}

static bool add(const struct event_view *e, void *arg)
{
    struct history *h = arg;

    json_array_append_new(h->items, row_json(h->c->caller, e));
    return true;
}

static int service_of(const char *name)
{
    for (int i = 0; name && i < SVC_COUNT; i++)
        if (!strcmp(name, service_names[i]))
            return 1 + i;
    return 0;
}

void api_session_history(struct api_call *c)
{
    struct history h = { .c = c,
                         .q = api_query(c, "q"),
                         .account = api_query(c, "account"),
                         .outcome = api_query(c, "outcome"),
                         .peer = api_query(c, "peer") };
    struct event_query q = { .name = SV("session.end"),
                             .address = sv_c(h.account),
                             .ip = sv_c(api_sees_all(c->caller) ? h.peer : NULL),
                             .service = service_of(api_query(c, "service")),
                             .from_us = api_query_time_us(c, "from"),
                             .to_us = api_query_time_us(c, "to"),
                             .match = wanted,
                             .match_arg = &h,
                             .limit = api_page_limit(c),
                             .budget_ms = BUDGET_MS };
    struct event_cursor cursor;
    struct errinfo ei = { 0 };
    bool more = false;
    int r;

    if (!api_event_cursor(c, &cursor))
        return;
    h.items = json_array();
    r = event_query(api_admin_of(c)->data_dir, &q, &cursor, add, &h, &more, &ei);
    api_event_page(c, r, &ei, h.items, more ? &cursor : NULL);
}

/* --- one --- */

struct one {
    struct api_call *c;
    json_t *row;
};

static bool take_row(const struct event_view *e, void *arg)
{
    struct one *o = arg;

    if (sees_account(o->c->caller, &e->record))
        o->row = row_json(o->c->caller, e);
    return false;
}

static bool take_local(const struct event_view *e, void *arg)
{
    json_object_set_new(arg, "local", event_text_json(record_text(&e->record, FIELD_local)));
    return false;
}

json_t *api_session_ended(struct api_call *c, uint64_t key)
{
    struct event_query end = { .name = SV("session.end"), .session = key, .limit = 1 };
    struct event_query start = { .name = SV("session.start"), .session = key, .limit = 1 };
    const char *dir = api_admin_of(c)->data_dir;
    struct one o = { .c = c };

    if (!key)
        return NULL;
    event_query(dir, &end, NULL, take_row, &o, NULL, NULL);
    if (o.row)
        event_query(dir, &start, NULL, take_local, o.row, NULL, NULL);
    else
        event_query(dir, &start, NULL, take_row, &o, NULL, NULL);
    return o.row;
}

/* --- transcripts --- */

static const struct api_field line_fields[] = {
    { "time", API_TIME, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "kind", API_ENUM, API_REQUIRED, 0, 0, "in|out|summary|text", NULL,
      "in: read from the peer; out: written to it." },
    { "text", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL,
      "One or several lines; secrets are masked." },
    { 0 },
};
static const struct api_schema line_schema = { "TranscriptLine", "What was said.", line_fields };
static const struct api_field transcript_fields[] = {
    { "id", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Of the session." },
    { "state", API_ENUM, API_REQUIRED, 0, 0, "active|ended", NULL, NULL },
    { "items", API_LIST, API_REQUIRED, 0, 0, NULL, &line_schema, "The oldest first." },
    { "next_cursor", API_TEXT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL,
      "There is more, or more will come; null: it has ended and this was all." },
    { 0 },
};
static const struct api_schema transcript_schema = { "Transcript", "A session's transcript.",
                                                     transcript_fields };
static const struct api_field transcript_params[] = {
    { "limit", API_INT, 0, 1, 2000, NULL, NULL, "Lines of a page; 100 without it." },
    { "cursor", API_TEXT, 0, 1, 1000, NULL, NULL, "next_cursor of the page before." },
    { 0 },
};

struct lines {
    json_t *items;
    size_t limit, bytes;
    char hide[API_PEER_MAX]; /* the peer, for who sees half of it */
};

static const char *kind_of(const struct transcript_line *l)
{
    if (l->type == TRANSCRIPT_NOTE)
        return sv_starts(l->text, SV("***")) ? "summary" : "text";
    return l->type == TRANSCRIPT_IN ? "in" : "out";
}

static json_t *text_json(const struct lines *k, struct sv text)
{
    struct buf b;
    json_t *j;

    if (!*k->hide)
        return event_text_json(text);
    buf_init(&b, RECORD_MAX * 2);
    api_hide_peer(text, sv_c(k->hide), &b);
    j = event_text_json(buf_sv(&b));
    buf_done(&b);
    return j;
}

static bool take_peer(const struct event_view *e, void *arg)
{
    struct lines *k = arg;

    return !sv_copy(k->hide, sizeof(k->hide), record_text(&e->record, FIELD_peer));
}

static void hide_peer(struct api_call *c, uint64_t key, const struct shm_session_info *live,
                      struct lines *k)
{
    struct event_query q = { .name = SV("session."), .session = key };

    if (api_sees_all(c->caller))
        return;
    if (live)
        sv_copy(k->hide, sizeof(k->hide), sv_c(live->peer));
    else
        event_query(api_admin_of(c)->data_dir, &q, NULL, take_peer, k, NULL, NULL);
}

static bool add_line(const struct transcript_line *l, void *arg)
{
    struct lines *k = arg;

    json_array_append_new(k->items,
                          json_pack("{s:o, s:s, s:o}", "time", event_time_json(l->time_us), "kind",
                                    kind_of(l), "text", text_json(k, l->text)));
    k->bytes += l->text.n;
    return json_array_size(k->items) < k->limit && k->bytes < TRANSCRIPT_MAX;
}

/* Its last lines are written by another thread than the event of its end. */
static bool has_settled(json_t *ended)
{
    const char *at = json_string_value(json_object_get(ended, "ended_at"));
    int64_t ms = 0;

    return !at || !api_parse_time(at, 0, &ms) || clock_wall_ms() - ms > SETTLE_MS;
}

static void transcript(struct api_call *c)
{
    uint64_t key = api_session_param(c);
    struct lines k = { .limit = api_page_limit(c) };
    struct shm_session_info s;
    struct event_cursor cursor;
    char text[EVENT_CURSOR_TEXT];
    bool live = api_session_live(c, key, &s), more;
    json_t *ended = live ? NULL : api_session_ended(c, key), *page;

    if (!live && !ended)
        api_fail_gone(c, "session", api_param(c, "id"));
    if ((live || ended) && api_event_cursor(c, &cursor)) {
        k.items = json_array();
        hide_peer(c, key, live ? &s : NULL, &k);
        event_transcript(api_admin_of(c)->data_dir, key, &cursor, add_line, &k);
        more = live || !has_settled(ended) || json_array_size(k.items) == k.limit ||
               k.bytes >= TRANSCRIPT_MAX;
        event_cursor_text(&cursor, text);
        page = json_pack("{s:o, s:s, s:o, s:o}", "id", event_key_json(key), "state",
                         live ? "active" : "ended", "items", k.items, "next_cursor",
                         more ? api_cursor_json(text) : json_null());
        api_reply(c, 200, page);
    }
    json_decref(ended);
}

const struct api_route api_transcript_routes[] = {
    { .method = "GET",
      .path = "/sessions/{id}/transcript",
      .scope = SCOPE_SESSIONS_READ,
      .flags = ROUTE_LOOKS,
      .id = "getTranscript",
      .query = transcript_params,
      .status = 200,
      .response = &transcript_schema,
      .run = transcript,
      .help =
          "What was said in a session, also while it lives; the look is recorded in the audit." },
    { 0 },
};
