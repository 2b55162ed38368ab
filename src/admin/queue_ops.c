/* The queue: looking at it, and steering it. One message by its id, several (ids=A;B), or all that
 * match a filter; the queue does it in one go and tells it as events of the messages. */
#include "admin/admin_priv.h"

#include "conf/conf.h"

#define PLAIN_FILTER                                                                               \
    "[ids] [q] [queue] [sender] [recipient] [subject] [destination] [state] [answer] [older] "     \
    "[all]"
#define MAX_POSTS 2000
#define FILTER    PLAIN_FILTER " [priority]"

static json_t *not_running(void)
{
    return admin_error(E_CLOSED, "the server is not running; start it with `posthorn serve`");
}

/* args: taken. */
json_t *admin_ask_smtp(const struct admin_call *c, const char *op, json_t *args)
{
    json_t *reply = c->a->ask ? c->a->ask(c->a->arg, MOD_SMTP, op, args) : not_running();

    json_decref(args);
    return reply;
}

static json_t *view(const struct admin_call *c)
{
    return admin_ask_smtp(c, "queue.view", json_incref(c->args));
}

/* --- which messages --- */

static bool read_age(const char *text, json_t *filter, json_t **ret_error)
{
    int64_t ms;

    if (!text)
        return true;
    if (conf_parse_duration(sv_c(text), &ms) < 0) {
        *ret_error =
            admin_error(E_PARSE, "older: '%.40s' is not a time; such as 30m, 4h, 2d", text);
        return false;
    }
    json_object_set_new(filter, "older_s", json_integer(ms / 1000));
    return true;
}

static json_t *list(const struct admin_call *c)
{
    json_t *args = json_copy(c->args), *error = NULL;

    if (read_age(admin_arg(c, "older"), args, &error))
        return admin_ask_smtp(c, "queue.list", args);
    json_decref(args);
    return error;
}

json_t *admin_queue_filter(const struct admin_call *c, bool level, json_t **ret_error)
{
    static const char *const texts[] = { "id",          "q",     "sender", "recipient", "subject",
                                         "destination", "state", "answer", "queue" };
    const char *priority = level ? NULL : admin_arg(c, "priority");
    struct sv ids = sv_c(admin_arg(c, "ids"));
    json_t *filter = json_object();
    bool all = false;

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (admin_arg(c, texts[i]))
            json_object_set_new(filter, texts[i], json_string(admin_arg(c, texts[i])));
    if (priority)
        json_object_set_new(filter, "priority", json_string(priority));
    if (ids.p) {
        json_t *list = json_array();
        struct sv id;

        while (conf_list_next(&ids, &id))
            json_array_append_new(list, json_stringn(id.p, id.n));
        json_object_set_new(filter, "ids", list);
    }
    if (!read_age(admin_arg(c, "older"), filter, ret_error) ||
        !admin_switch(c, "all", &all, ret_error)) {
        json_decref(filter);
        return NULL;
    }
    if (json_object_size(filter) || all)
        return filter;
    json_decref(filter);
    *ret_error = admin_error(E_PARSE, "name a message or a filter; all=yes means all messages");
    return NULL;
}

/* --- actions --- */

static json_int_t number(json_t *reply, const char *name)
{
    return json_integer_value(json_object_get(reply, name));
}

/* With one message named, nothing done is an error. */
static json_t *judge(const struct admin_call *c, json_t *reply)
{
    const char *id = admin_arg(c, "id");
    json_t *error = NULL;

    if (json_object_get(reply, "error") || !id || number(reply, "done") || number(reply, "later"))
        return reply;
    if (number(reply, "busy"))
        error = admin_error(E_CONFLICT, "message '%s' is being delivered now; try again", id);
    else if (number(reply, "held"))
        error = admin_error(E_CONFLICT, "message '%s' is held; release it first", id);
    else if (!number(reply, "unchanged"))
        error = admin_error(E_NOTFOUND, "queue: no message '%s'", id);
    if (!error)
        return reply;
    json_decref(reply);
    return error;
}

static json_t *steer_with(const struct admin_call *c, const char *action, const char *level,
                          json_t *filter)
{
    json_t *reply =
        admin_ask_smtp(c, "queue.steer",
                       json_pack("{s:s, s:s*, s:s, s:b, s:o}", "action", action, "priority", level,
                                 "admin", c->who, "dry_run", (int)c->a->dry_run, "filter", filter));

    reply = judge(c, reply);
    if (json_object_get(reply, "ok"))
        json_object_set_new(reply, "count",
                            json_integer(number(reply, "done") + number(reply, "later")));
    if (json_object_get(reply, "ok") && c->a->dry_run) {
        json_t *effect = json_array();
        char text[60];

        snprintf(text, sizeof(text), "%lld messages",
                 (long long)(number(reply, "done") + number(reply, "later")));
        admin_effect(effect, "queue outgoing", action, NULL, text);
        json_object_set_new(reply, "effect", effect);
    }
    return reply;
}

