/* Actions on the senders of messages in the queue: they are kept out or let in from now on. */
#include "mail/account/sender_list.h"
#include "server/api/api_priv.h"
#include "server/api/queue.h"
#include "server/api/senders.h"

bool api_is_sender_action(const char *action)
{
    return !strcmp(action, "deny_sender") || !strcmp(action, "allow_sender");
}

static bool may(const struct api_caller *who)
{
    return who->scopes & SCOPE_BIT(SCOPE_DIRECTORY_WRITE);
}

void api_queue_sender_actions(const struct api_caller *who, json_t *message)
{
    json_t *actions = json_object_get(message, "actions");

    if (!may(who) || !json_array_size(actions) ||
        !json_string_length(json_object_get(message, "sender")))
        return;
    json_array_append_new(actions, json_string("deny_sender"));
    json_array_append_new(actions, json_string("allow_sender"));
}

/* The list that is meant when none is named. NULL: answered. */
static const char *usual_owner(struct api_call *c)
{
    if (api_sees_all(c->caller))
        return API_SENDER_SERVER;
    if (c->caller->n_domains == 1)
        return c->caller->domains[0];
    api_fail(c, 422, "invalid_field", "owner", "owner: is missing; one of your domains");
    return NULL;
}

bool api_sender_action_owner(struct api_call *c, bool wanted, char ret[ADDR_DOMAIN_MAX + 1])
{
    const char *owner = api_body_text(c, "owner");

    *ret = '\0';
    if (!wanted && owner)
        api_fail(c, 422, "invalid_field", "owner",
                 "owner: belongs to actions deny_sender and allow_sender only");
    if (!wanted)
        return !owner;
    if (!may(c->caller)) {
        api_fail(c, 403, "missing_scope", NULL, "%s needs the scope %s", c->caller->who,
                 api_scope_names[SCOPE_DIRECTORY_WRITE]);
        return false;
    }
    if (!owner)
        owner = usual_owner(c);
    return owner && api_sender_owner(c, owner, ret);
}

static void failed(struct operation_result *ret, size_t n, const char *text)
{
    ret->failures = n;
    json_array_append_new(ret->failed, json_pack("{s:s, s:s}", "id", "", "detail", text));
}

static void put(struct api *api, const char *who, json_t *work, json_t *found,
                struct operation_result *ret)
{
    json_t *senders = json_object_get(found, "senders"), *s;
    size_t n = json_array_size(senders), i;
    size_t messages = (size_t)json_integer_value(json_object_get(found, "messages"));
    size_t meant = json_array_size(json_object_get(json_object_get(work, "filter"), "ids"));
    bool allow = !strcmp(json_string_value(json_object_get(work, "action")), "allow_sender");
    struct sv *v = xcalloc(n + 1, sizeof(*v));
    struct errinfo ei = { 0 };
    int r;

    json_array_foreach(senders, i, s) v[i] = sv_c(json_string_value(s));
    r = senders_put(api->o.admin->accounts, who,
                    sv_c(json_string_value(json_object_get(work, "owner"))), v, n, allow, NULL,
                    &ei);
    free(v);
    if (r < 0)
        failed(ret, MAX(messages, meant), ei.text);
    else
        ret->done = messages;
    if (r == 0 && meant > messages)
        failed(ret, meant - messages, "some are not in the queue any more");
}

void api_list_senders(struct api *api, const char *who, json_t *work, struct operation_result *ret)
{
    json_t *args = json_pack("{s:O, s:O}", "filter", json_object_get(work, "filter"), "domains",
                             json_object_get(work, "domains"));
    json_t *found = api_ask_queue(api->o.admin, "queue.senders", args);
    json_t *error = json_object_get(found, "error");

    if (error)
        failed(ret, 1, json_string_value(json_object_get(error, "text")));
    else
        put(api, who, work, found, ret);
    json_decref(found);
}
