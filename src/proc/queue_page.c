/* Pages of the queue: filtered, ordered and counted here, so that only the rows of one page travel
 * between the processes. The queue is locked while its items are looked at: rows are copied, but
 * only those that may be of the page. Without a filter the queue knows the numbers itself, and a
 * page by age ends with its last row. */
#include "base/clock.h"
#include "base/codec.h"
#include "base/hash.h"
#include "base/top.h"
#include "mail/queue/look.h"
#include "proc/queue_filter.h"
#include "proc/queue_requests.h"

#define MAX_LIMIT        2000
#define MAX_IDS          100000
#define MAX_DESTINATIONS 50000 /* looked at */
#define MAX_LISTED       1000

/* Where a row is in the order: its key, then the text, then the id. */
struct position {
    int64_t key;
    const char *text, *id;
};

struct row {
    int64_t key;
    char text[104]; /* key of a textual order */
    char id[32], item[40];
    char sender[256], rcpt[256], answer[400], subject[SUBJECT_MAX + 1];
    int64_t received_ms, next_try_ms;
    uint64_t size;
    unsigned n_rcpts, n_waiting, attempts;
    enum queue_state state;
    enum priority priority;
    const char *ordered;
};

struct destination {
    char domain[256], address[330], answer[400]; /* address: one there */
    json_int_t messages;
    int64_t oldest_ms, next_try_ms;
};

enum order { BY_AGE, BY_SIZE, BY_ATTEMPTS, BY_NEXT_TRY, BY_SENDER, BY_RECIPIENT };

struct page {
    struct queue_filter filter;
    enum order order;
    bool down, from_cursor, summary;
    bool counts; /* total, states and oldest_ms are counted here */
    struct row after;
    int64_t oldest_ms;
    json_int_t total, states[QS_COUNT];
    struct map *destinations;
    bool incomplete;
    json_t *found; /* instead of rows: ids of all that match */
    struct top top;
};

static void count_destination(struct page *p, const struct queue_info *i)
{
    struct sv domain = queue_domain_of(i->rcpt);
    struct destination *d = map_get(p->destinations, domain);

    if (!d && map_count(p->destinations) >= MAX_DESTINATIONS) {
        p->incomplete = true;
        return;
    }
    if (!d) {
        d = xcalloc(1, sizeof(*d));
        sv_copy(d->domain, sizeof(d->domain), domain);
        sv_copy(d->address, sizeof(d->address), sv_take(sv_c(i->rcpt), sizeof(d->address) - 1));
        d->oldest_ms = i->received_ms;
        d->next_try_ms = i->next_try_ms;
        map_put(p->destinations, domain, d);
    }
    d->messages++;
    d->oldest_ms = MIN(d->oldest_ms, i->received_ms);
    if (i->next_try_ms && (!d->next_try_ms || i->next_try_ms < d->next_try_ms))
        d->next_try_ms = i->next_try_ms;
    if (*i->answer)
        sv_copy(d->answer, sizeof(d->answer), sv_c(i->answer));
}

/* Oldest first is "-age": the largest age comes first. */
static struct position position_of(const struct page *p, const struct queue_info *i)
{
    struct position at = { .text = "", .id = i->id };

    switch (p->order) {
    case BY_AGE:
        at.key = -i->received_ms;
        break;
    case BY_SIZE:
        at.key = (int64_t)i->size;
        break;
    case BY_ATTEMPTS:
        at.key = i->attempts;
        break;
    case BY_NEXT_TRY:
        at.key = i->next_try_ms;
        break;
    case BY_SENDER:
        at.text = i->sender;
        break;
    case BY_RECIPIENT:
        at.text = i->rcpt;
        break;
    }
    return at;
}

/* A row has the beginning of the text. */
static int cmp_positions(const struct page *p, const struct position *x, const struct position *y)
{
    int r = x->key < y->key ? -1 : x->key > y->key;

    if (!r)
        r = strncmp(x->text, y->text, sizeof(((struct row *)NULL)->text) - 1);
    if (!r)
        r = strcmp(x->id, y->id);
    return p->down ? -r : r;
}

static struct position position_in(const struct row *r)
{
    return (struct position){ r->key, r->text, r->id };
}

static int cmp_rows(const void *a, const void *b, const void *arg)
{
    struct position x = position_in(a), y = position_in(b);

    return cmp_positions(arg, &x, &y);
}

