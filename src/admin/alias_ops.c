/* Aliases that stand for themselves: an address of ours and where its mail goes. */
#include "admin/admin_priv.h"

#include "mail/account/address.h"
#include "mail/account/pattern.h"

static json_t *set(const struct admin_call *c)
{
    struct sv address = sv_c(admin_arg(c, "address"));
    const char *targets = admin_arg(c, "targets");
    struct sv rest = sv_c(targets);
    struct errinfo ei = { 0 };
    struct addr parsed;

    if (!sv_trim(rest).n)
        return admin_error(E_PARSE,
                           "targets: '' names nobody; write addresses with ; between them, or "
                           "delete the alias");
    while (rest.p) {
        struct sv one = sv_trim(sv_split(&rest, ';'));

        if (one.n && addr_parse(one, &parsed, &ei) < 0)
            return admin_error(ei.code, "targets: '" SV_FMT "': %s", SV_ARG(sv_take(one, 100)),
                               ei.text);
    }
    return admin_result(alias_set(c->a->accounts, c->who, address, targets, &ei), &ei);
}

static json_t *drop(const struct admin_call *c)
{
    struct sv address = sv_c(admin_arg(c, "address"));
    struct errinfo ei = { 0 };

    return admin_result(alias_delete(c->a->accounts, c->who, address, &ei), &ei);
}

static bool add_alias(const char *address, const char *targets, void *arg)
{
    json_array_append_new(arg, json_pack("{s:o, s:o}", "address", admin_text(address), "targets",
                                         admin_text(targets)));
    return true;
}

static json_t *list(const struct admin_call *c)
{
    const char *domain = admin_arg(c, "domain");
    json_t *rows = json_array();
    struct errinfo ei = { 0 };
    int r = alias_each(c->a->accounts, domain ? sv_c(domain) : SV_NULL, add_alias, rows, &ei);

    return admin_rows(r, rows, &ei);
}

/* --- patterns --- */

static json_t *set_pattern(const struct admin_call *c)
{
    struct errinfo ei = { 0 };

    return admin_took_over(
        c,
        pattern_set(c->a->accounts, c->who, sv_c(admin_arg(c, "name")), admin_arg(c, "items"), &ei),
        &ei);
}

static json_t *drop_pattern(const struct admin_call *c)
{
    struct errinfo ei = { 0 };

    return admin_took_over(
        c, pattern_delete(c->a->accounts, c->who, sv_c(admin_arg(c, "name")), &ei), &ei);
}

static bool add_pattern(const char *name, const char *items, void *arg)
{
    char text[80];

    snprintf(text, sizeof(text), "[%s]", name);
    json_array_append_new(arg, json_pack("{s:s, s:o}", "name", text, "items", admin_text(items)));
    return true;
}

static json_t *list_patterns(const struct admin_call *c)
{
    json_t *rows = json_array();
    struct errinfo ei = { 0 };

    return admin_rows(pattern_each(c->a->accounts, add_pattern, rows, &ei), rows, &ei);
}

static json_t *text_of(struct sv s)
{
    _cleanup_(freep) char *text = sv_dup(s);

    return admin_text(text);
}

static void add_user(const struct pattern_user *u, void *arg)
{
    json_array_append_new(
        arg, json_pack("{s:s, s:o, s:o, s:o}", "kind", u->kind, "name", text_of(u->name), "owner",
                       text_of(u->owner.n ? u->owner : SV("server")), "text", admin_text(u->text)));
}

static json_t *list_users(const struct admin_call *c)
{
    json_t *rows = json_array(), *reply;
    struct errinfo ei = { 0 };
    int r = pattern_users(c->a->accounts, sv_c(admin_arg(c, "name")), add_user, rows, &ei);

    reply = admin_rows(r, rows, &ei);
    if (r == 1)
        json_object_set_new(reply, "more", json_true());
    return reply;
}

const struct admin_op admin_alias_ops[] = {
    { "alias.set", "address targets",
      "An alias with these targets, addresses with ; between them; replaces earlier ones.", set },
    { "alias.delete", "address", "Deletes an alias.", drop },
    { "alias.list", "[domain]", "Aliases of a domain or all, those of accounts included.", list },
    { "pattern.set", "name items",
      "A pattern with these items, one a line or with ; between them; replaces earlier ones.",
      set_pattern },
    { "pattern.delete", "name", "Deletes a pattern that nothing uses.", drop_pattern },
    { "pattern.list", "", "Patterns and their items.", list_patterns },
    { "pattern.users", "name", "What uses a pattern; more: there is more than the 1,000 rows.",
      list_users },
    { 0 },
};
