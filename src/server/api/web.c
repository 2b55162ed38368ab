/* Who sends a request: a bearer token, or the session cookie, which changes things only together
 * with the CSRF token and from our own pages. */
#include "server/api/web.h"

#include <openssl/crypto.h>

#include "base/clock.h"
#include "conf/conf.h"
#include "event/event.h"
#include "log/log.h"
#include "mail/account/auth.h"
#include "server/api/api_priv.h"
#include "server/api/auth.h"
#include "server/api/looks.h"
#include "server/api/unsubscribe_page.h"
#include "stats/shm.h"

/* A cookie with the prefix cannot be planted from plain HTTP or a sibling domain. */
#define COOKIE     "posthorn"
#define COOKIE_TLS "__Host-posthorn"

#define ANONYMOUS_BODY_MAX ((size_t)8 * KiB) /* as much as signing in takes */

bool api_origin_is_own(const char *origin, const char *fetch_site, const char *host, bool tls)
{
    struct sv o = sv_c(origin), scheme = tls ? SV("https://") : SV("http://");

    if (fetch_site && strcmp(fetch_site, "same-origin") != 0 && strcmp(fetch_site, "none") != 0)
        return false;
    if (!origin)
        return true;
    return host && sv_starts(o, scheme) && sv_ieq(sv_skip(o, scheme.n), sv_c(host));
}

/* Pages read by themselves too, and keep a stream: that is not somebody who works with the console.
 */
static bool is_use(const struct http_request *h)
{
    return !http_header(h, "X-Background") && !sv_eq(h->path, SV(API_PREFIX "/events"));
}

struct sv api_cookie(const char *header, const char *name)
{
    struct sv rest = sv_c(header);

    while (header && rest.p) {
        struct sv value = sv_trim(sv_split(&rest, ';')), key = sv_split(&value, '=');

        if (value.p && sv_eq(key, sv_c(name)))
            return value;
    }
    return SV_NULL;
}

/* Before anything is looked up: does the request carry what could be a token or a session? */
static bool carries_proof(const struct http_request *h)
{
    const char *auth = http_header(h, "Authorization");

    return (auth && sv_istarts(sv_c(auth), SV("Bearer "))) ||
           api_cookie(http_header(h, "Cookie"), h->tls ? COOKIE_TLS : COOKIE).p;
}

static size_t body_max(void *arg _unused_, const struct http_request *h)
{
    size_t max;

    if (!sv_starts(h->path, SV(API_PREFIX "/")))
        return 0;
    max = api_body_max(h->method, sv_skip(h->path, strlen(API_PREFIX)));
    return carries_proof(h) ? max : MIN(max, ANONYMOUS_BODY_MAX);
}

/* Text of an unknown bearer token counts like a wrong password does: it costs time. */
static bool refuse_token(struct api_response *res, int r)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();

    if (r == E_NOTFOUND || r == E_PERM || r == E_PARSE) {
        event(auth_failed, log_here(), F_STR(proto, API_AUTH_SERVICE), F_ADDR(user, "token"),
              F_INT(method, AUTH_TOKEN),
              F_STR(reason, r == E_PERM ? "the token's account is disabled"
                                        : "the token is unknown, has expired or been withdrawn"));
        api_problem(res, 401, "invalid_token",
                    "the token is unknown, has expired or been withdrawn");
        res->delay_ms = cf->auth.failure_delay;
    } else {
        api_problem(res, 503, "try_again", "the token cannot be checked now");
    }
    return false;
}

/* A program that works signs in with each request: told once in ten minutes per address. */
static void tell_token_login(struct api *a, const struct http_request *h,
                             const struct api_caller *who)
{
    if (looks_has(a->token_logins, who->session, h->peer))
        return;
    looks_add(a->token_logins, who->session, h->peer);
    event(auth_succeeded, log_here(), F_STR(proto, API_AUTH_SERVICE), F_ADDR(user, who->who),
          F_INT(method, AUTH_TOKEN));
}

