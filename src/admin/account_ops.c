/* Domains, accounts, app passwords. */
#include "admin/admin_priv.h"

#include "mail/mailbox/mailbox.h"

static const char *const unknown_names[] = {
    [UNKNOWN_REJECT] = "reject",
    [UNKNOWN_FORWARD] = "forward",
    [UNKNOWN_DELETE] = "delete",
};

static struct domain_spec domain_spec_of(const struct admin_call *c, const char *name)
{
    return (struct domain_spec){
        .name = name,
        .enabled = admin_arg(c, "enabled"),
        .primary = admin_arg(c, "primary"),
        .unknown = admin_arg(c, "unknown"),
        .unknown_to = admin_arg(c, "unknown_to"),
        .quota = admin_arg(c, "quota"),
        .max_message = admin_arg(c, "max_message"),
    };
}

static struct account_spec account_spec_of(const struct admin_call *c)
{
    return (struct account_spec){
        .name = admin_arg(c, "name"),
        .password = admin_arg(c, "password"),
        .enabled = admin_arg(c, "enabled"),
        .quota = admin_arg(c, "quota"),
        .soft_quota = admin_arg(c, "soft_quota"),
        .max_message = admin_arg(c, "max_message"),
        .local_only = admin_arg(c, "local_only"),
        .aliases = admin_arg(c, "aliases"),
    };
}

/* A misspelt argument must not be ignored: the administrator would believe it was set. */
static json_t *only(const struct admin_call *c, const char *allowed)
{
    const char *key;
    json_t *v;

    json_object_foreach(c->args, key, v)
    {
        struct sv rest = sv_c(allowed);
        bool known = false;

        while (rest.p && !known)
            known = sv_eq(sv_split(&rest, ' '), sv_c(key));
        if (!known)
            return admin_error(E_PARSE, "unknown argument '%s'; known: %s", key, allowed);
    }
    return NULL;
}

#define DOMAIN_ARGS  "domain enabled primary unknown unknown_to quota max_message"
#define ACCOUNT_ARGS "address name password enabled quota soft_quota max_message local_only aliases"

static json_t *create_domain(const struct admin_call *c)
{
    json_t *error = only(c, DOMAIN_ARGS);
    const char *name = error ? NULL : admin_need(c, "domain", &error);
    struct domain_spec s;
    struct errinfo ei = { 0 };

    if (!name)
        return error;
    s = domain_spec_of(c, name);
    return admin_result(domain_create(c->a->accounts, c->who, &s, &ei), &ei);
}

static json_t *update_domain(const struct admin_call *c)
{
    json_t *error = only(c, DOMAIN_ARGS);
    const char *name = error ? NULL : admin_need(c, "domain", &error);
    struct domain_spec s;
    struct errinfo ei = { 0 };

    if (!name)
        return error;
    s = domain_spec_of(c, NULL);
    return admin_result(domain_update(c->a->accounts, c->who, sv_c(name), &s, &ei), &ei);
}

static bool add_domain(const struct domain *d, void *arg)
{
    json_array_append_new(arg, json_pack("{s:o, s:b, s:b, s:s, s:o, s:I, s:I}", "domain",
                                         admin_text(d->name), "enabled", (int)d->enabled, "primary",
                                         (int)d->primary, "unknown", unknown_names[d->unknown],
                                         "unknown_to", admin_text(d->unknown_to), "quota",
                                         (json_int_t)d->quota_bytes, "max_message",
                                         (json_int_t)d->max_message_bytes));
    return true;
}

static json_t *list_domains(const struct admin_call *c)
{
    json_t *rows = json_array();
    struct errinfo ei = { 0 };
    int r = domain_each(c->a->accounts, add_domain, rows, &ei);

    if (r < 0) {
        json_decref(rows);
        return admin_result(r, &ei);
    }
    return json_pack("{s:b, s:o}", "ok", 1, "rows", rows);
}

