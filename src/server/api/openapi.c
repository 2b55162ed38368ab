/* The OpenAPI 3.1 document, from the routes and their schemas. */
#include "server/api/api_priv.h"
#include "server/api/directory.h"

static json_t *reference(const struct api_schema *s)
{
    char path[120];

    snprintf(path, sizeof(path), "#/components/schemas/%s", s->id);
    return json_pack("{s:s}", "$ref", path);
}

static void put_bounds(json_t *o, const struct api_field *f, const char *min, const char *max,
                       int64_t dflt_max)
{
    if (f->min)
        json_object_set_new(o, min, json_integer(f->min));
    if (f->max || dflt_max)
        json_object_set_new(o, max, json_integer(f->max ? f->max : dflt_max));
}

/* The server checks both bounds as soon as there is one. */
static void put_number_bounds(json_t *o, const struct api_field *f)
{
    if (!f->min && !f->max)
        return;
    json_object_set_new(o, "minimum", json_integer(f->min));
    json_object_set_new(o, "maximum", json_integer(f->max));
}

static json_t *choices(const char *text)
{
    struct sv rest = sv_c(text);
    json_t *a = json_array();

    while (rest.p) {
        struct sv c = sv_split(&rest, '|');

        json_array_append_new(a, json_stringn(c.p, c.n));
    }
    return a;
}

static json_t *plain_schema(const struct api_field *f)
{
    json_t *o;

    switch (f->type) {
    case API_TEXT:
        o = json_pack("{s:s}", "type", "string");
        put_bounds(o, f, "minLength", "maxLength", 0);
        return o;
    case API_INT:
        o = json_pack("{s:s, s:s}", "type", "integer", "format", "int64");
        put_number_bounds(o, f);
        return o;
    case API_BOOL:
        return json_pack("{s:s}", "type", "boolean");
    case API_TIME:
        return json_pack("{s:s, s:s}", "type", "string", "format", "date-time");
    case API_ENUM:
        return json_pack("{s:s, s:o}", "type", "string", "enum", choices(f->choices));
    case API_TEXTS:
        o = json_pack("{s:s, s:{s:s}}", "type", "array", "items", "type", "string");
        put_bounds(o, f, "minItems", "maxItems", API_ITEMS_MAX);
        return o;
    case API_INTS:
        return json_pack("{s:s, s:{s:[s, s]}}", "type", "array", "items", "type", "integer",
                         "null");
    case API_OBJECT:
        return reference(f->of);
    case API_LIST:
        o = json_pack("{s:s, s:o}", "type", "array", "items", reference(f->of));
        put_bounds(o, f, "minItems", "maxItems", 0);
        return o;
    case API_MAP:
        return json_pack("{s:s, s:b}", "type", "object", "additionalProperties", 1);
    case API_ANY:
        return json_pack("{s:[s,s,s]}", "type", "string", "number", "boolean");
    }
    return json_object();
}

/* o: taken. */
static json_t *or_null(json_t *o)
{
    json_t *type = json_object_get(o, "type");

    if (!type)
        return json_pack("{s:[o, {s:s}]}", "anyOf", o, "type", "null");
    if (json_is_array(type))
        json_array_append_new(type, json_string("null"));
    else
        json_object_set_new(o, "type", json_pack("[O, s]", type, "null"));
    return o;
}

json_t *api_field_schema(const struct api_field *f)
{
    json_t *o = plain_schema(f);

    if (f->flags & API_NULL)
        o = or_null(o);
    if (f->flags & API_NULL && f->choices)
        json_array_append_new(json_object_get(o, "enum"), json_null());
    if (f->flags & API_WRITEONLY)
        json_object_set_new(o, "writeOnly", json_true());
    if (f->help)
        json_object_set_new(o, "description", json_string(f->help));
    return o;
}

/* Adds the schema and those that it refers to. open: more fields may come in responses. */
static void add_schema(json_t *all, const struct api_schema *s, bool request)
{
    json_t *o, *props, *required;

    if (json_object_get(all, s->id))
        return;
    props = json_object();
    required = json_array();
    o = json_pack("{s:s, s:s, s:o}", "type", "object", "description", s->help, "properties", props);
    json_object_set_new(all, s->id, o);
    for (const struct api_field *f = s->fields; f->name; f++) {
        json_object_set_new(props, f->name, api_field_schema(f));
        if (f->flags & API_REQUIRED)
            json_array_append_new(required, json_string(f->name));
        if (f->of)
            add_schema(all, f->of, request);
    }
    if (json_array_size(required))
        json_object_set(o, "required", required);
    json_decref(required);
    if (request)
        json_object_set_new(o, "additionalProperties", json_false());
}

