/* Members of mailing lists and groups. */
#include "server/api/api_priv.h"
#include "server/api/directory.h"
#include "server/api/page.h"

enum { MOST = 100000 };

static const struct api_field member_fields[] = {
    { "address", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "local", API_BOOL, API_REQUIRED, 0, 0, NULL, NULL, "It is an enabled account here." },
    { "listed", API_BOOL, API_REQUIRED, 0, 0, NULL, NULL, "Else found by list_query." },
    { 0 },
};
static const struct api_schema member_schema = { "Member", "A member of a list or group.",
                                                 member_fields };
static const struct api_field put_fields[] = {
    { "members", API_TEXTS, API_REQUIRED, 0, MOST, NULL, NULL, "Addresses, local or remote." },
    { 0 },
};
static const struct api_schema put_schema = { "MembersPut", "All members.", put_fields };
static const struct api_field patch_fields[] = {
    { "add", API_TEXTS, 0, 0, MOST, NULL, NULL, "Those who are members already stay." },
    { "remove", API_TEXTS, 0, 0, MOST, NULL, NULL, NULL },
    { 0 },
};
static const struct api_schema patch_schema = { "MembersPatch", "Who comes and goes.",
                                                patch_fields };
static const struct api_field count_fields[] = {
    { "members", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "How many there are now." },
    { 0 },
};
static const struct api_schema count_schema = { "MemberCount", "How many members.", count_fields };

static void list(struct api_call *c)
{
    _cleanup_(account_unrefp) const struct account *acc = api_account_of(c, false);
    json_t *reply =
        acc ? api_admin(c, "member.list", json_pack("{s:s}", "address", acc->address)) : NULL;

    if (!reply)
        return;
    api_page_of(c, json_incref(json_object_get(reply, "rows")), "address", true);
    json_decref(reply);
}

static void answer(struct api_call *c, const struct account *acc, json_t *reply)
{
    json_t *now;

    if (!reply || api_answer_dry_run(c, reply))
        return;
    now = api_admin(c, "member.list", json_pack("{s:s}", "address", acc->address));
    if (now)
        api_reply(c, 200,
                  json_pack("{s:I}", "members",
                            (json_int_t)json_array_size(json_object_get(now, "rows"))));
    json_decref(now);
}

/* A list of the body as text; NULL when it is not there. */
static void take(struct api_call *c, json_t *args, const char *field)
{
    json_t *texts = json_object_get(c->body, field);
    char *text = texts ? api_join_list(texts) : NULL;

    if (text)
        json_object_set_new(args, field, json_string(text));
    free(text);
}

static void put(struct api_call *c)
{
    _cleanup_(account_unrefp) const struct account *acc = api_account_of(c, true);
    json_t *args, *reply;

    if (!acc)
        return;
    args = json_pack("{s:s}", "address", acc->address);
    take(c, args, "members");
    reply = api_admin(c, "member.set", args);
    answer(c, acc, reply);
    json_decref(reply);
}

static void patch(struct api_call *c)
{
    _cleanup_(account_unrefp) const struct account *acc = api_account_of(c, true);
    json_t *args, *reply;

    if (!acc)
        return;
    args = json_pack("{s:s}", "address", acc->address);
    take(c, args, "add");
    take(c, args, "remove");
    reply = api_admin(c, "member.change", args);
    answer(c, acc, reply);
    json_decref(reply);
}

const struct api_route api_member_routes[] = {
    { .method = "GET",
      .path = "/accounts/{account}/members",
      .scope = SCOPE_DIRECTORY_READ,
      .flags = ROUTE_PAGED,
      .id = "listMembers",
      .status = 200,
      .response = &member_schema,
      .run = list,
      .help = "Members of a list or group, in order of their addresses." },
    { .method = "PUT",
      .path = "/accounts/{account}/members",
      .scope = SCOPE_DIRECTORY_WRITE,
      .flags = ROUTE_DRY_RUN,
      .id = "putMembers",
      .body = &put_schema,
      .body_max = 8 * MiB,
      .status = 200,
      .response = &count_schema,
      .run = put,
      .help = "These members in place of all others." },
    { .method = "PATCH",
      .path = "/accounts/{account}/members",
      .scope = SCOPE_DIRECTORY_WRITE,
      .flags = ROUTE_DRY_RUN,
      .id = "patchMembers",
      .body = &patch_schema,
      .body_max = 8 * MiB,
      .status = 200,
      .response = &count_schema,
      .run = patch,
      .help = "Adds and removes members." },
    { 0 },
};
