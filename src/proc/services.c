/* Services: start, stop, sockets. Control asks in JSON of a fixed form; nothing of it comes from
 * the network but values of settings, which conf has checked. */
#include "proc/services.h"

#include "log/log.h"
#include "proc/module.h"

/* The truth is here; what the modules see in the shared memory, which they could write, follows. */
static void want(struct services *s, enum service svc, bool on)
{
    s->rules.on[svc] = on;
    service_set(svc, on);
}

void services_begin(struct services *s)
{
    _cleanup_(conf_unrefp) const struct conf *c = conf_pin();

    s->rules.tls = c->net.tls;
    s->rules.ipv6 = c->net.ipv6;
    want(s, SVC_SMTP, c->smtp.autostart);
    want(s, SVC_SUBMISSION, c->smtp.autostart_submission);
    want(s, SVC_SMTP_CLIENT, true);
    want(s, SVC_POP3, c->pop3.autostart);
    want(s, SVC_IMAP, c->imap.autostart);
    want(s, SVC_MANAGESIEVE, c->managesieve.autostart);
    want(s, SVC_CONTROL, true);
}

static bool has_listeners(enum service svc)
{
    for (size_t i = 0; i < listener_defs_count; i++)
        if (listener_defs[i].service == svc)
            return true;
    return false;
}

static struct child *child_with(struct services *s, enum module m)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->children[i].module == m)
            return &s->children[i];
    return NULL;
}

static struct child *child_of_service(struct services *s, enum service svc)
{
    for (size_t i = 0; i < listener_defs_count; i++)
        if (listener_defs[i].service == svc)
            return child_with(s, listener_defs[i].module);
    return NULL;
}

static void give(struct child *c)
{
    for (size_t i = 0; i < c->listeners.n; i++) {
        struct listener *l = &c->listeners.v[i];
        struct ipc_listen what = { l->def };
        struct ipc_msg m = { .type = IPC_LISTEN,
                             .from = MOD_SUPERVISOR,
                             .to = c->module,
                             .payload = sv_n(&what, sizeof(what)),
                             .fd = l->fd };

        if (l->fd >= 0 && !l->given && c->pid && c->link >= 0 && ipc_send_fd(c->link, &m) == 0)
            l->given = true;
    }
}

/* Control takes its sockets with its next start: libmicrohttpd's daemons are made then. */
static bool takes_sockets(enum module m)
{
    return m != MOD_CONTROL;
}

static int sync_child(struct services *s, struct child *c, enum service only, struct errinfo *ei)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    int r;

    s->privileged(s->arg, true);
    r = listeners_sync(&c->listeners, c->module, only, cf, &s->rules, ei);
    s->privileged(s->arg, false);
    if (takes_sockets(c->module))
        give(c);
    return r;
}

int services_sync(struct services *s, enum module m, struct errinfo *ei)
{
    int result = 0;

    for (size_t i = 0; i < s->n; i++) {
        struct child *c = &s->children[i];
        struct errinfo one = { 0 };
        int r;

        if (m == MOD_COUNT ? !takes_sockets(c->module) : c->module != m)
            continue;
        r = sync_child(s, c, SVC_COUNT, &one);
        if (r < 0 && result == 0)
            result = err_set(ei, r, "%s", one.text);
    }
    return result;
}

void services_tick(struct services *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (takes_sockets(s->children[i].module))
            give(&s->children[i]);
}

static void end_sessions(struct child *c, enum service svc)
{
    service_end_sessions(svc);
    child_send(c, IPC_SERVICE);
}

static json_t *ok(void)
{
    return json_pack("{s:b}", "ok", 1);
}

/* errno of bind, as those know it who ask. */
static json_t *bind_error(int r, const struct errinfo *ei)
{
    return reply_error(r == -EADDRINUSE ? E_CONFLICT : r > -1000 ? E_RANGE : r, "%s", ei->text);
}

/* All its addresses, or none: half a service would look like a whole one. */
static json_t *start_service(struct services *s, struct child *c, enum service svc)
{
    struct errinfo ei = { 0 }, none = { 0 };
    int r;

    if (s->rules.on[svc])
        return reply_error(E_EXISTS, "service %s runs already", service_names[svc]);
    want(s, svc, true);
    r = sync_child(s, c, svc, &ei);
    if (r == 0) {
        log_warn("service %s starts: an administrator asked for it", service_names[svc]);
        return ok();
    }
    want(s, svc, false);
    sync_child(s, c, svc, &none);
    return bind_error(r, &ei);
}

