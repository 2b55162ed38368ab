/* Domains. */
#include "mail/account/address.h"
#include "server/api/api_priv.h"
#include "server/api/directory.h"
#include "server/api/page.h"

/* --- domains --- */

#define DOMAIN_FIELDS                                                                              \
    { "enabled", API_BOOL, 0, 0, 0, NULL, NULL, "Else nobody of it receives or signs in." },       \
        { "primary", API_BOOL, 0, 0, 0, NULL, NULL, "Completes names without a domain." },         \
        { "unknown", API_ENUM,                                                                     \
          0,         0,                                                                            \
          0,         "reject|forward|delete",                                                      \
          NULL,      "What becomes of mail to unknown accounts." },                                \
        { "unknown_to", API_TEXT, 0, 0, 400, NULL, NULL, "Where it is forwarded." },               \
        { "quota",   API_INT, 0,    0,                                                             \
          INT64_MAX, NULL,    NULL, "Bytes; for accounts without their own. 0 = mailbox.quota." }, \
        { "max_message", API_INT, 0, 0, INT64_MAX, NULL, NULL, "Bytes; 0 = the server's limit." }, \
        { "type", API_ENUM,                                                                        \
          0,      0,                                                                               \
          0,      "local|backup",                                                                  \
          NULL,   "backup: mail for it is stored and passed on to its own server." },              \
        { "backup_host", API_TEXT, 0,    0,                                                        \
          255,           NULL,     NULL, "host[:port] of that server; empty: by routes and MX." }, \
        { "fetched_by", API_TEXT, 0, 0, 400, NULL, NULL, "Account that fetches it by ATRN." },     \
        { "max_messages_hour",                                                                     \
          API_INT,                                                                                 \
          0,                                                                                       \
          0,                                                                                       \
          1000000000,                                                                              \
          NULL,                                                                                    \
          NULL,                                                                                    \
          "Messages in an hour, of each account; 0 = any number." },                               \
        { "max_messages_day",                                                                      \
          API_INT,                                                                                 \
          0,                                                                                       \
          0,                                                                                       \
          1000000000,                                                                              \
          NULL,                                                                                    \
          NULL,                                                                                    \
          "Messages in 24 hours, of each account; 0 = any number." },                              \
        { "max_recipients_hour",                                                                   \
          API_INT,                                                                                 \
          0,                                                                                       \
          0,                                                                                       \
          1000000000,                                                                              \
          NULL,                                                                                    \
          NULL,                                                                                    \
          "Recipients in an hour, of each account; 0 = any number." },                             \
        { "max_recipients_day",                                                                    \
          API_INT,                                                                                 \
          0,                                                                                       \
          0,                                                                                       \
          1000000000,                                                                              \
          NULL,                                                                                    \
          NULL,                                                                                    \
          "Recipients in 24 hours, of each account; 0 = any number." },                            \
        { "total_messages_hour",                                                                   \
          API_INT,                                                                                 \
          0,                                                                                       \
          0,                                                                                       \
          1000000000,                                                                              \
          NULL,                                                                                    \
          NULL,                                                                                    \
          "Messages in an hour, of all its accounts together; 0 = any number." },                  \
        { "total_messages_day",                                                                    \
          API_INT,                                                                                 \
          0,                                                                                       \
          0,                                                                                       \
          1000000000,                                                                              \
          NULL,                                                                                    \
          NULL,                                                                                    \
          "Messages in 24 hours, of all its accounts together; 0 = any number." },                 \
        { "total_recipients_hour",                                                                 \
          API_INT,                                                                                 \
          0,                                                                                       \
          0,                                                                                       \
          1000000000,                                                                              \
          NULL,                                                                                    \
          NULL,                                                                                    \
          "Recipients in an hour, of all its accounts together; 0 = any number." },                \
        { "total_quota", API_INT, 0,    0,                                                         \
          INT64_MAX,     NULL,    NULL, "Bytes in all mailboxes; 0 = any number." },               \
        { "total_recipients_day",                                                                  \
          API_INT,                                                                                 \
          0,                                                                                       \
          0,                                                                                       \
          1000000000,                                                                              \
          NULL,                                                                                    \
          NULL,                                                                                    \
          "Recipients in 24 hours, of all its accounts together; 0 = any number." },               \
    {                                                                                              \
        0                                                                                          \
    }
