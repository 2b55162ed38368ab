/* One message: viewing, and the actions of steer.c by its name. The message of an item that is
 * being delivered belongs to its deliverer: what is shown of it comes from the item. */
#include "base/clock.h"
#include "mail/queue/queue_priv.h"

#include <unistd.h>

static struct sv stem(struct sv name)
{
    bool file = sv_iends(name, SV(".tms")) || sv_iends(name, SV(".tm$"));
    return file ? sv_take(name, name.n - 4) : name;
}

static bool matches(const struct item *it, struct sv name)
{
    return sv_ieq(name, sv_c(it->m->item)) || sv_ieq(name, sv_c(it->m->id));
}

/* The first committed item of that name. Locked. */
static struct item *find(struct queue *q, struct sv name)
{
    name = stem(name);
    list_for_each(l, &q->items)
    {
        struct item *it = container_of(l, struct item, link);
        if (it->committed && matches(it, name))
            return it;
    }
    return NULL;
}

size_t queue_count(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    size_t n = q->n_items;
    pthread_mutex_unlock(&q->lock);
    return n;
}

static bool is_named(const struct queue_info *i, void *arg)
{
    struct sv name = *(const struct sv *)arg;
    return !name.n || sv_ieq(name, sv_c(i->item)) || sv_ieq(name, sv_c(i->id));
}

int queue_retry(struct queue *q, struct sv item_or_id)
{
    struct sv name = stem(item_or_id);
    struct queue_steer s = { .action = QUEUE_SEND_NOW, .want = is_named, .arg = &name };
    struct queue_steered done;
    (void)queue_steer(q, &s, &done, NULL); /* nothing is recorded */
    size_t n = done.n[STEER_DONE] + done.n[STEER_AS_IT_WAS];
    return n || !name.n ? (int)n : E_NOTFOUND;
}

int queue_delete(struct queue *q, struct sv item_or_id, struct errinfo *ei)
{
    struct sv name = stem(item_or_id);
    struct queue_steer s = { .action = QUEUE_DELETE, .want = is_named, .arg = &name };
    struct queue_steered done;
    if (!name.n)
        return err_set(ei, E_PARSE, "name a message");
    int r = queue_steer(q, &s, &done, ei);
    if (r >= 0 && !done.n[STEER_DONE] && !done.n[STEER_LATER])
        r = err_set(ei, E_NOTFOUND, "no item '" SV_FMT "' in the queue", SV_ARG(item_or_id));
    return r;
}

/* A copy, because the message itself may be in a deliverer's hands. Its spool file may go at any
 * time: content in a file stays there. */
static int copy_message(struct queue *q, struct item *it, struct message *to)
{
    struct message *m = it->m;
    to->key = m->key;
    to->received_ms = m->received_ms;
    to->session_id = m->session_id;
    to->auth_account = m->auth_account;
    to->ret = m->ret;
    to->body_8bit = m->body_8bit;
    to->smtputf8 = m->smtputf8;
    to->bounce = m->bounce;
    to->hops = m->hops;
    to->size = m->size;
    to->attempts = it->attempts;
    to->next_try_ms = it->next_try_ms;
    memcpy(to->id, m->id, sizeof(to->id));
    memcpy(to->item, m->item, sizeof(to->item));
    memcpy(to->peer_ip, m->peer_ip, sizeof(to->peer_ip));
    message_set(&to->sender, sv_c(m->sender));
    message_set(&to->auth_user, sv_c(m->auth_user));
    message_set(&to->envid, sv_c(m->envid));
    message_set(&to->transid, sv_c(m->transid));
    for (size_t i = 0; i < m->n_rcpts; i++) {
        const struct rcpt *r = &m->rcpts[i];
        struct rcpt *c = message_add_rcpt(to, sv_c(r->address), r->kind);
        message_set_original(c, sv_c(r->original));
        message_set(&c->orcpt, sv_c(r->orcpt));
        c->account_id = r->account_id;
        c->notify = r->notify;
        if (it->active)
            continue;
        c->state = r->state;
        message_set(&c->answer, sv_c(r->answer));
        message_set(&c->remote_mta, sv_c(r->remote_mta));
    }
    if (it->in_file) {
        char path[4096];
        spool_path(q, m->item, ".tms", path);
        message_set(&to->spool_path, sv_c(path));
        return 0;
    }
    const struct records *rec = it->records;
    size_t n = rec->content.len - rec->content_at;
    char *p = xmalloc(n + 1);
    to->content = sv_n(p, n);
    return journal_read(&q->journal, &rec->content, rec->content_at, p, n);
}

int queue_view(struct queue *q, struct sv item_or_id, struct message **ret)
{
    struct message *m = message_new();
    pthread_mutex_lock(&q->lock);
    struct item *it = find(q, item_or_id);
    int r = it ? copy_message(q, it, m) : E_NOTFOUND;
    pthread_mutex_unlock(&q->lock);
    if (r < 0)
        message_unref(m);
    else
        *ret = m;
    return r;
}
