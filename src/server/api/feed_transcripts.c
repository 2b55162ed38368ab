/* Which of the followed sessions have more of a transcript, told by their figures in shared memory:
 * the sessions do not notice that somebody looks, and nothing is read before somebody asks. */
#include "base/clock.h"
#include "base/hash.h"
#include "server/api/api_priv.h"
#include "server/api/feed.h"
#include "server/api/session.h"

#define MAX_FOLLOWED 256
#define LAST_MS      3500 /* lines of a session's end come by another thread than its end */

struct followed {
    uint64_t key, hash; /* hash: of the figures; 0 = it is not there */
    bool again;         /* it moved at the last look */
    int64_t until_ms;   /* told of at each look until then */
};

struct feed_follow {
    struct followed v[MAX_FOLLOWED];
    size_t n;
};

struct feed_follow *feed_follow_new(void)
{
    return xcalloc(1, sizeof(struct feed_follow));
}

void feed_follow_free(struct feed_follow *w)
{
    free(w);
}

static uint64_t hash_of(const struct shm_session_info *s)
{
    uint64_t h = hash_bytes(s->state, strlen(s->state));

    h = h * 31 + hash_bytes(s->account, strlen(s->account));
    h = h * 31 + (uint64_t)s->active_ms;
    h = h * 31 + s->bytes_in;
    return (h * 31 + s->bytes_out) | 1;
}

static bool add(const struct shm_session_info *s, void *arg)
{
    struct feed_follow *now = arg;
    uint64_t key = api_session_key(s);

    for (size_t i = 0; i < now->n; i++)
        if (now->v[i].key == key)
            now->v[i].hash = hash_of(s);
    return true;
}

static const struct followed *find(const struct feed_follow *w, uint64_t key)
{
    for (size_t i = 0; i < w->n; i++)
        if (w->v[i].key == key)
            return &w->v[i];
    return NULL;
}

void feed_look_transcripts(struct api *api, struct feed *f, struct feed_follow *w)
{
    uint64_t keys[MAX_FOLLOWED];
    struct feed_follow now;
    int64_t ms = clock_mono_ms();

    now.n = feed_followed(f, keys, MAX_FOLLOWED);
    for (size_t i = 0; i < now.n; i++)
        now.v[i] = (struct followed){ .key = keys[i] };
    if (now.n && api->o.admin->shm)
        shm_session_each(api->o.admin->shm, add, &now);
    for (size_t i = 0; i < now.n; i++) {
        struct followed *k = &now.v[i];
        const struct followed *was = find(w, k->key);
        bool moved = was && was->hash != k->hash;

        k->again = moved;
        k->until_ms = moved && !k->hash ? ms + LAST_MS : was ? was->until_ms : 0;
        if (moved || (was && was->again) || ms < k->until_ms)
            feed_publish_transcript(f, k->key);
    }
    *w = now;
}
