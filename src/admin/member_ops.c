/* Members of mailing lists and groups. */
#include "admin/admin_priv.h"

#include "mail/account/members.h"

static bool add_row(const struct member *m, void *arg)
{
    json_array_append_new(arg,
                          json_pack("{s:s%, s:b, s:b}", "address", m->address.p, m->address.n,
                                    "local", (int)(m->account_id != 0), "listed", (int)m->listed));
    return true;
}

static json_t *list(const struct admin_call *c)
{
    _cleanup_(account_unrefp) const struct account *acc = NULL;
    json_t *rows = json_array();
    struct errinfo ei = { 0 };
    int r = account_find_address(c->a->accounts, sv_c(admin_arg(c, "address")), &acc, &ei);

    if (r == 0)
        r = account_members_each(c->a->accounts, acc->id, add_row, rows, &ei);
    return admin_rows(r, rows, &ei);
}

static json_t *change_by(const struct admin_call *c, const struct member_change *m)
{
    struct errinfo ei = { 0 };
    int r = account_members_change(c->a->accounts, c->who, sv_c(admin_arg(c, "address")), m, &ei);

    return admin_result(r, &ei);
}

static json_t *change(const struct admin_call *c)
{
    return change_by(
        c, &(struct member_change){ .add = admin_arg(c, "add"), .remove = admin_arg(c, "remove") });
}

static json_t *set(const struct admin_call *c)
{
    return change_by(c, &(struct member_change){ .add = admin_arg(c, "members"), .replace = true });
}

const struct admin_op admin_member_ops[] = {
    { "member.list", "address", "Members of a list or group.", list },
    { "member.change", "address [add] [remove]",
      "Adds and removes members: addresses with ; or line ends between them.", change },
    { "member.set", "address members", "These members in place of all others.", set },
    { 0 },
};
