/* The commands of `posthorn tool`: operations of admin/ as they are, with the rights of the caller.
 * A domain admin may run those whose answer can be cut to his domains; the others are for system
 * admins, and their resources have routes of their own. */
#include "mail/account/address.h"
#include "server/api/access.h"
#include "server/api/api_priv.h"
#include "server/api/directory.h"
#include "server/api/filters.h"
#include "server/api/import.h"
#include "server/api/tokens.h"

enum rule {
    FOR_ALL,       /* system admins only */
    ROWS,          /* rows of what the caller sees */
    OF_ALIAS,      /* args.address is one that the caller sees */
    OF_SEEN,       /* so is the account that it leads to */
    OF_NOBODY,     /* looks at nothing but its arguments */
    OF_OWNER_SEEN, /* args.owner is a domain or an account that the caller sees */
    OF_OWNER,      /* and may change */
    OF_ACCOUNT,    /* args.address is one that he may change, in what he may set */
};

static const struct command {
    const char *op;
    enum api_scope scope;
    enum rule rule;
    const char *looks; /* the argument that names what is looked into; NULL: it is no look */
} commands[] = {
    { "setting.list", SCOPE_SETTINGS_READ, FOR_ALL, NULL },
    { "setting.get", SCOPE_SETTINGS_READ, FOR_ALL, NULL },
    { "setting.set", SCOPE_SETTINGS_WRITE, FOR_ALL, NULL },
    { "setting.reset", SCOPE_SETTINGS_WRITE, FOR_ALL, NULL },
    { "audit.list", SCOPE_AUDIT_READ, FOR_ALL, NULL },
    { "domain.list", SCOPE_DIRECTORY_READ, ROWS, NULL },
    { "domain.create", SCOPE_DIRECTORY_WRITE, FOR_ALL, NULL },
    { "domain.update", SCOPE_DIRECTORY_WRITE, FOR_ALL, NULL },
    { "domain.delete", SCOPE_DIRECTORY_WRITE, FOR_ALL, NULL },
    { "account.list", SCOPE_DIRECTORY_READ, ROWS, NULL },
    { "account.show", SCOPE_DIRECTORY_READ, OF_SEEN, NULL },
    { "account.get", SCOPE_DIRECTORY_READ, OF_SEEN, NULL },
    { "account.set", SCOPE_DIRECTORY_WRITE, OF_ACCOUNT, NULL },
    { "account.create", SCOPE_DIRECTORY_WRITE, OF_ACCOUNT, NULL },
    { "account.update", SCOPE_DIRECTORY_WRITE, OF_ACCOUNT, NULL },
    { "account.delete", SCOPE_DIRECTORY_WRITE, OF_ACCOUNT, NULL },
    { "account.sign-out", SCOPE_DIRECTORY_WRITE, OF_ACCOUNT, NULL },
    { "app-password.list", SCOPE_DIRECTORY_READ, OF_SEEN, NULL },
    { "app-password.create", SCOPE_DIRECTORY_WRITE, OF_ACCOUNT, NULL },
    { "app-password.delete", SCOPE_DIRECTORY_WRITE, OF_ACCOUNT, NULL },
    { "pattern.list", SCOPE_DIRECTORY_READ, FOR_ALL, NULL },
    { "pattern.users", SCOPE_DIRECTORY_READ, FOR_ALL, NULL },
    { "pattern.set", SCOPE_DIRECTORY_WRITE, FOR_ALL, NULL },
    { "pattern.delete", SCOPE_DIRECTORY_WRITE, FOR_ALL, NULL },
    { "alias.list", SCOPE_DIRECTORY_READ, ROWS, NULL },
    { "alias.set", SCOPE_DIRECTORY_WRITE, OF_ALIAS, NULL },
    { "alias.delete", SCOPE_DIRECTORY_WRITE, OF_ALIAS, NULL },
    { "member.list", SCOPE_DIRECTORY_READ, OF_SEEN, NULL },
    { "member.change", SCOPE_DIRECTORY_WRITE, OF_ACCOUNT, NULL },
    { "member.set", SCOPE_DIRECTORY_WRITE, OF_ACCOUNT, NULL },
    { "remote.list", SCOPE_DIRECTORY_READ, ROWS, NULL },
    { "remote.create", SCOPE_DIRECTORY_WRITE, OF_ACCOUNT, NULL },
    { "remote.update", SCOPE_DIRECTORY_WRITE, OF_ACCOUNT, NULL },
    { "remote.delete", SCOPE_DIRECTORY_WRITE, OF_ACCOUNT, NULL },
    { "remote.collect", SCOPE_DIRECTORY_WRITE, OF_ACCOUNT, NULL },
    { "sieve.list", SCOPE_DIRECTORY_READ, OF_SEEN, NULL },
    { "sieve.get", SCOPE_DIRECTORY_READ, OF_SEEN, NULL },
    { "sieve.check", SCOPE_SELF, OF_NOBODY, NULL },
    { "sieve.put", SCOPE_DIRECTORY_WRITE, OF_ACCOUNT, NULL },
    { "sieve.activate", SCOPE_DIRECTORY_WRITE, OF_ACCOUNT, NULL },
    { "sieve.deactivate", SCOPE_DIRECTORY_WRITE, OF_ACCOUNT, NULL },
    { "sieve.rename", SCOPE_DIRECTORY_WRITE, OF_ACCOUNT, NULL },
    { "sieve.delete", SCOPE_DIRECTORY_WRITE, OF_ACCOUNT, NULL },
    { "mailbox.verify", SCOPE_DIRECTORY_WRITE, FOR_ALL, NULL },
    { "session.list", SCOPE_SESSIONS_READ, FOR_ALL, NULL },
    { "session.kill", SCOPE_SESSIONS_WRITE, FOR_ALL, NULL },
    { "list.waiting", SCOPE_QUEUE_READ, FOR_ALL, NULL },
    { "list.approve", SCOPE_QUEUE_WRITE, FOR_ALL, NULL },
    { "list.reject", SCOPE_QUEUE_WRITE, FOR_ALL, NULL },
    { "queue.list", SCOPE_QUEUE_READ, FOR_ALL, NULL },
    { "queue.retry", SCOPE_QUEUE_WRITE, FOR_ALL, NULL },
    { "queue.delete", SCOPE_QUEUE_WRITE, FOR_ALL, NULL },
    { "queue.hold", SCOPE_QUEUE_WRITE, FOR_ALL, NULL },
    { "queue.release", SCOPE_QUEUE_WRITE, FOR_ALL, NULL },
    { "queue.bounce", SCOPE_QUEUE_WRITE, FOR_ALL, NULL },
    { "queue.priority", SCOPE_QUEUE_WRITE, FOR_ALL, NULL },
    { "queue.pause", SCOPE_QUEUE_WRITE, FOR_ALL, NULL },
    { "queue.resume", SCOPE_QUEUE_WRITE, FOR_ALL, NULL },
    { "queue.pauses", SCOPE_QUEUE_READ, FOR_ALL, NULL },
    { "queue.destinations", SCOPE_QUEUE_READ, FOR_ALL, NULL },
    { "queue.view", SCOPE_MESSAGES_CONTENT, FOR_ALL, "id" },
    { "queue.mailbox", SCOPE_QUEUE_READ, OF_ACCOUNT, "address" },
    { "queue.mailbox-row", SCOPE_QUEUE_READ, OF_ACCOUNT, "id" },
    { "queue.mailbox-show", SCOPE_QUEUE_READ, OF_ACCOUNT, NULL }, /* records itself */
    { "queue.mailbox-delete", SCOPE_QUEUE_WRITE, OF_ACCOUNT, NULL },
    { "event.list", SCOPE_MESSAGES_READ, FOR_ALL, NULL },
    { "message.trace", SCOPE_MESSAGES_READ, FOR_ALL, NULL },
    { "message.why", SCOPE_MESSAGES_READ, FOR_ALL, NULL },
    { "session.show", SCOPE_SESSIONS_READ, FOR_ALL, "id" },
    { "stats.list", SCOPE_METRICS_READ, FOR_ALL, NULL },
    { "token.list", SCOPE_TOKENS_READ, FOR_ALL, NULL },
    { "token.create", SCOPE_TOKENS_WRITE, FOR_ALL, NULL },
    { "token.delete", SCOPE_TOKENS_WRITE, FOR_ALL, NULL },
    { "service.list", SCOPE_SERVICES_READ, FOR_ALL, NULL },
    { "service.start", SCOPE_SERVICES_WRITE, FOR_ALL, NULL },
    { "service.stop", SCOPE_SERVICES_WRITE, FOR_ALL, NULL },
    { "service.restart", SCOPE_SERVICES_WRITE, FOR_ALL, NULL },
    { "module.restart", SCOPE_SERVICES_WRITE, FOR_ALL, NULL },
    { "dns.lookup", SCOPE_SERVICES_READ, FOR_ALL, NULL },
    { "dns.test", SCOPE_SERVICES_READ, FOR_ALL, NULL },
    { "filter.list", SCOPE_DIRECTORY_READ, OF_OWNER_SEEN, NULL },
    { "filter.show", SCOPE_DIRECTORY_READ, OF_OWNER_SEEN, NULL },
    { "filter.test", SCOPE_DIRECTORY_READ, OF_OWNER_SEEN, NULL },
    { "filter.put", SCOPE_DIRECTORY_WRITE, OF_OWNER, NULL },
    { "filter.replace", SCOPE_DIRECTORY_WRITE, OF_OWNER, NULL },
    { "filter.enable", SCOPE_DIRECTORY_WRITE, OF_OWNER, NULL },
    { "filter.delete", SCOPE_DIRECTORY_WRITE, OF_OWNER, NULL },
    { "filter.move", SCOPE_DIRECTORY_WRITE, OF_OWNER, NULL },
    { "route.list", SCOPE_SETTINGS_READ, FOR_ALL, NULL },
    { "route.find", SCOPE_SETTINGS_READ, FOR_ALL, NULL },
    { "route.create", SCOPE_SETTINGS_WRITE, FOR_ALL, NULL },
    { "route.update", SCOPE_SETTINGS_WRITE, FOR_ALL, NULL },
    { "route.delete", SCOPE_SETTINGS_WRITE, FOR_ALL, NULL },
    { "secure.list", SCOPE_SETTINGS_READ, FOR_ALL, NULL },
    { "secure.read", SCOPE_SETTINGS_READ, FOR_ALL, NULL },
    { "secure.import", SCOPE_SETTINGS_WRITE, FOR_ALL, NULL },
    { "secure.delete", SCOPE_SETTINGS_WRITE, FOR_ALL, NULL },
    { "secure.adapted", SCOPE_SETTINGS_READ, FOR_ALL, NULL },
    { "secure.forget", SCOPE_SETTINGS_WRITE, FOR_ALL, NULL },
    { "tlsrpt.list", SCOPE_MESSAGES_READ, FOR_ALL, NULL },
    { "tlsrpt.send", SCOPE_QUEUE_WRITE, FOR_ALL, NULL },
    { "queue.allow-sender", SCOPE_QUEUE_WRITE, FOR_ALL, NULL },
    { "queue.deny-sender", SCOPE_QUEUE_WRITE, FOR_ALL, NULL },
    { "sender.list", SCOPE_DIRECTORY_READ, OF_OWNER_SEEN, NULL },
    { "sender.allow", SCOPE_DIRECTORY_WRITE, OF_OWNER, NULL },
    { "sender.deny", SCOPE_DIRECTORY_WRITE, OF_OWNER, NULL },
    { "sender.remove", SCOPE_DIRECTORY_WRITE, OF_OWNER, NULL },
    { "archive.list", SCOPE_MESSAGES_READ, FOR_ALL, "address" },
    { "archive.show", SCOPE_MESSAGES_READ, FOR_ALL, "name" },
    { "archive.export", SCOPE_MESSAGES_CONTENT, FOR_ALL, "name" },
    { "sms.test", SCOPE_QUEUE_WRITE, FOR_ALL, NULL },
    { "sms.send", SCOPE_QUEUE_WRITE, FOR_ALL, NULL },
    { "archive.send", SCOPE_QUEUE_WRITE, FOR_ALL, "name" },
    { "archive.status", SCOPE_MESSAGES_READ, FOR_ALL, NULL },
    { "server.reload", SCOPE_SERVICES_WRITE, FOR_ALL, NULL },
    { "operations", SCOPE_SELF, FOR_ALL, NULL },
};

