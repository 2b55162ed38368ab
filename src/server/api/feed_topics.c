/* What the topics show, and how one look differs from the one before. */
#include "base/hash.h"
#include "server/api/api_priv.h"
#include "server/api/feed.h"
#include "server/api/session.h"

#define MAX_SESSIONS 2000 /* more are counted; their list comes in pages */
#define MAX_QUEUE    500
#define MAX_CHANGES  200 /* of one look; more: the lists are to be read again */

struct row {
    uint64_t key, hash;
    char id[32];
};

struct feed_rows {
    struct row *v; /* in order of their keys */
    size_t n;
    json_int_t total;
    bool seen;
};

struct feed_rows *feed_rows_new(void)
{
    return xcalloc(1, sizeof(struct feed_rows));
}

void feed_rows_free(struct feed_rows *r)
{
    free(r->v);
    free(r);
}

static int by_key(const void *a, const void *b)
{
    const struct row *x = a, *y = b;

    return x->key < y->key ? -1 : x->key > y->key;
}

struct look {
    struct api *api;
    struct feed *f;
    enum topic topic;
    struct row *now; /* sorted */
    size_t n;
    json_int_t total;
    bool whole; /* all rows are in it */
    json_t *(*row_json)(struct look *k, const struct row *r);
    void *arg;
};

static size_t count_changes(const struct feed_rows *was, const struct look *k)
{
    size_t i = 0, j = 0, n = 0;

    while (i < was->n || j < k->n) {
        bool gone = j == k->n || (i < was->n && was->v[i].key < k->now[j].key);
        bool came = !gone && (i == was->n || k->now[j].key < was->v[i].key);

        n += gone || came || was->v[i].hash != k->now[j].hash;
        i += gone || !came;
        j += came || !gone;
    }
    return n;
}

static void publish_changes(const struct feed_rows *was, struct look *k)
{
    size_t i = 0, j = 0;

    while (i < was->n || j < k->n) {
        bool gone = j == k->n || (i < was->n && was->v[i].key < k->now[j].key);
        bool came = !gone && (i == was->n || k->now[j].key < was->v[i].key);

        if (gone)
            feed_publish(k->f, k->topic, "remove", json_pack("{s:s}", "id", was->v[i].id));
        else if (came || was->v[i].hash != k->now[j].hash)
            feed_publish(k->f, k->topic, "upsert",
                         json_pack("{s:o}", "item", k->row_json(k, &k->now[j])));
        i += gone || !came;
        j += came || !gone;
    }
}

static uint64_t id_sum(const char *id)
{
    return hash_bytes(id, strlen(id)) | 1;
}

uint64_t feed_rows_sum(json_t *items)
{
    uint64_t sum = 0;
    json_t *item;
    size_t i;

    json_array_foreach(items, i, item)
    {
        const char *id = json_string_value(json_object_get(item, "id"));

        sum += id ? id_sum(id) : 0;
    }
    return sum;
}

/* Has a row come or gone between the snapshot that streams began with and the first look? */
static bool differs_from_snapshot(const struct look *k)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < k->n; i++)
        sum += id_sum(k->now[i].id);
    return sum != feed_snapshot_rows(k->f, k->topic);
}

/* Publishes the difference and remembers the rows (takes k->now). At the first look there is only
 * the snapshot to compare with. */
static bool compare(struct feed_rows *was, struct look *k)
{
    size_t changes;
    bool recount = was->seen && was->total != k->total;

    if (k->n)
        qsort(k->now, k->n, sizeof(*k->now), by_key);
    changes = was->seen ? count_changes(was, k) : 0;
    if (changes && k->whole && changes <= MAX_CHANGES)
        publish_changes(was, k);
    else if (changes)
        feed_publish(k->f, k->topic, "resync", json_object());
    else if (!was->seen && differs_from_snapshot(k))
        feed_publish(k->f, k->topic, "resync", json_object());
    if (recount)
        feed_publish(k->f, k->topic, "count", json_pack("{s:I}", "total", k->total));
    free(was->v);
    was->v = k->now;
    was->n = k->n;
    was->total = k->total;
    was->seen = true;
    return changes || recount;
}

