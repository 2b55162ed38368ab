/* Services and the modules that carry them. */
#include "base/clock.h"
#include "conf/conf.h"
#include "server/api/api_priv.h"
#include "server/api/page.h"
#include "server/api/services.h"

static const struct {
    enum service service;
    enum module module;
    const char *listen, *listen_tls, *level; /* settings; NULL = none */
} services[] = {
    { SVC_SMTP, MOD_SMTP, "smtp.listen", NULL, "log.smtp" },
    { SVC_SUBMISSION, MOD_SMTP, "smtp.listen_submission", "smtp.listen_submission_tls",
      "log.smtp" },
    { SVC_SMTP_CLIENT, MOD_SMTP, NULL, NULL, "log.smtp" },
    { SVC_POP3, MOD_ACCESS, "pop3.listen", "pop3.listen_tls", "log.pop3" },
    { SVC_IMAP, MOD_ACCESS, "imap.listen", "imap.listen_tls", "log.imap" },
    { SVC_CONTROL, MOD_CONTROL, "web.listen", "web.listen_tls", "log.control" },
};
static const enum module modules[] = { MOD_SMTP, MOD_ACCESS, MOD_CONTROL };

static const struct api_field service_fields[] = {
    { "service", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "module", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL,
      "Services of a module restart together." },
    { "state", API_ENUM, API_REQUIRED, 0, 0, "running|silent", NULL,
      "silent: the module does not answer." },
    { "started_at", API_TIME, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, "The module." },
    { "memory", API_INT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL,
      "Bytes of the module that are in memory." },
    { "sessions", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Active now." },
    { "listen", API_TEXTS, API_REQUIRED, 0, 0, NULL, NULL, "Addresses." },
    { "listen_tls", API_TEXTS, API_REQUIRED, 0, 0, NULL, NULL, "Addresses with TLS." },
    { "level", API_ENUM, API_REQUIRED | API_NULL, 0, 0, "none|summary|debug|extended", NULL,
      "Of the text log." },
    { "level_setting", API_TEXT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, NULL },
    { "actions", API_TEXTS, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { 0 },
};
static const struct api_schema service_schema = { "Service", "A service.", service_fields };
static const struct api_field action_fields[] = {
    { "action", API_ENUM, API_REQUIRED, 0, 0, "restart", NULL, NULL },
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

static bool count_session(const struct shm_session_info *s, void *arg)
{
    json_int_t *n = arg;

    if (s->service < SVC_COUNT)
        n[s->service]++;
    return true;
}

static json_t *addresses(const struct conf *cf, const char *setting)
{
    _cleanup_(freep) char *text = setting ? conf_text(cf, conf_find(sv_c(setting))) : NULL;
    json_t *a = json_array();
    struct sv rest = sv_c(text), item;

    while (text && conf_list_next(&rest, &item))
        json_array_append_new(a, json_stringn(item.p, item.n));
    return a;
}

static json_t *service_json(struct api_call *c, const struct conf *cf, size_t i,
                            json_t *const status[], const json_int_t *sessions)
{
    _cleanup_(freep) char *level = conf_text(cf, conf_find(sv_c(services[i].level)));
    json_t *st = status[services[i].module], *memory = json_object_get(st, "memory");
    bool may = c->caller->scopes & SCOPE_BIT(SCOPE_SERVICES_WRITE);

    return json_pack("{s:s, s:s, s:s, s:o, s:O?, s:I, s:o, s:o, s:s, s:s, s:o}", "service",
                     service_names[services[i].service], "module", module_names[services[i].module],
                     "state", st ? "running" : "silent", "started_at",
                     api_time(json_integer_value(json_object_get(st, "started_ms"))), "memory",
                     memory, "sessions", sessions[services[i].service], "listen",
                     addresses(cf, services[i].listen), "listen_tls",
                     addresses(cf, cf->net.tls ? services[i].listen_tls : NULL), "level", level,
                     "level_setting", services[i].level, "actions",
                     may && st ? json_pack("[s]", "restart") : json_array());
}

static void list(struct api_call *c)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    json_t *status[MOD_COUNT] = { NULL }, *items;
    json_int_t sessions[SVC_COUNT] = { 0 };

    if (!api_admin_of(c)->shm) {
        api_fail_err(c, E_CLOSED, "the server is not running; start it with `posthorn serve`");
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(modules); i++)
        status[modules[i]] = api_module_status(c->api, modules[i]);
    shm_session_each(api_admin_of(c)->shm, count_session, sessions);
    items = json_array();
    for (size_t i = 0; i < ARRAY_LEN(services); i++)
        json_array_append_new(items, service_json(c, cf, i, status, sessions));
    for (size_t i = 0; i < ARRAY_LEN(modules); i++)
        json_decref(status[modules[i]]);
    api_page_of(c, items, "service", true);
}

static void act(struct api_call *c)
{
    const char *name = api_param(c, "service");
    struct admin *a = api_admin_of(c);
    json_t *reply;
    char object[60];
    size_t i = 0;

    while (i < ARRAY_LEN(services) && strcmp(service_names[services[i].service], name) &&
           strcmp(module_names[services[i].module], name))
        i++;
    if (i == ARRAY_LEN(services)) {
        api_fail_gone(c, "service", name);
        return;
    }
    if (!a->ask) {
        api_fail_err(c, E_CLOSED, "the server is not running; start it with `posthorn serve`");
        return;
    }
    snprintf(object, sizeof(object), "module %s", module_names[services[i].module]);
    if (!api_audit(c, object, "restart", name))
        return;
    reply = a->ask(a->arg, services[i].module, "module.restart", NULL);
    if (json_object_get(reply, "ok"))
        api_reply(c, 202, NULL);
    else
        api_fail_err(c, E_TEMP, "the module does not answer");
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
          "Restarts the module of a service; its connections are drained, its ports stay open." },
    { 0 },
};
