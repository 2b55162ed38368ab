/* The common life of a module process. Main thread: waits for events (reload, drain, requests) that
 * the link's thread puts into a small queue, and beats the heart. */
#include "proc/module.h"

#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/list.h"
#include "event/event.h"
#include "net/dns.h"
#include "net/tls.h"
#include "os/memory.h"
#include "os/proc.h"
#include "os/sandbox.h"
#include "proc/aside.h"
#include "proc/listeners.h"

#define DRAIN_MS     20000
#define LOST_MS      2000 /* to finish after the supervisor's end: its successor waits for us */
#define MAX_EVENTS   1000
#define HEARTBEAT_MS 1000
#define DB_IDLE_MS   10000

struct event {
    struct list node;
    enum ipc_type type;
    enum module from;
    uint32_t id;
    int fd; /* of IPC_LISTEN */
    char *json;
};

/* One per process. */
static struct {
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t changed;
    struct list events;
    unsigned n;
    bool drain, lost;
    struct module_ctx *module;
} life = { .lock = PTHREAD_MUTEX_INITIALIZER };

json_t *reply_error(int code, const char *fmt, ...)
{
    char text[300];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return json_pack("{s:{s:i, s:s}}", "error", "code", code, "text", text);
}

static void on_msg(void *arg, const struct ipc_msg *m)
{
    struct module_ctx *ctx = arg;

    if (m->type == IPC_MAILBOX) {
        if (ctx->def->hint)
            ctx->def->hint(ctx, m);
        return;
    }
    pthread_mutex_lock(&life.lock);
    if (m->type == IPC_DRAIN) {
        life.drain = true;
    } else if (m->type == IPC_LISTEN && m->payload.n != sizeof(struct ipc_listen)) {
        closep(&(int){ m->fd });
    } else if (life.n < MAX_EVENTS || m->type == IPC_LISTEN) {
        struct event *e = xcalloc(1, sizeof(*e));

        e->type = m->type;
        e->fd = m->fd;
        e->from = m->from;
        e->id = m->id;
        e->json = sv_dup(m->payload);
        list_add_tail(&life.events, &e->node);
        life.n++;
    }
    pthread_cond_signal(&life.changed);
    pthread_mutex_unlock(&life.lock);
}

static void on_lost(void *arg _unused_)
{
    pthread_mutex_lock(&life.lock);
    life.drain = life.lost = true;
    pthread_cond_signal(&life.changed);
    pthread_mutex_unlock(&life.lock);
}

/* The next event, or NULL after a heartbeat's time or when draining. */
static struct event *next_event(bool *ret_drain)
{
    struct event *e = NULL;
    struct timespec until = deadline_in(HEARTBEAT_MS);

    pthread_mutex_lock(&life.lock);
    while (list_empty(&life.events) && !life.drain)
        if (!deadline_wait(&life.changed, &life.lock, &until))
            break;
    if (!list_empty(&life.events)) {
        e = container_of(life.events.next, struct event, node);
        list_del(&e->node);
        life.n--;
    }
    *ret_drain = life.drain && !e;
    pthread_mutex_unlock(&life.lock);
    return e;
}

static void reload(struct module_ctx *m)
{
    _cleanup_(freep) char *certs = boot_path(&m->boot, "certs");
    uint64_t epoch = epoch_get(EPOCH_SETTINGS); /* first: what changes now is read once more */
    bool said = m->stale;
    struct errinfo ei;

    m->stale = boot_load_settings(m->db, &ei) < 0;
    if (m->stale) { /* the next heartbeat tries again */
        if (!said)
            log_error("module %s: settings were not reloaded: %s", module_names[m->def->self],
                      ei.text);
        return;
    }
    if (m->net) {
        _cleanup_(conf_unrefp) const struct conf *c = conf_pin();

        if (c->net.tls && tls_load(certs, &ei) < 0)
            log_error("certificates were not reloaded: %s", ei.text);
        net_reload(m->net);
    }
    if (dns_configure(&ei) < 0)
        log_error("DNS servers were not reloaded: %s", ei.text);
    if (m->def->reload)
        m->def->reload(m);
    applied_set(epoch);
}

static void catch_up(struct module_ctx *m)
{
    if (applied_get(m->def->self) != epoch_get(EPOCH_SETTINGS))
        reload(m);
}

/* Before the first connection: from now on administrators wait for this module. A change since the
 * settings were read that did not wait for it yet is seen here (applied_set). */
static void begin_to_serve(struct module_ctx *m)
{
    if (!applied_get(m->def->self))
        applied_set(m->settings_epoch);
    catch_up(m);
}

