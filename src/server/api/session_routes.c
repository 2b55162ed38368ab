/* Live sessions, read from shared memory: the sessions do not notice. */
#include "server/api/session.h"

#include "admin/event_json.h"
#include "admin/session_find.h"
#include "base/clock.h"
#include "server/api/api_priv.h"
#include "server/api/message.h"
#include "server/api/page.h"
#include "server/api/peer.h"

#define FIND_BUDGET_MS 1500

static const struct api_field list_params[] = {
    { "state", API_ENUM, 0, 0, 0, "active|history", NULL, "active without it." },
    { "service", API_ENUM, 0, 0, 0, "smtp|submission|smtp-client|pop3|imap|control|managesieve",
      NULL, "Without it: all but active ones of control, the console's and the API's." },
    { "account", API_TEXT, 0, 1, 320, NULL, NULL,
      "Part of the account; of the history the whole address." },
    { "peer", API_TEXT, 0, 1, 64, NULL, NULL,
      "Beginning of the address; of the history the whole address." },
    { "outcome", API_ENUM, 0, 0, 0, "success|failed|disconnected", NULL, "Of the history." },
    { "from", API_TIME, 0, 0, 0, NULL, NULL, "Of the history: ended not before." },
    { "to", API_TIME, 0, 0, 0, NULL, NULL, "Of the history: ended before." },
    { 0 },
};

