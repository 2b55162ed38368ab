/* Signing in and out, and who one is. */
#include "base/clock.h"
#include "conf/conf.h"
#include "mail/account/auth.h"
#include "mail/account/web_auth.h"
#include "server/api/api_priv.h"
#include "server/api/auth.h"
#include "server/api/self.h"

static const struct api_field login_fields[] = {
    { "user", API_TEXT, API_REQUIRED, 1, 320, NULL, NULL, "Address or name of the account." },
    { "password", API_TEXT, API_REQUIRED | API_WRITEONLY, 0, 1024, NULL, NULL, NULL },
    { 0 },
};
static const struct api_schema login_schema = { "Login", "Who signs in.", login_fields };

static const struct api_field me_fields[] = {
    { "account", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Address, or a local user's name." },
    { "role", API_ENUM, API_REQUIRED, 0, 0, "user|domain-admin|system-admin", NULL, NULL },
    { "scopes", API_TEXTS, API_REQUIRED, 0, 0, NULL, NULL, "What the caller may do." },
    { "domains", API_TEXTS, API_REQUIRED, 0, 0, NULL, NULL, "Of a domain admin." },
    { "proof", API_ENUM, API_REQUIRED, 0, 0, "local|session|token", NULL, "How it is known." },
    { "csrf_token", API_TEXT, API_NULL | API_REQUIRED, 0, 0, NULL, NULL,
      "For the header X-CSRF-Token; sessions only." },
    { "expires_at", API_TIME, API_NULL | API_REQUIRED, 0, 0, NULL, NULL,
      "When the session or token ends." },
    { "server", API_MAP, API_REQUIRED, 0, 0, NULL, NULL, "hostname, version." },
    { 0 },
};
static const struct api_schema me_schema = { "Me", "The caller.", me_fields };

static json_t *scopes_of(const struct api_caller *who)
{
    json_t *a = json_array();

    for (int s = SCOPE_SELF; s < SCOPE_COUNT; s++)
        if (who->scopes & SCOPE_BIT(s))
            json_array_append_new(a, json_string(api_scope_names[s]));
    return a;
}

static json_t *describe(struct api_call *c, const struct api_caller *who)
{
    static const char *const proofs[] = { "local", "session", "token" };
    json_t *domains = json_array();

    for (size_t i = 0; i < who->n_domains; i++)
        json_array_append_new(domains, json_string(who->domains[i]));
    return json_pack("{s:o, s:s, s:o, s:o, s:s, s:s?, s:o, s:{s:s, s:s}}", "account",
                     api_text(who->who), "role", account_role_names[who->role], "scopes",
                     scopes_of(who), "domains", domains, "proof", proofs[who->proof], "csrf_token",
                     *who->csrf ? who->csrf : NULL, "expires_at", api_time(who->expires_ms),
                     "server", "hostname", c->api->hostname, "version", POSTHORN_VERSION);
}

static void me(struct api_call *c)
{
    api_reply(c, 200, describe(c, c->caller));
}

static void refuse_login(struct api_call *c, int r, const struct errinfo *ei)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();

    if (r == E_LIMIT) {
        c->res->retry_after_s = (int)(cf->auth.lock_time / 1000);
        api_fail(c, 429, "too_many_failures", NULL, "too many failed sign-ins; try again later");
    } else if (r == E_AUTH || r == E_PERM) {
        api_fail(c, 401, "sign_in_refused", NULL, "wrong user name or password");
    } else {
        api_fail_err(c, E_TEMP, ei->text);
    }
    c->res->delay_ms = cf->auth.failure_delay;
}

struct auth_peer api_auth_peer(const struct api_call *c)
{
    return (struct auth_peer){ .service = API_AUTH_SERVICE,
                               .ip = c->req->peer,
                               .hostname = c->api->hostname,
                               .tls = c->req->tls,
                               .trusted = c->req->trusted,
                               .own_password = true };
}

static void login(struct api_call *c)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    _cleanup_(account_unrefp) const struct account *acc = NULL;
    _cleanup_(api_caller_freep) struct api_caller *who = NULL;
    struct accounts *a = c->api->o.admin->accounts;
    struct auth_peer peer = api_auth_peer(c);
    struct errinfo ei = { 0 };
    int r;

    if (!auth_plain_allowed(&peer)) {
        api_fail(c, 403, "tls_needed", NULL,
                 "passwords are not taken in clear text: use https:// (auth.plain_without_tls)");
        return;
    }
    r = auth_password(a, &peer, sv_c(api_body_text(c, "user")), sv_c(api_body_text(c, "password")),
                      &acc, &ei);
    if (r == 0)
        r = web_session_create(a, acc->id, c->req->peer,
                               c->req->user_agent ? c->req->user_agent : "",
                               cf->web.session_lifetime, c->res->secret, &ei);
    if (r == 0)
        r = api_caller_session(a, sv_c(c->res->secret), true, &who, &ei);
    if (r < 0) {
        refuse_login(c, r, &ei);
        return;
    }
    c->res->effect = API_EFFECT_SIGNED_IN;
    sv_copy(c->res->who, sizeof(c->res->who), sv_c(who->who));
    api_reply(c, 200, describe(c, who));
}

static void logout(struct api_call *c)
{
    struct errinfo ei = { 0 };

    if (c->caller->proof == PROOF_SESSION &&
        web_session_end(c->api->o.admin->accounts, c->caller->session, &ei) < 0) {
        api_fail_err(c, E_TEMP, ei.text);
        return;
    }
    c->res->effect = API_EFFECT_SIGNED_OUT;
    api_reply(c, 204, NULL);
}

static void openapi(struct api_call *c)
{
    api_reply(c, 200, api_openapi());
}

const struct api_route api_self_routes[] = {
    { .method = "GET",
      .path = "/openapi.json",
      .scope = SCOPE_PUBLIC,
      .flags = ROUTE_ETAG,
      .id = "getOpenapi",
      .status = 200,
      .run = openapi,
      .help = "This document." },
    { .method = "POST",
      .path = "/login",
      .scope = SCOPE_PUBLIC,
      .id = "login",
      .body = &login_schema,
      .body_max = 8 * KiB,
      .status = 200,
      .response = &me_schema,
      .run = login,
      .help = "Begins a session: sets the cookie." },
    { .method = "POST",
      .path = "/logout",
      .scope = SCOPE_SELF,
      .id = "logout",
      .status = 204,
      .run = logout,
      .help = "Ends the session." },
    { .method = "GET",
      .path = "/me",
      .scope = SCOPE_SELF,
      .id = "getMe",
      .status = 200,
      .response = &me_schema,
      .run = me,
      .help = "Who the caller is and what he may do." },
    { 0 },
};
