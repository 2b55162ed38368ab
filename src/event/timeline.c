/* What happened to a message: by its id its keys, by its keys its events, and the same for the
 * notices about it. */
#include "event/reader.h"

enum { KEYS_MAX = 64, MEMORY_MAX = 64 * 1024 * 1024 };

struct found {
    size_t at; /* in memory */
    size_t n;
    enum module module;
};

struct gather {
    uint64_t keys[KEYS_MAX];
    size_t n_keys;
    struct buf memory;
    struct found *found;
    size_t n, cap;
    bool cut;
};

static void add_key(struct gather *g, uint64_t key)
{
    for (size_t i = 0; i < g->n_keys; i++)
        if (g->keys[i] == key)
            return;
    if (key && g->n_keys < KEYS_MAX)
        g->keys[g->n_keys++] = key;
}

static bool take_event(const struct event_view *e, void *arg)
{
    struct gather *g = arg;
    struct event_head h = e->record.head;
    size_t at = g->memory.n;
    if (g->n == EVENT_TIMELINE_MAX || buf_add(&g->memory, &h, sizeof(h)) < 0 ||
        buf_add_sv(&g->memory, e->record.fields) < 0) {
        g->cut = true;
        return false;
    }
    if (g->n == g->cap) {
        g->cap = g->cap ? 2 * g->cap : 32;
        g->found = xrealloc(g->found, g->cap * sizeof(*g->found));
    }
    g->found[g->n++] = (struct found){ at, g->memory.n - at, e->module };
    add_key(g, record_number(&e->record, FIELD_child_key));
    return true;
}

/* What an administrator did to it by its id has no key. */
static bool take_key(const struct event_view *e, void *arg)
{
    struct gather *g = arg;
    add_key(g, e->record.head.message);
    return e->record.head.message || take_event(e, g);
}

static bool has_no_key(const struct event_view *e, void *arg _unused_)
{
    return e->record.head.message == 0;
}

static int by_time(const void *a, const void *b)
{
    const struct event_view *x = a, *y = b;
    if (x->record.head.time_us != y->record.head.time_us)
        return x->record.head.time_us < y->record.head.time_us ? -1 : 1;
    /* The order of their finding. */
    return x->record.fields.p < y->record.fields.p ? -1 : x->record.fields.p > y->record.fields.p;
}

static void give(struct gather *g, struct event_timeline *ret)
{
    size_t n = 0;
    *ret = (struct event_timeline){ .cut = g->cut };
    ret->memory = buf_take(&g->memory, &n);
    ret->events = xcalloc(g->n + 1, sizeof(*ret->events));
    for (size_t i = 0; i < g->n; i++) {
        struct event_view *e = &ret->events[ret->n];
        e->module = g->found[i].module;
        if (record_decode(sv_n((char *)ret->memory + g->found[i].at, g->found[i].n), &e->record) <=
            0)
            continue;
        e->def = e->record.head.type < EVT_END && event_defs[e->record.head.type].name
                     ? &event_defs[e->record.head.type]
                     : NULL;
        ret->n++;
    }
    if (ret->n)
        qsort(ret->events, ret->n, sizeof(*ret->events), by_time);
    free(g->found);
}

int event_timeline(const char *data_dir, struct sv msgid, uint64_t key, struct event_timeline *ret)
{
    struct gather g = { 0 };
    int r = 0;
    buf_init(&g.memory, MEMORY_MAX);
    add_key(&g, key);
    if (msgid.n) {
        struct event_query q = { .msgid = msgid, .match = key ? has_no_key : NULL };
        r = event_query(data_dir, &q, NULL, take_key, &g, NULL, NULL);
    }
    for (size_t i = 0; i < g.n_keys && r >= 0; i++) {
        struct event_query q = { .oldest_first = true, .message = g.keys[i] };
        r = event_query(data_dir, &q, NULL, take_event, &g, NULL, NULL);
    }
    give(&g, ret);
    return r;
}

int event_timelines(const char *data_dir, const uint64_t *keys, size_t n,
                    struct event_timeline *ret)
{
    struct gather g = { 0 };
    struct event_query q = { .oldest_first = true, .messages = keys, .n_messages = n };
    int r = 0;
    buf_init(&g.memory, MEMORY_MAX);
    if (n)
        r = event_query(data_dir, &q, NULL, take_event, &g, NULL, NULL);
    give(&g, ret);
    return r;
}

void event_timeline_done(struct event_timeline *t)
{
    free(t->events);
    free(t->memory);
    *t = (struct event_timeline){ 0 };
}