static json_t *create_account(const struct admin_call *c)
{
    json_t *error = only(c, ACCOUNT_ARGS);
    const char *address = error ? NULL : admin_need(c, "address", &error);
    struct account_spec s;
    struct errinfo ei = { 0 };

    if (!address)
        return error;
    s = account_spec_of(c);
    return admin_result(account_create(c->a->accounts, c->who, sv_c(address), &s, &ei), &ei);
}

static json_t *update_account(const struct admin_call *c)
{
    json_t *error = only(c, ACCOUNT_ARGS);
    const char *address = error ? NULL : admin_need(c, "address", &error);
    struct account_spec s;
    struct errinfo ei = { 0 };

    if (!address)
        return error;
    s = account_spec_of(c);
    return admin_result(account_update(c->a->accounts, c->who, sv_c(address), &s, &ei), &ei);
}

/* The mailbox goes after the account: nobody can deliver to it any more. */
static json_t *delete_account(const struct admin_call *c)
{
    json_t *error = only(c, "address keep_mail");
    const char *address = error ? NULL : admin_need(c, "address", &error), *keep;
    struct errinfo ei = { 0 };
    _cleanup_(account_unrefp) const struct account *acc = NULL;
    int r;

    if (!address)
        return error;
    keep = admin_arg(c, "keep_mail");
    r = account_find_address(c->a->accounts, sv_c(address), &acc, &ei);
    if (r == 0)
        r = account_delete(c->a->accounts, c->who, sv_c(acc->address), &ei);
    if (r == 0 && c->a->store && !(keep && !strcmp(keep, "yes")))
        r = mailstore_remove(c->a->store, sv_c(acc->address), &ei);
    return admin_result(r, &ei);
}

struct removal {
    struct mailstore *store;
    struct errinfo ei;
    int result;
};

static bool remove_mail(const struct account *acc, void *arg)
{
    struct removal *rm = arg;
    int r = mailstore_remove(rm->store, sv_c(acc->address), &rm->ei);

    if (r < 0 && rm->result == 0)
        rm->result = r;
    return true;
}

static json_t *delete_domain(const struct admin_call *c)
{
    json_t *error = only(c, "domain with_accounts");
    const char *name = error ? NULL : admin_need(c, "domain", &error), *with;
    struct removal rm = { .store = c->a->store };
    struct errinfo ei = { 0 };
    bool all;
    int r = 0;

    if (!name)
        return error;
    with = admin_arg(c, "with_accounts");
    all = with && !strcmp(with, "yes");
    if (all && c->a->store)
        r = account_each(c->a->accounts, sv_c(name), remove_mail, &rm, &ei);
    if (r == 0)
        r = domain_delete(c->a->accounts, c->who, sv_c(name), all, &ei);
    if (r == 0 && rm.result < 0)
        return admin_result(rm.result, &rm.ei);
    return admin_result(r, &ei);
}

static bool add_account(const struct account *acc, void *arg)
{
    json_array_append_new(
        arg, json_pack("{s:o, s:o, s:b, s:I, s:I, s:I, s:b}", "address", admin_text(acc->address),
                       "name", admin_text(acc->name), "enabled", (int)acc->enabled, "quota",
                       (json_int_t)acc->quota_bytes, "soft_quota",
                       (json_int_t)acc->soft_quota_bytes, "max_message",
                       (json_int_t)acc->max_message_bytes, "local_only", (int)acc->local_only));
    return true;
}

static json_t *list_accounts(const struct admin_call *c)
{
    const char *domain = admin_arg(c, "domain");
    json_t *rows = json_array();
    struct errinfo ei = { 0 };
    int r = account_each(c->a->accounts, sv_c(domain ? domain : ""), add_account, rows, &ei);

    if (r < 0) {
        json_decref(rows);
        return admin_result(r, &ei);
    }
    return json_pack("{s:b, s:o}", "ok", 1, "rows", rows);
}