static const struct command *find(const char *op)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (!strcmp(commands[i].op, op))
            return &commands[i];
    return NULL;
}

/* Mail in mailboxes takes a right to mail besides that to the queue. */
static enum api_scope besides(const struct command *cmd)
{
    if (!strcmp(cmd->op, "queue.mailbox-show"))
        return SCOPE_MESSAGES_CONTENT;
    return strncmp(cmd->op, "queue.mailbox", 13) ? SCOPE_SELF : SCOPE_MESSAGES_READ;
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

static bool is_account_his(struct api_call *c, const struct command *cmd, const struct addr *a)
{
    const struct account *acc = NULL;
    struct errinfo ei = { 0 };
    int r = strcmp(cmd->op, "account.create") != 0
                ? account_find_address(api_admin_of(c)->accounts, addr_sv(a), &acc, &ei)
                : 0;
    bool may = !acc || cmd->rule == OF_SEEN || api_may_change(c->caller, acc);

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

    if (api_sees_all(c->caller) || cmd->rule == ROWS || cmd->rule == OF_NOBODY)
        return true;
    if (cmd->rule == FOR_ALL) {
        api_fail(c, 403, "not_allowed", NULL,
                 "%s is for system administrators; what %s may see is below the API's other paths "
                 "(posthorn tool api GET /me)",
                 cmd->op, c->caller->who);
        return false;
    }
    if (cmd->rule == OF_OWNER || cmd->rule == OF_OWNER_SEEN) {
        const char *owner = arg(c, "owner");
        char name[ADDR_MAX + 1];

        return api_filter_owner(c, owner && *owner ? owner : API_FILTER_SERVER,
                                cmd->rule == OF_OWNER, name);
    }
    if (!address || addr_parse(sv_c(address), &a, NULL) < 0 ||
        !api_sees_address(c->caller, addr_sv(&a)))
        return hidden(c, address);
    if (cmd->rule == OF_ALIAS)
        return true;
    return is_account_his(c, cmd, &a) && (cmd->rule == OF_SEEN || may_set(c, addr_domain(&a)));
}

/* A token gives no more than who makes it has; with part of his rights he makes his own only. */
static bool limit_token(struct api_call *c, json_t *args)
{
    const char *account = arg(c, "account"), *text = arg(c, "scopes");
    _cleanup_(freep) char *scopes = NULL;
    json_t *want;

    api_token_limit(c, args);
    if (c->caller->scopes == SCOPES_ALL)
        return true;
    if (!account || !sv_ieq(sv_c(account), sv_c(c->caller->who))) {
        api_fail(c, 403, "not_allowed", "account",
                 "account: %s makes tokens of his own only, as he has part of his scopes",
                 c->caller->who);
        return false;
    }
    want = api_token_words(text ? text : "");
    scopes = api_token_scopes(c, want);
    json_decref(want);
    if (scopes)
        json_object_set_new(args, "scopes", json_string(scopes));
    return scopes != NULL;
}

/* A look into what belongs to somebody else is recorded before it is given. */
static bool audit_look(struct api_call *c, const struct command *cmd)
{
    const char *which = arg(c, cmd->looks);
    char object[200];

    snprintf(object, sizeof(object), "%s %.120s", cmd->op, which ? which : "");
    return api_audit(c, object, "looked at", c->req->peer);
}

/* False: answered, as by the settings' own routes. */
static bool keeps_access(struct api_call *c, const struct command *cmd)
{
    const char *name = arg(c, "name"), *value = arg(c, "value");
    json_t *values;
    bool keeps;

    if (strcmp(cmd->op, "setting.set") != 0 && strcmp(cmd->op, "setting.reset") != 0)
        return true;
    values = json_object();
    if (name)
        json_object_set_new(values, name, value ? json_string(value) : json_null());
    keeps = api_keeps_access(c, values);
    json_decref(values);
    return keeps;
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
    json_t *reply, *args;

    if (!cmd) {
        api_fail(c, 404, "not_found", NULL,
                 "command '%.60s' does not exist; `posthorn tool list operations` lists all", name);
        return;
    }
    if (!api_needs_scope(c, cmd->scope) || !api_needs_scope(c, besides(cmd)))
        return;
    if (!check_rule(c, cmd))
        return;
    if (!keeps_access(c, cmd))
        return;
    if (cmd->looks && !audit_look(c, cmd))
        return;
    args = json_object_get(c->body, "args");
    args = args ? json_deep_copy(args) : json_object();
    if (!strcmp(name, "token.create") && !limit_token(c, args)) {
        json_decref(args);
        return;
    }
    reply = api_admin(c, name, args);
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
      .flags = ROUTE_DRY_RUN | ROUTE_IDEMPOTENT,
      .id = "runCommand",
      .query = api_confirm_params,
      .body = &body_schema,
      .status = 200,
      .response = &answer_schema,
      .body_max = 1 * MiB,
      .run = run,
      .help = "Runs a command of `posthorn tool`, such as account.list; needs the scope of what it "
              "does. For programs the other paths are better." },
    { 0 },
};
