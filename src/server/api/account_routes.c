/* Accounts. */
#include "mail/account/address.h"
#include "mail/account/members.h"
#include "server/api/api_priv.h"
#include "server/api/directory.h"
#include "server/api/import.h"
#include "server/api/operations.h"
#include "server/api/page.h"

#define ROLES     "user|domain-admin|system-admin"
#define KINDS     "user|list|group"
#define POSTERS   "members|anyone|moderators"
#define MODERATED "no|nonmembers|all"

#define ACCOUNT_FIELDS                                                                                \
    { "name", API_TEXT, 0, 0, 200, NULL, NULL, "Name for people." },                                  \
        { "password", API_TEXT, API_WRITEONLY, 0,                                                     \
          1024,       NULL,     NULL,          "Empty: receives mail, cannot log in." },              \
        { "enabled", API_BOOL, 0, 0, 0, NULL, NULL, NULL },                                           \
        { "quota", API_INT, 0, 0, INT64_MAX, NULL, NULL, "Bytes; 0 = the domain's." },                \
        { "soft_quota", API_INT, 0,    0,                                                             \
          INT64_MAX,    NULL,    NULL, "Bytes above which it receives but may not send; 0 = none." }, \
        { "max_message", API_INT, 0, 0, INT64_MAX, NULL, NULL, "Bytes; 0 = the domain's." },          \
        { "local_only", API_BOOL, 0, 0, 0, NULL, NULL, "May send to local domains only." },           \
        { "aliases", API_TEXTS, 0, 0, 500, NULL, NULL, "Replaces all." },                             \
        { "role", API_ENUM, 0, 0, 0, ROLES, NULL, "Set by system admins." },                          \
        { "admin_domains",                                                                            \
          API_TEXTS,                                                                                  \
          0,                                                                                          \
          0,                                                                                          \
          1000,                                                                                       \
          NULL,                                                                                       \
          NULL,                                                                                       \
          "What a domain admin administers; set by system admins." },                                 \
        { "forward_to", API_TEXTS, 0,    0,                                                           \
          1000,         NULL,      NULL, "Addresses, or [patterns] of them, that get all mail." },    \
        { "keep_copy", API_BOOL, 0, 0, 0, NULL, NULL, "Forwarded mail stays in the mailbox too." },   \
        { "copy_incoming",                                                                            \
          API_TEXTS,                                                                                  \
          0,                                                                                          \
          0,                                                                                          \
          1000,                                                                                       \
          NULL,                                                                                       \
          NULL,                                                                                       \
          "Addresses and [patterns] that get copies of what arrives." },                              \
        { "forward_older_to",                                                                         \
          API_TEXTS,                                                                                  \
          0,                                                                                          \
          0,                                                                                          \
          1000,                                                                                       \
          NULL,                                                                                       \
          NULL,                                                                                       \
          "Addresses that get what has become old." },                                                \
        { "forward_older_days", API_INT, 0, 0, 36500, NULL, NULL, "Older than that; 0 = off." },      \
        { "forward_older_delete", API_BOOL, 0, 0, 0, NULL, NULL, "It is deleted then." },             \
        { "copy_outgoing",                                                                            \
          API_TEXTS,                                                                                  \
          0,                                                                                          \
          0,                                                                                          \
          1000,                                                                                       \
          NULL,                                                                                       \
          NULL,                                                                                       \
          "Addresses and [patterns] that get copies of what is sent." },                              \
        { "null_mailbox",                                                                             \
          API_BOOL,                                                                                   \
          0,                                                                                          \
          0,                                                                                          \
          0,                                                                                          \
          NULL,                                                                                       \
          NULL,                                                                                       \
          "Nothing is stored; without a forward_to that exists mail is refused." },                   \
        { "kind", API_ENUM, 0, 0, 0, KINDS, NULL, "list, group: mail goes to the members." },         \
        { "list_post", API_ENUM, 0, 0, 0, POSTERS, NULL, "Who may post to the list." },               \
        { "list_owner", API_TEXTS, 0, 0, 20, NULL, NULL, "The first gets reports; all may post." },   \
        { "list_moderators", API_TEXTS, 0, 0, 1000, NULL, NULL, "May post too." },                    \
        { "list_query", API_TEXTS, 0, 0, 100, NULL, NULL, "Members too: *@example.org." },            \
        { "list_moderate", API_ENUM, 0, 0, 0, MODERATED, NULL, "Whose posts wait for a moderator." }, \
        { "list_one_click", API_BOOL, 0, 0, 0, NULL, NULL, "Members elsewhere get a URL to leave." }, \
        { "max_messages_hour", API_INT, 0,    0,                                                      \
          1000000000,          NULL,    NULL, "That it may send; 0 = any number." },                  \
        { "max_messages_day", API_INT, 0,    0,                                                       \
          1000000000,         NULL,    NULL, "That it may send; 0 = any number." },                   \
        { "max_recipients_hour",                                                                      \
          API_INT,                                                                                    \
          0,                                                                                          \
          0,                                                                                          \
          1000000000,                                                                                 \
          NULL,                                                                                       \
          NULL,                                                                                       \
          "Of what it sends; 0 = any number." },                                                      \
        { "max_recipients_day", API_INT, 0,    0,                                                     \
          1000000000,           NULL,    NULL, "Of what it sends; 0 = any number." },                 \
        { "auto_reply", API_TEXT, 0,    0,                                                            \
          32768,        NULL,     NULL, "Text of the automatic reply; empty = none." },               \
        { "auto_reply_subject", API_TEXT, 0, 0, 200, NULL, NULL, "Empty: that of the message." },     \
        { "auto_reply_from",                                                                          \
          API_TEXT,                                                                                   \
          0,                                                                                          \
          0,                                                                                          \
          10,                                                                                         \
          NULL,                                                                                       \
          NULL,                                                                                       \
          "First day, as 2026-03-12; empty = at once." },                                             \
        { "auto_reply_until", API_TEXT, 0, 0, 10, NULL, NULL, "Last day; empty = without end." },     \
        { "auto_reply_days",                                                                          \
          API_INT,                                                                                    \
          0,                                                                                          \
          0,                                                                                          \
          365,                                                                                        \
          NULL,                                                                                       \
          NULL,                                                                                       \
          "One reply to one sender in so many days; 0 = to each message." },                          \
    {                                                                                                 \
        0                                                                                             \
    }
