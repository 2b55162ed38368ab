/* Remote delivery: takes a message with a place at one destination, sends it to its recipients
 * there, and goes on with the next message for that destination over the same connection. The queue
 * decides who comes next and how many may be at one destination; it is told what the other side
 * did. */
#include "base/clock.h"
#include "mail/archive/archive.h"
#include "mail/deliver/sms.h"
#include "mail/deliver/smtp_client.h"
#include "os/proc.h"
#include "stats/shm.h"

enum {
    RCPTS_PER_TRANSACTION = 100,
    FEW_RCPTS = 20, /* of a message whose result is recorded after each destination */
};

struct job { /* a taken message */
    struct message *m;
    bool *tried; /* by recipient */
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

/* --- jobs --- */

static struct job job_new(struct message *m)
{
    return (struct job){ m, xcalloc(m->n_rcpts + 1, sizeof(bool)) };
}

static bool open_rcpt(const struct job *j, size_t i)
{
    const struct rcpt *r = &j->m->rcpts[i];
    return r->kind == RCPT_REMOTE && r->state == RCPT_WAITING && !j->tried[i];
}

/* The first recipient that has not been tried; n_rcpts = none. */
static size_t next_rcpt(const struct job *j)
{
    size_t i = 0;
    while (i < j->m->n_rcpts && !open_rcpt(j, i))
        i++;
    return i;
}

/* Collects up to max recipients of the destination into list. */
static size_t group(const struct conf *cf, struct job *j, const char *key, struct rcpt **list,
                    size_t max)
{
    size_t n = 0;
    char other[300];
    for (size_t i = 0; i < j->m->n_rcpts && n < max; i++) {
        if (!open_rcpt(j, i))
            continue;
        route_key(cf, sv_c(j->m->rcpts[i].address), other);
        if (strcmp(key, other) != 0)
            continue;
        j->tried[i] = true;
        list[n++] = &j->m->rcpts[i];
    }
    return n;
}

/* --- results --- */

static void tell_results(const struct message *m, const struct job *j)
{
    struct logctx c = deliver_ctx(m);
    for (size_t i = 0; i < m->n_rcpts; i++) {
        const struct rcpt *r = &m->rcpts[i];
        bool done = r->state == RCPT_DELIVERED || r->state == RCPT_RELAYED;
        uint64_t code = 0;
        if (!j->tried[i] || (!done && r->state != RCPT_WAITING))
            continue;
        (void)sv_to_u64(sv_take(sv_c(r->answer), 3), &code);
        const struct event_arg args[] = {
            F_ADDR(rcpt, r->address),
            F_ADDR(original, *r->original ? r->original : NULL),
            F_CODE(code, code),
            F_STR(reply, r->answer),
            F_STR(host, *r->remote_mta ? r->remote_mta : NULL),
            F_INT(attempts, m->attempts + 1),
            F_MS(waited, MAX(clock_wall_ms() - m->received_ms, 0)),
        };
        event_emit(done ? EVT_delivery_remote : EVT_delivery_deferred, &c, args, ARRAY_LEN(args));
    }
}

/* The last temporary reason becomes the final one. */
static void expire(struct rcpt *r)
{
    char text[640];
    struct sv rest = sv_c(r->answer), word = sv_split(&rest, ' ');
    if (*r->remote_mta) {
        snprintf(text, sizeof(text), "554 Permanent problems with the remote server (%.500s)",
                 r->answer);
    } else {
        if (word.n == 3 && rest.n > 2 && rest.p[1] == '.') /* "451 4.4.1 reason" */
            (void)sv_split(&rest, ' ');
        snprintf(text, sizeof(text), "554 %.600s",
                 rest.p && rest.n ? rest.p : "Could not connect and send the mail to recipient");
    }
    r->state = RCPT_FAILED;
    message_set(&r->answer, sv_c(text));
}

/* An administrator wants it to go back, whatever still waits. */
static void give_back(struct message *m)
{
    for (size_t i = 0; i < m->n_rcpts; i++)
        if (m->rcpts[i].state == RCPT_WAITING && m->rcpts[i].kind != RCPT_DISCARD)
            smtp_answer(&m->rcpts[i], RCPT_FAILED,
                        "554 5.7.0 Returned to the sender by an administrator", "");
}

static bool untouched(const struct job *j)
{
    for (size_t i = 0; i < j->m->n_rcpts; i++)
        if (j->tried[i])
            return false;
    return next_rcpt(j) < j->m->n_rcpts;
}

/* Records what became of it. more: the next message for the destination is wanted; returns it. */
static struct message *finish(struct deliver *d, struct job *j, bool more)
{
    struct message *m = j->m, *next = NULL;
    bool stopping = atomic_load(&d->stopping);
    if (stopping && untouched(j)) {
        free(j->tried);
        queue_give_back(d->queue, m, RCPT_REMOTE);
        return NULL;
    }
    if (stopping)
        m->next_try_ms = clock_wall_ms(); /* not the recipients' fault: soon after the next start */
    tell_results(m, j);
    for (size_t i = 0; i < m->n_rcpts; i++)
        m->rcpts[i].skipped = open_rcpt(j, i);
    if (m->returning)
        give_back(m);
    for (size_t i = 0; i < m->n_rcpts; i++)
        if (m->rcpts[i].kind == RCPT_REMOTE && m->rcpts[i].state == RCPT_WAITING &&
            queue_expired(d->queue, m, &m->rcpts[i]))
            expire(&m->rcpts[i]);
    bounce_notify(d, m);
    free(j->tried);
    if (more && !stopping)
        next = queue_settle_next(d->queue, m);
    else
        queue_settle(d->queue, m, RCPT_REMOTE);
    return next;
}

static void fail_group(const struct conf *cf, struct job *j, const char *key,
                       const struct failure *why)
{
    struct rcpt *list[RCPTS_PER_TRANSACTION];
    size_t n;
    while ((n = group(cf, j, key, list, ARRAY_LEN(list))))
        for (size_t i = 0; i < n; i++)
            smtp_answer(list[i], why->permanent ? RCPT_FAILED : RCPT_WAITING, why->answer,
                        why->mta);
}

/* --- sending --- */

static void log_message(struct smtp_client *s, const struct message *m)
{
    s->talked = true;
    s->log.message = m->key;
    s->log.message_id = m->id;
    if (*m->original)
        log_line(&s->log, LOG_DEBUG, "Message id %s item %s.tm$ original %s", m->id, m->item,
                 m->original);
    else
        log_line(&s->log, LOG_DEBUG, "Message id %s item %s.tms", m->id, m->item);
}

static bool too_many(struct rcpt *const *list, size_t n)
{
    bool some_done = false, some_refused = false;
    for (size_t i = 0; i < n; i++) {
        some_done |= list[i]->state != RCPT_WAITING && list[i]->state != RCPT_FAILED;
        some_refused |= list[i]->state == RCPT_WAITING && strncmp(list[i]->answer, "452", 3) == 0;
    }
    return some_done && some_refused;
}

/* RFC 5321 4.5.3.1.10: those refused with 452 for their number are sent in a further transaction.
 */
static int transactions(struct smtp_client *s, struct job *j, struct rcpt **list, size_t n)
{
    int r = smtp_transaction(s, j->m, list, n);
    while (r >= 0 && too_many(list, n)) {
        size_t left = 0;
        for (size_t i = 0; i < n; i++)
            if (list[i]->state == RCPT_WAITING && strncmp(list[i]->answer, "452", 3) == 0)
                list[left++] = list[i];
        n = left;
        r = smtp_transaction(s, j->m, list, n);
    }
    return r;
}

static bool has_rcpt_at(const struct session *x, const struct job *j)
{
    char key[300];
    for (size_t i = 0; i < j->m->n_rcpts; i++) {
        if (!open_rcpt(j, i))
            continue;
        route_key(x->cf, sv_c(j->m->rcpts[i].address), key);
        if (strcmp(key, x->key) == 0)
            return true;
    }
    return false;
}

static int connect_for(struct smtp_client *s, struct job *j, const char *key, struct failure *why)
{
    size_t i = next_rcpt(j);
    struct sv address = sv_c(j->m->rcpts[i].address);
    int64_t start = clock_mono_ms();
    int r = smtp_connect(s, route_domain(address), why);
    if (r >= 0)
        return r;
    unsigned n = 0;
    char other[300];
    for (size_t k = i; k < j->m->n_rcpts; k++) {
        route_key(s->cf, sv_c(j->m->rcpts[k].address), other);
        n += open_rcpt(j, k) && strcmp(other, key) == 0;
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
    struct rcpt *list[RCPTS_PER_TRANSACTION];
    while (!x->given_up && has_rcpt_at(x, j)) {
        smtp_suit(s, j->m);
        if (!s->log.message_id) /* also of a further connection for the same message */
            log_message(s, j->m);
        bool reused = s->c;
        int r = reused ? 0 : connect_for(s, j, x->key, &x->why);
        if (r < 0) {
            x->given_up = true;
            if (r != E_CANCELLED && !x->why.permanent)
                queue_tell(x->d->queue, j->m, QUEUE_PEER_FAILED, x->why.answer);
            return;
        }
        size_t n = group(x->cf, j, x->key, list, j->m->one_click ? 1 : ARRAY_LEN(list));
        r = transactions(s, j, list, n);
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
    if (!s->log.message_id)
        log_message(s, j->m);
    if (!s->began_ms)
        s->began_ms = clock_mono_ms();
    while (!x->given_up && group(x->cf, j, x->key, &r, 1)) {
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

static bool too_many_hops(struct job *j, const struct conf *cf)
{
    if (j->m->hops <= (unsigned)cf->smtp.max_hops)
        return false;
    for (size_t i = 0; i < j->m->n_rcpts; i++)
        if (open_rcpt(j, i))
            smtp_answer(&j->m->rcpts[i], RCPT_FAILED, "554 Too many hops", "");
    return true;
}

/* False: there must be a copy first, and there is none; the message waits. */
static bool is_archived(struct session *x, struct job *j, const char *key)
{
    static const struct failure why = { .answer = ARCHIVE_ANSWER };
    bool wait;
    archive_keep(x->d->archive, &j->m, 1, &wait);
    if (wait)
        fail_group(x->cf, j, key, &why);
    return !wait;
}

/* A message of many destinations is recorded when all were visited that are free: a record holds
 * all recipients. */
static bool go_on(struct session *x, struct job *j)
{
    return j->m->n_rcpts > FEW_RCPTS && next_rcpt(j) < j->m->n_rcpts &&
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
    bool placed =
        queue_where(x->d->queue, m, key) && !too_many_hops(&j, x->cf) && is_archived(x, &j, key);
    while (placed && !atomic_load(&x->d->stopping)) {
        if (strcmp(x->key, key) != 0)
            begin_destination(x, key);
        x->s.impatient = queue_first_contact(x->d->queue, m);
        if (strcmp(key, SMS_DESTINATION) == 0)
            send_sms(x, &j);
        else
            send_job(x, &j);
        if (x->given_up)
            fail_group(x->cf, &j, key, &x->why);
        x->messages++;
        placed = go_on(x, &j) && queue_where(x->d->queue, m, key);
    }
    x->s.log.message_id = NULL; /* the message may be gone before the connection is */
    end_kill(x);
    bool more = (!x->given_up || x->why.permanent) &&
                x->messages < (unsigned)x->cf->deliver.session_messages &&
                clock_mono_ms() - x->began_ms < x->cf->deliver.session_time;
    return finish(x->d, &j, more);
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

void *remote_run(void *arg)
{
    struct deliver *d = arg;
    struct message *m;
    os_thread_name("remote");
    while (queue_take(d->queue, RCPT_REMOTE, &m, 1))
        run_session(d, m);
    return NULL;
}
