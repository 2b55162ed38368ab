/* The message queue: what waits, why, and what may be done about it. Module smtp has the queue;
 * rows are chosen and ordered there. */
#include "base/clock.h"
#include "base/hash.h"
#include "server/api/api_priv.h"
#include "server/api/operations.h"
#include "server/api/page.h"
#include "server/api/queue.h"

#define STATES     "queued|sending|waiting|overdue|held|paused|moderation"
#define PRIORITIES "high|normal|low"
#define LISTS      "outgoing|incoming|mda|sms|retry"
#define OVERDUE_MS (4 * 3600000)

static const struct api_field filter_fields[] = {
    { "q", API_TEXT, 0, 0, 200, NULL, NULL, "Texts with ; between them, in any field." },
    { "sender", API_TEXT, 0, 1, 320, NULL, NULL, "Part of the sender." },
    { "recipient", API_TEXT, 0, 1, 320, NULL, NULL, "Part of a waiting recipient." },
    { "subject", API_TEXT, 0, 1, 200, NULL, NULL, "Part of the subject." },
    { "destination", API_TEXT, 0, 1, 255, NULL, NULL, "Domain of a waiting recipient." },
    { "state", API_ENUM, 0, 0, 0, STATES, NULL, NULL },
    { "priority", API_ENUM, 0, 0, 0, PRIORITIES, NULL, NULL },
    { "queue", API_ENUM, 0, 0, 0, LISTS, NULL,
      "incoming: waits for a list's moderators; retry: was tried; mda: waits for a mailbox; sms: "
      "for a telephone number; outgoing: for another server. Each message is in one of them." },
    { "answer", API_TEXT, 0, 1, 200, NULL, NULL, "Part of the last answer." },
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
      "paused: by an administrator; moderation: for a list's moderators." },
    { "priority", API_ENUM, API_REQUIRED, 0, 0, PRIORITIES, NULL, NULL },
    { "sender", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Empty: a bounce." },
    { "recipient", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "The first that waits." },
    { "destination", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Its domain." },
    { "subject", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL,
      "Its beginning, some 100 bytes, decoded; empty: none, or it was queued by an older "
      "version." },
    { "recipients", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "All." },
    { "waiting", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Recipients that wait." },
    { "size", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Bytes." },
    { "attempts", API_INT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "received_at", API_TIME, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, NULL },
    { "next_try_at", API_TIME, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, NULL },
    { "answer", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Last answer of the other side." },
    { "ordered", API_ENUM, API_REQUIRED | API_NULL, 0, 0, "hold|release|bounce|priority|delete",
      NULL, "What is done with it when the attempt under way ends." },
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

/* What makes sense for a message of this state. */
static json_t *actions_of(const struct api_caller *who, const char *state)
{
    if (!(who->scopes & SCOPE_BIT(SCOPE_QUEUE_WRITE)))
        return json_array();
    if (!strcmp(state, "sending"))
        return json_pack("[s, s, s, s]", "hold", "priority", "bounce", "delete");
    if (!strcmp(state, "held"))
        return json_pack("[s, s, s, s]", "release", "priority", "bounce", "delete");
    if (!strcmp(state, "moderation"))
        return json_pack("[s, s, s, s]", "approve", "reject", "hold", "delete");
    return json_pack("[s, s, s, s, s]", "send_now", "hold", "priority", "bounce", "delete");
}

json_t *api_queue_message(const struct api_caller *who, json_t *row)
{
    json_t *m = json_copy(row);

    json_object_set_new(m, "received_at",
                        api_time(json_integer_value(json_object_get(row, "received_ms"))));
    json_object_set_new(m, "next_try_at",
                        api_time(json_integer_value(json_object_get(row, "next_try_ms"))));
    json_object_set_new(m, "actions",
                        actions_of(who, json_string_value(json_object_get(row, "state"))));
    api_queue_sender_actions(who, m);
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

json_t *api_ask_queue(struct admin *a, const char *op, json_t *args)
{
    json_t *reply = a->ask ? a->ask(a->arg, MOD_SMTP, op, args)
                           : admin_error(E_CLOSED, "the server is not running");

    json_decref(args);
    return reply;
}

/* Asks the queue. args: taken. NULL: answered. */
static json_t *ask_with(struct api_call *c, const char *op, json_t *args)
{
    json_t *reply = api_ask_queue(api_admin_of(c), op, args);
    json_t *error = json_object_get(reply, "error");

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
    return ask_with(c, "queue.page",
                    json_pack("{s:o, s:o, s:I, s:s, s:s}", "filter", filter, "domains",
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
      "The message as it waits, its first MiB." },
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

#define ACTIONS                                                                                    \
    "send_now|hold|release|bounce|priority|delete|approve|reject|deny_sender|allow_sender"

static const struct api_field action_fields[] = {
    { "action", API_ENUM, API_REQUIRED, 0, 0, ACTIONS, NULL,
      "bounce: back to the sender, with a notice; delete: without one. Of a message that is not "
      "only for the caller's domains: delete and send_now concern his recipients, the others are "
      "refused. approve, reject: posts to moderated lists. deny_sender, allow_sender: the senders "
      "go into a list of senders, the messages stay; with the scope directory:write." },
    { "owner", API_TEXT, 0, 1, 300, NULL, NULL,
      "With deny_sender and allow_sender, whose list: server, or a domain; absent: the server's, "
      "of a domain admin that of his domain." },
    { "priority", API_ENUM, 0, 0, 0, PRIORITIES, NULL, "With action priority: the new one." },
    { "ids", API_TEXTS, 0, 1, 1000, NULL, NULL, "These messages; or filter." },
    { "filter", API_OBJECT, 0, 0, 0, NULL, &filter_schema,
      "All that match now; {} = all. Or ids." },
    { "undo_seconds", API_INT, 0, 0, OPERATION_UNDO_MAX_S, NULL, NULL,
      "Nothing is done before this time has passed; 0 = at once." },
    { 0 },
};
static const struct api_schema action_schema = { "QueueAction", "What to do with which messages.",
                                                 action_fields };

/* work: the arguments of queue.steer. */
static void run_action(struct api *api, const char *who _unused_, json_t *work,
                       struct operation_result *ret)
{
    static const char *const well[] = { "done", "later", "unchanged" };
    static const char *const not_done[] = { "busy", "held", "shared", "failed", "gone" };
    json_t *reply = api_ask_queue(api->o.admin, "queue.steer", json_incref(work));
    json_t *error = json_object_get(reply, "error");

    if (error) {
        ret->failures = 1;
        json_array_append_new(ret->failed, json_pack("{s:s, s:O}", "id", "", "detail",
                                                     json_object_get(error, "text")));
    }
    for (size_t i = 0; i < ARRAY_LEN(well); i++)
        ret->done += (size_t)json_integer_value(json_object_get(reply, well[i]));
    ret->later = (size_t)json_integer_value(json_object_get(reply, "later"));
    for (size_t i = 0; i < ARRAY_LEN(not_done); i++)
        ret->failures += (size_t)json_integer_value(json_object_get(reply, not_done[i]));
    json_array_extend(ret->failed, json_object_get(reply, "failures"));
    json_decref(reply);
}

/* Ids that are not there, or not the caller's, fail by name. False: answered. */
static bool check_ids(struct api_call *c, json_t *ids, json_t *found)
{
    struct map *there = map_new();
    size_t i;
    json_t *id;
    bool ok = true;

    json_array_foreach(found, i, id) map_put(there, sv_c(json_string_value(id)), c);
    json_array_foreach(ids, i, id)
    {
        ok = map_get(there, sv_c(json_string_value(id)));
        if (!ok)
            break;
    }
    map_free(there, NULL);
    if (!ok)
        api_fail_gone(c, "message", json_string_value(id));
    return ok;
}

/* Ids of what ids or the filter mean and the caller sees. NULL: answered. */
static json_t *chosen(struct api_call *c, json_t *ids, json_t *filter)
{
    json_t *reply = ask_with(c, "queue.page",
                             json_pack("{s:O, s:o, s:i, s:b}", "filter", filter, "domains",
                                       domains_of(c->caller), "limit", 0, "ids", 1));
    json_t *found = json_object_get(reply, "ids");

    if (!reply)
        return NULL;
    if (json_is_true(json_object_get(reply, "complete")) && check_ids(c, ids, found)) {
        json_incref(found);
        json_decref(reply);
        return found;
    }
    if (!json_is_true(json_object_get(reply, "complete")))
        api_fail(c, 422, "too_many", "filter",
                 "filter: more than 100,000 messages match; narrow it, or give no undo_seconds");
    json_decref(reply);
    return NULL;
}

/* How many match now. -1: answered. */
static json_int_t matching(struct api_call *c, json_t *filter)
{
    json_t *reply = ask(c, json_incref(filter), 1, "age", "");
    json_int_t n = reply ? json_integer_value(json_object_get(reply, "total")) : -1;

    json_decref(reply);
    return n;
}

/* One row for all: what was meant, how many, and the first of them. */
static bool audit_action(struct api_call *c, const char *action, json_t *ids, json_t *filter,
                         size_t total)
{
    const char *priority = api_body_text(c, "priority");
    char text[600], field[60], *by = ids ? NULL : json_dumps(filter, JSON_COMPACT);
    size_t n = (size_t)snprintf(text, sizeof(text), "%zu messages%s%.400s", total,
                                by ? " of " : ":", by ? by : ""),
           i;
    json_t *id;

    free(by);
    snprintf(field, sizeof(field), "%s%s%s", action, priority ? " " : "", priority ? priority : "");
    json_array_foreach(ids, i, id) if (n + 40 < sizeof(text)) n +=
        (size_t)snprintf(text + n, sizeof(text) - n, " %.30s", json_string_value(id));
    return api_audit(c, "queue outgoing", field, text);
}

/* What can be taken back is done to those that match now; else the queue itself looks for them, in
 * the same pass. owner: whose list of senders; NULL: the messages themselves are meant. */
static void start_action(struct api_call *c, const char *action, json_t *filter, bool by_name,
                         const char *owner)
{
    char kind[40];
    int64_t undo_ms = api_body_int(c, "undo_seconds", 0) * 1000;
    json_t *ids = by_name || undo_ms ? chosen(c, json_object_get(filter, "ids"), filter) : NULL;
    json_int_t n = ids                  ? (json_int_t)json_array_size(ids)
                   : by_name || undo_ms ? -1
                                        : matching(c, filter);

    if (n < 0)
        return;
    snprintf(kind, sizeof(kind), "queue.%s", action);
    if (audit_action(c, action, ids, filter, (size_t)n)) {
        json_t *exact = ids ? json_pack("{s:O}", "ids", ids) : json_incref(filter);

        operation_start(c, &(struct operation_spec){
                               .kind = kind,
                               .action = action,
                               .undo_ms = undo_ms,
                               .run_all = owner ? api_list_senders : run_action,
                               .total = (size_t)n,
                               .items = json_pack("{s:s, s:s*, s:s*, s:s, s:o, s:o}", "action",
                                                  action, "priority", api_body_text(c, "priority"),
                                                  "owner", owner, "admin", c->caller->who, "filter",
                                                  exact, "domains", domains_of(c->caller)),
                           });
    }
    json_decref(ids);
}

static void act(struct api_call *c)
{
    const char *action = api_body_text(c, "action");
    json_t *ids = json_object_get(c->body, "ids"), *filter = json_object_get(c->body, "filter");
    bool level = !strcmp(action, "priority"), by_sender = api_is_sender_action(action);
    char owner[ADDR_DOMAIN_MAX + 1];

    if (!check_name(c) || !api_sender_action_owner(c, by_sender, owner))
        return;
    if (level != (api_body_text(c, "priority") != NULL)) {
        api_fail(c, 422, "invalid_field", "priority", "priority: %s",
                 level ? "is missing; high, normal or low" : "belongs to action priority only");
        return;
    }
    if (!ids == !filter) {
        api_fail(c, 422, "invalid_field", "ids", "give either ids or filter");
        return;
    }
    filter = filter ? json_incref(filter) : json_pack("{s:O}", "ids", ids);
    start_action(c, action, filter, ids, by_sender ? owner : NULL);
    json_decref(filter);
}

/* --- pauses --- */

static const struct api_field pause_fields[] = {
    { "id", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "what", API_ENUM, API_REQUIRED, 0, 0, "all|destination|sender", NULL,
      "destination: mail for the domain; sender: mail from the domain." },
    { "domain", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Empty with all." },
    { 0 },
};
static const struct api_schema pause_schema = {
    "QueuePause", "What is not sent to other servers until it is resumed.", pause_fields
};

static json_t *pause_json(const char *what, const char *domain)
{
    char id[300];

    snprintf(id, sizeof(id), "%s%s%s", what, *domain ? ":" : "", domain);
    return json_pack("{s:o, s:s, s:o}", "id", api_text(id), "what", what, "domain",
                     api_text(domain));
}

static void list_pauses(struct api_call *c)
{
    json_t *reply, *row, *items;
    size_t i;

    if (!check_name(c))
        return;
    reply = ask_with(c, "queue.pauses", json_object());
    if (!reply)
        return;
    items = json_array();
    json_array_foreach(json_object_get(reply, "rows"), i, row)
    {
        const char *what = json_string_value(json_object_get(row, "what")),
                   *domain = json_string_value(json_object_get(row, "domain"));

        if (strcmp(what, "sender") != 0 || api_sees_domain(c->caller, sv_c(domain)))
            json_array_append_new(items, pause_json(what, domain));
    }
    json_decref(reply);
    api_page_of(c, items, "id", true);
}

/* "all", "destination:example.org", "sender:example.org". A domain admin has a say in what his
 * domains send. False: answered. */
static bool read_pause(struct api_call *c, char what[16], const char **ret_domain)
{
    const char *id = api_param(c, "id"), *colon = strchr(id, ':');
    bool known = sv_copy(what, 16, colon ? sv_n(id, (size_t)(colon - id)) : sv_c(id));

    *ret_domain = colon ? colon + 1 : "";
    known = known && (**ret_domain ? api_is_choice("destination|sender", what)
                                   : !colon && !strcmp(what, "all"));
    if (!api_sees_all(c->caller) &&
        !(known && !strcmp(what, "sender") && api_sees_domain(c->caller, sv_c(*ret_domain)))) {
        api_fail(c, 403, "not_allowed", "id", "id: only what your domains send is yours to pause");
        return false;
    }
    if (!known)
        api_fail(c, 422, "invalid_value", "id",
                 "'%.60s' is no pause; such as all, destination:example.org, sender:example.org",
                 id);
    return known;
}

/* False: answered. */
static bool set_pause(struct api_call *c, bool on, char what[16], const char **ret_domain)
{
    json_t *reply;

    if (!check_name(c) || !read_pause(c, what, ret_domain) ||
        !api_audit(c, "queue outgoing", on ? "pause" : "resume", api_param(c, "id")))
        return false;
    reply = ask_with(c, "queue.pause",
                     json_pack("{s:s, s:s, s:b, s:s}", "what", what, "domain", *ret_domain, "on",
                               (int)on, "admin", c->caller->who));
    json_decref(reply);
    return reply;
}

static void put_pause(struct api_call *c)
{
    char what[16];
    const char *domain;

    if (set_pause(c, true, what, &domain))
        api_reply(c, 200, pause_json(what, domain));
}

static void delete_pause(struct api_call *c)
{
    char what[16];
    const char *domain;

    if (set_pause(c, false, what, &domain))
        api_reply(c, 204, NULL);
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
    /* With a row, and so without the destinations: these have to be counted. */
    reply = ask(c, json_object(), 1, "-age", "");
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
    { "state", API_ENUM, API_REQUIRED, 0, 0, "open|full|resting|paused", NULL,
      "full: as many connections as it takes; resting: cannot be reached, next_try_at is the "
      "probe." },
    { "connections", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "At work now." },
    { "allowed", API_INT, API_REQUIRED, 0, 0, NULL, NULL,
      "Connections at the same time; grows while it answers, shrinks while it fails." },
    { "failures", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "In a row, to reach it." },
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
        json_pack("{s:O, s:O, s:o, s:o, s:O, s:O, s:O, s:O, s:O}", "domain",
                  json_object_get(row, "domain"), "messages", json_object_get(row, "messages"),
                  "oldest_at", api_time(json_integer_value(json_object_get(row, "oldest_ms"))),
                  "next_try_at", api_time(json_integer_value(json_object_get(row, "next_try_ms"))),
                  "answer", json_object_get(row, "answer"), "state", json_object_get(row, "state"),
                  "connections", json_object_get(row, "active"), "allowed",
                  json_object_get(row, "window"), "failures", json_object_get(row, "failures")));
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
      .help = "Does something with one, many or all messages, after a time to undo it." },
    { .method = "GET",
      .path = "/queue/{name}/pauses",
      .scope = SCOPE_QUEUE_READ,
      .flags = ROUTE_PAGED,
      .id = "listQueuePauses",
      .status = 200,
      .response = &pause_schema,
      .run = list_pauses,
      .help = "What is not sent for the time being." },
    { .method = "PUT",
      .path = "/queue/{name}/pauses/{id}",
      .scope = SCOPE_QUEUE_WRITE,
      .id = "putQueuePause",
      .status = 200,
      .response = &pause_schema,
      .run = put_pause,
      .help = "Sends nothing more: at all (all), for a domain (destination:example.org), from a "
              "domain (sender:example.org). It survives restarts." },
    { .method = "DELETE",
      .path = "/queue/{name}/pauses/{id}",
      .scope = SCOPE_QUEUE_WRITE,
      .id = "deleteQueuePause",
      .status = 204,
      .run = delete_pause,
      .help = "Ends a pause; there need not be one." },
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