/* False: answered in res. *ret NULL: nobody has signed in. */
static bool find_caller(struct api *a, const struct http_request *h, struct api_caller **ret,
                        struct api_response *res)
{
    struct accounts *acc = a->o.admin->accounts;
    const char *auth = http_header(h, "Authorization"), *csrf = http_header(h, "X-CSRF-Token");
    struct sv cookie;
    int r;

    if (auth) {
        if (!sv_istarts(sv_c(auth), SV("Bearer "))) {
            api_problem(res, 401, "unknown_scheme", "Authorization: only Bearer is understood");
            return false;
        }
        r = api_caller_token(acc, sv_trim(sv_skip(sv_c(auth), 7)), ret, NULL);
        if (r < 0)
            return refuse_token(res, r);
        tell_token_login(a, h, *ret);
        return true;
    }
    cookie = api_cookie(http_header(h, "Cookie"), h->tls ? COOKIE_TLS : COOKIE);
    if (!cookie.p)
        return true;
    r = api_caller_session(acc, cookie, is_use(h), ret, NULL);
    if (r < 0 && r != E_NOTFOUND && r != E_PERM) {
        api_problem(res, 503, "try_again", "the session cannot be checked now");
        return false;
    }
    if (r == 0)
        (*ret)->csrf_ok = csrf && strlen(csrf) == strlen((*ret)->csrf) &&
                          CRYPTO_memcmp(csrf, (*ret)->csrf, strlen(csrf)) == 0;
    return true;
}

static void set_cookie(struct buf *headers, const char *secret, bool tls)
{
    buf_addf(headers, "Set-Cookie: %s=%s; Path=/; HttpOnly; SameSite=Strict%s%s\n",
             tls ? COOKIE_TLS : COOKIE, secret, tls ? "; Secure" : "",
             *secret ? "" : "; Max-Age=0");
}

static ssize_t read_stream(void *s, char *ret, size_t cap, void (*wait)(void *))
{
    return api_stream_read(s, ret, cap, wait);
}

static void on_ready(void *s, void (*wake)(void *), void *arg)
{
    api_stream_on_ready(s, wake, arg);
}

static void free_stream(void *s)
{
    api_stream_free(s);
}

static void hand_over(const struct http_request *h, struct api_response *res,
                      struct http_response *out)
{
    out->status = res->status;
    out->type = res->type;
    out->delay_ms = res->delay_ms;
    out->body = res->body;
    buf_init(&res->body, 0);
    buf_addf(&out->headers, "X-Request-Id: %s\n", res->request_id);
    buf_addf(&out->headers, "Cache-Control: %s\n", *res->etag ? "no-cache" : "no-store");
    if (*res->etag)
        buf_addf(&out->headers, "ETag: %s\n", res->etag);
    if (*res->allow)
        buf_addf(&out->headers, "Allow: %s\n", res->allow);
    if (res->retry_after_s)
        buf_addf(&out->headers, "Retry-After: %d\n", res->retry_after_s);
    if (res->replayed)
        buf_add_str(&out->headers, "Idempotent-Replayed: true\n");
    if (res->status == 401)
        buf_add_str(&out->headers, "WWW-Authenticate: Bearer\n");
    if (res->effect == API_EFFECT_SIGNED_IN)
        set_cookie(&out->headers, res->secret, h->tls);
    else if (res->effect == API_EFFECT_SIGNED_OUT)
        set_cookie(&out->headers, "", h->tls);
    if (res->stream) {
        out->stream = (struct http_stream){ read_stream, on_ready, free_stream, res->stream };
        res->stream = NULL;
        buf_add_str(&out->headers, "X-Accel-Buffering: no\n");
    }
}

