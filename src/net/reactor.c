/* Reactors: one thread and one libevent base each, which only tell that a parked connection may go
 * on. Events are not persistent, so a fired one is out of the base before its callback runs. */
#include <event2/event.h>
#include <event2/thread.h>

#include "net/net_priv.h"
#include "os/proc.h"

#if defined(__SANITIZE_THREAD__)
/* The removal of a fired event from epoll is applied with the loop's next round, when a worker may
 * have closed the descriptor, and another connection may have got its number. libevent expects
 * that: it lets a failing removal pass, and never takes a later addition for redundant. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race:epoll_ctl\n";
}
#endif

static void *reactor_main(void *arg)
{
    struct reactor *r = arg;
    os_thread_name("net-reactor");
    event_base_loop(r->base, EVLOOP_NO_EXIT_ON_EMPTY);
    return NULL;
}

static void libevent_init(void)
{
    event_mem_init();
    if (evthread_use_pthreads() < 0)
        panic("libevent: no threads");
}

int reactor_start(struct reactor *r, unsigned nr, struct errinfo *ei)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, libevent_init);
    struct event_config *cfg = event_config_new();
    if (!cfg)
        panic("event_config_new: no memory");
    event_config_set_flag(cfg, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
    event_config_set_flag(cfg, EVENT_BASE_FLAG_IGNORE_ENV);
    r->base = event_base_new_with_config(cfg);
    event_config_free(cfg);
    if (!r->base)
        return err_set_errno(ei, -errno, "cannot make event loop %u", nr);
    pthread_mutex_init(&r->common_lock, NULL);
    int e = pthread_create(&r->thread, NULL, reactor_main, r);
    if (e != 0) {
        event_base_free(r->base);
        pthread_mutex_destroy(&r->common_lock);
        r->base = NULL;
        return err_set_errno(ei, -e, "cannot start the thread of event loop %u", nr);
    }
    return 0;
}

static void on_stop(evutil_socket_t fd _unused_, short what _unused_, void *arg)
{
    event_base_loopbreak(arg);
}

/* By an event: a loopbreak from here would be forgotten by a loop that is only about to begin. */
void reactor_stop(struct reactor *r)
{
    static const struct timeval now = { 0 };
    if (event_base_once(r->base, -1, EV_TIMEOUT, on_stop, r->base, &now) < 0)
        panic("event_base_once: %m");
    pthread_join(r->thread, NULL);
    event_base_free(r->base);
    pthread_mutex_destroy(&r->common_lock);
}

static const struct timeval *find_common(struct reactor *r, unsigned n, int64_t ms)
{
    for (unsigned i = 0; i < n; i++)
        if (r->common[i].ms == ms)
            return r->common[i].tv;
    return NULL;
}

const struct timeval *reactor_common(struct reactor *r, int64_t ms)
{
    unsigned n = atomic_load_explicit(&r->n_common, memory_order_acquire);
    const struct timeval *tv = find_common(r, n, ms);
    if (tv || n == COMMON_MAX)
        return tv;
    pthread_mutex_lock(&r->common_lock);
    n = atomic_load_explicit(&r->n_common, memory_order_relaxed);
    tv = find_common(r, n, ms);
    if (!tv && n < COMMON_MAX) {
        struct timeval t = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
        tv = event_base_init_common_timeout(r->base, &t);
        if (tv) {
            r->common[n].ms = ms;
            r->common[n].tv = tv;
            atomic_store_explicit(&r->n_common, n + 1, memory_order_release);
        }
    }
    pthread_mutex_unlock(&r->common_lock);
    return tv;
}
