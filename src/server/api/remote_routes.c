/* Remote accounts of an account. */
#include "mail/account/account.h"
#include "server/api/api_priv.h"
#include "server/api/directory.h"
#include "server/api/page.h"

#define REMOTE_FIELDS                                                                                \
    { "protocol", API_ENUM, 0, 0, 0, "pop3|imap|atrn", NULL, NULL },                                 \
        { "port", API_INT, 0, 0, 65535, NULL, NULL, "0: the usual one." },                           \
        { "tls", API_ENUM, 0, 0, 0, "tls|starttls|never", NULL, NULL },                              \
        { "verify", API_BOOL, 0, 0, 0, NULL, NULL, "The certificate has to be valid." },             \
        { "leave", API_TEXT,                                                                         \
          0,       0,                                                                                \
          20,      NULL,                                                                             \
          NULL,    "How long collected mail stays there: forever, 0 (deleted at once), or days." },  \
        { "interval", API_INT, 0,    0,                                                              \
          2592000,    NULL,    NULL, "Seconds between two attempts; 0: deliver.collect_interval." }, \
        { "enabled", API_BOOL, 0, 0, 0, NULL, NULL, "Else it is not asked." },                       \
        { "domains", API_TEXT, 0, 0, 250, NULL, NULL, "Of atrn, with ; between them; empty: all." }, \
    {                                                                                                \
        0                                                                                            \
    }
static const struct api_field patch_fields[] = {
    { "host", API_TEXT, 0, 1, 253, NULL, NULL, "Name or address of the server." },
    { "user", API_TEXT, 0, 1, 255, NULL, NULL, NULL },
    { "password", API_TEXT, 0, 1, 255, NULL, NULL, "Never shown." },
    REMOTE_FIELDS
};
static const struct api_field create_fields[] = {
    { "host", API_TEXT, API_REQUIRED, 1, 253, NULL, NULL, "Name or address of the server." },
    { "user", API_TEXT, API_REQUIRED, 1, 255, NULL, NULL, NULL },
    { "password", API_TEXT, API_REQUIRED, 1, 255, NULL, NULL, "Never shown." },
    REMOTE_FIELDS
};
static const struct api_schema patch_schema = { "RemoteAccountPatch", "What changes.",
                                                patch_fields };
static const struct api_schema create_schema = { "RemoteAccountNew", "A new remote account.",
                                                 create_fields };

