/* Where one has signed in oneself: consoles, and programs that are connected. */
#include "admin/session_find.h"
#include "conf/conf.h"
#include "mail/account/web_auth.h"
#include "server/api/api_priv.h"
#include "server/api/page.h"
#include "server/api/self.h"
#include "server/api/session.h"

/* --- consoles --- */

#define ID_DIGITS 16 /* of the hash: names it, and is of no use to anybody else */

static const struct api_field console_fields[] = {
    { "id", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "current", API_BOOL, API_REQUIRED, 0, 0, NULL, NULL, "By which this is asked." },
    { "peer", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Address at signing in." },
    { "agent", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "What the browser calls itself." },
    { "started_at", API_TIME, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "used_at", API_TIME, API_REQUIRED, 0, 0, NULL, NULL, "To the minute." },
    { "expires_at", API_TIME, API_REQUIRED, 0, 0, NULL, NULL, "At the latest." },
    { 0 },
};
static const struct api_schema console_schema = { "OwnConsole", "A signed-in console.",
                                                  console_fields };

struct consoles {
    struct api_call *c;
    json_t *items;
    const char *id; /* that is looked for; NULL = all */
    char hash[WEB_SECRET];
};

static bool add_console(const struct web_session *s, void *arg)
{
    struct consoles *l = arg;

    json_array_append_new(l->items,
                          json_pack("{s:s%, s:b, s:o, s:o, s:o, s:o, s:o}", "id", s->hash,
                                    ID_DIGITS, "current", !strcmp(s->hash, l->c->caller->session),
                                    "peer", api_text(s->peer), "agent", api_text(s->agent),
                                    "started_at", api_time(s->created_ms), "used_at",
                                    api_time(s->seen_ms), "expires_at", api_time(s->expires_ms)));
    return true;
}

static bool is_console(const struct web_session *s, void *arg)
{
    struct consoles *l = arg;

    if (strlen(l->id) == ID_DIGITS && !strncmp(s->hash, l->id, ID_DIGITS))
        memcpy(l->hash, s->hash, sizeof(l->hash));
    return !*l->hash;
}

static int each(struct consoles *l, bool (*fn)(const struct web_session *s, void *arg),
                struct errinfo *ei)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();

    return web_session_each(api_admin_of(l->c)->accounts, l->c->caller->account_id,
                            cf->web.session_idle, fn, l, ei);
}

static void list_consoles(struct api_call *c)
{
    struct consoles l = { .c = c };
    struct errinfo ei = { 0 };
    int r;

    if (!api_has_account(c))
        return;
    l.items = json_array();
    r = each(&l, add_console, &ei);
    if (r == 0) {
        api_page_of(c, l.items, "id", true);
    } else {
        json_decref(l.items);
        api_fail_err(c, r, ei.text);
    }
}

static void end_console(struct api_call *c)
{
    struct consoles l = { .c = c, .id = api_param(c, "id") };
    struct errinfo ei = { 0 };
    char object[400];
    int r;

    if (!api_is_himself(c))
        return;
    r = each(&l, is_console, &ei);
    if (r == 0 && !*l.hash) {
        api_fail_gone(c, "console", l.id);
        return;
    }
    snprintf(object, sizeof(object), "account %.350s", c->caller->who);
    if (r == 0 && !api_audit(c, object, "console ended", l.id))
        return;
    if (r == 0)
        r = web_session_end(api_admin_of(c)->accounts, l.hash, &ei);
    if (r < 0) {
        api_fail_err(c, r, ei.text);
        return;
    }
    if (!strcmp(l.hash, c->caller->session))
        c->res->effect = API_EFFECT_SIGNED_OUT;
    api_reply(c, 204, NULL);
}

/* --- programs --- */

/* Of oneself one sees the whole address, and may end all. */
static struct api_caller plain(const struct api_caller *who)
{
    struct api_caller own = *who;

    own.role = ROLE_SYSTEM_ADMIN;
    own.scopes |= SCOPE_BIT(SCOPE_SESSIONS_WRITE);
    return own;
}

static bool is_mine(const struct api_call *c, const struct shm_session_info *s)
{
    return s->service != SVC_CONTROL && sv_ieq(sv_c(s->account), sv_c(c->caller->who));
}

static bool add_session(const struct shm_session_info *s, void *arg)
{
    struct api_page *page = arg;
    struct api_key k = { .n = -s->started_ms };

    if (!is_mine(page->c, s))
        return true;
    snprintf(k.id, sizeof(k.id), "%016" PRIX64, api_session_key(s));
    api_page_add(page, &k, s);
    return true;
}

static json_t *row(struct api_call *c, const void *payload)
{
    const struct shm_session_info *s = payload;
    const struct api_caller own = plain(c->caller);

    return api_session_json(&own, s);
}

static bool running(struct api_call *c)
{
    if (api_admin_of(c)->shm)
        return true;
    api_fail_err(c, E_CLOSED, "the server is not running; start it with `posthorn serve`");
    return false;
}

static void list_sessions(struct api_call *c)
{
    struct api_page page;

    if (!api_has_account(c) || !running(c) ||
        !api_page_begin(&page, c, sizeof(struct shm_session_info), "age"))
        return;
    shm_session_each(api_admin_of(c)->shm, add_session, &page);
    api_page_end(&page, row);
}

struct lookup {
    struct api_call *c;
    uint64_t key;
    bool found;
    struct shm_session_info info;
};

static bool look(const struct shm_session_info *s, void *arg)
{
    struct lookup *l = arg;

    l->found = api_session_key(s) == l->key && is_mine(l->c, s);
    if (l->found)
        l->info = *s;
    return !l->found;
}

static void end_session(struct api_call *c)
{
    const char *id = api_param(c, "id");
    struct lookup l = { .c = c };

    if (!api_is_himself(c) || !running(c))
        return;
    if (strlen(id) == 16 && session_parse(id, &l.key))
        shm_session_each(api_admin_of(c)->shm, look, &l);
    if (l.found)
        api_session_end(c, &l.info);
    else
        api_fail_gone(c, "session", id);
}

const struct api_route api_self_session_routes[] = {
    { .method = "GET",
      .path = "/self/consoles",
      .scope = SCOPE_SELF,
      .flags = ROUTE_PAGED,
      .id = "listOwnConsoles",
      .status = 200,
      .response = &console_schema,
      .run = list_consoles,
      .help = "Consoles in which the caller is signed in, the newest first." },
    { .method = "DELETE",
      .path = "/self/consoles/{id}",
      .scope = SCOPE_SELF,
      .id = "endOwnConsole",
      .status = 204,
      .run = end_console,
      .help = "Signs one of them out." },
    { .method = "GET",
      .path = "/self/sessions",
      .scope = SCOPE_SELF,
      .flags = ROUTE_PAGED,
      .id = "listOwnSessions",
      .status = 200,
      .response = &api_session_schema,
      .run = list_sessions,
      .help = "Connections of the caller's mail programs, the newest first." },
    { .method = "DELETE",
      .path = "/self/sessions/{id}",
      .scope = SCOPE_SELF,
      .id = "endOwnSession",
      .status = 204,
      .run = end_session,
      .help = "Ends one of them at once." },
    { 0 },
};
