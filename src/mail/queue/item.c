/* Queue items: counted by the queue and the checkpoint, under the queue's lock. */
#include "base/clock.h"
#include "mail/queue/queue_priv.h"

/* A million of them with subjects and all else stay below 10^9 bytes (docs/benchmarks.md); malloc
 * gives blocks of 16 n + 8 bytes. */
_Static_assert(sizeof(void *) != 8 || sizeof(struct item) <= 216, "an item takes more memory");
_Static_assert(sizeof(void *) != 8 || sizeof(struct message) <= 296, "a message takes more memory");

struct item *item_new(struct message *m)
{
    struct item *it = xcalloc(1, sizeof(*it));
    it->refs = 1;
    it->m = message_ref(m);
    list_init(&it->link);
    list_init(&it->ready);
    list_init(&it->untold);
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
    order_free(it->order);
    free(it->records);
    free(it->answer);
    free(it);
}

/* --- its records --- */

struct records *item_records(struct item *it)
{
    if (it->records)
        return it->records;
    struct records *r = it->records = xcalloc(1, sizeof(*r));
    jent_init(&r->content, it);
    jent_init(&r->state[0], it);
    jent_init(&r->state[1], it);
    jent_init(&r->done, it);
    list_init(&r->children);
    return r;
}

void item_trim(struct item *it)
{
    const struct records *r = it->records;
    if (!r || r->saving || it->active || !it->committed || r->content.seg || r->state[0].seg ||
        r->state[1].seg || r->done.seg || !list_empty(&r->children))
        return;
    free(it->records);
    it->records = NULL;
}

bool item_content_in_journal(const struct item *it)
{
    return it->records && it->records->content.seg;
}

bool item_state_in_journal(const struct item *it)
{
    return it->records && it->records->state[it->records->cur].seg;
}

bool item_saving(const struct item *it)
{
    return it->records && it->records->saving;
}

void item_drop_records(struct item *it)
{
    struct records *r = it->records;
    if (r) {
        jent_drop(&r->content);
        jent_drop(&r->state[0]);
        jent_drop(&r->state[1]);
        jent_drop(&r->done);
    }
    children_drop(it, true);
}

/* --- what is shown of it --- */

void item_lend(struct item *it)
{
    const struct message *m = it->m;
    const char *answer = m->n_rcpts ? m->rcpts[it->first_waiting].answer : "";
    it->active = true;
    it->answer = *answer ? xstrdup(answer) : NULL;
}

void item_got_back(struct item *it)
{
    it->active = false;
    free(it->answer);
    it->answer = NULL;
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
            it->first_waiting = (uint32_t)i;
        }
    }
    it->attempts = m->attempts;
    it->next_try_ms = m->next_try_ms;
}

void item_drop_content(struct queue *q, struct item *it)
{
    if (!it->m->content.p || (!it->in_file && !item_content_in_journal(it)))
        return;
    message_drop_content(it->m);
    q->mem_used -= it->counted;
    it->counted = 0;
}

void item_forget(struct queue *q, struct item *it)
{
    if (it->finished)
        return;
    it->finished = true;
    if (it->records)
        it->records->finished_epoch = q->sync_epoch;
    sched_remove(q, it);
    if (!item_saving(it))
        item_drop_records(it);
    q->mem_used -= it->counted;
    it->counted = 0;
    totals_remove(q, it);
    list_del(&it->untold);
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
