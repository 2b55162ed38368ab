#include "mail/deliver/tlsrpt.h"

#include "base/clock.h"
#include "base/deadline.h"
#include "base/hash.h"
#include "mail/deliver/tlsrpt_send.h"
#include "mail/tlsrpt/counter.h"
#include "os/proc.h"

#include <time.h>

enum {
    MAX_COUNTS = 20000, /* different ones, between two batches */
    FLUSH_S = 10,
    LOOK_MS = 60000,
    DAY_S = 86400,
    SPREAD_S = 4 * 3600,
    GIVE_UP_S = 86400, /* RFC 8460 5.6 */
    RETRY_S = 600,     /* doubles */
    MAX_WISHES = 16,
    MAX_TRIED = 1000,
};

struct tlsrpt {
    struct tls_counter *counter;
    pthread_t thread;
    pthread_mutex_t lock; /* guards what stands below */
    pthread_cond_t changed;
    bool stop;
    char wish[MAX_WISHES][256]; /* domains to be reported at once; "" = all */
    unsigned n_wishes;
    /* The thread's own: */
    int64_t look_ms;   /* monotonic */
    struct map *tried; /* "day domain" -> struct tried: reports that were not sent in whole */
};

struct tried {
    int64_t next_s;
    unsigned n;
    struct tlsrpt_done done;
};

void tlsrpt_count(struct deliver *d, const struct tls_count *c)
{
    if (d->tlsrpt)
        tls_counter_add(d->tlsrpt->counter, c);
}

bool deliver_tls_reports_now(struct deliver *d, const char *domain)
{
    struct tlsrpt *x = d->tlsrpt;
    pthread_mutex_lock(&x->lock);
    bool room = x->n_wishes < MAX_WISHES;
    if (room)
        sv_copy(x->wish[x->n_wishes++], sizeof(x->wish[0]), sv_c(domain));
    pthread_cond_signal(&x->changed);
    pthread_mutex_unlock(&x->lock);
    return room;
}

int64_t tlsrpt_due_s(int64_t day, const char *domain, const char *submitter)
{
    char text[600];
    int n = snprintf(text, sizeof(text), "%" PRId64 " %.255s %.255s", day, domain, submitter);
    return (day + 1) * DAY_S + (int64_t)(fnv1a64(text, (size_t)n) % SPREAD_S);
}

/* What cannot be written stays counted. */
static void flush(struct deliver *d)
{
    struct tls_count *v;
    struct errinfo ei = { 0 };
    uint64_t lost;
    size_t n = tls_counter_take(d->tlsrpt->counter, &v, &lost);
    if (n && tls_counts_add(d->accounts, v, n, &ei) < 0) {
        log_warn("TLS reports: counts cannot be written, and are kept for now: %s", ei.text);
        for (size_t i = 0; i < n; i++)
            tls_counter_add(d->tlsrpt->counter, &v[i]);
    }
    if (lost)
        log_warn("TLS reports: %" PRIu64 " sessions are not counted: too many different ones",
                 lost);
    tls_counter_list_free(v, n);
}

/* --- which reports are due --- */

struct pending {
    struct tls_count *v;
    size_t n;
};

static bool add_pending(const struct tls_count *c, void *arg)
{
    struct pending *p = arg;
    p->v = xrealloc(p->v, (p->n + 1) * sizeof(*p->v));
    p->v[p->n++] = tls_count_copy(c);
    return true;
}

static void tried_key(const struct tls_count *c, char ret[300])
{
    snprintf(ret, 300, "%" PRId64 " %.255s", c->day, c->domain);
}

static bool is_due(struct tlsrpt *x, const struct tls_count *c, const char *submitter)
{
    char key[300];
    int64_t now = clock_wall_s();
    tried_key(c, key);
    const struct tried *t = map_get(x->tried, sv_c(key));
    return now >= (t ? t->next_s : tlsrpt_due_s(c->day, c->domain, submitter));
}

/* Once more later, or never. */
static void failed(struct deliver *d, const struct tls_count *c, struct tried *t)
{
    struct errinfo ei = { 0 };
    char key[300];
    int64_t now = clock_wall_s();
    struct tried *known;
    tried_key(c, key);
    t->next_s = now + ((int64_t)RETRY_S << MIN(t->n, 5u));
    t->n++;
    known = map_get(d->tlsrpt->tried, sv_c(key));
    if (known)
        *known = *t;
    bool over = now > (c->day + 1) * DAY_S + SPREAD_S + GIVE_UP_S ||
                (!known && map_count(d->tlsrpt->tried) >= MAX_TRIED);
    if (!over && !known) {
        known = xcalloc(1, sizeof(*known));
        *known = *t;
        (void)map_put(d->tlsrpt->tried, sv_c(key), known);
    }
    if (!over)
        return;
    free(map_del(d->tlsrpt->tried, sv_c(key)));
    log_line(&tlsrpt_log, LOG_SUMMARY, "TLS report about '%s' is given up", c->domain);
    if (tls_counts_delete(d->accounts, c->domain, c->day, &ei) < 0)
        log_warn("TLS reports: counts cannot be deleted: %s", ei.text);
}

