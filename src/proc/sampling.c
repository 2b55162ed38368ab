/* Waits for the end of each minute. */
#include "proc/sampling.h"

#include <pthread.h>

#include "base/deadline.h"
#include "log/log.h"
#include "os/proc.h"
#include "samples/sampler.h"

struct sampling {
    pthread_t thread;
    bool running;         /* thread is to be joined */
    pthread_mutex_t lock; /* guards stop */
    pthread_cond_t wake;
    bool stop;
    struct sampler *sampler; /* the thread's, until it is joined */
    bool failing;
};

static void report(struct sampling *s, int r, const struct errinfo *ei)
{
    if (r < 0 && !s->failing)
        log_error("traffic charts: no samples are kept: %s", ei->text);
    else if (r >= 0 && s->failing)
        log_error("traffic charts: samples are kept again");
    s->failing = r < 0;
}

static void tick(struct sampling *s)
{
    struct errinfo ei = { 0 };

    report(s, sampler_tick(s->sampler, &ei), &ei);
}

/* By the monotonic clock, from where the wall clock stands now: when that jumps, the wait is over
 * within a minute all the same. False: it is to stop. */
static bool wait_for_minute(struct sampling *s)
{
    struct timespec until = deadline_in(sampler_wait_ms());
    bool on;

    pthread_mutex_lock(&s->lock);
    while (!s->stop && deadline_wait(&s->wake, &s->lock, &until))
        ;
    on = !s->stop;
    pthread_mutex_unlock(&s->lock);
    return on;
}

static void *run(void *arg)
{
    struct sampling *s = arg;

    os_thread_name("sampling");
    while (wait_for_minute(s))
        tick(s);
    return NULL;
}

struct sampling *sampling_start(const char *data_dir)
{
    struct sampling *s = xcalloc(1, sizeof(*s));
    struct errinfo ei = { 0 };

    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->wake, NULL);
    report(s, sampler_open(data_dir, shm_current(), &s->sampler, &ei), &ei);
    s->running = pthread_create(&s->thread, NULL, run, s) == 0;
    if (!s->running)
        log_error("traffic charts: no samples are kept: a thread cannot be started");
    return s;
}

void sampling_stop(struct sampling *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
    if (s->running)
        pthread_join(s->thread, NULL);
    tick(s);
    sampler_close(s->sampler);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