static void add_param(json_t *params, const char *in, const struct api_field *f)
{
    json_t *schema, *p;
    struct api_field bare = *f;

    bare.help = NULL;
    schema = api_field_schema(&bare);
    if (f->type == API_TIME) /* an age is possible too */
        json_object_del(schema, "format");
    p = json_pack("{s:s, s:s, s:b, s:o}", "name", f->name, "in", in, "required",
                  !strcmp(in, "path") || f->flags & API_REQUIRED, "schema", schema);
    if (f->help)
        json_object_set_new(p, "description", json_string(f->help));
    json_array_append_new(params, p);
}

static void add_params(json_t *params, const struct api_field *f)
{
    for (; f && f->name; f++)
        add_param(params, "query", f);
}

static void add_path_params(json_t *params, const char *path)
{
    struct sv rest = sv_c(path);

    while (rest.p) {
        struct sv w = sv_split(&rest, '/');
        char name[60];
        struct api_field f = { .name = name, .type = API_TEXT, .min = 1, .max = API_PARAM_MAX };

        if (w.n > 2 && w.p[0] == '{' && sv_copy(name, sizeof(name), sv_n(w.p + 1, w.n - 2)))
            add_param(params, "path", &f);
    }
}

static void add_headers(json_t *params, const struct api_route *r)
{
    const struct api_field key = { .name = "Idempotency-Key",
                                   .type = API_TEXT,
                                   .min = 1,
                                   .max = 128,
                                   .help =
                                       "The same key within a day gives the first answer again." };
    const struct api_field match = { .name = "If-Match",
                                     .type = API_TEXT,
                                     .min = 1,
                                     .max = 200,
                                     .help = "ETag of what the change was made from; 412 when it "
                                             "has changed meanwhile." };

    if (r->flags & ROUTE_IDEMPOTENT)
        add_param(params, "header", &key);
    if (r->flags & ROUTE_IF_MATCH)
        add_param(params, "header", &match);
}

static json_t *parameters(const struct api_route *r)
{
    const struct api_field sort = { .name = "sort", .type = API_ENUM, .choices = r->sort };
    json_t *params = json_array();

    add_path_params(params, r->path);
    add_params(params, r->query);
    if (r->sort)
        add_param(params, "query", &sort);
    if (r->flags & ROUTE_PAGED)
        add_params(params, api_page_params);
    if (r->flags & ROUTE_DRY_RUN)
        add_params(params, api_dry_run_params);
    add_headers(params, r);
    return params;
}

static json_t *page_schema(const struct api_schema *item)
{
    return json_pack("{s:s, s:[s,s,s,s], s:{s:{s:s, s:o}, s:{s:[s,s]}, s:{s:s}, s:{s:s, s:s}, "
                     "s:{s:s, s:b}}}",
                     "type", "object", "required", "items", "next_cursor", "total", "as_of",
                     "properties", "items", "type", "array", "items", reference(item),
                     "next_cursor", "type", "string", "null", "total", "$ref",
                     "#/components/schemas/Total", "as_of", "type", "string", "format", "date-time",
                     "facets", "type", "object", "additionalProperties", 1);
}

static json_t *success(const struct api_route *r)
{
    const char *type = r->flags & ROUTE_STREAM ? "text/event-stream"
                       : r->flags & ROUTE_TEXT ? "text/plain"
                                               : "application/json";
    json_t *o = json_pack("{s:s}", "description", "Done."), *schema = NULL;

    if (r->flags & (ROUTE_STREAM | ROUTE_TEXT))
        schema = json_pack("{s:s}", "type", "string");
    else if (r->response && r->flags & ROUTE_PAGED)
        schema = page_schema(r->response);
    else if (r->response)
        schema = reference(r->response);
    if (schema)
        json_object_set_new(o, "content", json_pack("{s:{s:o}}", type, "schema", schema));
    return o;
}

static const struct api_schema *preview_of(const struct api_route *r)
{
    return r->preview ? r->preview : &api_change_schema;
}

/* A dry run answers 200 with what would change. */
static void add_preview(json_t *o, const struct api_route *r)
{
    json_t *schema = reference(preview_of(r));

    if (r->status == 200)
        schema = json_pack("{s:[o, o]}", "anyOf", reference(r->response), schema);
    json_object_set_new(
        o, "200",
        json_pack("{s:s, s:{s:{s:o}}}", "description",
                  r->status == 200 ? "Done, or what a dry run tells." : "What a dry run tells.",
                  "content", "application/json", "schema", schema));
}