static void report(struct deliver *d, const struct conf *cf, const struct tls_count *c)
{
    char key[300];
    tried_key(c, key);
    const struct tried *known = map_get(d->tlsrpt->tried, sv_c(key));
    struct tried t = known ? *known : (struct tried){ 0 };
    if (tlsrpt_send(d, cf, c->domain, c->day, &t.done) < 0)
        failed(d, c, &t);
    else
        free(map_del(d->tlsrpt->tried, sv_c(key)));
}

static bool stopping(struct tlsrpt *x)
{
    pthread_mutex_lock(&x->lock);
    bool stop = x->stop;
    pthread_mutex_unlock(&x->lock);
    return stop;
}

/* wish: NULL = what is due; "" = all; a domain. */
static void send_reports(struct deliver *d, const char *wish)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    struct pending p = { 0 };
    struct errinfo ei = { 0 };
    char submitter[256];
    int64_t today = clock_wall_s() / DAY_S;
    deliver_hostname(cf, submitter);
    if (tls_counts_pending(d->accounts, add_pending, &p, &ei) < 0)
        log_warn("TLS reports: counts cannot be read: %s", ei.text);
    for (size_t i = 0; i < p.n && !stopping(d->tlsrpt); i++) {
        const struct tls_count *c = &p.v[i];
        bool wanted = wish ? !*wish || strcmp(wish, c->domain) == 0
                           : c->day < today && is_due(d->tlsrpt, c, submitter);
        if (wanted)
            report(d, cf, c);
    }
    tls_counter_list_free(p.v, p.n);
}

static void work(struct deliver *d)
{
    struct tlsrpt *x = d->tlsrpt;
    char wish[MAX_WISHES][256];
    pthread_mutex_lock(&x->lock);
    unsigned n = x->n_wishes;
    memcpy(wish, x->wish, sizeof(wish));
    x->n_wishes = 0;
    pthread_mutex_unlock(&x->lock);
    flush(d);
    for (unsigned i = 0; i < n; i++)
        send_reports(d, wish[i]);
    if (clock_mono_ms() < x->look_ms)
        return;
    x->look_ms = clock_mono_ms() + LOOK_MS;
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    if (cf->deliver.tls_reports)
        send_reports(d, NULL);
}

static void *run(void *arg)
{
    struct deliver *d = arg;
    struct tlsrpt *x = d->tlsrpt;
    os_thread_name("tlsrpt");
    pthread_mutex_lock(&x->lock);
    while (!x->stop) {
        struct timespec until = deadline_in(INT64_C(1000) * FLUSH_S);
        while (!x->stop && !x->n_wishes && deadline_wait(&x->changed, &x->lock, &until))
            ;
        bool stop = x->stop;
        pthread_mutex_unlock(&x->lock);
        if (!stop)
            work(d);
        pthread_mutex_lock(&x->lock);
    }
    pthread_mutex_unlock(&x->lock);
    return NULL;
}

/* --- life --- */

static void dispose(struct tlsrpt *x)
{
    tls_counter_free(x->counter);
    map_free(x->tried, free);
    pthread_mutex_destroy(&x->lock);
    pthread_cond_destroy(&x->changed);
    free(x);
}

int tlsrpt_start(struct deliver *d, struct errinfo *ei)
{
    struct tlsrpt *x = xcalloc(1, sizeof(*x));
    x->counter = tls_counter_new(MAX_COUNTS);
    x->tried = map_new();
    x->look_ms = clock_mono_ms() + LOOK_MS; /* a server that just starts has other things to do */
    pthread_mutex_init(&x->lock, NULL);
    pthread_cond_init(&x->changed, NULL);
    d->tlsrpt = x;
    int r = pthread_create(&x->thread, NULL, run, d);
    if (r == 0)
        return 0;
    d->tlsrpt = NULL;
    dispose(x);
    return err_set_errno(ei, -r, "cannot start the thread of TLS reports");
}

void tlsrpt_stop(struct deliver *d)
{
    struct tlsrpt *x = d->tlsrpt;
    if (!x)
        return;
    pthread_mutex_lock(&x->lock);
    x->stop = true;
    pthread_cond_signal(&x->changed);
    pthread_mutex_unlock(&x->lock);
    pthread_join(x->thread, NULL);
    flush(d);
    d->tlsrpt = NULL;
    dispose(x);
}
