/* What needs the running server: sessions, statistics. */
#include "admin/admin_priv.h"

#include "event/event.h"

#define MAX_ROWS 5000

struct sessions {
    json_t *rows;
    size_t total;
    struct sv filter;
};

static bool add_session(const struct shm_session_info *s, void *arg)
{
    struct sessions *l = arg;
    char id[16], doing[sizeof(s->state) + 1 + sizeof(s->about)];
    bool of_web = s->service == SVC_CONTROL;

    if (of_web && (!l->filter.n || !sv_ieq(l->filter, sv_c(service_names[SVC_CONTROL]))))
        return true; /* consoles would be between all others; they are there by their name */
    if (l->filter.n && sv_ifind_sv(sv_c(s->peer), l->filter) < 0 &&
        sv_ifind_sv(sv_c(s->account), l->filter) < 0 &&
        sv_ifind_sv(sv_c(service_names[s->service]), l->filter) < 0)
        return true;
    snprintf(id, sizeof(id), "%08" PRIX32, s->id);
    snprintf(doing, sizeof(doing), "%s%s%s", s->state, *s->about ? " " : "", s->about);
    if (l->total++ < MAX_ROWS)
        json_array_append_new(
            l->rows,
            json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:b, s:I, s:I, s:I, s:I}", "id", id,
                      "service", service_names[s->service], "peer", s->peer, "local", s->local,
                      "account", admin_text(s->account), "state", admin_text(doing), "tls",
                      (int)s->tls, "started_ms", (json_int_t)s->started_ms, "active_ms",
                      (json_int_t)s->active_ms, "bytes_in", (json_int_t)s->bytes_in, "bytes_out",
                      (json_int_t)s->bytes_out));
    return true;
}

static json_t *not_running(void)
{
    return admin_error(E_CLOSED, "the server is not running; start it with `posthorn serve`");
}

static json_t *list_sessions(const struct admin_call *c)
{
    const char *f = admin_arg(c, "filter");
    struct sessions l = { .filter = sv_c(f ? f : "") };

    if (!c->a->shm)
        return not_running();
    l.rows = json_array();
    shm_session_each(c->a->shm, add_session, &l);
    return json_pack("{s:b, s:I, s:o}", "ok", 1, "total", (json_int_t)l.total, "rows", l.rows);
}

/* The id as the session list and the log show it: hex digits. */
static bool parse_id(const char *text, json_int_t *ret)
{
    size_t n = strlen(text);

    if (n == 0 || n > 8 || strspn(text, "0123456789abcdefABCDEF") != n)
        return false;
    *ret = (json_int_t)strtoul(text, NULL, 16);
    return true;
}

static json_t *kill_session(const struct admin_call *c)
{
    static const enum module with_sessions[] = { MOD_SMTP, MOD_ACCESS, MOD_CONTROL };
    const char *text = admin_arg(c, "id");
    json_int_t id;

    if (!parse_id(text, &id))
        return admin_error(
            E_PARSE, "id: '%.40s' is not a session id; `posthorn tool sessions` lists them", text);
    if (!c->a->ask)
        return not_running();
    if (c->a->dry_run)
        return admin_ok();
    for (size_t i = 0; i < ARRAY_LEN(with_sessions); i++) {
        json_t *args = json_pack("{s:I}", "id", id);
        json_t *reply = c->a->ask(c->a->arg, with_sessions[i], "session.kill", args);

        json_decref(args);
        if (json_object_get(reply, "ok")) {
            struct logctx killed = { .type = LOG_ERRORS,
                                     .id = (uint32_t)id,
                                     .session = shm_session_key((uint32_t)id) };
            event(session_killed, &killed, F_STR(admin, c->who));
            return reply;
        }
        json_decref(reply);
    }
    return admin_error(E_NOTFOUND, "no session '%s'; `posthorn tool sessions` lists them", text);
}

static json_t *list_counters(const struct admin_call *c)
{
    json_t *rows;

    if (!c->a->shm)
        return not_running();
    rows = json_array();
    for (int i = 0; i < CTR_COUNT; i++)
        json_array_append_new(rows, json_pack("{s:s, s:I, s:s}", "name", counter_names[i], "value",
                                              (json_int_t)ctr_get(c->a->shm, (enum counter)i),
                                              "help", counter_helps[i]));
    return json_pack("{s:b, s:o}", "ok", 1, "rows", rows);
}

/* Also for what was changed behind the server's back: certificates, rows of the database. */
static json_t *reload(const struct admin_call *c)
{
    struct errinfo ei = { 0 };

    if (!c->a->changed)
        return not_running();
    if (c->a->dry_run)
        return admin_ok();
    epoch_bump(EPOCH_SETTINGS);
    return admin_result(c->a->changed(c->a->arg, &ei), &ei);
}

static json_t *operations(const struct admin_call *c _unused_)
{
    return json_pack("{s:b, s:o}", "ok", 1, "rows", admin_describe());
}

const struct admin_op admin_server_ops[] = {
    { "session.list", "[filter]", "Live sessions of all services.", list_sessions },
    { "session.kill", "id", "Ends a session at once.", kill_session },
    { "stats.list", "", "Counters since the start.", list_counters },
    { "server.reload", "", "Settings and certificates are read again.", reload },
    { "operations", "", "All operations.", operations },
    { 0 },
};
