/* Settings: read, change, describe; every change is audited by the settings store. */
#include "admin/admin_priv.h"

#include "conf/conf.h"
#include "mail/account/audit.h"
#include "mail/account/settings_store.h"

static const char *const type_names[] = {
    [SET_BOOL] = "yes/no", [SET_INT] = "number",  [SET_SIZE] = "size", [SET_DURATION] = "time",
    [SET_STRING] = "text", [SET_ENUM] = "choice", [SET_LIST] = "list", [SET_SECRET] = "secret",
};

static json_t *row(const struct conf *c, const struct conf *defaults, const struct setting *s)
{
    _cleanup_(freep) char *value = conf_text(c, s), *dflt = conf_text(defaults, s);

    return json_pack("{s:s, s:o, s:s, s:b, s:s, s:s, s:I, s:I, s:b, s:s, s:s, s:s?}", "name",
                     s->name, "value", admin_text(value), "default", s->dflt, "changed",
                     strcmp(value, dflt) != 0, "type", type_names[s->type], "unit", s->unit, "min",
                     (json_int_t)s->min, "max", (json_int_t)s->max, "live", s->apply == APPLY_LIVE,
                     "group", s->group, "help", s->help, "api_variable", s->api_var);
}

int admin_settings(const struct admin *a, struct conf **ret, struct conf **ret_defaults,
                   struct errinfo *ei)
{
    struct buf warnings;
    int r;

    buf_init(&warnings, 64 * KiB);
    r = settings_load_warn(a->db, ret, &warnings, ei);
    buf_done(&warnings);
    return r < 0 || !ret_defaults ? r : conf_build(NULL, 0, ret_defaults, ei);
}

static json_t *list(const struct admin_call *c)
{
    const char *pattern = admin_arg(c, "pattern");
    struct errinfo ei = { 0 };
    struct conf *cf = NULL, *defaults = NULL;
    json_t *rows = json_array();
    size_t n;
    const struct setting *s = conf_settings(&n);
    int r = admin_settings(c->a, &cf, &defaults, &ei);

    if (r < 0) {
        json_decref(rows);
        return admin_result(r, &ei);
    }
    for (size_t i = 0; i < n; i++)
        if (!pattern || sv_ifind_sv(sv_c(s[i].name), sv_c(pattern)) >= 0 ||
            sv_ifind_sv(sv_c(s[i].help), sv_c(pattern)) >= 0 ||
            (s[i].api_var && sv_ifind_sv(sv_c(s[i].api_var), sv_c(pattern)) >= 0))
            json_array_append_new(rows, row(cf, defaults, &s[i]));
    conf_unref(cf);
    conf_unref(defaults);
    return json_pack("{s:b, s:o}", "ok", 1, "rows", rows);
}

static json_t *get(const struct admin_call *c)
{
    const char *name = admin_arg(c, "name");
    const struct setting *s = conf_find(sv_c(name));
    struct errinfo ei = { 0 };
    struct conf *cf = NULL, *defaults = NULL;
    json_t *j;
    int r;

    if (!s)
        return admin_no_setting(name);
    r = admin_settings(c->a, &cf, &defaults, &ei);
    if (r < 0)
        return admin_result(r, &ei);
    j = row(cf, defaults, s);
    conf_unref(cf);
    conf_unref(defaults);
    json_object_set_new(j, "ok", json_true());
    return j;
}

static json_t *set(const struct admin_call *c)
{
    const char *name = admin_arg(c, "name");
    const struct setting *s = conf_find(sv_c(name));
    json_t *values = json_object(), *reply;

    json_object_set(values, name, json_object_get(c->args, "value"));
    reply = admin_change_settings(c->a, c->who, values);
    json_decref(values);
    if (s && s->apply == APPLY_RESTART && c->a->ask && !c->a->dry_run &&
        json_object_get(reply, "ok"))
        json_object_set_new(reply, "note",
                            json_sprintf("%s takes effect after a restart", s->name));
    return reply;
}

static json_t *reset(const struct admin_call *c)
{
    json_t *values = json_object(), *reply;

    json_object_set_new(values, admin_arg(c, "name"), json_null());
    reply = admin_change_settings(c->a, c->who, values);
    json_decref(values);
    return reply;
}

static json_t *or_null(const char *s)
{
    return s ? admin_text(s) : json_null();
}

static bool audit_row(const struct audit_row *e, void *arg)
{
    json_array_append_new(arg,
                          json_pack("{s:I, s:o, s:o, s:o, s:o, s:o}", "at_ms", (json_int_t)e->at_ms,
                                    "admin", admin_text(e->admin), "object", admin_text(e->object),
                                    "field", admin_text(e->field), "old", or_null(e->old_value),
                                    "new", or_null(e->new_value)));
    return true;
}

static json_t *audit(const struct admin_call *c)
{
    const char *limit = admin_arg(c, "limit");
    json_t *rows = json_array();
    struct errinfo ei = { 0 };
    uint32_t n = 100;
    int r;

    if (limit && sv_to_u32(sv_c(limit), &n) < 0) {
        json_decref(rows);
        return admin_error(E_RANGE, "limit: '%s' is not a number of rows", limit);
    }
    r = audit_each(c->a->db, n, audit_row, rows, &ei);
    return admin_rows(r, rows, &ei);
}

const struct admin_op admin_setting_ops[] = {
    { "setting.list", "[pattern]",
      "Settings whose name, help or API variable contains the pattern.", list },
    { "setting.get", "name", "One setting, by name or API variable.", get },
    { "setting.set", "name value", "Changes a setting.", set },
    { "setting.reset", "name", "Back to the default.", reset },
    { "audit.list", "[limit]", "Who changed what, newest first.", audit },
    { 0 },
};
