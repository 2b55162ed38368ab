/* One field that finds everything by name. */
#include "conf/conf.h"
#include "server/api/api_priv.h"
#include "server/api/page.h"
#include "server/api/search.h"
#include "server/api/session.h"

static const struct api_field hit_fields[] = {
    { "type", API_ENUM, API_REQUIRED, 0, 0, "message|account|domain|session|setting", NULL, NULL },
    { "id", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Of the resource." },
    { "title", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "detail", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { 0 },
};
static const struct api_schema hit_schema = { "SearchHit", "Something found.", hit_fields };
static const struct api_field hits_fields[] = {
    { "items", API_LIST, API_REQUIRED, 0, 0, NULL, &hit_schema, "The best first." },
    { 0 },
};
static const struct api_schema hits_schema = { "SearchHits", "What was found.", hits_fields };
static const struct api_field params[] = {
    { "q", API_TEXT, API_REQUIRED, 1, 200, NULL, NULL, "Part of a name, an id, an address." },
    { "types", API_TEXT, 0, 1, 100, NULL, NULL, "Only these, with commas." },
    { "limit", API_INT, 0, 1, 50, NULL, NULL, "Of each type; 8 without it." },
    { 0 },
};

static bool is_there(const struct search *s, const char *type, const char *id)
{
    json_t *item;
    size_t i;

    json_array_foreach(s->items, i, item)
    {
        if (!strcmp(json_string_value(json_object_get(item, "type")), type) &&
            !strcmp(json_string_value(json_object_get(item, "id")), id))
            return true;
    }
    return false;
}

bool search_hit(struct search *s, const char *type, const char *id, const char *title,
                const char *detail)
{
    if (!is_there(s, type, id) && s->n++ < s->limit)
        json_array_append_new(s->items,
                              json_pack("{s:s, s:o, s:o, s:o}", "type", type, "id", api_text(id),
                                        "title", api_text(title), "detail", api_text(detail)));
    return s->n < s->limit;
}

static bool add_account(const struct account *a, void *arg)
{
    return search_hit(arg, "account", a->address, a->address, a->name);
}

static void find_accounts(struct search *s)
{
    const struct api_caller *who = s->c->caller;
    struct account_query q = {
        .q = s->q, .after = "", .max = s->limit, .admin_id = api_sees_all(who) ? 0 : who->account_id
    };

    account_page(api_admin_of(s->c)->accounts, &q, add_account, s, NULL);
}

static bool add_domain(const struct domain *d, void *arg)
{
    struct search *s = arg;

    if (!api_sees_domain(s->c->caller, sv_c(d->name)) || sv_ifind_sv(sv_c(d->name), sv_c(s->q)) < 0)
        return true;
    return search_hit(s, "domain", d->name, d->name, d->enabled ? "" : "disabled");
}

static bool add_session(const struct shm_session_info *i, void *arg)
{
    struct search *s = arg;
    char id[20], log_id[8];

    snprintf(log_id, sizeof(log_id), "%04X", i->id & 0xffff);
    if (!api_sees_session(s->c->caller, i) ||
        (i->service == SVC_CONTROL && !sv_ieq(sv_c(log_id), sv_c(s->q))) ||
        (!sv_ieq(sv_c(log_id), sv_c(s->q)) && !sv_istarts(sv_c(i->account), sv_c(s->q)) &&
         !(api_sees_all(s->c->caller) && sv_istarts(sv_c(i->peer), sv_c(s->q)))))
        return true;
    snprintf(id, sizeof(id), "%016" PRIX64, api_session_key(i));
    return search_hit(s, "session", id, log_id, i->account);
}

static void find_settings(struct search *s)
{
    size_t n;
    const struct setting *all = conf_settings(&n);

    for (size_t i = 0; i < n && s->n < s->limit; i++)
        if (sv_ifind_sv(sv_c(all[i].name), sv_c(s->q)) >= 0 ||
            sv_ifind_sv(sv_c(all[i].help), sv_c(s->q)) >= 0)
            search_hit(s, "setting", all[i].name, all[i].name, all[i].help);
}

static void find_messages(struct search *s)
{
    struct admin *a = api_admin_of(s->c);
    json_t *domains = json_null(), *args, *reply, *row;
    size_t i;

    if (!a->ask)
        return;
    if (!api_sees_all(s->c->caller)) {
        domains = json_array();
        for (i = 0; i < s->c->caller->n_domains; i++)
            json_array_append_new(domains, json_string(s->c->caller->domains[i]));
    }
    args = json_pack("{s:{s:s}, s:o, s:i, s:s, s:s}", "filter", "q", s->q, "domains", domains,
                     "limit", (int)s->limit, "sort", "-age", "after", "");
    reply = a->ask(a->arg, MOD_SMTP, "queue.page", args);
    json_array_foreach(json_object_get(reply, "rows"), i, row)
        search_hit(s, "message", json_string_value(json_object_get(row, "id")),
                   json_string_value(json_object_get(row, "id")),
                   json_string_value(json_object_get(row, "recipient")));
    json_decref(args);
    json_decref(reply);
}

static bool wanted(struct search *s, const char *type, enum api_scope scope)
{
    const char *types = api_query(s->c, "types");
    struct sv rest = sv_c(types);
    bool named = !types;

    while (types && rest.p)
        named = sv_eq(sv_trim(sv_split(&rest, ',')), sv_c(type)) || named;
    s->n = 0;
    return named && s->c->caller->scopes & SCOPE_BIT(scope);
}

static void search(struct api_call *c)
{
    struct search s = { .c = c,
                        .q = api_query(c, "q"),
                        .limit = (size_t)api_query_int(c, "limit", 8),
                        .items = json_array() };

    if (wanted(&s, "message", SCOPE_MESSAGES_READ))
        search_past_messages(&s);
    if (wanted(&s, "message", SCOPE_QUEUE_READ))
        find_messages(&s);
    if (wanted(&s, "account", SCOPE_DIRECTORY_READ))
        find_accounts(&s);
    if (wanted(&s, "domain", SCOPE_DIRECTORY_READ))
        domain_each(api_admin_of(c)->accounts, add_domain, &s, NULL);
    if (wanted(&s, "session", SCOPE_SESSIONS_READ) && api_admin_of(c)->shm)
        shm_session_each(api_admin_of(c)->shm, add_session, &s);
    if (wanted(&s, "session", SCOPE_SESSIONS_READ))
        search_past_sessions(&s);
    if (wanted(&s, "setting", SCOPE_SETTINGS_READ))
        find_settings(&s);
    api_reply(c, 200, json_pack("{s:o}", "items", s.items));
}

const struct api_route api_search_routes[] = {
    { .method = "GET",
      .path = "/search",
      .scope = SCOPE_SELF,
      .id = "search",
      .query = params,
      .status = 200,
      .response = &hits_schema,
      .run = search,
      .help =
          "Messages, accounts, domains, sessions and settings by name; what the caller may see." },
    { 0 },
};
