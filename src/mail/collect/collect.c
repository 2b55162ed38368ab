/* The threads: each takes what is due, in turn. */
#include "mail/collect/collect.h"

#include <time.h>

#include "base/clock.h"
#include "mail/collect/collect_priv.h"
#include "os/proc.h"
#include "stats/shm.h"

enum {
    LOOK_S = 5, /* changes of the table by other processes */
    SESSION_MS = 3600 * 1000,
    MAX_WAIT_MS = 4 * 3600 * 1000, /* after failures */
    STACK = 512 * 1024,
};

/* Doubles with each failure in a row. */
static int64_t wait_ms(const struct attempt *x, int64_t failures)
{
    int64_t usual = x->r->interval_s ? x->r->interval_s * 1000 : x->cf->deliver.collect_interval;
    int64_t longer = usual;
    for (int64_t i = 0; i < failures && longer < MAX_WAIT_MS; i++)
        longer *= 2;
    return MAX(usual, MIN(longer, MAX_WAIT_MS));
}

static void finish(struct attempt *x, int64_t until_ms, int result, const struct errinfo *why)
{
    struct errinfo ei = { 0 };
    int64_t failures = result < 0 ? x->r->failures + 1 : 0;
    const char *reason = *why->text ? why->text : err_name(result);
    if (result == E_CANCELLED) { /* we stop: it is no failure, and due at the next start */
        const struct remote_result res = { x->r->last_result, x->collected, x->r->failures, 0 };
        (void)remote_finish(x->c->o.accounts, x->r->id, until_ms, &res, &ei);
        return;
    }
    const struct remote_result res = { result < 0 ? reason : "ok", x->collected, failures,
                                       clock_wall_ms() + wait_ms(x, failures) };
    if (result < 0)
        event(remote_failed, &x->log, F_ADDR(rcpt, x->r->address), F_STR(host, x->r->host),
              F_STR(reason, reason));
    if (result == 0 || x->collected)
        event(remote_collected, &x->log, F_ADDR(rcpt, x->r->address), F_STR(host, x->r->host),
              F_INT(messages, x->collected), F_INT(deleted, x->deleted),
              F_MS(duration, clock_mono_ms() - x->began_ms));
    if (remote_finish(x->c->o.accounts, x->r->id, until_ms, &res, &ei) < 0)
        log_warn("The result of remote account %" PRId64 " cannot be written: %s", x->r->id,
                 ei.text);
}

static void collect_one(struct collect *c, const struct remote_account *r, int64_t until_ms)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    _cleanup_(account_unrefp) const struct account *acc = NULL;
    struct errinfo ei = { 0 };
    int64_t now = clock_mono_ms();
    struct attempt x = {
        .c = c,
        .cf = cf,
        .r = r,
        .log = { .type = r->protocol == REMOTE_IMAP   ? LOG_IMAP
                         : r->protocol == REMOTE_ATRN ? LOG_SMTP
                                                      : LOG_POP3,
                 .id = shm_session_new_id(),
                 .prefix = LOG_CLIENT },
        .began_ms = now,
        .end_ms = now + SESSION_MS,
    };
    x.log.session = shm_session_key(x.log.id);
    int result = account_find_id(c->o.accounts, r->account_id, &acc, &ei);
    x.acc = acc;
    if (result == 0)
        result = attempt_run(&x, &ei);
    finish(&x, until_ms, result, &ei);
}

/* True: there was something to do. */
static bool work(struct collect *c, int64_t *mine)
{
    int64_t now = clock_wall_ms(), until_ms = now + 2 * SESSION_MS;
    int64_t *busy = xcalloc(c->n_threads + 1, sizeof(*busy));
    struct remote_account r;
    struct errinfo ei = { 0 };
    pthread_mutex_lock(&c->lock); /* also so that two do not claim the same */
    memcpy(busy, c->busy, c->n_threads * sizeof(*busy));
    int found = remote_claim(c->o.accounts, now, until_ms, busy, c->n_threads, &r, &ei);
    if (found == 1)
        *mine = r.id;
    pthread_mutex_unlock(&c->lock);
    free(busy);
    if (found < 0)
        log_warn("Remote accounts cannot be read: %s", ei.text);
    if (found != 1)
        return false;
    collect_one(c, &r, until_ms);
    remote_account_done(&r);
    pthread_mutex_lock(&c->lock);
    *mine = 0;
    pthread_mutex_unlock(&c->lock);
    return true;
}

static int64_t *my_place(struct collect *c)
{
    size_t i = 0;
    while (c->busy[i] != -1)
        i++;
    c->busy[i] = 0;
    return &c->busy[i];
}

static void *run(void *arg)
{
    struct collect *c = arg;
    os_thread_name("collect");
    pthread_mutex_lock(&c->lock);
    int64_t *mine = my_place(c);
    while (!atomic_load(&c->stopping)) {
        unsigned wakes = c->wakes;
        struct timespec until;
        pthread_mutex_unlock(&c->lock);
        bool more = work(c, mine);
        pthread_mutex_lock(&c->lock);
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += LOOK_S;
        while (!more && !atomic_load(&c->stopping) && c->wakes == wakes &&
               pthread_cond_timedwait(&c->wake, &c->lock, &until) != ETIMEDOUT)
            ;
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

void collect_wake(struct collect *c)
{
    pthread_mutex_lock(&c->lock);
    c->wakes++;
    pthread_cond_broadcast(&c->wake);
    pthread_mutex_unlock(&c->lock);
}

int collect_start(const struct collect_opts *o, struct collect **ret, struct errinfo *ei)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    struct collect *c = xcalloc(1, sizeof(*c));
    size_t n = (size_t)cf->deliver.collect_workers;
    pthread_condattr_t ca;
    int r = 0;
    c->o = *o;
    c->threads = xcalloc(n, sizeof(*c->threads));
    c->busy = xcalloc(n, sizeof(*c->busy));
    for (size_t i = 0; i < n; i++)
        c->busy[i] = -1; /* no thread has this place yet */
    pthread_mutex_init(&c->lock, NULL);
    pthread_condattr_init(&ca);
    pthread_condattr_setclock(&ca, CLOCK_MONOTONIC);
    pthread_cond_init(&c->wake, &ca);
    pthread_condattr_destroy(&ca);
    pthread_mutex_lock(&c->lock); /* threads begin when all are there */
    for (size_t i = 0; i < n && r == 0; i++) {
        r = os_thread_start(&c->threads[i], STACK, run, c);
        c->n_threads += r == 0;
    }
    pthread_mutex_unlock(&c->lock);
    if (r) {
        collect_stop(c);
        return err_set_errno(ei, -r, "cannot start the threads that collect mail");
    }
    *ret = c;
    return 0;
}

void collect_stop(struct collect *c)
{
    if (!c)
        return;
    atomic_store(&c->stopping, true);
    collect_wake(c);
    for (size_t i = 0; i < c->n_threads; i++)
        pthread_join(c->threads[i], NULL);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->wake);
    free(c->threads);
    free(c->busy);
    free(c);
}