static void log_request(const struct http_request *h, const struct api_response *res,
                        const struct api_caller *who, int64_t ms)
{
    enum log_level level = res->status >= 500 || strcmp(h->method, "GET") ? LOG_SUMMARY : LOG_DEBUG;

    log_line(log_here(), level, "%s " SV_FMT " %d %" PRId64 " ms %s %s", h->method,
             SV_ARG(sv_take(h->path, 300)), res->status, ms, who ? who->who : "-", res->request_id);
}

/* Before the request is run: whose connection it is. The history has those that do something, from
 * then on; before, lines and events stand alone, as what leads to a session must find it. */
static void name_session(const struct http_request *h, const struct api_caller *who, bool write,
                         struct logctx *here)
{
    http_session_account(h, sv_c(who ? who->who : ""));
    if (who && write)
        http_session_keep(h);
    if (write && http_session_kept(h))
        here->session = shm_session_key(here->id);
}

/* Who has just signed in or out. */
static void rename_session(const struct http_request *h, const struct api_response *res)
{
    if (res->effect == API_EFFECT_SIGNED_IN) {
        http_session_account(h, sv_c(res->who));
        http_session_keep(h);
    } else if (res->effect == API_EFFECT_SIGNED_OUT) {
        http_session_account(h, SV(""));
    }
}

static void answer(struct api *a, const struct http_request *h, struct http_response *out,
                   struct logctx *here)
{
    _cleanup_(api_caller_freep) struct api_caller *who = NULL;
    int64_t began = clock_mono_ms();
    struct api_response res = { 0 };
    bool own = api_origin_is_own(http_header(h, "Origin"), http_header(h, "Sec-Fetch-Site"),
                                 http_header(h, "Host"), h->tls);
    struct api_request req = {
        .method = strcmp(h->method, "HEAD") ? h->method : "GET",
        .path = sv_skip(h->path, strlen(API_PREFIX)),
        .query = h->query,
        .body = h->body,
        .content_type = http_header(h, "Content-Type"),
        .if_match = http_header(h, "If-Match"),
        .if_none_match = http_header(h, "If-None-Match"),
        .idempotency_key = http_header(h, "Idempotency-Key"),
        .last_event_id = http_header(h, "Last-Event-ID"),
        .user_agent = http_header(h, "User-Agent"),
        .host = http_header(h, "Host"),
        .peer = h->peer,
        .session = shm_session_key(here->id),
        .tls = h->tls,
        .trusted = h->trusted,
    };
    bool write = strcmp(req.method, "GET") != 0;

    if (!sv_starts(h->path, SV(API_PREFIX "/"))) {
        api_problem(&res, 404, "no_such_path", "the API is below " API_PREFIX);
    } else if (!own && strcmp(req.method, "GET") && !http_header(h, "Authorization")) {
        api_problem(&res, 403, "csrf", "changes are taken from this server's own pages only");
    } else if (find_caller(a, h, &who, &res)) {
        req.caller = who;
        name_session(h, who, write, here);
        api_handle(a, &req, &res);
        rename_session(h, &res);
    }
    log_request(h, &res, who, clock_mono_ms() - began);
    hand_over(h, &res, out);
    api_response_done(&res);
}

/* What happens meanwhile happens in a session of this peer, also for the logs. */
static void run(void *arg, const struct http_request *h, struct http_response *out)
{
    struct logctx here = {
        .type = LOG_WEB, .id = http_session_id(h), .service = 1 + SVC_CONTROL, .prefix = ""
    };
    const struct logctx *before;

    sv_copy(here.source, sizeof(here.source), sv_c(h->peer));
    before = log_thread_session(&here);
    if (unsubscribe_is_page(h))
        unsubscribe_page(arg, h, out);
    else
        answer(arg, h, out, &here);
    log_thread_session(before);
}

static void end_streams(void *arg)
{
    api_streams_end(arg);
}

struct http_handler api_web_handler(struct api *a)
{
    return (struct http_handler){ body_max, run, end_streams, a };
}