static json_t *steer(const struct admin_call *c, const char *action)
{
    json_t *error = NULL, *filter = admin_queue_filter(c, false, &error);

    return filter ? steer_with(c, action, NULL, filter) : error;
}

static json_t *hold(const struct admin_call *c)
{
    return steer(c, "hold");
}

static json_t *release(const struct admin_call *c)
{
    return steer(c, "release");
}

static json_t *bounce(const struct admin_call *c)
{
    return steer(c, "bounce");
}

static json_t *delete (const struct admin_call *c)
{
    return steer(c, "delete");
}

/* Without anything: all. It does no harm. */
static json_t *retry(const struct admin_call *c)
{
    if (!json_object_size(c->args))
        return steer_with(c, "send_now", NULL, json_object());
    return steer(c, "send_now");
}

static json_t *priority(const struct admin_call *c)
{
    json_t *error = NULL, *filter = admin_queue_filter(c, true, &error);

    return filter ? steer_with(c, "priority", admin_arg(c, "priority"), filter) : error;
}

/* --- posts to moderated lists --- */

static json_t *waiting_posts(const struct admin_call *c)
{
    return admin_ask_smtp(
        c, "queue.page", json_pack("{s:{s:b}, s:i}", "filter", "moderated", 1, "limit", MAX_POSTS));
}

static json_t *decide(const struct admin_call *c, const char *action)
{
    const char *id = admin_arg(c, "id");
    json_t *reply = steer_with(c, action, NULL, json_pack("{s:s, s:b}", "id", id, "moderated", 1));

    if (!json_object_get(reply, "error") ||
        number(json_object_get(reply, "error"), "code") != E_NOTFOUND)
        return reply;
    json_decref(reply);
    return admin_error(
        E_NOTFOUND,
        "no post '%.40s' waits for a moderator; `posthorn tool list waiting` shows them", id);
}

static json_t *approve(const struct admin_call *c)
{
    return decide(c, "approve");
}

static json_t *reject(const struct admin_call *c)
{
    return decide(c, "reject");
}

/* --- pauses --- */

static json_t *set_pause(const struct admin_call *c, bool on)
{
    static const char *const names[] = { "destination", "sender" };
    const char *what = NULL, *domain = "";
    json_t *error = NULL;
    bool all;

    if (!admin_switch(c, "all", &all, &error))
        return error;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (!admin_arg(c, names[i]))
            continue;
        if (what)
            all = true; /* both: refused below */
        what = names[i];
        domain = admin_arg(c, names[i]);
    }
    if (all == (what != NULL))
        return admin_error(E_PARSE, "give one of all=yes, destination=DOMAIN, sender=DOMAIN");
    if (!c->a->ask)
        return not_running();
    if (c->a->dry_run)
        return admin_ok();
    return admin_ask_smtp(c, "queue.pause",
                          json_pack("{s:s, s:s, s:b, s:s}", "what", what ? what : "all", "domain",
                                    domain, "on", (int)on, "admin", c->who));
}

static json_t *pause_queue(const struct admin_call *c)
{
    return set_pause(c, true);
}

static json_t *resume_queue(const struct admin_call *c)
{
    return set_pause(c, false);
}

static json_t *pauses(const struct admin_call *c)
{
    return admin_ask_smtp(c, "queue.pauses", json_object());
}

static json_t *destinations(const struct admin_call *c)
{
    return admin_ask_smtp(c, "queue.destinations", json_object());
}

const struct admin_op admin_queue_ops[] = {
    { "queue.list",
      "[filter] [queue] [q] [sender] [recipient] [subject] [destination] [state] [answer] [older] "
      "[priority]",
      "Messages that wait for delivery.", list },
    { "queue.retry", "[id] " FILTER, "Tries messages, or all, now.", retry },
    { "queue.delete", "[id] " FILTER, "Deletes messages without a notice.", delete },
    { "queue.bounce", "[id] " FILTER, "Returns messages to their senders, with a notice.", bounce },
    { "queue.hold", "[id] " FILTER, "No attempts until they are released.", hold },
    { "queue.release", "[id] " FILTER, "Held messages go on.", release },
    { "queue.priority", "priority [id] " PLAIN_FILTER, "Priority high, normal or low.", priority },
    { "queue.view", "id", "Shows a queued message.", view },
    { "list.waiting", "", "Posts that wait for a list's moderators.", waiting_posts },
    { "list.approve", "id", "The post goes to the list's members.", approve },
    { "list.reject", "id", "The post goes back to its sender, who is told.", reject },
    { "queue.pause", "[all] [destination] [sender]",
      "Sends nothing to other servers: at all, to a domain, from a domain.", pause_queue },
    { "queue.resume", "[all] [destination] [sender]", "Ends a pause.", resume_queue },
    { "queue.pauses", "", "What is paused.", pauses },
    { "queue.destinations", "", "Where messages wait to go.", destinations },
    { 0 },
};
