/* Remote delivery: takes one message at a time, groups its recipients by destination, and sends to
 * one destination after the other. At most deliver.per_destination connections go to one
 * destination; what is more is parked there and picked up by the connections that are open, which
 * are used again that way. */
#include "base/clock.h"
#include "base/hash.h"
#include "mail/deliver/smtp_client.h"
#include "os/proc.h"
#include "stats/shm.h"

enum { MESSAGES_PER_CONNECTION = 100, RCPTS_PER_TRANSACTION = 100 };

struct job {          /* a taken message */
    struct list link; /* in destination.parked */
    struct job *next; /* in a thread's work */
    struct message *m;
    bool *tried; /* by recipient */
    bool paused; /* its content may be gone from memory */
};

struct destination { /* deliver.lock guards it */
    char key[300];
    unsigned active;
    struct list parked; /* struct job */
};

/* --- jobs --- */

static struct job *job_new(struct message *m)
{
    struct job *j = xcalloc(1, sizeof(*j));
    j->m = m;
    j->tried = xcalloc(m->n_rcpts + 1, sizeof(*j->tried));
    list_init(&j->link);
    return j;
}

static void job_free(struct job *j)
{
    free(j->tried);
    free(j);
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

static bool untouched(const struct job *j)
{
    for (size_t i = 0; i < j->m->n_rcpts; i++)
        if (j->tried[i])
            return false;
    return next_rcpt(j) < j->m->n_rcpts;
}

static void finish(struct deliver *d, struct job *j)
{
    struct message *m = j->m;
    bool stopping = atomic_load(&d->stopping);
    if (stopping && untouched(j)) {
        job_free(j);
        queue_give_back(d->queue, m, RCPT_REMOTE);
        return;
    }
    if (stopping)
        m->next_try_ms = clock_wall_ms(); /* not the recipients' fault: soon after the next start */
    tell_results(m, j);
    if (queue_expired(d->queue, m))
        for (size_t i = 0; i < m->n_rcpts; i++)
            if (m->rcpts[i].kind == RCPT_REMOTE && m->rcpts[i].state == RCPT_WAITING)
                expire(&m->rcpts[i]);
    bounce_notify(d, m);
    job_free(j);
    queue_settle(d->queue, m, RCPT_REMOTE);
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

/* --- destinations --- */

/* A place at the destination, or NULL: the job is parked there. */
static struct destination *enter(struct deliver *d, const struct conf *cf, const char *key,
                                 struct job *j)
{
    pthread_mutex_lock(&d->lock);
    struct destination *dest = map_get(d->destinations, sv_c(key));
    if (!dest) {
        dest = xcalloc(1, sizeof(*dest));
        snprintf(dest->key, sizeof(dest->key), "%s", key);
        list_init(&dest->parked);
        map_put(d->destinations, sv_c(key), dest);
    }
    bool full = dest->active >= cf->deliver.per_destination;
    if (full) {
        if (!j->paused)
            queue_pause(d->queue, j->m);
        j->paused = true;
        list_add_tail(&dest->parked, &j->link);
    } else {
        dest->active++;
    }
    pthread_mutex_unlock(&d->lock);
    return full ? NULL : dest;
}

/* The next parked job, or NULL: then the place is given up. */
static struct job *next_parked(struct deliver *d, struct destination *dest)
{
    struct job *j = NULL;
    pthread_mutex_lock(&d->lock);
    if (!list_empty(&dest->parked)) {
        j = container_of(dest->parked.next, struct job, link);
        list_del(&j->link);
    } else if (--dest->active == 0) {
        map_del(d->destinations, sv_c(dest->key));
        free(dest);
    }
    pthread_mutex_unlock(&d->lock);
    return j;
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

/* All of the job's recipients at this destination. False: the destination cannot be reached now
 * (*why). */
static bool send_job(struct smtp_client *s, struct job *j, const char *key, struct failure *why)
{
    struct rcpt *list[RCPTS_PER_TRANSACTION];
    if (s->c && s->sent >= MESSAGES_PER_CONNECTION)
        smtp_disconnect(s);
    for (;;) {
        size_t i = next_rcpt(j);
        if (i == j->m->n_rcpts)
            return true;
        if (!s->log.message_id) /* also of a further connection for the same message */
            log_message(s, j->m);
        bool reused = s->c;
        if (!s->c && connect_for(s, j, key, why) < 0)
            return false;
        size_t n = group(s->cf, j, key, list, ARRAY_LEN(list));
        if (!n)
            return true;
        int r = transactions(s, j, list, n);
        if (r >= 0)
            continue;
        bool nothing_said =
            strcmp(s->waiting_for, "MAIL") == 0 || strcmp(s->waiting_for, "RSET") == 0;
        smtp_disconnect(s);
        if (reused && nothing_said &&
            r != E_CANCELLED) /* it had become too old: once more, afresh */
            for (size_t k = 0; k < n; k++)
                j->tried[list[k] - j->m->rcpts] = false;
    }
}

static bool resume(struct deliver *d, const struct conf *cf, struct job *j, const char *key)
{
    int r = j->paused ? queue_resume(d->queue, j->m) : 0;
    if (r >= 0) {
        j->paused = false;
        return true;
    }
    struct failure f;
    failure_set(&f, false, "451 4.3.0 The message cannot be read here: %s", err_name(r));
    fail_group(cf, j, key, &f);
    return false;
}

static void push(struct job **work, struct job *j)
{
    j->next = *work;
    *work = j;
}

/* Serves the job, then what has been parked at its destination. Jobs with recipients elsewhere go
 * to *rest. */
static void serve(struct deliver *d, const struct conf *cf, struct destination *dest, struct job *j,
                  struct job **rest)
{
    struct smtp_client s;
    struct failure why = { 0 };
    char key[300];
    bool reachable = true;
    memcpy(key, dest->key, sizeof(key));
    smtp_begin(&s, d, cf);
    do {
        if (reachable && !atomic_load(&d->stopping) && resume(d, cf, j, key))
            reachable = send_job(&s, j, key, &why);
        if (!reachable)
            fail_group(cf, j, key, &why);
        s.log.message_id = NULL; /* the message may be gone before the connection is */
        if (!atomic_load(&d->stopping) && next_rcpt(j) < j->m->n_rcpts)
            push(rest, j);
        else
            finish(d, j);
        if (atomic_load(&s.out.cancel)) { /* killed: this message waits, the others go on */
            smtp_end(&s);
            smtp_begin(&s, d, cf);
            reachable = true;
        }
        j = next_parked(d, dest);
    } while (j);
    smtp_end(&s);
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

static void run_job(struct deliver *d, struct job *first)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    struct job *work = NULL;
    char key[300];
    push(&work, first);
    while (work) {
        struct job *j = work;
        work = j->next;
        size_t i = next_rcpt(j);
        if (i == j->m->n_rcpts || too_many_hops(j, cf) || atomic_load(&d->stopping)) {
            finish(d, j);
            continue;
        }
        route_key(cf, sv_c(j->m->rcpts[i].address), key);
        struct destination *dest = enter(d, cf, key, j);
        if (dest)
            serve(d, cf, dest, j, &work);
    }
}

void *remote_run(void *arg)
{
    struct deliver *d = arg;
    struct message *m;
    os_thread_name("remote");
    while (queue_take(d->queue, RCPT_REMOTE, &m, 1))
        run_job(d, job_new(m));
    return NULL;
}