static json_t *stop_service(struct services *s, struct child *c, enum service svc)
{
    struct errinfo none = { 0 };

    if (!s->rules.on[svc])
        return reply_error(E_NOTFOUND, "service %s does not run", service_names[svc]);
    want(s, svc, false);
    sync_child(s, c, svc, &none);
    end_sessions(c, svc);
    log_warn("service %s stops: an administrator asked for it", service_names[svc]);
    return ok();
}

/* Addresses that stay are not closed: nobody is refused meanwhile. */
static json_t *restart_service(struct services *s, struct child *c, enum service svc)
{
    struct errinfo ei = { 0 };
    int r;

    if (!s->rules.on[svc])
        return start_service(s, c, svc);
    end_sessions(c, svc);
    r = sync_child(s, c, svc, &ei);
    log_warn("service %s starts again: an administrator asked for it", service_names[svc]);
    return r < 0 ? bind_error(r, &ei) : ok();
}

static json_t *status(struct services *s)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; k < s->children[i].listeners.n; k++) {
            const struct listener *l = &s->children[i].listeners.v[k];
            const struct listener_def *d = &listener_defs[l->def];

            json_array_append_new(rows, json_pack("{s:s, s:s, s:s, s:b, s:b, s:s?}", "setting",
                                                  d->setting, "service", service_names[d->service],
                                                  "address", l->addr, "tls", (int)d->tls, "open",
                                                  l->fd >= 0, "fault", l->fault));
        }
    return json_pack("{s:b, s:o}", "ok", 1, "bindings", rows);
}

static json_t *try_value(struct services *s, json_t *args)
{
    const char *setting = json_string_value(json_object_get(args, "setting"));
    const char *value = json_string_value(json_object_get(args, "value"));
    struct errinfo ei = { 0 };
    struct child *c = NULL;
    int r;

    for (size_t i = 0; setting && i < listener_defs_count; i++)
        if (!strcmp(listener_defs[i].setting, setting))
            c = child_with(s, listener_defs[i].module);
    if (!c || !value)
        return reply_error(E_NOTFOUND, "'%.60s' is no setting of addresses",
                           setting ? setting : "");
    s->privileged(s->arg, true);
    r = listeners_try(&c->listeners, setting, value, &s->rules, &ei);
    s->privileged(s->arg, false);
    return r < 0 ? bind_error(r, &ei) : ok();
}

static bool find_service(json_t *args, enum service *ret)
{
    const char *name = json_string_value(json_object_get(args, "service"));

    for (int i = 0; name && i < SVC_COUNT; i++)
        if (!strcmp(service_names[i], name)) {
            *ret = (enum service)i;
            return true;
        }
    return false;
}

static json_t *act(struct services *s, const char *op, json_t *args)
{
    enum service svc;
    struct child *c;

    if (!find_service(args, &svc) || !has_listeners(svc))
        return reply_error(E_NOTFOUND, "there is no service of this name");
    c = child_of_service(s, svc);
    if (!takes_sockets(c->module))
        return reply_error(E_UNSUPPORTED,
                           "service %s carries the console and this request; restart its module",
                           service_names[svc]);
    if (!strcmp(op, "service.start"))
        return start_service(s, c, svc);
    if (!strcmp(op, "service.stop"))
        return stop_service(s, c, svc);
    if (!strcmp(op, "service.restart"))
        return restart_service(s, c, svc);
    return reply_error(E_NOTFOUND, "the supervisor does not know this request");
}

json_t *services_request(struct services *s, enum module from, struct sv json)
{
    json_t *request = json_loadb(json.p, json.n, 0, NULL), *reply;
    const char *op = json_string_value(json_object_get(request, "op"));
    json_t *args = json_object_get(request, "args");

    if (from != MOD_CONTROL || !op)
        reply = reply_error(E_PERM, "the supervisor answers module control");
    else if (!strcmp(op, "service.status"))
        reply = status(s);
    else if (!strcmp(op, "service.try"))
        reply = try_value(s, args);
    else
        reply = act(s, op, args);
    json_decref(request);
    return reply;
}
