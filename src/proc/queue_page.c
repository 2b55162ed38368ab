/* Pages of the queue: filtered, ordered and counted here, so that only the rows of one page travel
 * between the processes. The queue is locked while its items are looked at: rows are copied. */
#include "base/clock.h"
#include "base/codec.h"
#include "base/hash.h"
#include "base/top.h"
#include "proc/queue_requests.h"

#define MAX_LIMIT        2000
#define MAX_IDS          100000
#define MAX_DESTINATIONS 1000
#define OVERDUE_MS       (4 * 3600000)

enum state { QUEUED, SENDING, WAITING, OVERDUE, STATE_COUNT };
static const char *const state_names[] = { "queued", "sending", "waiting", "overdue" };

struct row {
    int64_t key;
    char text[104]; /* key of a textual order */
    char id[32], item[40];
    char sender[256], rcpt[256], answer[400];
    int64_t received_ms, next_try_ms;
    uint64_t size;
    unsigned n_rcpts, n_waiting, attempts;
    enum state state;
};

struct destination {
    char domain[256], answer[400];
    json_int_t messages;
    int64_t oldest_ms, next_try_ms;
};

struct page {
    json_t *domains; /* what may be seen; not an array = all */
    const char *q, *sender, *recipient, *destination, *state, *id;
    int64_t older_ms, larger;
    struct map *ids; /* NULL = any */
    char sort[20];
    bool down, from_cursor, by_text, summary;
    struct row after;
    int64_t now_ms, oldest_ms;
    json_int_t total, states[STATE_COUNT];
    struct map *destinations;
    bool incomplete;
    json_t *found; /* instead of rows: ids of all that match */
    struct top top;
};

static struct sv domain_of(const char *address)
{
    struct sv a = sv_c(address);
    ssize_t at = sv_rfind(a, '@');

    return at < 0 ? SV_NULL : sv_skip(a, (size_t)at + 1);
}

static enum state state_of(const struct queue_info *i, int64_t now_ms)
{
    if (i->active)
        return SENDING;
    if (now_ms - i->received_ms > OVERDUE_MS)
        return OVERDUE;
    return i->attempts ? WAITING : QUEUED;
}

static bool sees_domain_of(const struct page *p, const char *address)
{
    struct sv domain = domain_of(address);
    json_t *d;
    size_t k;

    if (!json_is_array(p->domains))
        return true;
    json_array_foreach(p->domains, k,
                       d) if (sv_ieq(domain, sv_c(json_string_value(d)))) return true;
    return false;
}

static bool may_see(const struct page *p, const struct queue_info *i)
{
    return sees_domain_of(p, i->sender) || sees_domain_of(p, i->rcpt);
}

/* Where somebody else's alias leads is not shown: the alias is. */
static const char *shown_rcpt(const struct page *p, const struct queue_info *i)
{
    bool hide = *i->original && !sees_domain_of(p, i->rcpt) && !sees_domain_of(p, i->original);

    return hide ? i->original : i->rcpt;
}

static bool contains(const char *text, const char *part)
{
    return !part || sv_ifind_sv(sv_c(text), sv_c(part)) >= 0;
}

/* Texts with ; between them, each in some field; - in front: in none. */
static bool matches_q(const char *q, const struct queue_info *i)
{
    const char *const fields[] = { i->id, i->item, i->sender, i->rcpt, i->answer };
    struct sv rest = q ? sv_c(q) : SV_NULL;

    while (rest.p) {
        struct sv word = sv_trim(sv_split(&rest, ';'));
        bool not = word.n > 1 && word.p[0] == '-', found = false;

        word = not ? sv_skip(word, 1) : word;
        for (size_t k = 0; word.n && k < ARRAY_LEN(fields) && !found; k++)
            found = sv_ifind_sv(sv_c(fields[k]), word) >= 0;
        if (word.n && found == not )
            return false;
    }
    return true;
}

static bool matches(const struct page *p, const struct queue_info *i)
{
    return (!p->id || !strcmp(p->id, i->id)) && (!p->ids || map_get(p->ids, sv_c(i->id))) &&
           contains(i->sender, p->sender) && contains(i->rcpt, p->recipient) &&
           (!p->destination || sv_ieq(domain_of(i->rcpt), sv_c(p->destination))) &&
           (!p->state || !strcmp(p->state, state_names[state_of(i, p->now_ms)])) &&
           p->now_ms - i->received_ms >= p->older_ms && (int64_t)i->size > p->larger &&
           matches_q(p->q, i);
}

