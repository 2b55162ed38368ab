/* Tokens for programs that use the API. The scopes' names are checked by the API, which knows them;
 * what it does not know gives no right. */
#include "admin/admin_priv.h"

#include "base/clock.h"
#include "mail/account/web_auth.h"

#define MAX_DAYS 3650

static json_t *create(const struct admin_call *c)
{
    const char *scopes = admin_arg(c, "scopes"), *days = admin_arg(c, "days"),
               *last = admin_arg(c, "not_after");
    char secret[WEB_SECRET + 4];
    struct errinfo ei = { 0 };
    int64_t id = 0, expires_ms = 0, last_ms = 0;
    uint32_t n = 0;
    int r;

    if (days && (sv_to_u32(sv_c(days), &n) < 0 || n == 0 || n > MAX_DAYS))
        return admin_error(E_RANGE, "days: '%.40s' is not a number of days; allowed: 1 to %d", days,
                           MAX_DAYS);
    if (scopes && strlen(scopes) > 700)
        return admin_error(E_RANGE, "scopes: longer than 700 bytes");
    if (days)
        expires_ms = clock_wall_ms() + (int64_t)n * 86400000;
    if (last && (sv_to_i64(sv_c(last), &last_ms) < 0 || last_ms <= 0))
        return admin_error(E_PARSE, "not_after: '%.40s' is not a time in ms", last);
    if (last && (!expires_ms || expires_ms > last_ms))
        expires_ms = last_ms;
    r = api_token_create(c->a->accounts, c->who, sv_c(admin_arg(c, "account")),
                         admin_arg(c, "name"), scopes ? scopes : "", expires_ms, &id, secret, &ei);
    return r < 0
               ? admin_result(r, &ei)
               : json_pack("{s:b, s:s%, s:o, s:I}", "ok", 1, "token", secret, strlen(secret), "id",
                           json_sprintf("%" PRId64, id), "expires_ms", (json_int_t)expires_ms);
}

static bool add(const struct api_token *t, void *arg)
{
    json_array_append_new(
        arg, json_pack("{s:o, s:o, s:o, s:o, s:I, s:I, s:I}", "id", json_sprintf("%" PRId64, t->id),
                       "account", admin_text(t->address), "name", admin_text(t->name), "scopes",
                       admin_text(t->scopes), "created_ms", (json_int_t)t->created_ms, "expires_ms",
                       (json_int_t)t->expires_ms, "used_ms", (json_int_t)t->used_ms));
    return true;
}

static json_t *list(const struct admin_call *c)
{
    json_t *rows = json_array();
    struct errinfo ei = { 0 };

    return admin_rows(api_token_each(c->a->accounts, add, rows, &ei), rows, &ei);
}

static json_t *drop(const struct admin_call *c)
{
    const char *text = admin_arg(c, "id");
    struct errinfo ei = { 0 };
    int64_t id;

    if (sv_to_i64(sv_c(text), &id) < 0)
        return admin_error(E_NOTFOUND, "token '%.40s' does not exist", text);
    return admin_result(api_token_delete(c->a->accounts, c->who, id, &ei), &ei);
}

const struct admin_op admin_token_ops[] = {
    { "token.create", "account name [scopes] [days] [not_after]",
      "New token of an account for the API; it is shown once. Without scopes: all of the account. "
      "not_after: ms since 1970, an end at the latest.",
      create },
    { "token.list", "", "Tokens of the API.", list },
    { "token.delete", "id", "Withdraws a token.", drop },
    { 0 },
};
