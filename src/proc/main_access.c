/* Module access: POP3, IMAP and ManageSieve. Wiring only. */
#include "mail/mailbox/mailbox.h"
#include "mail/notify/notify.h"
#include "os/file.h"
#include "proc/counting.h"
#include "proc/module.h"
#include "server/imap/imap_server.h"
#include "server/managesieve/managesieve_server.h"
#include "server/pop3/pop3_server.h"

struct access_module {
    struct mailstore *store;
    struct imap_server imap;
    struct pop3_server pop3;
    struct managesieve_server managesieve;
    struct counting_thread *counting;
    char *temp_dir;
};

static void prepare(void)
{
    notify_set_hooks(&(struct notify_hooks){ .post = imap_post });
}

static int start(struct module_ctx *m, struct errinfo *ei)
{
    struct access_module *a = xcalloc(1, sizeof(*a));
    _cleanup_(conf_unrefp) const struct conf *c = conf_pin();
    _cleanup_(freep) char *mail = boot_mail_path(&m->boot, c), *temp = boot_temp_path(&m->boot, c);
    _cleanup_(freep) char *temp_dir =
        xasprintf("%s/POP3", temp); /* IMAP shares it (row dir.temp) */
    struct mailstore_opts so = { mail, temp_dir, (int)c->system.alpha_prefix,
                                 (int)c->system.alpha_group };
    int r;

    m->own = a;
    os_remove_tree(temp_dir, NULL);
    r = os_mkdirs(temp_dir, 0750, ei);
    if (r == 0)
        r = mailstore_open(&so, &a->store, ei);
    if (r == 0)
        r = net_start(&m->net, ei);
    if (r < 0)
        return r;
    a->temp_dir = take_ptr(temp_dir);
    a->imap = (struct imap_server){ m->accounts, a->store, a->temp_dir };
    a->pop3 = (struct pop3_server){ .accounts = m->accounts, .store = a->store };
    a->managesieve = (struct managesieve_server){ m->accounts, a->store };
    r = module_listen(m, SVC_IMAP, &imap_ops, &a->imap, imap_refuse, ei);
    if (r == 0)
        r = module_listen(m, SVC_POP3, &pop3_ops, &a->pop3, pop3_refuse, ei);
    if (r == 0)
        r = module_listen(m, SVC_MANAGESIEVE, &managesieve_ops, &a->managesieve, managesieve_refuse,
                          ei);
    if (r == 0)
        a->counting = counting_start(m->accounts, a->store);
    return r;
}

static void stop(struct module_ctx *m, int64_t deadline_ms)
{
    struct access_module *a = m->own;

    net_stop(m->net, deadline_ms);
    counting_stop(a->counting);
    mailstore_close(a->store);
    free(a->temp_dir);
    free(a);
}

static void hint(struct module_ctx *m _unused_, const struct ipc_msg *msg)
{
    struct ipc_mailbox b;

    if (msg->payload.n != sizeof(b))
        return;
    memcpy(&b, msg->payload.p, sizeof(b));
    notify_received(b.account_id, b.folder_id);
}

const struct module_def module_access = {
    .self = MOD_ACCESS, .prepare = prepare, .start = start, .stop = stop, .hint = hint
};
