/* The commands of `posthorn tool`: operations of admin/ as they are, with the rights of the caller.
 * A domain admin may run those whose answer can be cut to his domains; the others are for system
 * admins, and their resources have routes of their own. */
#include "mail/account/address.h"
#include "server/api/api_priv.h"
#include "server/api/directory.h"
#include "server/api/import.h"

enum rule {
    FOR_ALL,    /* system admins only */
    ROWS,       /* rows of what the caller sees */
    OF_ADDRESS, /* args.address is one that the caller sees */
    OF_ACCOUNT, /* args.address is one that he may change, in what he may set */
};

static const struct command {
    const char *op;
    enum api_scope scope;
    enum rule rule;
} commands[] = {
    { "setting.list", SCOPE_SETTINGS_READ, FOR_ALL },
    { "setting.get", SCOPE_SETTINGS_READ, FOR_ALL },
    { "setting.set", SCOPE_SETTINGS_WRITE, FOR_ALL },
    { "setting.reset", SCOPE_SETTINGS_WRITE, FOR_ALL },
    { "audit.list", SCOPE_AUDIT_READ, FOR_ALL },
    { "domain.list", SCOPE_DIRECTORY_READ, ROWS },
    { "domain.create", SCOPE_DIRECTORY_WRITE, FOR_ALL },
    { "domain.update", SCOPE_DIRECTORY_WRITE, FOR_ALL },
    { "domain.delete", SCOPE_DIRECTORY_WRITE, FOR_ALL },
    { "account.list", SCOPE_DIRECTORY_READ, ROWS },
    { "account.show", SCOPE_DIRECTORY_READ, OF_ADDRESS },
    { "account.create", SCOPE_DIRECTORY_WRITE, OF_ACCOUNT },
    { "account.update", SCOPE_DIRECTORY_WRITE, OF_ACCOUNT },
    { "account.delete", SCOPE_DIRECTORY_WRITE, OF_ACCOUNT },
    { "app-password.list", SCOPE_DIRECTORY_READ, OF_ADDRESS },
    { "app-password.create", SCOPE_DIRECTORY_WRITE, OF_ACCOUNT },
    { "app-password.delete", SCOPE_DIRECTORY_WRITE, OF_ACCOUNT },
    { "alias.list", SCOPE_DIRECTORY_READ, ROWS },
    { "alias.set", SCOPE_DIRECTORY_WRITE, OF_ADDRESS },
    { "alias.delete", SCOPE_DIRECTORY_WRITE, OF_ADDRESS },
    { "mailbox.verify", SCOPE_DIRECTORY_WRITE, FOR_ALL },
    { "session.list", SCOPE_SESSIONS_READ, FOR_ALL },
    { "session.kill", SCOPE_SESSIONS_WRITE, FOR_ALL },
    { "queue.list", SCOPE_QUEUE_READ, FOR_ALL },
    { "queue.retry", SCOPE_QUEUE_WRITE, FOR_ALL },
    { "queue.delete", SCOPE_QUEUE_WRITE, FOR_ALL },
    { "queue.view", SCOPE_MESSAGES_CONTENT, FOR_ALL },
    { "event.list", SCOPE_MESSAGES_READ, FOR_ALL },
    { "message.trace", SCOPE_MESSAGES_READ, FOR_ALL },
    { "message.why", SCOPE_MESSAGES_READ, FOR_ALL },
    { "session.show", SCOPE_SESSIONS_READ, FOR_ALL },
    { "stats.list", SCOPE_METRICS_READ, FOR_ALL },
    { "token.list", SCOPE_TOKENS_READ, FOR_ALL },
    { "token.create", SCOPE_TOKENS_WRITE, FOR_ALL },
    { "token.delete", SCOPE_TOKENS_WRITE, FOR_ALL },
    { "service.list", SCOPE_SERVICES_READ, FOR_ALL },
    { "service.start", SCOPE_SERVICES_WRITE, FOR_ALL },
    { "service.stop", SCOPE_SERVICES_WRITE, FOR_ALL },
    { "service.restart", SCOPE_SERVICES_WRITE, FOR_ALL },
    { "module.restart", SCOPE_SERVICES_WRITE, FOR_ALL },
    { "server.reload", SCOPE_SERVICES_WRITE, FOR_ALL },
    { "operations", SCOPE_SELF, FOR_ALL },
};

static const struct command *find(const char *op)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (!strcmp(commands[i].op, op))
            return &commands[i];
    return NULL;
}

static const char *arg(struct api_call *c, const char *name)
{
    return json_string_value(json_object_get(json_object_get(c->body, "args"), name));
}

/* --- what a domain admin may do --- */

static bool hidden(struct api_call *c, const char *address)
{
    api_fail(c, 404, "not_found", "address", "'%.150s' does not exist", address ? address : "");
    return false;
}

