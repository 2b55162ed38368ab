/* HELP, from the command table; VRFY and EXPN, when they are switched on. RFC 5321 3.5, 4.1.1.6
 * to 4.1.1.8. */
#include "server/smtp/smtp_priv.h"

static bool shown(const struct smtp_session *s, const struct smtp_cmd *cmd)
{
    return cmd->help && (!cmd->enabled || cmd->enabled(s));
}

void smtp_cmd_help(struct smtp_session *s, struct sv args)
{
    struct buf b;
    buf_init(&b, 8 * KiB);
    if (args.n) {
        const struct smtp_cmd *cmd = smtp_cmd_find(args);
        if (cmd && shown(s, cmd))
            smtp_reply_parts(s, SV("214 2.0.0 "), sv_c(cmd->help));
        else
            smtp_reply_lit(s, "504 5.5.4 No help on that");
        return;
    }
    buf_add_str(&b, "214-2.0.0 " SMTP_PRODUCT " knows these commands:\r\n");
    for (size_t i = 0; i < smtp_cmds_count; i++)
        if (shown(s, &smtp_cmds[i]))
            buf_addf(&b, "214-2.0.0 %s\r\n", smtp_cmds[i].help);
    buf_add_str(&b, "214 2.0.0 End of HELP\r\n");
    smtp_reply_lines(s, &b);
    buf_done(&b);
}

/* The argument of VRFY and EXPN: an address, or a name in the primary domain. */
static int resolve(struct smtp_session *s, struct sv args, struct resolved *ret,
                   struct sv *ret_name)
{
    struct smtp_path path;
    enum smtp_arg r = smtp_parse_path(args, &path);
    *ret_name = path.address;
    if (r == SMTP_ARG_OK && path.address.n)
        return account_resolve(s->srv->accounts, path.address, ret, NULL);
    const struct account *a;
    if (r != SMTP_ARG_DOMAIN || account_find_login(s->srv->accounts, path.address, &a, NULL) < 0)
        return E_NOTFOUND;
    int found = account_resolve(s->srv->accounts, sv_c(a->address), ret, NULL);
    account_unref(a);
    return found;
}

void smtp_cmd_vrfy(struct smtp_session *s, struct sv args)
{
    struct resolved res;
    struct sv name;
    if (resolve(s, args, &res, &name) < 0) {
        smtp_reply_lit(s, "551 5.1.1 No such user found");
        return;
    }
    switch (res.kind) {
    case RESOLVE_LOCAL:
        if (res.n == 1 && res.n_forward == 0) {
            smtp_reply_parts(s, SV("250 2.1.5 <"), sv_c(res.accounts[0]->address), SV(">"));
            break;
        }
        /* fall through */
    case RESOLVE_FORWARD:
    case RESOLVE_DISCARD:
        smtp_reply_parts(s, SV("250 2.1.5 <"), name, SV(">"));
        break;
    case RESOLVE_REMOTE:
        smtp_reply_lit(s, "252 2.1.5 Cannot verify the user of another server");
        break;
    case RESOLVE_UNKNOWN:
    case RESOLVE_DISABLED:
        smtp_reply_lit(s, "551 5.1.1 No such user found");
        break;
    }
    resolved_done(&res);
}

static void list_members(struct smtp_session *s, const struct resolved *res)
{
    struct buf b;
    size_t total = res->n + res->n_forward;
    buf_init(&b, 256 * KiB);
    for (size_t i = 0; i < total; i++) {
        const char *address = i < res->n ? res->accounts[i]->address : res->forward[i - res->n];
        buf_addf(&b, "250%c2.1.5 <%s>\r\n", i + 1 < total ? '-' : ' ', address);
    }
    if (b.overflow)
        smtp_reply_lit(s, "252 2.1.5 The list is too long to be shown");
    else
        smtp_reply_lines(s, &b);
    buf_done(&b);
}

void smtp_cmd_expn(struct smtp_session *s, struct sv args)
{
    struct resolved res;
    struct sv name;
    int r = resolve(s, args, &res, &name);
    bool targets = r == 0 && (res.kind == RESOLVE_LOCAL || res.kind == RESOLVE_FORWARD);
    /* A plain account is no list. */
    bool list = targets && (res.n + res.n_forward > 1 || res.n_forward ||
                            !sv_ieq(sv_c(res.accounts[0]->address), name));
    if (list)
        list_members(s, &res);
    else
        smtp_reply_lit(s, "551 5.1.1 No such mailing list found");
    if (r == 0)
        resolved_done(&res);
}
