/* Sieve scripts of an account. */
#include "mail/account/script.h"
#include "server/api/api_priv.h"
#include "server/api/directory.h"
#include "server/api/page.h"

#define SCRIPT_BODY (2 * SIEVE_MAX_SCRIPT) /* as JSON */

static const struct api_field row_fields[] = {
    { "name", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "active", API_BOOL, API_REQUIRED, 0, 0, NULL, NULL,
      "It runs at each delivery. At most one is active." },
    { "bytes", API_INT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "changed_at", API_TIME, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, NULL },
    { 0 },
};
static const struct api_schema row_schema = { "SieveScriptRow", "A script, without its text.",
                                              row_fields };
static const struct api_field script_fields[] = {
    { "name", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "active", API_BOOL, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "bytes", API_INT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "changed_at", API_TIME, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, NULL },
    { "text", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { 0 },
};
static const struct api_schema script_schema = { "SieveScript", "A script (RFC 5228).",
                                                 script_fields };
static const struct api_field put_fields[] = {
    { "text", API_TEXT, API_REQUIRED, 0, SIEVE_MAX_SCRIPT, NULL, NULL,
      "Stored only without faults." },
    { 0 },
};
static const struct api_schema put_schema = { "SieveScriptPut", "A script's text.", put_fields };
static const struct api_field problem_fields[] = {
    { "line", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "From 1." },
    { "column", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "From 1." },
    { "text", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { 0 },
};
static const struct api_schema problem_schema = { "SieveProblem", "A fault of a script.",
                                                  problem_fields };
static const struct api_field check_fields[] = {
    { "problems", API_LIST, API_REQUIRED, 0, SIEVE_MAX_PROBLEMS, NULL, &problem_schema,
      "Empty: the script could be stored." },
    { 0 },
};
static const struct api_schema check_schema = { "SieveCheck", "What is wrong with a script.",
                                                check_fields };
static const struct api_field action_fields[] = {
    { "action", API_ENUM, API_REQUIRED, 0, 0, "activate|deactivate|rename", NULL,
      "activate: the one that was active is so no more. rename: an active one stays active." },
    { "name", API_TEXT, 0, 1, 512, NULL, NULL, "With action rename: the new one." },
    { 0 },
};
static const struct api_schema action_schema = { "SieveAction", "What to do with a script.",
                                                 action_fields };

static json_t *row_json(json_t *row)
{
    const char *mark = json_string_value(json_object_get(row, "active"));

    return json_pack("{s:O, s:b, s:O, s:o}", "name", json_object_get(row, "name"), "active",
                     mark && *mark, "bytes", json_object_get(row, "bytes"), "changed_at",
                     api_time(json_integer_value(json_object_get(row, "changed_s")) * 1000));
}

static json_t *ask(struct api_call *c, const char *op, const struct account *acc, const char *name)
{
    return api_admin(c, op, json_pack("{s:s, s:s*}", "address", acc->address, "name", name));
}

static void list(struct api_call *c)
{
    _cleanup_(account_unrefp) const struct account *acc = api_account_of(c, false);
    json_t *reply = acc ? ask(c, "sieve.list", acc, NULL) : NULL, *items, *row;
    size_t i;

    if (!reply)
        return;
    items = json_array();
    json_array_foreach(json_object_get(reply, "rows"), i, row)
        json_array_append_new(items, row_json(row));
    api_page_of(c, items, "name", true);
    json_decref(reply);
}

/* Answers with the script, or that it does not exist. */
static void show(struct api_call *c, const struct account *acc, const char *name)
{
    json_t *list = ask(c, "sieve.list", acc, NULL), *text, *row, *found = NULL;
    size_t i;

    if (!list)
        return;
    json_array_foreach(json_object_get(list, "rows"), i,
                       row) if (!strcmp(json_string_value(json_object_get(row, "name")), name))
        found = row_json(row);
    json_decref(list);
    if (!found) {
        api_fail_gone(c, "script", name);
        return;
    }
    text = ask(c, "sieve.get", acc, name);
    if (!text) {
        json_decref(found);
        return;
    }
    json_object_set(found, "text", json_object_get(text, "value"));
    json_decref(text);
    api_reply(c, 200, found);
}

static void get(struct api_call *c)
{
    _cleanup_(account_unrefp) const struct account *acc = api_account_of(c, false);

    if (acc)
        show(c, acc, api_param(c, "script"));
}

static json_t *problems_of(const char *text)
{
    _cleanup_(arena_done) struct arena arena;
    struct sieve_problems found;
    struct sieve_script script;
    json_t *list = json_array();

    arena_init(&arena, SIEVE_ARENA);
    if (sieve_parse(sv_c(text), &arena, &script, &found) == 0)
        return list;
    for (size_t i = 0; i < found.n; i++)
        json_array_append_new(
            list, json_pack("{s:I, s:I, s:o}", "line", (json_int_t)found.v[i].line, "column",
                            (json_int_t)found.v[i].col, "text", api_text(found.v[i].text)));
    return list;
}

/* A dry run answers with all faults; otherwise the first one refuses the script. */
static void put(struct api_call *c)
{
    _cleanup_(account_unrefp) const struct account *acc = api_account_of(c, true);
    const char *name = api_param(c, "script"), *text = api_body_text(c, "text");
    json_t *problems, *reply;

    if (!acc)
        return;
    problems = problems_of(text);
    if (c->dry_run && json_array_size(problems)) {
        api_reply(c, 200, json_pack("{s:o}", "problems", problems));
        return;
    }
    json_decref(problems);
    reply = api_admin(
        c, "sieve.put",
        json_pack("{s:s, s:s, s:s}", "address", acc->address, "name", name, "text", text));
    if (!reply)
        return;
    json_decref(reply);
    if (c->dry_run)
        api_reply(c, 200, json_pack("{s:[]}", "problems"));
    else
        show(c, acc, name);
}

static void drop(struct api_call *c)
{
    _cleanup_(account_unrefp) const struct account *acc = api_account_of(c, true);
    json_t *reply = acc ? ask(c, "sieve.delete", acc, api_param(c, "script")) : NULL;

    if (reply)
        api_reply(c, 204, NULL);
    json_decref(reply);
}

static bool is_active(struct api_call *c, const struct account *acc, const char *name,
                      bool *ret_known)
{
    json_t *list = ask(c, "sieve.list", acc, NULL), *row;
    bool active = false;
    size_t i;

    *ret_known = list != NULL;
    json_array_foreach(json_object_get(list, "rows"), i,
                       row) if (!strcmp(json_string_value(json_object_get(row, "name")), name))
        active = *json_string_value(json_object_get(row, "active")) != '\0';
    json_decref(list);
    return active;
}

static json_t *rename_script(struct api_call *c, const struct account *acc, const char *name,
                             const char *new_name)
{
    return api_admin(
        c, "sieve.rename",
        json_pack("{s:s, s:s, s:s}", "address", acc->address, "name", name, "new_name", new_name));
}

static void act(struct api_call *c)
{
    _cleanup_(account_unrefp) const struct account *acc = api_account_of(c, true);
    const char *name = api_param(c, "script"), *new_name = api_body_text(c, "name");
    const char *action = api_body_text(c, "action");
    bool renames = !strcmp(action, "rename"), known = true;
    json_t *reply = NULL;

    if (!acc)
        return;
    if (renames != (new_name != NULL)) {
        api_fail(c, 422, "invalid_field", "name", "name: %s",
                 renames ? "is missing; the script's new name" : "belongs to action rename only");
        return;
    }
    if (renames)
        reply = rename_script(c, acc, name, new_name);
    else if (!strcmp(action, "activate"))
        reply = ask(c, "sieve.activate", acc, name);
    else if (is_active(c, acc, name, &known)) /* another one stays as it is */
        reply = ask(c, "sieve.deactivate", acc, NULL);
    else if (known)
        reply = json_object();
    if (!reply)
        return;
    json_decref(reply);
    show(c, acc, renames ? new_name : name);
}

const struct api_route api_sieve_routes[] = {
    { .method = "GET",
      .path = "/accounts/{account}/sieve",
      .scope = SCOPE_DIRECTORY_READ,
      .flags = ROUTE_PAGED,
      .id = "listSieveScripts",
      .status = 200,
      .response = &row_schema,
      .run = list,
      .help = "The account's Sieve scripts, without their texts." },
    { .method = "GET",
      .path = "/accounts/{account}/sieve/{script}",
      .scope = SCOPE_DIRECTORY_READ,
      .id = "getSieveScript",
      .status = 200,
      .response = &script_schema,
      .run = get,
      .help = "A script with its text." },
    { .method = "PUT",
      .path = "/accounts/{account}/sieve/{script}",
      .scope = SCOPE_DIRECTORY_WRITE,
      .flags = ROUTE_DRY_RUN,
      .id = "putSieveScript",
      .body = &put_schema,
      .status = 200,
      .response = &script_schema,
      .preview = &check_schema,
      .body_max = SCRIPT_BODY,
      .run = put,
      .help = "Stores a script, new or in place of the one of that name, which stays active. With "
              "dry_run it is only checked, and all its faults come back." },
    { .method = "DELETE",
      .path = "/accounts/{account}/sieve/{script}",
      .scope = SCOPE_DIRECTORY_WRITE,
      .id = "deleteSieveScript",
      .status = 204,
      .run = drop,
      .help = "Deletes a script that is not active." },
    { .method = "POST",
      .path = "/accounts/{account}/sieve/{script}/actions",
      .scope = SCOPE_DIRECTORY_WRITE,
      .id = "actOnSieveScript",
      .body = &action_schema,
      .status = 200,
      .response = &script_schema,
      .run = act,
      .help =
          "Activates a script, leaves the account without an active one, or renames a script." },
    { 0 },
};
