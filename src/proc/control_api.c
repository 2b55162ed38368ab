/* The API without HTTP: a line in, a line out. */
#include "proc/control_api.h"

#include "admin/admin.h"
#include "base/codec.h"

static const char *text_of(json_t *request, const char *name)
{
    return json_string_value(json_object_get(request, name));
}

/* NULL: the request can be read. */
static json_t *check(json_t *request)
{
    static const char *const known[] = { "method", "path", "body", "if_match", "idempotency_key" };
    const char *path = text_of(request, "path"), *key;
    json_t *v;

    json_object_foreach(request, key, v)
    {
        size_t i = 0;

        while (i < ARRAY_LEN(known) && strcmp(known[i], key) != 0)
            i++;
        if (i == ARRAY_LEN(known))
            return admin_error(E_PARSE, "unknown member '%.60s' of a request for the API", key);
        if (strcmp(key, "body") != 0 && !json_is_string(v))
            return admin_error(E_PARSE, "%s: must be text", key);
    }
    if (!path || *path != '/')
        return admin_error(E_PARSE, "path: '%.60s' must begin with /, as in /domains",
                           path ? path : "");
    return NULL;
}

static void put_answer(struct buf *b, const struct api_response *res)
{
    bool json = res->type && strstr(res->type, "json");

    buf_addf(b, "{\"status\":%d,\"request_id\":\"%s\"", res->status, res->request_id);
    if (res->type)
        buf_addf(b, ",\"type\":\"%s\"", res->type);
    if (*res->etag) /* with quotes of its own */
        buf_addf(b, ",\"etag\":\"\\\"%.*s\\\"\"", (int)strlen(res->etag) - 2, res->etag + 1);
    if (res->body.n && json) {
        buf_add_str(b, ",\"body\":");
        buf_add_sv(b, buf_sv(&res->body));
    } else if (res->body.n) {
        buf_add_str(b, ",\"base64\":\"");
        base64_enc(buf_sv(&res->body), b);
        buf_add_str(b, "\"");
    }
    buf_add_str(b, "}");
}

static char *run(struct api *api, const struct api_request *req)
{
    struct api_response res;
    struct buf b;
    char *text;

    buf_init(&b, 128 * MiB);
    api_handle(api, req, &res);
    if (res.stream) {
        api_response_done(&res);
        memset(&res, 0, sizeof(res));
        api_problem(&res, 422, "unsupported", "event streams are given by HTTP only");
    }
    put_answer(&b, &res);
    text = sv_dup(buf_sv(&b));
    api_response_done(&res);
    buf_done(&b);
    return text;
}

char *control_api(struct api *api, const char *who, json_t *request)
{
    json_t *wrong = check(request), *body = json_object_get(request, "body");
    struct sv path = sv_c(text_of(request, "path")), query = path;
    bool has_body = body && !json_is_null(body);
    struct api_caller *caller;
    char *text, *content;

    if (wrong) {
        text = json_dumps(wrong, JSON_COMPACT);
        json_decref(wrong);
        return text;
    }
    caller = api_caller_local(who);
    content = has_body ? json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    path = sv_split(&query, '?');
    text = run(api, &(struct api_request){
                        .method = text_of(request, "method"),
                        .path = path,
                        .query = query,
                        .body = content ? sv_c(content) : SV_NULL,
                        .content_type = content ? "application/json" : NULL,
                        .if_match = text_of(request, "if_match"),
                        .idempotency_key = text_of(request, "idempotency_key"),
                        .user_agent = "posthorn tool",
                        .peer = "local",
                        .trusted = true,
                        .caller = caller,
                    });
    free(content);
    api_caller_free(caller);
    return text;
}
