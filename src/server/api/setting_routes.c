/* Settings: the schema that forms are made from, values, changes. */
#include "conf/conf.h"
#include "server/api/api_priv.h"
#include "server/api/access.h"
#include "server/api/directory.h"

static const struct api_field schema_fields[] = {
    { "name", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "smtp.max_errors" },
    { "room", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "smtp" },
    { "group", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Heading in forms." },
    { "type", API_ENUM, API_REQUIRED, 0, 0, "bool|int|size|duration|string|enum|list|secret", NULL,
      NULL },
    { "default", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "min", API_INT, API_NULL | API_REQUIRED, 0, 0, NULL, NULL,
      "Smallest number; bytes of a size, milliseconds of a duration." },
    { "max", API_INT, API_NULL | API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "unit", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "choices", API_TEXTS, API_REQUIRED, 0, 0, NULL, NULL, "Of an enum." },
    { "allowed", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "What a value may be, for people." },
    { "live", API_BOOL, API_REQUIRED, 0, 0, NULL, NULL, "Else after a restart of the module." },
    { "help", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "api_variable", API_TEXT, API_NULL | API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { 0 },
};
static const struct api_schema row_schema = { "SettingSchema", "What a setting is.",
                                              schema_fields };
static const struct api_field schemas_fields[] = {
    { "items", API_LIST, API_REQUIRED, 0, 0, NULL, &row_schema, NULL },
    { 0 },
};
static const struct api_schema schemas_schema = { "SettingSchemas", "All settings.",
                                                  schemas_fields };

static const struct api_field value_fields[] = {
    { "name", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "value", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Secrets: (set) or nothing." },
    { "default", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "changed", API_BOOL, API_REQUIRED, 0, 0, NULL, NULL, "Differs from the default." },
    { 0 },
};
static const struct api_schema value_schema = { "Setting", "A setting's value.", value_fields };
static const struct api_field values_fields[] = {
    { "items", API_LIST, API_REQUIRED, 0, 0, NULL, &value_schema, NULL },
    { 0 },
};
static const struct api_schema values_schema = { "Settings", "Values of settings.", values_fields };

static const struct api_field patch_fields[] = {
    { "values", API_MAP, API_REQUIRED, 0, 0, NULL, NULL,
      "Name to value (text, number, true, false), or to null for the default." },
    { 0 },
};
static const struct api_schema patch_schema = { "SettingsPatch", "What changes.", patch_fields };
static const struct api_field one_fields[] = {
    { "value", API_ANY, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, "null: the default." },
    { 0 },
};
static const struct api_schema one_schema = { "SettingPatch", "A new value.", one_fields };

static const struct api_field list_params[] = {
    { "area", API_TEXT, 0, 1, 40, NULL, NULL, "Settings of one room only, such as smtp." },
    { "q", API_TEXT, 0, 0, 100, NULL, NULL, "Part of name or help." },
    { 0 },
};

static json_t *choices_of(const struct setting *s)
{
    struct sv rest = s->type == SET_ENUM ? sv_c(s->unit) : SV_NULL;
    json_t *a = json_array();

    while (rest.p) {
        struct sv one = sv_split(&rest, '|');

        json_array_append_new(a, json_stringn(one.p, one.n));
    }
    return a;
}

static json_t *schema_row(const struct setting *s)
{
    _cleanup_(freep) char *allowed = conf_allowed(s);
    bool bounded = s->min || s->max;
    char type[20];

    snprintf(type, sizeof(type), "%s", conf_type_names[s->type]);
    for (char *t = type; *t; t++)
        *t = ascii_lower(*t);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:s, s:o, s:s, s:b, s:s, s:s?}", "name",
                     s->name, "room", s->room, "group", s->group, "type", type, "default", s->dflt,
                     "min", bounded ? json_integer(s->min) : json_null(), "max",
                     bounded ? json_integer(s->max) : json_null(), "unit",
                     s->type == SET_ENUM ? "" : s->unit, "choices", choices_of(s), "allowed",
                     allowed, "live", s->apply == APPLY_LIVE, "help", s->help, "api_variable",
                     s->api_var);
}

static void schema(struct api_call *c)
{
    size_t n;
    const struct setting *all = conf_settings(&n);
    json_t *items = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(items, schema_row(&all[i]));
    api_reply(c, 200, json_pack("{s:o}", "items", items));
}

static json_t *value_row(json_t *row)
{
    return json_pack("{s:O, s:O, s:O, s:O}", "name", json_object_get(row, "name"), "value",
                     json_object_get(row, "value"), "default", json_object_get(row, "default"),
                     "changed", json_object_get(row, "changed"));
}

static void list_area(struct api_call *c, const char *area, const char *q)
{
    json_t *reply = api_admin(c, "setting.list", q && *q ? json_pack("{s:s}", "pattern", q) : NULL);
    json_t *items, *row;
    size_t i;

    if (!reply)
        return;
    items = json_array();
    json_array_foreach(json_object_get(reply, "rows"), i, row)
    {
        const char *name = json_string_value(json_object_get(row, "name"));
        size_t n = area ? strlen(area) : 0;

        if (!area || (!strncmp(name, area, n) && name[n] == '.'))
            json_array_append_new(items, value_row(row));
    }
    json_decref(reply);
    api_reply(c, 200, json_pack("{s:o}", "items", items));
}

static void list(struct api_call *c)
{
    list_area(c, api_query(c, "area"), api_query(c, "q"));
}

static void show(struct api_call *c)
{
    bool dry = c->dry_run;
    json_t *reply;

    c->dry_run = false;
    reply = api_admin(c, "setting.get", json_pack("{s:s}", "name", api_param(c, "name")));
    c->dry_run = dry;
    if (reply)
        api_reply(c, 200, value_row(reply));
    json_decref(reply);
}

/* NULL: answered, with the setting as the field that is wrong. */
static json_t *change(struct api_call *c, json_t *values)
{
    struct admin a = *api_admin_of(c);
    json_t *reply, *error;

    if (!api_keeps_access(c, values))
        return NULL;
    a.dry_run = c->dry_run;
    reply = admin_change_settings(&a, c->caller->who, values);
    error = json_object_get(reply, "error");
    if (!error)
        return reply;
    api_fail_field(c, (int)json_integer_value(json_object_get(error, "code")),
                   json_string_value(json_object_get(error, "setting")),
                   json_string_value(json_object_get(error, "text")));
    json_decref(reply);
    return NULL;
}

static void change_one(struct api_call *c)
{
    const char *name = api_param(c, "name");
    json_t *values, *reply;

    if (!conf_find(sv_c(name))) { /* also with the words of what is like it */
        json_decref(api_admin(c, "setting.get", json_pack("{s:s}", "name", name)));
        return;
    }
    values = json_pack("{s:O}", name, json_object_get(c->body, "value"));
    reply = change(c, values);
    if (reply && !api_answer_dry_run(c, reply))
        show(c);
    json_decref(reply);
    json_decref(values);
}

static void change_many(struct api_call *c)
{
    json_t *values = json_object_get(c->body, "values"), *v, *reply;
    const char *name;

    json_object_foreach(values, name, v) if (!conf_find(sv_c(name)))
    {
        api_fail(c, 422, "invalid_field", name, "%s: there is no such setting", name);
        return;
    }
    reply = change(c, values);
    if (reply && !api_answer_dry_run(c, reply))
        list_area(c, NULL, NULL);
    json_decref(reply);
}

const struct api_route api_setting_routes[] = {
    { .method = "GET",
      .path = "/settings/schema",
      .scope = SCOPE_SETTINGS_READ,
      .flags = ROUTE_ETAG,
      .id = "getSettingSchema",
      .status = 200,
      .response = &schemas_schema,
      .run = schema,
      .help = "What settings there are." },
    { .method = "GET",
      .path = "/settings",
      .scope = SCOPE_SETTINGS_READ,
      .flags = ROUTE_ETAG,
      .id = "listSettings",
      .query = list_params,
      .status = 200,
      .response = &values_schema,
      .run = list,
      .help = "Values of all settings." },
    { .method = "PATCH",
      .path = "/settings",
      .scope = SCOPE_SETTINGS_WRITE,
      .flags = ROUTE_DRY_RUN | ROUTE_IF_MATCH,
      .id = "updateSettings",
      .body = &patch_schema,
      .status = 200,
      .response = &values_schema,
      .run = change_many,
      .query = api_confirm_params,
      .help = "Changes several settings: all of them or, when one is refused, none." },
    { .method = "GET",
      .path = "/settings/{name}",
      .scope = SCOPE_SETTINGS_READ,
      .flags = ROUTE_ETAG,
      .id = "getSetting",
      .status = 200,
      .response = &value_schema,
      .run = show,
      .help = "One setting's value." },
    { .method = "PATCH",
      .path = "/settings/{name}",
      .scope = SCOPE_SETTINGS_WRITE,
      .flags = ROUTE_DRY_RUN | ROUTE_IF_MATCH,
      .id = "updateSetting",
      .body = &one_schema,
      .status = 200,
      .response = &value_schema,
      .run = change_one,
      .query = api_confirm_params,
      .help = "Changes a setting." },
    { 0 },
};