static const struct api_field patch_fields[] = { DOMAIN_FIELDS };
static const struct api_field create_fields[] = {
    { "domain", API_TEXT, API_REQUIRED, 1, 253, NULL, NULL, "Such as example.org." }, DOMAIN_FIELDS
};
static const struct api_schema patch_schema = { "DomainPatch", "What changes.", patch_fields };
static const struct api_schema create_schema = { "DomainNew", "A new domain.", create_fields };

static const struct api_field domain_fields[] = {
    { "domain", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "enabled", API_BOOL, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "primary", API_BOOL, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "unknown", API_ENUM, API_REQUIRED, 0, 0, "reject|forward|delete", NULL, NULL },
    { "unknown_to", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "quota", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Bytes; 0 = mailbox.quota." },
    { "max_message", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Bytes; 0 = the server's limit." },
    { "type", API_ENUM, API_REQUIRED, 0, 0, "local|backup", NULL, NULL },
    { "backup_host", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL,
      "Of a backup domain; may be empty." },
    { "fetched_by", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL,
      "Account that fetches a backup domain's mail by ATRN; may be empty." },
    { "max_messages_hour", API_INT, API_REQUIRED, 0, 0, NULL, NULL,
      "Messages in an hour, of each account; 0 = any number." },
    { "max_messages_day", API_INT, API_REQUIRED, 0, 0, NULL, NULL,
      "Messages in 24 hours, of each account; 0 = any number." },
    { "max_recipients_hour", API_INT, API_REQUIRED, 0, 0, NULL, NULL,
      "Recipients in an hour, of each account; 0 = any number." },
    { "max_recipients_day", API_INT, API_REQUIRED, 0, 0, NULL, NULL,
      "Recipients in 24 hours, of each account; 0 = any number." },
    { "total_messages_hour", API_INT, API_REQUIRED, 0, 0, NULL, NULL,
      "Messages in an hour, of all its accounts together; 0 = any number." },
    { "total_messages_day", API_INT, API_REQUIRED, 0, 0, NULL, NULL,
      "Messages in 24 hours, of all its accounts together; 0 = any number." },
    { "total_recipients_hour", API_INT, API_REQUIRED, 0, 0, NULL, NULL,
      "Recipients in an hour, of all its accounts together; 0 = any number." },
    { "total_quota", API_INT, API_REQUIRED, 0, 0, NULL, NULL,
      "Bytes in all mailboxes; 0 = any number." },
    { "used", API_INT, API_NULL, 0, 0, NULL, NULL,
      "Bytes in all mailboxes of a domain with total_quota; in lists only, as it would change the "
      "ETag with each mail: see /usage." },
    { "total_recipients_day", API_INT, API_REQUIRED, 0, 0, NULL, NULL,
      "Recipients in 24 hours, of all its accounts together; 0 = any number." },
    { "actions", API_TEXTS, API_REQUIRED, 0, 0, NULL, NULL, "What the caller may do." },
    { 0 },
};
static const struct api_schema domain_schema = { "Domain", "A domain.", domain_fields };

static const struct api_field usage_fields[] = {
    { "used", API_INT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL,
      "Bytes in all mailboxes; null: not counted, as there is no quota." },
    { "total_quota", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Bytes; 0 = any number." },
    { 0 },
};
static const struct api_schema usage_schema = { "DomainUsage",
                                                "What the mailboxes of a domain hold.",
                                                usage_fields };

static const struct api_field effect_fields[] = {
    { "object", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Such as: account a@example.org" },
    { "field", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "old", API_TEXT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, NULL },
    { "new", API_TEXT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, NULL },
    { 0 },
};
const struct api_schema api_effect_schema = { "Effect", "One value that a change sets.",
                                              effect_fields };
static const struct api_field change_fields[] = {
    { "effect", API_LIST, API_REQUIRED, 0, 0, NULL, &api_effect_schema,
      "What would change; of a dry run only." },
    { 0 },
};
const struct api_schema api_change_schema = { "DryRun", "What a change would do.", change_fields };

bool api_answer_dry_run(struct api_call *c, json_t *reply)
{
    json_t *effect = json_object_get(reply, "effect");

    if (c->dry_run)
        api_reply(c, 200,
                  json_pack("{s:o}", "effect", effect ? json_incref(effect) : json_array()));
    return c->dry_run;
}

static json_t *domain_json(struct api_call *c, json_t *row)
{
    bool may = c->caller->scopes & SCOPE_BIT(SCOPE_DIRECTORY_WRITE) && api_sees_all(c->caller);

    json_object_set_new(row, "actions",
                        may ? json_pack("[s, s]", "change", "delete") : json_array());
    return row;
}

struct domain_want {
    struct api_page *page;
    const char *q;
    json_t *found;
};

static bool add_domain(const struct domain *d, void *arg)
{
    struct domain_want *w = arg;
    struct api_call *c = w->page->c;
    struct api_key k = { 0 };
    json_t *row;

    if (!api_sees_domain(c->caller, sv_c(d->name)) ||
        !api_q_matches(w->q, (const char *const[]){ d->name, d->unknown_to }, 2))
        return true;
    sv_copy(k.text, sizeof(k.text), sv_c(d->name));
    snprintf(k.id, sizeof(k.id), "%" PRId64, d->id);
    row = admin_domain_row(d);
    json_object_set_new(row, "used", admin_domain_used(api_admin_of(c), d));
    json_array_append_new(w->found, row); /* keeps it until the page is written */
    api_page_add(w->page, &k, &row);
    return true;
}

static json_t *domain_row(struct api_call *c, const void *payload)
{
    json_t *row;

    memcpy(&row, payload, sizeof(row));
    return domain_json(c, json_incref(row));
}

static void list_domains(struct api_call *c)
{
    struct errinfo ei = { 0 };
    struct api_page page;
    struct domain_want w = { .page = &page, .q = api_query(c, "q"), .found = json_array() };
    int r;

    if (!api_page_begin(&page, c, sizeof(json_t *), "domain")) {
        json_decref(w.found);
        return;
    }
    r = domain_each(api_admin_of(c)->accounts, add_domain, &w, &ei);
    api_page_end(&page, domain_row);
    json_decref(w.found);
    if (r < 0)
        api_fail_err(c, r, ei.text);
}

struct one_domain {
    const char *name;
    json_t *found;
};

static bool match_domain(const struct domain *d, void *arg)
{
    struct one_domain *o = arg;

    if (!strcmp(d->name, o->name))
        o->found = admin_domain_row(d);
    return !o->found;
}

/* The domain of the path in canonical form. False: answered. */
static bool name_of(struct api_call *c, char ret[ADDR_DOMAIN_MAX + 1])
{
    size_t n = 0;

    if (addr_parse_domain(sv_c(api_param(c, "domain")), ret, &n, NULL) == 0 &&
        api_sees_domain(c->caller, sv_c(ret)))
        return true;
    api_fail_gone(c, "domain", api_param(c, "domain"));
    return false;
}

static void show_domain_as(struct api_call *c, const char *name, int status)
{
    struct one_domain o = { .name = name };
    struct errinfo ei = { 0 };
    int r = domain_each(api_admin_of(c)->accounts, match_domain, &o, &ei);

    if (r < 0)
        api_fail_err(c, r, ei.text);
    else if (!o.found)
        api_fail_gone(c, "domain", name);
    else
        api_reply(c, status, domain_json(c, o.found));
}

static void show_domain(struct api_call *c)
{
    char name[ADDR_DOMAIN_MAX + 1];

    if (name_of(c, name))
        show_domain_as(c, name, 200);
}

struct one_usage {
    const struct admin *a;
    const char *name;
    json_t *found;
};

static bool find_used(const struct domain *d, void *arg)
{
    struct one_usage *u = arg;

    if (strcmp(d->name, u->name) != 0)
        return true;
    u->found = json_pack("{s:o, s:I}", "used", admin_domain_used(u->a, d), "total_quota",
                         (json_int_t)d->limit[DOMAIN_TOTAL_QUOTA]);
    return false;
}

static void show_usage(struct api_call *c)
{
    char name[ADDR_DOMAIN_MAX + 1];
    struct one_usage u = { .a = api_admin_of(c), .name = name };
    struct errinfo ei = { 0 };
    int r;

    if (!name_of(c, name))
        return;
    r = domain_each(u.a->accounts, find_used, &u, &ei);
    if (r < 0)
        api_fail_err(c, r, ei.text);
    else if (!u.found)
        api_fail_gone(c, "domain", name);
    else
        api_reply(c, 200, u.found);
}

/* Domains themselves are the system admins'. */
static bool check_system_admin(struct api_call *c)
{
    if (api_sees_all(c->caller))
        return true;
    api_fail(c, 403, "not_allowed", NULL, "domains are made and changed by system admins");
    return false;
}

static void create_domain(struct api_call *c)
{
    char name[ADDR_DOMAIN_MAX + 1];
    size_t n = 0;
    json_t *reply;

    if (!check_system_admin(c))
        return;
    reply = api_admin(c, "domain.create", json_incref(c->body));
    if (!reply)
        return;
    if (!api_answer_dry_run(c, reply) &&
        addr_parse_domain(sv_trim(sv_c(api_body_text(c, "domain"))), name, &n, NULL) == 0)
        show_domain_as(c, name, 201);
    json_decref(reply);
}

static void update_domain(struct api_call *c)
{
    char name[ADDR_DOMAIN_MAX + 1];
    json_t *args, *reply;

    if (!name_of(c, name) || !check_system_admin(c))
        return;
    args = json_copy(c->body);
    json_object_set_new(args, "domain", json_string(name));
    reply = api_admin(c, "domain.update", args);
    if (reply && !api_answer_dry_run(c, reply))
        show_domain_as(c, name, 200);
    json_decref(reply);
}

static void delete_domain(struct api_call *c)
{
    char name[ADDR_DOMAIN_MAX + 1];
    bool all = json_is_true(json_object_get(c->query, "with_accounts"));
    json_t *reply, *references = json_object_get(c->query, "references");

    if (!name_of(c, name) || !check_system_admin(c))
        return;
    reply = api_admin(c, "domain.delete",
                      json_pack("{s:s, s:b, s:O*}", "domain", name, "with_accounts", (int)all,
                                "references", references));
    if (reply && !api_answer_dry_run(c, reply))
        api_reply(c, 204, NULL);
    json_decref(reply);
}

static const struct api_field delete_params[] = {
    { "with_accounts", API_BOOL, 0, 0, 0, NULL, NULL, "With all its accounts and their mail." },
    { "references", API_ENUM, 0, 0, 0, "refuse|remove|keep", NULL,
      "Aliases, members of lists, addresses of accounts and unknown_to of domains outside it that "
      "lead "
      "to it: refuse (as without this) answers 409 and names them." },
    { 0 },
};

const struct api_route api_domain_routes[] = {
    { .method = "GET",
      .path = "/domains",
      .scope = SCOPE_DIRECTORY_READ,
      .flags = ROUTE_PAGED,
      .id = "listDomains",
      .status = 200,
      .response = &domain_schema,
      .sort = "domain|-domain",
      .run = list_domains,
      .help = "Domains." },
    { .method = "POST",
      .path = "/domains",
      .scope = SCOPE_DIRECTORY_WRITE,
      .flags = ROUTE_DRY_RUN | ROUTE_IDEMPOTENT,
      .id = "createDomain",
      .body = &create_schema,
      .status = 201,
      .response = &domain_schema,
      .run = create_domain,
      .help = "A new domain." },
    { .method = "GET",
      .path = "/domains/{domain}",
      .scope = SCOPE_DIRECTORY_READ,
      .flags = ROUTE_ETAG,
      .id = "getDomain",
      .status = 200,
      .response = &domain_schema,
      .run = show_domain,
      .help = "One domain." },
    { .method = "PATCH",
      .path = "/domains/{domain}",
      .scope = SCOPE_DIRECTORY_WRITE,
      .flags = ROUTE_DRY_RUN | ROUTE_IF_MATCH,
      .id = "updateDomain",
      .body = &patch_schema,
      .status = 200,
      .response = &domain_schema,
      .run = update_domain,
      .help = "Changes a domain." },
    { .method = "DELETE",
      .path = "/domains/{domain}",
      .scope = SCOPE_DIRECTORY_WRITE,
      .flags = ROUTE_DRY_RUN | ROUTE_IF_MATCH,
      .id = "deleteDomain",
      .query = delete_params,
      .status = 204,
      .run = delete_domain,
      .help = "Deletes a domain." },
    { .method = "GET",
      .path = "/domains/{domain}/usage",
      .scope = SCOPE_DIRECTORY_READ,
      .id = "getDomainUsage",
      .status = 200,
      .response = &usage_schema,
      .run = show_usage,
      .help = "What the mailboxes of a domain hold." },
    { 0 },
};