static void add_row(struct page *p, const struct queue_info *i, const struct position *at)
{
    struct row r = { .key = at->key,
                     .received_ms = i->received_ms,
                     .next_try_ms = i->next_try_ms,
                     .size = i->size,
                     .n_rcpts = i->n_rcpts,
                     .n_waiting = i->n_waiting,
                     .ordered = i->ordered ? queue_action_names[*i->ordered] : NULL,
                     .attempts = i->attempts,
                     .state = queue_state_of(i, p->filter.now_ms),
                     .priority = i->priority };

    sv_copy(r.text, sizeof(r.text), sv_c(at->text));
    sv_copy(r.id, sizeof(r.id), sv_c(i->id));
    sv_copy(r.item, sizeof(r.item), sv_c(i->item));
    sv_copy(r.sender, sizeof(r.sender), sv_c(i->sender));
    sv_copy(r.rcpt, sizeof(r.rcpt), sv_c(i->rcpt));
    sv_copy(r.answer, sizeof(r.answer), sv_c(i->answer));
    sv_copy(r.subject, sizeof(r.subject), utf8_take(sv_c(i->subject), SUBJECT_MAX));
    top_add(&p->top, &r);
}

/* When it belongs to the page so far. False: nor does what follows, in an order by age. */
static bool consider(struct page *p, const struct queue_info *i)
{
    struct position at = position_of(p, i), edge;

    if (p->from_cursor) {
        edge = position_in(&p->after);
        if (cmp_positions(p, &at, &edge) <= 0)
            return true;
    }
    if (p->top.n < p->top.max) {
        add_row(p, i, &at);
        return true;
    }
    if (!p->top.max)
        return true;
    edge = position_in(top_row(&p->top, 0)); /* the last one */
    if (cmp_positions(p, &at, &edge) >= 0)
        return at.key == edge.key;
    add_row(p, i, &at);
    return true;
}

static bool add_id(struct page *p, const char *id)
{
    p->incomplete = json_array_size(p->found) >= MAX_IDS;
    if (!p->incomplete)
        json_array_append_new(p->found, json_string(id));
    return !p->incomplete;
}

static bool add(const struct queue_info *whole, void *arg)
{
    struct page *p = arg;
    struct queue_info shown;
    const struct queue_info *i = &shown;
    bool go_on;

    queue_filter_show(&p->filter, whole, &shown);
    if (p->counts) {
        if (!queue_filter_matches(&p->filter, whole))
            return true;
        p->total++;
        p->states[queue_state_of(i, p->filter.now_ms)]++;
        if (!p->oldest_ms || i->received_ms < p->oldest_ms)
            p->oldest_ms = i->received_ms;
    }
    if (p->found)
        return add_id(p, i->id);
    if (p->summary) {
        count_destination(p, i);
        return true;
    }
    go_on = consider(p, i);
    return go_on || p->counts || p->order != BY_AGE;
}

static void look(struct queue *q, struct page *p)
{
    struct queue_totals t;

    p->counts = p->found || !queue_filter_is_all(&p->filter);
    if (!p->counts) {
        queue_totals(q, p->filter.now_ms, &t);
        p->total = (json_int_t)t.total;
        p->oldest_ms = t.oldest_ms;
        for (size_t i = 0; i < QS_COUNT; i++)
            p->states[i] = (json_int_t)t.states[i];
    }
    if (p->order == BY_AGE && !p->down)
        queue_each_newest(q, add, p);
    else
        queue_each(q, add, p);
}

/* What peers have sent may not be UTF-8, and a copy may have been cut within a character. */
static json_t *safe(const char *s)
{
    json_t *j = json_string(s);
    struct buf b;

    if (j)
        return j;
    buf_init(&b, 8 * KiB);
    escape_text(sv_c(s), &b);
    j = json_stringn(b.p ? b.p : "", b.n);
    buf_done(&b);
    return j;
}

static json_t *row_json(const struct row *r)
{
    char domain[256];

    sv_copy(domain, sizeof(domain), queue_domain_of(r->rcpt));
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:i, s:i, s:I, s:i, s:I, s:I, s:o, s:s?}", "id",
        r->id, "item", r->item, "state", queue_state_names[r->state], "priority",
        queue_priority_names[r->priority], "sender", safe(r->sender), "recipient", safe(r->rcpt),
        "destination", safe(domain), "subject", safe(r->subject), "recipients", (int)r->n_rcpts,
        "waiting", (int)r->n_waiting, "size", (json_int_t)r->size, "attempts", (int)r->attempts,
        "received_ms", (json_int_t)r->received_ms, "next_try_ms", (json_int_t)r->next_try_ms,
        "answer", safe(r->answer), "ordered", r->ordered);
}

static const char *text_of(json_t *o, const char *name)
{
    return json_string_value(json_object_get(o, name));
}

/* "<key>|<id>|<text>" */
static void read_cursor(struct page *p, const char *cursor)
{
    struct sv rest = sv_c(cursor), key = sv_split(&rest, '|'), id;

    if (!rest.p || sv_to_i64(key, &p->after.key) < 0)
        return;
    id = sv_split(&rest, '|');
    p->from_cursor = sv_copy(p->after.id, sizeof(p->after.id), id) &&
                     sv_copy(p->after.text, sizeof(p->after.text), rest.p ? rest : SV(""));
}