/* --- sessions --- */

struct sessions {
    struct shm_session_info *v;
    size_t n;
    json_int_t total;
};

static bool add_session(const struct shm_session_info *i, void *arg)
{
    struct sessions *s = arg;

    if (i->service == SVC_CONTROL) /* the streams themselves: each look would tell of the last */
        return true;
    s->total++;
    if (s->n == MAX_SESSIONS)
        return true;
    if (!(s->n & (s->n - 1)))
        s->v = xrealloc(s->v, (s->n ? 2 * s->n : 1) * sizeof(*s->v));
    s->v[s->n++] = *i;
    return true;
}

static uint64_t hash_session(const struct shm_session_info *s)
{
    uint64_t h = hash_bytes(s->account, strlen(s->account));

    h = h * 31 + hash_bytes(s->state, strlen(s->state));
    return h * 31 + (s->bytes_in ^ s->bytes_out << 24 ^ (uint64_t)s->tls << 63);
}

/* The caller who sees all, with the right to end them: what full streams show. */
static const struct api_caller full = { .role = ROLE_SYSTEM_ADMIN, .scopes = SCOPES_ALL };

static json_t *session_row(struct look *k, const struct row *r)
{
    const struct sessions *s = k->arg;

    for (size_t i = 0; i < s->n; i++)
        if (api_session_key(&s->v[i]) == r->key)
            return api_session_json(&full, &s->v[i]);
    return json_null();
}

bool feed_look_sessions(struct api *api, struct feed *f, struct feed_rows *r)
{
    struct sessions s = { 0 };
    struct look k = {
        .api = api, .f = f, .topic = TOPIC_SESSIONS, .row_json = session_row, .arg = &s
    };
    bool changed;

    if (!api->o.admin->shm)
        return false;
    shm_session_each(api->o.admin->shm, add_session, &s);
    k.n = s.n;
    k.total = s.total;
    k.whole = s.total == (json_int_t)s.n;
    k.now = s.n ? xcalloc(s.n, sizeof(*k.now)) : NULL;
    for (size_t i = 0; i < s.n; i++) {
        k.now[i].key = api_session_key(&s.v[i]);
        k.now[i].hash = hash_session(&s.v[i]);
        snprintf(k.now[i].id, sizeof(k.now[i].id), "%016" PRIX64, k.now[i].key);
    }
    changed = compare(r, &k);
    free(s.v);
    return changed;
}

/* --- queue --- */

static json_t *ask_queue(struct api *api)
{
    struct admin *a = api->o.admin;
    json_t *args = json_pack("{s:{}, s:n, s:i, s:s, s:s}", "filter", "domains", "limit", MAX_QUEUE,
                             "sort", "-age", "after", "");
    json_t *reply = a->ask ? a->ask(a->arg, MOD_SMTP, "queue.page", args) : NULL;

    json_decref(args);
    if (json_object_get(reply, "ok"))
        return reply;
    json_decref(reply);
    return NULL;
}

static json_t *queue_row(struct look *k, const struct row *r)
{
    json_t *row;
    size_t i;

    json_array_foreach(json_object_get(k->arg, "rows"), i,
                       row) if (!strcmp(json_string_value(json_object_get(row, "id")),
                                        r->id)) return api_queue_message(&full, row);
    return json_null();
}

