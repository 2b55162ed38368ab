/* One's own account, whatever the role: data, password, app passwords, mail. */
#include "conf/conf.h"
#include "mail/account/auth.h"
#include "mail/account/web_auth.h"
#include "server/api/api_priv.h"
#include "server/api/app_password.h"
#include "server/api/auth.h"
#include "server/api/directory.h"
#include "server/api/message.h"
#include "server/api/self.h"

bool api_has_account(struct api_call *c)
{
    if (c->caller->account_id)
        return true;
    api_fail(c, 409, "no_account", NULL, "'%.60s' is a local user without an account",
             c->caller->who);
    return false;
}

bool api_is_himself(struct api_call *c)
{
    if (!api_has_account(c))
        return false;
    if (c->caller->proof == PROOF_SESSION)
        return true;
    api_fail(c, 403, "session_needed", NULL,
             "this is changed in the console only, by who has signed in there with the password");
    return false;
}

/* --- data --- */

static const struct api_field self_fields[] = {
    { "address", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "name", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Name for people." },
    { "role", API_ENUM, API_REQUIRED, 0, 0, "user|domain-admin|system-admin", NULL, NULL },
    { "aliases", API_TEXTS, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "quota", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Bytes in effect; 0 = none." },
    { "used", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Bytes." },
    { "messages", API_INT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "max_message", API_INT, API_REQUIRED, 0, 0, NULL, NULL,
      "Bytes in effect; 0 = the server's." },
    { "local_only", API_BOOL, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { 0 },
};
static const struct api_schema self_schema = { "Self", "The caller's own account.", self_fields };

static void show(struct api_call *c)
{
    json_t *j = api_has_account(c)
                    ? api_admin(c, "account.show", json_pack("{s:s}", "address", c->caller->who))
                    : NULL;
    const char *aliases = json_string_value(json_object_get(j, "aliases"));

    if (j)
        api_reply(c, 200,
                  json_pack("{s:O, s:O, s:O, s:o, s:O, s:O, s:O, s:O, s:O}", "address",
                            json_object_get(j, "address"), "name", json_object_get(j, "name"),
                            "role", json_object_get(j, "role"), "aliases",
                            api_split_list(aliases ? aliases : ""), "quota",
                            json_object_get(j, "quota"), "used", json_object_get(j, "used_bytes"),
                            "messages", json_object_get(j, "messages"), "max_message",
                            json_object_get(j, "max_message"), "local_only",
                            json_object_get(j, "local_only")));
    json_decref(j);
}

/* --- password --- */

static const struct api_field password_fields[] = {
    { "old", API_TEXT, API_REQUIRED | API_WRITEONLY, 0, 1024, NULL, NULL, "The one of now." },
    { "new", API_TEXT, API_REQUIRED | API_WRITEONLY, 1, 1024, NULL, NULL, NULL },
    { "tokens", API_BOOL, 0, 0, 0, NULL, NULL, "Withdraws the account's tokens too." },
    { 0 },
};
static const struct api_schema password_schema = { "OwnPassword", "A new password.",
                                                   password_fields };

enum { LOGIN_BY_NAME }; /* of auth.login_policy */

/* Counts as a login. False: answered. */
static bool knows_old(struct api_call *c, const struct conf *cf)
{
    struct auth_peer peer = api_auth_peer(c);
    _cleanup_(account_unrefp) const struct account *acc = NULL;
    struct sv user = sv_c(c->caller->who);
    struct errinfo ei = { 0 };
    int r;

    if (!auth_plain_allowed(&peer)) {
        api_fail(c, 403, "tls_needed", NULL,
                 "passwords are not taken in clear text: use https:// (auth.plain_without_tls)");
        return false;
    }
    if (cf->auth.login_policy == LOGIN_BY_NAME)
        user = sv_take(user, (size_t)MAX(sv_rfind(user, '@'), 0));
    r = auth_password(api_admin_of(c)->accounts, &peer, user, sv_c(api_body_text(c, "old")), &acc,
                      &ei);
    if (r == 0 && acc->id == c->caller->account_id)
        return true;
    if (r == E_LIMIT) {
        c->res->retry_after_s = (int)(cf->auth.lock_time / 1000);
        api_fail(c, 429, "too_many_failures", "old", "old: too many wrong passwords; try later");
    } else if (r == E_TEMP) {
        api_fail_err(c, E_TEMP, ei.text);
    } else {
        api_fail(c, 403, "wrong_password", "old", "old: this is not the password");
        c->res->delay_ms = cf->auth.failure_delay;
    }
    return false;
}

/* Ends the other consoles of the account: whoever knew the old password is out. */
static void change_password(struct api_call *c)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    const char *new = api_body_text(c, "new");
    struct account_spec spec = { .password = new, .keep_session = c->caller->session };
    struct accounts *a = api_admin_of(c)->accounts;
    struct errinfo ei = { 0 };
    int64_t n;
    int r;

    if (!api_is_himself(c))
        return;
    if (*new == '{') { /* an administrator's way to bring a hash along */
        api_fail(c, 422, "invalid_field", "new", "new: a password cannot begin with {");
        return;
    }
    if (!knows_old(c, cf))
        return;
    r = account_update(a, c->caller->who, sv_c(c->caller->who), &spec, &ei);
    if (r == 0 && json_is_true(json_object_get(c->body, "tokens")))
        r = account_withdraw_tokens(a, c->caller->who, sv_c(c->caller->who), &n, &ei);
    if (r < 0)
        api_fail_field(c, r, "new", ei.text);
    else
        api_reply(c, 204, NULL);
}

/* --- app passwords --- */

static void list_apps(struct api_call *c)
{
    if (api_has_account(c))
        api_app_passwords(c, c->caller->who);
}

static void create_app(struct api_call *c)
{
    if (api_is_himself(c))
        api_app_password_create(c, c->caller->who);
}

static void drop_app(struct api_call *c)
{
    if (api_is_himself(c))
        api_app_password_drop(c, c->caller->who);
}

/* --- mail --- */

/* As somebody who sees what he has sent or received himself, whatever else his role shows him. */
static void as_user(struct api_call *c, api_fn *fn)
{
    const struct api_caller *caller = c->caller;
    struct api_caller own = *caller;

    if (!api_has_account(c))
        return;
    own.role = ROLE_USER;
    own.domains = NULL;
    own.n_domains = 0;
    c->caller = &own;
    fn(c);
    c->caller = caller;
}

static void list_messages(struct api_call *c)
{
    as_user(c, api_messages_list);
}

static void show_message(struct api_call *c)
{
    as_user(c, api_messages_show);
}

const struct api_route api_self_page_routes[] = {
    { .method = "GET",
      .path = "/self",
      .scope = SCOPE_SELF,
      .id = "getSelf",
      .status = 200,
      .response = &self_schema,
      .run = show,
      .help = "The caller's own account." },
    { .method = "PUT",
      .path = "/self/password",
      .scope = SCOPE_SELF,
      .id = "setOwnPassword",
      .body = &password_schema,
      .body_max = 8 * KiB,
      .status = 204,
      .run = change_password,
      .help = "Changes the caller's password: ends his other sessions in the console." },
    { .method = "GET",
      .path = "/self/app-passwords",
      .scope = SCOPE_SELF,
      .flags = ROUTE_PAGED,
      .id = "listOwnAppPasswords",
      .status = 200,
      .response = &api_app_schema,
      .run = list_apps,
      .help = "The caller's app passwords, without the passwords." },
    { .method = "POST",
      .path = "/self/app-passwords",
      .scope = SCOPE_SELF,
      .flags = ROUTE_IDEMPOTENT,
      .id = "createOwnAppPassword",
      .body = &api_app_new_schema,
      .status = 201,
      .response = &api_app_shown_schema,
      .run = create_app,
      .help = "A new app password of the caller's, shown this once." },
    { .method = "DELETE",
      .path = "/self/app-passwords/{label}",
      .scope = SCOPE_SELF,
      .id = "deleteOwnAppPassword",
      .status = 204,
      .run = drop_app,
      .help = "Withdraws an app password of the caller's." },
    { .method = "GET",
      .path = "/self/messages",
      .scope = SCOPE_SELF,
      .flags = ROUTE_PAGED,
      .id = "listOwnMessages",
      .query = api_message_params,
      .status = 200,
      .response = &api_message_schema,
      .run = list_messages,
      .help = "Messages that the caller's address has sent or was to receive, the newest first. A "
              "page may be short, or empty, with a next_cursor: then the search goes on there." },
    { .method = "GET",
      .path = "/self/messages/{id}",
      .scope = SCOPE_SELF,
      .id = "getOwnMessage",
      .status = 200,
      .response = &api_message_detail_schema,
      .run = show_message,
      .help = "One of them: what became of it, and why." },
    { 0 },
};
