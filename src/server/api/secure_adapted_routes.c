/* Domains that secure destinations have adapted to (setting deliver.secure_adapt). */
#include "mail/account/secure_adapted.h"

#include "conf/conf.h"
#include "server/api/api_priv.h"
#include "server/api/directory.h"
#include "server/api/page.h"

static const struct api_field domain_fields[] = {
    { "domain", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Of senders; mail for it is meant." },
    { "name", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL,
      "What the certificate names: the domain, or its MX host." },
    { "subject", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Of the certificate; may be empty." },
    { "issuer", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "ip", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "The client's at the last such message." },
    { "since", API_TIME, API_REQUIRED, 0, 0, NULL, NULL, "The first such message." },
    { "last_at", API_TIME, API_REQUIRED, 0, 0, NULL, NULL, "The last one." },
    { "in_force", API_BOOL, API_REQUIRED, 0, 0, NULL, NULL,
      "Mail for it goes by verified TLS or is returned: deliver.secure_adapt is on, and its time "
      "has not passed since the last such message." },
    { 0 },
};
static const struct api_schema domain_schema = { "AdaptedDomain",
                                                 "A domain that secure destinations adapt to.",
                                                 domain_fields };

static json_t *domain_json(const struct secure_adapted *row, int64_t adapt_ms)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b}", "domain", api_text(row->domain),
                     "name", api_text(row->name), "subject", api_text(row->subject), "issuer",
                     api_text(row->issuer), "ip", api_text(row->ip), "since",
                     api_time(row->since_ms), "last_at", api_time(row->seen_ms), "in_force",
                     secure_adapted_holds(row, adapt_ms));
}

struct listing {
    const char *q, *after;
    json_t *items;
    size_t limit;
    int64_t adapt_ms, total;
    char last[ADDR_DOMAIN_MAX + 1];
    bool more;
};

static bool add_row(const struct secure_adapted *row, void *arg)
{
    struct listing *l = arg;

    if (!api_q_matches(l->q, (const char *const[]){ row->domain, row->name, row->issuer }, 3))
        return true;
    l->total++;
    if (strcmp(row->domain, l->after) <= 0)
        return true;
    l->more = json_array_size(l->items) == l->limit;
    if (!l->more) {
        json_array_append_new(l->items, domain_json(row, l->adapt_ms));
        sv_copy(l->last, sizeof(l->last), sv_c(row->domain));
    }
    return true;
}

static void list(struct api_call *c)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    char after[ADDR_DOMAIN_MAX + 1];
    struct listing l = { .q = api_query(c, "q"),
                         .after = after,
                         .limit = api_page_limit(c),
                         .adapt_ms = cf->deliver.secure_adapt };
    struct errinfo ei = { 0 };
    int r;

    if (!api_page_cursor(c, after, sizeof(after)))
        return;
    l.items = json_array();
    r = secure_adapted_each(api_admin_of(c)->accounts, SV(""), SV(""), add_row, &l, &ei);
    if (r < 0) {
        json_decref(l.items);
        api_fail_err(c, r, ei.text);
        return;
    }
    api_page_answer(c, l.items, l.more ? l.last : NULL, l.total, true);
}

static void forget(struct api_call *c)
{
    json_t *reply =
        api_admin(c, "secure.forget", json_pack("{s:s}", "domain", api_param(c, "domain")));

    if (reply && !api_answer_dry_run(c, reply))
        api_reply(c, 204, NULL);
    json_decref(reply);
}

const struct api_route api_adapted_routes[] = {
    { .method = "GET",
      .path = "/secure-destinations/adapted",
      .scope = SCOPE_SETTINGS_READ,
      .flags = ROUTE_PAGED,
      .id = "listAdaptedDomains",
      .status = 200,
      .response = &domain_schema,
      .run = list,
      .help = "Domains that deliver.secure_adapt has made secure destinations, in alphabetic "
              "order." },
    { .method = "DELETE",
      .path = "/secure-destinations/adapted/{domain}",
      .scope = SCOPE_SETTINGS_WRITE,
      .flags = ROUTE_DRY_RUN,
      .id = "forgetAdaptedDomain",
      .status = 204,
      .run = forget,
      .help = "The domain is no secure destination any more, until a message comes with its "
              "certificate again." },
    { 0 },
};
