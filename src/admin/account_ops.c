/* Accounts and app passwords. */
#include "admin/admin_priv.h"

#include "mail/account/web_auth.h"
#include "mail/mailbox/mailbox.h"

static struct account_spec account_spec_of(const struct admin_call *c)
{
    struct account_spec s = {
        .name = admin_arg(c, "name"),
        .password = admin_arg(c, "password"),
        .enabled = admin_arg(c, "enabled"),
        .quota = admin_arg(c, "quota"),
        .soft_quota = admin_arg(c, "soft_quota"),
        .max_message = admin_arg(c, "max_message"),
        .local_only = admin_arg(c, "local_only"),
        .aliases = admin_arg(c, "aliases"),
        .role = admin_arg(c, "role"),
        .admin_domains = admin_arg(c, "admin_domains"),
        .keep_session = admin_arg(c, "keep_session"),
    };
    for (size_t i = 0; i < ACCOUNT_OPTIONS; i++)
        s.option[i] = admin_arg(c, account_options[i].name);
    return s;
}

#define ACCOUNT_ARGS                                                                               \
    "address [name] [password] [enabled] [quota] [soft_quota] [max_message] [local_only] "         \
    "[aliases] [role] [admin_domains] [forward_to] [keep_copy] [copy_incoming] [copy_outgoing] "   \
    "[null_mailbox] [kind] [list_post] [list_owner] [list_moderators] [list_query] "               \
    "[list_moderate] "                                                                             \
    "[list_one_click] "                                                                            \
    "[max_messages_hour] [max_messages_day] [max_recipients_hour] [max_recipients_day] "           \
    "[auto_reply] [auto_reply_subject] "                                                           \
    "[auto_reply_from] "                                                                           \
    "[auto_reply_until] [auto_reply_days] [forward_older_to] [forward_older_days] "                \
    "[forward_older_delete]"

bool admin_add_address(const struct account *acc, void *buf)
{
    buf_add_str(buf, acc->address);
    return buf_add_c(buf, '\n') == 0;
}

static json_t *create_account(const struct admin_call *c)
{
    struct account_spec s = account_spec_of(c);
    struct sv address = sv_c(admin_arg(c, "address"));
    struct errinfo ei = { 0 };

    return admin_result(account_create(c->a->accounts, c->who, address, &s, &ei), &ei);
}

static json_t *update_account(const struct admin_call *c)
{
    struct account_spec s = account_spec_of(c);
    struct sv address = sv_c(admin_arg(c, "address"));
    struct errinfo ei = { 0 };

    return admin_result(account_update(c->a->accounts, c->who, address, &s, &ei), &ei);
}

static json_t *sign_out(const struct admin_call *c)
{
    int64_t sessions = 0, tokens = 0;
    struct errinfo ei = { 0 };
    json_t *error = NULL;
    bool with_tokens;
    int r;

    if (!admin_switch(c, "tokens", &with_tokens, &error))
        return error;
    r = account_sign_out(c->a->accounts, c->who, sv_c(admin_arg(c, "address")), with_tokens,
                         &sessions, &tokens, &ei);
    return r < 0 ? admin_result(r, &ei)
                 : json_pack("{s:b, s:I, s:I}", "ok", 1, "sessions", (json_int_t)sessions, "tokens",
                             (json_int_t)tokens);
}

/* The mailbox goes after the account: nobody can deliver to it any more. */
static json_t *delete_account(const struct admin_call *c)
{
    _cleanup_(account_unrefp) const struct account *acc = NULL;
    struct errinfo ei = { 0 };
    json_t *error = NULL;
    bool keep;
    int r;

    if (!admin_switch(c, "keep_mail", &keep, &error))
        return error;
    r = account_find_address(c->a->accounts, sv_c(admin_arg(c, "address")), &acc, &ei);
    if (r == 0)
        r = account_delete(c->a->accounts, c->who, sv_c(acc->address), &ei);
    if (r == 0 && c->a->store && !keep && !c->a->dry_run)
        r = mailstore_remove(c->a->store, sv_c(acc->address), &ei);
    return admin_result(r, &ei);
}

json_t *admin_account_row(const struct account *acc)
{
    return json_pack("{s:o, s:o, s:s, s:b, s:I, s:I, s:I, s:b, s:s}", "address",
                     admin_text(acc->address), "name", admin_text(acc->name), "kind",
                     account_option(acc, OPT_KIND), "enabled", (int)acc->enabled, "quota",
                     (json_int_t)acc->quota_bytes, "soft_quota", (json_int_t)acc->soft_quota_bytes,
                     "max_message", (json_int_t)acc->max_message_bytes, "local_only",
                     (int)acc->local_only, "role", account_role_names[acc->role]);
}

static bool add_account(const struct account *acc, void *arg)
{
    json_array_append_new(arg, admin_account_row(acc));
    return true;
}

static bool add_domain_name(const char *domain, void *arg)
{
    json_array_append_new(arg, admin_text(domain));
    return true;
}

static json_t *list_accounts(const struct admin_call *c)
{
    const char *domain = admin_arg(c, "domain");
    json_t *rows = json_array();
    struct errinfo ei = { 0 };
    int r = account_each(c->a->accounts, sv_c(domain ? domain : ""), add_account, rows, &ei);

    return admin_rows(r, rows, &ei);
}

static json_t *option_value(const struct account *acc, enum account_option o)
{
    enum option_kind kind = account_options[o].kind;

    return kind == OPTION_SWITCH   ? json_boolean(account_is(acc, o))
           : kind == OPTION_NUMBER ? json_integer((json_int_t)account_number(acc, o))
                                   : admin_text(account_option(acc, o));
}

