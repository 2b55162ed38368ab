/* Rules of content filters (docs/filters.md): of the server, of domains, of accounts. */
#include "mail/account/filter_store.h"
#include "server/api/api_priv.h"
#include "server/api/directory.h"
#include "server/api/filters.h"
#include "server/api/page.h"

#define LEVELS    "server|domain|account"
#define OUTCOMES  "goes_on|accepted|rejected|deleted|failed"
#define SET_MAX   (1 * MiB)  /* all rules of an owner, as a text */
#define TEST_BODY (16 * MiB) /* with a message in base64 */

#define RULE_FIELDS                                                                                \
    { "level", API_ENUM, API_REQUIRED, 0, 0, LEVELS, NULL, NULL },                                 \
        { "owner", API_TEXT, API_REQUIRED, 0,                                                      \
          0,       NULL,     NULL,         "server, a domain, an account's address." },            \
        { "name", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },                                \
        { "order", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "1 is asked first." },                 \
        { "enabled", API_BOOL, API_REQUIRED, 0, 0, NULL, NULL, NULL },                             \
        { "changed_at", API_TIME, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, NULL },               \
    {                                                                                              \
        "text", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "The rule, with its comments."           \
    }

static const struct api_field row_fields[] = {
    RULE_FIELDS,
    { "hits", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Messages that it has fitted." },
    { "last_hit_at", API_TIME, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, NULL },
    { 0 },
};
static const struct api_schema row_schema = { "FilterRow", "A rule in a list, with its counter.",
                                              row_fields };
static const struct api_field rule_fields[] = { RULE_FIELDS, { 0 } };
static const struct api_schema rule_schema = { "FilterRule", "A rule.", rule_fields };
static const struct api_field set_fields[] = {
    { "level", API_ENUM, API_REQUIRED, 0, 0, LEVELS, NULL, NULL },
    { "owner", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "rules", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "How many." },
    { "text", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "All, in order, as PUT takes them." },
    { 0 },
};
static const struct api_schema set_schema = { "FilterSet", "All rules of an owner as a text.",
                                              set_fields };
static const struct api_field text_fields[] = {
    { "text", API_TEXT, API_REQUIRED, 0, SET_MAX, NULL, NULL, "Rules; empty: none." },
    { 0 },
};
static const struct api_schema text_schema = { "FilterText", "All rules of an owner.",
                                               text_fields };
static const struct api_field add_fields[] = {
    { "owner", API_TEXT, API_REQUIRED, 1, 400, NULL, NULL, "server, a domain, an address." },
    { "text", API_TEXT, API_REQUIRED, 1, SET_MAX, NULL, NULL,
      "One or more rules; each in place of the one of its name, or behind the others." },
    { 0 },
};
static const struct api_schema add_schema = { "FilterAdd", "Rules to add.", add_fields };
static const struct api_field put_fields[] = {
    { "text", API_TEXT, API_REQUIRED, 1, FILTER_MAX_TEXT, NULL, NULL,
      "One rule; with another name the rule gets that." },
    { 0 },
};
static const struct api_schema put_schema = { "FilterPut", "The text of a rule.", put_fields };
static const struct api_field patch_fields[] = {
    { "enabled", API_BOOL, 0, 0, 0, NULL, NULL, "Writes `off` into the text, or takes it out." },
    { "order", API_INT, 0, 1, FILTER_MAX_RULES, NULL, NULL, "1 is asked first." },
    { 0 },
};
static const struct api_schema patch_schema = { "FilterPatch", "What changes.", patch_fields };
static const struct api_field test_fields[] = {
    { "owner", API_TEXT, API_REQUIRED, 1, 400, NULL, NULL, "Whose rules: as in a new rule." },
    { "text", API_TEXT, 0, 0, TEST_BODY, NULL, NULL, "The message." },
    { "data", API_TEXT, 0, 0, TEST_BODY, NULL, NULL, "The message in base64, in place of text." },
    { "rules", API_TEXT, 0, 0, SET_MAX, NULL, NULL,
      "A text of rules to try in place of the stored ones." },
    { "sender", API_TEXT, 0, 0, 400, NULL, NULL, "Of the envelope." },
    { "recipient", API_TEXT, 0, 0, 400, NULL, NULL, "Of the envelope." },
    { "ip", API_TEXT, 0, 0, 60, NULL, NULL, "Of the client." },
    { "helo", API_TEXT, 0, 0, 300, NULL, NULL, NULL },
    { "host", API_TEXT, 0, 0, 300, NULL, NULL, "The name of the client's address." },
    { "user", API_TEXT, 0, 0, 400, NULL, NULL, "The account that has logged in; absent: none." },
    { "tls", API_BOOL, 0, 0, 0, NULL, NULL, NULL },
    { "trusted", API_BOOL, 0, 0, 0, NULL, NULL, NULL },
    { "outgoing", API_BOOL, 0, 0, 0, NULL, NULL, NULL },
    { 0 },
};
static const struct api_schema test_schema = { "FilterTest", "A message to try rules on.",
                                               test_fields };
static const struct api_field hit_fields[] = {
    { "rule", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "actions", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "What it would do." },
    { 0 },
};
static const struct api_schema hit_schema = { "FilterHit", "A rule that fits.", hit_fields };
static const struct api_field verdict_fields[] = {
    { "outcome", API_ENUM, API_REQUIRED, 0, 0, OUTCOMES, NULL, NULL },
    { "score", API_ANY, API_REQUIRED, 0, 0, NULL, NULL, "What the rules have added: a number." },
    { "reason", API_TEXT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, "Why it failed." },
    { "hits", API_LIST, API_REQUIRED, 0, FILTER_MAX_RULES, NULL, &hit_schema, "In order." },
    { 0 },
};
static const struct api_schema verdict_schema = { "FilterVerdict", "What rules would do.",
                                                  verdict_fields };

/* Users have no scope of the directory, and their own rules nevertheless: not by a token, which
 * gives no more than it says. */
static bool may(struct api_call *c, enum api_scope scope)
{
    if (c->caller->scopes & SCOPE_BIT(scope) ||
        (c->caller->role == ROLE_USER && c->caller->proof == PROOF_SESSION))
        return true;
    api_fail(c, 403, "missing_scope", NULL, "%s needs the scope %s", c->caller->who,
             api_scope_names[scope]);
    return false;
}

static const char *shown_owner(const char *owner)
{
    return *owner ? owner : API_FILTER_SERVER;
}

static const char *level_of(const char *owner)
{
    return !*owner ? "server" : strchr(owner, '@') ? "account" : "domain";
}

static json_t *rule_json(const char *owner, const struct filter_info *i)
{
    return json_pack("{s:s, s:s, s:o, s:I, s:b, s:o, s:o}", "level", level_of(owner), "owner",
                     shown_owner(owner), "name", api_text(i->name), "order",
                     (json_int_t)i->position, "enabled", !i->off, "changed_at",
                     api_time(i->changed_ms), "text", api_text(i->text));
}

/* --- the list --- */

struct owner_name {
    char text[ADDR_MAX + 1];
};

struct listing {
    struct api_call *c;
    struct api_page page;
    struct owner_name *owners;
    size_t n_owners;
    const char *owner; /* whose rules are read */
    json_t *rows;
};

static bool add_row(const struct filter_info *i, void *arg)
{
    struct listing *l = arg;
    struct api_key k = { .n = !*l->owner ? 0 : strchr(l->owner, '@') ? 2 : 1 };
    json_t *row;

    if (!api_q_matches(api_query(l->c, "q"),
                       (const char *const[]){ i->name, shown_owner(l->owner), i->text }, 3))
        return true;
    row = rule_json(l->owner, i);
    json_object_set_new(row, "hits", json_integer(i->hits));
    json_object_set_new(row, "last_hit_at", api_time(i->hit_ms));
    json_array_append_new(l->rows, row);
    sv_copy(k.text, sizeof(k.text), sv_take(sv_c(l->owner), sizeof(k.text) - 1));
    snprintf(k.id, sizeof(k.id), "%s/%04d", l->owner, (int)i->position);
    api_page_add(&l->page, &k, &row);
    return true;
}

static bool add_owner(enum filter_level level _unused_, const char *owner, void *arg)
{
    struct listing *l = arg;

    if (!api_sees_filters(l->c->caller, owner))
        return true;
    l->owners = xrealloc(l->owners, (l->n_owners + 1) * sizeof(*l->owners));
    sv_copy(l->owners[l->n_owners++].text, sizeof(l->owners->text), sv_c(owner));
    return true;
}

static json_t *row_of(struct api_call *c _unused_, const void *payload)
{
    json_t *row;

    memcpy(&row, payload, sizeof(row));
    return json_incref(row);
}

static int read_rows(struct listing *l, struct errinfo *ei)
{
    struct accounts *a = api_admin_of(l->c)->accounts;
    int r = 0;

    for (size_t i = 0; i < l->n_owners && (r == 0 || r == E_NOTFOUND); i++) {
        l->owner = l->owners[i].text;
        r = filters_each(a, sv_c(l->owner), add_row, l, ei);
    }
    return r == E_NOTFOUND ? 0 : r; /* an owner that went meanwhile */
}

static void list_all(struct listing *l)
{
    struct errinfo ei = { 0 };
    int r;

    if (!api_page_begin(&l->page, l->c, sizeof(json_t *), "place"))
        return;
    l->rows = json_array();
    r = read_rows(l, &ei);
    api_page_end(&l->page, row_of);
    json_decref(l->rows);
    if (r < 0)
        api_fail_err(l->c, r, ei.text);
}

static const struct api_field list_params[] = {
    { "owner", API_TEXT, 0, 1, 400, NULL, NULL,
      "server, a domain or an address; absent: all that the caller sees." },
    { 0 },
};

static void list(struct api_call *c)
{
    const char *owner = api_query(c, "owner");
    struct listing l = { .c = c };
    struct errinfo ei = { 0 };
    char name[ADDR_MAX + 1];
    int r = 0;

    if (!may(c, SCOPE_DIRECTORY_READ) || (owner && !api_filter_owner(c, owner, false, name)))
        return;
    if (owner)
        add_owner(FILTER_SERVER, name, &l);
    else
        r = filters_owners(api_admin_of(c)->accounts, add_owner, &l, &ei);
    if (r < 0)
        api_fail_err(c, r, ei.text);
    else
        list_all(&l);
    free(l.owners);
}

/* --- one --- */

struct search {
    const char *owner, *name;
    json_t *found;
};

static bool find_rule(const struct filter_info *i, void *arg)
{
    struct search *s = arg;

    if (!strcmp(i->name, s->name))
        s->found = rule_json(s->owner, i);
    return !s->found;
}

static void show(struct api_call *c, const char *owner, const char *name)
{
    struct search s = { .owner = owner, .name = name };
    struct errinfo ei = { 0 };
    int r = filters_each(api_admin_of(c)->accounts, sv_c(owner), find_rule, &s, &ei);

    if (s.found)
        api_reply(c, 200, s.found);
    else if (r < 0)
        api_fail_err(c, r, ei.text);
    else
        api_fail_gone(c, "rule", name);
}

/* False: answered. */
static bool owner_of_path(struct api_call *c, bool to_change, char ret[ADDR_MAX + 1])
{
    return may(c, to_change ? SCOPE_DIRECTORY_WRITE : SCOPE_DIRECTORY_READ) &&
           api_filter_owner(c, api_param(c, "owner"), to_change, ret);
}

static void get(struct api_call *c)
{
    char owner[ADDR_MAX + 1];

    if (owner_of_path(c, false, owner))
        show(c, owner, api_param(c, "rule"));
}

/* Runs an operation on the rule of the path. False: answered. */
static bool change(struct api_call *c, const char *op, const char *owner, json_t *args)
{
    json_t *reply;
    bool over;

    json_object_set_new(args, "owner", json_string(owner));
    if (*api_param(c, "rule"))
        json_object_set_new(args, "name", json_string(api_param(c, "rule")));
    reply = api_admin(c, op, args);
    over = !reply || api_answer_dry_run(c, reply);
    json_decref(reply);
    return !over;
}

/* The name in a text that the operation has taken; free() it. */
static char *name_in(const char *text)
{
    struct filter_rules rules;
    char *name = filter_parse(sv_c(text), &rules, NULL) == 0 && rules.n == 1
                     ? sv_dup(rules.v[0]->name)
                     : xstrdup("");

    filter_rules_done(&rules);
    return name;
}

static void put(struct api_call *c)
{
    const char *text = api_body_text(c, "text");
    char owner[ADDR_MAX + 1];

    if (!owner_of_path(c, true, owner) ||
        !change(c, "filter.replace", owner, json_pack("{s:s}", "text", text)))
        return;
    _cleanup_(freep) char *name = name_in(text);
    show(c, owner, name);
}

/* Each is an operation of its own; a dry run tells of the first one that is asked for. */
static void patch(struct api_call *c)
{
    json_t *enabled = json_object_get(c->body, "enabled");
    int64_t order = api_body_int(c, "order", 0);
    char owner[ADDR_MAX + 1], text[24];

    if (!owner_of_path(c, true, owner))
        return;
    if (!enabled == !order) {
        api_fail(c, 422, "invalid_field", "", "name one of enabled and order");
        return;
    }
    snprintf(text, sizeof(text), "%" PRId64, order);
    if (enabled ? change(c, "filter.enable", owner,
                         json_pack("{s:s}", "enabled", json_is_true(enabled) ? "yes" : "no"))
                : change(c, "filter.move", owner, json_pack("{s:s}", "position", text)))
        show(c, owner, api_param(c, "rule"));
}

static void drop(struct api_call *c)
{
    char owner[ADDR_MAX + 1];

    if (owner_of_path(c, true, owner) && change(c, "filter.delete", owner, json_object()))
        api_reply(c, 204, NULL);
}

/* --- all of an owner --- */

static bool count_rule(const struct filter_info *i _unused_, void *n)
{
    ++*(json_int_t *)n;
    return true;
}

static void show_set(struct api_call *c, const char *owner)
{
    struct errinfo ei = { 0 };
    json_int_t n = 0;
    int r = filters_each(api_admin_of(c)->accounts, sv_c(owner), count_rule, &n, &ei);
    json_t *reply;

    if (r < 0) {
        api_fail_err(c, r, ei.text);
        return;
    }
    reply = api_admin(c, "filter.show", json_pack("{s:s}", "owner", owner));
    if (!reply)
        return;
    api_reply(c, 200,
              json_pack("{s:s, s:s, s:I, s:O}", "level", level_of(owner), "owner",
                        shown_owner(owner), "rules", n, "text", json_object_get(reply, "value")));
    json_decref(reply);
}

static void get_set(struct api_call *c)
{
    char owner[ADDR_MAX + 1];

    if (owner_of_path(c, false, owner))
        show_set(c, owner);
}

static void put_set(struct api_call *c)
{
    char owner[ADDR_MAX + 1];

    if (owner_of_path(c, true, owner) &&
        change(c, "filter.put", owner,
               json_pack("{s:s, s:s}", "text", api_body_text(c, "text"), "all", "yes")))
        show_set(c, owner);
}

static void add(struct api_call *c)
{
    char owner[ADDR_MAX + 1];

    if (may(c, SCOPE_DIRECTORY_WRITE) &&
        api_filter_owner(c, api_body_text(c, "owner"), true, owner) &&
        change(c, "filter.put", owner, json_pack("{s:s}", "text", api_body_text(c, "text"))))
        show_set(c, owner);
}

/* --- trying --- */

static json_t *test_args(struct api_call *c, const char *owner)
{
    json_t *args = json_object(), *v;
    const char *name;

    json_object_foreach(c->body, name, v)
    {
        if (json_is_boolean(v))
            json_object_set_new(args, name, json_string(json_is_true(v) ? "yes" : "no"));
        else
            json_object_set(args, name, v);
    }
    json_object_set_new(args, "owner", json_string(owner));
    return args;
}

static void test(struct api_call *c)
{
    char owner[ADDR_MAX + 1];
    json_t *reply, *outcome;

    if (!may(c, SCOPE_DIRECTORY_READ) ||
        !api_filter_owner(c, api_body_text(c, "owner"), false, owner))
        return;
    reply = api_admin(c, "filter.test", test_args(c, owner));
    if (!reply)
        return;
    outcome = json_object_get(reply, "outcome");
    if (!strcmp(json_string_value(outcome), "goes on"))
        json_string_set(outcome, "goes_on");
    api_reply(c, 200,
              json_pack("{s:O, s:O, s:O, s:O}", "outcome", outcome, "score",
                        json_object_get(reply, "score"), "reason", json_object_get(reply, "reason"),
                        "hits", json_object_get(reply, "rows")));
    json_decref(reply);
}

const struct api_route api_filter_routes[] = {
    { .method = "GET",
      .path = "/filters",
      .scope = SCOPE_SELF,
      .flags = ROUTE_PAGED,
      .id = "listFilters",
      .query = list_params,
      .status = 200,
      .response = &row_schema,
      .sort = "place|-place",
      .run = list,
      .help = "Rules of content filters with their counters: the server's, those of domains, those "
              "of accounts, each in the order in which they are asked. Needs directory:read; users "
              "see their own in a session." },
    { .method = "POST",
      .path = "/filters",
      .scope = SCOPE_SELF,
      .flags = ROUTE_DRY_RUN,
      .id = "addFilters",
      .body = &add_schema,
      .status = 200,
      .response = &set_schema,
      .body_max = 2 * SET_MAX,
      .run = add,
      .help = "Adds rules, and replaces those of the same names: all or none. Needs "
              "directory:write; users change their own in a session." },
    { .method = "POST",
      .path = "/filters/test",
      .scope = SCOPE_SELF,
      .id = "testFilters",
      .body = &test_schema,
      .status = 200,
      .response = &verdict_schema,
      .body_max = TEST_BODY,
      .run = test,
      .help = "What an owner's rules would do with a message; nothing is counted or done. Needs "
              "directory:read." },
    { .method = "GET",
      .path = "/filters/{owner}",
      .scope = SCOPE_SELF,
      .flags = ROUTE_ETAG,
      .id = "getFilters",
      .status = 200,
      .response = &set_schema,
      .run = get_set,
      .help = "All rules of an owner (server, a domain, an address) as a text, to export them." },
    { .method = "PUT",
      .path = "/filters/{owner}",
      .scope = SCOPE_SELF,
      .flags = ROUTE_DRY_RUN | ROUTE_IF_MATCH,
      .id = "putFilters",
      .body = &text_schema,
      .status = 200,
      .response = &set_schema,
      .body_max = 2 * SET_MAX,
      .run = put_set,
      .help = "Rules in place of all of an owner. Counters of those whose names stay go on." },
    { .method = "GET",
      .path = "/filters/{owner}/{rule}",
      .scope = SCOPE_SELF,
      .flags = ROUTE_ETAG,
      .id = "getFilter",
      .status = 200,
      .response = &rule_schema,
      .run = get,
      .help = "A rule, without its counter." },
    { .method = "PUT",
      .path = "/filters/{owner}/{rule}",
      .scope = SCOPE_SELF,
      .flags = ROUTE_DRY_RUN | ROUTE_IF_MATCH,
      .id = "putFilter",
      .body = &put_schema,
      .status = 200,
      .response = &rule_schema,
      .run = put,
      .help = "Another text for a rule, and by it maybe another name; its place and its counter "
              "stay." },
    { .method = "PATCH",
      .path = "/filters/{owner}/{rule}",
      .scope = SCOPE_SELF,
      .flags = ROUTE_DRY_RUN | ROUTE_IF_MATCH,
      .id = "updateFilter",
      .body = &patch_schema,
      .status = 200,
      .response = &rule_schema,
      .run = patch,
      .help = "Moves a rule, or has it asked or not: one of both." },
    { .method = "DELETE",
      .path = "/filters/{owner}/{rule}",
      .scope = SCOPE_SELF,
      .flags = ROUTE_DRY_RUN | ROUTE_IF_MATCH,
      .id = "deleteFilter",
      .status = 204,
      .run = drop,
      .help = "Deletes a rule." },
    { 0 },
};