/* What is no other order is by recipient. */
static void read_order(struct page *p, const char *sort)
{
    static const char *const names[] = {
        [BY_AGE] = "age",           [BY_SIZE] = "size",     [BY_ATTEMPTS] = "attempts",
        [BY_NEXT_TRY] = "next_try", [BY_SENDER] = "sender",
    };

    p->down = *sort == '-';
    p->order = BY_RECIPIENT;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (!strcmp(sort + p->down, names[i]))
            p->order = (enum order)i;
}

static void read_args(struct page *p, json_t *args, size_t *ret_limit)
{
    const char *sort = text_of(args, "sort"), *after = text_of(args, "after");
    json_int_t limit = json_integer_value(json_object_get(args, "limit"));

    queue_filter_read(&p->filter, args);
    read_order(p, sort ? sort : "-age");
    if (after && *after)
        read_cursor(p, after);
    *ret_limit = (size_t)(limit < 0 ? 0 : MIN(limit, MAX_LIMIT));
    p->summary = limit == 0;
    p->found = json_is_true(json_object_get(args, "ids")) ? json_array() : NULL;
}

struct all {
    const struct destination **v;
    size_t n;
};

static bool collect(struct sv key _unused_, void *value, void *arg)
{
    struct all *all = arg;

    all->v[all->n++] = value;
    return true;
}

/* The fullest first. */
static int by_messages(const void *a, const void *b)
{
    const struct destination *x = *(const struct destination *const *)a,
                             *y = *(const struct destination *const *)b;

    if (x->messages != y->messages)
        return x->messages < y->messages ? 1 : -1;
    return strcmp(x->domain, y->domain);
}

static json_t *destination_json(struct queue *q, const struct destination *d)
{
    struct queue_dest k;
    int64_t next;

    queue_destination(q, d->address, &k);
    next = k.next_probe_ms ? k.next_probe_ms : d->next_try_ms;
    return json_pack("{s:o, s:I, s:I, s:I, s:o, s:s, s:i, s:i, s:i}", "domain", safe(d->domain),
                     "messages", d->messages, "oldest_ms", (json_int_t)d->oldest_ms, "next_try_ms",
                     (json_int_t)next, "answer", safe(*d->answer ? d->answer : k.answer), "state",
                     k.state, "active", (int)k.active, "window", (int)k.window, "failures",
                     (int)k.failures);
}

static json_t *destinations_json(struct queue *q, struct page *p)
{
    json_t *list = json_array();
    struct all all = { xcalloc(map_count(p->destinations) + 1, sizeof(struct destination *)), 0 };

    map_each(p->destinations, collect, &all);
    qsort(all.v, all.n, sizeof(*all.v), by_messages);
    p->incomplete |= all.n > MAX_LISTED;
    for (size_t i = 0; i < MIN(all.n, (size_t)MAX_LISTED); i++)
        json_array_append_new(list, destination_json(q, all.v[i]));
    free(all.v);
    return list;
}

json_t *queue_page(struct queue *q, json_t *args)
{
    struct page p = { .destinations = map_new() };
    json_t *rows = json_array(), *states = json_object(), *destinations, *reply;
    char next[200] = "";
    size_t limit;

    read_args(&p, args, &limit);
    top_init(&p.top, sizeof(struct row), limit + 1, cmp_rows, &p);
    look(q, &p);
    top_sort(&p.top);
    for (size_t i = 0; i < MIN(p.top.n, limit); i++) {
        const struct row *r = top_row(&p.top, i);

        json_array_append_new(rows, row_json(r));
        if (i + 1 == limit && p.top.n > limit)
            snprintf(next, sizeof(next), "%" PRId64 "|%s|%s", r->key, r->id, r->text);
    }
    for (int s = 0; s < QS_COUNT; s++)
        json_object_set_new(states, queue_state_names[s], json_integer(p.states[s]));
    destinations = destinations_json(q, &p);
    reply =
        json_pack("{s:b, s:I, s:o, s:o, s:I, s:o, s:o, s:I, s:b}", "ok", 1, "total", p.total,
                  "rows", rows, "states", states, "oldest_ms", (json_int_t)p.oldest_ms, "next",
                  *next ? safe(next) : json_null(), "destinations", destinations, "n_destinations",
                  (json_int_t)map_count(p.destinations), "complete", !p.incomplete);
    if (p.found)
        json_object_set_new(reply, "ids", p.found);
    top_done(&p.top);
    map_free(p.destinations, free);
    queue_filter_done(&p.filter);
    return reply;
}