static void add_options(json_t *j, const struct account *acc)
{
    for (enum account_option o = 0; o < ACCOUNT_OPTIONS; o++)
        json_object_set_new(j, account_options[o].name, option_value(acc, o));
}

static json_t *show_account(const struct admin_call *c)
{
    json_t *j, *domains = json_array();
    _cleanup_(account_unrefp) const struct account *acc = NULL;
    struct errinfo ei = { 0 };
    struct buf aliases;
    uint64_t bytes = 0, messages = 0;
    struct mailbox *mb = NULL;
    int r;

    r = account_find_address(c->a->accounts, sv_c(admin_arg(c, "address")), &acc, &ei);
    if (r == 0)
        r = account_admin_domains(c->a->accounts, acc->id, add_domain_name, domains, &ei);
    if (r < 0) {
        json_decref(domains);
        return admin_result(r, &ei);
    }
    j = admin_account_row(acc);
    add_options(j, acc);
    json_object_set_new(j, "admin_domains", domains);
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

/* Variables of the administration interface that people know, of accounts. */
static const struct {
    const char *name;
    enum account_option option;
} variables[] = {
    { "u_forwardolderdays", OPT_OLDER_DAYS },
};

static int find_variable(const char *name, enum account_option *ret, struct errinfo *ei)
{
    for (size_t i = 0; i < ARRAY_LEN(variables); i++)
        if (sv_ieq(sv_c(name), sv_c(variables[i].name))) {
            *ret = variables[i].option;
            return 0;
        }
    for (*ret = 0; *ret < ACCOUNT_OPTIONS; (*ret)++)
        if (sv_ieq(sv_c(name), sv_c(account_options[*ret].name)))
            return 0;
    return err_set(ei, E_NOTFOUND,
                   "accounts have no variable '%.80s'; docs/accounts.md names the fields", name);
}

static json_t *get_variable(const struct admin_call *c)
{
    _cleanup_(account_unrefp) const struct account *acc = NULL;
    struct errinfo ei = { 0 };
    enum account_option o;
    int r = find_variable(admin_arg(c, "variable"), &o, &ei);

    if (r == 0)
        r = account_find_address(c->a->accounts, sv_c(admin_arg(c, "address")), &acc, &ei);
    return r < 0 ? admin_result(r, &ei)
                 : json_pack("{s:b, s:s, s:o}", "ok", 1, "name", account_options[o].name, "value",
                             admin_text(account_option(acc, o)));
}

static json_t *set_variable(const struct admin_call *c)
{
    struct account_spec s = { 0 };
    struct errinfo ei = { 0 };
    enum account_option o;
    int r = find_variable(admin_arg(c, "variable"), &o, &ei);

    if (r == 0) {
        s.option[o] = admin_arg(c, "value");
        r = account_update(c->a->accounts, c->who, sv_c(admin_arg(c, "address")), &s, &ei);
    }
    return admin_result(r, &ei);
}

static json_t *create_app_password(const struct admin_call *c)
{
    char secret[40];
    struct errinfo ei = { 0 };
    int r = account_app_password_create(c->a->accounts, c->who, sv_c(admin_arg(c, "address")),
                                        admin_arg(c, "label"), secret, &ei);

    return r < 0 ? admin_result(r, &ei) : json_pack("{s:b, s:s}", "ok", 1, "password", secret);
}

static json_t *delete_app_password(const struct admin_call *c)
{
    struct errinfo ei = { 0 };
    int r = account_app_password_delete(c->a->accounts, c->who, sv_c(admin_arg(c, "address")),
                                        admin_arg(c, "label"), &ei);

    return admin_result(r, &ei);
}

static bool add_app_password(const char *label, int64_t created_s, int64_t used_s, void *arg)
{
    json_array_append_new(arg, json_pack("{s:o, s:I, s:I}", "label", admin_text(label), "created_s",
                                         (json_int_t)created_s, "used_s", (json_int_t)used_s));
    return true;
}

static json_t *list_app_passwords(const struct admin_call *c)
{
    json_t *rows = json_array();
    struct errinfo ei = { 0 };
    int r = account_app_password_each(c->a->accounts, sv_c(admin_arg(c, "address")),
                                      add_app_password, rows, &ei);

    return admin_rows(r, rows, &ei);
}

const struct admin_op admin_account_ops[] = {
    { "account.create", ACCOUNT_ARGS, "New account.", create_account },
    { "account.update", ACCOUNT_ARGS " [keep_session]",
      "Changes an account. A new password ends its sessions in the console, but not its tokens.",
      update_account },
    { "account.sign-out", "address [tokens]",
      "Ends an account's sessions in the console; with tokens=yes withdraws its tokens too.",
      sign_out },
    { "account.delete", "address [keep_mail]",
      "Deletes an account and, without keep_mail=yes, its mail.", delete_account },
    { "account.list", "[domain]", "Accounts of a domain or all.", list_accounts },
    { "account.show", "address", "One account with aliases and usage.", show_account },
    { "account.get", "address variable", "One field of an account, by name or API variable.",
      get_variable },
    { "account.set", "address variable value", "Changes one field of an account.", set_variable },
    { "app-password.create", "address label", "New app password; it is shown once.",
      create_app_password },
    { "app-password.delete", "address label", "Withdraws an app password.", delete_app_password },
    { "app-password.list", "address", "Labels of an account's app passwords.", list_app_passwords },
    { 0 },
};
