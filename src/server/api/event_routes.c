/* GET /events: the stream of changes. */
#include "server/api/api_priv.h"
#include "server/api/feed.h"

static const enum api_scope topic_scopes[TOPIC_COUNT] = {
    [TOPIC_SESSIONS] = SCOPE_SESSIONS_READ,  [TOPIC_QUEUE] = SCOPE_QUEUE_READ,
    [TOPIC_STATISTICS] = SCOPE_METRICS_READ, [TOPIC_OPERATIONS] = SCOPE_SELF,
    [TOPIC_MESSAGES] = SCOPE_MESSAGES_READ,
};
static const struct api_field params[] = {
    { "topics", API_TEXT, API_REQUIRED, 1, 200, NULL, NULL,
      "With commas: sessions, queue.outgoing, statistics, operations, messages." },
    { 0 },
};

static bool add_topic(struct api_call *c, struct sv name, unsigned *topics)
{
    int t = 0;

    while (t < TOPIC_COUNT && !sv_eq(name, sv_c(topic_names[t])))
        t++;
    if (t == TOPIC_COUNT) {
        api_fail(c, 400, "invalid_parameter", "topics",
                 "topics: '" SV_FMT "' is not one of: sessions, queue.outgoing, statistics, "
                 "operations, messages",
                 SV_ARG(sv_take(name, 40)));
        return false;
    }
    if (!(c->caller->scopes & SCOPE_BIT(topic_scopes[t]))) {
        api_fail(c, 403, "missing_scope", "topics", "topics: %s needs the scope %s", topic_names[t],
                 api_scope_names[topic_scopes[t]]);
        return false;
    }
    *topics |= 1u << t;
    return true;
}

static void events(struct api_call *c)
{
    struct sv rest = sv_c(api_query(c, "topics"));
    unsigned topics = 0;
    uint64_t last = 0;

    while (rest.p) {
        struct sv name = sv_trim(sv_split(&rest, ','));

        if (name.n && !add_topic(c, name, &topics))
            return;
    }
    if (!topics) {
        api_fail(c, 400, "invalid_parameter", "topics", "topics: names none");
        return;
    }
    if (c->req->last_event_id && sv_to_u64(sv_c(c->req->last_event_id), &last) < 0)
        last = 0;
    if (feed_open(c, topics, last)) {
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
