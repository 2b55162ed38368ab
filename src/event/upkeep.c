/* When store_maintain runs: after a segment was closed, and every ten minutes; in a thread that
 * lives only so long, so that no stack is kept for it. */
#include "event/emit_priv.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "event/store.h"
#include "os/proc.h"

enum { EVERY_MS = 600 * 1000 };

/* One per process; the lock guards what the thread reads, the rest belongs to who ticks. */
static struct {
    pthread_mutex_t lock;
    struct event_conf conf;
    char *data_dir;
    enum module self;
    uint32_t seen;   /* sealed segments that were dealt with */
    int64_t next_ms; /* monotonic; 0 = at once */
    bool started;    /* thread is to be joined */
    atomic_bool done;
    pthread_t thread;
} up = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void *run(void *arg)
{
    (void)arg;
    os_thread_name("event-index");
    pthread_mutex_lock(&up.lock);
    struct event_conf c = up.conf;
    pthread_mutex_unlock(&up.lock);
    struct store_limits limits[STREAM_COUNT] = {
        [STREAM_EVENTS] = { c.days, c.max_bytes },
        [STREAM_TRANSCRIPTS] = { c.transcript_days, c.transcript_max_bytes },
    };
    for (int i = 0; i < STREAM_COUNT; i++)
        store_maintain(up.data_dir, up.self, i, &limits[i]);
    atomic_store(&up.done, true);
    return NULL;
}

static void join(void)
{
    if (up.started)
        pthread_join(up.thread, NULL);
    up.started = false;
}

void upkeep_start(const char *data_dir, enum module self)
{
    free(up.data_dir);
    up.data_dir = xstrdup(data_dir);
    up.self = self;
    up.seen = 0;
    up.next_ms = 0;
}

void upkeep_stop(void)
{
    join();
    free(up.data_dir);
    up.data_dir = NULL;
}

void upkeep_configure(const struct event_conf *c)
{
    pthread_mutex_lock(&up.lock);
    up.conf = *c;
    pthread_mutex_unlock(&up.lock);
}

void upkeep_tick(uint32_t sealed)
{
    int64_t now = clock_mono_ms();
    if (up.started && !atomic_load(&up.done))
        return;
    join();
    if (sealed == up.seen && up.next_ms && now < up.next_ms)
        return;
    up.seen = sealed;
    up.next_ms = now + EVERY_MS;
    atomic_store(&up.done, false);
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    up.started = pthread_create(&up.thread, NULL, run, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}
