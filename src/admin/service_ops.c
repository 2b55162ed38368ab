/* Services: what there is, start, stop, start again; their addresses. The supervisor does it, as it
 * has the privilege to bind; settings say what is to be bound. */
#include "admin/admin_priv.h"

#include "conf/conf.h"
#include "conf/patterns.h"
#include "mail/account/audit.h"

static const struct service_row {
    enum service service;
    enum module module;
    const char *listen, *listen_tls; /* settings; NULL = none */
    const char *level, *autostart, *access_mode, *access_ips;
    const char *listen_more; /* further addresses without TLS; NULL = none */
} services[] = {
    { SVC_SMTP, MOD_SMTP, "smtp.listen", NULL, "log.smtp", "smtp.autostart", "smtp.access_mode",
      "smtp.access_ips", NULL },
    { SVC_SUBMISSION, MOD_SMTP, "smtp.listen_submission", "smtp.listen_submission_tls", "log.smtp",
      "smtp.autostart_submission", "smtp.access_mode_submission", "smtp.access_ips_submission",
      "smtp.listen_odmr" },
    { SVC_SMTP_CLIENT, MOD_SMTP, NULL, NULL, "log.smtp", NULL, NULL, NULL, NULL },
    { SVC_POP3, MOD_ACCESS, "pop3.listen", "pop3.listen_tls", "log.pop3", "pop3.autostart",
      "pop3.access_mode", "pop3.access_ips", NULL },
    { SVC_IMAP, MOD_ACCESS, "imap.listen", "imap.listen_tls", "log.imap", "imap.autostart",
      "imap.access_mode", "imap.access_ips", NULL },
    { SVC_MANAGESIEVE, MOD_ACCESS, "managesieve.listen", NULL, "log.managesieve",
      "managesieve.autostart", "managesieve.access_mode", "managesieve.access_ips", NULL },
    { SVC_CONTROL, MOD_CONTROL, "web.listen", "web.listen_tls", "log.control", NULL,
      "web.access_mode", "web.access_ips", NULL },
};
static const enum module modules[] = { MOD_SMTP, MOD_ACCESS, MOD_CONTROL };

static json_t *not_running(void)
{
    return admin_error(E_CLOSED, "the server is not running; start it with `posthorn serve`");
}

bool admin_is_binding(const char *setting)
{
    for (size_t i = 0; i < ARRAY_LEN(services); i++)
        if ((services[i].listen && !strcmp(services[i].listen, setting)) ||
            (services[i].listen_tls && !strcmp(services[i].listen_tls, setting)) ||
            (services[i].listen_more && !strcmp(services[i].listen_more, setting)))
            return true;
    return false;
}

static json_t *ask(const struct admin_call *c, enum module m, const char *op, json_t *args)
{
    json_t *reply = c->a->ask(c->a->arg, m, op, args);

    json_decref(args);
    return reply;
}

json_t *admin_try_binding(const struct admin_call *c, const char *setting, const char *value)
{
    json_t *reply = c->a->ask ? ask(c, MOD_SUPERVISOR, "service.try",
                                    json_pack("{s:s, s:s}", "setting", setting, "value", value))
                              : NULL;

    if (json_object_get(reply, "error")) {
        json_object_set_new(json_object_get(reply, "error"), "code", json_integer(E_RANGE));
        return reply;
    }
    json_decref(reply);
    return NULL;
}

char *admin_binding_fault(const struct admin_call *c, const char *setting)
{
    json_t *reply = c->a->ask ? ask(c, MOD_SUPERVISOR, "service.status", NULL) : NULL, *b;
    char *fault = NULL;
    size_t i;

    json_array_foreach(json_object_get(reply, "bindings"), i, b)
    {
        const char *of = json_string_value(json_object_get(b, "setting"));
        const char *text = json_string_value(json_object_get(b, "fault"));

        if (!fault && text && of && !strcmp(of, setting))
            fault = xstrdup(text);
    }
    json_decref(reply);
    return fault;
}

/* --- the list --- */

struct seen {
    const struct conf *conf;
    json_t *status[MOD_COUNT]; /* NULL: the module does not answer */
    json_t *bindings;          /* of the supervisor; NULL: it does not answer */
    json_int_t sessions[SVC_COUNT];
};

static bool count_session(const struct shm_session_info *s, void *arg)
{
    json_int_t *n = arg;

    if (s->service < SVC_COUNT)
        n[s->service]++;
    return true;
}