static json_t *responses(const struct api_route *r)
{
    char status[8];
    json_t *o = json_object();

    snprintf(status, sizeof(status), "%d", r->status);
    json_object_set_new(o, status, success(r));
    if (r->flags & ROUTE_DRY_RUN)
        add_preview(o, r);
    json_object_set_new(o, "default", json_pack("{s:s}", "$ref", "#/components/responses/Problem"));
    return o;
}

static json_t *operation(const struct api_route *r, const char *tag, json_t *schemas)
{
    json_t *op = json_pack("{s:s, s:[s], s:s, s:s}", "operationId", r->id, "tags", tag, "summary",
                           r->help, "x-scope", api_scope_names[r->scope]);
    json_t *params = parameters(r);

    if (json_array_size(params))
        json_object_set(op, "parameters", params);
    json_decref(params);
    if (r->body) {
        add_schema(schemas, r->body, true);
        json_object_set_new(op, "requestBody",
                            json_pack("{s:b, s:{s:{s:o}}}", "required", 1, "content",
                                      "application/json", "schema", reference(r->body)));
    }
    if (r->response)
        add_schema(schemas, r->response, false);
    if (r->flags & ROUTE_DRY_RUN)
        add_schema(schemas, preview_of(r), false);
    json_object_set_new(op, "responses", responses(r));
    if (r->scope == SCOPE_PUBLIC)
        json_object_set_new(op, "security", json_array());
    return op;
}

static void add_route(json_t *paths, const struct api_route *r, json_t *schemas)
{
    struct sv rest = sv_skip(sv_c(r->path), 1), first = sv_split(&rest, '/');
    json_t *item = json_object_get(paths, r->path);
    char tag[40], method[8];

    sv_copy(tag, sizeof(tag), first);
    sv_copy(method, sizeof(method), sv_c(r->method));
    for (char *m = method; *m; m++)
        *m = ascii_lower(*m);
    if (!item) {
        item = json_object();
        json_object_set_new(paths, r->path, item);
    }
    json_object_set_new(item, method, operation(r, tag, schemas));
}

json_t *api_openapi(void)
{
    json_t *paths = json_object(), *schemas = json_object();

    json_object_set_new(schemas, "Total",
                        json_pack("{s:s, s:[s,s], s:{s:{s:s, s:s}, s:{s:s, s:[s,s]}}}", "type",
                                  "object", "required", "value", "relation", "properties", "value",
                                  "type", "integer", "format", "int64", "relation", "type",
                                  "string", "enum", "exact", "at_least"));
    add_schema(schemas, &api_problem_schema, false);
    for (size_t t = 0; t < api_tables_count; t++)
        for (const struct api_route *r = api_tables[t]; r->method; r++)
            add_route(paths, r, schemas);
    return json_pack(
        "{s:s, s:{s:s, s:s, s:s}, s:[{s:s}], s:[{s:[]}, {s:[]}], s:o, s:{s:o, s:o, s:o}}",
        "openapi", "3.1.0", "info", "title", "Posthorn", "version", "1", "description",
        "Times are RFC 3339 in UTC, sizes bytes, ids opaque texts. Errors are problem details (RFC "
        "9457). Changes with a cookie session need the header X-CSRF-Token.",
        "servers", "url", API_PREFIX, "security", "session", "token", "paths", paths, "components",
        "schemas", schemas, "responses",
        json_pack("{s:{s:s, s:{s:{s:o}}}}", "Problem", "description", "What went wrong.", "content",
                  "application/problem+json", "schema", reference(&api_problem_schema)),
        "securitySchemes",
        json_pack("{s:{s:s, s:s, s:s}, s:{s:s, s:s}}", "session", "type", "apiKey", "in", "cookie",
                  "name", "posthorn", "token", "type", "http", "scheme", "bearer"));
}

static const struct api_field fault_fields[] = {
    { "name", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "The field, such as filter.sender." },
    { "detail", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "What is wrong with it." },
    { 0 },
};
static const struct api_schema fault_schema = { "FieldProblem", "A field that is wrong.",
                                                fault_fields };
static const struct api_field problem_fields[] = {
    { "type", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "title", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "status", API_INT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "code", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "For programs: does not change." },
    { "detail", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "For people." },
    { "fields", API_LIST, API_REQUIRED, 0, 0, NULL, &fault_schema, NULL },
    { "request_id", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Stands in the server's log too." },
    { "help", API_TEXT, API_NULL, 0, 0, NULL, NULL, "Path of the setting or page that helps." },
    { 0 },
};
const struct api_schema api_problem_schema = { "Problem", "Problem details (RFC 9457).",
                                               problem_fields };
