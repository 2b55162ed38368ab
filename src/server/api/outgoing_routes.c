/* Routes of outgoing mail: where mail for some domains goes. Passwords go in and never come out. */
#include "mail/account/route_store.h"
#include "server/api/api_priv.h"
#include "server/api/directory.h"
#include "server/api/page.h"

#define TLS_CHOICES    "default|never|may|require|verify|dane"
#define FAMILY_CHOICES "default|ipv4-first|ipv6-first|ipv4-only|ipv6-only"

static const struct api_field route_fields[] = {
    { "position", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "1 is asked first." },
    { "pattern", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL,
      "Of the recipient's domain: a name, *.name (all below it) or * (all)." },
    { "host", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL,
      "host[:port] that takes the mail; empty: by MX." },
    { "user", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Login there; empty: none." },
    { "has_password", API_BOOL, API_REQUIRED, 0, 0, NULL, NULL, "It is never shown." },
    { "tls", API_ENUM, API_REQUIRED, 0, 0, TLS_CHOICES, NULL, NULL },
    { "family", API_ENUM, API_REQUIRED, 0, 0, FAMILY_CHOICES, NULL, NULL },
    { "source_ip", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL,
      "Our address; empty: deliver.source_ip." },
    { "changed_at", API_TIME, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, NULL },
    { "trouble", API_TEXT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL,
      "Why its mail waits: the answer of a relay that refuses the login." },
    { "actions", API_TEXTS, API_REQUIRED, 0, 0, NULL, NULL, "What the caller may do." },
    { 0 },
};
static const struct api_schema route_schema = { "Route", "A route of outgoing mail.",
                                                route_fields };

#define CHANGE_FIELDS                                                                              \
    { "host", API_TEXT, 0,    0,                                                                   \
      270,    NULL,     NULL, "host, host:port, address or [IPv6]:port; empty: by MX." },          \
        { "user", API_TEXT, 0, 0, ROUTE_LOGIN_MAX, NULL, NULL, NULL },                             \
        { "password", API_TEXT, API_WRITEONLY, 0, ROUTE_LOGIN_MAX, NULL, NULL, NULL },             \
        { "tls", API_ENUM,    0,    0,                                                             \
          0,     TLS_CHOICES, NULL, "default: deliver.starttls, and TLS for a login." },           \
        { "family", API_ENUM, 0, 0, 0, FAMILY_CHOICES, NULL, "default: deliver.address_family." }, \
        { "source_ip", API_TEXT, 0, 0, 45, NULL, NULL, NULL },                                     \
        { "position", API_INT, 0, 1, ROUTES_MAX, NULL, NULL, "1 is asked first." },                \
    {                                                                                              \
        0                                                                                          \
    }
static const struct api_field patch_fields[] = { CHANGE_FIELDS };
static const struct api_field create_fields[] = {
    { "pattern", API_TEXT, API_REQUIRED, 1, 255, NULL, NULL, "Such as example.org." }, CHANGE_FIELDS
};
static const struct api_schema patch_schema = { "RoutePatch", "What changes.", patch_fields };
static const struct api_schema create_schema = { "RouteNew", "A new route.", create_fields };

/* The row of admin/ as the API shows it; the same reference. */
static json_t *shown(struct api_call *c, json_t *row)
{
    bool may = c->caller->scopes & SCOPE_BIT(SCOPE_SETTINGS_WRITE);

    json_object_set_new(row, "changed_at",
                        api_time(json_integer_value(json_object_get(row, "changed_ms"))));
    json_object_del(row, "changed_ms");
    if (!json_object_get(row, "trouble"))
        json_object_set_new(row, "trouble", json_null());
    json_object_set_new(row, "actions",
                        may ? json_pack("[s, s]", "change", "delete") : json_array());
    return row;
}

/* They are the server's, and tell of its relays. */
static bool check_system_admin(struct api_call *c)
{
    if (api_sees_all(c->caller))
        return true;
    api_fail(c, 403, "not_allowed", NULL, "routes are for system admins");
    return false;
}

static json_t *rows_of(json_t *reply)
{
    return json_object_get(reply, "rows");
}

static void list_routes(struct api_call *c)
{
    json_t *reply = check_system_admin(c) ? api_admin(c, "route.list", json_object()) : NULL;
    json_t *items, *row;
    size_t i;

    if (!reply)
        return;
    items = json_incref(rows_of(reply));
    json_array_foreach(items, i, row) shown(c, row);
    json_decref(reply);
    api_page_of(c, items, "pattern", true);
}

static void show_as(struct api_call *c, const char *pattern, int status)
{
    json_t *reply = api_admin(c, "route.list", json_object()), *row, *found = NULL;
    char canonical[256];
    size_t i;

    if (!reply)
        return;
    if (route_pattern(sv_c(pattern), canonical, NULL) == 0)
        json_array_foreach(rows_of(reply), i, row)
        {
            if (!strcmp(json_string_value(json_object_get(row, "pattern")), canonical))
                found = row;
        }
    if (found)
        api_reply(c, status, shown(c, json_incref(found)));
    else
        api_fail_gone(c, "route", pattern);
    json_decref(reply);
}

static void show_route(struct api_call *c)
{
    if (check_system_admin(c))
        show_as(c, api_param(c, "pattern"), 200);
}

static void create_route(struct api_call *c)
{
    json_t *reply =
        check_system_admin(c) ? api_admin(c, "route.create", json_incref(c->body)) : NULL;

    if (reply && !api_answer_dry_run(c, reply))
        show_as(c, api_body_text(c, "pattern"), 201);
    json_decref(reply);
}

/* False: answered. */
static bool is_pattern(struct api_call *c)
{
    char canonical[256];

    if (route_pattern(sv_c(api_param(c, "pattern")), canonical, NULL) == 0)
        return true;
    api_fail_gone(c, "route", api_param(c, "pattern"));
    return false;
}

static void update_route(struct api_call *c)
{
    json_t *args, *reply;

    if (!check_system_admin(c) || !is_pattern(c))
        return;
    args = json_copy(c->body);
    json_object_set_new(args, "pattern", json_string(api_param(c, "pattern")));
    reply = api_admin(c, "route.update", args);
    if (reply && !api_answer_dry_run(c, reply))
        show_as(c, api_param(c, "pattern"), 200);
    json_decref(reply);
}

static void delete_route(struct api_call *c)
{
    json_t *reply;

    if (!check_system_admin(c) || !is_pattern(c))
        return;
    reply = api_admin(c, "route.delete", json_pack("{s:s}", "pattern", api_param(c, "pattern")));
    if (reply && !api_answer_dry_run(c, reply))
        api_reply(c, 204, NULL);
    json_decref(reply);
}

const struct api_route api_outgoing_routes[] = {
    { .method = "GET",
      .path = "/routes",
      .scope = SCOPE_SETTINGS_READ,
      .flags = ROUTE_PAGED,
      .id = "listRoutes",
      .status = 200,
      .response = &route_schema,
      .run = list_routes,
      .help = "Routes of outgoing mail in their order; the first that fits holds." },
    { .method = "POST",
      .path = "/routes",
      .scope = SCOPE_SETTINGS_WRITE,
      .flags = ROUTE_DRY_RUN | ROUTE_IDEMPOTENT,
      .id = "createRoute",
      .body = &create_schema,
      .status = 201,
      .response = &route_schema,
      .run = create_route,
      .help = "A new route." },
    { .method = "GET",
      .path = "/routes/{pattern}",
      .scope = SCOPE_SETTINGS_READ,
      .flags = ROUTE_ETAG,
      .id = "getRoute",
      .status = 200,
      .response = &route_schema,
      .run = show_route,
      .help = "One route." },
    { .method = "PATCH",
      .path = "/routes/{pattern}",
      .scope = SCOPE_SETTINGS_WRITE,
      .flags = ROUTE_DRY_RUN | ROUTE_IF_MATCH,
      .id = "updateRoute",
      .body = &patch_schema,
      .status = 200,
      .response = &route_schema,
      .run = update_route,
      .help = "Changes a route." },
    { .method = "DELETE",
      .path = "/routes/{pattern}",
      .scope = SCOPE_SETTINGS_WRITE,
      .flags = ROUTE_DRY_RUN | ROUTE_IF_MATCH,
      .id = "deleteRoute",
      .status = 204,
      .run = delete_route,
      .help = "Deletes a route." },
    { 0 },
};
