/* Who changed what, and taking a change back. */
#include "mail/account/audit.h"
#include "server/api/access.h"
#include "server/api/api_priv.h"
#include "server/api/directory.h"
#include "server/api/page.h"

static const struct api_field audit_fields[] = {
    { "id", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "at", API_TIME, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "admin", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Who." },
    { "object", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "account a@example.org" },
    { "field", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "old", API_TEXT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, NULL },
    { "new", API_TEXT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, NULL },
    { "actions", API_TEXTS, API_REQUIRED, 0, 0, NULL, NULL, "revert, where it can be." },
    { 0 },
};
static const struct api_schema audit_schema = { "AuditEntry", "A change.", audit_fields };
static const struct api_field list_params[] = {
    { "admin", API_TEXT, 0, 1, 320, NULL, NULL, "Part of who." },
    { "object", API_TEXT, 0, 1, 400, NULL, NULL, "Part of what." },
    { 0 },
};

bool api_audit(struct api_call *c, const char *object, const char *field, const char *value)
{
    struct errinfo ei = { 0 };
    int r = audit_write_alone(c->api->o.admin->db, c->caller->who, object, field, NULL, value, &ei);

    if (r < 0)
        api_fail(c, 503, "try_again", NULL,
                 "this cannot be recorded in the audit, and is not done for that: %s", ei.text);
    return r == 0;
}

/* Fields that stand for themselves: setting them back undoes the change. */
static const char *const account_fields[] = { "name",       "enabled",     "local_only", "quota",
                                              "soft_quota", "max_message", "role" };
static const char *const domain_fields[] = { "enabled", "unknown", "unknown_to", "quota",
                                             "max_message" };

static bool is_in(const char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(names[i], name))
            return true;
    return false;
}

/* The operation that sets the field back, its arguments and the right that it needs; NULL: cannot
 * be. */
static const char *revert_op(const struct audit_row *e, json_t **ret_args,
                             enum api_scope *ret_scope)
{
    struct sv rest = sv_c(e->object), kind = sv_split(&rest, ' ');
    _cleanup_(freep) char *name = rest.p ? sv_dup(rest) : xstrdup("");

    *ret_args = NULL;
    *ret_scope = SCOPE_DIRECTORY_WRITE;
    if (!e->old_value || !e->new_value || !*name)
        return NULL;
    if (sv_eq(kind, SV("setting")) && strcmp(e->new_value, AUDIT_SECRET) != 0) {
        *ret_args = json_pack("{s:s, s:s}", "name", name, "value", e->old_value);
        *ret_scope = SCOPE_SETTINGS_WRITE;
        return "setting.set";
    }
    if (sv_eq(kind, SV("account")) && is_in(account_fields, ARRAY_LEN(account_fields), e->field)) {
        *ret_args = json_pack("{s:s, s:s}", "address", name, e->field, e->old_value);
        return "account.update";
    }
    if (sv_eq(kind, SV("domain")) && (is_in(domain_fields, ARRAY_LEN(domain_fields), e->field) ||
                                      is_in(domain_limit_names, DOMAIN_LIMITS, e->field))) {
        *ret_args = json_pack("{s:s, s:s}", "domain", name, e->field, e->old_value);
        return "domain.update";
    }
    return NULL;
}

static json_t *entry_json(struct api_call *c, const struct audit_row *e)
{
    json_t *args = NULL;
    enum api_scope scope;
    bool can = revert_op(e, &args, &scope) != NULL && c->caller->scopes & SCOPE_BIT(scope);

    json_decref(args);
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id",
                     json_sprintf("%" PRId64, e->id), "at", api_time(e->at_ms), "admin",
                     api_text(e->admin), "object", api_text(e->object), "field", api_text(e->field),
                     "old", e->old_value ? api_text(e->old_value) : json_null(), "new",
                     e->new_value ? api_text(e->new_value) : json_null(), "actions",
                     can ? json_pack("[s]", "revert") : json_array());
}

struct listing {
    struct api_call *c;
    json_t *items;
    const char *q, *admin, *object;
    size_t limit;
    int64_t last;
    bool more;
};

static bool add(const struct audit_row *e, void *arg)
{
    struct listing *l = arg;

    if ((l->admin && sv_ifind_sv(sv_c(e->admin), sv_c(l->admin)) < 0) ||
        (l->object && sv_ifind_sv(sv_c(e->object), sv_c(l->object)) < 0) ||
        !api_q_matches(l->q,
                       (const char *const[]){ e->admin, e->object, e->field,
                                              e->old_value ? e->old_value : "",
                                              e->new_value ? e->new_value : "" },
                       5))
        return true;
    if (json_array_size(l->items) == l->limit) {
        l->more = true;
        return false;
    }
    json_array_append_new(l->items, entry_json(l->c, e));
    l->last = e->id;
    return true;
}

