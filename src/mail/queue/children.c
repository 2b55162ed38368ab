/* What an item's delivery has queued, until that is recorded with the item itself. The records of
 * these messages are needed by it: they are what recovery knows them from, also when they are
 * settled before the item is. */
#include "mail/queue/queue_priv.h"

struct child {
    struct list link;
    struct jent record; /* of its acceptance; the parent is its owner */
    uint64_t key;
    bool recorded; /* a state of the parent names it */
};

struct child *child_new(struct item *parent, uint64_t key)
{
    struct child *c = xcalloc(1, sizeof(*c));
    list_init(&c->link);
    jent_init(&c->record, parent);
    c->key = key;
    return c;
}

struct jent *child_record(struct child *c)
{
    return &c->record;
}

void child_drop(struct child *c)
{
    jent_drop(&c->record);
    list_del(&c->link);
    free(c);
}

void child_add(struct item *parent, struct child *c)
{
    list_add_tail(&item_records(parent)->children, &c->link);
    message_add_child(parent->m, c->key);
}

void children_drop(struct item *it, bool all)
{
    if (!it->records)
        return;
    list_for_each_safe(l, tmp, &it->records->children)
    {
        struct child *c = container_of(l, struct child, link);
        if (all || c->recorded)
            child_drop(c);
    }
}

void children_recorded(struct item *it)
{
    list_for_each(l, &it->records->children) container_of(l, struct child, link)->recorded = true;
    if (!item_saving(it))
        children_drop(it, false);
}

bool queue_has_child(struct queue *q, const struct message *parent, uint64_t key)
{
    pthread_mutex_lock(&q->lock);
    bool has = message_has_child(parent, key);
    pthread_mutex_unlock(&q->lock);
    return has;
}
