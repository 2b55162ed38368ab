/* Local delivery: takes what waits as one batch, sorts it by account, and adds all of an account's
 * messages in one transaction. The first mailbox writes the message's file, the others link to it.
 * Nothing is synced here: the queue's journal covers it until a checkpoint. */
#include "base/clock.h"
#include "mail/account/members.h"
#include "mail/account/script.h"
#include "mail/deliver/forward.h"
#include "mail/deliver/list.h"
#include "os/proc.h"
#include "stats/shm.h"

/* One recipient of one message of the batch. */
struct put {
    struct message *m;
    struct rcpt *r;
    size_t index; /* of the message in the batch */
    struct mailbox_add *add;
};

struct batch {
    struct deliver *d;
    struct message *m[LOCAL_BATCH];
    size_t n;
    struct mailbox_parsed *parsed[LOCAL_BATCH]; /* of messages to several recipients */
    struct buf stored[LOCAL_BATCH];             /* path of the file that a mailbox has already */
    struct put *puts;
    size_t n_puts;
};

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

static void settle(const struct put *p, enum rcpt_state state, const char *text)
{
    p->r->state = state;
    message_set(&p->r->answer, sv_c(text));
}

static void answer(const struct put *p, enum rcpt_state state, const char *text)
{
    struct logctx c = deliver_ctx(p->m);
    const struct event_arg args[] = {
        F_ADDR(rcpt, p->r->address),
        F_ADDR(original, *p->r->original ? p->r->original : NULL),
        F_STR(reply, text),
        F_MS(waited, MAX(clock_wall_ms() - p->m->received_ms, 0)),
    };
    settle(p, state, text);
    event_emit(state == RCPT_DELIVERED ? EVT_delivery_local : EVT_delivery_local_failed, &c, args,
               ARRAY_LEN(args));
}

static void answer_error(const struct put *p, int code, const char *detail)
{
    char text[320];
    if (code == E_QUOTA) {
        answer(p, RCPT_FAILED, "552 5.2.2 Mailbox has exceeded the limit");
        return;
    }
    snprintf(text, sizeof(text), "451 4.3.0 The mailbox cannot be written now: %s", detail);
    answer(p, RCPT_WAITING, text);
    log_error("Delivery to %s: %s", p->r->address, detail);
}

static struct mailbox_add make_add(struct batch *b, const struct put *p)
{
    struct message *m = p->m;
    struct mailbox_add a = {
        .key = m->key,
        .size = m->size,
        .internal_date_s = m->received_ms / 1000,
    };
    if (b->stored[p->index].n)
        a.path = b->stored[p->index].p;
    else if (m->content.p)
        a.content = m->content;
    else
        a.path = m->spool_path;
    return a;
}

/* The file that this mailbox now has serves the next ones. One without a row (the user has dealt
 * with the message already) was not looked at and may be torn. */
static void remember_file(struct batch *b, struct mailbox *mb, const struct put *p)
{
    struct buf *path = &b->stored[p->index];
    if (path->n || !b->parsed[p->index] || !p->add->ret_uid)
        return;
    if (mailbox_message_path(mb, p->m->key, path) < 0 || buf_terminate(path) < 0)
        buf_reset(path);
}

static void finish_put(struct batch *b, struct mailbox *mb, struct put *p)
{
    int r = p->add->ret_error;
    if (r < 0) {
        answer_error(p, r, err_name(r));
        return;
    }
    answer(p, RCPT_DELIVERED, "250 2.1.5 Delivered to mailbox");
    remember_file(b, mb, p);
}

/* Another mailbox's file served as source, and that mailbox's owner expunged the message just then:
 * the content comes from the queue instead. */
static bool lost_source(struct batch *b, struct put *p)
{
    struct buf *path = &b->stored[p->index];
    if (p->add->ret_error != -ENOENT || !path->n)
        return false;
    buf_reset(path);
    return true;
}

