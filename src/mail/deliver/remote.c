/* Remote delivery: takes a message with a place at one destination, sends it to its recipients
 * there, and goes on with the next message for that destination over the same connection. The queue
 * decides who comes next and how many may be at one destination; it is told what the other side
 * did. */
#include "base/clock.h"
#include "mail/deliver/job.h"
#include "mail/deliver/sms.h"
#include "os/proc.h"
#include "stats/shm.h"

enum {
    FEW_RCPTS = 20, /* of a message whose result is recorded after each destination */
};

struct session { /* a thread's, while it is at one destination */
    struct deliver *d;
    const struct conf *cf;
    struct smtp_client s;
    char key[300];
    bool given_up; /* the destination cannot be reached, for the reason why */
    struct failure why;
    unsigned messages;
    int64_t began_ms; /* monotonic */
};

struct aim {
    const struct conf *cf;
    const char *key;
};

static bool at_destination(const struct rcpt *r, const void *arg)
{
    const struct aim *aim = arg;
    char key[300];
    route_key(aim->cf, sv_c(r->address), key);
    return strcmp(key, aim->key) == 0;
}

static int connect_for(struct smtp_client *s, struct job *j, const char *key, struct failure *why)
{
    size_t i = job_next_rcpt(j);
    struct sv address = sv_c(j->m->rcpts[i].address);
    int64_t start = clock_mono_ms();
    int r = smtp_connect(s, route_domain(address), why);
    if (r >= 0)
        return r;
    unsigned n = 0;
    char other[300];
    for (size_t k = i; k < j->m->n_rcpts; k++) {
        route_key(s->cf, sv_c(j->m->rcpts[k].address), other);
        n += job_open_rcpt(j, k) && strcmp(other, key) == 0;
    }
    event(delivery_transaction, &s->log, F_ADDR(sender, j->m->sender), F_ADDR(rcpt, address),
          F_INT(rcpts, n), F_BYTES(bytes, content_size(j->m)),
          F_MS(duration, clock_mono_ms() - start),
          F_STR(outcome, s->timed_out ? "TIMEOUT" : "INCOMPLETE-SESSION"),
          F_STR(reason, why->answer));
    return r;
}

/* The connection broke. True: it had become too old before anything was said, so the recipients are
 * tried once more. */
static bool once_more(struct session *x, struct job *j, struct rcpt *const *list, size_t n,
                      bool reused, int r)
{
    bool nothing_said =
        strcmp(x->s.waiting_for, "MAIL") == 0 || strcmp(x->s.waiting_for, "RSET") == 0;
    smtp_disconnect(&x->s);
    if (!reused || !nothing_said || r == E_CANCELLED)
        return false;
    for (size_t k = 0; k < n; k++)
        j->tried[list[k] - j->m->rcpts] = false;
    return true;
}

/* All of the job's recipients at this destination. */
static void send_job(struct session *x, struct job *j)
{
    struct smtp_client *s = &x->s;
    struct rcpt *list[JOB_RCPTS];
    const struct aim aim = { x->cf, x->key };
    while (!x->given_up && job_has_rcpt(j, at_destination, &aim)) {
        smtp_suit(s, j->m);
        if (!s->log.message_id) /* also of a further connection for the same message */
            job_log_message(s, j->m);
        bool reused = s->c;
        int r = reused ? 0 : connect_for(s, j, x->key, &x->why);
        if (r < 0) {
            x->given_up = true;
            if (r != E_CANCELLED && !x->why.permanent)
                queue_tell(x->d->queue, j->m, QUEUE_PEER_FAILED, x->why.answer);
            return;
        }
        size_t n = job_group(j, at_destination, &aim, list, j->m->one_click ? 1 : ARRAY_LEN(list));
        r = job_transactions(s, j, list, n);
        if (r >= 0)
            queue_tell(x->d->queue, j->m, QUEUE_PEER_ANSWERED, NULL);
        else if (!once_more(x, j, list, n, reused, r) && r != E_CANCELLED)
            queue_tell(x->d->queue, j->m, QUEUE_PEER_FAILED, list[0]->answer);
    }
}

