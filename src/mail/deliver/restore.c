/* The copy has a trace and Resent fields of its own (RFC 5322 3.6.6) above those that it had, and
 * ids of its own: who gets it knows that it is no second sending by its author. */
#include "mail/deliver/restore.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "conf/conf.h"
#include "event/event.h"
#include "mail/account/address.h"
#include "mail/archive/find.h"
#include "mail/deliver/send.h"
#include "proto/mime.h"

enum { MAX_TARGETS = 100 };

struct job {
    struct deliver *d;
    const struct restore *o;
    struct message *m;
    struct errinfo *ei;
};

static int add_target(struct job *j, struct sv target)
{
    struct addr a;
    struct errinfo why = { 0 };
    int r = addr_parse(target, &a, &why);
    if (r == 0)
        r = addr_check_new(&a, &why);
    if (r == 0)
        r = send_add_target(j->d, j->m, addr_sv(&a), a.text, 0, &why);
    if (r < 0)
        return err_set(j->ei, r, "to: '" SV_FMT "': %s", SV_ARG(sv_take(target, 100)),
                       *why.text ? why.text : err_name(r));
    return 0;
}

static int add_targets(struct job *j)
{
    struct sv rest = sv_c(j->o->to);
    size_t n = 0;
    int r = 0;
    while (r == 0 && rest.p) {
        struct sv target = sv_trim(sv_split(&rest, ';'));
        if (target.n && ++n > MAX_TARGETS)
            r = err_set(j->ei, E_RANGE, "to: more than %d addresses", MAX_TARGETS);
        else if (target.n)
            r = add_target(j, target);
    }
    return r == 0 && !j->m->n_rcpts ? err_set(j->ei, E_PARSE, "to: names nobody") : r;
}

/* Who wants it, when he can get mail; else nobody gets reports. */
static void set_sender(struct job *j)
{
    struct addr a;
    if (addr_parse(sv_c(j->o->admin), &a, NULL) == 0 && addr_domain(&a).n)
        message_set(&j->m->sender, addr_sv(&a));
}

static int fill(struct job *j, struct sv content)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    _cleanup_(buf_done) struct buf head = { 0 };
    struct sv rest = mime_without_return_path(content);
    char host[256], date[40];
    deliver_hostname(cf, host);
    clock_rfc5322(j->m->received_ms / 1000, date);
    buf_init(&head, rest.n + 64 * KiB);
    buf_addf(&head,
             "Return-Path: <%s>\r\nReceived: by %s (from the mail archive)\r\n\tid %s;\r\n\t%s\r\n"
             "Resent-Date: %s\r\nResent-From: <%s%s>\r\nResent-Message-ID: <%s.%016" PRIX64
             "@%s>\r\n",
             j->m->sender, host, j->m->id, date, date, *j->m->sender ? j->m->sender : "postmaster@",
             *j->m->sender ? "" : host, j->m->id, j->m->key, host);
    /* The accounts and addresses that it goes to, each once; aliases are resolved by now. */
    for (size_t i = 0; i < j->m->n_rcpts; i++)
        buf_addf(&head, "%s<%s>%s", i ? ",\r\n\t" : "Resent-To: ", j->m->rcpts[i].address,
                 i + 1 < j->m->n_rcpts ? "" : "\r\n");
    if (head.overflow)
        return err_set(j->ei, E_RANGE, "to: the addresses are too long");
    return send_fill(j->d, cf, j->m, &head, rest, j->ei);
}

/* What it was tells in its timeline what has become of its copy. */
static void tell(const struct job *j)
{
    struct logctx c = { .type = LOG_MAILFLOW, .prefix = "" };
    const char *key = strrchr(j->o->name, '-');
    char to[200];
    size_t more = j->m->n_rcpts - 1;
    c.message = key ? strtoull(key + 1, NULL, 16) : 0;
    if (more)
        snprintf(to, sizeof(to), "%.150s and %zu more", j->m->rcpts[0].address, more);
    else
        snprintf(to, sizeof(to), "%.190s", j->m->rcpts[0].address);
    event(archive_sent, &c, F_STR(object, j->o->name), F_STR(to, to), F_STR(admin, j->o->admin),
          F_ID(child, j->m->id), F_KEY(child_key, j->m->key));
}

static int restore(struct job *j, const struct archive_row *row, struct sv content)
{
    sv_copy(j->m->original, sizeof(j->m->original), row->entry.id);
    j->m->hops = mime_count_received(content) + 1;
    j->m->body_8bit = true;
    set_sender(j);
    int r = add_targets(j);
    if (r == 0)
        r = fill(j, content);
    if (r >= 0)
        r = queue_accept(j->d->queue, j->m, j->ei);
    if (r >= 0)
        tell(j);
    return MIN(r, 0);
}

static int with_entry(const struct archive_row *row, int fd, void *arg)
{
    struct job *j = arg;
    size_t size = row->entry.length + row->size;
    void *p = row->size ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
    if (p == MAP_FAILED)
        return err_set(j->ei, E_CORRUPT, "%s of the archive cannot be read", row->name);
    int r = restore(j, row, sv_n((char *)p + row->entry.length, row->size));
    munmap(p, size);
    return r;
}

int deliver_restore(struct deliver *d, const struct restore *o, char ret_id[12], struct errinfo *ei)
{
    _cleanup_(message_unrefp) struct message *m = message_new();
    struct job j = { d, o, m, ei };
    message_assign_ids(m);
    int r = archive_look(o->dir, o->name, with_entry, &j, ei);
    if (r == 0)
        memcpy(ret_id, m->id, sizeof(m->id));
    return r;
}