/* Adds the messages of puts[0..n) (one account) to the inbox. -EAGAIN: do it again. */
static int add_once(struct batch *b, struct put *puts, size_t n, struct mailbox *mb, uint64_t quota,
                    struct errinfo *ei)
{
    struct mailbox_add *adds = xcalloc(n, sizeof(*adds));
    struct mailbox_parsed **parsed = xcalloc(n, sizeof(struct mailbox_parsed *));
    size_t n_adds = 0;
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || puts[i].index != puts[i - 1].index) { /* two addresses of one account: once */
            parsed[n_adds] = b->parsed[puts[i].index];
            adds[n_adds++] = make_add(b, &puts[i]);
        }
        puts[i].add = &adds[n_adds - 1];
    }
    int r = mailbox_add(mb, mailbox_inbox_id(mb), adds, n_adds, false, quota, parsed, NULL, ei);
    bool again = false;
    for (size_t i = 0; i < n && r >= 0; i++)
        again |= lost_source(b, &puts[i]);
    for (size_t i = 0; i < n && r >= 0 && !again; i++)
        finish_put(b, mb, &puts[i]);
    free(adds);
    free(parsed);
    return r >= 0 && again ? -EAGAIN : r;
}

static int add_all(struct batch *b, struct put *puts, size_t n, struct mailbox *mb, uint64_t quota,
                   struct errinfo *ei)
{
    int r;
    do {
        r = add_once(b, puts, n, mb, quota, ei); /* what is there already is not added twice */
    } while (r == -EAGAIN);
    return r;
}

static int open_and_add(struct batch *b, struct put *puts, size_t n, const struct account *acc,
                        struct errinfo *ei)
{
    _cleanup_(mailbox_unrefp) struct mailbox *mb = NULL;
    int r = mailbox_open(b->d->store, acc->id, sv_c(acc->address), &mb, ei);
    return r < 0 ? r : add_all(b, puts, n, mb, (uint64_t)MAX(acc->quota_bytes, 0), ei);
}

/* --- lists, accounts that forward, answer or have a Sieve script: one message at a time --- */

static int run_script(struct batch *b, const struct put *p, const struct account *acc,
                      const struct active_script *script, struct forward_plan *forward,
                      struct script_outcome *ret, struct errinfo *ei)
{
    int r = 0;
    for (int i = 0; i < 2; i++) {
        _cleanup_(mailbox_unrefp) struct mailbox *mb = NULL;
        r = mailbox_open(b->d->store, acc->id, sv_c(acc->address), &mb, ei);
        if (r >= 0)
            r = script_deliver(b->d, p->m, p->r, acc, script, forward, mb, ret, ei);
        if (r != -ESTALE) /* else the index was made anew meanwhile */
            break;
    }
    return r;
}

static int store_one(struct batch *b, const struct put *p, const struct account *acc,
                     struct errinfo *ei)
{
    int r = 0;
    for (int i = 0; i < 3; i++) {
        _cleanup_(mailbox_unrefp) struct mailbox *mb = NULL;
        struct mailbox_add a = make_add(b, p);
        r = mailbox_open(b->d->store, acc->id, sv_c(acc->address), &mb, ei);
        if (r >= 0)
            r = mailbox_add(mb, mailbox_inbox_id(mb), &a, 1, false,
                            (uint64_t)MAX(acc->quota_bytes, 0), NULL, NULL, ei);
        if (r >= 0)
            r = a.ret_error;
        if (r == -ENOENT && b->stored[p->index].n)
            buf_reset(&b->stored[p->index]); /* expunged just then */
        else if (r != -ESTALE)
            break;
    }
    return r;
}

static void decide(struct script_outcome *out, enum rcpt_state state, bool stored, const char *text)
{
    out->state = state;
    out->stored = stored;
    sv_copy(out->text, sizeof(out->text), sv_c(text));
}

static int keep_one(struct batch *b, const struct put *p, const struct account *acc,
                    struct script_outcome *out, struct errinfo *ei)
{
    int r = store_one(b, p, acc, ei);
    if (r >= 0)
        decide(out, RCPT_DELIVERED, true, "250 2.1.5 Delivered to mailbox");
    return r;
}

