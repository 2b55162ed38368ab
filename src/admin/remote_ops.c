/* Remote accounts. Passwords go in and never come out. */
#include "admin/admin_priv.h"

#include "mail/account/remote_store.h"

static struct remote_spec spec_of(const struct admin_call *c)
{
    return (struct remote_spec){
        .protocol = admin_arg(c, "protocol"),
        .host = admin_arg(c, "host"),
        .port = admin_arg(c, "port"),
        .tls = admin_arg(c, "tls"),
        .verify = admin_arg(c, "verify"),
        .user = admin_arg(c, "user"),
        .password = admin_arg(c, "password"),
        .leave = admin_arg(c, "leave"),
        .interval = admin_arg(c, "interval"),
        .enabled = admin_arg(c, "enabled"),
        .domains = admin_arg(c, "domains"),
    };
}

/* The server looks at once; without one it is due when it starts. */
static void wake(const struct admin_call *c)
{
    if (c->a->ask && !c->a->dry_run)
        json_decref(c->a->ask(c->a->arg, MOD_SMTP, "remote.wake", NULL));
}

static bool id_of(const struct admin_call *c, int64_t *ret, json_t **ret_error)
{
    const char *text = admin_arg(c, "id");

    if (sv_to_i64(sv_c(text), ret) == 0)
        return true;
    *ret_error = admin_error(E_NOTFOUND, "remote account '%.40s' does not exist", text);
    return false;
}

static json_t *create(const struct admin_call *c)
{
    struct remote_spec s = spec_of(c);
    struct errinfo ei = { 0 };
    int64_t id = 0;
    int r = remote_create(c->a->accounts, c->who, sv_c(admin_arg(c, "address")), &s, &id, &ei);

    if (r < 0)
        return admin_result(r, &ei);
    wake(c);
    return json_pack("{s:b, s:o}", "ok", 1, "id", json_sprintf("%" PRId64, id));
}

static json_t *update(const struct admin_call *c)
{
    struct remote_spec s = spec_of(c);
    struct errinfo ei = { 0 };
    json_t *error = NULL;
    int64_t id;
    int r;

    if (!id_of(c, &id, &error))
        return error;
    r = remote_update(c->a->accounts, c->who, sv_c(admin_arg(c, "address")), id, &s, &ei);
    if (r == 0)
        wake(c);
    return admin_result(r, &ei);
}

static json_t *drop(const struct admin_call *c)
{
    struct errinfo ei = { 0 };
    json_t *error = NULL;
    int64_t id;

    if (!id_of(c, &id, &error))
        return error;
    return admin_result(
        remote_delete(c->a->accounts, c->who, sv_c(admin_arg(c, "address")), id, &ei), &ei);
}

static json_t *collect(const struct admin_call *c)
{
    struct errinfo ei = { 0 };
    json_t *error = NULL;
    int64_t id;
    int r;

    if (!id_of(c, &id, &error))
        return error;
    r = remote_due_now(c->a->accounts, sv_c(admin_arg(c, "address")), id, &ei);
    if (r == 0)
        wake(c);
    return admin_result(r, &ei);
}

static bool add(const struct remote_account *r, void *arg)
{
    json_t *leave =
        r->leave_days < 0 ? json_string("forever") : json_sprintf("%" PRId64, r->leave_days);
    json_t *row = json_pack(
        "{s:o, s:s, s:s, s:o, s:i, s:s, s:b, s:o, s:b, s:o, s:I, s:b, s:o}", "id",
        json_sprintf("%" PRId64, r->id), "address", r->address, "protocol",
        remote_protocol_names[r->protocol], "host", admin_text(r->host), "port", (int)r->port,
        "tls", remote_tls_names[r->tls], "verify", (int)r->verify, "user", admin_text(r->user),
        "has_password", *r->password != 0, "leave", leave, "interval", (json_int_t)r->interval_s,
        "enabled", (int)r->enabled, "domains", admin_text(r->domains));
    json_t *more =
        json_pack("{s:I, s:I, s:o, s:I, s:I}", "next_ms", (json_int_t)r->next_ms, "last_ms",
                  (json_int_t)r->last_ms, "last_result", admin_text(r->last_result), "last_count",
                  (json_int_t)r->last_count, "failures", (json_int_t)r->failures);

    json_object_update(row, more);
    json_decref(more);
    json_array_append_new(arg, row);
    return true;
}

static json_t *list(const struct admin_call *c)
{
    const char *address = admin_arg(c, "address");
    json_t *rows = json_array();
    struct errinfo ei = { 0 };

    return admin_rows(
        remote_each(c->a->accounts, address ? sv_c(address) : SV_NULL, add, rows, &ei), rows, &ei);
}

#define FIELDS                                                                                     \
    " [protocol] [host] [user] [password] [port] [tls] [verify] [leave] [interval] [enabled] "     \
    "[domains]"

const struct admin_op admin_remote_ops[] = {
    { "remote.create", "address" FIELDS,
      "An account elsewhere whose mail the account collects by POP3 or IMAP, or which gives the "
      "mail of "
      "domains by ATRN.",
      create },
    { "remote.update", "address id" FIELDS,
      "Changes the given fields; it is asked for mail at once.", update },
    { "remote.delete", "address id", "Deletes a remote account; the mail there stays.", drop },
    { "remote.list", "[address]", "Remote accounts, and what became of the last attempts.", list },
    { "remote.collect", "address id", "Asks a remote account for mail at once.", collect },
    { 0 },
};
