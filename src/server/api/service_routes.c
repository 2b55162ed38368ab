/* Services and the modules that carry them. */
#include "conf/conf.h"
#include "server/api/api_priv.h"
#include "server/api/page.h"
#include "server/api/services.h"

static const struct api_field binding_fields[] = {
    { "address", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "address:port" },
    { "tls", API_BOOL, API_REQUIRED, 0, 0, NULL, NULL, "TLS from the start." },
    { "open", API_BOOL, API_REQUIRED, 0, 0, NULL, NULL, "The port is open." },
    { "fault", API_TEXT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL,
      "Why it is not, and the remedy." },
    { 0 },
};
static const struct api_schema binding_schema = { "Binding", "An address of a service.",
                                                  binding_fields };
static const struct api_field service_fields[] = {
    { "service", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "module", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL,
      "The process that carries it, maybe together with others." },
    { "state", API_ENUM, API_REQUIRED, 0, 0, "running|stopping|stopped|silent", NULL,
      "stopping: its ports are closed, sessions still end; silent: the module does not answer." },
    { "started_at", API_TIME, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, "The module." },
    { "memory", API_INT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL,
      "Bytes of the module that are in memory." },
    { "sessions", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Active now." },
    { "listen", API_TEXTS, API_REQUIRED, 0, 0, NULL, NULL, "Addresses of the settings." },
    { "listen_tls", API_TEXTS, API_REQUIRED, 0, 0, NULL, NULL, "Addresses with TLS." },
    { "bindings", API_LIST, API_REQUIRED, 0, 0, NULL, &binding_schema, "Addresses as they are." },
    { "autostart", API_BOOL, API_REQUIRED | API_NULL, 0, 0, NULL, NULL,
      "Starts with the server; null: always." },
    { "access_mode", API_ENUM, API_REQUIRED | API_NULL, 0, 0, "off|grant|deny", NULL,
      "Who may connect." },
    { "access_ips", API_TEXTS, API_REQUIRED, 0, 0, NULL, NULL, "Granted or denied addresses." },
    { "level", API_ENUM, API_REQUIRED | API_NULL, 0, 0, "none|summary|debug|extended", NULL,
      "Of the text log." },
    { "level_setting", API_TEXT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, NULL },
    { "settings", API_TEXTS, API_REQUIRED, 0, 0, NULL, NULL,
      "Settings of addresses, start, access and log level." },
    { "actions", API_TEXTS, API_REQUIRED, 0, 0, NULL, NULL,
      "What the caller may do now: start, stop, restart, restart_module." },
    { 0 },
};
static const struct api_schema service_schema = { "Service", "A service.", service_fields };
static const struct api_field action_fields[] = {
    { "action", API_ENUM, API_REQUIRED, 0, 0, "start|stop|restart|restart_module", NULL,
      "restart_module: also the other services of the module." },
    { "remember", API_BOOL, 0, 0, 0, NULL, NULL,
      "start, stop: also when the server starts (needs settings:write)." },
    { 0 },
};
static const struct api_schema action_schema = { "ServiceAction", "What to do.", action_fields };

json_t *api_module_status(struct api *a, enum module m)
{
    struct admin *admin = a->o.admin;
    json_t *reply = admin->ask ? admin->ask(admin->arg, m, "module.status", NULL) : NULL;

    if (json_object_get(reply, "ok"))
        return reply;
    json_decref(reply);
    return NULL;
}

static json_t *texts(json_t *list)
{
    const char *text = json_string_value(list);
    struct sv rest = sv_c(text), item;
    json_t *a = json_array();

    while (text && conf_list_next(&rest, &item))
        json_array_append_new(a, json_stringn(item.p, item.n));
    return a;
}

static json_t *yes_no(json_t *text)
{
    return json_is_string(text) ? json_boolean(!strcmp(json_string_value(text), "yes"))
                                : json_null();
}

static json_t *service_json(struct api_call *c, json_t *row)
{
    static const char *const as_they_are[] = { "service",  "module",        "state",
                                               "sessions", "bindings",      "access_mode",
                                               "level",    "level_setting", "settings" };
    bool may = c->caller->scopes & SCOPE_BIT(SCOPE_SERVICES_WRITE);
    json_t *j =
        json_pack("{s:o, s:O?, s:o, s:o, s:o, s:o, s:o}", "started_at",
                  api_time(json_integer_value(json_object_get(row, "started_ms"))), "memory",
                  json_object_get(row, "memory"), "listen", texts(json_object_get(row, "listen")),
                  "listen_tls", texts(json_object_get(row, "listen_tls")), "access_ips",
                  texts(json_object_get(row, "access_ips")), "autostart",
                  yes_no(json_object_get(row, "autostart")), "actions",
                  may ? json_incref(json_object_get(row, "actions")) : json_array());

    for (size_t i = 0; i < ARRAY_LEN(as_they_are); i++)
        json_object_set(j, as_they_are[i], json_object_get(row, as_they_are[i]));
    return j;
}

static void list(struct api_call *c)
{
    json_t *reply = api_admin(c, "service.list", NULL), *items, *row;
    size_t i;

    if (!reply)
        return;
    items = json_array();
    json_array_foreach(json_object_get(reply, "rows"), i, row)
        json_array_append_new(items, service_json(c, row));
    json_decref(reply);
    api_page_of(c, items, "service", true);
}

/* The module of a service or of this name; NULL = neither. */
static const char *module_of(json_t *rows, const char *name, bool *ret_service)
{
    const char *found = NULL;
    json_t *row;
    size_t i;

    *ret_service = false;
    json_array_foreach(rows, i, row)
    {
        const char *module = json_string_value(json_object_get(row, "module"));

        if (!strcmp(json_string_value(json_object_get(row, "service")), name)) {
            *ret_service = true;
            return module;
        }
        if (!strcmp(module, name))
            found = module;
    }
    return found;
}

static bool may_remember(struct api_call *c)
{
    if (!json_is_true(json_object_get(c->body, "remember")) ||
        c->caller->scopes & SCOPE_BIT(SCOPE_SETTINGS_WRITE))
        return true;
    api_fail(c, 403, "missing_scope", "remember", "%s needs the scope %s to remember it",
             c->caller->who, api_scope_names[SCOPE_SETTINGS_WRITE]);
    return false;
}

/* restart of what cannot stop by itself, or of a module's name, is that of the module. */
static json_t *run_action(struct api_call *c, const char *name, const char *module, bool service)
{
    const char *action = api_body_text(c, "action");
    bool whole = !service || !strcmp(action, "restart_module") ||
                 (!strcmp(action, "restart") && (!strcmp(name, service_names[SVC_CONTROL]) ||
                                                 !strcmp(name, service_names[SVC_SMTP_CLIENT])));
    char op[40];
    json_t *args;

    if (whole && strncmp(action, "restart", 7) != 0) {
        api_fail(c, 422, "unsupported", "action", "a module can only restart; name a service");
        return NULL;
    }
    if (whole)
        return api_admin(c, "module.restart", json_pack("{s:s}", "module", module));
    snprintf(op, sizeof(op), "service.%s", action);
    args = json_pack("{s:s}", "service", name);
    if (json_is_true(json_object_get(c->body, "remember")) && strcmp(action, "restart") != 0)
        json_object_set_new(args, "remember", json_true());
    return api_admin(c, op, args);
}

static void act(struct api_call *c)
{
    const char *name = api_param(c, "service"), *module;
    json_t *reply = may_remember(c) ? api_admin(c, "service.list", NULL) : NULL, *done;
    bool service;

    if (!reply)
        return;
    module = module_of(json_object_get(reply, "rows"), name, &service);
    done = module ? run_action(c, name, module, service) : NULL;
    if (!module)
        api_fail_gone(c, "service", name);
    else if (done)
        api_reply(c, 202, NULL);
    json_decref(done);
    json_decref(reply);
}

const struct api_route api_service_routes[] = {
    { .method = "GET",
      .path = "/services",
      .scope = SCOPE_SERVICES_READ,
      .flags = ROUTE_PAGED,
      .id = "listServices",
      .status = 200,
      .response = &service_schema,
      .run = list,
      .help = "Services and their modules." },
    { .method = "POST",
      .path = "/services/{service}/actions",
      .scope = SCOPE_SERVICES_WRITE,
      .id = "actOnService",
      .body = &action_schema,
      .status = 202,
      .run = act,
      .help =
          "Starts, stops or restarts a service, or restarts its module. Sessions are told to go "
          "after net.drain_time." },
    { 0 },
};
