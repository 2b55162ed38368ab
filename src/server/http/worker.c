/* Workers run the handler while the connection is suspended; the timer gives delayed answers and
 * ends connections that are over their time. */
#include "base/clock.h"
#include "base/deadline.h"
#include "os/proc.h"
#include "server/http/http_priv.h"

#define TICK_MS 500

bool http_submit(struct http_conn *c)
{
    struct http *h = c->h;
    bool ok;

    pthread_mutex_lock(&h->jobs_lock);
    ok = h->n_jobs < HTTP_JOBS_MAX && !h->stop;
    if (ok) {
        lib_mhd.MHD_suspend_connection(c->mhd); /* before a worker can resume it */
        list_add_tail(&h->jobs, &c->node);
        h->n_jobs++;
        pthread_cond_signal(&h->jobs_come);
    }
    pthread_mutex_unlock(&h->jobs_lock);
    return ok;
}

static void run_job(struct http_conn *c)
{
    struct sv rest = sv_c(c->uri), path = sv_split(&rest, '?');
    struct http_request req = {
        .method = c->method,
        .path = path,
        .query = rest,
        .body = buf_sv(&c->body),
        .peer = c->peer->ip,
        .tls = c->peer->tls,
        .trusted = c->peer->trusted,
        .conn = c,
    };

    c->h->o.handler.run(c->h->o.handler.arg, &req, &c->res);
    if (c->gzip && !c->res.stream.stream && c->res.body.n > HTTP_GZIP_MIN)
        c->body_gzipped = http_gzip(&c->res.body, 5);
}

/* With the lock. Sorted by when they are due. */
static void delay(struct http *h, struct http_conn *c)
{
    struct list *at = &h->delayed;

    while (at->prev != &h->delayed &&
           container_of(at->prev, struct http_conn, node)->due_ms > c->due_ms)
        at = at->prev;
    list_add_tail(at, &c->node);
    pthread_cond_signal(&h->timer_wakes);
}

static void *work(void *arg)
{
    struct http *h = arg;

    os_thread_name("http-worker");
    pthread_mutex_lock(&h->jobs_lock);
    for (;;) {
        struct http_conn *c;

        while (list_empty(&h->jobs) && !h->stop)
            pthread_cond_wait(&h->jobs_come, &h->jobs_lock);
        if (list_empty(&h->jobs))
            break;
        c = container_of(h->jobs.next, struct http_conn, node);
        list_del(&c->node);
        h->n_jobs--;
        pthread_mutex_unlock(&h->jobs_lock);
        run_job(c);
        pthread_mutex_lock(&h->jobs_lock);
        c->done = true;
        if (c->res.delay_ms && !h->stop) {
            c->due_ms = clock_mono_ms() + c->res.delay_ms;
            delay(h, c);
        } else {
            lib_mhd.MHD_resume_connection(c->mhd);
        }
    }
    pthread_mutex_unlock(&h->jobs_lock);
    return NULL;
}

/* With the lock. When the next is due, TICK_MS at most. */
static int64_t answer_due(struct http *h)
{
    while (!list_empty(&h->delayed)) {
        struct http_conn *c = container_of(h->delayed.next, struct http_conn, node);
        int64_t left = c->due_ms - clock_mono_ms();

        if (left > 0 && !h->stop)
            return MIN(left, TICK_MS);
        list_del(&c->node);
        lib_mhd.MHD_resume_connection(c->mhd);
    }
    return TICK_MS;
}

static void *tick(void *arg)
{
    struct http *h = arg;

    os_thread_name("http-timer");
    pthread_mutex_lock(&h->jobs_lock);
    while (!h->stop) {
        struct timespec until = deadline_in(answer_due(h));

        deadline_wait(&h->timer_wakes, &h->jobs_lock, &until);
        pthread_mutex_unlock(&h->jobs_lock);
        http_reap(h);
        pthread_mutex_lock(&h->jobs_lock);
    }
    answer_due(h);
    pthread_mutex_unlock(&h->jobs_lock);
    return NULL;
}

int http_workers_start(struct http *h, struct errinfo *ei)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    size_t want = (size_t)cf->web.workers;

    h->workers = xcalloc(want, sizeof(*h->workers));
    while (h->n_workers < want && pthread_create(&h->workers[h->n_workers], NULL, work, h) == 0)
        h->n_workers++;
    h->timer_runs = h->n_workers && pthread_create(&h->timer, NULL, tick, h) == 0;
    return h->timer_runs ? 0 : err_set(ei, E_TEMP, "the web server's threads cannot be started");
}

/* Jobs that wait are still run: their connections are suspended, and must be resumed. */
void http_workers_stop(struct http *h)
{
    pthread_mutex_lock(&h->jobs_lock);
    h->stop = true;
    pthread_cond_broadcast(&h->jobs_come);
    pthread_cond_signal(&h->timer_wakes);
    pthread_mutex_unlock(&h->jobs_lock);
    for (size_t i = 0; i < h->n_workers; i++)
        pthread_join(h->workers[i], NULL);
    if (h->timer_runs)
        pthread_join(h->timer, NULL);
    free(h->workers);
}
