/* link: server_imap */
/* The IMAP listeners for wire scripts. */
#include "wire.h"

#include <stdio.h>

#include "mail/notify/notify.h"
#include "server/imap/imap_server.h"

static struct imap_server server;
static char temp_dir[128];

static void *imap(struct wire_env *e)
{
    (void)snprintf(temp_dir, sizeof(temp_dir), "%s/temp/POP3", e->dir);
    server =
        (struct imap_server){ .accounts = e->accounts, .store = e->store, .temp_dir = temp_dir };
    notify_set_hooks(&(struct notify_hooks){ .post = imap_post });
    return &server;
}

const struct wire_proto wire_protos[] = {
    { "imap", &imap_ops, SVC_IMAP, 143, false, imap, imap_refuse },
    { "imaps", &imap_ops, SVC_IMAP, 993, true, imap, imap_refuse },
};
const size_t wire_protos_count = ARRAY_LEN(wire_protos);