/* The module ends as if it were told to drain; the supervisor starts it again. */
static json_t *restart(struct module_ctx *m)
{
    log_warn("module %s starts again: an administrator asked for it", module_names[m->def->self]);
    pthread_mutex_lock(&life.lock);
    life.drain = true;
    pthread_cond_signal(&life.changed);
    pthread_mutex_unlock(&life.lock);
    return json_pack("{s:b}", "ok", 1);
}

/* Requests that every module understands. */
static json_t *common_request(struct module_ctx *m, const char *op, json_t *args)
{
    if (!strcmp(op, "module.restart"))
        return restart(m);
    if (!strcmp(op, "events.flush")) {
        event_flush();
        return json_pack("{s:b}", "ok", 1);
    }
    if (!strcmp(op, "module.status"))
        return json_pack("{s:b, s:I, s:I, s:I, s:I, s:I}", "ok", 1, "pid", (json_int_t)getpid(),
                         "started_ms", (json_int_t)m->started_ms, "memory",
                         (json_int_t)os_memory_resident(), "memory_allocated",
                         (json_int_t)os_memory_allocated(), "memory_peak",
                         (json_int_t)os_memory_peak());
    if (m->net && !strcmp(op, "session.kill")) {
        json_int_t id = json_integer_value(json_object_get(args, "id"));
        int r = conn_kill_id((uint32_t)id);

        if (r == 0)
            return json_pack("{s:b}", "ok", 1);
    }
    return NULL;
}

static void answer(struct module_ctx *m, const struct event *e)
{
    json_error_t je;
    json_t *req = json_loads(e->json, 0, &je), *reply = NULL;
    const char *op = json_string_value(json_object_get(req, "op"));
    json_t *args = json_object_get(req, "args");
    struct ipc_msg msg = { .type = IPC_REQUEST, .from = e->from, .id = e->id };
    char *text;

    if (op) {
        reply = common_request(m, op, args);
        if (!reply && m->def->request)
            reply = m->def->request(m, op, args);
    }
    if (!reply)
        reply = reply_error(E_NOTFOUND, "module %s does not know '%s'", module_names[m->def->self],
                            op ? op : "");
    text = json_dumps(reply, JSON_COMPACT);
    ipc_reply(m->ipc, &msg, sv_c(text ? text : "{}"));
    free(text);
    json_decref(reply);
    json_decref(req);
}

struct later {
    struct module_ctx *m;
    struct event *e;
};

static void free_event(struct event *e)
{
    free(e->json);
    free(e);
}

static void answer_later(void *arg)
{
    struct later *l = arg;

    answer(l->m, l->e);
    free_event(l->e);
    free(l);
}

/* Takes e. */
static void take_request(struct module_ctx *m, struct event *e)
{
    json_error_t je;
    json_t *req = json_loads(e->json, 0, &je);
    const char *op = json_string_value(json_object_get(req, "op"));
    bool takes_long = op && m->def->takes_long && m->def->takes_long(op);
    struct later *l = takes_long ? xcalloc(1, sizeof(*l)) : NULL;

    json_decref(req);
    if (l) {
        *l = (struct later){ m, e };
        if (aside_run(m->aside, answer_later, l))
            return;
        free(l); /* many wait: this one is as slow as they */
    }
    answer(m, e);
    free_event(e);
}

static void take_socket(struct module_ctx *m, const struct event *e)
{
    struct ipc_listen what;

    if (e->fd < 0)
        return;
    memcpy(&what, e->json, sizeof(what));
    serving_take(m, what.def, e->fd);
}

static void serve(struct module_ctx *m)
{
    int64_t beat = 0;

    for (;;) {
        bool drain;
        struct event *e = next_event(&drain);

        if (drain)
            return;
        if (clock_mono_ms() - beat >= HEARTBEAT_MS) {
            beat = clock_mono_ms();
            ipc_send(m->ipc, MOD_SUPERVISOR, IPC_HEARTBEAT, 0, false, SV_NULL);
            if (db_tidy(m->db, DB_IDLE_MS))
                os_memory_freed();
            os_memory_tick();
            catch_up(m); /* when the hint was lost */
            event_tick();
            if (m->def->tick)
                m->def->tick(m);
        }
        serving_tick(m);
        if (!e)
            continue;
        if (e->type == IPC_RELOAD)
            catch_up(m);
        if (e->type == IPC_REQUEST) {
            take_request(m, e);
            continue;
        }
        if (e->type == IPC_LISTEN)
            take_socket(m, e);
        free_event(e);
    }
}

