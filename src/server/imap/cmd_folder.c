/* CREATE (RFC 6154 USE), DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, and the quota commands (RFC 2087,
 * 9208). RFC 3501 sections 6.3.3 to 6.3.7. */
#include "server/imap/imap_priv.h"

/* "name/" asks for a folder that will hold others (RFC 3501 6.3.3). */
static struct sv without_slash(struct sv name)
{
    if (name.n > 1 && name.p[name.n - 1] == '/')
        name.n--;
    return name;
}

static int use_attribute(struct cmd *c, struct sv *ret)
{
    *ret = SV_NULL;
    if (!imap_char(&c->in, ' '))
        return 0;
    if (!imap_char(&c->in, '(') || !imap_word(&c->in, SV("USE")) || imap_sp(&c->in) < 0 ||
        !imap_char(&c->in, '(') || imap_flag(&c->in, ret) < 0 || !imap_char(&c->in, ')') ||
        !imap_char(&c->in, ')'))
        return E_PARSE;
    return 0;
}

static const char *known_use(struct sv use)
{
    static const char *const known[] = { "\\Archive", "\\Drafts", "\\Junk", "\\Sent", "\\Trash" };
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (sv_ieq(use, sv_c(known[i])))
            return known[i];
    }
    return NULL;
}

void cmd_create(struct cmd *c)
{
    struct sv name, use;
    struct errinfo ei = { 0 };
    const char *special = NULL;
    if (cmd_mailbox(c, &name) < 0)
        return;
    if (use_attribute(c, &use) < 0) {
        cmd_bad_args(c, "(USE (\\Attribute))");
        return;
    }
    if (cmd_no_args(c) < 0)
        return;
    if (use.p && !(special = known_use(use))) {
        cmd_done(c, RES_NO, "[USEATTR] Special use is not supported");
        return;
    }
    int r = mailbox_create_folder(c->s->mb, without_slash(name), special, &ei);
    if (r < 0)
        cmd_error(c, r, &ei, NULL);
}

void cmd_delete(struct cmd *c)
{
    struct session *s = c->s;
    struct sv name;
    struct folder f = { 0 };
    struct errinfo ei = { 0 };
    if (cmd_mailbox(c, &name) < 0 || cmd_no_args(c) < 0)
        return;
    name = without_slash(name);
    bool own = s->state == ST_SELECTED && mailbox_folder(s->mb, name, c->a, &f, NULL) == 0 &&
               f.id == s->snap->folder_id;
    int r = mailbox_delete_folder(s->mb, name, &ei);
    if (r < 0) {
        cmd_error(c, r, &ei, NULL);
        return;
    }
    if (own) {
        session_unselect(s);
        buf_add_str(&c->out, "* OK [CLOSED] The selected mailbox was deleted\r\n");
    }
}

void cmd_rename(struct cmd *c)
{
    struct sv from, to;
    struct errinfo ei = { 0 };
    if (cmd_mailbox(c, &from) < 0 || cmd_mailbox(c, &to) < 0 || cmd_no_args(c) < 0)
        return;
    int r = mailbox_rename_folder(c->s->mb, without_slash(from), without_slash(to), &ei);
    if (r < 0)
        cmd_error(c, r, &ei, NULL);
}

void cmd_subscribe(struct cmd *c)
{
    struct sv name;
    struct errinfo ei = { 0 };
    bool on = sv_eq(sv_c(c->def->name), SV("SUBSCRIBE"));
    if (cmd_mailbox(c, &name) < 0 || cmd_no_args(c) < 0)
        return;
    int r = mailbox_subscribe(c->s->mb, without_slash(name), on, &ei);
    if (r < 0 && !(r == E_NOTFOUND && !on))
        cmd_error(c, r, &ei, NULL);
}

/* --- quota: one root "" for the account, resource STORAGE in units of 1024 octets --- */

static void put_quota(struct cmd *c)
{
    struct errinfo ei = { 0 };
    uint64_t bytes, messages;
    int r = mailbox_usage(c->s->mb, &bytes, &messages, &ei);
    if (r < 0) {
        cmd_error(c, r, &ei, NULL);
        return;
    }
    if (c->s->acc->quota_bytes > 0)
        buf_addf(&c->out, "* QUOTA \"\" (STORAGE %" PRIu64 " %" PRIu64 ")\r\n",
                 (bytes + 1023) / 1024, (uint64_t)c->s->acc->quota_bytes / 1024);
    else
        buf_add_str(&c->out, "* QUOTA \"\" ()\r\n");
}

void cmd_getquota(struct cmd *c)
{
    struct sv root;
    if (imap_sp(&c->in) < 0 || imap_astring(&c->in, &root) < 0) {
        cmd_bad_args(c, "quota root");
        return;
    }
    if (cmd_no_args(c) < 0)
        return;
    if (root.n)
        cmd_done(c, RES_NO, "[NONEXISTENT] No such quota root");
    else
        put_quota(c);
}

void cmd_getquotaroot(struct cmd *c)
{
    struct sv name;
    struct folder f = { 0 };
    struct errinfo ei = { 0 };
    if (cmd_mailbox(c, &name) < 0 || cmd_no_args(c) < 0)
        return;
    int r = mailbox_folder(c->s->mb, name, c->a, &f, &ei);
    if (r < 0 && r != E_NOTFOUND) {
        cmd_error(c, r, &ei, NULL);
        return;
    }
    buf_add_str(&c->out, "* QUOTAROOT ");
    put_mailbox(&c->out, name);
    buf_add_str(&c->out, " \"\"\r\n");
    put_quota(c);
}

void cmd_setquota(struct cmd *c)
{
    cmd_done(c, RES_NO, "[NOPERM] Quotas are set by the administrator");
}
