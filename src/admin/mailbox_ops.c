/* Mailboxes: the index compared with the message files. */
#include "admin/admin_priv.h"

#include "mail/mailbox/mailbox.h"

#define MAX_FAULTS 5000

static void add_fault(const char *text, void *arg)
{
    if (json_array_size(arg) < MAX_FAULTS)
        json_array_append_new(arg, json_pack("{s:o}", "fault", admin_text(text)));
}

static json_t *verify(const struct admin_call *c)
{
    _cleanup_(account_unrefp) const struct account *acc = NULL;
    _cleanup_(mailbox_unrefp) struct mailbox *m = NULL;
    struct errinfo ei = { 0 };
    json_t *error = NULL, *rows;
    bool repair;
    int r;

    if (!admin_switch(c, "repair", &repair, &error))
        return error;
    if (!c->a->store)
        return admin_error(E_UNSUPPORTED, "there is no mail store here");
    r = account_find_address(c->a->accounts, sv_c(admin_arg(c, "address")), &acc, &ei);
    if (r == 0)
        r = mailbox_open(c->a->store, acc->id, sv_c(acc->address), &m, &ei);
    if (r < 0)
        return admin_result(r, &ei);
    rows = json_array();
    r = mailbox_verify(m, repair, add_fault, rows, &ei);
    if (r < 0) {
        json_decref(rows);
        return admin_result(r, &ei);
    }
    return json_pack("{s:b, s:I, s:b, s:o}", "ok", 1, "total", (json_int_t)r, "repaired",
                     (int)(repair && r > 0), "rows", rows);
}

const struct admin_op admin_mailbox_ops[] = {
    { "mailbox.verify", "address [repair]",
      "Compares a mailbox's index with its files; repair=yes mends what differs.", verify },
    { 0 },
};
