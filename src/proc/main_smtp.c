/* Module smtp: SMTP and submission servers, the queue, deliveries. Wiring only. */
#include <unistd.h>

#include "admin/admin.h"
#include "base/clock.h"
#include "log/log.h"
#include "mail/archive/archive.h"
#include "mail/collect/collect.h"
#include "mail/command/command.h"
#include "mail/deliver/deliver.h"
#include "mail/deliver/restore.h"
#include "mail/deliver/route.h"
#include "mail/mailbox/mailbox.h"
#include "mail/queue/queue.h"
#include "net/dns.h"
#include "os/file.h"
#include "os/proc.h"
#include "proc/counting.h"
#include "proc/hint.h"
#include "proc/module.h"
#include "proc/queue_requests.h"
#include "proc/sms_requests.h"
#include "proc/turned.h"
#include "server/smtp/etrn.h"
#include "server/smtp/sent.h"
#include "server/smtp/smtp_server.h"

enum { SAVE_SENT_MS = 60000 };

struct smtp_module {
    struct queue *queue;
    struct mailstore *store;
    struct archive *archive;
    struct deliver *deliver;
    struct collect *collect;
    struct smtp_server mx, submission;
    struct turned_side turned;
    struct sent *sent, *sms;
    int64_t saved_ms; /* monotonic: when these two were */
    struct etrn *etrn;
    struct counting_thread *counting;
    struct commands *commands;
    atomic_bool stopping;
};

static const struct milter_net milter_net = {
    client_connect, client_close, client_set_timeout, client_read, client_write, client_flush,
};

static int open_stores(struct module_ctx *m, struct smtp_module *s, struct errinfo *ei)
{
    _cleanup_(conf_unrefp) const struct conf *c = conf_pin();
    _cleanup_(freep) char *mail = boot_mail_path(&m->boot, c), *temp = boot_temp_path(&m->boot, c);
    _cleanup_(freep) char *temp_dir = xasprintf("%s/SMTP", temp),
                          *dir = xasprintf("%s/_outgoing", mail);
    _cleanup_(freep) char *ids = boot_path(&m->boot, "status/message-ids"),
                          *archive = boot_path(&m->boot, "archive");
    struct mailstore_opts so = { mail, temp_dir, (int)c->system.alpha_prefix,
                                 (int)c->system.alpha_group };
    struct queue_opts qo = { dir, temp_dir, mail, c->system.server_id, route_key };
    int r = message_ids_open(ids, c->system.server_id, ei);

    if (r == 0)
        r = mailstore_open(&so, &s->store, ei);
    if (r == 0)
        r = queue_open(&qo, &s->queue, ei);
    if (r == 0)
        r = archive_open(archive, &s->archive, ei);
    return r;
}

/* The supervisor's socket for orders. */
static struct commands *open_commands(const struct module_ctx *m)
{
    int fd = -1;

    if (json_unpack(m->inherited, "{s:i}", "commands", &fd) == 0 && fd >= 0)
        os_set_cloexec(fd, true);
    return commands_new(fd);
}

/* Limits of sending are worth no stop: without the file, counting begins anew. */
static void each_sent(struct module_ctx *m,
                      int (*fn)(struct sent *, const char *path, struct errinfo *))
{
    struct smtp_module *s = m->own;
    _cleanup_(freep) char *mail = boot_path(&m->boot, "status/sent"),
                          *sms = boot_path(&m->boot, "status/sent-sms");
    struct errinfo ei = { 0 };

    if (fn(s->sent, mail, &ei) < 0)
        log_warn("Counts of what accounts have sent: %s", ei.text);
    if (fn(s->sms, sms, &ei) < 0)
        log_warn("Counts of SMS that accounts have sent: %s", ei.text);
    s->saved_ms = clock_mono_ms();
}

static void tick(struct module_ctx *m)
{
    const struct smtp_module *s = m->own;

    if (clock_mono_ms() - s->saved_ms >= SAVE_SENT_MS)
        each_sent(m, sent_save);
}

