/* Finds the operation and its arguments; the operations are in admin_*_ops.c. */
#include "admin/admin_priv.h"

#include <stdarg.h>

#include "base/codec.h"

static const struct admin_op *const tables[] = { admin_account_ops, admin_setting_ops,
                                                 admin_server_ops };

json_t *admin_error(int code, const char *fmt, ...)
{
    char text[400];
    va_list ap;
    json_t *t;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    t = admin_text(text);
    return json_pack("{s:{s:i, s:o}}", "error", "code", code, "text", t);
}

json_t *admin_ok(void)
{
    return json_pack("{s:b}", "ok", 1);
}

json_t *admin_result(int r, const struct errinfo *ei)
{
    if (r >= 0)
        return admin_ok();
    return admin_error(r, "%s", *ei->text ? ei->text : err_name(r));
}

json_t *admin_text(const char *s)
{
    struct buf b;
    json_t *j;

    if (utf8_valid(sv_c(s)))
        return json_string(s);
    buf_init(&b, 64 * KiB);
    escape_text(sv_c(s), &b);
    j = json_stringn(b.p ? b.p : "", b.n);
    buf_done(&b);
    return j;
}

const char *admin_arg(const struct admin_call *c, const char *name)
{
    json_t *v = json_object_get(c->args, name);
    char text[40];

    if (json_is_boolean(v))
        return json_is_true(v) ? "yes" : "no";
    if (json_is_integer(v)) {
        snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, json_integer_value(v));
        json_object_set_new(c->args, name, json_string(text));
        v = json_object_get(c->args, name);
    }
    return json_string_value(v);
}

const char *admin_need(const struct admin_call *c, const char *name, json_t **ret_error)
{
    const char *v = admin_arg(c, name);

    if (!v)
        *ret_error = admin_error(E_PARSE, "argument '%s' is missing", name);
    return v;
}

static const struct admin_op *find_op(const char *name)
{
    for (size_t t = 0; t < ARRAY_LEN(tables); t++)
        for (const struct admin_op *op = tables[t]; op->name; op++)
            if (!strcmp(op->name, name))
                return op;
    return NULL;
}

json_t *admin_run(struct admin *a, const char *who, json_t *request)
{
    const char *name = json_string_value(json_object_get(request, "op"));
    json_t *args = json_object_get(request, "args"), *own = NULL, *reply;
    const struct admin_op *op = name ? find_op(name) : NULL;

    if (!op)
        return admin_error(E_NOTFOUND, "unknown operation '%s'; 'operations' lists all",
                           name ? name : "");
    if (!json_is_object(args))
        args = own = json_object();
    reply = op->run(&(struct admin_call){ a, who, args });
    json_decref(own);
    return reply ? reply : admin_error(E_TEMP, "operation '%s' gave no answer", name);
}

json_t *admin_describe(void)
{
    json_t *list = json_array();

    for (size_t t = 0; t < ARRAY_LEN(tables); t++)
        for (const struct admin_op *op = tables[t]; op->name; op++)
            json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "op", op->name, "args",
                                                  op->args, "help", op->help));
    return list;
}