/* What he may not set, by the rule of the accounts' own routes, which takes lists. */
static bool may_set(struct api_call *c, struct sv domain)
{
    json_t *spec = json_copy(json_object_get(c->body, "args"));
    const char *aliases = arg(c, "aliases"), *field = NULL;
    char *name = sv_dup(domain);
    bool may;

    if (aliases)
        json_object_set_new(spec, "aliases", api_split_list(aliases));
    may = api_may_set(c->caller, spec, name, &field);
    if (!may)
        api_fail(c, 403, "not_allowed", field, "%s: is not yours to set", field);
    json_decref(spec);
    free(name);
    return may;
}

static bool may_change(struct api_call *c, const struct command *cmd, const struct addr *a)
{
    const struct account *acc = NULL;
    struct errinfo ei = { 0 };
    int r = strcmp(cmd->op, "account.create") != 0
                ? account_find_address(api_admin_of(c)->accounts, addr_sv(a), &acc, &ei)
                : 0;
    bool may = !acc || api_may_change(c->caller, acc);

    /* An alias leads to an account, maybe of another domain: what counts is where it is. */
    if (acc && !api_sees_address(c->caller, sv_c(acc->address)))
        r = E_NOTFOUND;
    account_unref(acc);
    if (r == E_NOTFOUND)
        return hidden(c, a->text);
    if (r < 0)
        api_fail_err(c, r, ei.text);
    else if (!may)
        api_fail(c, 403, "not_allowed", "address", "address: %s may not change this account",
                 c->caller->who);
    return r >= 0 && may;
}

/* False: answered. */
static bool check_rule(struct api_call *c, const struct command *cmd)
{
    const char *address = arg(c, "address");
    struct addr a;

    if (api_sees_all(c->caller) || cmd->rule == ROWS)
        return true;
    if (cmd->rule == FOR_ALL) {
        api_fail(c, 403, "not_allowed", NULL,
                 "%s is for system administrators; what %s may see is below the API's other paths "
                 "(posthorn tool api GET /me)",
                 cmd->op, c->caller->who);
        return false;
    }
    if (!address || addr_parse(sv_c(address), &a, NULL) < 0 ||
        !api_sees_address(c->caller, addr_sv(&a)))
        return hidden(c, address);
    return cmd->rule == OF_ADDRESS || (may_change(c, cmd, &a) && may_set(c, addr_domain(&a)));
}

static bool is_seen(const struct api_caller *who, json_t *row)
{
    const char *address = json_string_value(json_object_get(row, "address"));
    const char *domain = json_string_value(json_object_get(row, "domain"));

    if (address)
        return api_sees_address(who, sv_c(address));
    return domain && api_sees_domain(who, sv_c(domain));
}

static void cut_rows(struct api_call *c, json_t *reply)
{
    json_t *rows = json_object_get(reply, "rows"), *kept = json_array(), *row;
    size_t i;

    json_array_foreach(rows, i, row) if (is_seen(c->caller, row)) json_array_append(kept, row);
    json_object_set_new(reply, "rows", kept);
    json_object_del(reply, "total");
}

static void run(struct api_call *c)
{
    const char *name = api_param(c, "command");
    const struct command *cmd = find(name);
    json_t *reply;

    if (!cmd) {
        api_fail(c, 404, "not_found", NULL,
                 "command '%.60s' does not exist; `posthorn tool list operations` lists all", name);
        return;
    }
    if (!(c->caller->scopes & SCOPE_BIT(cmd->scope))) {
        api_fail(c, 403, "missing_scope", NULL, "%s needs the scope %s", c->caller->who,
                 api_scope_names[cmd->scope]);
        return;
    }
    if (!check_rule(c, cmd))
        return;
    reply = api_admin(c, name, json_incref(json_object_get(c->body, "args")));
    if (!reply)
        return;
    if (cmd->rule == ROWS && !api_sees_all(c->caller))
        cut_rows(c, reply);
    api_reply(c, 200, reply);
}

static const struct api_field body_fields[] = {
    { "args", API_MAP, 0, 0, 0, NULL, NULL,
      "By name: texts, numbers, switches. The command `operations` lists them." },
    { 0 },
};
static const struct api_schema body_schema = { "Command", "A command's arguments.", body_fields };
static const struct api_field answer_fields[] = {
    { "ok", API_BOOL, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { 0 },
};
static const struct api_schema answer_schema = {
    "CommandAnswer", "The command's answer; further members are its own.", answer_fields
};

const struct api_route api_command_routes[] = {
    { .method = "POST",
      .path = "/commands/{command}",
      .scope = SCOPE_SELF,
      .flags = ROUTE_DRY_RUN,
      .id = "runCommand",
      .body = &body_schema,
      .status = 200,
      .response = &answer_schema,
      .body_max = 1 * MiB,
      .run = run,
      .help = "Runs a command of `posthorn tool`, such as account.list; needs the scope of what it "
              "does. For programs the other paths are better." },
    { 0 },
};
