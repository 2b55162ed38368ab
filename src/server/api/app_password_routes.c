/* App passwords of an account. */
#include "server/api/api_priv.h"
#include "server/api/app_password.h"
#include "server/api/directory.h"
#include "server/api/page.h"

static const struct api_field app_fields[] = {
    { "label", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "created_at", API_TIME, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, NULL },
    { "used_at", API_TIME, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, NULL },
    { 0 },
};
const struct api_schema api_app_schema = { "AppPassword", "A password of one program.",
                                           app_fields };
static const struct api_field app_new_fields[] = {
    { "label", API_TEXT, API_REQUIRED, 1, 100, NULL, NULL, "Which program." },
    { 0 },
};
const struct api_schema api_app_new_schema = { "AppPasswordNew", "A new app password.",
                                               app_new_fields };
static const struct api_field app_shown_fields[] = {
    { "label", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "password", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Shown this once." },
    { 0 },
};
const struct api_schema api_app_shown_schema = { "AppPasswordShown", "An app password.",
                                                 app_shown_fields };

void api_app_passwords(struct api_call *c, const char *address)
{
    json_t *reply = api_admin(c, "app-password.list", json_pack("{s:s}", "address", address));
    json_t *items, *row;
    size_t i;

    if (!reply)
        return;
    items = json_array();
    json_array_foreach(json_object_get(reply, "rows"), i, row) json_array_append_new(
        items,
        json_pack("{s:O, s:o, s:o}", "label", json_object_get(row, "label"), "created_at",
                  api_time(json_integer_value(json_object_get(row, "created_s")) * 1000), "used_at",
                  api_time(json_integer_value(json_object_get(row, "used_s")) * 1000)));
    api_page_of(c, items, "label", true);
    json_decref(reply);
}

void api_app_password_create(struct api_call *c, const char *address)
{
    const char *label = api_body_text(c, "label");
    json_t *reply = api_admin(c, "app-password.create",
                              json_pack("{s:s, s:s}", "address", address, "label", label));

    if (reply)
        api_reply(c, 201,
                  json_pack("{s:s, s:O}", "label", label, "password",
                            json_object_get(reply, "password")));
    json_decref(reply);
}

void api_app_password_drop(struct api_call *c, const char *address)
{
    json_t *reply =
        api_admin(c, "app-password.delete",
                  json_pack("{s:s, s:s}", "address", address, "label", api_param(c, "label")));

    if (reply)
        api_reply(c, 204, NULL);
    json_decref(reply);
}

static void list_apps(struct api_call *c)
{
    _cleanup_(account_unrefp) const struct account *acc = api_account_of(c, false);

    if (acc)
        api_app_passwords(c, acc->address);
}

static void create_app(struct api_call *c)
{
    _cleanup_(account_unrefp) const struct account *acc = api_account_of(c, true);

    if (acc)
        api_app_password_create(c, acc->address);
}

static void drop_app(struct api_call *c)
{
    _cleanup_(account_unrefp) const struct account *acc = api_account_of(c, true);

    if (acc)
        api_app_password_drop(c, acc->address);
}

const struct api_route api_app_password_routes[] = {
    { .method = "GET",
      .path = "/accounts/{account}/app-passwords",
      .scope = SCOPE_DIRECTORY_READ,
      .flags = ROUTE_PAGED,
      .id = "listAppPasswords",
      .status = 200,
      .response = &api_app_schema,
      .run = list_apps,
      .help = "App passwords, without the passwords." },
    { .method = "POST",
      .path = "/accounts/{account}/app-passwords",
      .scope = SCOPE_DIRECTORY_WRITE,
      .flags = ROUTE_IDEMPOTENT,
      .id = "createAppPassword",
      .body = &api_app_new_schema,
      .status = 201,
      .response = &api_app_shown_schema,
      .run = create_app,
      .help = "A new app password, shown this once." },
    { .method = "DELETE",
      .path = "/accounts/{account}/app-passwords/{label}",
      .scope = SCOPE_DIRECTORY_WRITE,
      .id = "deleteAppPassword",
      .status = 204,
      .run = drop_app,
      .help = "Withdraws an app password." },
    { 0 },
};
