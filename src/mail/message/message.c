/* The message in memory: lifetime, recipients, content. Any thread; a message is counted, its
 * content is immutable while somebody may read it. */
#include "mail/message/message.h"

#include "base/rand.h"
#include "os/file.h"

#include <unistd.h>

/* Shared by all unset string fields, so that a message costs no allocation for what it does not
 * use. */
static char empty[1];

static void drop_string(char **field)
{
    if (*field != empty)
        free(*field);
    *field = empty;
}

struct message *message_new_without_key(void)
{
    struct message *m = xcalloc(1, sizeof(*m));
    atomic_init(&m->refs, 1);
    m->priority = PRIORITY_NORMAL;
    m->sender = m->auth_user = m->envid = m->transid = m->subject = m->spool_path = empty;
    return m;
}

struct message *message_new(void)
{
    struct message *m = message_new_without_key();
    do
        m->key = rand_u64();
    while (m->key == 0);
    return m;
}

struct message *message_ref(struct message *m)
{
    atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
    return m;
}

static void drop_original(struct rcpt *r)
{
    if (r->original != r->address && r->original != empty)
        free((char *)r->original);
    r->original = empty;
}

static void rcpt_done(struct rcpt *r)
{
    drop_original(r);
    free((char *)r->address);
    drop_string(&r->orcpt);
    drop_string(&r->answer);
    drop_string(&r->remote_mta);
}

void message_unref(struct message *m)
{
    if (!m || atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < m->n_rcpts; i++)
        rcpt_done(&m->rcpts[i]);
    free(m->rcpts);
    for (size_t i = 0; i < m->n_orders; i++) {
        free(m->orders[i].folder);
        free(m->orders[i].reply);
        free(m->orders[i].subject);
    }
    free(m->orders);
    free(m->children);
    drop_string(&m->sender);
    drop_string(&m->auth_user);
    drop_string(&m->envid);
    drop_string(&m->transid);
    drop_string(&m->subject);
    drop_string(&m->spool_path);
    free((char *)m->content.p);
    free(m);
}

struct rcpt *message_add_rcpt(struct message *m, struct sv address, enum rcpt_kind kind)
{
    if (m->n_rcpts == m->cap_rcpts) {
        m->cap_rcpts = m->cap_rcpts ? m->cap_rcpts * 2 : 1;
        m->rcpts = xrealloc(m->rcpts, m->cap_rcpts * sizeof(m->rcpts[0]));
    }
    struct rcpt *r = &m->rcpts[m->n_rcpts++];
    *r = (struct rcpt){
        .address = sv_dup(address),
        .orcpt = empty,
        .original = empty,
        .kind = kind,
        .state = RCPT_WAITING,
        .answer = empty,
        .remote_mta = empty,
    };
    return r;
}

void message_remove_rcpts(struct message *m, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        rcpt_done(&m->rcpts[i]);
    memmove(m->rcpts + from, m->rcpts + to, (m->n_rcpts - to) * sizeof(m->rcpts[0]));
    m->n_rcpts -= to - from;
}

void message_set(char **field, struct sv value)
{
    char *old = *field;
    *field = value.n ? sv_dup(value) : empty;
    if (old != empty)
        free(old);
}

void message_set_original(struct rcpt *r, struct sv value)
{
    drop_original(r);
    if (value.n)
        r->original = sv_eq(value, sv_c(r->address)) ? r->address : sv_dup(value);
}

void message_take_content(struct message *m, struct buf *b)
{
    message_drop_content(m);
    m->content.p = buf_take(b, &m->content.n);
    m->size = m->content.n;
}

void message_drop_content(struct message *m)
{
    free((char *)m->content.p);
    m->content = SV_NULL;
}

bool message_has_child(const struct message *m, uint64_t key)
{
    const struct message_children *c = m->children;
    for (size_t i = 0; c && i < c->n; i++)
        if (c->keys[i] == key)
            return true;
    return false;
}

void message_add_child(struct message *m, uint64_t key)
{
    struct message_children *c = m->children;
    if (!c || c->n == c->cap) {
        uint32_t n = c ? c->n : 0, cap = c ? c->cap * 2 : 4;
        c = m->children = xrealloc(c, sizeof(*c) + cap * sizeof(c->keys[0]));
        c->n = n;
        c->cap = cap;
    }
    c->keys[c->n++] = key;
}

int message_read(const struct message *m, struct buf *tmp, struct sv *ret, struct errinfo *ei)
{
    if (m->content.p) {
        *ret = m->content;
        return 0;
    }
    if (!*m->spool_path)
        return err_set(ei, E_NOTFOUND, "message %s has no content in memory and no spool file",
                       m->id);
    buf_reset(tmp);
    int r = os_read_file(m->spool_path, tmp, ei);
    if (r < 0)
        return r;
    *ret = buf_sv(tmp);
    return 0;
}

size_t message_waiting(const struct message *m, enum rcpt_kind kind)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n_rcpts; i++)
        n += m->rcpts[i].kind == kind && m->rcpts[i].state == RCPT_WAITING;
    return n;
}
