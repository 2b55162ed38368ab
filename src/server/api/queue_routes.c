/* The message queue: what waits, why, and what may be done about it. Module smtp has the queue;
 * rows are chosen and ordered there. */
#include "base/clock.h"
#include "server/api/api_priv.h"
#include "server/api/operations.h"
#include "server/api/page.h"

#define STATES     "queued|sending|waiting|overdue|held|paused"
#define PRIORITIES "high|normal|low"
#define OVERDUE_MS (4 * 3600000)

static const struct api_field filter_fields[] = {
    { "q", API_TEXT, 0, 0, 200, NULL, NULL, "Texts with ; between them, in any field." },
    { "sender", API_TEXT, 0, 1, 320, NULL, NULL, "Part of the sender." },
    { "recipient", API_TEXT, 0, 1, 320, NULL, NULL, "Part of a waiting recipient." },
    { "destination", API_TEXT, 0, 1, 255, NULL, NULL, "Domain of a waiting recipient." },
    { "state", API_ENUM, 0, 0, 0, STATES, NULL, NULL },
    { "older_s", API_INT, 0, 0, INT32_MAX, NULL, NULL, "Waiting for longer than these seconds." },
    { "larger", API_INT, 0, 0, INT64_MAX, NULL, NULL, "More bytes than these." },
    { 0 },
};
static const struct api_schema filter_schema = { "QueueFilter", "Which messages.", filter_fields };

