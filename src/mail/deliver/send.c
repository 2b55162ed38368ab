#include "mail/deliver/send.h"

#include "base/hash.h"
#include "mail/sms/sms_right.h"
#include "os/file.h"
#include "proto/mime.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

int content_view_open(const struct message *m, struct content_view *ret, struct errinfo *ei)
{
    *ret = (struct content_view){ .bytes = m->content };
    if (m->content.p)
        return 0;
    _cleanup_(closep) int fd = open(m->spool_path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(ei, -errno, "cannot read %.150s", m->spool_path);
    if (!m->size)
        return 0;
    void *p = mmap(NULL, m->size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED)
        return err_set_errno(ei, -errno, "cannot map %.150s", m->spool_path);
    ret->map = p;
    ret->bytes = sv_n(p, m->size);
    return 0;
}

void content_view_close(struct content_view *v)
{
    if (v->map)
        munmap(v->map, v->bytes.n);
    *v = (struct content_view){ 0 };
}

static void mix(struct message *m, uint64_t with)
{
    uint64_t v[2] = { m->key, with }, k = fnv1a64(v, sizeof(v));
    m->key = k ? k : 1;
}

void send_depends_on(struct message *m, struct sv detail)
{
    mix(m, fnv1a64(detail.p, detail.n));
}

void send_name(struct message *m, const struct message *from, int64_t account_id, const char *what)
{
    m->key = from->key;
    mix(m, (uint64_t)account_id);
    send_depends_on(m, sv_c(what));
}

struct message *send_begin(const struct message *from, int64_t account_id, const char *what)
{
    struct message *m = message_new();
    message_assign_ids(m);
    send_name(m, from, account_id, what);
    m->session_id = from->session_id;
    memcpy(m->original, from->id, sizeof(m->original));
    return m;
}

static struct rcpt *add_once(struct message *m, struct sv address, enum rcpt_kind kind)
{
    for (size_t i = 0; i < m->n_rcpts; i++)
        if (m->rcpts[i].kind == kind && sv_eq(sv_c(m->rcpts[i].address), address))
            return &m->rcpts[i];
    return message_add_rcpt(m, address, kind);
}

static void add_remote(struct message *m, struct sv address, const char *instead)
{
    struct rcpt *r = add_once(m, address, RCPT_REMOTE);
    if (!*r->original)
        message_set_original(r, sv_c(instead));
}

int send_add_target(struct deliver *d, struct message *m, struct sv target, const char *instead,
                    int64_t self, struct errinfo *ei)
{
    struct resolved to = { 0 };
    bool any = false;
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    if (sms_is_address(cf, target)) {
        if (!cf->sms.forward)
            return err_set(ei, E_NOTFOUND,
                           SV_FMT " is a telephone number, and mail may not be forwarded there",
                           SV_ARG(target));
        add_remote(m, target, instead);
        return 0;
    }
    int r = account_resolve(d->accounts, target, &to, ei);
    if (r >= 0 && to.kind == RESOLVE_REMOTE) {
        add_remote(m, target, instead);
    } else if (r >= 0 && (to.kind == RESOLVE_LOCAL || to.kind == RESOLVE_FORWARD)) {
        for (size_t i = 0; i < to.n; i++) {
            if (self && to.accounts[i]->id == self)
                continue;
            add_once(m, sv_c(to.accounts[i]->address), RCPT_LOCAL)->account_id = to.accounts[i]->id;
            any = true;
        }
        for (size_t i = 0; i < to.n_forward; i++)
            add_remote(m, sv_c(to.forward[i]), instead);
        if (!any && !to.n_forward)
            r = err_set(ei, E_NOTFOUND, SV_FMT " is the account itself", SV_ARG(target));
    } else if (r >= 0 && to.kind != RESOLVE_DISCARD) {
        r = err_set(ei, E_NOTFOUND, SV_FMT " does not exist here", SV_ARG(target));
    }
    resolved_done(&to);
    return r == E_PARSE ? E_NOTFOUND : r;
}

bool send_came_back(struct sv message, const char *account)
{
    _cleanup_(arena_done) struct arena arena;
    struct mime_part *root = NULL;
    arena_init(&arena, 4 * MiB);
    (void)mime_parse(sv_take(message, mime_header_length(message)), &arena, &root);
    for (unsigned i = 0; root && i < root->n_headers; i++)
        if (sv_ieq(root->headers[i].name, SV("Delivered-To")) &&
            sv_ieq(sv_trim(root->headers[i].value), sv_c(account)))
            return true;
    return false;
}

bool send_has_remote(const struct message *m)
{
    for (size_t i = 0; i < m->n_rcpts; i++)
        if (m->rcpts[i].kind == RCPT_REMOTE)
            return true;
    return false;
}

int send_fill(struct deliver *d, const struct conf *cf, struct message *m, struct buf *head,
              struct sv body, struct errinfo *ei)
{
    _cleanup_(closep) int fd = -1;
    if (head->n + body.n <= (uint64_t)cf->queue.memory_limit) {
        int r = buf_add_sv(head, body);
        if (r >= 0)
            message_take_content(m, head);
        return r;
    }
    m->size = head->n + body.n;
    int r = queue_spool_begin(d->queue, m, &fd, ei);
    if (r >= 0)
        r = os_write_all(fd, head->p, head->n);
    if (r >= 0)
        r = os_write_all(fd, body.p, body.n);
    if (r < 0 && *m->spool_path)
        (void)unlink(m->spool_path);
    return r;
}

int send_accept(struct deliver *d, struct message *from, struct message *m, struct errinfo *ei)
{
    for (size_t i = 0; i < m->n_rcpts; i++)
        if (m->rcpts[i].kind != RCPT_DISCARD)
            send_depends_on(m, sv_c(m->rcpts[i].address));
    return m->n_rcpts ? queue_accept_child(d->queue, from, m, ei) : 0;
}
