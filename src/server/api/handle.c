/* One request: everything that is the same for all routes, then the handler. */
#include "base/hash.h"
#include "event/event.h"
#include "server/api/api_priv.h"
#include "server/api/feed.h"
#include "server/api/looks.h"
#include "server/api/operations.h"
#include "server/api/rate.h"

struct api *api_new(const struct api_opts *o)
{
    struct api *a = xcalloc(1, sizeof(*a));

    a->o = *o;
    a->log_dir = o->log_dir ? xstrdup(o->log_dir) : NULL;
    a->hostname = xstrdup(o->hostname ? o->hostname : "localhost");
    pthread_mutex_init(&a->lock, NULL);
    pthread_mutex_init(&a->write_lock, NULL);
    a->idempotency = idempotency_new();
    a->looks = looks_new();
    a->token_logins = looks_new();
    a->unsubscribe_rate = rate_new();
    a->feed = feed_new(a);
    a->operations = operations_new(a);
    return a;
}

void api_free(struct api *a)
{
    operations_free(a->operations); /* its thread tells the feed */
    feed_free(a->feed);
    idempotency_free(a->idempotency);
    looks_free(a->looks);
    looks_free(a->token_logins);
    rate_free(a->unsubscribe_rate);
    pthread_mutex_destroy(&a->lock);
    pthread_mutex_destroy(&a->write_lock);
    free(a->log_dir);
    free(a->hostname);
    free(a);
}

void api_set_log_dir(struct api *a, const char *dir)
{
    pthread_mutex_lock(&a->lock);
    free(a->log_dir);
    a->log_dir = dir ? xstrdup(dir) : NULL;
    pthread_mutex_unlock(&a->lock);
}

struct admin *api_admin_of(struct api_call *c)
{
    return c->api->o.admin;
}

bool api_is_write(const struct api_route *r)
{
    return strcmp(r->method, "GET") != 0;
}

static bool find_route(struct api_call *c)
{
    c->params = json_object();
    c->route = api_route_find(c->req->method, c->req->path, c->params, c->res->allow,
                              sizeof(c->res->allow));
    if (c->route) {
        c->res->allow[0] = '\0';
        return true;
    }
    if (*c->res->allow)
        api_fail(c, 405, "method_not_allowed", NULL, "%.20s is not possible here; allowed: %s",
                 c->req->method, c->res->allow);
    else
        api_fail(c, 404, "no_such_path", NULL,
                 "there is nothing at " API_PREFIX "%.*s; " API_PREFIX
                 "/openapi.json lists all paths",
                 (int)MIN(c->req->path.n, (size_t)200), c->req->path.p);
    return false;
}

bool api_needs_scope(struct api_call *c, enum api_scope scope)
{
    if (c->caller->scopes & SCOPE_BIT(scope))
        return true;
    api_fail(c, 403, "missing_scope", NULL, "%s needs the scope %s", c->caller->who,
             api_scope_names[scope]);
    return false;
}

static bool check_caller(struct api_call *c)
{
    enum api_scope scope = c->route->scope;

    if (scope == SCOPE_PUBLIC)
        return true;
    if (!c->caller) {
        api_fail(c, 401, "not_signed_in", NULL,
                 "sign in with POST " API_PREFIX "/login, or send a token: Authorization: Bearer");
        return false;
    }
    if (!api_needs_scope(c, scope))
        return false;
    if (api_is_write(c->route) && c->caller->proof == PROOF_SESSION && !c->caller->csrf_ok) {
        api_fail(c, 403, "csrf", NULL,
                 "changes need the header X-CSRF-Token with csrf_token of GET " API_PREFIX
                 "/me, and an Origin of this server");
        return false;
    }
    return true;
}

static void put_etag(struct api_response *res)
{
    snprintf(res->etag, sizeof(res->etag), "\"%016" PRIx64 "\"", fnv1a64(res->body.p, res->body.n));
}

/* Is tag one of the header's ("a", "b" or *)? */
static bool tag_in(const char *header, const char *tag)
{
    struct sv rest = sv_c(header);

    while (rest.p) {
        struct sv t = sv_trim(sv_split(&rest, ','));

        if (sv_starts(t, SV("W/")))
            t = sv_skip(t, 2);
        if (sv_eq(t, SV("*")) || sv_eq(t, sv_c(tag)))
            return true;
    }
    return false;
}