static const struct api_field message_fields[] = {
    { "id", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "As the logs show it: OSA88513." },
    { "item", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Name of its files." },
    { "state", API_ENUM, API_REQUIRED, 0, 0, STATES, NULL,
      "queued: not tried yet; waiting: for its next attempt; overdue: older than 4 hours; held, "
      "paused: by an administrator." },
    { "priority", API_ENUM, API_REQUIRED, 0, 0, PRIORITIES, NULL, NULL },
    { "sender", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Empty: a bounce." },
    { "recipient", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "The first that waits." },
    { "destination", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Its domain." },
    { "recipients", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "All." },
    { "waiting", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Recipients that wait." },
    { "size", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Bytes." },
    { "attempts", API_INT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "received_at", API_TIME, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, NULL },
    { "next_try_at", API_TIME, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, NULL },
    { "answer", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Last answer of the other side." },
    { "actions", API_TEXTS, API_REQUIRED, 0, 0, NULL, NULL, "What the caller may do with it." },
    { 0 },
};
static const struct api_schema message_schema = { "QueueMessage", "A message that waits.",
                                                  message_fields };

static json_t *domains_of(const struct api_caller *who)
{
    json_t *a;

    if (api_sees_all(who))
        return json_null();
    a = json_array();
    for (size_t i = 0; i < who->n_domains; i++)
        json_array_append_new(a, json_string(who->domains[i]));
    return a;
}

static json_t *actions_of(const struct api_caller *who, bool active)
{
    if (!(who->scopes & SCOPE_BIT(SCOPE_QUEUE_WRITE)))
        return json_array();
    return active ? json_pack("[s]", "send_now") : json_pack("[s, s]", "send_now", "delete");
}

json_t *api_queue_message(const struct api_caller *who, json_t *row)
{
    json_t *m = json_copy(row);

    json_object_set_new(m, "received_at",
                        api_time(json_integer_value(json_object_get(row, "received_ms"))));
    json_object_set_new(m, "next_try_at",
                        api_time(json_integer_value(json_object_get(row, "next_try_ms"))));
    json_object_set_new(
        m, "actions",
        actions_of(who, !strcmp(json_string_value(json_object_get(row, "state")), "sending")));
    json_object_del(m, "received_ms");
    json_object_del(m, "next_try_ms");
    return m;
}

/* Is there a queue of this name? */
static bool check_name(struct api_call *c)
{
    if (!strcmp(api_param(c, "name"), "outgoing"))
        return true;
    api_fail(c, 404, "not_found", NULL, "queue '%.60s' does not exist; there is: outgoing",
             api_param(c, "name"));
    return false;
}

/* Asks the queue. args: taken. NULL: answered. */
static json_t *ask_with(struct api_call *c, json_t *args)
{
    struct admin *a = api_admin_of(c);
    json_t *reply = a->ask ? a->ask(a->arg, MOD_SMTP, "queue.page", args)
                           : admin_error(E_CLOSED, "the server is not running");
    json_t *error = json_object_get(reply, "error");

    json_decref(args);
    if (error) {
        const char *text = json_string_value(json_object_get(error, "text"));

        api_fail_err(c, (int)json_integer_value(json_object_get(error, "code")),
                     text ? text : "the queue does not answer");
        json_decref(reply);
        return NULL;
    }
    return reply;
}

/* filter: taken. */
static json_t *ask(struct api_call *c, json_t *filter, size_t limit, const char *sort,
                   const char *after)
{
    return ask_with(c, json_pack("{s:o, s:o, s:I, s:s, s:s}", "filter", filter, "domains",
                                 domains_of(c->caller), "limit", (json_int_t)limit, "sort", sort,
                                 "after", after));
}

static json_t *filter_of_query(struct api_call *c)
{
    json_t *filter = json_object();

    for (const struct api_field *f = filter_fields; f->name; f++)
        if (json_object_get(c->query, f->name))
            json_object_set(filter, f->name, json_object_get(c->query, f->name));
    return filter;
}

static void list(struct api_call *c)
{
    const char *sort = api_query(c, "sort"), *last;
    char after[168];
    json_t *reply, *row, *items;
    size_t i;

    if (!check_name(c) || !api_page_cursor(c, after, sizeof(after)))
        return;
    reply = ask(c, filter_of_query(c), api_page_limit(c), sort ? sort : "-age", after);
    if (!reply)
        return;
    items = json_array();
    json_array_foreach(json_object_get(reply, "rows"), i, row)
        json_array_append_new(items, api_queue_message(c->caller, row));
    last = json_string_value(json_object_get(reply, "next"));
    api_page_answer(c, items, last, json_integer_value(json_object_get(reply, "total")), true);
    json_decref(reply);
}

static void show(struct api_call *c)
{
    json_t *reply, *row;

    if (!check_name(c))
        return;
    reply = ask(c, json_pack("{s:s}", "id", api_param(c, "id")), 1, "age", "");
    if (!reply)
        return;
    row = json_array_get(json_object_get(reply, "rows"), 0);
    if (row)
        api_reply(c, 200, api_queue_message(c->caller, row));
    else
        api_fail_gone(c, "message", api_param(c, "id"));
    json_decref(reply);
}

static const struct api_field content_fields[] = {
    { "id", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "size", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Bytes of the whole message." },
    { "encoding", API_ENUM, API_REQUIRED, 0, 0, "base64", NULL, NULL },
    { "content", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL,
      "The message as it is sent, its first MiB." },
    { 0 },
};
static const struct api_schema content_schema = { "MessageContent", "A message's text.",
                                                  content_fields };

static void content(struct api_call *c)
{
    json_t *reply, *row;

    if (!check_name(c))
        return;
    reply = ask(c, json_pack("{s:s}", "id", api_param(c, "id")), 1, "age", "");
    if (!reply)
        return;
    row = json_array_get(json_object_get(reply, "rows"), 0);
    if (!row) {
        api_fail_gone(c, "message", api_param(c, "id"));
        json_decref(reply);
        return;
    }
    json_decref(reply);
    reply = api_admin(c, "queue.view", json_pack("{s:s}", "id", api_param(c, "id")));
    if (!reply)
        return;
    json_object_del(reply, "ok");
    json_object_del(reply, "item");
    api_reply(c, 200, reply);
}

/* --- actions --- */

static const struct api_field action_fields[] = {
    { "action", API_ENUM, API_REQUIRED, 0, 0, "send_now|delete", NULL, NULL },
    { "ids", API_TEXTS, 0, 1, 1000, NULL, NULL, "These messages; or filter." },
    { "filter", API_OBJECT, 0, 0, 0, NULL, &filter_schema,
      "All that match now; {} = all. Or ids." },
    { "undo_seconds", API_INT, 0, 0, OPERATION_UNDO_MAX_S, NULL, NULL,
      "Nothing is done before this time has passed; 0 = at once." },
    { 0 },
};
static const struct api_schema action_schema = { "QueueAction", "What to do with which messages.",
                                                 action_fields };

static int run_action(struct api *api, const char *who, const char *action, json_t *item,
                      struct errinfo *ei)
{
    json_t *req =
        json_pack("{s:s, s:{s:O}}", "op",
                  !strcmp(action, "delete") ? "queue.delete" : "queue.retry", "args", "id", item);
    json_t *reply = admin_run(api->o.admin, who, req), *error = json_object_get(reply, "error");
    const char *text = json_string_value(json_object_get(error, "text"));
    int r = error ? err_set(ei, (int)json_integer_value(json_object_get(error, "code")), "%s",
                            text ? text : "refused")
                  : 0;

    json_decref(req);
    json_decref(reply);
    return r;
}

/* Ids that are not there, or not the caller's, fail by name. False: answered. */
static bool check_ids(struct api_call *c, json_t *ids, json_t *found)
{
    size_t i, k;
    json_t *id, *f;

    json_array_foreach(ids, i, id)
    {
        bool there = false;

        json_array_foreach(found, k, f) there = there || json_equal(f, id);
        if (!there) {
            api_fail_gone(c, "message", json_string_value(id));
            return false;
        }
    }
    return true;
}

/* Ids of what ids or the filter mean and the caller sees. NULL: answered. */
static json_t *chosen(struct api_call *c)
{
    json_t *ids = json_object_get(c->body, "ids"), *filter = json_object_get(c->body, "filter");
    json_t *reply, *found;

    if (!ids == !filter) {
        api_fail(c, 422, "invalid_field", "ids", "give either ids or filter");
        return NULL;
    }
    filter = filter ? json_incref(filter) : json_pack("{s:O}", "ids", ids);
    reply = ask_with(c, json_pack("{s:o, s:o, s:i, s:b}", "filter", filter, "domains",
                                  domains_of(c->caller), "limit", 0, "ids", 1));
    if (!reply)
        return NULL;
    found = json_incref(json_object_get(reply, "ids"));
    if (!json_is_true(json_object_get(reply, "complete")))
        api_fail(c, 422, "too_many", "filter",
                 "filter: more than 100,000 messages match; narrow it");
    else if (check_ids(c, ids, found)) {
        json_decref(reply);
        return found;
    }
    json_decref(reply);
    json_decref(found);
    return NULL;
}

/* One row for all: how many, and the first of them. */
static bool audit_action(struct api_call *c, const char *action, json_t *ids)
{
    char text[600];
    size_t n = (size_t)snprintf(text, sizeof(text), "%zu messages:", json_array_size(ids)), i;
    json_t *id;

    json_array_foreach(ids, i, id) if (n + 40 < sizeof(text)) n +=
        (size_t)snprintf(text + n, sizeof(text) - n, " %.30s", json_string_value(id));
    return api_audit(c, "queue outgoing", action, text);
}

static void act(struct api_call *c)
{
    const char *action = api_body_text(c, "action");
    struct operation_spec s = {
        .kind = !strcmp(action, "delete") ? "queue.delete" : "queue.send_now",
        .action = action,
        .undo_ms = api_body_int(c, "undo_seconds", 0) * 1000,
        .run = run_action,
    };

    if (!check_name(c))
        return;
    s.items = chosen(c);
    if (!s.items)
        return;
    if (audit_action(c, action, s.items))
        operation_start(c, &s);
    else
        json_decref(s.items);
}

/* --- sums --- */

static const struct api_field queue_fields[] = {
    { "name", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "messages", API_INT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "oldest_at", API_TIME, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, NULL },
    { "states", API_MAP, API_REQUIRED, 0, 0, NULL, NULL, "Messages by state." },
    { 0 },
};
static const struct api_schema queue_schema = { "Queue", "A queue.", queue_fields };

static void show_queue(struct api_call *c)
{
    json_t *reply;

    if (!check_name(c))
        return;
    reply = ask(c, json_object(), 0, "age", "");
    if (!reply)
        return;
    api_reply(c, 200,
              json_pack("{s:s, s:O, s:o, s:O}", "name", "outgoing", "messages",
                        json_object_get(reply, "total"), "oldest_at",
                        api_time(json_integer_value(json_object_get(reply, "oldest_ms"))), "states",
                        json_object_get(reply, "states")));
    json_decref(reply);
}

static const struct api_field destination_fields[] = {
    { "domain", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "messages", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "That wait for it." },
    { "oldest_at", API_TIME, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, NULL },
    { "next_try_at", API_TIME, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, NULL },
    { "answer", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "The latest." },
    { 0 },
};
static const struct api_schema destination_schema = { "Destination", "Where messages wait to go.",
                                                      destination_fields };

static void destinations(struct api_call *c)
{
    json_t *reply = ask(c, json_object(), 0, "age", ""), *row, *items = json_array();
    size_t i;

    if (!reply) {
        json_decref(items);
        return;
    }
    json_array_foreach(json_object_get(reply, "destinations"), i, row) json_array_append_new(
        items,
        json_pack("{s:O, s:O, s:o, s:o, s:O}", "domain", json_object_get(row, "domain"), "messages",
                  json_object_get(row, "messages"), "oldest_at",
                  api_time(json_integer_value(json_object_get(row, "oldest_ms"))), "next_try_at",
                  api_time(json_integer_value(json_object_get(row, "next_try_ms"))), "answer",
                  json_object_get(row, "answer")));
    api_page_of(c, items, "domain", json_is_true(json_object_get(reply, "complete")));
    json_decref(reply);
}

const struct api_route api_queue_routes[] = {
    { .method = "GET",
      .path = "/queue/{name}/messages",
      .scope = SCOPE_QUEUE_READ,
      .flags = ROUTE_PAGED,
      .id = "listQueueMessages",
      .query = filter_fields + 1,
      .status = 200,
      .response = &message_schema,
      .sort = "age|-age|size|-size|attempts|-attempts|next_try|-next_try|sender|-sender|recipient|-"
              "recipient",
      .run = list,
      .help = "Messages that wait, the oldest first." },
    { .method = "POST",
      .path = "/queue/{name}/messages/actions",
      .scope = SCOPE_QUEUE_WRITE,
      .flags = ROUTE_IDEMPOTENT,
      .id = "actOnQueueMessages",
      .body = &action_schema,
      .status = 202,
      .response = &api_operation_schema,
      .run = act,
      .help = "Does something with many messages, after a time to undo it." },
    { .method = "GET",
      .path = "/queue/{name}/messages/{id}",
      .scope = SCOPE_QUEUE_READ,
      .id = "getQueueMessage",
      .status = 200,
      .response = &message_schema,
      .run = show,
      .help = "One message that waits." },
    { .method = "GET",
      .path = "/queue/{name}/messages/{id}/content",
      .scope = SCOPE_MESSAGES_CONTENT,
      .flags = ROUTE_LOOKS,
      .id = "getQueueMessageContent",
      .status = 200,
      .response = &content_schema,
      .run = content,
      .help = "The message's text; the look is recorded in the audit." },
    { .method = "GET",
      .path = "/queue/{name}",
      .scope = SCOPE_QUEUE_READ,
      .id = "getQueue",
      .status = 200,
      .response = &queue_schema,
      .run = show_queue,
      .help = "How much waits." },
    { .method = "GET",
      .path = "/destinations",
      .scope = SCOPE_QUEUE_READ,
      .flags = ROUTE_PAGED,
      .id = "listDestinations",
      .status = 200,
      .response = &destination_schema,
      .run = destinations,
      .help = "Domains that messages wait for, the fullest first." },
    { 0 },
};
