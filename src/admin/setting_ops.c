/* Settings: read, change, describe; every change is audited by the settings store. */
#include "admin/admin_priv.h"

#include <sys/stat.h>

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

/* conf's own words, which suggest what may have been meant. */
static json_t *unknown(const char *name)
{
    struct conf_pair pair = { name, "" };
    struct errinfo ei = { 0 };
    struct conf *c = NULL;
    int r = conf_build(&pair, 1, &c, &ei);

    return admin_error(E_NOTFOUND, "%s; `posthorn tool list PATTERN` finds names",
                       r < 0 && *ei.text ? ei.text : "unknown setting");
}

/* The settings as they are stored, and the defaults. */
static int snapshot(const struct admin_call *c, struct conf **ret, struct conf **ret_defaults,
                    struct errinfo *ei)
{
    struct buf warnings;
    int r;

    buf_init(&warnings, 64 * KiB);
    r = settings_load_warn(c->a->db, ret, &warnings, ei);
    buf_done(&warnings);
    return r < 0 ? r : conf_build(NULL, 0, ret_defaults, ei);
}

static json_t *list(const struct admin_call *c)
{
    const char *pattern = admin_arg(c, "pattern");
    struct errinfo ei = { 0 };
    struct conf *cf = NULL, *defaults = NULL;
    json_t *rows = json_array();
    size_t n;
    const struct setting *s = conf_settings(&n);
    int r = snapshot(c, &cf, &defaults, &ei);

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
        return unknown(name);
    r = snapshot(c, &cf, &defaults, &ei);
    if (r < 0)
        return admin_result(r, &ei);
    j = row(cf, defaults, s);
    conf_unref(cf);
    conf_unref(defaults);
    json_object_set_new(j, "ok", json_true());
    return j;
}

json_t *admin_take_over(const struct admin_call *c, const char *what, int r,
                        const struct errinfo *ei)
{
    struct conf *now = NULL;
    struct errinfo late = { 0 };

    if (r < 0 || c->a->dry_run)
        return admin_result(r, ei);
    if (settings_load(c->a->db, &now, NULL) >= 0)
        conf_publish(now);
    r = c->a->changed ? c->a->changed(c->a->arg, &late) : 0;
    return r < 0 ? admin_error(r, "%s is stored, but %s", what, late.text) : admin_ok();
}

/* This process takes the new value at once: the next operation of a batch counts on it. The others
 * are waited for, except with what they do not look at before they start again. */
static json_t *changed(const struct admin_call *c, const struct setting *s, int r,
                       const struct errinfo *ei)
{
    struct conf *now = NULL;
    json_t *reply;

    if (r < 0)
        return admin_result(r, ei);
    if (s->apply != APPLY_LIVE) {
        if (settings_load(c->a->db, &now, NULL) >= 0)
            conf_publish(now);
        return admin_ok();
    }
    reply = admin_take_over(c, s->name, r, ei);
    if (json_object_get(reply, "ok") && c->a->changed && admin_is_binding(s->name)) {
        _cleanup_(freep) char *fault = admin_binding_fault(c, s->name);

        if (fault) {
            json_decref(reply);
            return admin_error(E_CONFLICT, "%s is stored, but the service %s", s->name, fault);
        }
    }
    return reply;
}

/* What a change would do: the value's check, and the value now. canonical: taken. */
static json_t *try_value(const struct admin_call *c, const struct setting *s, char *canonical)
{
    struct conf *cf = NULL, *defaults = NULL;
    struct errinfo ei = { 0 };
    json_t *effect = json_array();
    char object[160];
    int r = snapshot(c, &cf, &defaults, &ei);

    snprintf(object, sizeof(object), "setting %s", s->name);
    if (r >= 0) {
        _cleanup_(freep) char *was = conf_text(cf, s), *dflt = conf_text(defaults, s);
        const char *is = s->type == SET_SECRET ? AUDIT_SECRET : canonical ? canonical : dflt;

        if (strcmp(was, is) != 0)
            admin_effect(effect, object, "value", was, is);
        conf_unref(cf);
        conf_unref(defaults);
    }
    free(canonical);
    if (r < 0) {
        json_decref(effect);
        return admin_result(r, &ei);
    }
    return json_pack("{s:b, s:o}", "ok", 1, "effect", effect);
}

/* What only a look at the disk can say. */
static int fits_here(const struct setting *s, const char *value, struct errinfo *ei)
{
    struct stat st;

    if (strcmp(s->name, "log.archive") != 0 || stat(value, &st) < 0 || !S_ISDIR(st.st_mode))
        return 0;
    return err_set(ei, -EISDIR, "%s: '%s' is a folder; name a file in it, such as %s/logs.zip",
                   s->name, value, value);
}

static json_t *set(const struct admin_call *c)
{
    const char *name = admin_arg(c, "name"), *value = admin_arg(c, "value");
    const struct setting *s = conf_find(sv_c(name));
    struct errinfo ei = { 0 };
    char *canonical = NULL;
    json_t *reply;
    int r;

    if (!s)
        return unknown(name);
    if (fits_here(s, value, &ei) < 0)
        return admin_result(ei.code, &ei);
    r = conf_check(s, sv_c(value), &canonical, &ei);
    if (r < 0)
        return admin_result(r, &ei);
    reply = admin_is_binding(s->name) ? admin_try_binding(c, s->name, canonical) : NULL;
    if (!reply && c->a->dry_run)
        return try_value(c, s, canonical);
    free(canonical);
    if (reply)
        return reply;
    reply = changed(c, s, settings_set(c->a->db, c->who, sv_c(name), sv_c(value), &ei), &ei);
    if (s->apply == APPLY_RESTART && c->a->ask && json_object_get(reply, "ok"))
        json_object_set_new(reply, "note",
                            json_sprintf("%s takes effect after a restart", s->name));
    return reply;
}

static json_t *reset(const struct admin_call *c)
{
    const char *name = admin_arg(c, "name");
    const struct setting *s = conf_find(sv_c(name));
    struct errinfo ei = { 0 };

    if (!s)
        return unknown(name);
    if (c->a->dry_run)
        return try_value(c, s, NULL);
    return changed(c, s, settings_reset(c->a->db, c->who, sv_c(name), &ei), &ei);
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
