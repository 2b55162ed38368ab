/* Sieve scripts of accounts. */
#include "admin/admin_priv.h"

#include "mail/account/script.h"

static struct sv arg_sv(const struct admin_call *c, const char *name)
{
    return sv_c(admin_arg(c, name));
}

static bool add_script(const struct script_info *i, void *rows)
{
    json_array_append_new(rows,
                          json_pack("{s:s, s:o, s:I, s:I}", "active", i->active ? "*" : "", "name",
                                    admin_text(i->name), "bytes", (json_int_t)i->bytes, "changed_s",
                                    (json_int_t)(i->changed_ms / 1000)));
    return true;
}

static json_t *list(const struct admin_call *c)
{
    json_t *rows = json_array();
    struct errinfo ei = { 0 };
    int r = account_script_each(c->a->accounts, arg_sv(c, "address"), add_script, rows, &ei);

    return admin_rows(r, rows, &ei);
}

static json_t *get(const struct admin_call *c)
{
    _cleanup_(buf_done) struct buf b = { 0 };
    struct errinfo ei = { 0 };
    int r;

    buf_init(&b, SIEVE_MAX_SCRIPT + 1);
    r = account_script_get(c->a->accounts, arg_sv(c, "address"), arg_sv(c, "name"), &b, &ei);
    if (r == 0)
        r = buf_terminate(&b);
    if (r < 0)
        return admin_result(r, &ei);
    return json_pack("{s:b, s:o}", "ok", 1, "value", admin_text(b.p));
}

/* All faults at once; what is stored tells the first. */
static json_t *check(const struct admin_call *c)
{
    _cleanup_(arena_done) struct arena arena;
    _cleanup_(buf_done) struct buf text = { 0 };
    struct sieve_script script;
    struct sieve_problems problems;

    arena_init(&arena, SIEVE_ARENA);
    if (sieve_parse(arg_sv(c, "text"), &arena, &script, &problems) == 0)
        return admin_ok();
    buf_init(&text, 16 * KiB);
    do { /* as many as an error holds; at least one */
        buf_reset(&text);
        sieve_problems_text(&problems, &text);
    } while (text.n > 380 && problems.n-- > 2);
    if (buf_terminate(&text) < 0)
        return admin_error(E_PARSE, "line %u: %s", problems.v[0].line, problems.v[0].text);
    return admin_error(E_PARSE, "%s", text.p);
}

static json_t *put(const struct admin_call *c)
{
    struct errinfo ei = { 0 };
    int r = account_script_put(c->a->accounts, c->who, arg_sv(c, "address"), arg_sv(c, "name"),
                               arg_sv(c, "text"), &ei);

    return admin_result(r, &ei);
}

static json_t *activate(const struct admin_call *c)
{
    struct errinfo ei = { 0 };
    struct sv name = arg_sv(c, "name");

    if (!name.n)
        return admin_error(E_PARSE, "name: '' names no script; sieve.deactivate leaves none");
    return admin_result(
        account_script_activate(c->a->accounts, c->who, arg_sv(c, "address"), name, &ei), &ei);
}

static json_t *deactivate(const struct admin_call *c)
{
    struct errinfo ei = { 0 };

    return admin_result(
        account_script_activate(c->a->accounts, c->who, arg_sv(c, "address"), SV(""), &ei), &ei);
}

static json_t *rename_script(const struct admin_call *c)
{
    struct errinfo ei = { 0 };

    return admin_result(account_script_rename(c->a->accounts, c->who, arg_sv(c, "address"),
                                              arg_sv(c, "name"), arg_sv(c, "new_name"), &ei),
                        &ei);
}

static json_t *drop(const struct admin_call *c)
{
    struct errinfo ei = { 0 };

    return admin_result(
        account_script_delete(c->a->accounts, c->who, arg_sv(c, "address"), arg_sv(c, "name"), &ei),
        &ei);
}

const struct admin_op admin_sieve_ops[] = {
    { "sieve.list", "address", "Sieve scripts of an account.", list },
    { "sieve.get", "address name", "The text of a script.", get },
    { "sieve.check", "text", "Checks a script and names all its faults.", check },
    { "sieve.put", "address name text",
      "Stores a checked script, new or in place of the one of that name.", put },
    { "sieve.activate", "address name", "Makes a script the active one.", activate },
    { "sieve.deactivate", "address", "No script is active any more.", deactivate },
    { "sieve.rename", "address name new_name",
      "Gives a script another name; an active one stays active.", rename_script },
    { "sieve.delete", "address name", "Deletes a script that is not active.", drop },
    { 0 },
};