static const struct api_field patch_fields[] = { ACCOUNT_FIELDS };
static const struct api_field create_fields[] = {
    { "address", API_TEXT, API_REQUIRED, 3, 400, NULL, NULL, "user@example.org" }, ACCOUNT_FIELDS
};
static const struct api_schema patch_schema = { "AccountPatch", "What changes.", patch_fields };
static const struct api_schema create_schema = { "AccountNew", "A new account.", create_fields };

static const struct api_field row_fields[] = {
    { "address", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "name", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "kind", API_ENUM, API_REQUIRED, 0, 0, KINDS, NULL, "list, group: has members." },
    { "enabled", API_BOOL, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "quota", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Bytes in effect; 0 = none." },
    { "soft_quota", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Bytes; 0 = none." },
    { "max_message", API_INT, API_REQUIRED, 0, 0, NULL, NULL,
      "Bytes in effect; 0 = the server's." },
    { "local_only", API_BOOL, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "role", API_ENUM, API_REQUIRED, 0, 0, ROLES, NULL, NULL },
    { "actions", API_TEXTS, API_REQUIRED, 0, 0, NULL, NULL, "What the caller may do." },
    { 0 },
};
static const struct api_schema row_schema = { "AccountRow", "An account in a list.", row_fields };
static const struct api_field account_fields[] = {
    { "address", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "name", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "enabled", API_BOOL, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "quota", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Bytes in effect; 0 = none." },
    { "soft_quota", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Bytes; 0 = none." },
    { "max_message", API_INT, API_REQUIRED, 0, 0, NULL, NULL,
      "Bytes in effect; 0 = the server's." },
    { "local_only", API_BOOL, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "role", API_ENUM, API_REQUIRED, 0, 0, ROLES, NULL, NULL },
    { "admin_domains", API_TEXTS, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "aliases", API_TEXTS, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "forward_to", API_TEXTS, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "keep_copy", API_BOOL, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "copy_incoming", API_TEXTS, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "copy_outgoing", API_TEXTS, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "forward_older_to", API_TEXTS, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "forward_older_days", API_INT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "forward_older_delete", API_BOOL, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "null_mailbox", API_BOOL, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "kind", API_ENUM, API_REQUIRED, 0, 0, KINDS, NULL, NULL },
    { "list_post", API_ENUM, API_REQUIRED, 0, 0, POSTERS, NULL, NULL },
    { "list_owner", API_TEXTS, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "list_moderators", API_TEXTS, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "list_query", API_TEXTS, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "list_moderate", API_ENUM, API_REQUIRED, 0, 0, MODERATED, NULL, NULL },
    { "list_one_click", API_BOOL, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "max_messages_hour", API_INT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "max_messages_day", API_INT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "max_recipients_hour", API_INT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "max_recipients_day", API_INT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "auto_reply", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "auto_reply_subject", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "auto_reply_from", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "auto_reply_until", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "auto_reply_days", API_INT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "actions", API_TEXTS, API_REQUIRED, 0, 0, NULL, NULL, "What the caller may do." },
    { 0 },
};
static const struct api_schema account_schema = { "Account", "An account.", account_fields };
static const struct api_field usage_fields[] = {
    { "used", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Bytes." },
    { "messages", API_INT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { 0 },
};
static const struct api_schema usage_schema = { "AccountUsage", "What a mailbox holds.",
                                                usage_fields };

static json_t *with_actions(struct api_call *c, json_t *row, const struct account *acc)
{
    bool may =
        c->caller->scopes & SCOPE_BIT(SCOPE_DIRECTORY_WRITE) && api_may_change(c->caller, acc);

    json_object_set_new(row, "actions",
                        may ? json_pack("[s, s]", "change", "delete") : json_array());
    return row;
}

/* --- list --- */

struct listing {
    struct api_call *c;
    json_t *items;
    size_t limit, seen;
    char last[ADDR_MAX + 1];
};

static bool add_account(const struct account *acc, void *arg)
{
    struct listing *l = arg;

    if (l->seen++ >= l->limit) /* the one more that tells of a next page */
        return false;
    json_array_append_new(l->items, with_actions(l->c, admin_account_row(acc), acc));
    sv_copy(l->last, sizeof(l->last), sv_c(acc->address));
    return true;
}

static const struct api_field list_params[] = {
    { "domain", API_TEXT, 0, 1, 253, NULL, NULL, "Accounts of this domain only." },
    { 0 },
};

static void list(struct api_call *c)
{
    const char *domain = api_query(c, "domain"), *text = api_query(c, "q");
    struct listing l = { .c = c, .limit = api_page_limit(c) };
    char name[ADDR_DOMAIN_MAX + 1], after[ADDR_MAX + 1];
    struct account_query q = { .q = text ? text : "", .after = after, .max = l.limit + 1 };
    struct errinfo ei = { 0 };
    int64_t total = 0;
    size_t n = 0;
    int r;

    if (!api_page_cursor(c, after, sizeof(after)))
        return;
    if (domain) {
        if (addr_parse_domain(sv_c(domain), name, &n, NULL) < 0 ||
            !api_sees_domain(c->caller, sv_n(name, n))) {
            api_fail_gone(c, "domain", domain);
            return;
        }
        q.domain = sv_n(name, n);
    } else if (!api_sees_all(c->caller)) {
        q.admin_id = c->caller->account_id;
    }
    l.items = json_array();
    r = account_page(api_admin_of(c)->accounts, &q, add_account, &l, &ei);
    if (r == 0)
        r = account_count(api_admin_of(c)->accounts, &q, &total, &ei);
    if (r < 0) {
        json_decref(l.items);
        api_fail_err(c, r, ei.text);
        return;
    }
    api_page_answer(c, l.items, l.seen > l.limit ? l.last : NULL, total, true);
}

/* --- one --- */

const struct account *api_account_of(struct api_call *c, bool to_change)
{
    const struct account *acc = NULL;
    const char *name = api_param(c, "account");
    struct errinfo ei = { 0 };
    int r = account_find_address(api_admin_of(c)->accounts, sv_c(name), &acc, &ei);

    if (r < 0 && r != E_NOTFOUND && r != E_PARSE && r != E_RANGE) {
        api_fail_err(c, r, ei.text);
        return NULL;
    }
    if (r < 0 || !api_sees_address(c->caller, sv_c(acc->address))) {
        api_fail_gone(c, "account", name);
    } else if (to_change && !api_may_change(c->caller, acc)) {
        api_fail(c, 403, "not_allowed", NULL, "account '%.150s' has a role that is not below yours",
                 acc->address);
    } else {
        return acc;
    }
    account_unref(acc);
    return NULL;
}

static void split(json_t *j, const char *field)
{
    const char *text = json_string_value(json_object_get(j, field));

    json_object_set_new(j, field, api_split_list(text ? text : ""));
}

static void show_as(struct api_call *c, const struct account *acc, int status)
{
    bool dry = c->dry_run;
    json_t *j;

    c->dry_run = false;
    j = api_admin(c, "account.show", json_pack("{s:s}", "address", acc->address));
    c->dry_run = dry;
    if (!j)
        return;
    split(j, "aliases");
    for (size_t i = 0; i < ACCOUNT_OPTIONS; i++)
        if (account_options[i].kind == OPTION_ADDRESSES ||
            account_options[i].kind == OPTION_RECIPIENTS ||
            account_options[i].kind == OPTION_PATTERNS)
            split(j, account_options[i].name);
    json_object_del(j, "ok");
    json_object_del(j, "used_bytes"); /* would change the ETag with each mail: see /usage */
    json_object_del(j, "messages");
    api_reply(c, status, with_actions(c, j, acc));
}

static void show(struct api_call *c)
{
    _cleanup_(account_unrefp) const struct account *acc = api_account_of(c, false);

    if (acc)
        show_as(c, acc, 200);
}

static void usage(struct api_call *c)
{
    _cleanup_(account_unrefp) const struct account *acc = api_account_of(c, false);
    json_t *j =
        acc ? api_admin(c, "account.show", json_pack("{s:s}", "address", acc->address)) : NULL;

    if (j)
        api_reply(c, 200,
                  json_pack("{s:O, s:O}", "used", json_object_get(j, "used_bytes"), "messages",
                            json_object_get(j, "messages")));
    json_decref(j);
}

static bool sees(struct sv domain, void *who)
{
    return api_sees_domain(who, domain);
}

/* What a query finds is shown, so it names domains of the caller only. */
static bool may_query(const struct api_caller *who, json_t *patterns)
{
    json_t *one;
    size_t i;

    json_array_foreach(patterns, i, one)
    {
        if (!member_query_within(sv_c(json_string_value(one)), sees, (void *)who))
            return false;
    }
    return true;
}

bool api_may_set(const struct api_caller *who, json_t *spec, const char *domain,
                 const char **ret_field)
{
    json_t *aliases = json_object_get(spec, "aliases"), *alias;
    size_t i;

    if (api_sees_all(who))
        return true;
    *ret_field = json_object_get(spec, "role") ? "role" : "admin_domains";
    if (json_object_get(spec, "role") || json_object_get(spec, "admin_domains"))
        return false;
    *ret_field = "list_query";
    if (!may_query(who, json_object_get(spec, "list_query")))
        return false;
    *ret_field = "aliases";
    json_array_foreach(aliases, i, alias)
    {
        struct addr a;
        struct sv d;

        if (addr_parse(sv_c(json_string_value(alias)), &a, NULL) < 0)
            continue; /* refused by its own rule */
        d = addr_domain(&a).n ? addr_domain(&a) : sv_c(domain);
        if (!api_sees_domain(who, d))
            return false;
    }
    return true;
}

static bool check_fields(struct api_call *c, const char *domain)
{
    const char *field = NULL;

    if (api_may_set(c->caller, c->body, domain, &field))
        return true;
    api_fail(c, 403, "not_allowed", field, "%s: is not yours to set", field);
    return false;
}

/* The body as arguments of admin/: lists become texts with ; between. */
json_t *api_account_args(json_t *body, const char *address)
{
    json_t *args = json_copy(body), *value;
    const char *name;

    json_object_foreach(body, name, value)
    {
        char *text = json_is_array(value) ? api_join_list(value) : NULL;

        if (text)
            json_object_set_new(args, name, json_string(text));
        free(text);
    }
    json_object_set_new(args, "address", json_string(address));
    return args;
}

static void create(struct api_call *c)
{
    const struct account *acc = NULL;
    struct errinfo ei = { 0 };
    struct addr a;
    json_t *reply;
    char *domain;

    if (addr_parse(sv_trim(sv_c(api_body_text(c, "address"))), &a, &ei) < 0) {
        api_fail(c, 422, "invalid_field", "address", "address: %s", ei.text);
        return;
    }
    if (!addr_domain(&a).n) {
        api_fail(c, 422, "invalid_field", "address", "address: write user@domain");
        return;
    }
    if (!api_sees_domain(c->caller, addr_domain(&a))) {
        api_fail(c, 403, "not_allowed", "address", "address: the domain is not yours");
        return;
    }
    domain = sv_dup(addr_domain(&a));
    reply = check_fields(c, domain)
                ? api_admin(c, "account.create", api_account_args(c->body, a.text))
                : NULL;
    free(domain);
    if (reply && !api_answer_dry_run(c, reply)) {
        if (account_find_address(api_admin_of(c)->accounts, addr_sv(&a), &acc, &ei) == 0)
            show_as(c, acc, 201);
        else
            api_fail_err(c, ei.code, ei.text);
        account_unref(acc);
    }
    json_decref(reply);
}

/* Who gives himself a new password stays signed in where he does it. */
static json_t *update_args(struct api_call *c, const struct account *acc)
{
    json_t *args = api_account_args(c->body, acc->address);

    if (c->caller->proof == PROOF_SESSION && c->caller->account_id == acc->id)
        json_object_set_new(args, "keep_session", json_string(c->caller->session));
    return args;
}

static void update(struct api_call *c)
{
    const struct account *acc = api_account_of(c, true), *now = NULL;
    struct errinfo ei = { 0 };
    json_t *reply;

    if (!acc)
        return;
    reply =
        check_fields(c, acc->domain) ? api_admin(c, "account.update", update_args(c, acc)) : NULL;
    if (reply && !api_answer_dry_run(c, reply)) {
        if (account_find_address(api_admin_of(c)->accounts, sv_c(acc->address), &now, &ei) == 0)
            show_as(c, now, 200);
        else
            api_fail_err(c, ei.code, ei.text);
        account_unref(now);
    }
    json_decref(reply);
    account_unref(acc);
}

static const struct api_field delete_params[] = {
    { "keep_mail", API_BOOL, 0, 0, 0, NULL, NULL, "Without its mail." },
    { 0 },
};

static void drop(struct api_call *c)
{
    _cleanup_(account_unrefp) const struct account *acc = api_account_of(c, true);
    bool keep = json_is_true(json_object_get(c->query, "keep_mail"));
    json_t *reply;

    if (!acc)
        return;
    if (acc->id == c->caller->account_id) {
        api_fail(c, 409, "own_account", NULL, "this is the account that you have signed in with");
        return;
    }
    reply = api_admin(c, "account.delete",
                      json_pack("{s:s, s:b}", "address", acc->address, "keep_mail", (int)keep));
    if (reply && !api_answer_dry_run(c, reply))
        api_reply(c, 204, NULL);
    json_decref(reply);
}

static const struct api_field sign_out_fields[] = {
    { "tokens", API_BOOL, 0, 0, 0, NULL, NULL, "Withdraws the account's tokens too." },
    { 0 },
};
static const struct api_schema sign_out_schema = { "SignOut", "What ends.", sign_out_fields };
static const struct api_field signed_out_fields[] = {
    { "sessions", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Sessions that were ended." },
    { "tokens", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Tokens that were withdrawn." },
    { 0 },
};
static const struct api_schema signed_out_schema = { "SignedOut", "What ended.",
                                                     signed_out_fields };

static void sign_out(struct api_call *c)
{
    _cleanup_(account_unrefp) const struct account *acc = api_account_of(c, true);
    bool tokens = json_is_true(json_object_get(c->body, "tokens"));
    json_t *reply;

    if (!acc)
        return;
    reply = api_admin(c, "account.sign-out",
                      json_pack("{s:s, s:b}", "address", acc->address, "tokens", (int)tokens));
    if (reply)
        api_reply(c, 200,
                  json_pack("{s:O, s:O}", "sessions", json_object_get(reply, "sessions"), "tokens",
                            json_object_get(reply, "tokens")));
    json_decref(reply);
}

const struct api_route api_account_routes[] = {
    { .method = "GET",
      .path = "/accounts",
      .scope = SCOPE_DIRECTORY_READ,
      .flags = ROUTE_PAGED,
      .id = "listAccounts",
      .query = list_params,
      .status = 200,
      .response = &row_schema,
      .run = list,
      .help = "Accounts in order of their addresses." },
    { .method = "POST",
      .path = "/accounts",
      .scope = SCOPE_DIRECTORY_WRITE,
      .flags = ROUTE_DRY_RUN | ROUTE_IDEMPOTENT,
      .id = "createAccount",
      .body = &create_schema,
      .status = 201,
      .response = &account_schema,
      .run = create,
      .help = "A new account." },
    { .method = "POST",
      .path = "/accounts/import",
      .scope = SCOPE_DIRECTORY_WRITE,
      .flags = ROUTE_DRY_RUN | ROUTE_IDEMPOTENT,
      .id = "importAccounts",
      .body = &api_import_schema,
      .body_max = 8 * MiB,
      .status = 202,
      .response = &api_operation_schema,
      .preview = &api_import_preview_schema,
      .run = api_import,
      .help = "Accounts from CSV text; a dry run gives a preview (ImportPreview)." },
    { .method = "GET",
      .path = "/accounts/{account}",
      .scope = SCOPE_DIRECTORY_READ,
      .flags = ROUTE_ETAG,
      .id = "getAccount",
      .status = 200,
      .response = &account_schema,
      .run = show,
      .help = "One account." },
    { .method = "PATCH",
      .path = "/accounts/{account}",
      .scope = SCOPE_DIRECTORY_WRITE,
      .flags = ROUTE_DRY_RUN | ROUTE_IF_MATCH,
      .id = "updateAccount",
      .body = &patch_schema,
      .status = 200,
      .response = &account_schema,
      .run = update,
      .help = "Changes an account. A new password ends its sessions in the console, except "
              "the one that sets it; its tokens stay." },
    { .method = "DELETE",
      .path = "/accounts/{account}",
      .scope = SCOPE_DIRECTORY_WRITE,
      .flags = ROUTE_DRY_RUN | ROUTE_IF_MATCH,
      .id = "deleteAccount",
      .query = delete_params,
      .status = 204,
      .run = drop,
      .help = "Deletes an account and its mail." },
    { .method = "POST",
      .path = "/accounts/{account}/sign-out",
      .scope = SCOPE_DIRECTORY_WRITE,
      .id = "signOutAccount",
      .body = &sign_out_schema,
      .status = 200,
      .response = &signed_out_schema,
      .run = sign_out,
      .help = "Ends all sessions of an account in the console." },
    { .method = "GET",
      .path = "/accounts/{account}/usage",
      .scope = SCOPE_DIRECTORY_READ,
      .id = "getAccountUsage",
      .status = 200,
      .response = &usage_schema,
      .run = usage,
      .help = "What the mailbox holds." },
    { 0 },
};
