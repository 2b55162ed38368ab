/* What all deliveries to other servers do with a taken message: finding recipients, transactions,
 * and recording what became of it. */
#include "mail/deliver/job.h"

#include "base/clock.h"
#include "mail/archive/archive.h"

/* --- jobs --- */

struct job job_new(struct message *m)
{
    return (struct job){ m, xcalloc(m->n_rcpts + 1, sizeof(bool)) };
}

bool job_open_rcpt(const struct job *j, size_t i)
{
    const struct rcpt *r = &j->m->rcpts[i];
    return r->kind == RCPT_REMOTE && r->state == RCPT_WAITING && !j->tried[i];
}

size_t job_next_rcpt(const struct job *j)
{
    size_t i = 0;
    while (i < j->m->n_rcpts && !job_open_rcpt(j, i))
        i++;
    return i;
}

size_t job_group(struct job *j, job_fits *fits, const void *arg, struct rcpt **list, size_t max)
{
    size_t n = 0;
    for (size_t i = 0; i < j->m->n_rcpts && n < max; i++) {
        if (!job_open_rcpt(j, i) || !fits(&j->m->rcpts[i], arg))
            continue;
        j->tried[i] = true;
        list[n++] = &j->m->rcpts[i];
    }
    return n;
}

bool job_has_rcpt(const struct job *j, job_fits *fits, const void *arg)
{
    for (size_t i = 0; i < j->m->n_rcpts; i++)
        if (job_open_rcpt(j, i) && fits(&j->m->rcpts[i], arg))
            return true;
    return false;
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
    return job_next_rcpt(j) < j->m->n_rcpts;
}

struct message *job_finish(struct deliver *d, struct job *j, bool more)
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
        m->rcpts[i].skipped = job_open_rcpt(j, i);
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

void job_fail(struct job *j, job_fits *fits, const void *arg, const struct failure *why)
{
    struct rcpt *list[JOB_RCPTS];
    size_t n;
    while ((n = job_group(j, fits, arg, list, ARRAY_LEN(list))))
        for (size_t i = 0; i < n; i++)
            smtp_answer(list[i], why->permanent ? RCPT_FAILED : RCPT_WAITING, why->answer,
                        why->mta);
}

/* --- sending --- */

void job_log_message(struct smtp_client *s, const struct message *m)
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

/* RFC 5321 4.5.3.1.10. */
int job_transactions(struct smtp_client *s, struct job *j, struct rcpt **list, size_t n)
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

bool job_too_many_hops(struct job *j, const struct conf *cf)
{
    if (j->m->hops <= (unsigned)cf->smtp.max_hops)
        return false;
    for (size_t i = 0; i < j->m->n_rcpts; i++)
        if (job_open_rcpt(j, i))
            smtp_answer(&j->m->rcpts[i], RCPT_FAILED, "554 Too many hops", "");
    return true;
}

bool job_is_archived(struct deliver *d, struct job *j, job_fits *fits, const void *arg)
{
    static const struct failure why = { .answer = ARCHIVE_ANSWER };
    bool wait;
    archive_keep(d->archive, &j->m, 1, &wait);
    if (wait)
        job_fail(j, fits, arg, &why);
    return !wait;
}
