/* The feed's thread: looks at the topics while somebody listens, and at the streams' rights. */
#include "base/clock.h"
#include "base/deadline.h"
#include "conf/conf.h"
#include "mail/account/web_auth.h"
#include "os/proc.h"
#include "server/api/feed_priv.h"

#define TICK_MS     250
#define SLOW_MS     1000 /* looks at topics in which nothing moves */
#define QUEUE_MS    1000 /* looks at the queue, which is another process */
#define STATS_MS    2000
#define MESSAGES_MS 1000
#define BEAT_MS     10000
#define RECHECK_MS  1000

struct looks {
    struct feed_rows *sessions, *queue;
    uint64_t values[CTR_COUNT];
    struct event_cursor messages;
    struct feed_follow *follow;
    uint64_t accounts; /* epoch in which rights were looked at last */
    int64_t sessions_ms, queue_ms, stats_ms, messages_ms, beat_ms,
        recheck_ms; /* when they are due */
};

/* Proofs of open streams, each once. */
struct proof {
    char hash[72];
    int64_t account_id;
    uint32_t scopes;
    enum account_role role;
    bool ok;
};

static bool still_valid(struct feed *f, const struct proof *p)
{
    struct accounts *a = f->api->o.admin->accounts;
    _cleanup_(api_caller_freep) struct api_caller *now = NULL;
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    int r = web_proof_exists(a, p->hash, cf->web.session_idle, NULL);

    if (r == 0)
        r = api_caller_account(a, p->account_id, &now, NULL);
    if (r == 0)
        return now->role == p->role && (p->scopes & ~now->scopes) == 0;
    return r != E_NOTFOUND && r != E_PERM; /* a database that is away ends nobody's stream */
}

/* With the lock. Distinct proofs; free() them. */
static struct proof *collect_proofs(struct feed *f, size_t *ret_n)
{
    struct proof *v = NULL;
    size_t n = 0;

    list_for_each(l, &f->streams)
    {
        struct api_stream *s = container_of(l, struct api_stream, node);
        size_t i = n;

        if (!*s->proof)
            continue;
        while (i > 0 && strcmp(v[i - 1].hash, s->proof) != 0 && n - i < 300)
            i--;
        if (i > 0 && !strcmp(v[i - 1].hash, s->proof))
            continue;
        if (!(n & (n - 1)))
            v = xrealloc(v, (n ? 2 * n : 1) * sizeof(*v));
        v[n] = (struct proof){ .account_id = s->account_id, .scopes = s->scopes, .role = s->role };
        memcpy(v[n].hash, s->proof, sizeof(v[n].hash));
        n++;
    }
    *ret_n = n;
    return v;
}

/* Streams end with the right to have them: signed out, withdrawn, expired, lower role. */
static void check_proofs(struct feed *f, bool beat)
{
    int64_t now = clock_wall_ms();
    struct proof *v;
    size_t n;

    pthread_mutex_lock(&f->lock);
    v = collect_proofs(f, &n);
    pthread_mutex_unlock(&f->lock);
    for (size_t i = 0; i < n; i++)
        v[i].ok = still_valid(f, &v[i]);
    pthread_mutex_lock(&f->lock);
    f->beat += beat;
    list_for_each(l, &f->streams)
    {
        struct api_stream *s = container_of(l, struct api_stream, node);

        for (size_t i = 0; i < n; i++)
            if (!v[i].ok && !strcmp(v[i].hash, s->proof))
                s->over = true;
        s->over = s->over || (s->expires_ms && s->expires_ms < now);
        if (s->over || beat)
            feed_wake(s);
    }
    pthread_mutex_unlock(&f->lock);
    free(v);
}

static bool take_recheck(struct feed *f, struct looks *k)
{
    uint64_t accounts = epoch_get(EPOCH_ACCOUNTS);
    bool yes;

    pthread_mutex_lock(&f->lock);
    yes = f->recheck || accounts != k->accounts;
    f->recheck = false;
    pthread_mutex_unlock(&f->lock);
    k->accounts = accounts;
    return yes;
}

static void look_at_rights(struct feed *f, struct looks *k, int64_t now)
{
    bool beat = now >= k->beat_ms;

    if (now < k->recheck_ms && !beat)
        return;
    if (!take_recheck(f, k) && !beat)
        return;
    check_proofs(f, beat);
    k->recheck_ms = now + RECHECK_MS;
    k->beat_ms = beat ? now + BEAT_MS : k->beat_ms;
}

static void look(struct feed *f, struct looks *k)
{
    int64_t now = clock_mono_ms();

    if (now >= k->sessions_ms && feed_wanted(f, TOPIC_SESSIONS))
        k->sessions_ms = now + (feed_look_sessions(f->api, f, k->sessions) ? TICK_MS : SLOW_MS);
    if (feed_wanted(f, TOPIC_TRANSCRIPT))
        feed_look_transcripts(f->api, f, k->follow);
    if (now >= k->queue_ms && feed_wanted(f, TOPIC_QUEUE)) {
        feed_look_queue(f->api, f, k->queue);
        k->queue_ms = now + QUEUE_MS;
    }
    if (now >= k->stats_ms && feed_wanted(f, TOPIC_STATISTICS)) {
        feed_look_statistics(f->api, f, k->values);
        k->stats_ms = now + STATS_MS;
    }
    if (!feed_wanted(f, TOPIC_MESSAGES)) {
        k->messages.set = false;
    } else if (now >= k->messages_ms) {
        feed_look_messages(f->api, f, &k->messages);
        k->messages_ms = now + MESSAGES_MS;
    }
    look_at_rights(f, k, now);
}

static void *run(void *arg)
{
    struct feed *f = arg;
    struct looks k = { .sessions = feed_rows_new(),
                       .queue = feed_rows_new(),
                       .follow = feed_follow_new(),
                       .accounts = epoch_get(EPOCH_ACCOUNTS),
                       .beat_ms = clock_mono_ms() + BEAT_MS };

    os_thread_name("feed");
    pthread_mutex_lock(&f->lock);
    while (!f->stop && f->n_streams) {
        pthread_mutex_unlock(&f->lock);
        look(f, &k);
        struct timespec until = deadline_in(TICK_MS);
        pthread_mutex_lock(&f->lock);
        if (!f->stop)
            deadline_wait(&f->changed, &f->lock, &until);
    }
    f->running = false;
    pthread_mutex_unlock(&f->lock);
    feed_rows_free(k.sessions);
    feed_rows_free(k.queue);
    feed_follow_free(k.follow);
    return NULL;
}

bool feed_ensure_thread(struct feed *f)
{
    if (f->running)
        return true;
    if (f->joinable)
        pthread_join(f->thread, NULL);
    f->joinable = f->running = pthread_create(&f->thread, NULL, run, f) == 0;
    return f->running;
}
