/* Queue items: counted by the queue and the checkpoint, under the queue's lock. */
#include "base/clock.h"
#include "mail/queue/queue_priv.h"

struct item *item_new(struct message *m)
{
    struct item *it = xcalloc(1, sizeof(*it));
    it->refs = 1;
    it->m = message_ref(m);
    list_init(&it->link);
    list_init(&it->ready);
    list_init(&it->wait.link);
    list_init(&it->untold);
    list_init(&it->children);
    jent_init(&it->content, it);
    jent_init(&it->state[0], it);
    jent_init(&it->state[1], it);
    jent_init(&it->done, it);
    for (size_t i = 0; i < m->n_rcpts; i++)
        it->has_local |= m->rcpts[i].kind == RCPT_LOCAL;
    item_refresh(it);
    m->queue_data = it;
    return it;
}

void item_ref(struct item *it)
{
    it->refs++;
}

void item_unref(struct item *it)
{
    if (--it->refs)
        return;
    message_unref(it->m);
    free(it->answer);
    free(it);
}

void item_refresh(struct item *it)
{
    const struct message *m = it->m;
    bool first = true;
    memset(it->waiting, 0, sizeof(it->waiting));
    for (size_t i = 0; i < m->n_rcpts; i++) {
        const struct rcpt *r = &m->rcpts[i];
        if (r->state != RCPT_WAITING || r->kind >= KINDS)
            continue;
        it->waiting[r->kind]++;
        if (first) {
            first = false;
            it->first_waiting = i;
            free(it->answer);
            it->answer = *r->answer ? xstrdup(r->answer) : NULL;
        }
    }
    it->attempts = m->attempts;
    it->next_try_ms = m->next_try_ms;
}

void item_drop_content(struct queue *q, struct item *it)
{
    if (!it->m->content.p || (!it->in_file && !it->content.seg))
        return;
    message_drop_content(it->m);
    q->mem_used -= it->counted;
    it->counted = 0;
}

void item_drop_records(struct item *it)
{
    jent_drop(&it->content);
    jent_drop(&it->state[0]);
    jent_drop(&it->state[1]);
    jent_drop(&it->done);
    children_drop(it, true);
}

void item_forget(struct queue *q, struct item *it)
{
    if (it->finished)
        return;
    it->finished = true;
    it->finished_epoch = q->sync_epoch;
    sched_remove(q, it);
    if (!it->saving)
        item_drop_records(it);
    q->mem_used -= it->counted;
    it->counted = 0;
    list_del(&it->link);
    list_del(&it->untold);
    q->n_items--;
    item_unref(it);
}

void item_unlink(const struct queue *q, const char *item)
{
    char path[4096];
    spool_path(q, item, ".tm$",
               path); /* first: content without envelope is an orphan, not a loss */
    q->io->unlink(q->io->arg, path);
    spool_path(q, item, ".tms", path);
    q->io->unlink(q->io->arg, path);
}

void item_remove_files(struct queue *q, struct item *it, bool after_sync)
{
    if (!it->in_file && !it->has_env)
        return;
    if (!after_sync) {
        item_unlink(q, it->m->item);
        q->names_dirty = true;
        return;
    }
    struct doomed *d = xcalloc(1, sizeof(*d));
    memcpy(d->item, it->m->item, sizeof(d->item));
    d->next = q->doomed;
    q->doomed = d;
}