static const struct api_field remote_fields[] = {
    { "id", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "protocol", API_ENUM, API_REQUIRED, 0, 0, "pop3|imap|atrn", NULL, NULL },
    { "host", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "port", API_INT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "tls", API_ENUM, API_REQUIRED, 0, 0, "tls|starttls|never", NULL, NULL },
    { "verify", API_BOOL, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "user", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "has_password", API_BOOL, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "leave", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "forever, or days." },
    { "interval", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Seconds; 0: the server's." },
    { "enabled", API_BOOL, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "domains", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL,
      "Of atrn: what is fetched; empty: all that the other server has for the account." },
    { "last_at", API_TIME, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, "End of the last attempt." },
    { "last_result", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "ok, what failed, or empty." },
    { "last_count", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Messages of the last attempt." },
    { "next_at", API_TIME, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, "null: at once." },
    { "failures", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Failed attempts in a row." },
    { 0 },
};
static const struct api_schema remote_schema = { "RemoteAccount",
                                                 "An account elsewhere whose mail is collected.",
                                                 remote_fields };

static json_t *shown(json_t *row)
{
    json_t *r = json_copy(row);

    json_object_set_new(r, "last_at", api_time(json_integer_value(json_object_get(r, "last_ms"))));
    json_object_set_new(r, "next_at", api_time(json_integer_value(json_object_get(r, "next_ms"))));
    json_object_del(r, "last_ms");
    json_object_del(r, "next_ms");
    json_object_del(r, "address");
    return r;
}

static void list_remotes(struct api_call *c)
{
    _cleanup_(account_unrefp) const struct account *acc = api_account_of(c, false);
    json_t *reply =
        acc ? api_admin(c, "remote.list", json_pack("{s:s}", "address", acc->address)) : NULL;
    json_t *items, *row;
    size_t i;

    if (!reply)
        return;
    items = json_array();
    json_array_foreach(json_object_get(reply, "rows"), i, row)
        json_array_append_new(items, shown(row));
    api_page_of(c, items, "id", true);
    json_decref(reply);
}

static void show(struct api_call *c, const char *address, const char *id, int status)
{
    json_t *reply = api_admin(c, "remote.list", json_pack("{s:s}", "address", address)), *row,
           *found = NULL;
    size_t i;

    if (!reply)
        return;
    json_array_foreach(json_object_get(reply, "rows"), i,
                       row) if (!strcmp(json_string_value(json_object_get(row, "id")), id)) found =
        row;
    if (found)
        api_reply(c, status, shown(found));
    else
        api_fail_gone(c, "remote account", id);
    json_decref(reply);
}

static void show_remote(struct api_call *c)
{
    _cleanup_(account_unrefp) const struct account *acc = api_account_of(c, false);

    if (acc)
        show(c, acc->address, api_param(c, "remote"), 200);
}

static void create_remote(struct api_call *c)
{
    _cleanup_(account_unrefp) const struct account *acc = api_account_of(c, true);
    json_t *args, *reply;

    if (!acc)
        return;
    args = json_copy(c->body);
    json_object_set_new(args, "address", json_string(acc->address));
    reply = api_admin(c, "remote.create", args);
    if (reply && !api_answer_dry_run(c, reply))
        show(c, acc->address, json_string_value(json_object_get(reply, "id")), 201);
    json_decref(reply);
}

/* The operation on the remote account of the path; its answer, or NULL: answered. */
static json_t *ask(struct api_call *c, const struct account *acc, const char *op, json_t *args)
{
    json_object_set_new(args, "address", json_string(acc->address));
    json_object_set_new(args, "id", json_string(api_param(c, "remote")));
    return api_admin(c, op, args);
}

static void update_remote(struct api_call *c)
{
    _cleanup_(account_unrefp) const struct account *acc = api_account_of(c, true);
    json_t *reply = acc ? ask(c, acc, "remote.update", json_copy(c->body)) : NULL;

    if (reply && !api_answer_dry_run(c, reply))
        show(c, acc->address, api_param(c, "remote"), 200);
    json_decref(reply);
}

static void delete_remote(struct api_call *c)
{
    _cleanup_(account_unrefp) const struct account *acc = api_account_of(c, true);
    json_t *reply = acc ? ask(c, acc, "remote.delete", json_object()) : NULL;

    if (reply && !api_answer_dry_run(c, reply))
        api_reply(c, 204, NULL);
    json_decref(reply);
}

static void collect_remote(struct api_call *c)
{
    _cleanup_(account_unrefp) const struct account *acc = api_account_of(c, true);
    json_t *reply = acc ? ask(c, acc, "remote.collect", json_object()) : NULL;

    if (reply)
        show(c, acc->address, api_param(c, "remote"), 200);
    json_decref(reply);
}

const struct api_route api_remote_routes[] = {
    { .method = "GET",
      .path = "/accounts/{account}/remote-accounts",
      .scope = SCOPE_DIRECTORY_READ,
      .flags = ROUTE_PAGED,
      .id = "listRemoteAccounts",
      .status = 200,
      .response = &remote_schema,
      .run = list_remotes,
      .help = "Accounts elsewhere whose mail the account collects." },
    { .method = "POST",
      .path = "/accounts/{account}/remote-accounts",
      .scope = SCOPE_DIRECTORY_WRITE,
      .flags = ROUTE_DRY_RUN | ROUTE_IDEMPOTENT,
      .id = "createRemoteAccount",
      .body = &create_schema,
      .status = 201,
      .response = &remote_schema,
      .run = create_remote,
      .help = "A new remote account; it is asked for mail at once." },
    { .method = "GET",
      .path = "/accounts/{account}/remote-accounts/{remote}",
      .scope = SCOPE_DIRECTORY_READ,
      .id = "getRemoteAccount",
      .status = 200,
      .response = &remote_schema,
      .run = show_remote,
      .help = "One remote account, with what became of its last attempt." },
    { .method = "PATCH",
      .path = "/accounts/{account}/remote-accounts/{remote}",
      .scope = SCOPE_DIRECTORY_WRITE,
      .flags = ROUTE_DRY_RUN,
      .id = "updateRemoteAccount",
      .body = &patch_schema,
      .status = 200,
      .response = &remote_schema,
      .run = update_remote,
      .help = "Changes a remote account." },
    { .method = "DELETE",
      .path = "/accounts/{account}/remote-accounts/{remote}",
      .scope = SCOPE_DIRECTORY_WRITE,
      .flags = ROUTE_DRY_RUN,
      .id = "deleteRemoteAccount",
      .status = 204,
      .run = delete_remote,
      .help = "Deletes a remote account; the mail there stays." },
    { .method = "POST",
      .path = "/accounts/{account}/remote-accounts/{remote}/collect",
      .scope = SCOPE_DIRECTORY_WRITE,
      .id = "collectRemoteAccount",
      .status = 200,
      .response = &remote_schema,
      .run = collect_remote,
      .help = "Asks it for mail at once." },
    { 0 },
};