static json_t *show_account(const struct admin_call *c)
{
    json_t *error = NULL, *rows = json_array(), *j;
    const char *address = admin_need(c, "address", &error);
    _cleanup_(account_unrefp) const struct account *acc = NULL;
    struct errinfo ei = { 0 };
    struct buf aliases;
    uint64_t bytes = 0, messages = 0;
    struct mailbox *mb = NULL;
    int r;

    if (!address) {
        json_decref(rows);
        return error;
    }
    r = account_find_address(c->a->accounts, sv_c(address), &acc, &ei);
    if (r < 0) {
        json_decref(rows);
        return admin_result(r, &ei);
    }
    add_account(acc, rows);
    j = json_incref(json_array_get(rows, 0));
    json_decref(rows);
    buf_init(&aliases, 1 * MiB);
    if (account_aliases(c->a->accounts, acc->id, &aliases, NULL) == 0 &&
        buf_terminate(&aliases) == 0)
        json_object_set_new(j, "aliases", admin_text(aliases.p));
    buf_done(&aliases);
    if (c->a->store && mailbox_open(c->a->store, acc->id, sv_c(acc->address), &mb, NULL) == 0) {
        mailbox_usage(mb, &bytes, &messages, NULL);
        mailbox_unref(mb);
    }
    json_object_set_new(j, "used_bytes", json_integer((json_int_t)bytes));
    json_object_set_new(j, "messages", json_integer((json_int_t)messages));
    json_object_set_new(j, "ok", json_true());
    return j;
}

static json_t *create_app_password(const struct admin_call *c)
{
    json_t *error = NULL;
    const char *address = admin_need(c, "address", &error),
               *label = address ? admin_need(c, "label", &error) : NULL;
    char secret[40];
    struct errinfo ei = { 0 };
    int r;

    if (error)
        return error;
    r = account_app_password_create(c->a->accounts, c->who, sv_c(address), label, secret, &ei);
    if (r < 0)
        return admin_result(r, &ei);
    return json_pack("{s:b, s:s}", "ok", 1, "password", secret);
}

static json_t *delete_app_password(const struct admin_call *c)
{
    json_t *error = NULL;
    const char *address = admin_need(c, "address", &error),
               *label = address ? admin_need(c, "label", &error) : NULL;
    struct errinfo ei = { 0 };

    if (error)
        return error;
    return admin_result(
        account_app_password_delete(c->a->accounts, c->who, sv_c(address), label, &ei), &ei);
}

static bool add_app_password(const char *label, int64_t created_s, int64_t used_s, void *arg)
{
    json_array_append_new(arg, json_pack("{s:o, s:I, s:I}", "label", admin_text(label), "created_s",
                                         (json_int_t)created_s, "used_s", (json_int_t)used_s));
    return true;
}

static json_t *list_app_passwords(const struct admin_call *c)
{
    json_t *error = NULL, *rows;
    const char *address = admin_need(c, "address", &error);
    struct errinfo ei = { 0 };
    int r;

    if (error)
        return error;
    rows = json_array();
    r = account_app_password_each(c->a->accounts, sv_c(address), add_app_password, rows, &ei);
    if (r < 0) {
        json_decref(rows);
        return admin_result(r, &ei);
    }
    return json_pack("{s:b, s:o}", "ok", 1, "rows", rows);
}

const struct admin_op admin_account_ops[] = {
    { "domain.create", DOMAIN_ARGS, "New domain.", create_domain },
    { "domain.update", DOMAIN_ARGS, "Changes a domain.", update_domain },
    { "domain.delete", "domain with_accounts",
      "Deletes a domain; with_accounts=yes also its accounts and their mail.", delete_domain },
    { "domain.list", "", "All domains.", list_domains },
    { "account.create", ACCOUNT_ARGS, "New account.", create_account },
    { "account.update", ACCOUNT_ARGS, "Changes an account.", update_account },
    { "account.delete", "address keep_mail",
      "Deletes an account and, without keep_mail=yes, its mail.", delete_account },
    { "account.list", "[domain]", "Accounts of a domain or all.", list_accounts },
    { "account.show", "address", "One account with aliases and usage.", show_account },
    { "app-password.create", "address label", "New app password; it is shown once.",
      create_app_password },
    { "app-password.delete", "address label", "Withdraws an app password.", delete_app_password },
    { "app-password.list", "address", "Labels of an account's app passwords.", list_app_passwords },
    { 0 },
};
