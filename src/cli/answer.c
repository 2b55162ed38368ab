/* What answers of the API say. Pure. */
#include "cli/answer.h"

#include <stdio.h>

#include "admin/admin.h"

#define MAX_BODY (64 * MiB)

void answer_init(struct tool_answer *a)
{
    *a = (struct tool_answer){ 0 };
    buf_init(&a->raw, MAX_BODY);
}

void answer_done(struct tool_answer *a)
{
    json_decref(a->json);
    buf_done(&a->raw);
}

int answer_read(struct tool_answer *a, struct sv body, bool json, const char *what,
                struct errinfo *ei)
{
    json_error_t je;

    if (json && body.n) {
        a->json = json_loadb(body.p, body.n, JSON_DECODE_ANY, &je);
        return a->json
                   ? 0
                   : err_set(ei, TOOL_UNREACHABLE, "%s: the answer is not JSON: %s", what, je.text);
    }
    return buf_add_sv(&a->raw, body) < 0
               ? err_set(ei, TOOL_REFUSED, "%s: the answer is too long", what)
               : 0;
}

static const char *text(json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

/* Whom it denies: the sign-in and rights, not an object that may not be changed as asked. */
static bool is_denied(int status)
{
    return status == 401 || status == 403;
}

int answer_error(const struct tool_answer *a, struct errinfo *ei)
{
    const char *detail = text(a->json, "detail"), *help = text(a->json, "help");
    const char *field = text(json_array_get(json_object_get(a->json, "fields"), 0), "name");
    bool named = !field || (detail && strstr(detail, field));
    int code = is_denied(a->status) ? TOOL_DENIED : TOOL_REFUSED;

    if (!detail)
        return err_set(ei, TOOL_UNREACHABLE,
                       "answer %d without a reason; is this the address of a Posthorn?", a->status);
    return err_set(ei, code, "%s%s%s%s%s", named ? "" : field, named ? "" : ": ", detail,
                   help ? "; see " : "", help ? help : "");
}

/* The codes of problems that stand for errors of operations (server/api/reply.c). */
static const struct {
    const char *problem;
    int code;
} codes[] = {
    { "invalid_field", E_PARSE },  { "invalid_value", E_PARSE }, { "out_of_range", E_RANGE },
    { "not_found", E_NOTFOUND },   { "exists", E_EXISTS },       { "quota", E_QUOTA },
    { "sign_in_refused", E_AUTH }, { "not_allowed", E_PERM },    { "missing_scope", E_PERM },
    { "too_many", E_LIMIT },       { "try_again", E_TEMP },      { "timeout", E_TIMEOUT },
    { "not_running", E_CLOSED },   { "conflict", E_CONFLICT },   { "unsupported", E_UNSUPPORTED },
    { "invalid_token", E_AUTH },   { "not_signed_in", E_AUTH },
};

json_t *answer_as_reply(const struct tool_answer *a)
{
    const char *problem = text(a->json, "code");
    struct errinfo ei = { 0 };
    json_t *reply;
    int code;

    if (a->status >= 200 && a->status < 300)
        return a->json ? json_incref(a->json) : json_pack("{s:b}", "ok", 1);
    code = answer_error(a, &ei);
    for (size_t i = 0; problem && i < ARRAY_LEN(codes); i++)
        if (!strcmp(codes[i].problem, problem))
            code = codes[i].code;
    reply = admin_error(code, "%s", ei.text);
    json_object_set_new(json_object_get(reply, "error"), "failure", json_integer(ei.code));
    return reply;
}