static const struct api_field session_fields[] = {
    { "id", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "16 hex digits." },
    { "log_id", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "The 4 hex digits of log lines." },
    { "service", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "direction", API_ENUM, API_REQUIRED, 0, 0, "in|out", NULL, "Who called whom." },
    { "state", API_ENUM, API_REQUIRED, 0, 0, "active|ended", NULL, NULL },
    { "doing", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL,
      "Current or last command, of a web session the request; empty when it has ended." },
    { "peer", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL,
      "Address; its first half for a domain admin." },
    { "local", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Our address and port." },
    { "account", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Empty: not logged in." },
    { "tls", API_BOOL, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "started_at", API_TIME, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, NULL },
    { "active_at", API_TIME, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, "Last command." },
    { "bytes_in", API_INT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "bytes_out", API_INT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "ended_at", API_TIME, API_REQUIRED | API_NULL, 0, 0, NULL, NULL,
      "Also null when a crash ended it." },
    { "outcome", API_ENUM, API_REQUIRED | API_NULL, 0, 0, "success|failed|disconnected", NULL,
      "success: the peer took its leave; disconnected: it was silent or left without a word." },
    { "why", API_TEXT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL,
      "quit, peer, timeout, error, kill, shutdown, limit" },
    { "duration_ms", API_INT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, NULL },
    { "commands", API_INT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, NULL },
    { "messages", API_INT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, NULL },
    { "errors", API_INT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, "Refused commands." },
    { "helo", API_TEXT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, "Name that the peer gave." },
    { "tls_info", API_TEXT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, "Protocol and cipher." },
    { "host", API_TEXT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, "Server that we called." },
    { "actions", API_TEXTS, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { 0 },
};
const struct api_schema api_session_schema = { "Session", "A connection.", session_fields };

/* The path of another's request may name what is not the caller's. */
static json_t *doing_json(const struct api_caller *who, const struct shm_session_info *s)
{
    char text[sizeof(s->state) + 1 + sizeof(s->about)];
    bool shown = *s->about && (api_sees_all(who) || sv_ieq(sv_c(s->account), sv_c(who->who)));

    snprintf(text, sizeof(text), "%s%s%s", s->state, shown ? " " : "", shown ? s->about : "");
    return api_text(text);
}

uint64_t api_session_key(const struct shm_session_info *s)
{
    return shm_session_key(s->id);
}

bool api_sees_session(const struct api_caller *who, const struct shm_session_info *s)
{
    return api_sees_all(who) || (*s->account && api_sees_address(who, sv_c(s->account)));
}

json_t *api_session_json(const struct api_caller *who, const struct shm_session_info *s)
{
    char id[20], log_id[8], peer[API_PEER_MAX];
    bool may_end = who->scopes & SCOPE_BIT(SCOPE_SESSIONS_WRITE);

    snprintf(id, sizeof(id), "%016" PRIX64, api_session_key(s));
    snprintf(log_id, sizeof(log_id), "%04X", s->id & 0xffff);
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:s, s:o, s:b, s:o, s:o, s:I, s:I, s:n, "
        "s:n, s:n, s:n, s:n, s:n, s:n, s:n, s:n, s:n, s:o}",
        "id", id, "log_id", log_id, "service", service_names[s->service], "direction",
        s->service == SVC_SMTP_CLIENT ? "out" : "in", "state", "active", "doing",
        doing_json(who, s), "peer", event_text_json(api_shown_peer(who, sv_c(s->peer), peer)),
        "local", s->local, "account", api_text(s->account), "tls", (int)s->tls, "started_at",
        api_time(s->started_ms), "active_at", api_time(s->active_ms), "bytes_in",
        (json_int_t)s->bytes_in, "bytes_out", (json_int_t)s->bytes_out, "ended_at", "outcome",
        "why", "duration_ms", "commands", "messages", "errors", "helo", "tls_info", "host",
        "actions", may_end ? json_pack("[s]", "end") : json_array());
}

struct want {
    struct api_call *c;
    struct api_page *page;
    const char *service, *account, *peer, *q;
    bool by_account, by_peer;
};

static void want_init(struct want *w, struct api_call *c, json_t *from)
{
    *w = (struct want){ .c = c,
                        .service = json_string_value(json_object_get(from, "service")),
                        .account = json_string_value(json_object_get(from, "account")),
                        .peer = json_string_value(json_object_get(from, "peer")),
                        .q = json_string_value(json_object_get(from, "q")) };
}

/* Its beginning, or all of it. */
static bool is_peer(const struct want *w, struct sv shown, const struct shm_session_info *s)
{
    return !w->peer || sv_istarts(shown, sv_c(w->peer)) ||
           api_peer_is(w->c->caller, sv_c(s->peer), w->peer);
}

/* Those of the web server by their name only: whoever looks for mail would find consoles that look
 * at the same list. */
static bool is_meant(const struct want *w, const struct shm_session_info *s)
{
    return api_sees_session(w->c->caller, s) &&
           (w->service ? !strcmp(w->service, service_names[s->service])
                       : s->service != SVC_CONTROL);
}

static bool wanted(const struct want *w, const struct shm_session_info *s)
{
    char log_id[8], room[API_PEER_MAX];
    struct sv peer = api_shown_peer(w->c->caller, sv_c(s->peer), room);

    if (!is_meant(w, s) || (w->account && sv_ifind_sv(sv_c(s->account), sv_c(w->account)) < 0) ||
        !is_peer(w, peer, s))
        return false;
    if (!w->q || !*w->q)
        return true;
    snprintf(log_id, sizeof(log_id), "%04X", s->id & 0xffff);
    return api_q_matches(
        w->q,
        (const char *const[]){ peer.p, s->account, service_names[s->service], s->state, log_id },
        5);
}

static bool add(const struct shm_session_info *s, void *arg)
{
    struct want *w = arg;
    const char *sort = w->page->sort;
    char room[API_PEER_MAX];
    struct api_key k;

    if (!wanted(w, s))
        return true;
    k.n = 0;
    k.text[0] = '\0';
    if (w->by_account)
        sv_copy(k.text, sizeof(k.text), sv_c(s->account));
    else if (w->by_peer)
        sv_copy(k.text, sizeof(k.text), api_shown_peer(w->c->caller, sv_c(s->peer), room));
    else if (!strcmp(sort, "age"))
        k.n = -s->started_ms;
    else if (!strcmp(sort, "idle"))
        k.n = -s->active_ms;
    else
        k.n = (int64_t)(s->bytes_in + s->bytes_out);
    snprintf(k.id, sizeof(k.id), "%016" PRIX64, api_session_key(s));
    api_page_add(w->page, &k, s);
    return true;
}

static json_t *row(struct api_call *c, const void *payload)
{
    return api_session_json(c->caller, payload);
}

static bool running(struct api_call *c)
{
    if (api_admin_of(c)->shm)
        return true;
    api_fail_err(c, E_CLOSED, "the server is not running; start it with `posthorn serve`");
    return false;
}

static bool is_history(const struct api_call *c)
{
    const char *state = api_query(c, "state");

    return state && !strcmp(state, "history");
}

/* Some parameters are of one state only. False: answered. */
static bool check_params(struct api_call *c)
{
    static const char *const of_history[] = { "outcome", "from", "to" };
    bool history = is_history(c);

    for (size_t i = 0; i < ARRAY_LEN(of_history) && !history; i++)
        if (api_query(c, of_history[i])) {
            api_fail(c, 400, "invalid_parameter", of_history[i],
                     "%s: is known of ended sessions only; add state=history", of_history[i]);
            return false;
        }
    if (history && api_query(c, "sort")) {
        api_fail(c, 400, "invalid_parameter", "sort",
                 "sort: the history is always ordered by the sessions' ends");
        return false;
    }
    return true;
}

static void list(struct api_call *c)
{
    struct api_page page;
    struct want w;

    if (!check_params(c))
        return;
    if (is_history(c)) {
        api_session_history(c);
        return;
    }
    if (!running(c) || !api_page_begin(&page, c, sizeof(struct shm_session_info), "age"))
        return;
    want_init(&w, c, c->query);
    w.page = &page;
    w.by_account = !strcmp(page.sort, "account");
    w.by_peer = !strcmp(page.sort, "peer");
    shm_session_each(api_admin_of(c)->shm, add, &w);
    api_page_end(&page, row);
}

struct lookup {
    const struct api_caller *who;
    uint64_t key;
    bool found;
    struct shm_session_info info;
};

static bool look(const struct shm_session_info *s, void *arg)
{
    struct lookup *l = arg;

    l->found = api_session_key(s) == l->key && api_sees_session(l->who, s);
    if (l->found)
        l->info = *s;
    return !l->found;
}

bool api_session_live(struct api_call *c, uint64_t key, struct shm_session_info *ret)
{
    struct lookup l = { .who = c->caller, .key = key };

    if (api_admin_of(c)->shm && key)
        shm_session_each(api_admin_of(c)->shm, look, &l);
    if (l.found)
        *ret = l.info;
    return l.found;
}

uint64_t api_session_param(struct api_call *c)
{
    const char *id = api_param(c, "id");
    size_t n = strlen(id);

    admin_write_events(api_admin_of(c));
    return n == 16 || n == 8 || n == 4 ? session_find(api_admin_of(c)->data_dir, id, FIND_BUDGET_MS)
                                       : 0;
}

/* False: answered. */
static bool find(struct api_call *c, struct shm_session_info *ret)
{
    const char *id = api_param(c, "id");
    uint64_t key = 0;

    if (!running(c))
        return false;
    if (strlen(id) == 16 && session_parse(id, &key) && api_session_live(c, key, ret))
        return true;
    api_fail(c, 404, "not_found", NULL, "session '%.60s' does not exist or has ended", id);
    return false;
}

static void show(struct api_call *c)
{
    uint64_t key = api_session_param(c);
    struct shm_session_info s;
    json_t *j =
        api_session_live(c, key, &s) ? api_session_json(c->caller, &s) : api_session_ended(c, key);

    if (j)
        api_reply(c, 200, j);
    else
        api_fail_gone(c, "session", api_param(c, "id"));
}

static json_t *kill_args(uint32_t id)
{
    return json_pack("{s:o}", "id", json_sprintf("%08" PRIX32, id));
}

void api_session_end(struct api_call *c, const struct shm_session_info *s)
{
    char object[40];
    json_t *reply;

    if (api_session_key(s) == c->req->session) {
        api_fail(c, 409, "own_connection", NULL,
                 "by this connection you ask; close it, or sign out with POST " API_PREFIX
                 "/logout");
        return;
    }
    snprintf(object, sizeof(object), "session %016" PRIX64, api_session_key(s));
    if (!api_audit(c, object, "ended", *s->account ? s->account : s->peer))
        return;
    reply = api_admin(c, "session.kill", kill_args(s->id));
    if (!reply)
        return;
    json_decref(reply);
    api_reply(c, 204, NULL);
}

static void end(struct api_call *c)
{
    struct shm_session_info s;

    if (find(c, &s))
        api_session_end(c, &s);
}

static const struct api_field filter_fields[] = {
    { "service", API_ENUM, 0, 0, 0, "smtp|submission|smtp-client|pop3|imap|control|managesieve",
      NULL, "Without it: all but those of control." },
    { "account", API_TEXT, 0, 1, 320, NULL, NULL, "The whole address." },
    { "peer", API_TEXT, 0, 1, 64, NULL, NULL, "The whole address." },
    { 0 },
};
static const struct api_schema filter_schema = { "SessionFilter", "Which sessions.",
                                                 filter_fields };
static const struct api_field action_fields[] = {
    { "action", API_ENUM, API_REQUIRED, 0, 0, "end", NULL, NULL },
    { "filter", API_OBJECT, API_REQUIRED, 0, 0, NULL, &filter_schema,
      "All that fit; at least one of its fields." },
    { 0 },
};
static const struct api_schema action_schema = { "SessionAction", "What to do with which sessions.",
                                                 action_fields };
static const struct api_field count_fields[] = {
    { "count", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "How many it was done to." },
    { 0 },
};
static const struct api_schema count_schema = { "Count", "A number of things.", count_fields };

struct ids {
    struct want want;
    uint32_t *v;
    size_t n;
};

static bool collect(const struct shm_session_info *s, void *arg)
{
    struct ids *l = arg;
    const struct want *w = &l->want;

    if (!is_meant(w, s) || api_session_key(s) == w->c->req->session ||
        (w->account && !sv_ieq(sv_c(s->account), sv_c(w->account))) ||
        (w->peer && strcmp(s->peer, w->peer)))
        return true;
    if (!(l->n & (l->n - 1)))
        l->v = xrealloc(l->v, (l->n ? 2 * l->n : 1) * sizeof(*l->v));
    l->v[l->n++] = s->id;
    return true;
}

static void act(struct api_call *c)
{
    struct admin *a = api_admin_of(c);
    json_t *filter = json_object_get(c->body, "filter");
    struct ids l = { 0 };
    json_int_t count = 0;
    bool audited;
    char *text;

    if (!running(c))
        return;
    if (!json_object_size(filter)) {
        api_fail(c, 422, "invalid_field", "filter",
                 "filter: must name service, account or peer; ending all sessions is not meant");
        return;
    }
    text = json_dumps(filter, JSON_COMPACT);
    audited = api_audit(c, "sessions", "ended", text);
    free(text);
    if (!audited)
        return;
    want_init(&l.want, c, filter);
    shm_session_each(a->shm, collect, &l);
    for (size_t i = 0; i < l.n; i++) {
        json_t *req = json_pack("{s:s, s:o}", "op", "session.kill", "args", kill_args(l.v[i]));
        json_t *reply = admin_run(a, c->caller->who, req);

        count += json_object_get(reply, "ok") != NULL;
        json_decref(req);
        json_decref(reply);
    }
    free(l.v);
    api_reply(c, 200, json_pack("{s:I}", "count", count));
}

const struct api_route api_session_routes[] = {
    { .method = "GET",
      .path = "/sessions",
      .scope = SCOPE_SESSIONS_READ,
      .flags = ROUTE_PAGED,
      .id = "listSessions",
      .query = list_params,
      .status = 200,
      .response = &api_session_schema,
      .sort = "age|-age|idle|-idle|bytes|-bytes|account|-account|peer|-peer",
      .run = list,
      .help = "Sessions, the newest first. A page of the history may be short, or empty, with a "
              "next_cursor: then the search goes on there." },
    { .method = "POST",
      .path = "/sessions/actions",
      .scope = SCOPE_SESSIONS_WRITE,
      .flags = ROUTE_IDEMPOTENT,
      .id = "actOnSessions",
      .body = &action_schema,
      .status = 200,
      .response = &count_schema,
      .run = act,
      .help = "Ends all sessions of an account, an address or a service, but for the connection by "
              "which this is asked." },
    { .method = "GET",
      .path = "/sessions/{id}",
      .scope = SCOPE_SESSIONS_READ,
      .id = "getSession",
      .status = 200,
      .response = &api_session_schema,
      .run = show,
      .help = "One session, also an ended one; 4 or 8 digits: the latest that ends in them." },
    { .method = "DELETE",
      .path = "/sessions/{id}",
      .scope = SCOPE_SESSIONS_WRITE,
      .id = "endSession",
      .status = 204,
      .run = end,
      .help = "Ends a session at once." },
    { 0 },
};
