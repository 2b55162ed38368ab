/* Changes of settings: checked, stored together, taken over by everybody. */
#include "admin/admin_priv.h"

#include <sys/stat.h>

#include "conf/conf.h"
#include "conf/patterns.h"
#include "mail/account/audit.h"
#include "mail/account/settings_store.h"

struct wanted {
    const struct setting *s;
    char *value; /* NULL: the default */
};

struct wanteds {
    struct wanted *v;
    size_t n;
};

static void wanteds_done(struct wanteds *w)
{
    for (size_t i = 0; i < w->n; i++)
        free(w->v[i].value);
    free(w->v);
}

/* conf's own words, which suggest what may have been meant. */
json_t *admin_no_setting(const char *name)
{
    struct conf_pair pair = { name, "" };
    struct errinfo ei = { 0 };
    struct conf *c = NULL;
    int r = conf_build(&pair, 1, &c, &ei);

    return admin_error(E_NOTFOUND, "%s; `posthorn tool list PATTERN` finds names",
                       r < 0 && *ei.text ? ei.text : "unknown setting");
}

/* Takes reply. */
static json_t *about(const char *name, json_t *reply)
{
    json_object_set_new(json_object_get(reply, "error"), "setting", admin_text(name));
    return reply;
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

/* free() it; NULL: no value of a setting. */
static char *text_of(json_t *v)
{
    if (json_is_string(v))
        return xstrdup(json_string_value(v));
    if (json_is_boolean(v))
        return xstrdup(json_is_true(v) ? "yes" : "no");
    return json_is_integer(v) ? xasprintf("%" JSON_INTEGER_FORMAT, json_integer_value(v)) : NULL;
}

/* With the patterns as they are; that one is missing is said where the value is stored. */
static json_t *try_binding(const struct admin_call *c, const struct wanted *w)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    _cleanup_(freep) char *addresses = conf_resolve(cf, w->s, sv_c(w->value));

    return admin_try_binding(c, w->s->name, addresses);
}

/* NULL: it can be. ret: canonical. */
static json_t *check(const struct admin_call *c, const char *name, json_t *v, struct wanted *ret)
{
    _cleanup_(freep) char *text = NULL;
    struct errinfo ei = { 0 };
    int r;

    *ret = (struct wanted){ .s = conf_find(sv_c(name)) };
    if (!ret->s)
        return admin_no_setting(name);
    if (json_is_null(v))
        return NULL;
    text = text_of(v);
    if (!text)
        return admin_error(E_PARSE, "%s: must be text, a whole number, true, false or null", name);
    r = fits_here(ret->s, text, &ei);
    if (r == 0)
        r = conf_check(ret->s, sv_c(text), &ret->value, &ei);
    if (r < 0)
        return admin_result(r, &ei);
    return admin_is_binding(ret->s->name) ? try_binding(c, ret) : NULL;
}

/* What the changes would do. */
static json_t *foretell(const struct admin_call *c, const struct wanteds *w)
{
    struct conf *cf = NULL, *defaults = NULL;
    struct errinfo ei = { 0 };
    json_t *effect;
    size_t i;
    int r = admin_settings(c->a, &cf, &defaults, &ei);

    if (r < 0)
        return admin_result(r, &ei);
    effect = json_array();
    for (i = 0; i < w->n && r == 0; i++) {
        const struct setting *s = w->v[i].s;
        _cleanup_(freep) char *was = conf_text(cf, s), *dflt = conf_text(defaults, s),
                              *object = xasprintf("setting %s", s->name);
        const char *is = w->v[i].value ? w->v[i].value : dflt;

        if (s->type == SET_SECRET)
            is = AUDIT_SECRET;
        r = conf_patterns_check(cf->patterns, s, sv_c(is), &ei);
        if (r == 0 && strcmp(was, is) != 0)
            admin_effect(effect, object, "value", was, is);
    }
    conf_unref(cf);
    conf_unref(defaults);
    if (r < 0) {
        json_decref(effect);
        return about(w->v[i - 1].s->name, admin_result(r, &ei));
    }
    return json_pack("{s:b, s:o}", "ok", 1, "effect", effect);
}

json_t *admin_took_over(const struct admin_call *c, int r, const struct errinfo *ei)
{
    struct conf *now = NULL;
    struct errinfo late = { 0 };

    if (r < 0 || c->a->dry_run)
        return admin_result(r, ei);
    if (settings_load(c->a->db, &now, NULL) >= 0)
        conf_publish(now);
    r = c->a->changed ? c->a->changed(c->a->arg, &late) : 0;
    return r < 0 ? admin_error(r, "the change is stored, but %s", late.text) : admin_ok();
}

/* Stored is stored: what does not work afterwards is told. */
static json_t *find_faults(const struct admin_call *c, const struct wanteds *w)
{
    for (size_t i = 0; i < w->n; i++) {
        const char *name = w->v[i].s->name;
        bool bound = w->v[i].s->apply == APPLY_LIVE && admin_is_binding(name);
        _cleanup_(freep) char *fault = bound ? admin_binding_fault(c, name) : NULL;

        if (fault)
            return about(name,
                         admin_error(E_CONFLICT, "%s is stored, but the service %s", name, fault));
    }
    return admin_ok();
}

/* This process takes the new values at once: the next operation of a batch counts on them. The
 * others are waited for, except with what they do not look at before they start again. */
static json_t *take_over(const struct admin_call *c, const struct wanteds *w)
{
    const struct setting *live = NULL;
    struct conf *now = NULL;
    struct errinfo late = { 0 };
    int r;

    if (settings_load(c->a->db, &now, NULL) >= 0)
        conf_publish(now);
    for (size_t i = 0; i < w->n; i++)
        if (w->v[i].s->apply == APPLY_LIVE)
            live = w->v[i].s;
    if (!live || !c->a->changed)
        return admin_ok();
    r = c->a->changed(c->a->arg, &late);
    if (r < 0)
        return about(live->name, admin_error(r, "%s is stored, but %s", live->name, late.text));
    return find_faults(c, w);
}

static json_t *store(const struct admin_call *c, const struct wanteds *w)
{
    struct setting_value *v = xcalloc(w->n ? w->n : 1, sizeof(*v));
    struct errinfo ei = { 0 };
    size_t failed = w->n;
    int r;

    for (size_t i = 0; i < w->n; i++)
        v[i] = (struct setting_value){ w->v[i].s->name, w->v[i].value };
    r = settings_change(c->a->db, c->who, v, w->n, &failed, &ei);
    free(v);
    if (r == 0)
        return take_over(c, w);
    return failed < w->n ? about(w->v[failed].s->name, admin_result(r, &ei)) : admin_result(r, &ei);
}

json_t *admin_change_settings(struct admin *a, const char *who, json_t *values)
{
    const struct admin_call c = { .a = a, .who = who };
    _cleanup_(wanteds_done) struct wanteds w = { 0 };
    const char *name;
    json_t *v, *error = NULL;

    w.v = xcalloc(json_object_size(values) + 1, sizeof(*w.v));
    json_object_foreach(values, name, v)
    {
        error = check(&c, name, v, &w.v[w.n++]);
        if (error)
            return about(name, error);
    }
    return a->dry_run ? foretell(&c, &w) : store(&c, &w);
}