static void look(const struct admin_call *c, struct seen *s)
{
    json_t *reply;

    s->conf = conf_pin();
    for (size_t i = 0; i < ARRAY_LEN(modules); i++) {
        reply = ask(c, modules[i], "module.status", NULL);
        if (json_object_get(reply, "ok"))
            s->status[modules[i]] = json_incref(reply);
        json_decref(reply);
    }
    reply = ask(c, MOD_SUPERVISOR, "service.status", NULL);
    s->bindings = json_incref(json_object_get(reply, "bindings"));
    json_decref(reply);
    shm_session_each(c->a->shm, count_session, s->sessions);
}

static void forget(struct seen *s)
{
    for (size_t i = 0; i < MOD_COUNT; i++)
        json_decref(s->status[i]);
    json_decref(s->bindings);
    conf_unref(s->conf);
}

static json_t *value_of(const struct seen *s, const char *setting)
{
    _cleanup_(freep) char *text = setting ? conf_text(s->conf, conf_find(sv_c(setting))) : NULL;

    return text ? admin_text(text) : json_null();
}

static void add_closed(json_t *list, const struct seen *s, const char *setting, bool tls)
{
    struct sv rest = sv_c(setting ? conf_in_force(s->conf, conf_find(sv_c(setting))) : ""), item;

    while (conf_list_next(&rest, &item))
        json_array_append_new(list, json_pack("{s:s%, s:b, s:b, s:n}", "address", item.p, item.n,
                                              "tls", (int)tls, "open", 0, "fault"));
}

/* What the supervisor has, or, of a service that is stopped, what it would bind. */
static json_t *bindings_of(const struct seen *s, const struct service_row *row)
{
    json_t *list = json_array(), *b;
    size_t i;

    if (!service_on(row->service)) {
        add_closed(list, s, row->listen, false);
        add_closed(list, s, row->listen_more, false);
        add_closed(list, s, s->conf->net.tls ? row->listen_tls : NULL, true);
        return list;
    }
    json_array_foreach(s->bindings, i, b)
    {
        const char *of = json_string_value(json_object_get(b, "service"));

        if (of && !strcmp(of, service_names[row->service]))
            json_array_append_new(
                list, json_pack("{s:O, s:O, s:O, s:O}", "address", json_object_get(b, "address"),
                                "tls", json_object_get(b, "tls"), "open",
                                json_object_get(b, "open"), "fault", json_object_get(b, "fault")));
    }
    return list;
}

static const char *state_of(const struct seen *s, const struct service_row *row)
{
    if (!s->status[row->module])
        return "silent";
    if (service_on(row->service))
        return "running";
    return s->sessions[row->service] ? "stopping" : "stopped";
}

/* Control carries the socket by which it is asked: as a whole it can only start again. */
static json_t *actions_of(const struct service_row *row)
{
    if (!row->autostart)
        return json_pack("[s]", "restart_module");
    return service_on(row->service) ? json_pack("[s,s,s]", "stop", "restart", "restart_module")
                                    : json_pack("[s,s]", "start", "restart_module");
}

static json_t *settings_of(const struct service_row *row)
{
    const char *const names[] = { row->listen,    row->listen_tls,  row->listen_more,
                                  row->autostart, row->access_mode, row->access_ips,
                                  row->level };
    json_t *list = json_array();

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (names[i])
            json_array_append_new(list, json_string(names[i]));
    return list;
}

static json_t *service_json(const struct seen *s, const struct service_row *row)
{
    json_t *st = s->status[row->module];

    return json_pack(
        "{s:s, s:s, s:s, s:O?, s:O?, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s}",
        "service", service_names[row->service], "module", module_names[row->module], "state",
        state_of(s, row), "started_ms", json_object_get(st, "started_ms"), "memory",
        json_object_get(st, "memory"), "sessions", s->sessions[row->service], "bindings",
        bindings_of(s, row), "listen", value_of(s, row->listen), "listen_tls",
        value_of(s, s->conf->net.tls ? row->listen_tls : NULL), "autostart",
        value_of(s, row->autostart), "access_mode", value_of(s, row->access_mode), "access_ips",
        value_of(s, row->access_ips), "level", value_of(s, row->level), "actions",
        st ? actions_of(row) : json_array(), "settings", settings_of(row), "level_setting",
        row->level);
}

static json_t *list(const struct admin_call *c)
{
    struct seen s = { 0 };
    json_t *rows;

    if (!c->a->shm || !c->a->ask)
        return not_running();
    look(c, &s);
    rows = json_array();
    for (size_t i = 0; i < ARRAY_LEN(services); i++)
        json_array_append_new(rows, service_json(&s, &services[i]));
    forget(&s);
    return json_pack("{s:b, s:o}", "ok", 1, "rows", rows);
}

/* --- orders --- */