static int inherit(struct module_ctx *m, struct errinfo *ei)
{
    const char *text = getenv("POSTHORN_MODULE"), *data, *dsn, *user;
    json_error_t je;
    int ipc_fd, log_fd, shm_fd, events_fd, lock_fd, r;
    struct shm *shm;

    m->inherited = text ? json_loads(text, 0, &je) : NULL;
    if (!m->inherited ||
        json_unpack(m->inherited, "{s:i, s:i, s:i, s:i, s:i, s:s, s:s, s:s}", "ipc", &ipc_fd, "log",
                    &log_fd, "shm", &shm_fd, "events", &events_fd, "lock", &lock_fd, "data", &data,
                    "dsn", &dsn, "user", &user) < 0)
        return err_set(ei, E_PARSE, "modules are started by `posthorn serve`, not by hand");
    unsetenv("POSTHORN_MODULE"); /* the database's name may hold a password */
    r = shm_attach(shm_fd, &shm, ei);
    if (r < 0)
        return r;
    shm_use(shm, m->def->self);
    os_set_cloexec(ipc_fd, true);
    os_set_cloexec(log_fd, true);
    os_set_cloexec(events_fd, true);
    os_set_cloexec(lock_fd, true); /* stays open: it says that we live */
    log_attach(log_fd);
    if (*user && (r = os_drop_privileges(user, ei)) < 0)
        return r;
    r = boot_init(&m->boot, data, dsn, ei);
    if (r < 0)
        return r;
    free(m->boot.user);
    m->boot.user = xstrdup(user);
    r = event_start(m->boot.data, m->def->self, events_fd, ei);
    return r < 0 ? r : ipc_fd;
}

static int begin(struct module_ctx *m, struct errinfo *ei)
{
    static const struct ipc_ops ops = { on_msg, on_lost };
    _cleanup_(freep) char *certs = NULL;
    int r, ipc_fd = inherit(m, ei);

    if (ipc_fd < 0)
        return ipc_fd;
    certs = boot_path(&m->boot, "certs");
    m->settings_epoch = epoch_get(EPOCH_SETTINGS); /* before they are read */
    r = boot_open_db(&m->boot, &m->db, ei);
    if (r == 0)
        r = accounts_open(m->db, &m->accounts, ei);
    if (r == 0 && m->def->prepare)
        m->def->prepare();
    if (r == 0)
        r = ipc_open(ipc_fd, m->def->self, &ops, m, &m->ipc);
    if (r < 0)
        return r;
    {
        _cleanup_(conf_unrefp) const struct conf *c = conf_pin();

        if (c->net.tls && tls_load(certs, ei) < 0)
            log_error("%s; TLS is not offered", ei->text);
    }
    if (dns_configure(ei) < 0)
        log_error("%s", ei->text);
    r = os_sandbox(false, ei); /* nobody is served without it */
    return r < 0 ? r : m->def->start(m, ei);
}

static int64_t stop_deadline_ms(void)
{
    pthread_mutex_lock(&life.lock);
    int64_t ms = life.lost ? LOST_MS : DRAIN_MS;
    pthread_mutex_unlock(&life.lock);
    return ms;
}

int module_main(const struct module_def *def)
{
    struct module_ctx m = { .def = def, .started_ms = clock_wall_ms() };
    struct errinfo ei = { 0 };

    m.aside = aside_new();
    os_memory_init();
    list_init(&life.events);
    pthread_cond_init(&life.changed, NULL);
    signal(SIGPIPE, SIG_IGN);
    os_raise_nofile();
    if (begin(&m, &ei) < 0) {
        log_error("module %s cannot start: %s", module_names[def->self], ei.text);
        event_flush();
        log_flush();
        fprintf(stderr, "posthorn: module %s cannot start: %s\n", module_names[def->self], ei.text);
        _exit(1); /* threads may run already, and use what an orderly end would free */
    }
    begin_to_serve(&m);
    ipc_send(m.ipc, MOD_SUPERVISOR, IPC_READY, 0, false, SV_NULL);
    serve(&m);
    applied_set(0);
    atomic_store(&m.ending, true);
    aside_free(m.aside);
    def->stop(&m, stop_deadline_ms());
    ipc_close(m.ipc);
    accounts_close(m.accounts);
    db_close(m.db);
    json_decref(m.inherited);
    event_stop();
    boot_done(&m.boot);
    log_flush();
    return 0;
}

int module_each_socket(struct module_ctx *m, enum service svc,
                       int (*fn)(void *arg, int fd, bool tls, struct errinfo *ei), void *arg,
                       struct errinfo *ei)
{
    json_t *list = json_object_get(m->inherited, "listen"), *item;
    size_t i;

    begin_to_serve(m);
    json_array_foreach(list, i, item)
    {
        int fd = (int)json_integer_value(json_object_get(item, "fd"));
        size_t def = (size_t)json_integer_value(json_object_get(item, "def"));
        int r;

        if (def >= listener_defs_count || listener_defs[def].service != svc)
            continue;
        os_set_cloexec(fd, true);
        r = fn(arg, fd, listener_defs[def].tls, ei);
        if (r < 0)
            return r;
    }
    return 0;
}