static void count_destination(struct page *p, const struct queue_info *i)
{
    struct sv domain = domain_of(i->rcpt);
    struct destination *d = map_get(p->destinations, domain);

    if (!d && map_count(p->destinations) >= MAX_DESTINATIONS) {
        p->incomplete = true;
        return;
    }
    if (!d) {
        d = xcalloc(1, sizeof(*d));
        sv_copy(d->domain, sizeof(d->domain), domain);
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
static void set_key(const struct page *p, const struct queue_info *i, struct row *r)
{
    if (!strcmp(p->sort, "age"))
        r->key = -i->received_ms;
    else if (!strcmp(p->sort, "size"))
        r->key = (int64_t)i->size;
    else if (!strcmp(p->sort, "attempts"))
        r->key = i->attempts;
    else if (!strcmp(p->sort, "next_try"))
        r->key = i->next_try_ms;
    else
        sv_copy(r->text, sizeof(r->text), sv_c(strcmp(p->sort, "sender") ? i->rcpt : i->sender));
}

static int cmp_rows(const void *a, const void *b, const void *arg)
{
    const struct row *x = a, *y = b;
    const struct page *p = arg;
    int r = x->key < y->key ? -1 : x->key > y->key;

    if (!r)
        r = strcmp(x->text, y->text);
    if (!r)
        r = strcmp(x->id, y->id);
    return p->down ? -r : r;
}

static bool add(const struct queue_info *whole, void *arg)
{
    struct page *p = arg;
    struct row r = { 0 };
    struct queue_info shown = *whole;
    const struct queue_info *i = &shown;

    shown.rcpt = shown_rcpt(p, whole);
    if (!may_see(p, whole) || !matches(p, i))
        return true;
    p->total++;
    p->states[state_of(i, p->now_ms)]++;
    if (!p->oldest_ms || i->received_ms < p->oldest_ms)
        p->oldest_ms = i->received_ms;
    if (p->found) {
        p->incomplete = json_array_size(p->found) >= MAX_IDS;
        if (!p->incomplete)
            json_array_append_new(p->found, json_string(i->id));
        return !p->incomplete;
    }
    if (p->summary) {
        count_destination(p, i);
        return true;
    }
    set_key(p, i, &r);
    sv_copy(r.id, sizeof(r.id), sv_c(i->id));
    if (p->from_cursor && cmp_rows(&r, &p->after, p) <= 0)
        return true;
    sv_copy(r.item, sizeof(r.item), sv_c(i->item));
    sv_copy(r.sender, sizeof(r.sender), sv_c(i->sender));
    sv_copy(r.rcpt, sizeof(r.rcpt), sv_c(i->rcpt));
    sv_copy(r.answer, sizeof(r.answer), sv_c(i->answer));
    r.received_ms = i->received_ms;
    r.next_try_ms = i->next_try_ms;
    r.size = i->size;
    r.n_rcpts = i->n_rcpts;
    r.n_waiting = i->n_waiting;
    r.attempts = i->attempts;
    r.state = state_of(i, p->now_ms);
    top_add(&p->top, &r);
    return true;
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

    sv_copy(domain, sizeof(domain), domain_of(r->rcpt));
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:i, s:i, s:I, s:i, s:I, s:I, s:o}", "id",
                     r->id, "item", r->item, "state", state_names[r->state], "sender",
                     safe(r->sender), "recipient", safe(r->rcpt), "destination", safe(domain),
                     "recipients", (int)r->n_rcpts, "waiting", (int)r->n_waiting, "size",
                     (json_int_t)r->size, "attempts", (int)r->attempts, "received_ms",
                     (json_int_t)r->received_ms, "next_try_ms", (json_int_t)r->next_try_ms,
                     "answer", safe(r->answer));
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

static void read_args(struct page *p, json_t *args, size_t *ret_limit)
{
    json_t *filter = json_object_get(args, "filter"), *ids = json_object_get(filter, "ids"), *id;
    const char *sort = text_of(args, "sort"), *after = text_of(args, "after");
    json_int_t limit = json_integer_value(json_object_get(args, "limit"));
    size_t i;

    p->now_ms = clock_wall_ms();
    p->domains = json_object_get(args, "domains");
    p->q = text_of(filter, "q");
    p->sender = text_of(filter, "sender");
    p->recipient = text_of(filter, "recipient");
    p->destination = text_of(filter, "destination");
    p->state = text_of(filter, "state");
    p->id = text_of(filter, "id");
    p->older_ms = json_integer_value(json_object_get(filter, "older_s")) * 1000;
    p->larger = json_object_get(filter, "larger")
                    ? json_integer_value(json_object_get(filter, "larger"))
                    : -1;
    p->ids = json_is_array(ids) ? map_new() : NULL;
    json_array_foreach(ids, i, id) if (json_is_string(id))
        map_put(p->ids, sv_c(json_string_value(id)), p);
    sort = sort ? sort : "-age";
    p->down = *sort == '-';
    snprintf(p->sort, sizeof(p->sort), "%s", sort + p->down);
    if (after && *after)
        read_cursor(p, after);
    *ret_limit = (size_t)(limit < 0 ? 0 : MIN(limit, MAX_LIMIT));
    p->summary = limit == 0;
    p->found = json_is_true(json_object_get(args, "ids")) ? json_array() : NULL;
}

static bool list_destination(struct sv key _unused_, void *value, void *arg)
{
    const struct destination *d = value;

    json_array_append_new(arg, json_pack("{s:o, s:I, s:I, s:I, s:o}", "domain", safe(d->domain),
                                         "messages", d->messages, "oldest_ms",
                                         (json_int_t)d->oldest_ms, "next_try_ms",
                                         (json_int_t)d->next_try_ms, "answer", safe(d->answer)));
    return true;
}

static int by_messages(const void *a, const void *b)
{
    json_int_t x = json_integer_value(json_object_get(*(json_t *const *)a, "messages"));
    json_int_t y = json_integer_value(json_object_get(*(json_t *const *)b, "messages"));

    return x < y ? 1 : x > y ? -1 : 0;
}

/* The fullest first. */
static json_t *destinations_json(const struct page *p)
{
    json_t *list = json_array(), *sorted = json_array(), *d, **v;
    size_t n, i;

    map_each(p->destinations, list_destination, list);
    n = json_array_size(list);
    v = xcalloc(n + 1, sizeof(*v));
    json_array_foreach(list, i, d) v[i] = d;
    qsort(v, n, sizeof(*v), by_messages);
    for (i = 0; i < n; i++)
        json_array_append(sorted, v[i]);
    free(v);
    json_decref(list);
    return sorted;
}

json_t *queue_page(struct queue *q, json_t *args)
{
    struct page p = { .destinations = map_new() };
    json_t *rows = json_array(), *states = json_object(), *reply;
    char next[200] = "";
    size_t limit;

    read_args(&p, args, &limit);
    top_init(&p.top, sizeof(struct row), limit + 1, cmp_rows, &p);
    queue_each(q, add, &p);
    top_sort(&p.top);
    for (size_t i = 0; i < MIN(p.top.n, limit); i++) {
        const struct row *r = top_row(&p.top, i);

        json_array_append_new(rows, row_json(r));
        if (i + 1 == limit && p.top.n > limit)
            snprintf(next, sizeof(next), "%" PRId64 "|%s|%s", r->key, r->id, r->text);
    }
    for (int s = 0; s < STATE_COUNT; s++)
        json_object_set_new(states, state_names[s], json_integer(p.states[s]));
    reply = json_pack("{s:b, s:I, s:o, s:o, s:I, s:o, s:o, s:b}", "ok", 1, "total", p.total, "rows",
                      rows, "states", states, "oldest_ms", (json_int_t)p.oldest_ms, "next",
                      *next ? safe(next) : json_null(), "destinations", destinations_json(&p),
                      "complete", !p.incomplete);
    if (p.found)
        json_object_set_new(reply, "ids", p.found);
    top_done(&p.top);
    map_free(p.destinations, free);
    if (p.ids)
        map_free(p.ids, NULL);
    return reply;
}
