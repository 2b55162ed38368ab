/* Query and body of a request: decoded, complete, of the right types, nothing unknown. Pure. */
#include "server/api/api_priv.h"

const struct api_field api_page_params[] = {
    { "limit", API_INT, 0, 1, 2000, NULL, NULL, "Rows of a page; 100 without it." },
    { "cursor", API_TEXT, 0, 1, 1000, NULL, NULL, "next_cursor of the page before." },
    { "q", API_TEXT, 0, 0, 200, NULL, NULL,
      "Rows that contain these texts, ignoring case; ; between them means and." },
    { "fields", API_TEXT, 0, 1, 500, NULL, NULL, "Names of the fields to give, with commas." },
    { 0 },
};
const struct api_field api_dry_run_params[] = {
    { "dry_run", API_BOOL, 0, 0, 0, NULL, NULL,
      "true: checks and tells what would change, changes nothing." },
    { 0 },
};

static const struct api_field *find_in(const struct api_field *f, const char *name)
{
    for (; f && f->name; f++)
        if (!strcmp(f->name, name))
            return f;
    return NULL;
}

static const struct api_field *find_param(const struct api_route *r, const char *name)
{
    const struct api_field *f = find_in(r->query, name);

    if (!f && r->flags & ROUTE_PAGED)
        f = find_in(api_page_params, name);
    if (!f && r->flags & ROUTE_DRY_RUN)
        f = find_in(api_dry_run_params, name);
    return f;
}

static bool add_param(struct api_call *c, const char *name, const char *value)
{
    const struct api_field sort = { .name = "sort", .type = API_ENUM, .choices = c->route->sort };
    const struct api_field *f = find_param(c->route, name);
    struct api_fault fault = { 0 };
    json_t *v;

    if (!f && c->route->sort && !strcmp(name, "sort"))
        f = &sort;
    if (!f) {
        api_fail(c, 400, "unknown_parameter", name, "the parameter '%.60s' is not known here",
                 name);
        return false;
    }
    if (json_object_get(c->query, name)) {
        api_fail(c, 400, "repeated_parameter", name, "%s: is there twice", name);
        return false;
    }
    v = api_check_text(f, value, &fault);
    if (!v) {
        api_fail(c, 400, "invalid_parameter", name, "%s: %s", name, fault.text);
        return false;
    }
    json_object_set_new(c->query, name, v);
    return true;
}

bool api_read_query(struct api_call *c)
{
    struct sv rest = c->req->query;
    char name[64], value[API_PARAM_MAX * 8];
    unsigned n = 0;

    c->query = json_object();
    while (rest.p) {
        struct sv pair = sv_split(&rest, '&');
        ssize_t eq = sv_find(pair, '=');
        struct sv key = eq < 0 ? pair : sv_take(pair, (size_t)eq);
        struct sv val = eq < 0 ? SV("") : sv_skip(pair, (size_t)eq + 1);

        if (!pair.n)
            continue;
        if (++n > API_QUERY_MAX) {
            api_fail(c, 400, "too_many_parameters", NULL, "more than %d parameters", API_QUERY_MAX);
            return false;
        }
        if (!api_percent_decode(key, true, name, sizeof(name)) ||
            !api_percent_decode(val, true, value, sizeof(value))) {
            api_fail(c, 400, "malformed_query", NULL,
                     "a parameter is too long or not percent-encoded UTF-8 text");
            return false;
        }
        if (!add_param(c, name, value))
            return false;
    }
    for (const struct api_field *f = c->route->query; f && f->name; f++)
        if (f->flags & API_REQUIRED && !json_object_get(c->query, f->name)) {
            api_fail(c, 400, "missing_parameter", f->name, "%s: is missing", f->name);
            return false;
        }
    c->dry_run = json_is_true(json_object_get(c->query, "dry_run"));
    return true;
}

static bool is_json(const char *type)
{
    struct sv rest = sv_c(type ? type : "");

    return sv_ieq(sv_trim(sv_split(&rest, ';')), SV("application/json")) ||
           sv_ieq(sv_trim(sv_take(sv_c(type ? type : ""), 28)), SV("application/merge-patch+json"));
}

bool api_read_body(struct api_call *c)
{
    struct api_fault fault;
    json_error_t je;

    if (!c->route->body) {
        if (!c->req->body.n)
            return true;
        api_fail(c, 400, "body_not_expected", NULL, "%s %s takes no body", c->route->method,
                 c->route->path);
        return false;
    }
    if (!is_json(c->req->content_type)) {
        api_fail(c, 415, "not_json", NULL, "the body must be JSON: Content-Type: application/json");
        return false;
    }
    c->body = json_loadb(c->req->body.n ? c->req->body.p : "", c->req->body.n,
                         JSON_REJECT_DUPLICATES, &je);
    if (!c->body) {
        api_fail(c, 400, "malformed_json", NULL, "the body is not JSON: line %d, column %d: %s",
                 je.line, je.column, je.text);
        return false;
    }
    if (api_check_body(c->route->body, c->body, &fault))
        return true;
    api_fail(c, 422, "invalid_field", fault.field, "%s%s%s", fault.field, *fault.field ? ": " : "",
             fault.text);
    return false;
}

/* --- what handlers ask --- */

static const char *text_or_empty(json_t *o, const char *name)
{
    const char *s = json_string_value(json_object_get(o, name));

    return s ? s : "";
}

const char *api_param(const struct api_call *c, const char *name)
{
    return text_or_empty(c->params, name);
}

const char *api_query(const struct api_call *c, const char *name)
{
    return json_string_value(json_object_get(c->query, name));
}

int64_t api_query_time(const struct api_call *c, const char *name, int64_t now_ms, int64_t dflt)
{
    const char *text = api_query(c, name);
    int64_t ms = dflt;

    if (text)
        api_parse_time(text, now_ms, &ms);
    return ms;
}

int64_t api_query_int(const struct api_call *c, const char *name, int64_t dflt)
{
    json_t *v = json_object_get(c->query, name);

    return json_is_integer(v) ? json_integer_value(v) : dflt;
}

const char *api_body_text(const struct api_call *c, const char *name)
{
    return json_string_value(json_object_get(c->body, name));
}

int64_t api_body_int(const struct api_call *c, const char *name, int64_t dflt)
{
    json_t *v = json_object_get(c->body, name);

    return json_is_integer(v) ? json_integer_value(v) : dflt;
}