static const struct service_row *find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(services); i++)
        if (!strcmp(service_names[services[i].service], name))
            return &services[i];
    return NULL;
}

bool admin_access_settings(const char *service, const char **ret_mode, const char **ret_ips)
{
    const struct service_row *row = find(service);

    *ret_mode = row ? row->access_mode : NULL;
    *ret_ips = row ? row->access_ips : NULL;
    return *ret_mode != NULL;
}

static json_t *unknown(const char *name)
{
    return admin_error(
        E_NOTFOUND,
        "service '%.60s' does not exist; services: smtp, submission, pop3, imap, managesieve",
        name);
}

/* Recorded before it is done; what the supervisor refuses is recorded too. */
static json_t *order(const struct admin_call *c, const struct service_row *row, const char *action)
{
    char object[60], op[40];
    struct errinfo ei = { 0 };
    json_t *reply;
    int r;

    snprintf(object, sizeof(object), "service %s", service_names[row->service]);
    snprintf(op, sizeof(op), "service.%s", action);
    r = audit_write_alone(c->a->db, c->who, object, action, NULL, "asked for", &ei);
    if (r < 0)
        return admin_error(r, "this cannot be recorded in the audit, and is not done for that: %s",
                           ei.text);
    reply = ask(c, MOD_SUPERVISOR, op, json_pack("{s:s}", "service", service_names[row->service]));
    if (json_object_get(reply, "error"))
        audit_write_alone(c->a->db, c->who, object, action, NULL, "refused", NULL);
    return reply;
}

static json_t *remember(const struct admin_call *c, const struct service_row *row, bool on)
{
    json_t *request = json_pack("{s:s, s:{s:s, s:b}}", "op", "setting.set", "args", "name",
                                row->autostart, "value", (int)on);
    json_t *reply = admin_run(c->a, c->who, request);

    json_decref(request);
    return reply;
}

static json_t *act(const struct admin_call *c, const char *action)
{
    const char *name = admin_arg(c, "service");
    const struct service_row *row = find(name);
    bool keep;
    json_t *error = NULL, *reply;

    if (!row)
        return unknown(name);
    if (!row->autostart)
        return admin_error(E_UNSUPPORTED,
                           "service '%s' cannot be stopped or started by itself; `posthorn tool "
                           "module restart %s` starts its module again",
                           name, module_names[row->module]);
    if (!admin_switch(c, "remember", &keep, &error))
        return error;
    if (!c->a->ask)
        return not_running();
    if (c->a->dry_run)
        return admin_ok();
    reply = order(c, row, action);
    if (keep && json_object_get(reply, "ok")) {
        json_decref(reply);
        reply = remember(c, row, strcmp(action, "stop") != 0);
    }
    return reply;
}

static json_t *start(const struct admin_call *c)
{
    return act(c, "start");
}

static json_t *stop(const struct admin_call *c)
{
    return act(c, "stop");
}

static json_t *restart(const struct admin_call *c)
{
    return act(c, "restart");
}

static json_t *restart_module(const struct admin_call *c)
{
    const char *name = admin_arg(c, "module");
    struct errinfo ei = { 0 };
    char object[60];
    json_t *reply;
    size_t i = 0;
    int r;

    while (i < ARRAY_LEN(modules) && strcmp(module_names[modules[i]], name) != 0)
        i++;
    if (i == ARRAY_LEN(modules))
        return admin_error(E_NOTFOUND,
                           "module '%.60s' does not exist; modules: smtp, access, control", name);
    if (!c->a->ask)
        return not_running();
    if (c->a->dry_run)
        return admin_ok();
    snprintf(object, sizeof(object), "module %s", name);
    r = audit_write_alone(c->a->db, c->who, object, "restart", NULL, "asked for", &ei);
    if (r < 0)
        return admin_error(r, "this cannot be recorded in the audit, and is not done for that: %s",
                           ei.text);
    reply = ask(c, modules[i], "module.restart", NULL);
    if (json_object_get(reply, "ok"))
        return reply;
    json_decref(reply);
    return admin_error(E_TEMP, "module %s does not answer", name);
}

const struct admin_op admin_service_ops[] = {
    { "service.list", "", "Services with their state, addresses, access and log level.", list },
    { "service.start", "service [remember]",
      "Opens a service's ports; remember: also when the server starts.", start },
    { "service.stop", "service [remember]",
      "Closes a service's ports; its sessions end after net.drain_time. remember: also when the "
      "server starts.",
      stop },
    { "service.restart", "service",
      "Opens the addresses of the settings; sessions end after net.drain_time.", restart },
    { "module.restart", "module", "A module starts again; its ports stay open.", restart_module },
    { 0 },
};