/* The ETag that GET on the same path would give now, "" when it fails. */
static void current_etag(struct api_call *c, char ret[24])
{
    struct api_response now;
    struct api_call get = *c;
    char allow[48];

    ret[0] = '\0';
    api_response_init(&now);
    get.route = api_route_find("GET", c->req->path, NULL, allow, sizeof(allow));
    if (get.route && get.route->flags & ROUTE_ETAG) {
        get.res = &now;
        get.query = json_object();
        get.body = NULL;
        get.dry_run = false;
        get.route->run(&get);
        json_decref(get.query);
        if (now.status == 200) {
            put_etag(&now);
            memcpy(ret, now.etag, sizeof(now.etag));
        }
    }
    api_response_done(&now);
}

static bool check_if_match(struct api_call *c)
{
    char etag[24];

    if (!c->req->if_match)
        return true;
    current_etag(c, etag);
    if (*etag && tag_in(c->req->if_match, etag))
        return true;
    api_fail(c, 412, "changed_meanwhile", NULL,
             "it is not what If-Match names any more; read it again and apply the change to that");
    return false;
}

/* ?fields=a,b: items keep those only. */
static void cut_fields(struct api_call *c)
{
    const char *want = api_query(c, "fields");
    json_error_t je;
    json_t *page, *item, *kept;
    size_t i;

    if (!want || c->res->status != 200)
        return;
    page = json_loadb(c->res->body.p, c->res->body.n, 0, &je);
    json_array_foreach(json_object_get(page, "items"), i, item)
    {
        struct sv rest = sv_c(want);

        kept = json_object();
        while (rest.p) {
            struct sv name = sv_trim(sv_split(&rest, ','));
            json_t *v = name.n ? json_object_getn(item, name.p, name.n) : NULL;

            if (v)
                json_object_setn(kept, name.p, name.n, v);
        }
        json_array_set_new(json_object_get(page, "items"), i, kept);
    }
    api_reply(c, 200, page);
}

/* A look into what belongs to somebody else is recorded before it is given. */
static bool audit_look(struct api_call *c)
{
    char object[400];
    const char *name;
    json_t *v;
    size_t n = (size_t)snprintf(object, sizeof(object), "%s", c->route->id);

    json_object_foreach(c->params, name, v) n += (size_t)snprintf(
        object + n, n < sizeof(object) ? sizeof(object) - n : 0, " %.120s", json_string_value(v));
    if (api_query(c, "cursor") && looks_has(c->api->looks, c->caller->who, object))
        return true; /* the next page of it */
    if (!api_audit(c, object, "looked at", c->req->peer))
        return false;
    looks_add(c->api->looks, c->caller->who, object);
    return true;
}

static void run_write(struct api_call *c)
{
    bool once = c->route->flags & ROUTE_IDEMPOTENT && c->req->idempotency_key && !c->dry_run;
    bool matched = c->route->flags & ROUTE_IF_MATCH;

    if (once && !idempotency_begin(c, c->api->idempotency))
        return;
    if (matched)
        pthread_mutex_lock(&c->api->write_lock);
    if (!matched || check_if_match(c))
        c->route->run(c);
    if (matched)
        pthread_mutex_unlock(&c->api->write_lock);
    if (once)
        idempotency_end(c, c->api->idempotency);
}

static void run_read(struct api_call *c)
{
    if (c->route->flags & ROUTE_LOOKS && !audit_look(c))
        return;
    c->route->run(c);
    if (c->route->flags & ROUTE_PAGED)
        cut_fields(c);
    if (!(c->route->flags & ROUTE_ETAG) || c->res->status != 200)
        return;
    put_etag(c->res);
    if (c->req->if_none_match && tag_in(c->req->if_none_match, c->res->etag)) {
        c->res->status = 304;
        c->res->type = NULL;
        buf_reset(&c->res->body);
    }
}

/* Who asks for what is not his is told to those who watch. */
static void tell_denied(const struct api_call *c)
{
    _cleanup_(freep) char *what =
        xasprintf("%.10s " API_PREFIX SV_FMT, c->req->method, SV_ARG(sv_take(c->req->path, 300)));

    event(access_denied, log_here(), F_STR(admin, c->caller ? c->caller->who : "nobody"),
          F_STR(what, what));
}

void api_handle(struct api *a, const struct api_request *req, struct api_response *res)
{
    struct api_call c = { .api = a, .req = req, .caller = req->caller, .res = res };

    api_response_init(res);
    if (find_route(&c) && check_caller(&c) && api_read_query(&c) && api_read_body(&c)) {
        if (api_is_write(c.route))
            run_write(&c);
        else
            run_read(&c);
    }
    if (c.route && api_is_write(c.route) && res->status < 300 && !c.dry_run)
        feed_recheck(a->feed);
    if (res->status == 403 && c.route && c.route->scope != SCOPE_PUBLIC)
        tell_denied(&c);
    json_decref(c.params);
    json_decref(c.query);
    json_decref(c.body);
}
