/* GET /events: the stream of changes. */
#include "admin/session_find.h"
#include "server/api/api_priv.h"
#include "server/api/feed.h"
#include "server/api/session.h"

static const enum api_scope topic_scopes[TOPIC_COUNT] = {
    [TOPIC_SESSIONS] = SCOPE_SESSIONS_READ,  [TOPIC_QUEUE] = SCOPE_QUEUE_READ,
    [TOPIC_STATISTICS] = SCOPE_METRICS_READ, [TOPIC_OPERATIONS] = SCOPE_SELF,
    [TOPIC_MESSAGES] = SCOPE_MESSAGES_READ,  [TOPIC_TRANSCRIPT] = SCOPE_SESSIONS_READ,
};
static const struct api_field params[] = {
    { "topics", API_TEXT, API_REQUIRED, 1, 400, NULL, NULL,
      "With commas: sessions, queue.outgoing, statistics, operations, messages, "
      "sessions.{id}.transcript (of 4 sessions at most)." },
    { 0 },
};

/* "sessions.0123456789ABCDEF.transcript" */
static bool is_transcript(struct sv name, uint64_t *ret_session)
{
    struct sv head = SV("sessions."), tail = SV(".transcript");
    char id[17];

    if (name.n != head.n + 16 + tail.n || !sv_starts(name, head) ||
        !sv_eq(sv_skip(name, head.n + 16), tail))
        return false;
    sv_copy(id, sizeof(id), sv_take(sv_skip(name, head.n), 16));
    return session_parse(id, ret_session);
}

/* A session that has ended, or is not the caller's, says nothing. */
static bool add_session(struct api_call *c, uint64_t session, struct feed_want *want)
{
    struct shm_session_info s;

    if (!api_session_live(c, session, &s))
        return true;
    if (want->n_sessions == FEED_SESSIONS_MAX) {
        api_fail(c, 400, "invalid_parameter", "topics",
                 "topics: transcripts of more than %d "
                 "sessions",
                 FEED_SESSIONS_MAX);
        return false;
    }
    want->sessions[want->n_sessions++] = session;
    want->topics |= 1u << TOPIC_TRANSCRIPT;
    return true;
}

static bool add_topic(struct api_call *c, struct sv name, struct feed_want *want)
{
    uint64_t session = 0;
    int t = is_transcript(name, &session) ? TOPIC_TRANSCRIPT : 0;

    while (!session && t < TOPIC_COUNT && !sv_eq(name, sv_c(topic_names[t])))
        t++;
    if (!session && t == TOPIC_TRANSCRIPT) /* the name of its kind is none */
        t = TOPIC_COUNT;
    if (t == TOPIC_COUNT) {
        api_fail(c, 400, "invalid_parameter", "topics",
                 "topics: '" SV_FMT "' is not one of: sessions, queue.outgoing, statistics, "
                 "operations, messages, sessions.{id}.transcript",
                 SV_ARG(sv_take(name, 40)));
        return false;
    }
    if (!(c->caller->scopes & SCOPE_BIT(topic_scopes[t]))) {
        api_fail(c, 403, "missing_scope", "topics", "topics: %s needs the scope %s", topic_names[t],
                 api_scope_names[topic_scopes[t]]);
        return false;
    }
    if (t == TOPIC_TRANSCRIPT)
        return add_session(c, session, want);
    want->topics |= 1u << t;
    return true;
}

static void events(struct api_call *c)
{
    struct sv rest = sv_c(api_query(c, "topics"));
    struct feed_want want = { 0 };
    uint64_t last = 0;
    bool named = false;

    while (rest.p) {
        struct sv name = sv_trim(sv_split(&rest, ','));

        if (name.n && !add_topic(c, name, &want))
            return;
        named = named || name.n;
    }
    if (!named) {
        api_fail(c, 400, "invalid_parameter", "topics", "topics: names none");
        return;
    }
    if (c->req->last_event_id && sv_to_u64(sv_c(c->req->last_event_id), &last) < 0)
        last = 0;
    if (feed_open(c, &want, last)) {
        c->res->status = 200;
        c->res->type = "text/event-stream";
    }
}

const struct api_route api_event_routes[] = {
    { .method = "GET",
      .path = "/events",
      .scope = SCOPE_SELF,
      .flags = ROUTE_STREAM,
      .id = "streamEvents",
      .query = params,
      .status = 200,
      .run = events,
      .help =
          "Server-sent events: snapshot, then upsert, remove, count; resync and invalidate: read "
          "the list again. Last-Event-ID resumes for five minutes." },
    { 0 },
};