static int start(struct module_ctx *m, struct errinfo *ei)
{
    struct smtp_module *s = xcalloc(1, sizeof(*s));
    int r;

    m->own = s;
    hint_access_by(m->ipc);
    r = open_stores(m, s, ei);
    if (r == 0) {
        _cleanup_(freep) char *policies = boot_path(&m->boot, "status/mta-sts");
        struct deliver_opts o = { s->queue, s->store, m->accounts, policies, s->archive };

        r = deliver_start(&o, &s->deliver, ei);
    }
    if (r == 0)
        r = net_start(&m->net, ei);
    if (r < 0)
        return r;
    s->sent = sent_new();
    s->sms = sent_new();
    each_sent(m, sent_load);
    s->etrn = etrn_new();
    s->commands = open_commands(m);
    s->mx = (struct smtp_server){
        .sent = s->sent,
        .sms = s->sms,
        .etrn = s->etrn,
        .accounts = m->accounts,
        .queue = s->queue,
        .store = s->store,
        .milter_net = &milter_net,
        .commands = s->commands,
        .stopping = &s->stopping,
        .dns = { dns_lookup, dns_lookup_ptr, dns_answer_free },
    };
    s->submission = s->mx;
    s->mx.certified = (struct smtp_certified){ deliver_certified, s->deliver };
    s->submission.submission = true;
    s->submission.turns = (struct smtp_turns){ deliver_turn_begin, deliver_turn_go, s->deliver };
    r = module_listen(m, SVC_SMTP, &smtp_ops, &s->mx, smtp_refuse, ei);
    if (r == 0)
        r = module_listen(m, SVC_SUBMISSION, &smtp_ops, &s->submission, smtp_refuse, ei);
    s->turned = (struct turned_side){ m->net, &s->mx };
    if (r == 0)
        r = collect_start(
            &(struct collect_opts){ s->queue, s->store, m->accounts, { turned_serve, &s->turned } },
            &s->collect, ei);
    if (r == 0)
        s->counting = counting_start(m->accounts, s->store);
    return r;
}

/* No new mail, then no new deliveries, then the rest to disk. */
static void stop(struct module_ctx *m, int64_t deadline_ms)
{
    struct smtp_module *s = m->own;

    atomic_store(&s->stopping, true); /* nobody waits for milters and commands any more */
    net_stop(m->net, deadline_ms / 2);
    counting_stop(s->counting);
    collect_stop(s->collect);
    deliver_stop(s->deliver, deadline_ms / 2);
    queue_close(s->queue);
    archive_close(s->archive);
    mailstore_close(s->store);
    each_sent(m, sent_save);
    sent_free(s->sent);
    sent_free(s->sms);
    etrn_free(s->etrn);
    commands_free(s->commands);
    free(s);
}

static void add_trouble(const struct route_trouble *t, void *rows)
{
    json_array_append_new(rows,
                          json_pack("{s:s, s:o, s:I}", "pattern", t->pattern, "answer",
                                    admin_text(t->answer), "since_ms", (json_int_t)t->since_ms));
}

static json_t *troubles(struct smtp_module *s)
{
    json_t *rows = json_array();

    deliver_trouble_each(s->deliver, add_trouble, rows);
    return json_pack("{s:b, s:o}", "ok", 1, "rows", rows);
}

static json_t *reports(struct smtp_module *s, json_t *args)
{
    const char *domain = json_string_value(json_object_get(args, "domain"));

    if (!deliver_tls_reports_now(s->deliver, domain ? domain : ""))
        return admin_error(E_LIMIT, "earlier wishes for TLS reports still wait; try again later");
    return json_pack("{s:b}", "ok", 1);
}

static json_t *restore(struct smtp_module *s, json_t *args)
{
    struct restore o = { json_string_value(json_object_get(args, "dir")),
                         json_string_value(json_object_get(args, "name")),
                         json_string_value(json_object_get(args, "to")),
                         json_string_value(json_object_get(args, "admin")) };
    struct errinfo ei = { 0 };
    char id[12];
    int r;

    if (!o.dir || !o.name || !o.to || !o.admin)
        return admin_error(E_PARSE, "archive.send: dir, name, to and admin are wanted");
    r = deliver_restore(s->deliver, &o, id, &ei);
    return r < 0 ? admin_error(r, "%s", *ei.text ? ei.text : err_name(r))
                 : json_pack("{s:b, s:s}", "ok", 1, "id", id);
}

static json_t *request(struct module_ctx *m, const char *op, json_t *args)
{
    struct smtp_module *s = m->own;
    json_int_t id = json_integer_value(json_object_get(args, "id"));

    if (!strcmp(op, "session.kill"))
        return deliver_kill_session(s->deliver, (uint32_t)id) ? json_pack("{s:b}", "ok", 1) : NULL;
    if (!strcmp(op, "route.trouble"))
        return troubles(s);
    if (!strcmp(op, "remote.wake")) {
        collect_wake(s->collect);
        return json_pack("{s:b}", "ok", 1);
    }
    if (!strcmp(op, "tlsrpt.send"))
        return reports(s, args);
    if (!strncmp(op, "sms.", 4))
        return sms_operation(s->queue, &m->ending, op, args);
    if (!strcmp(op, "archive.send"))
        return restore(s, args);
    return queue_request(s->queue, &m->ending, op, args);
}

static bool takes_long(const char *op)
{
    /* Of a million messages; of a large one; of a provider that is slow. */
    return !strcmp(op, "queue.steer") || !strcmp(op, "archive.send") || !strcmp(op, "sms.test");
}

const struct module_def module_smtp = {
    .self = MOD_SMTP,
    .start = start,
    .stop = stop,
    .request = request,
    .takes_long = takes_long,
    .tick = tick,
};
