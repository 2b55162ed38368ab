/* Streams and the ring of events. */
#include "base/clock.h"
#include "conf/conf.h"
#include "server/api/feed_priv.h"

#define KEEP_MS      300000 /* Last-Event-ID goes back this far */
#define RING_BYTES   (2 * MiB)
#define FULL_RETRY_S 10

const char *const topic_names[TOPIC_COUNT] = { "sessions",   "queue.outgoing",
                                               "statistics", "operations",
                                               "messages",   "sessions.{id}.transcript" };

struct feed *feed_new(struct api *api)
{
    struct feed *f = xcalloc(1, sizeof(*f));

    f->api = api;
    f->last_id = (uint64_t)clock_wall_ms() * 1000; /* grows over restarts too */
    list_init(&f->streams);
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    return f;
}

static void blob_unref(struct blob *b)
{
    if (b && --b->refs == 0)
        free(b);
}

static void drop_oldest(struct feed *f, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        f->bytes -= f->ring[i].blob->n;
        f->dropped[f->ring[i].topic] = f->ring[i].id;
        blob_unref(f->ring[i].blob);
    }
    if (n < f->n) /* an empty ring has no memory */
        memmove(f->ring, f->ring + n, (f->n - n) * sizeof(*f->ring));
    f->n -= n;
}

void feed_free(struct feed *f)
{
    bool join;

    pthread_mutex_lock(&f->lock);
    f->stop = true;
    join = f->joinable;
    pthread_cond_signal(&f->changed);
    pthread_mutex_unlock(&f->lock);
    if (join)
        pthread_join(f->thread, NULL);
    drop_oldest(f, f->n);
    for (int t = 0; t < TOPIC_COUNT; t++)
        blob_unref(f->snapshot[t]);
    free(f->ring);
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

/* data: taken. */
static struct blob *blob_of(uint64_t id, const char *type, json_t *data)
{
    char *json = json_dumps(data, JSON_COMPACT);
    size_t cap = strlen(json ? json : "") + 100;
    struct blob *b = xmalloc(sizeof(*b) + cap);

    b->refs = 1;
    b->n = (size_t)snprintf(b->text, cap, "id: %" PRIu64 "\nevent: %s\ndata: %s\n\n", id, type,
                            json ? json : "{}");
    free(json);
    json_decref(data);
    return b;
}

void feed_wake(struct api_stream *s)
{
    if (!s->waiting)
        return;
    s->waiting = false;
    s->wake(s->arg);
}

static void append(struct feed *f, enum topic t, uint64_t session, struct blob *b)
{
    int64_t now = clock_mono_ms();
    size_t old = 0;

    if (f->n == f->cap) {
        f->cap = f->cap ? 2 * f->cap : 64;
        f->ring = xrealloc(f->ring, f->cap * sizeof(*f->ring));
    }
    f->ring[f->n++] = (struct entry){ f->last_id, now, t, session, b };
    f->bytes += b->n;
    for (size_t bytes = f->bytes;
         old + 1 < f->n && (bytes > RING_BYTES || now - f->ring[old].at_ms > KEEP_MS); old++)
        bytes -= f->ring[old].blob->n;
    if (old)
        drop_oldest(f, old);
}

static bool follows(const struct api_stream *s, uint64_t session)
{
    for (size_t i = 0; i < s->want.n_sessions; i++)
        if (s->want.sessions[i] == session)
            return true;
    return false;
}

static bool wants(const struct api_stream *s, enum topic t, uint64_t session)
{
    return t == TOPIC_TRANSCRIPT ? follows(s, session) : (s->want.topics & 1u << t) != 0;
}

/* data: taken; has its topic. */
static void publish(struct feed *f, enum topic t, uint64_t session, const char *type, json_t *data)
{
    pthread_mutex_lock(&f->lock);
    if (!f->listeners[t]) {
        json_decref(data);
    } else {
        append(f, t, session, blob_of(++f->last_id, type, data));
        list_for_each(l, &f->streams)
        {
            struct api_stream *s = container_of(l, struct api_stream, node);

            if (wants(s, t, session))
                feed_wake(s);
        }
    }
    pthread_mutex_unlock(&f->lock);
}

void feed_publish(struct feed *f, enum topic t, const char *type, json_t *data)
{
    json_object_set_new(data, "topic", json_string(topic_names[t]));
    publish(f, t, 0, type, data);
}

static json_t *of_session(uint64_t session)
{
    char topic[48];

    snprintf(topic, sizeof(topic), "sessions.%016" PRIX64 ".transcript", session);
    return json_pack("{s:s}", "topic", topic);
}

void feed_publish_transcript(struct feed *f, uint64_t session)
{
    publish(f, TOPIC_TRANSCRIPT, session, "resync", of_session(session));
}

size_t feed_followed(struct feed *f, uint64_t *ret, size_t n)
{
    size_t found = 0;

    pthread_mutex_lock(&f->lock);
    list_for_each(l, &f->streams)
    {
        const struct api_stream *s = container_of(l, struct api_stream, node);

        for (size_t i = 0; i < s->want.n_sessions && found < n; i++) {
            size_t k = 0;

            while (k < found && ret[k] != s->want.sessions[i])
                k++;
            if (k == found)
                ret[found++] = s->want.sessions[i];
        }
    }
    pthread_mutex_unlock(&f->lock);
    return found;
}

uint64_t feed_snapshot_rows(struct feed *f, enum topic t)
{
    uint64_t sum;

    pthread_mutex_lock(&f->lock);
    sum = f->snapshot_rows[t];
    pthread_mutex_unlock(&f->lock);
    return sum;
}

void feed_recheck(struct feed *f)
{
    pthread_mutex_lock(&f->lock);
    f->recheck = true;
    pthread_mutex_unlock(&f->lock);
}

bool feed_wanted(struct feed *f, enum topic t)
{
    bool wanted;

    pthread_mutex_lock(&f->lock);
    wanted = f->listeners[t] > 0;
    pthread_mutex_unlock(&f->lock);
    return wanted;
}

/* --- reading --- */

/* Streams leave a sixth of the connections to requests. */
static size_t max_streams(void)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();

    return (size_t)cf->web.max_connections - (size_t)cf->web.max_connections / 6;
}

