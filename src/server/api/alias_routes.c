/* Aliases: addresses of ours that lead to others. */
#include "mail/account/address.h"
#include "server/api/api_priv.h"
#include "server/api/directory.h"
#include "server/api/page.h"

static const struct api_field alias_params[] = {
    { "domain", API_TEXT, 0, 1, 253, NULL, NULL, "Aliases of this domain only." },
    { 0 },
};
static const struct api_field alias_fields[] = {
    { "address", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "targets", API_TEXTS, API_REQUIRED, 0, 0, NULL, NULL, "Where its mail goes." },
    { 0 },
};
static const struct api_schema alias_schema = { "Alias", "An address that leads to others.",
                                                alias_fields };
static const struct api_field alias_put_fields[] = {
    { "targets", API_TEXTS, API_REQUIRED, 1, 500, NULL, NULL, "Addresses, local or remote." },
    { 0 },
};
static const struct api_schema alias_put_schema = { "AliasTargets", "Where mail goes.",
                                                    alias_put_fields };

json_t *api_split_list(const char *text)
{
    json_t *a = json_array();
    struct sv rest = *text ? sv_c(text) : SV_NULL;

    while (rest.p) {
        struct sv one = sv_trim(sv_split(&rest, ';'));

        if (one.n)
            json_array_append_new(a, json_stringn(one.p, one.n));
    }
    return a;
}

char *api_join_list(json_t *texts)
{
    struct buf b;
    size_t i;
    json_t *t;

    buf_init(&b, 4 * MiB);
    json_array_foreach(texts, i, t) buf_addf(&b, "%s%s", i ? ";" : "", json_string_value(t));
    return buf_take(&b, NULL);
}

struct alias_want {
    struct api_page *page;
    const char *q;
    json_t *found;
};

static bool add_alias(const char *address, const char *targets, void *arg)
{
    struct alias_want *w = arg;
    struct api_call *c = w->page->c;
    struct api_key k = { 0 };
    json_t *row;

    if (!api_sees_address(c->caller, sv_c(address)) ||
        !api_q_matches(w->q, (const char *const[]){ address, targets }, 2))
        return true;
    sv_copy(k.id, sizeof(k.id), sv_c(address));
    row = json_pack("{s:o, s:o}", "address", api_text(address), "targets", api_split_list(targets));
    json_array_append_new(w->found, row);
    api_page_add(w->page, &k, &row);
    return true;
}

static json_t *alias_row(struct api_call *c _unused_, const void *payload)
{
    json_t *row;

    memcpy(&row, payload, sizeof(row));
    return json_incref(row);
}

static void list_aliases(struct api_call *c)
{
    const char *domain = api_query(c, "domain");
    struct errinfo ei = { 0 };
    struct api_page page;
    struct alias_want w = { .page = &page, .q = api_query(c, "q"), .found = json_array() };
    int r;

    if (!api_page_begin(&page, c, sizeof(json_t *), "address")) {
        json_decref(w.found);
        return;
    }
    r = alias_each(api_admin_of(c)->accounts, domain ? sv_c(domain) : SV_NULL, add_alias, &w, &ei);
    api_page_end(&page, alias_row);
    json_decref(w.found);
    if (r == E_PARSE || r == E_RANGE)
        api_fail(c, 400, "invalid_parameter", "domain", "domain: %s", ei.text);
    else if (r < 0)
        api_fail_err(c, r, ei.text);
}

/* False: answered. */
static bool alias_of(struct api_call *c, struct addr *ret)
{
    struct errinfo ei = { 0 };

    if (addr_parse(sv_c(api_param(c, "address")), ret, &ei) < 0) {
        api_fail(c, 422, "invalid_value", "address", "address: %s", ei.text);
        return false;
    }
    if (api_sees_address(c->caller, addr_sv(ret)))
        return true;
    api_fail_gone(c, "domain of", api_param(c, "address"));
    return false;
}

static void put_alias(struct api_call *c)
{
    struct addr address;
    char *targets;
    json_t *reply;

    if (!alias_of(c, &address))
        return;
    targets = api_join_list(json_object_get(c->body, "targets"));
    reply = api_admin(c, "alias.set",
                      json_pack("{s:s, s:s}", "address", address.text, "targets", targets));
    if (reply && !api_answer_dry_run(c, reply))
        api_reply(
            c, 200,
            json_pack("{s:s, s:o}", "address", address.text, "targets", api_split_list(targets)));
    free(targets);
    json_decref(reply);
}

static void delete_alias(struct api_call *c)
{
    struct addr address;
    json_t *reply;

    if (!alias_of(c, &address))
        return;
    reply = api_admin(c, "alias.delete", json_pack("{s:s}", "address", address.text));
    if (reply && !api_answer_dry_run(c, reply))
        api_reply(c, 204, NULL);
    json_decref(reply);
}

const struct api_route api_alias_routes[] = {
    { .method = "GET",
      .path = "/aliases",
      .scope = SCOPE_DIRECTORY_READ,
      .flags = ROUTE_PAGED,
      .id = "listAliases",
      .query = alias_params,
      .status = 200,
      .response = &alias_schema,
      .sort = "address|-address",
      .run = list_aliases,
      .help = "Aliases, those of accounts included." },
    { .method = "PUT",
      .path = "/aliases/{address}",
      .scope = SCOPE_DIRECTORY_WRITE,
      .flags = ROUTE_DRY_RUN,
      .id = "putAlias",
      .body = &alias_put_schema,
      .status = 200,
      .response = &alias_schema,
      .run = put_alias,
      .help = "Makes an alias or replaces its targets." },
    { .method = "DELETE",
      .path = "/aliases/{address}",
      .scope = SCOPE_DIRECTORY_WRITE,
      .flags = ROUTE_DRY_RUN,
      .id = "deleteAlias",
      .status = 204,
      .run = delete_alias,
      .help = "Deletes an alias." },
    { 0 },
};
