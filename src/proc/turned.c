#include "proc/turned.h"

#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "net/client.h"

enum { LOOK_MS = 200, GRACE_MS = 5000 };

/* Of the thread that waits and of the session: whoever is last frees it. */
struct wait {
    pthread_mutex_t lock; /* guards what is below */
    pthread_cond_t changed;
    unsigned refs;
    bool over;
    unsigned messages;
    enum close_why why;
    struct smtp_turned turned; /* never changes */
    char *domains;
};

static void unref(struct wait *w)
{
    pthread_mutex_lock(&w->lock);
    bool last = --w->refs == 0;
    pthread_mutex_unlock(&w->lock);
    if (!last)
        return;
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->changed);
    free(w->domains);
    free(w);
}

static void ended(void *arg, unsigned messages, enum close_why why)
{
    struct wait *w = arg;
    pthread_mutex_lock(&w->lock);
    w->over = true;
    w->messages = messages;
    w->why = why;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
    unref(w);
}

static struct wait *wait_new(const struct smtp_server *srv, const char *domains)
{
    struct wait *w = xcalloc(1, sizeof(*w));
    pthread_condattr_t a;
    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, &a);
    pthread_condattr_destroy(&a);
    w->refs = 2;
    w->domains = xstrdup(domains);
    w->turned = (struct smtp_turned){ srv, w->domains, ended, w };
    return w;
}

/* Locked. True: the session is over. */
static bool wait_until(struct wait *w, const atomic_bool *cancel, int64_t until_ms)
{
    while (!w->over && !atomic_load(cancel) && clock_mono_ms() < until_ms) {
        struct timespec ts;
        clock_gettime(CLOCK_MONOTONIC, &ts);
        ts.tv_nsec += LOOK_MS * 1000000L;
        ts.tv_sec += ts.tv_nsec / 1000000000;
        ts.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&w->changed, &w->lock, &ts);
    }
    return w->over;
}

static int result(const struct wait *w, struct errinfo *ei)
{
    switch (w->why) {
    case CLOSE_QUIT:
        return 0;
    case CLOSE_SHUTDOWN:
        return err_set(ei, E_CANCELLED, "the server stops");
    case CLOSE_TIMEOUT:
        return err_set(ei, E_TIMEOUT, "the other server fell silent after ATRN");
    case CLOSE_KILLED:
        return err_set(ei, E_CLOSED, "the session was ended");
    default:
        return err_set(ei, E_CLOSED, "the connection was lost after ATRN");
    }
}

int turned_serve(void *arg, struct client *c, const char *domains, const atomic_bool *cancel,
                 int64_t until_ms, int64_t *ret_messages, struct errinfo *ei)
{
    static const atomic_bool never;
    const struct turned_side *side = arg;
    const struct net_listener l = { .service = SVC_SMTP, .ops = &smtp_turned_ops };
    struct wait *w = wait_new(side->srv, domains);
    uint32_t id = 0;
    int r = net_adopt(side->net, &l, &w->turned, c, &id, ei);
    if (r < 0) {
        client_close(c);
        unref(w);
        unref(w);
        return r;
    }
    pthread_mutex_lock(&w->lock);
    if (!wait_until(w, cancel, until_ms)) {
        pthread_mutex_unlock(&w->lock);
        (void)conn_kill_id(id);
        pthread_mutex_lock(&w->lock);
        (void)wait_until(w, &never, clock_mono_ms() + GRACE_MS);
    }
    *ret_messages = w->messages;
    r = w->over ? result(w, ei) : err_set(ei, E_TIMEOUT, "the session does not end");
    pthread_mutex_unlock(&w->lock);
    unref(w);
    return r;
}