/* First entry behind id. */
static size_t behind(const struct feed *f, uint64_t id)
{
    size_t lo = 0, hi = f->n;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;

        if (f->ring[mid].id <= id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static struct blob *note(struct feed *f, const char *type, enum topic t)
{
    return blob_of(f->last_id, type, json_pack("{s:s}", "topic", topic_names[t]));
}

/* The next event for a stream that sees all rows. */
static struct blob *next_full(struct feed *f, struct api_stream *s)
{
    for (size_t i = behind(f, s->pos); i < f->n; i++) {
        s->pos = f->ring[i].id;
        if (wants(s, f->ring[i].topic, f->ring[i].session)) {
            f->ring[i].blob->refs++;
            return f->ring[i].blob;
        }
    }
    return NULL;
}

/* For those who see some rows only: which topic has changed; the list gives them their rows. */
static struct blob *next_hint(struct feed *f, struct api_stream *s)
{
    for (size_t i = behind(f, s->pos); i < f->n; i++) {
        enum topic t = f->ring[i].topic;

        s->pos = f->ring[i].id;
        if (!wants(s, t, f->ring[i].session))
            continue;
        if (t == TOPIC_TRANSCRIPT) {
            f->ring[i].blob->refs++;
            return f->ring[i].blob;
        }
        while (i + 1 < f->n && f->ring[i + 1].topic == t)
            s->pos = f->ring[++i].id;
        return note(f, "invalidate", t);
    }
    return NULL;
}

/* With the lock. Who reads slower than things change has lost events: he is told so, not left with
 * rows that are gone. */
static void note_missed(struct feed *f, struct api_stream *s)
{
    uint64_t pos = s->pos;

    for (int t = 0; t < TOPIC_COUNT; t++)
        if (s->want.topics & 1u << t && pos < f->dropped[t]) {
            s->missed |= 1u << t;
            s->pos = MAX(s->pos, f->dropped[t]);
        }
}

static struct blob *greeting(struct feed *f, struct api_stream *s)
{
    enum topic t = TOPIC_SESSIONS;

    while (!(s->greet & 1u << t))
        t++;
    if (t == TOPIC_TRANSCRIPT && s->greeted + 1 < s->want.n_sessions)
        return blob_of(f->last_id, "invalidate", of_session(s->want.sessions[s->greeted++]));
    s->greet &= ~(1u << t);
    if (t == TOPIC_TRANSCRIPT)
        return blob_of(f->last_id, "invalidate", of_session(s->want.sessions[s->greeted]));
    if (!s->all || !f->snapshot[t])
        return note(f, "invalidate", t);
    f->snapshot[t]->refs++;
    return f->snapshot[t];
}

static struct blob *tell_missed(struct feed *f, struct api_stream *s)
{
    enum topic t = TOPIC_SESSIONS;

    while (!(s->missed & 1u << t))
        t++;
    s->missed &= ~(1u << t);
    if (t == TOPIC_TRANSCRIPT) { /* all that it follows may have moved */
        s->greet |= 1u << t;
        s->greeted = 0;
        return greeting(f, s);
    }
    return note(f, s->all ? "resync" : "invalidate", t);
}

static struct blob *next_blob(struct feed *f, struct api_stream *s)
{
    struct blob *b;

    if (s->greet)
        return greeting(f, s);
    note_missed(f, s);
    if (s->missed)
        return tell_missed(f, s);
    b = s->all ? next_full(f, s) : next_hint(f, s);
    if (!b && s->beat != f->beat) {
        static const char text[] = ": still here\n\n";

        b = xmalloc(sizeof(*b) + sizeof(text));
        b->refs = 1;
        b->n = sizeof(text) - 1;
        memcpy(b->text, text, sizeof(text));
    }
    if (b)
        s->beat = f->beat;
    return b;
}

ssize_t api_stream_read(struct api_stream *s, char *ret, size_t cap, void (*wait)(void *arg))
{
    struct feed *f = s->f;
    ssize_t n = 0;

    pthread_mutex_lock(&f->lock);
    if (s->over || f->stop) {
        n = -1;
    } else {
        while ((size_t)n < cap && (s->now || (s->now = next_blob(f, s)))) {
            size_t k = MIN(cap - (size_t)n, s->now->n - s->at);

            memcpy(ret + n, s->now->text + s->at, k);
            n += (ssize_t)k;
            s->at += k;
            if (s->at == s->now->n) {
                blob_unref(take_ptr(s->now));
                s->at = 0;
            }
        }
        if (n == 0) {
            s->waiting = true;
            wait(s->arg);
        }
    }
    pthread_mutex_unlock(&f->lock);
    return n;
}

void api_stream_on_ready(struct api_stream *s, void (*fn)(void *arg), void *arg)
{
    s->wake = fn;
    s->arg = arg;
}

void api_stream_free(struct api_stream *s)
{
    struct feed *f = s->f;

    pthread_mutex_lock(&f->lock);
    list_del(&s->node);
    f->n_streams--;
    for (int t = 0; t < TOPIC_COUNT; t++)
        f->listeners[t] -= (s->want.topics & 1u << t) != 0;
    blob_unref(s->now);
    pthread_mutex_unlock(&f->lock);
    free(s);
}

void api_streams_end(struct api *a)
{
    struct feed *f = a->feed;

    pthread_mutex_lock(&f->lock);
    f->stop = true;
    list_for_each(l, &f->streams) feed_wake(container_of(l, struct api_stream, node));
    pthread_cond_signal(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

/* --- opening --- */

/* Snapshots that are older than the last event of their topic are made anew. */
static void refresh_snapshots(struct feed *f, unsigned topics)
{
    for (int t = 0; t < TOPIC_COUNT; t++) {
        bool stale;
        uint64_t id;
        json_t *data;

        if (!(topics & 1u << t) || t == TOPIC_TRANSCRIPT)
            continue;
        pthread_mutex_lock(&f->lock);
        id = f->last_id;
        stale = !f->snapshot[t] || f->snapshot_id[t] != id || !f->listeners[t];
        pthread_mutex_unlock(&f->lock);
        if (!stale)
            continue;
        data = feed_snapshot(f->api, (enum topic)t);
        pthread_mutex_lock(&f->lock);
        blob_unref(f->snapshot[t]);
        f->snapshot_rows[t] = feed_rows_sum(json_object_get(data, "items"));
        f->snapshot[t] = data ? blob_of(id, "snapshot", data) : NULL;
        f->snapshot_id[t] = id;
        pthread_mutex_unlock(&f->lock);
    }
}

static struct api_stream *stream_new(struct api_call *c, const struct feed_want *want)
{
    struct api_stream *s = xcalloc(1, sizeof(*s));

    s->f = c->api->feed;
    s->want = *want;
    s->all = api_sees_all(c->caller);
    if (c->caller->proof != PROOF_LOCAL)
        memcpy(s->proof, c->caller->session, sizeof(s->proof));
    s->account_id = c->caller->account_id;
    s->expires_ms = c->caller->expires_ms;
    s->scopes = c->caller->scopes;
    s->role = c->caller->role;
    return s;
}

bool feed_open(struct api_call *c, const struct feed_want *want, uint64_t last_id)
{
    struct feed *f = c->api->feed;
    struct api_stream *s = stream_new(c, want);
    unsigned topics = want->topics;
    size_t max = max_streams();
    bool ok;

    if (s->all)
        refresh_snapshots(f, topics);
    pthread_mutex_lock(&f->lock);
    ok = !f->stop && f->n_streams < max;
    if (ok) {
        bool known = last_id && f->n && last_id + 1 >= f->ring[0].id && last_id <= f->last_id;

        list_add_tail(&f->streams, &s->node);
        f->n_streams++;
        for (int t = 0; t < TOPIC_COUNT; t++)
            f->listeners[t] += (topics & 1u << t) != 0;
        s->beat = f->beat - 1; /* something to read at once: headers go out */
        s->greet = known ? 0 : topics;
        s->pos = known ? last_id : f->last_id;
        for (int t = 0; t < TOPIC_COUNT && !known; t++)
            if (topics & 1u << t && t != TOPIC_TRANSCRIPT && s->all)
                s->pos = MIN(s->pos, f->snapshot_id[t]);
        feed_ensure_thread(f);
    }
    pthread_mutex_unlock(&f->lock);
    if (ok) {
        c->res->stream = s;
        return true;
    }
    free(s);
    c->res->retry_after_s = FULL_RETRY_S;
    api_fail(c, 503, "full", NULL,
             "%zu streams are open already, as many as web.max_connections has room for", max);
    return false;
}