/* The mailbox first, which knows the message when this is repeated; then what leaves. */
static int forward_one(struct batch *b, const struct put *p, const struct account *acc,
                       const struct active_script *script, struct script_outcome *out,
                       struct errinfo *ei)
{
    struct forward_plan plan;
    int r = forward_plan(b->d, p->m, p->r, acc, &plan, ei);
    if (r >= 0 && *plan.refusal) {
        decide(out, RCPT_FAILED, false, plan.refusal);
    } else if (r >= 0 && plan.store && script) {
        r = run_script(b, p, acc, script, &plan, out, ei);
    } else if (r >= 0) {
        r = plan.store ? store_one(b, p, acc, ei) : 0;
        if (r >= 0)
            r = forward_send(b->d, p->m, p->r, acc, &plan, ei);
        if (r >= 0)
            decide(out, RCPT_DELIVERED, plan.store,
                   plan.store ? "250 2.1.5 Delivered to mailbox" : "250 2.1.5 Forwarded");
    }
    forward_done(&plan);
    return r;
}

static void deliver_singly(struct batch *b, const struct put *puts, size_t n,
                           const struct account *acc, const struct active_script *script)
{
    struct script_outcome out = { .state = RCPT_WAITING };
    struct errinfo ei = { 0 };
    int r = 0;
    for (size_t i = 0; i < n; i++) {
        bool again = i && puts[i].index == puts[i - 1].index; /* two addresses of one account */
        if (!again && account_kind(acc) != KIND_USER)
            r = list_deliver(b->d, puts[i].m, puts[i].r, acc, &out, &ei);
        else if (!again && forward_wanted(acc))
            r = forward_one(b, &puts[i], acc, script, &out, &ei);
        else if (!again && script)
            r = run_script(b, &puts[i], acc, script, NULL, &out, &ei);
        else if (!again)
            r = keep_one(b, &puts[i], acc, &out, &ei);
        if (!again && r >= 0 && out.state == RCPT_DELIVERED && account_kind(acc) == KIND_USER &&
            auto_reply_wanted(acc))
            auto_reply(b->d, puts[i].m, puts[i].r, acc);
        if (r < 0)
            answer_error(&puts[i], r, *ei.text ? ei.text : err_name(r));
        else if (out.stored || out.state == RCPT_FAILED)
            answer(&puts[i], out.state, out.text);
        else
            settle(&puts[i], out.state, out.text);
    }
}

/* The account's script; NULL: none, and mail goes to the inbox. < 0: cannot tell now. */
static int find_script(struct batch *b, const struct account *acc, const struct active_script **ret,
                       struct errinfo *ei)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    if (!cf->sieve.enabled)
        return 0;
    int r = account_script_active(b->d->accounts, acc->id, ret, ei);
    if (r == E_CORRUPT)
        log_error("Delivery to %s: %s; mail goes to the inbox", acc->address, ei->text);
    return r == E_NOTFOUND || r == E_CORRUPT ? 0 : r;
}

static void deliver_account(struct batch *b, struct put *puts, size_t n)
{
    _cleanup_(active_script_unrefp) const struct active_script *script = NULL;
    _cleanup_(account_unrefp) const struct account *acc = NULL;
    struct errinfo ei = { 0 };
    int64_t id = puts[0].r->account_id;
    int r = account_find_id(b->d->accounts, id, &acc, &ei);
    if (r == E_NOTFOUND) { /* deleted since acceptance */
        for (size_t i = 0; i < n; i++)
            answer(&puts[i], RCPT_FAILED, "550 5.1.1 User unknown");
        return;
    }
    if (r >= 0)
        r = find_script(b, acc, &script, &ei);
    if (r >= 0 && (script || forward_wanted(acc) || auto_reply_wanted(acc) ||
                   account_kind(acc) != KIND_USER)) {
        deliver_singly(b, puts, n, acc, script);
        return;
    }
    if (r >= 0)
        r = open_and_add(b, puts, n, acc, &ei);
    if (r == -ESTALE) /* the index was made anew meanwhile */
        r = open_and_add(b, puts, n, acc, &ei);
    for (size_t i = 0; i < n && r < 0; i++)
        answer_error(&puts[i], r, ei.text);
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
    if (!queue_expired(d->queue, m) || m->moderation == MODERATION_WAITS)
        return;
    for (size_t i = 0; i < m->n_rcpts; i++) {
        struct rcpt *r = &m->rcpts[i];
        if (r->kind == RCPT_LOCAL && r->state == RCPT_WAITING)
            r->state = RCPT_FAILED;
    }
}