bool feed_look_queue(struct api *api, struct feed *f, struct feed_rows *r)
{
    json_t *reply = ask_queue(api), *rows = json_object_get(reply, "rows"), *row;
    struct look k = {
        .api = api, .f = f, .topic = TOPIC_QUEUE, .row_json = queue_row, .arg = reply
    };
    bool changed;
    size_t i;

    if (!reply)
        return false;
    k.n = json_array_size(rows);
    k.total = json_integer_value(json_object_get(reply, "total"));
    k.whole = k.total == (json_int_t)k.n;
    k.now = k.n ? xcalloc(k.n, sizeof(*k.now)) : NULL;
    json_array_foreach(rows, i, row)
    {
        const char *id = json_string_value(json_object_get(row, "id"));
        char *text = json_dumps(row, JSON_COMPACT);

        k.now[i].key = hash_bytes(id, strlen(id));
        k.now[i].hash = hash_bytes(text, strlen(text));
        snprintf(k.now[i].id, sizeof(k.now[i].id), "%s", id);
        free(text);
    }
    changed = compare(r, &k);
    json_decref(reply);
    return changed;
}

/* --- statistics --- */

bool feed_look_statistics(struct api *api, struct feed *f, uint64_t *values)
{
    json_t *changed = NULL;

    for (int i = 0; api->o.admin->shm && i < CTR_COUNT; i++) {
        uint64_t v = ctr_get(api->o.admin->shm, (enum counter)i);

        if (v == values[i])
            continue;
        values[i] = v;
        changed = changed ? changed : json_object();
        json_object_set_new(changed, counter_names[i], json_integer((json_int_t)v));
    }
    if (changed)
        feed_publish(f, TOPIC_STATISTICS, "upsert", json_pack("{s:o}", "values", changed));
    return changed != NULL;
}

/* --- messages --- */

static bool is_of_message(const struct event_view *e, void *arg _unused_)
{
    return e->record.head.message != 0;
}

static bool take_one(const struct event_view *e _unused_, void *arg)
{
    *(bool *)arg = true;
    return false;
}

void feed_look_messages(struct api *api, struct feed *f, struct event_cursor *since)
{
    const char *dir = api->o.admin->data_dir;
    struct event_query q = { .oldest_first = true, .match = is_of_message };
    struct event_cursor now;
    bool any = false;

    if (since->set && !event_any_since(dir, since))
        return;
    event_now(dir, &now);
    if (since->set)
        event_query(dir, &q, since, take_one, &any, NULL, NULL);
    if (any)
        feed_publish(f, TOPIC_MESSAGES, "resync", json_object());
    *since = now;
}

/* --- snapshots --- */

static json_t *snapshot_sessions(struct api *api)
{
    struct sessions s = { 0 };
    json_t *items = json_array();

    if (api->o.admin->shm)
        shm_session_each(api->o.admin->shm, add_session, &s);
    for (size_t i = 0; i < s.n; i++)
        json_array_append_new(items, api_session_json(&full, &s.v[i]));
    free(s.v);
    return json_pack("{s:o, s:I}", "items", items, "total", s.total);
}

static json_t *snapshot_queue(struct api *api)
{
    json_t *reply = ask_queue(api), *items, *row, *j;
    size_t i;

    if (!reply)
        return NULL;
    items = json_array();
    json_array_foreach(json_object_get(reply, "rows"), i, row)
        json_array_append_new(items, api_queue_message(&full, row));
    j = json_pack("{s:o, s:O}", "items", items, "total", json_object_get(reply, "total"));
    json_decref(reply);
    return j;
}

json_t *feed_snapshot(struct api *api, enum topic t)
{
    json_t *j = NULL, *values;

    switch (t) {
    case TOPIC_SESSIONS:
        j = snapshot_sessions(api);
        break;
    case TOPIC_QUEUE:
        j = snapshot_queue(api);
        break;
    case TOPIC_STATISTICS:
        values = json_object();
        for (int i = 0; api->o.admin->shm && i < CTR_COUNT; i++)
            json_object_set_new(
                values, counter_names[i],
                json_integer((json_int_t)ctr_get(api->o.admin->shm, (enum counter)i)));
        j = json_pack("{s:o}", "values", values);
        break;
    case TOPIC_OPERATIONS:
    case TOPIC_MESSAGES:
    case TOPIC_TRANSCRIPT:
    case TOPIC_COUNT:
        break;
    }
    if (j)
        json_object_set_new(j, "topic", json_string(topic_names[t]));
    return j;
}
