/* Mail that a customer fetches by ATRN (RFC 2645): over the connection that he has made, in a
 * thread of its own, whatever his domain's destination is doing meanwhile. A domain is fetched once
 * at a time. What becomes of a message is recorded as with any delivery; when the connection ends
 * early, what was not tried waits untouched. */

#include "base/clock.h"
#include "mail/deliver/job.h"
#include "os/proc.h"

struct deliver_turn {
    struct list link; /* in d->turns */
    struct deliver *d;
    struct queue_turn *queue;
    char *account, *domains; /* domains: with a comma between them, canonical */
    size_t n_messages;
    struct client *c;
};

static bool is_among(struct sv domain, const char *domains)
{
    struct sv rest = sv_c(domains);
    while (rest.p && rest.n)
        if (sv_ieq(sv_split(&rest, ','), domain))
            return true;
    return false;
}

static bool fits(const struct rcpt *r, const void *arg)
{
    const struct deliver_turn *t = arg;
    return is_among(route_domain(sv_c(r->address)), t->domains);
}

static bool reaches(const struct rcpt *r, void *arg)
{
    return fits(r, arg);
}

static bool overlaps(const struct deliver_turn *a, const char *domains)
{
    struct sv rest = sv_c(domains);
    while (rest.p && rest.n)
        if (is_among(sv_split(&rest, ','), a->domains))
            return true;
    return false;
}

/* --- who fetches now --- */

static int enter(struct deliver *d, struct deliver_turn *t, int64_t max, struct errinfo *ei)
{
    int64_t n = 0;
    int r = atomic_load(&d->stopping) ? err_set(ei, E_CLOSED, "the server stops") : 0;
    pthread_mutex_lock(&d->lock);
    list_for_each(l, &d->turns)
    {
        n++;
        if (r == 0 && overlaps(container_of(l, struct deliver_turn, link), t->domains))
            r = err_set(ei, E_CONFLICT, "the mail is being fetched by another session");
    }
    if (r == 0 && n >= max)
        r = err_set(ei, E_LIMIT, "too many sessions fetch mail (smtp.atrn_sessions)");
    if (r == 0)
        list_add_tail(&d->turns, &t->link);
    pthread_mutex_unlock(&d->lock);
    return r;
}

static void end_turn(struct deliver_turn *t)
{
    struct deliver *d = t->d;
    if (t->queue)
        queue_turn_end(t->queue);
    client_close(t->c);
    pthread_mutex_lock(&d->lock);
    list_del(&t->link);
    pthread_cond_broadcast(&d->ended); /* deliver_stop frees d when there is none */
    pthread_mutex_unlock(&d->lock);
    free(t->account);
    free(t->domains);
    free(t);
}

/* What an administrator holds back waits for him. */
static char *without_paused(struct deliver *d, struct sv domains)
{
    struct buf out;
    char address[300];
    struct queue_dest dest;
    buf_init(&out, domains.n + 1);
    while (domains.p && domains.n) {
        struct sv one = sv_split(&domains, ',');
        snprintf(address, sizeof(address), "x@" SV_FMT, SV_ARG(sv_take(one, 255)));
        queue_destination(d->queue, address, &dest);
        if (strcmp(dest.state, "paused") == 0)
            continue;
        if (out.n)
            (void)buf_add_c(&out, ',');
        (void)buf_add_sv(&out, one);
    }
    char *text = sv_dup(buf_sv(&out));
    buf_done(&out);
    return text;
}

int deliver_turn_begin(struct deliver *d, struct sv account, struct sv domains, void **ret,
                       size_t *ret_n, struct errinfo *ei)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    struct deliver_turn *t = xcalloc(1, sizeof(*t));
    *ret_n = 0;
    t->d = d;
    t->account = sv_dup(account);
    t->domains = without_paused(d, domains);
    int r = enter(d, t, cf->smtp.atrn_sessions, ei);
    if (r < 0) {
        free(t->account);
        free(t->domains);
        free(t);
        return r;
    }
    t->queue = queue_turn_begin(d->queue, reaches, t, &t->n_messages);
    *ret_n = t->n_messages;
    *ret = t;
    return 0;
}

/* --- sending --- */

/* False: the connection is over. */
static bool send_message(struct deliver_turn *t, struct smtp_client *s, struct message *m)
{
    struct job j = job_new(m);
    struct rcpt *list[JOB_RCPTS];
    size_t n;
    int r = 0;
    job_log_message(s, m);
    if (!job_too_many_hops(&j, s->cf) && job_is_archived(t->d, &j, fits, t))
        while (r >= 0 && !atomic_load(&t->d->stopping) &&
               (n = job_group(&j, fits, t, list, m->one_click ? 1 : ARRAY_LEN(list))))
            r = job_transactions(s, &j, list, n);
    s->log.message_id = NULL; /* the message may be gone before the connection is */
    s->log.message = 0;
    (void)job_finish(t->d, &j, false);
    return r >= 0;
}

static void send_all(struct deliver_turn *t, struct smtp_client *s, struct failure *why)
{
    struct message *m;
    while (!atomic_load(&t->d->stopping) && (m = queue_turn_next(t->queue)))
        if (!send_message(t, s, m)) {
            failure_set(why, false, "%s",
                        atomic_load(&s->out.cancel) ? "ended by an administrator"
                        : s->timed_out              ? "the customer did not answer in time"
                                                    : "the connection was lost");
            return;
        }
}

static void run(struct deliver_turn *t)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    struct smtp_client s;
    struct failure why = { 0 };
    int64_t began = clock_mono_ms();
    smtp_begin(&s, t->d, cf);
    s.impatient = true; /* he is there: he has just asked */
    struct logctx log = s.log;
    if (atomic_load(&t->d->stopping))
        failure_set(&why, false, "the server stops");
    else if (smtp_take_over(&s, take_ptr(t->c), t->account, &why) >= 0)
        send_all(t, &s, &why);
    sv_copy(log.source, sizeof(log.source), sv_c(s.ip));
    unsigned sent = s.delivered;
    smtp_end(&s);
    event(odmr_ended, &log, F_ADDR(account, t->account), F_STR(domain, t->domains),
          F_INT(messages, sent), F_INT(waiting, t->n_messages - MIN(sent, t->n_messages)),
          F_MS(duration, clock_mono_ms() - began), F_STR(reason, *why.answer ? why.answer : NULL));
}

static void *turn_main(void *arg)
{
    os_thread_name("turned");
    run(arg);
    end_turn(arg);
    return NULL;
}

void deliver_turn_go(void *turn, struct client *c)
{
    struct deliver_turn *t = turn;
    pthread_t thread;
    t->c = c;
    if (!c) {
        end_turn(t);
        return;
    }
    int e = deliver_thread(&thread, turn_main, t);
    if (e == 0) {
        pthread_detach(thread);
        return;
    }
    log_error("cannot start a thread for ATRN by %s: %s", t->account, strerrordesc_np(e));
    end_turn(t);
}