static void list(struct api_call *c)
{
    struct listing l = { .c = c,
                         .q = api_query(c, "q"),
                         .admin = api_query(c, "admin"),
                         .object = api_query(c, "object"),
                         .limit = api_page_limit(c) };
    char cursor[24], last[24];
    struct errinfo ei = { 0 };
    int64_t before = INT64_MAX;
    size_t n;
    int r;

    if (!api_page_cursor(c, cursor, sizeof(cursor)))
        return;
    if (*cursor && sv_to_i64(sv_c(cursor), &before) < 0) {
        api_fail(c, 400, "invalid_parameter", "cursor", "cursor: not of this list");
        return;
    }
    l.items = json_array();
    r = audit_before(api_admin_of(c)->db, before, add, &l, &ei);
    if (r < 0) {
        json_decref(l.items);
        api_fail_err(c, r, ei.text);
        return;
    }
    n = json_array_size(l.items);
    snprintf(last, sizeof(last), "%" PRId64, l.last);
    api_page_answer(c, l.items, l.more ? last : NULL, (int64_t)n, !l.more && !*cursor);
}

struct one {
    struct api_call *c;
    int64_t id;
    bool found;
    const char *op;
    json_t *args;
    enum api_scope scope;
    char *object, *field, *is;
};

static bool take(const struct audit_row *e, void *arg)
{
    struct one *o = arg;

    o->found = e->id == o->id;
    if (o->found) {
        o->op = revert_op(e, &o->args, &o->scope);
        o->object = xstrdup(e->object);
        o->field = xstrdup(e->field);
        o->is = xstrdup(e->new_value ? e->new_value : "");
    }
    return false;
}

/* What the field holds now, as the audit writes it; NULL: answered. free() it. */
static char *value_now(struct api_call *c, const struct one *o, json_t *effect)
{
    json_t *first = json_array_get(effect, 0);
    const char *old = json_string_value(json_object_get(first, "old"));

    if (old)
        return xstrdup(old);
    api_fail(c, 409, "nothing_to_revert", NULL, "%s: %s is as it was before", o->object, o->field);
    return NULL;
}

/* False: answered. */
static bool keeps_access(struct api_call *c, const struct one *o)
{
    const char *name = json_string_value(json_object_get(o->args, "name"));
    json_t *value = json_object_get(o->args, "value"), *values;
    bool ok;

    if (strncmp(o->op, "setting.", 8) != 0 || !name)
        return true;
    values = json_pack("{s:O}", name, value ? value : json_null());
    ok = api_keeps_access(c, values);
    json_decref(values);
    return ok;
}

/* Takes args. */
static void revert_with(struct api_call *c, const struct one *o, json_t *args)
{
    bool dry = c->dry_run;
    json_t *reply;
    char *now;

    c->dry_run = true;
    reply = api_admin(c, o->op, json_incref(args));
    c->dry_run = dry;
    now = reply ? value_now(c, o, json_object_get(reply, "effect")) : NULL;
    if (now && strcmp(now, o->is) != 0)
        api_fail(c, 409, "changed_meanwhile", NULL,
                 "%s: %s is '%.80s' now, not '%.80s'; it has been changed since", o->object,
                 o->field, now, o->is);
    else if (now && c->dry_run)
        api_answer_dry_run(c, reply);
    else if (now) {
        json_decref(reply);
        reply = api_admin(c, o->op, json_incref(args));
        if (reply)
            api_reply(c, 204, NULL);
    }
    free(now);
    json_decref(reply);
    json_decref(args);
}

static void revert(struct api_call *c)
{
    struct one o = { .c = c };
    struct errinfo ei = { 0 };
    int r;

    if (sv_to_i64(sv_c(api_param(c, "id")), &o.id) < 0 || o.id < 1 || o.id == INT64_MAX) {
        api_fail_gone(c, "audit entry", api_param(c, "id"));
        return;
    }
    r = audit_before(api_admin_of(c)->db, o.id + 1, take, &o, &ei);
    if (r < 0)
        api_fail_err(c, r, ei.text);
    else if (!o.found)
        api_fail_gone(c, "audit entry", api_param(c, "id"));
    else if (!o.op)
        api_fail(c, 409, "cannot_revert", NULL, "%s: a change of %s cannot be taken back this way",
                 o.object, o.field);
    else if (!(c->caller->scopes & SCOPE_BIT(o.scope)))
        api_fail(c, 403, "missing_scope", NULL, "%s: to change it back needs the scope %s",
                 o.object, api_scope_names[o.scope]);
    else if (keeps_access(c, &o))
        revert_with(c, &o, json_incref(o.args));
    json_decref(o.args);
    free(o.object);
    free(o.field);
    free(o.is);
}

const struct api_route api_audit_routes[] = {
    { .method = "GET",
      .path = "/audit",
      .scope = SCOPE_AUDIT_READ,
      .flags = ROUTE_PAGED,
      .id = "listAudit",
      .query = list_params,
      .status = 200,
      .response = &audit_schema,
      .run = list,
      .help = "Changes and looks into mail, the newest first." },
    { .method = "POST",
      .path = "/audit/{id}/revert",
      .scope = SCOPE_AUDIT_READ,
      .flags = ROUTE_DRY_RUN | ROUTE_IDEMPOTENT,
      .id = "revertAudit",
      .query = api_confirm_params,
      .status = 204,
      .run = revert,
      .help = "Takes a change back, when it still holds. Needs settings:write for a setting, "
              "directory:write for an account or a domain." },
    { 0 },
};
