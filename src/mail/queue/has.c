#include "mail/queue/queue_priv.h"

bool queue_has(struct queue *q, uint64_t key)
{
    bool found = false;
    pthread_mutex_lock(&q->lock);
    list_for_each(l, &q->items)
    {
        const struct item *it = container_of(l, struct item, link);
        found = it->committed && it->m->key == key;
        if (found)
            break;
    }
    pthread_mutex_unlock(&q->lock);
    return found;
}
