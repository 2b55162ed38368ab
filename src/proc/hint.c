/* Hints about changed mailboxes; one that is lost is made up for by the next command. */
#include "proc/hint.h"

#include "mail/notify/notify.h"

static struct ipc *by; /* set once */

static void hint_access(int64_t account_id, int64_t folder_id)
{
    struct ipc_mailbox b = { account_id, folder_id };

    ipc_send(by, MOD_ACCESS, IPC_MAILBOX, 0, false, sv_n(&b, sizeof(b)));
}

void hint_access_by(struct ipc *link)
{
    by = link;
    notify_set_hooks(&(struct notify_hooks){ .hint = hint_access });
}
