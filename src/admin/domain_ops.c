/* Domains. */
#include "admin/admin_priv.h"

#include "admin/domain_usage.h"
#include "conf/routes.h"
#include "mail/account/address.h"
#include "mail/mailbox/mailbox.h"

static const char *const unknown_names[] = {
    [UNKNOWN_REJECT] = "reject",
    [UNKNOWN_FORWARD] = "forward",
    [UNKNOWN_DELETE] = "delete",
};

static struct domain_spec spec_of(const struct admin_call *c, const char *name)
{
    struct domain_spec s = {
        .name = name,
        .enabled = admin_arg(c, "enabled"),
        .primary = admin_arg(c, "primary"),
        .unknown = admin_arg(c, "unknown"),
        .unknown_to = admin_arg(c, "unknown_to"),
        .quota = admin_arg(c, "quota"),
        .max_message = admin_arg(c, "max_message"),
        .type = admin_arg(c, "type"),
        .backup_host = admin_arg(c, "backup_host"),
        .fetched_by = admin_arg(c, "fetched_by"),
    };
    for (size_t i = 0; i < DOMAIN_LIMITS; i++)
        s.limit[i] = admin_arg(c, domain_limit_names[i]);
    return s;
}

#define DOMAIN_ARGS                                                                                \
    "domain [enabled] [primary] [unknown] [unknown_to] [quota] [max_message] [type] "              \
    "[backup_host] "                                                                               \
    "[fetched_by] [max_messages_hour] [max_messages_day] [max_recipients_hour] "                   \
    "[max_recipients_day] [total_messages_hour] [total_messages_day] [total_recipients_hour] "     \
    "[total_recipients_day] [total_quota]"

/* A quota holds as soon as it is set: what the mailboxes have already counts. */
static json_t *changed(const struct admin_call *c, int r, const struct domain_spec *s,
                       struct errinfo *ei)
{
    char name[ADDR_DOMAIN_MAX + 1];
    size_t n = 0;

    if (r == 0 && s->limit[DOMAIN_TOTAL_QUOTA] && c->a->store && !c->a->dry_run &&
        addr_parse_domain(sv_trim(sv_c(admin_arg(c, "domain"))), name, &n, ei) == 0)
        r = domain_usage_count(c->a->accounts, c->a->store, sv_n(name, n), NULL, ei);
    return admin_took_over(c, r, ei);
}

static json_t *create(const struct admin_call *c)
{
    struct domain_spec s = spec_of(c, admin_arg(c, "domain"));
    struct errinfo ei = { 0 };

    return changed(c, domain_create(c->a->accounts, c->who, &s, &ei), &s, &ei);
}

static json_t *update(const struct admin_call *c)
{
    struct domain_spec s = spec_of(c, NULL);
    struct sv name = sv_c(admin_arg(c, "domain"));
    struct errinfo ei = { 0 };

    return changed(c, domain_update(c->a->accounts, c->who, name, &s, &ei), &s, &ei);
}

json_t *admin_domain_row(const struct domain *d)
{
    json_t *j = json_pack("{s:o, s:b, s:b, s:s, s:o, s:I, s:I, s:s, s:o, s:o}", "domain",
                          admin_text(d->name), "enabled", (int)d->enabled, "primary",
                          (int)d->primary, "unknown", unknown_names[d->unknown], "unknown_to",
                          admin_text(d->unknown_to), "quota", (json_int_t)d->quota_bytes,
                          "max_message", (json_int_t)d->max_message_bytes, "type",
                          domain_type_names[d->type], "backup_host", admin_text(d->backup_host),
                          "fetched_by", admin_text(d->fetched_by));
    for (size_t i = 0; i < DOMAIN_LIMITS; i++)
        json_object_set_new(j, domain_limit_names[i], json_integer((json_int_t)d->limit[i]));
    return j;
}

json_t *admin_domain_used(const struct admin *a, const struct domain *d)
{
    uint64_t used;

    return d->limit[DOMAIN_TOTAL_QUOTA] > 0 && a->store &&
                   mailstore_domain_usage(a->store, sv_c(d->name), &used) == 0
               ? json_integer((json_int_t)used)
               : json_null();
}

struct listing {
    const struct admin *a;
    json_t *rows;
};

static bool add_domain(const struct domain *d, void *arg)
{
    struct listing *l = arg;
    json_t *row = admin_domain_row(d);

    json_object_set_new(row, "used", admin_domain_used(l->a, d));
    json_array_append_new(l->rows, row);
    return true;
}

static json_t *list(const struct admin_call *c)
{
    json_t *rows = json_array();
    struct errinfo ei = { 0 };
    struct listing l = { c->a, rows };
    int r = domain_each(c->a->accounts, add_domain, &l, &ei);

    return admin_rows(r, rows, &ei);
}

/* The mail goes after the accounts: a deletion that is refused must not cost anybody's mail. */
static json_t *drop(const struct admin_call *c)
{
    struct sv name = sv_c(admin_arg(c, "domain")), rest;
    struct errinfo ei = { 0 };
    struct buf addresses;
    json_t *error = NULL;
    const char *text = admin_arg(c, "references");
    int r = 0, first = 0, references = REFERENCES_REFUSE;
    bool all;

    if (!admin_switch(c, "with_accounts", &all, &error))
        return error;
    if (text)
        references = conf_choice(domain_references_names, sv_trim(sv_c(text)));
    if (references < 0)
        return admin_error(E_PARSE, "references: '%.40s' is none of refuse, remove, keep", text);
    buf_init(&addresses, 256 * MiB);
    if (all && c->a->store && !c->a->dry_run)
        r = account_each(c->a->accounts, name, admin_add_address, &addresses, &ei);
    if (r == 0)
        r = domain_delete(c->a->accounts, c->who, name, all, (enum domain_references)references,
                          &ei);
    rest = r == 0 && addresses.n ? buf_sv(&addresses) : SV_NULL;
    while (rest.n) {
        struct errinfo one = { 0 };

        r = mailstore_remove(c->a->store, sv_split(&rest, '\n'), &one);
        if (r < 0 && first == 0) {
            first = r;
            ei = one;
        }
    }
    buf_done(&addresses);
    return admin_took_over(c, first < 0 ? first : r, &ei);
}

const struct admin_op admin_domain_ops[] = {
    { "domain.create", DOMAIN_ARGS, "New domain.", create },
    { "domain.update", DOMAIN_ARGS, "Changes a domain.", update },
    { "domain.delete", "domain [with_accounts] [references]",
      "Deletes a domain; with_accounts=yes also its accounts and their mail. references=remove "
      "takes "
      "out what leads to it from outside (targets of aliases, members of lists, addresses of "
      "accounts, unknown_to of domains), references=keep leaves it; without it such a domain is "
      "refused.",
      drop },
    { "domain.list", "", "All domains.", list },
    { 0 },
};
