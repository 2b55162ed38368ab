/* Finds the operation and its arguments; the operations are in admin_*_ops.c. */
#include "admin/admin_priv.h"

#include <stdarg.h>

#include "base/codec.h"

static const struct admin_op *const tables[] = {
    admin_domain_ops,        admin_account_ops, admin_alias_ops,   admin_mailbox_ops,
    admin_setting_ops,       admin_server_ops,  admin_token_ops,   admin_event_ops,
    admin_service_ops,       admin_dns_ops,     admin_sieve_ops,   admin_queue_ops,
    admin_route_ops,         admin_member_ops,  admin_tlsrpt_ops,  admin_filter_ops,
    admin_remote_ops,        admin_archive_ops, admin_sender_ops,  admin_sms_ops,
    admin_queue_mailbox_ops, admin_secure_ops,  admin_adapted_ops,
};

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

json_t *admin_rows(int r, json_t *rows, const struct errinfo *ei)
{
    if (r >= 0)
        return json_pack("{s:b, s:o}", "ok", 1, "rows", rows);
    json_decref(rows);
    return admin_result(r, ei);
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
    return json_string_value(json_object_get(c->args, name));
}

bool admin_switch(const struct admin_call *c, const char *name, bool *ret, json_t **ret_error)
{
    static const char *const yes[] = { "yes", "true", "on", "1" };
    static const char *const no[] = { "no", "false", "off", "0" };
    const char *v = admin_arg(c, name);

    *ret = false;
    for (size_t i = 0; v && i < ARRAY_LEN(yes); i++) {
        *ret = sv_ieq(sv_c(v), sv_c(yes[i]));
        if (*ret || sv_ieq(sv_c(v), sv_c(no[i])))
            return true;
    }
    if (v)
        *ret_error = admin_error(E_PARSE, "%s: '%.60s' is not a switch; allowed: yes, no", name, v);
    return !v;
}

/* The words of "name [enabled]"; *ret_optional: it stood in brackets. */
static struct sv next_arg(struct sv *rest, bool *ret_optional)
{
    struct sv name = sv_split(rest, ' ');

    *ret_optional = name.n > 2 && *name.p == '[';
    return *ret_optional ? sv_n(name.p + 1, name.n - 2) : name;
}

static bool takes(const struct admin_op *op, const char *key)
{
    struct sv rest = sv_c(op->args);
    bool optional, found = false;

    while (rest.p && !found)
        found = sv_eq(next_arg(&rest, &optional), sv_c(key));
    return found;
}

static json_t *as_text(json_t *v)
{
    if (json_is_string(v))
        return json_incref(v);
    if (json_is_boolean(v))
        return json_string(json_is_true(v) ? "yes" : "no");
    return json_is_integer(v) ? json_sprintf("%" JSON_INTEGER_FORMAT, json_integer_value(v)) : NULL;
}

/* All arguments as text, nothing missing, nothing that the operation does not know: a misspelt
 * argument that is ignored would leave the administrator believing that it was set. */
static json_t *check_args(const struct admin_op *op, json_t *args, json_t *ret)
{
    struct sv rest = sv_c(op->args);
    const char *key;
    json_t *v;
    bool optional;

    json_object_foreach(args, key, v)
    {
        if (!takes(op, key))
            return admin_error(E_PARSE, "%s: unknown argument '%.60s'; it takes %s", op->name, key,
                               *op->args ? op->args : "none");
        if (json_object_set_new(ret, key, as_text(v)) < 0)
            return admin_error(E_PARSE,
                               "%s: argument '%s' must be text, a whole number or a "
                               "switch",
                               op->name, key);
    }
    while (rest.p) {
        struct sv name = next_arg(&rest, &optional);

        if (name.n && !optional && !json_object_getn(ret, name.p, name.n))
            return admin_error(E_PARSE, "%s: argument '" SV_FMT "' is missing; it takes %s",
                               op->name, SV_ARG(name), op->args);
    }
    return NULL;
}

static const struct admin_op *find_op(const char *name)
{
    for (size_t t = 0; t < ARRAY_LEN(tables); t++)
        for (const struct admin_op *op = tables[t]; op->name; op++)
            if (!strcmp(op->name, name))
                return op;
    return NULL;
}

/* "quota: '1x' is not a size": a text that begins with the name of an argument is about that field.
 * It is told beside the text, as the name of the object may come to stand before it. */
static void name_field(json_t *args, json_t *reply)
{
    json_t *error = json_object_get(reply, "error");
    const char *text = json_string_value(json_object_get(error, "text"));
    ssize_t colon = text ? sv_find(sv_c(text), ':') : -1;

    if (colon > 0 && json_object_getn(args, text, (size_t)colon))
        json_object_set_new(error, "field", json_stringn(text, (size_t)colon));
}

/* An error names what it is about: the first argument, where the room that refused it has not. */
static void name_object(const struct admin_op *op, json_t *args, json_t *reply)
{
    json_t *error = json_object_get(reply, "error");
    const char *text = json_string_value(json_object_get(error, "text"));
    struct sv names = sv_c(op->args);
    bool optional;
    struct sv first = next_arg(&names, &optional);
    char named[600];
    const char *value = json_string_value(json_object_getn(args, first.p, first.n));

    if (!text || !value || optional || sv_ifind_sv(sv_c(text), sv_c(value)) >= 0)
        return;
    snprintf(named, sizeof(named), SV_FMT " '%.100s': %s", SV_ARG(first), value, text);
    json_object_set_new(error, "text", admin_text(named));
}

void admin_effect(json_t *list, const char *object, const char *field, const char *old_value,
                  const char *new_value)
{
    json_array_append_new(list,
                          json_pack("{s:o, s:s, s:o, s:o}", "object", admin_text(object), "field",
                                    field, "old", old_value ? admin_text(old_value) : json_null(),
                                    "new", new_value ? admin_text(new_value) : json_null()));
}

static void note_effect(void *arg, const char *object, const char *field, const char *old_value,
                        const char *new_value)
{
    admin_effect(arg, object, field, old_value, new_value);
}

/* What an operation does outside of the database it leaves out by itself (c->a->dry_run). */
static json_t *run_dry(const struct admin_op *op, const struct admin_call *c)
{
    json_t *effect = json_array(), *reply;
    struct dry_run dry = { note_effect, effect };

    account_set_dry_run(&dry);
    reply = op->run(c);
    account_set_dry_run(NULL);
    if (json_object_get(reply, "ok") && !json_object_get(reply, "effect"))
        json_object_set(reply, "effect", effect);
    json_decref(effect);
    return reply;
}

json_t *admin_run(struct admin *a, const char *who, json_t *request)
{
    const char *name = json_string_value(json_object_get(request, "op"));
    json_t *args = json_object_get(request, "args"), *own, *reply;
    const struct admin_op *op = name ? find_op(name) : NULL;

    if (!name)
        return admin_error(E_PARSE, "a request is {\"op\": \"...\", \"args\": {...}}; operation "
                                    "'operations' lists all");
    if (!op)
        return admin_error(E_NOTFOUND, "unknown operation '%.60s'; 'operations' lists all", name);
    if (args && !json_is_object(args) && !json_is_null(args))
        return admin_error(E_PARSE, "%s: args must be an object", name);
    own = json_object();
    reply = check_args(op, args, own);
    if (!reply)
        reply = a->dry_run ? run_dry(op, &(struct admin_call){ a, who, own })
                           : op->run(&(struct admin_call){ a, who, own });
    if (reply) {
        name_field(own, reply);
        name_object(op, own, reply);
    }
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
