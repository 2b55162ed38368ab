/* Answers: JSON bodies and errors as problem details (RFC 9457). */
#include <stdio.h>
#include <time.h>

#include "base/rand.h"
#include "server/api/api_priv.h"

static const struct {
    int status;
    const char *title;
} titles[] = {
    { 400, "Bad request" },
    { 401, "Sign in first" },
    { 403, "Not allowed" },
    { 404, "Not found" },
    { 405, "Method not allowed" },
    { 409, "Conflict" },
    { 412, "Changed by someone else" },
    { 413, "Too large" },
    { 415, "Unsupported content type" },
    { 422, "A field is wrong" },
    { 429, "Too many requests" },
    { 500, "Server error" },
    { 503, "Not available now" },
    { 504, "No answer in time" },
};

static const char *title_of(int status)
{
    for (size_t i = 0; i < ARRAY_LEN(titles); i++)
        if (titles[i].status == status)
            return titles[i].title;
    return "Error";
}

json_t *api_text(const char *s)
{
    json_t *j = json_string(s);

    return j ? j : admin_text(s);
}

static void put_json(struct api_response *res, const char *type, json_t *body)
{
    char *text = json_dumps(body, JSON_COMPACT | JSON_PRESERVE_ORDER);

    buf_reset(&res->body);
    res->type = type;
    if (text)
        buf_add_str(&res->body, text);
    free(text);
    json_decref(body);
}

void api_reply(struct api_call *c, int status, json_t *body)
{
    c->res->status = status;
    c->res->type = NULL;
    if (body)
        put_json(c->res, "application/json", body);
}

static void put_problem(struct api_response *res, int status, const char *code, const char *field,
                        const char *detail)
{
    json_t *fields = json_array();
    char type[120];

    snprintf(type, sizeof(type), "urn:posthorn:problem:%s", code);
    if (field && *field)
        json_array_append_new(
            fields, json_pack("{s:o, s:o}", "name", api_text(field), "detail", api_text(detail)));
    res->status = status;
    res->etag[0] = '\0';
    put_json(res, "application/problem+json",
             json_pack("{s:s, s:s, s:i, s:s, s:o, s:o, s:s, s:n}", "type", type, "title",
                       title_of(status), "status", status, "code", code, "detail", api_text(detail),
                       "fields", fields, "request_id", res->request_id, "help"));
}

void api_fail(struct api_call *c, int status, const char *code, const char *field, const char *fmt,
              ...)
{
    char text[500];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    put_problem(c->res, status, code, field, text);
}

void api_problem(struct api_response *res, int status, const char *code, const char *fmt, ...)
{
    char text[500];
    va_list ap;

    if (!res->request_id[0])
        api_response_init(res);
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    put_problem(res, status, code, NULL, text);
}

static const struct {
    int err, status;
    const char *code;
} codes[] = {
    { E_PARSE, 422, "invalid_value" },
    { E_RANGE, 422, "out_of_range" },
    { E_NOTFOUND, 404, "not_found" },
    { E_EXISTS, 409, "exists" },
    { E_AUTH, 401, "sign_in_refused" },
    { E_PERM, 403, "not_allowed" },
    { E_QUOTA, 409, "quota" },
    { E_LIMIT, 429, "too_many" },
    { E_TEMP, 503, "try_again" },
    { E_TIMEOUT, 504, "timeout" },
    { E_CLOSED, 503, "not_running" },
    { E_CONFLICT, 409, "conflict" },
    { E_UNSUPPORTED, 422, "unsupported" },
    { E_FULL, 503, "full" },
    { E_CANCELLED, 409, "cancelled" },
    { -ENOENT, 404, "not_found" },
    { -EISDIR, 422, "invalid_value" },
};

void api_fail_field(struct api_call *c, int err, const char *field, const char *text)
{
    for (size_t i = 0; i < ARRAY_LEN(codes); i++)
        if (codes[i].err == err) {
            bool invalid = field && codes[i].status == 422;

            api_fail(c, codes[i].status, invalid ? "invalid_field" : codes[i].code, field, "%s",
                     text);
            return;
        }
    log_error("api: %s %s: %s (%s)", c->route->method, c->route->path, text, err_name(err));
    api_fail(c, 500, "internal", field, "%s", text);
}

void api_fail_err(struct api_call *c, int err, const char *text)
{
    api_fail_field(c, err, NULL, text);
}

void api_fail_gone(struct api_call *c, const char *kind, const char *id)
{
    api_fail(c, 404, "not_found", NULL, "%s '%.150s' does not exist", kind, id);
}

json_t *api_admin(struct api_call *c, const char *op, json_t *args)
{
    struct admin a = *c->api->o.admin;
    json_t *req = json_pack("{s:s, s:O?}", "op", op, "args", args), *reply, *error;

    a.dry_run = c->dry_run;
    reply = admin_run(&a, c->caller ? c->caller->who : "nobody", req);
    error = json_object_get(reply, "error");
    if (error) {
        const char *text = json_string_value(json_object_get(error, "text"));
        const char *field = json_string_value(json_object_get(error, "field"));
        int err = (int)json_integer_value(json_object_get(error, "code"));

        text = text ? text : "the operation failed";
        /* What a field names is not there: the thing of the path is. */
        if (field && err == E_NOTFOUND && json_object_get(c->body, field))
            err = E_PARSE;
        api_fail_field(c, err, field, text);
        json_decref(reply);
        reply = NULL;
    }
    json_decref(req);
    json_decref(args);
    return reply;
}

json_t *api_time(int64_t wall_ms)
{
    char text[40];
    struct tm tm;
    time_t t = (time_t)(wall_ms / 1000);
    size_t n;

    if (wall_ms <= 0 || !gmtime_r(&t, &tm))
        return json_null();
    n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + n, sizeof(text) - n, ".%03dZ", (int)(wall_ms % 1000));
    return json_string(text);
}

void api_response_init(struct api_response *res)
{
    memset(res, 0, sizeof(*res));
    buf_init(&res->body, API_REPLY_MAX);
    res->status = 500;
    snprintf(res->request_id, sizeof(res->request_id), "%016" PRIx64, rand_u64());
}

void api_response_done(struct api_response *res)
{
    buf_done(&res->body);
    explicit_bzero(res->secret, sizeof(res->secret));
    if (res->stream)
        api_stream_free(take_ptr(res->stream));
}
