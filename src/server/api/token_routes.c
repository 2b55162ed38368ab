/* Bearer tokens. */
#include "base/clock.h"
#include "server/api/api_priv.h"
#include "server/api/feed.h"
#include "server/api/operations.h"
#include "server/api/page.h"
#include "server/api/tokens.h"

static const struct api_field token_fields[] = {
    { "id", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "account", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Whose rights it has at most." },
    { "name", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "scopes", API_TEXTS, API_REQUIRED, 0, 0, NULL, NULL, "None: all of the account." },
    { "created_at", API_TIME, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, NULL },
    { "expires_at", API_TIME, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, "null: never." },
    { "used_at", API_TIME, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, NULL },
    { "own", API_BOOL, API_REQUIRED, 0, 0, NULL, NULL, "Of the caller's account." },
    { "state", API_ENUM, API_REQUIRED, 0, 0, "active|expired", NULL, NULL },
    { 0 },
};
static const struct api_schema token_schema = { "Token", "A token, without its secret.",
                                                token_fields };
static const struct api_field new_fields[] = {
    { "name", API_TEXT, API_REQUIRED, 1, 100, NULL, NULL, "Which program." },
    { "scopes", API_TEXTS, 0, 1, SCOPE_COUNT, NULL, NULL, "At most the caller's own." },
    { "expires_days", API_INT, 0, 1, 3650, NULL, NULL,
      "Without it: never. A token that is made with a token ends with that one at the latest." },
    { 0 },
};
static const struct api_schema new_schema = { "TokenNew", "A new token.", new_fields };
static const struct api_field shown_fields[] = {
    { "id", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "token", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Shown this once." },
    { "expires_at", API_TIME, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, "null: never." },
    { 0 },
};
static const struct api_schema shown_schema = { "TokenShown", "A token.", shown_fields };

#define IDS_MAX 100

static const struct api_field action_fields[] = {
    { "action", API_ENUM, API_REQUIRED, 0, 0, "withdraw", NULL, NULL },
    { "ids", API_TEXTS, API_REQUIRED, 1, IDS_MAX, NULL, NULL, "These tokens." },
    { "undo_seconds", API_INT, 0, 0, OPERATION_UNDO_MAX_S, NULL, NULL,
      "They work until this time has passed; 0 = they end at once." },
    { 0 },
};
static const struct api_schema action_schema = { "TokenAction", "What to do with which tokens.",
                                                 action_fields };

json_t *api_token_words(const char *text)
{
    json_t *a = json_array();
    struct sv rest = *text ? sv_c(text) : SV_NULL;

    while (rest.p) {
        struct sv w = sv_split(&rest, ' ');

        if (w.n)
            json_array_append_new(a, json_stringn(w.p, w.n));
    }
    return a;
}

static bool is_own(struct api_call *c, json_t *row)
{
    const char *account = json_string_value(json_object_get(row, "account"));

    return account && !strcmp(account, c->caller->who);
}

/* Domain admins see and withdraw their own tokens only. */
static bool mine(struct api_call *c, json_t *row)
{
    return api_sees_all(c->caller) || is_own(c, row);
}

static json_t *time_of(json_t *row, const char *name)
{
    return api_time(json_integer_value(json_object_get(row, name)));
}

static json_t *token_json(struct api_call *c, json_t *row)
{
    json_int_t expires_ms = json_integer_value(json_object_get(row, "expires_ms"));

    return json_pack("{s:O, s:O, s:O, s:o, s:o, s:o, s:o, s:b, s:s}", "id",
                     json_object_get(row, "id"), "account", json_object_get(row, "account"), "name",
                     json_object_get(row, "name"), "scopes",
                     api_token_words(json_string_value(json_object_get(row, "scopes"))),
                     "created_at", time_of(row, "created_ms"), "expires_at", api_time(expires_ms),
                     "used_at", time_of(row, "used_ms"), "own", (int)is_own(c, row), "state",
                     expires_ms && expires_ms < clock_wall_ms() ? "expired" : "active");
}

static void list(struct api_call *c)
{
    json_t *reply = api_admin(c, "token.list", NULL), *items, *row;
    size_t i;

    if (!reply)
        return;
    items = json_array();
    json_array_foreach(json_object_get(reply, "rows"), i, row) if (mine(c, row))
        json_array_append_new(items, token_json(c, row));
    api_page_of(c, items, "id", true);
    json_decref(reply);
}

char *api_token_scopes(struct api_call *c, json_t *want)
{
    json_t *s;
    struct errinfo ei = { 0 };
    uint32_t bits = 0;
    struct buf b;
    size_t i;

    if (json_array_size(want) == 0) /* none would be all of the account */
        want = NULL;
    buf_init(&b, 700);
    json_array_foreach(want, i, s) buf_addf(&b, "%s%s", i ? " " : "", json_string_value(s));
    /* Without a list a token would grow with its account's rights, or outgrow the caller's. */
    for (int k = SCOPE_SELF; !want && k < SCOPE_COUNT; k++)
        if (c->caller->scopes & SCOPE_BIT(k))
            buf_addf(&b, "%s%s", b.n ? " " : "", api_scope_names[k]);
    if (b.overflow || buf_terminate(&b) < 0 || api_scopes_parse(buf_sv(&b), &bits, &ei) < 0) {
        api_fail(c, 422, "invalid_field", "scopes", "%s",
                 b.overflow ? "scopes: too many" : ei.text);
        buf_done(&b);
        return NULL;
    }
    if (bits & ~c->caller->scopes) {
        api_fail(c, 403, "not_allowed", "scopes", "scopes: a token cannot have more than you");
        buf_done(&b);
        return NULL;
    }
    return buf_take(&b, NULL);
}

void api_token_limit(struct api_call *c, json_t *args)
{
    if (c->caller->proof == PROOF_TOKEN && c->caller->expires_ms)
        json_object_set_new(args, "not_after", json_integer(c->caller->expires_ms));
}

static void create(struct api_call *c)
{
    int64_t days = api_body_int(c, "expires_days", 0);
    char *scopes;
    json_t *args, *reply;

    if (!c->caller->account_id) {
        api_fail(c, 409, "no_account", NULL,
                 "'%.60s' is a local user without an account; posthorn tool create token ACCOUNT "
                 "NAME",
                 c->caller->who);
        return;
    }
    scopes = api_token_scopes(c, json_object_get(c->body, "scopes"));
    if (!scopes)
        return;
    args = json_pack("{s:s, s:s, s:s}", "account", c->caller->who, "name", api_body_text(c, "name"),
                     "scopes", scopes);
    free(scopes);
    if (days)
        json_object_set_new(args, "days", json_integer(days));
    api_token_limit(c, args);
    reply = api_admin(c, "token.create", args);
    if (reply)
        api_reply(c, 201,
                  json_pack("{s:O, s:O, s:o}", "id", json_object_get(reply, "id"), "token",
                            json_object_get(reply, "token"), "expires_at",
                            time_of(reply, "expires_ms")));
    json_decref(reply);
}

/* Is it one that the caller may withdraw? */
static bool is_there(struct api_call *c, json_t *rows, const char *id)
{
    json_t *row;
    size_t i;

    json_array_foreach(rows, i, row)
    {
        if (mine(c, row) && !strcmp(json_string_value(json_object_get(row, "id")), id))
            return true;
    }
    return false;
}

/* False: answered. */
static bool check_ids(struct api_call *c, json_t *ids)
{
    json_t *reply = api_admin(c, "token.list", NULL), *id;
    bool ok = reply != NULL;
    size_t i;

    json_array_foreach(ids, i, id)
    {
        if (ok && !is_there(c, json_object_get(reply, "rows"), json_string_value(id))) {
            ok = false;
            api_fail_gone(c, "token", json_string_value(id));
        }
    }
    json_decref(reply);
    return ok;
}

static int withdraw_one(struct api *api, const char *who, const char *action _unused_, json_t *id,
                        struct errinfo *ei)
{
    json_t *request = json_pack("{s:s, s:{s:O}}", "op", "token.delete", "args", "id", id);
    json_t *reply = admin_run(api->o.admin, who, request);
    json_t *error = json_object_get(reply, "error");
    int r =
        error ? err_set(ei, E_TEMP, "%s", json_string_value(json_object_get(error, "text"))) : 0;

    json_decref(request);
    json_decref(reply);
    feed_recheck(api->feed); /* streams that it opened end */
    return r;
}

static void act(struct api_call *c)
{
    json_t *ids = json_object_get(c->body, "ids");

    if (!check_ids(c, ids))
        return;
    operation_start(c,
                    &(struct operation_spec){ .kind = "tokens.withdraw",
                                              .action = "withdraw",
                                              .undo_ms = api_body_int(c, "undo_seconds", 0) * 1000,
                                              .items = json_incref(ids),
                                              .run = withdraw_one });
}

static void drop(struct api_call *c)
{
    json_t *ids = json_pack("[s]", api_param(c, "id")), *reply;
    bool ok = check_ids(c, ids);

    json_decref(ids);
    if (!ok)
        return;
    reply = api_admin(c, "token.delete", json_pack("{s:s}", "id", api_param(c, "id")));
    if (reply)
        api_reply(c, 204, NULL);
    json_decref(reply);
}

const struct api_route api_token_routes[] = {
    { .method = "GET",
      .path = "/tokens",
      .scope = SCOPE_TOKENS_READ,
      .flags = ROUTE_PAGED,
      .id = "listTokens",
      .status = 200,
      .response = &token_schema,
      .run = list,
      .help = "Tokens for programs." },
    { .method = "POST",
      .path = "/tokens",
      .scope = SCOPE_TOKENS_WRITE,
      .flags = ROUTE_IDEMPOTENT,
      .id = "createToken",
      .body = &new_schema,
      .status = 201,
      .response = &shown_schema,
      .run = create,
      .help = "A new token of the caller's, shown this once." },
    { .method = "POST",
      .path = "/tokens/actions",
      .scope = SCOPE_TOKENS_WRITE,
      .flags = ROUTE_IDEMPOTENT,
      .id = "actOnTokens",
      .body = &action_schema,
      .status = 202,
      .response = &api_operation_schema,
      .run = act,
      .help = "Withdraws tokens, after a time to undo it." },
    { .method = "DELETE",
      .path = "/tokens/{id}",
      .scope = SCOPE_TOKENS_WRITE,
      .id = "deleteToken",
      .status = 204,
      .run = drop,
      .help = "Withdraws a token at once." },
    { 0 },
};
