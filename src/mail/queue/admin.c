/* What the administrator sees and does. The message of an item that is being delivered belongs to
 * its deliverer: what is shown of it comes from the item. */
#include "base/clock.h"
#include "mail/queue/queue_priv.h"

#include <unistd.h>

static bool matches(const struct item *it, struct sv name)
{
    return sv_ieq(name, sv_c(it->m->item)) || sv_ieq(name, sv_c(it->m->id));
}

/* The first committed item of that name. Locked. */
static struct item *find(struct queue *q, struct sv name)
{
    if (sv_iends(name, SV(".tms")) || sv_iends(name, SV(".tm$")))
        name = sv_take(name, name.n - 4);
    list_for_each(l, &q->items)
    {
        struct item *it = container_of(l, struct item, link);
        if (it->committed && matches(it, name))
            return it;
    }
    return NULL;
}

void queue_each(struct queue *q, bool (*fn)(const struct queue_info *, void *arg), void *arg)
{
    pthread_mutex_lock(&q->lock);
    list_for_each(l, &q->items)
    {
        struct item *it = container_of(l, struct item, link);
        const struct message *m = it->m;
        struct queue_info info = {
            .item = m->item,
            .id = m->id,
            .sender = m->sender,
            .rcpt = m->n_rcpts ? m->rcpts[it->first_waiting].address : "",
            .answer = it->answer ? it->answer : "",
            .received_ms = m->received_ms,
            .next_try_ms = it->next_try_ms,
            .size = m->size,
            .n_rcpts = (unsigned)m->n_rcpts,
            .n_waiting = (unsigned)(it->waiting[RCPT_LOCAL] + it->waiting[RCPT_REMOTE]),
            .attempts = it->attempts,
            .active = it->active,
        };
        if (it->committed && !fn(&info, arg))
            break;
    }
    pthread_mutex_unlock(&q->lock);
}

size_t queue_count(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    size_t n = q->n_items;
    pthread_mutex_unlock(&q->lock);
    return n;
}

static void retry(struct queue *q, struct item *it)
{
    if (it->active)
        return;
    for (size_t i = 0; i < it->m->n_rcpts; i++)
        it->m->rcpts[i].due_ms = 0;
    it->next_try_ms = 0;
    it->urgent = true;
    sched_place(q, it);
}

int queue_retry(struct queue *q, struct sv item_or_id)
{
    int n = 0;
    pthread_mutex_lock(&q->lock);
    if (item_or_id.n) {
        struct item *it = find(q, item_or_id);
        if (it)
            retry(q, it);
        n = it ? 1 : E_NOTFOUND;
    } else {
        list_for_each(l, &q->items)
        {
            struct item *it = container_of(l, struct item, link);
            if (!it->committed)
                continue;
            retry(q, it);
            n++;
        }
    }
    pthread_mutex_unlock(&q->lock);
    return n;
}

static int delete_found(struct queue *q, struct item *it, struct errinfo *ei)
{
    struct message *m = it->m;
    if (it->active)
        return err_set(ei, E_CONFLICT, "item %s is being delivered now; try again", m->item);
    it->active = true; /* nobody takes it while the record is written */
    sched_remove(q, it);
    struct buf states;
    buf_init(&states, 64 * MiB);
    for (size_t i = 0; i < m->n_rcpts; i++) {
        enum rcpt_state s = m->rcpts[i].state;
        (void)buf_add_c(&states, (char)(s == RCPT_WAITING ? RCPT_FAILED : s));
    }
    struct jwrite w = { .type = REC_DONE,
                        .key = m->key,
                        .aux = it->version + 1,
                        .payload = { buf_sv(&states), SV_NULL },
                        .ent = &it->done };
    jwrite_prepare(&w);
    int r = journal_commit(&q->journal, &w);
    it->active = false;
    if (r < 0) {
        sched_place(q, it);
        err_set_errno(ei, r, "the deletion of item %s could not be recorded", m->item);
    } else {
        item_remove_files(q, it, it->has_local);
        m->queue_data = NULL;
        item_forget(q, it);
    }
    buf_done(&states);
    return r;
}

int queue_delete(struct queue *q, struct sv item_or_id, struct errinfo *ei)
{
    pthread_mutex_lock(&q->lock);
    struct item *it = find(q, item_or_id);
    int r = it ? delete_found(q, it, ei)
               : err_set(ei, E_NOTFOUND, "no item '" SV_FMT "' in the queue", SV_ARG(item_or_id));
    pthread_mutex_unlock(&q->lock);
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
        message_set(&c->original, sv_c(r->original));
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
    size_t n = it->content.len - it->content_at;
    to->content_mem = xmalloc(n + 1);
    to->content = sv_n(to->content_mem, n);
    return journal_read(&q->journal, &it->content, it->content_at, to->content_mem, n);
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
