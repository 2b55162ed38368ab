/* Worker pools: bounded threads that run tasks (a connection's turn, or a job). Any thread pushes.
 *
 * Wake-ups are chained: a push wakes at most one worker, and a woken worker that finds more work
 * wakes the next. Workers that finish meanwhile take tasks without any wake-up, so that under load
 * there is about none. The most recently idle worker goes first; threads are started when first
 * needed, and all but one end when there is nothing to do for them. */
#include "base/clock.h"
#include "base/deadline.h"
#include "net/net_priv.h"
#include "os/memory.h"
#include "os/proc.h"

enum { STACK_BYTES = 256 * 1024, JOBS_MAX = 4096, KEEP_MS = 500 };

static const char *const thread_names[POOL_COUNT] = { "net-fast", "net-slow", "net-bulk" };

struct job {
    struct task task;
    void (*fn)(void *arg);
    void *arg;
};

static void *worker_main(void *arg);

static void join(struct worker *w)
{
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->cond);
    w->slot = SLOT_FREE;
}

/* Under the lock, with n_alive < n_max. */
static bool start_worker(struct workpool *p)
{
    struct worker *w = p->workers;
    while (w->slot == SLOT_RUNS)
        w++;
    if (w->slot == SLOT_ENDED)
        join(w); /* has only its end before it */
    w->pool = p;
    w->woken = false;
    buf_init(&w->in, 4 * MiB);
    buf_init(&w->out, 4 * MiB);
    pthread_cond_init(&w->cond, NULL);
    if (os_thread_start(&w->thread, STACK_BYTES, worker_main, w) != 0) {
        pthread_cond_destroy(&w->cond);
        return false;
    }
    w->slot = SLOT_RUNS;
    p->n_alive++;
    return true;
}

int workpool_start(struct workpool *p, enum pool which, unsigned n_max, struct errinfo *ei)
{
    *p = (struct workpool){ .which = which, .n_max = n_max };
    p->tail = &p->head;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->ended, NULL);
    p->workers = xcalloc(n_max, sizeof(*p->workers));
    pthread_mutex_lock(&p->lock);
    bool ok = start_worker(p);
    pthread_mutex_unlock(&p->lock);
    if (!ok)
        return err_set(ei, -EAGAIN,
                       "cannot start a thread for pool %s: the limit of processes "
                       "(ulimit -u, TasksMax=) is reached",
                       thread_names[which]);
    return 0;
}

/* Under the lock, after work was queued or is left. */
static void wake_one(struct workpool *p)
{
    if (p->waking)
        return;
    struct worker *w = p->idle;
    if (w) {
        p->idle = w->next_idle;
        w->woken = true;
        p->waking = true;
        pthread_cond_signal(&w->cond);
        return;
    }
    if (p->n_alive < p->n_max && !p->stop)
        p->waking = start_worker(p);
}

void workpool_push(struct workpool *p, struct task *t)
{
    t->next = NULL;
    pthread_mutex_lock(&p->lock);
    *p->tail = t;
    p->tail = &t->next;
    p->n_queued++;
    wake_one(p);
    pthread_mutex_unlock(&p->lock);
}

bool workpool_busy(struct workpool *p)
{
    pthread_mutex_lock(&p->lock);
    bool busy = p->n_queued > 0;
    pthread_mutex_unlock(&p->lock);
    return busy;
}

static void run_job(struct task *t, struct worker *w _unused_)
{
    struct job *j = container_of(t, struct job, task);
    j->fn(j->arg);
    free(j);
}

int workpool_job(struct workpool *p, void (*fn)(void *arg), void *arg)
{
    struct job *j = xcalloc(1, sizeof(*j));
    j->task.run = run_job;
    j->fn = fn;
    j->arg = arg;
    pthread_mutex_lock(&p->lock);
    if (p->stop || p->n_jobs >= JOBS_MAX) {
        int r = p->stop ? E_CLOSED : E_FULL;
        pthread_mutex_unlock(&p->lock);
        free(j);
        return r;
    }
    p->n_jobs++;
    *p->tail = &j->task;
    p->tail = &j->task.next;
    p->n_queued++;
    wake_one(p);
    pthread_mutex_unlock(&p->lock);
    return 0;
}

static bool woken_within(struct workpool *p, struct worker *w, int64_t ms)
{
    struct timespec until = deadline_in(ms);
    while (!w->woken) {
        if (!deadline_wait(&w->cond, &p->lock, &until))
            return w->woken;
    }
    return true;
}

static bool leave_idle(struct workpool *p, struct worker *w)
{
    struct worker **pp = &p->idle;
    while (*pp && *pp != w)
        pp = &(*pp)->next_idle;
    if (!*pp || (p->idle == w && !w->next_idle))
        return false;
    *pp = w->next_idle;
    return true;
}

/* Under the lock: waits until woken. When it stays quiet a worker ends, and with it what malloc
 * keeps for each thread; the last one only gives back what it has lent to connections, and its
 * stack. False: end. */
static bool sleep_idle(struct workpool *p, struct worker *w)
{
    w->next_idle = p->idle;
    p->idle = w;
    if (!woken_within(p, w, KEEP_MS)) {
        if (leave_idle(p, w))
            return false;
        pthread_mutex_unlock(&p->lock);
        buf_done(&w->in);
        buf_done(&w->out);
        os_stack_trim(STACK_BYTES);
        pthread_mutex_lock(&p->lock);
    }
    while (!w->woken)
        pthread_cond_wait(&w->cond, &p->lock);
    w->woken = false;
    p->waking = false;
    return true;
}

/* Under the lock: the next task, or NULL at the end. */
static struct task *next_task(struct workpool *p, struct worker *w)
{
    while (!p->head) {
        if (p->stop)
            return NULL;
        if (!sleep_idle(p, w))
            return NULL;
    }
    struct task *t = p->head;
    p->head = t->next;
    if (!p->head)
        p->tail = &p->head;
    p->n_queued--;
    if (t->run == run_job)
        p->n_jobs--;
    if (p->head)
        wake_one(p);
    return t;
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct workpool *p = w->pool;
    os_thread_name(thread_names[p->which]);
    pthread_mutex_lock(&p->lock);
    p->waking = false;
    for (;;) {
        struct task *t = next_task(p, w);
        if (!t)
            break;
        pthread_mutex_unlock(&p->lock);
        t->run(t, w);
        pthread_mutex_lock(&p->lock);
    }
    buf_done(&w->in);
    buf_done(&w->out);
    w->slot = SLOT_ENDED;
    if (--p->n_alive == 0)
        pthread_cond_broadcast(&p->ended);
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

bool workpool_stop(struct workpool *p, int64_t until_ms)
{
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    for (struct worker *w = p->idle; w; w = w->next_idle) {
        w->woken = true;
        pthread_cond_signal(&w->cond);
    }
    p->idle = NULL;
    while (p->n_alive > 0) {
        int64_t left = until_ms - clock_mono_ms();
        if (left <= 0)
            break;
        struct timespec until = deadline_in(left);
        deadline_wait(&p->ended, &p->lock, &until);
    }
    bool all = p->n_alive == 0;
    pthread_mutex_unlock(&p->lock);
    return all;
}

void workpool_done(struct workpool *p)
{
    for (unsigned i = 0; i < p->n_max; i++) {
        if (p->workers[i].slot != SLOT_FREE)
            join(&p->workers[i]);
    }
    free(p->workers);
    pthread_cond_destroy(&p->ended);
    pthread_mutex_destroy(&p->lock);
}
