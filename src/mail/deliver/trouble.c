/* Routes whose relay has refused our login: deliver.troubles, at most one for each route. */
#include "mail/deliver/trouble.h"

#include "base/clock.h"

enum { PAUSE_MS = 60000 };

struct trouble {
    struct list link;
    char pattern[256];
    int64_t changed_ms;       /* of the route, when it was tried */
    int64_t since_ms, ask_ms; /* wall clock; monotonic */
    char answer[512];
};

static struct trouble *find(struct deliver *d, const struct conf_route *rule)
{
    list_for_each(l, &d->troubles)
    {
        struct trouble *t = container_of(l, struct trouble, link);
        if (strcmp(t->pattern, rule->pattern) == 0)
            return t;
    }
    return NULL;
}

static void forget(struct trouble *t)
{
    list_del(&t->link);
    free(t);
}

static bool is_of(const struct trouble *t, const struct conf_route *rule)
{
    return strcmp(t->pattern, rule->pattern) == 0 && t->changed_ms == rule->changed_ms;
}

/* What routes that were changed or deleted have left. */
static void forget_old(struct deliver *d, const struct conf *cf)
{
    struct list *next;
    for (struct list *l = d->troubles.next; l != &d->troubles; l = next) {
        struct trouble *t = container_of(l, struct trouble, link);
        bool there = false;
        next = l->next;
        for (size_t i = 0; cf->routes && i < cf->routes->n && !there; i++)
            there = is_of(t, &cf->routes->v[i]);
        if (!there)
            forget(t);
    }
}

void trouble_set(struct deliver *d, const struct conf_route *rule, const char *answer)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    pthread_mutex_lock(&d->lock);
    struct trouble *t = find(d, rule);
    if (t && t->changed_ms != rule->changed_ms) {
        forget(t);
        t = NULL;
    }
    forget_old(d, cf);
    t = find(d, rule);
    if (!t) {
        t = xcalloc(1, sizeof(*t));
        sv_copy(t->pattern, sizeof(t->pattern), sv_c(rule->pattern));
        t->changed_ms = rule->changed_ms;
        t->since_ms = clock_wall_ms();
        list_add_tail(&d->troubles, &t->link);
    }
    sv_copy(t->answer, sizeof(t->answer), sv_c(answer));
    t->ask_ms = clock_mono_ms() + PAUSE_MS;
    pthread_mutex_unlock(&d->lock);
}

void trouble_clear(struct deliver *d, const struct conf_route *rule)
{
    pthread_mutex_lock(&d->lock);
    struct trouble *t = find(d, rule);
    if (t)
        forget(t);
    pthread_mutex_unlock(&d->lock);
}

bool trouble_holds(struct deliver *d, const struct conf_route *rule, struct failure *why)
{
    pthread_mutex_lock(&d->lock);
    const struct trouble *t = find(d, rule);
    bool holds = t && is_of(t, rule) && clock_mono_ms() < t->ask_ms;
    if (holds)
        failure_set(why, false, "%s", t->answer);
    pthread_mutex_unlock(&d->lock);
    return holds;
}

void deliver_trouble_each(struct deliver *d, void (*fn)(const struct route_trouble *, void *arg),
                          void *arg)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    pthread_mutex_lock(&d->lock);
    forget_old(d, cf);
    list_for_each(l, &d->troubles)
    {
        const struct trouble *t = container_of(l, struct trouble, link);
        fn(&(struct route_trouble){ t->pattern, t->answer, t->since_ms }, arg);
    }
    pthread_mutex_unlock(&d->lock);
}

void trouble_done(struct deliver *d)
{
    while (!list_empty(&d->troubles))
        forget(container_of(d->troubles.next, struct trouble, link));
}
