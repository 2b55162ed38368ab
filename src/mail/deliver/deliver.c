/* Starting and stopping the delivery threads; the list of outgoing connections. */
#include "base/clock.h"
#include "mail/deliver/deliver_priv.h"
#include "mail/deliver/older.h"
#include "mail/deliver/adapt.h"
#include "mail/deliver/tlsrpt.h"
#include "mail/deliver/trouble.h"
#include "os/proc.h"
#include "stats/shm.h"

#include <time.h>
#include <unistd.h>

enum { STACK = 512 * 1024 }; /* half of it is what libunbound takes to read its zones */

void deliver_hostname(const struct conf *cf, char ret[256])
{
    if (*cf->system.hostname) {
        sv_copy(ret, 256, sv_c(cf->system.hostname));
        return;
    }
    if (gethostname(ret, 256) < 0 || !*ret)
        sv_copy(ret, 256, SV("localhost"));
    ret[255] = '\0';
}

void outcome_set(struct script_outcome *ret, enum rcpt_state state, const char *text)
{
    *ret = (struct script_outcome){ .state = state };
    sv_copy(ret->text, sizeof(ret->text), sv_c(text));
}

struct logctx deliver_ctx(const struct message *m)
{
    return (struct logctx){ .type = LOG_MAILFLOW,
                            .id = m->session_id,
                            .prefix = "",
                            .message = m->key,
                            .message_id = m->id };
}

void outgoing_open(struct deliver *d, struct outgoing *o)
{
    atomic_init(&o->cancel, false);
    o->id = shm_session_new_id();
    pthread_mutex_lock(&d->lock);
    list_add_tail(&d->sessions, &o->link);
    pthread_mutex_unlock(&d->lock);
}

void outgoing_close(struct deliver *d, struct outgoing *o)
{
    pthread_mutex_lock(&d->lock);
    list_del(&o->link);
    pthread_mutex_unlock(&d->lock);
}

bool deliver_kill_session(struct deliver *d, uint32_t id)
{
    bool found = false;
    pthread_mutex_lock(&d->lock);
    list_for_each(l, &d->sessions)
    {
        struct outgoing *o = container_of(l, struct outgoing, link);
        if (o->id != id)
            continue;
        atomic_store(&o->cancel, true);
        found = true;
    }
    pthread_mutex_unlock(&d->lock);
    return found;
}

static void cancel_all(struct deliver *d)
{
    pthread_mutex_lock(&d->lock);
    list_for_each(l, &d->sessions)
        atomic_store(&container_of(l, struct outgoing, link)->cancel, true);
    pthread_mutex_unlock(&d->lock);
}

struct start {
    struct deliver *d;
    void *(*run)(void *);
};

static void *thread_main(void *arg)
{
    struct start s = *(struct start *)arg;
    free(arg);
    s.run(s.d);
    pthread_mutex_lock(&s.d->lock);
    s.d->n_running--;
    pthread_cond_broadcast(&s.d->ended);
    pthread_mutex_unlock(&s.d->lock);
    return NULL;
}

int deliver_thread(pthread_t *ret, void *(*run)(void *arg), void *arg)
{
    return os_thread_start(ret, STACK, run, arg);
}

/* With the lock. An errno. */
static int start_thread(struct deliver *d, void *(*run)(void *))
{
    struct start *s = xcalloc(1, sizeof(*s));
    *s = (struct start){ d, run };
    int r = deliver_thread(&d->threads[d->n_threads], thread_main, s);
    if (r) {
        free(s);
        return r;
    }
    d->n_threads++;
    d->n_running++;
    return 0;
}

static int start_threads(struct deliver *d, size_t local, size_t remote, struct errinfo *ei)
{
    int r = 0;
    pthread_mutex_lock(&d->lock);
    for (size_t i = 0; i < local && r == 0; i++)
        r = start_thread(d, local_run);
    d->may_start = remote;
    if (r == 0)
        r = deliver_start_remote(d);
    pthread_mutex_unlock(&d->lock);
    return r ? err_set_errno(ei, -r, "cannot start the delivery threads") : 0;
}

int deliver_start_remote(struct deliver *d)
{
    if (d->n_free || !d->may_start || atomic_load(&d->stopping))
        return 0;
    int r = start_thread(d, remote_run);
    if (r == 0) {
        d->may_start--;
        d->n_free++;
    }
    return r;
}

static void cond_init(pthread_cond_t *c)
{
    pthread_condattr_t a;
    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    pthread_cond_init(c, &a);
    pthread_condattr_destroy(&a);
}

int deliver_start(const struct deliver_opts *o, struct deliver **ret, struct errinfo *ei)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    struct deliver *d = xcalloc(1, sizeof(*d));
    size_t local = (size_t)cf->deliver.local_workers, remote = (size_t)cf->deliver.remote_workers;
    d->queue = o->queue;
    d->store = o->store;
    d->accounts = o->accounts;
    d->archive = o->archive;
    d->policy_dir = o->policy_dir ? xstrdup(o->policy_dir) : NULL;
    d->threads = xcalloc(local + remote, sizeof(*d->threads));
    list_init(&d->sessions);
    list_init(&d->troubles);
    list_init(&d->turns);
    pthread_mutex_init(&d->lock, NULL);
    cond_init(&d->ended);
    cond_init(&d->connection_free);
    d->adapt = adapt_new(d);
    int r = tlsrpt_start(d, ei);
    if (r >= 0)
        r = older_start(d, ei);
    if (r >= 0)
        r = start_threads(d, local, remote, ei);
    if (r < 0) {
        deliver_stop(d, 0);
        return r;
    }
    *ret = d;
    return 0;
}

static void wait_for_threads(struct deliver *d, int64_t ms)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    ts.tv_nsec += ms % 1000 * 1000000;
    ts.tv_sec += ms / 1000 + ts.tv_nsec / 1000000000;
    ts.tv_nsec %= 1000000000;
    pthread_mutex_lock(&d->lock);
    while ((d->n_running || !list_empty(&d->turns)) &&
           pthread_cond_timedwait(&d->ended, &d->lock, &ts) != ETIMEDOUT)
        ;
    pthread_mutex_unlock(&d->lock);
}

void deliver_stop(struct deliver *d, int64_t deadline_ms)
{
    if (!d)
        return;
    atomic_store(&d->stopping, true);
    queue_stop(d->queue);
    pthread_mutex_lock(&d->lock); /* from here on no thread is started */
    pthread_cond_broadcast(&d->connection_free);
    pthread_mutex_unlock(&d->lock);
    older_stop(d);
    wait_for_threads(d, deadline_ms);
    cancel_all(d);
    for (size_t i = 0; i < d->n_threads; i++)
        pthread_join(d->threads[i], NULL);
    pthread_mutex_lock(&d->lock);
    while (!list_empty(&d->turns))
        pthread_cond_wait(&d->ended, &d->lock);
    pthread_mutex_unlock(&d->lock);
    adapt_stop(d->adapt);
    tlsrpt_stop(d);
    trouble_done(d);
    pthread_mutex_destroy(&d->lock);
    pthread_cond_destroy(&d->ended);
    pthread_cond_destroy(&d->connection_free);
    free(d->threads);
    free(d->policy_dir);
    free(d);
}
