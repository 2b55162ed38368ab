/* Local delivery: takes what waits as one batch, sorts it by account, and adds all of an account's
 * messages in one transaction. The first mailbox writes the message's file, the others link to it.
 * Nothing is synced here: the queue's journal covers it until a checkpoint. */
#include "base/clock.h"
#include "mail/deliver/local_priv.h"
#include "os/proc.h"

static int by_account(const void *a, const void *b)
{
    const struct put *x = a, *y = b;
    if (x->r->account_id != y->r->account_id)
        return x->r->account_id < y->r->account_id ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static void fill(struct batch *b)
{
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++)
        n += message_waiting(b->m[i], RCPT_LOCAL);
    b->puts = xcalloc(n + 1, sizeof(*b->puts));
    for (size_t i = 0; i < b->n; i++) {
        struct message *m = b->m[i];
        size_t before = b->n_puts;
        for (size_t k = 0; k < m->n_rcpts; k++) {
            struct rcpt *r = &m->rcpts[k];
            if (r->kind == RCPT_LOCAL && r->state == RCPT_WAITING)
                b->puts[b->n_puts++] = (struct put){ m, r, i, NULL };
        }
        buf_init(&b->stored[i], 8192);
        b->parsed[i] = b->n_puts - before > 1 && m->content.p ? mailbox_parse(m->content) : NULL;
    }
    qsort(b->puts, b->n_puts, sizeof(*b->puts), by_account);
}

void local_settle(const struct put *p, enum rcpt_state state, const char *text)
{
    p->r->state = state;
    message_set(&p->r->answer, sv_c(text));
}

void local_answer(const struct put *p, enum rcpt_state state, const char *text)
{
    struct logctx c = deliver_ctx(p->m);
    const struct event_arg args[] = {
        F_ADDR(rcpt, p->r->address),
        F_ADDR(original, *p->r->original ? p->r->original : NULL),
        F_STR(reply, text),
        F_MS(waited, MAX(clock_wall_ms() - p->m->received_ms, 0)),
    };
    local_settle(p, state, text);
    event_emit(state == RCPT_DELIVERED ? EVT_delivery_local : EVT_delivery_local_failed, &c, args,
               ARRAY_LEN(args));
}

void local_answer_error(const struct put *p, int code, const char *detail)
{
    char text[320];
    if (code == E_QUOTA) {
        local_answer(p, RCPT_FAILED, "552 5.2.2 Mailbox has exceeded the limit");
        return;
    }
    snprintf(text, sizeof(text), "451 4.3.0 The mailbox cannot be written now: %s", detail);
    local_answer(p, RCPT_WAITING, text);
    log_error("Delivery to %s: %s", p->r->address, detail);
}

static void log_each(const struct batch *b, const char *what)
{
    for (size_t i = 0; i < b->n; i++) {
        struct logctx c = { .type = LOG_MAILFLOW, .id = b->m[i]->session_id, .prefix = "" };
        log_line(&c, LOG_SUMMARY, "HandleLocalMail %s", what);
    }
}

static void expire(struct deliver *d, struct message *m)
{
    if (!queue_expired(d->queue, m, NULL) || m->moderation == MODERATION_WAITS)
        return;
    for (size_t i = 0; i < m->n_rcpts; i++) {
        struct rcpt *r = &m->rcpts[i];
        if (r->kind == RCPT_LOCAL && r->state == RCPT_WAITING)
            r->state = RCPT_FAILED;
    }
}

static void deliver_batch(struct batch *b)
{
    log_each(b, "Begin");
    fill(b);
    local_deliver_accounts(b);
    for (size_t i = 0; i < b->n; i++) {
        expire(b->d, b->m[i]);
        bounce_notify(b->d, b->m[i]);
        mailbox_parsed_free(b->parsed[i]);
        buf_done(&b->stored[i]);
    }
    free(b->puts);
    log_each(b, "End");
    queue_settle_all(b->d->queue, b->m, b->n, RCPT_LOCAL);
}

void *local_run(void *arg)
{
    struct deliver *d = arg;
    os_thread_name("local");
    for (;;) {
        struct batch b = { .d = d };
        b.n = queue_take(d->queue, RCPT_LOCAL, b.m, LOCAL_BATCH);
        if (!b.n)
            return NULL;
        deliver_batch(&b);
    }
}