/* To telephone numbers, one by one: no connection is kept. */
static void send_sms(struct session *x, struct job *j)
{
    struct smtp_client *s = &x->s;
    struct rcpt *r;
    struct sms_result res;
    const struct aim aim = { x->cf, x->key };
    if (!s->log.message_id)
        job_log_message(s, j->m);
    if (!s->began_ms)
        s->began_ms = clock_mono_ms();
    while (!x->given_up && job_group(j, at_destination, &aim, &r, 1)) {
        sms_deliver(x->cf, j->m, r, s->our_name, &s->out.cancel, &s->log, &res);
        s->commands++;
        s->delivered += res.outcome == SMS_TAKEN;
        sv_copy(s->host, sizeof(s->host), sv_c(res.why.mta));
        x->given_up = res.outcome == SMS_NO_ANSWER || res.outcome == SMS_CANCELLED;
        if (res.outcome == SMS_NO_ANSWER)
            queue_tell(x->d->queue, j->m, QUEUE_PEER_FAILED, res.why.answer);
        else if (res.outcome != SMS_CANCELLED)
            queue_tell(x->d->queue, j->m, QUEUE_PEER_ANSWERED, NULL);
        x->why = res.why;
    }
}

/* A message of many destinations is recorded when all were visited that are free: a record holds
 * all recipients. */
static bool go_on(struct session *x, struct job *j)
{
    return j->m->n_rcpts > FEW_RCPTS && job_next_rcpt(j) < j->m->n_rcpts &&
           !atomic_load(&x->d->stopping) && queue_go_on(x->d->queue, j->m, j->tried);
}

static void begin_destination(struct session *x, const char *key)
{
    smtp_disconnect(&x->s);
    memcpy(x->key, key, sizeof(x->key));
    x->given_up = false;
    x->messages = 0;
    x->began_ms = clock_mono_ms();
}

static void end_kill(struct session *x) /* this message waits, the others go on */
{
    if (!atomic_load(&x->s.out.cancel))
        return;
    smtp_end(&x->s);
    smtp_begin(&x->s, x->d, x->cf);
    x->given_up = false;
}

static struct message *serve(struct session *x, struct message *m)
{
    struct job j = job_new(m);
    char key[300];
    const struct aim aim = { x->cf, key };
    bool placed = queue_where(x->d->queue, m, key) && !job_too_many_hops(&j, x->cf) &&
                  job_is_archived(x->d, &j, at_destination, &aim);
    while (placed && !atomic_load(&x->d->stopping)) {
        if (strcmp(x->key, key) != 0)
            begin_destination(x, key);
        x->s.impatient = queue_first_contact(x->d->queue, m);
        if (strcmp(key, SMS_DESTINATION) == 0)
            send_sms(x, &j);
        else
            send_job(x, &j);
        if (x->given_up)
            job_fail(&j, at_destination, &aim, &x->why);
        x->messages++;
        placed = go_on(x, &j) && queue_where(x->d->queue, m, key);
    }
    x->s.log.message_id = NULL; /* the message may be gone before the connection is */
    end_kill(x);
    bool more = (!x->given_up || x->why.permanent) &&
                x->messages < (unsigned)x->cf->deliver.session_messages &&
                clock_mono_ms() - x->began_ms < x->cf->deliver.session_time;
    return job_finish(x->d, &j, more);
}

static void run_session(struct deliver *d, struct message *m)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    struct session x = { .d = d, .cf = cf };
    smtp_begin(&x.s, d, cf);
    while (m)
        m = serve(&x, m);
    smtp_end(&x.s);
}

static void note_free(struct deliver *d, bool is_free)
{
    pthread_mutex_lock(&d->lock);
    if (is_free)
        d->n_free++;
    else
        d->n_free--;
    (void)deliver_start_remote(d);
    pthread_mutex_unlock(&d->lock);
}

void *remote_run(void *arg)
{
    struct deliver *d = arg;
    struct message *m;
    os_thread_name("remote");
    while (queue_take(d->queue, RCPT_REMOTE, &m, 1)) {
        note_free(d, false);
        run_session(d, m);
        note_free(d, true);
    }
    return NULL;
}
