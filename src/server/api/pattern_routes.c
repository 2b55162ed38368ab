/* Named patterns, [Name]: many addresses under one word. They are the server's, for all domains. */
#include "mail/account/address.h"
#include "mail/account/pattern.h"

#include "server/api/api_priv.h"
#include "server/api/directory.h"
#include "server/api/page.h"

#define ITEM_MAX 320

static const struct api_field pattern_fields[] = {
    { "name", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Without brackets." },
    { "items", API_TEXTS, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { 0 },
};
static const struct api_schema pattern_schema = { "Pattern", "A name for many addresses.",
                                                  pattern_fields };
static const struct api_field put_fields[] = {
    { "items", API_TEXTS, API_REQUIRED, 1, PATTERN_ITEMS_MAX, NULL, NULL,
      "Masks of addresses (sales-*@example.org), parts of addresses, IP addresses, networks "
      "(10.0.0.0/8) and masks (192.168.*.*), other patterns ([Staff])." },
    { 0 },
};
static const struct api_schema put_schema = { "PatternItems", "What a pattern stands for.",
                                              put_fields };

static json_t *items_of(const char *text)
{
    json_t *items = json_array();
    struct sv rest = *text ? sv_c(text) : SV_NULL;

    while (rest.p) {
        struct sv one = sv_trim(sv_split(&rest, '\n'));

        if (one.n)
            json_array_append_new(items, json_stringn(one.p, one.n));
    }
    return items;
}

/* --- the list --- */

static const struct api_field query_fields[] = {
    { "address", API_TEXT, 0, 3, 320, NULL, NULL, "Only patterns that stand for this address." },
    { 0 },
};

struct listing {
    struct api_page page;
    struct sv address; /* canonical; p NULL: any */
    json_t *rows;
    int error;
    struct errinfo *ei;
};

static json_t *pattern_json(const char *name, const char *items)
{
    return json_pack("{s:s, s:o}", "name", name, "items", items_of(items));
}

static bool add_row(const char *name, const char *items, void *arg)
{
    struct listing *l = arg;
    struct api_key k = { 0 };
    json_t *row;

    if (!api_q_matches(api_query(l->page.c, "q"), (const char *const[]){ name, items }, 2))
        return true;
    if (l->address.p) {
        int r = pattern_fits(api_admin_of(l->page.c)->accounts, sv_c(name), l->address, l->ei);

        l->error = MIN(r, 0);
        if (r <= 0)
            return r == 0;
    }
    row = pattern_json(name, items);
    json_array_append_new(l->rows, row);
    sv_copy(k.id, sizeof(k.id), sv_c(name));
    api_page_add(&l->page, &k, &row);
    return true;
}

static json_t *row_of(struct api_call *c _unused_, const void *payload)
{
    json_t *row;

    memcpy(&row, payload, sizeof(row));
    return json_incref(row);
}

static void list(struct api_call *c)
{
    struct errinfo ei = { 0 };
    struct listing l = { .ei = &ei };
    const char *address = api_query(c, "address");
    struct addr a;
    int r;

    if (address) {
        if (addr_parse(sv_trim(sv_c(address)), &a, &ei) < 0 || !addr_domain(&a).n) {
            api_fail(c, 422, "invalid_field", "address", "address: '%.100s' is no whole address",
                     address);
            return;
        }
        l.address = addr_sv(&a);
    }
    if (!api_page_begin(&l.page, c, sizeof(json_t *), "name"))
        return;
    l.rows = json_array();
    r = pattern_each(api_admin_of(c)->accounts, add_row, &l, &ei);
    r = r < 0 ? r : l.error;
    api_page_end(&l.page, row_of);
    json_decref(l.rows);
    if (r < 0)
        api_fail_err(c, r, ei.text);
}

/* --- one --- */

struct search {
    struct sv name; /* without brackets */
    json_t *found;
};

/* Names are compared without regard to case, as addresses are. */
static bool find_pattern(const char *name, const char *items, void *arg)
{
    struct search *s = arg;

    if (sv_ieq(s->name, sv_c(name)))
        s->found = pattern_json(name, items);
    return !s->found;
}

static void show(struct api_call *c)
{
    struct sv name = sv_trim(sv_c(api_param(c, "pattern")));
    struct search s = { .name = name };
    struct errinfo ei = { 0 };
    int r;

    if (name.n > 2 && name.p[0] == '[' && name.p[name.n - 1] == ']')
        s.name = sv_n(name.p + 1, name.n - 2);
    r = pattern_each(api_admin_of(c)->accounts, find_pattern, &s, &ei);
    if (s.found)
        api_reply(c, 200, s.found);
    else if (r < 0)
        api_fail_err(c, r, ei.text);
    else
        api_fail_gone(c, "pattern", api_param(c, "pattern"));
}

static void put(struct api_call *c)
{
    json_t *items = json_object_get(c->body, "items"), *item, *reply;
    size_t i;

    json_array_foreach(items, i, item)
    {
        struct sv text = sv_c(json_string_value(item));

        if (text.n == 0 || text.n > ITEM_MAX || sv_find(text, '\n') >= 0 ||
            sv_find(text, ';') >= 0) {
            api_fail(
                c, 422, "invalid_field", "items",
                "items: '%.100s' is no item; one mask, part of an address, IP or [pattern] each",
                json_string_value(item));
            return;
        }
    }
    _cleanup_(freep) char *text = api_join_list(items);

    reply = api_admin(c, "pattern.set",
                      json_pack("{s:s, s:s}", "name", api_param(c, "pattern"), "items", text));
    if (reply && !api_answer_dry_run(c, reply))
        show(c);
    json_decref(reply);
}

static void drop(struct api_call *c)
{
    json_t *reply =
        api_admin(c, "pattern.delete", json_pack("{s:s}", "name", api_param(c, "pattern")));

    if (reply && !api_answer_dry_run(c, reply))
        api_reply(c, 204, NULL);
    json_decref(reply);
}

/* --- who uses it --- */

static const struct api_field user_fields[] = {
    { "kind", API_ENUM, API_REQUIRED, 0, 0, "alias|pattern|setting|account|senders|rule", NULL,
      "account: where its mail goes; senders: a list of senders." },
    { "name", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL,
      "Address of the alias; name of the pattern (without brackets), setting or rule; field of the "
      "account, such as forward_to; entry of the list of senders." },
    { "owner", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL,
      "The alias's domain, the account; whose list or rule it is. Else server." },
    { "text", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "As errors call it." },
    { 0 },
};
static const struct api_schema user_schema = { "PatternUser", "What uses a pattern.", user_fields };

static void list_users(struct api_call *c)
{
    json_t *reply, *items;
    bool all;

    if (!api_needs_scope(c, SCOPE_DIRECTORY_READ))
        return;
    reply = api_admin(c, "pattern.users", json_pack("{s:s}", "name", api_param(c, "pattern")));
    if (!reply)
        return;
    items = json_incref(json_object_get(reply, "rows"));
    all = !json_object_get(reply, "more");
    json_decref(reply);
    api_page_of(c, items, "text", all);
}

const struct api_route api_pattern_routes[] = {
    { .method = "GET",
      .path = "/patterns",
      .scope = SCOPE_SETTINGS_READ,
      .flags = ROUTE_PAGED,
      .id = "listPatterns",
      .query = query_fields,
      .status = 200,
      .response = &pattern_schema,
      .run = list,
      .help = "Named patterns, in order of their names." },
    { .method = "GET",
      .path = "/patterns/{pattern}",
      .scope = SCOPE_SETTINGS_READ,
      .flags = ROUTE_ETAG,
      .id = "getPattern",
      .status = 200,
      .response = &pattern_schema,
      .run = show,
      .help = "One pattern." },
    { .method = "GET",
      .path = "/patterns/{pattern}/users",
      .scope = SCOPE_SETTINGS_READ,
      .flags = ROUTE_PAGED,
      .id = "listPatternUsers",
      .status = 200,
      .response = &user_schema,
      .run = list_users,
      .help =
          "What uses the pattern, kind after kind: aliases, patterns, settings, accounts, lists "
          "of senders, rules. The first 1,000; total is at_least then. Needs directory:read, "
          "too." },
    { .method = "PUT",
      .path = "/patterns/{pattern}",
      .scope = SCOPE_SETTINGS_WRITE,
      .flags = ROUTE_IF_MATCH | ROUTE_DRY_RUN,
      .id = "putPattern",
      .body = &put_schema,
      .status = 200,
      .response = &pattern_schema,
      .run = put,
      .help = "Makes a pattern or replaces its items." },
    { .method = "DELETE",
      .path = "/patterns/{pattern}",
      .scope = SCOPE_SETTINGS_WRITE,
      .flags = ROUTE_DRY_RUN,
      .id = "deletePattern",
      .status = 204,
      .run = drop,
      .help = "Deletes a pattern that nothing uses." },
    { 0 },
};