/* --- a message to many: several threads, each with mailboxes of its own --- */

enum {
    ALONE = 32, /* mailboxes up to which one thread is as fast */
    SHARE = 8,  /* mailboxes that a thread takes at a time */
};

struct spread {
    struct batch *b;
    size_t *first; /* put of each account, and the end */
    size_t n_accounts;
    atomic_size_t next;
};

static void find_accounts(struct spread *s)
{
    const struct batch *b = s->b;
    s->first = xcalloc(b->n_puts + 1, sizeof(*s->first));
    for (size_t i = 0; i < b->n_puts; i++)
        if (i == 0 || b->puts[i].r->account_id != b->puts[i - 1].r->account_id)
            s->first[s->n_accounts++] = i;
    s->first[s->n_accounts] = b->n_puts;
}

static void deliver_nth(const struct spread *s, struct batch *b, size_t i)
{
    deliver_account(b, b->puts + s->first[i], s->first[i + 1] - s->first[i]);
}

static void deliver_shares(struct spread *s, struct batch *b)
{
    size_t i;
    while ((i = atomic_fetch_add(&s->next, SHARE)) < s->n_accounts)
        for (size_t end = MIN(i + SHARE, s->n_accounts); i < end; i++)
            deliver_nth(s, b, i);
}

/* A further thread, with its own notes of where files are: one that is gone is replaced for this
 * thread only. */
struct helper {
    struct spread *s;
    struct batch own;
    pthread_t id;
};

static void *help(void *arg)
{
    struct helper *h = arg;
    os_thread_name("local+");
    deliver_shares(h->s, &h->own);
    return NULL;
}

static void copy_notes(struct batch *to, const struct batch *from)
{
    *to = *from;
    for (size_t i = 0; i < to->n; i++) {
        struct buf *path = &to->stored[i];
        buf_init(path, 8192);
        if (from->stored[i].n &&
            (buf_add_sv(path, buf_sv(&from->stored[i])) < 0 || buf_terminate(path) < 0))
            buf_reset(path);
    }
}

static void deliver_helped(struct spread *s, size_t n)
{
    struct helper *h = xcalloc(n, sizeof(*h));
    size_t started = 0;
    for (size_t i = 0; i < n; i++)
        copy_notes(&h[i].own, s->b);
    for (; started < n; started++) {
        h[started].s = s;
        if (pthread_create(&h[started].id, NULL, help, &h[started]) != 0)
            break; /* the others do it */
    }
    deliver_shares(s, s->b);
    for (size_t i = 0; i < started; i++)
        pthread_join(h[i].id, NULL);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < s->b->n; k++)
            buf_done(&h[i].own.stored[k]);
    free(h);
}

static void deliver_accounts(struct batch *b)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    struct spread s = { .b = b };
    find_accounts(&s);
    size_t alone = MIN(s.n_accounts, (size_t)ALONE);
    for (size_t i = 0; i < alone; i++) /* makes the files, too */
        deliver_nth(&s, b, i);
    atomic_init(&s.next, alone);
    if (s.n_accounts > alone)
        deliver_helped(&s, (size_t)cf->deliver.local_workers - 1);
    free(s.first);
}

static void deliver_batch(struct batch *b)
{
    log_each(b, "Begin");
    fill(b);
    deliver_accounts(b);
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
