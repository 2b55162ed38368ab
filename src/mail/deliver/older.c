#include "mail/deliver/older.h"

#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/deadline.h"
#include "mail/account/jobs.h"
#include "mail/account/members.h"
#include "mail/deliver/forward.h"
#include "os/proc.h"
#include "proto/mime.h"

enum { LOOK_S = 30 };
static const char job[] = "forward_older";
/* On what was forwarded: so it is not a second time, also in another folder and back. */
static const char *const keywords[] = { "$ForwardedOlder", NULL };

struct older {
    pthread_t thread;
    pthread_mutex_t lock; /* guards stop */
    pthread_cond_t changed;
    bool stop;
};

struct work { /* one account */
    struct deliver *d;
    const struct conf *cf;
    const struct account *acc;
    struct mailbox *mb;
    int64_t inbox, before_s;
    const struct snap *snap;
    uint64_t done_flag; /* of the keyword; 0 = nobody has it */
    struct old {
        uint32_t uid;
        uint64_t key, new_key;
    } * v;
    size_t n, forwarded;
};

/* --- which --- */

static bool was_forwarded(const struct work *w, uint32_t uid)
{
    ssize_t i = snap_find_uid(w->snap, uid);
    return i < 0 || (w->snap->m[i].flags & w->done_flag);
}

static bool add_old(const struct msg_row *r, void *arg)
{
    struct work *w = arg;
    if (r->internal_date_s >= w->before_s || was_forwarded(w, r->uid))
        return !atomic_load(&w->d->stopping);
    if (w->n % 256 == 0)
        w->v = xrealloc(w->v, (w->n + 256) * sizeof(*w->v));
    /* The key says what the new message is: when a crash lost the flag, the queue still knows it.
     */
    struct message from = { .key = r->key }, to = { 0 };
    send_name(&to, &from, w->acc->id, job);
    w->v[w->n++] = (struct old){ r->uid, r->key, to.key };
    return !atomic_load(&w->d->stopping);
}

static int find_old(struct work *w, struct errinfo *ei)
{
    int r = mailbox_snapshot(w->mb, w->inbox, NULL, &w->snap, ei);
    if (r < 0)
        return r;
    for (uint32_t i = 0; i < w->snap->n_keywords; i++)
        if (strcmp(w->snap->keywords[i], keywords[0]) == 0)
            w->done_flag = 1ull << (FLAG_KEYWORD0 + i);
    return mailbox_rows(w->mb, w->inbox, 1, UINT32_MAX, MSG_META, add_old, w, ei);
}

/* --- one message --- */

static int add_targets(struct work *w, struct message *m, struct errinfo *ei)
{
    struct sv rest = sv_c(account_option(w->acc, OPT_OLDER_TO));
    while (rest.n) {
        struct sv target = sv_split(&rest, ';');
        int r = send_add_target(w->d, m, target, w->acc->address, w->acc->id, ei);
        if (r < 0 && r != E_NOTFOUND)
            return r;
    }
    for (size_t i = 0; i < m->n_rcpts; i++)
        if (w->acc->local_only && m->rcpts[i].kind == RCPT_REMOTE)
            m->rcpts[i].kind = RCPT_DISCARD;
    return 0;
}

static void tell(struct work *w, const struct old *o, const struct message *m)
{
    struct logctx c = { .type = LOG_MAILFLOW, .prefix = "", .message = o->key };
    for (size_t i = 0; i < m->n_rcpts; i++) {
        char what[400];
        if (m->rcpts[i].kind == RCPT_DISCARD)
            continue;
        snprintf(what, sizeof(what), "forwarded to %s, as it is old", m->rcpts[i].address);
        event(account_sent, &c, F_ADDR(rcpt, w->acc->address), F_STR(what, what),
              F_ID(child, m->id), F_KEY(child_key, m->key));
    }
}

enum { NOBODY, QUEUED, NEVER };

/* NOBODY: there is nobody to send it to, now. NEVER: it goes in circles. */
static int queue_one(struct work *w, const struct old *o, struct sv content, struct errinfo *ei)
{
    struct message from = { .key = o->key };
    _cleanup_(message_unrefp) struct message *m = send_begin(&from, w->acc->id, job);
    m->hops = mime_count_received(content) + 1;
    m->body_8bit = true;
    if (m->hops > (unsigned)w->cf->smtp.max_hops || send_came_back(content, w->acc->address))
        return NEVER;
    /* Who forwards is the sender: those who wrote it long ago want no reports. */
    message_set(&m->sender, sv_c(w->acc->address));
    int r = add_targets(w, m, ei);
    bool any = false;
    for (size_t i = 0; i < m->n_rcpts; i++)
        any |= m->rcpts[i].kind != RCPT_DISCARD;
    if (r < 0 || !any)
        return r < 0 ? r : NOBODY;
    r = forward_fill(w->d, w->cf, w->acc, m, content, ei);
    if (r >= 0)
        r = queue_accept(w->d->queue, m, ei);
    if (r < 0)
        return r;
    tell(w, o, m);
    return QUEUED;
}

static int read_and_queue(struct work *w, const struct old *o, struct errinfo *ei)
{
    _cleanup_(closep) int fd = -1;
    uint64_t size = 0;
    int r = mailbox_open_message(w->mb, o->key, &fd, &size, ei);
    if (r < 0 || !size)
        return r == E_NOTFOUND || r == 0 ? NOBODY : r;
    void *p = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED)
        return err_set_errno(ei, -errno, "cannot map a message");
    r = queue_one(w, o, sv_n(p, size), ei);
    munmap(p, size);
    return r;
}

static int forward_old(struct work *w, const struct old *o, bool queued, struct errinfo *ei)
{
    int r = queued ? QUEUED : read_and_queue(w, o, ei);
    if (r < 0 || r == NOBODY)
        return r;
    w->forwarded += r == QUEUED;
    if (r == QUEUED && account_is(w->acc, OPT_OLDER_DELETE))
        return mailbox_expunge(w->mb, w->inbox, &o->uid, 1, false, NULL, ei);
    return mailbox_store(w->mb, w->inbox, &o->uid, 1, STORE_ADD, 0, keywords, ei);
}

static int forward_all(struct work *w, struct errinfo *ei)
{
    uint64_t *keys = xcalloc(w->n + 1, sizeof(*keys));
    bool *queued = xcalloc(w->n + 1, sizeof(*queued));
    int r = 0;
    for (size_t i = 0; i < w->n; i++)
        keys[i] = w->v[i].new_key;
    queue_find_keys(w->d->queue, keys, w->n, queued);
    for (size_t i = 0; i < w->n && r == 0 && !atomic_load(&w->d->stopping); i++)
        r = forward_old(w, &w->v[i], queued[i], ei);
    free(keys);
    free(queued);
    return r;
}

/* --- one account --- */

static void tell_account(struct work *w, int64_t days)
{
    const struct logctx c = { .type = LOG_SMTP, .prefix = "" };
    char what[60];
    snprintf(what, sizeof(what), "older than %" PRId64 " days", days);
    event(forwarded_older, &c, F_STR(what, what), F_ADDR(rcpt, w->acc->address),
          F_STR(to, account_option(w->acc, OPT_OLDER_TO)), F_INT(messages, w->forwarded));
}

struct run {
    struct deliver *d;
    int64_t now_ms;
};

static bool run_account(int64_t id, void *arg)
{
    const struct run *x = arg;
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    _cleanup_(account_unrefp) const struct account *acc = NULL;
    struct errinfo ei = { 0 };
    int r = account_find_id(x->d->accounts, id, &acc, &ei);
    int64_t days = r == 0 ? account_number(acc, OPT_OLDER_DAYS) : 0;
    bool wanted = days && account_may_sign_in(acc) && account_kind(acc) == KIND_USER &&
                  *account_option(acc, OPT_OLDER_TO);
    struct work w = { .d = x->d, .cf = cf, .acc = acc };
    if (!wanted)
        return !atomic_load(&x->d->stopping);
    w.before_s = x->now_ms / 1000 - days * 86400;
    r = mailbox_open(x->d->store, id, sv_c(acc->address), &w.mb, &ei);
    if (r == 0) {
        w.inbox = mailbox_inbox_id(w.mb);
        r = find_old(&w, &ei);
    }
    if (r >= 0 && w.n)
        r = forward_all(&w, &ei);
    if (w.forwarded)
        tell_account(&w, days);
    if (r < 0)
        log_warn("Old mail of %s is not forwarded, or not all of it: %s", acc->address,
                 *ei.text ? ei.text : err_name(r));
    snap_unref(w.snap);
    mailbox_unref(w.mb);
    free(w.v);
    return !atomic_load(&x->d->stopping);
}

void older_run(struct deliver *d, int64_t now_ms)
{
    struct run x = { d, now_ms };
    struct errinfo ei = { 0 };
    if (accounts_with_option(d->accounts, OPT_OLDER_DAYS, run_account, &x, &ei) < 0)
        log_warn("Accounts that forward old mail cannot be read: %s", ei.text);
}

/* --- the thread --- */

bool older_is_due(int64_t last_ms, int64_t now_ms)
{
    time_t last = (time_t)(last_ms / 1000), now = (time_t)(now_ms / 1000);
    struct tm a, b;
    if (now <= last || !localtime_r(&last, &a) || !localtime_r(&now, &b))
        return false;
    return a.tm_year != b.tm_year || a.tm_yday != b.tm_yday;
}

/* What fails is tried the next night; what was forwarded has its flag. */
static void look(struct deliver *d)
{
    struct errinfo ei = { 0 };
    int64_t last = 0, now = clock_wall_ms();
    int r = job_last(d->accounts, job, &last, &ei);
    if (r == 0 && !last) /* the first start: from the next night on */
        r = job_done(d->accounts, job, now, &ei);
    else if (r == 0 && older_is_due(last, now)) {
        r = job_done(d->accounts, job, now, &ei);
        if (r == 0)
            older_run(d, now);
    }
    if (r < 0)
        log_warn("Whether old mail is to be forwarded cannot be read: %s", ei.text);
}

static void *run(void *arg)
{
    struct deliver *d = arg;
    struct older *x = d->older;
    os_thread_name("older");
    pthread_mutex_lock(&x->lock);
    while (!x->stop) {
        struct timespec until = deadline_in(INT64_C(1000) * LOOK_S);
        while (!x->stop && deadline_wait(&x->changed, &x->lock, &until))
            ;
        bool stop = x->stop;
        pthread_mutex_unlock(&x->lock);
        if (!stop)
            look(d);
        pthread_mutex_lock(&x->lock);
    }
    pthread_mutex_unlock(&x->lock);
    return NULL;
}

static void dispose(struct older *x)
{
    pthread_mutex_destroy(&x->lock);
    pthread_cond_destroy(&x->changed);
    free(x);
}

int older_start(struct deliver *d, struct errinfo *ei)
{
    struct older *x = xcalloc(1, sizeof(*x));
    pthread_mutex_init(&x->lock, NULL);
    pthread_cond_init(&x->changed, NULL);
    d->older = x;
    int r = pthread_create(&x->thread, NULL, run, d);
    if (r == 0)
        return 0;
    d->older = NULL;
    dispose(x);
    return err_set_errno(ei, -r, "cannot start the thread that forwards old mail");
}

void older_stop(struct deliver *d)
{
    struct older *x = d->older;
    if (!x)
        return;
    pthread_mutex_lock(&x->lock);
    x->stop = true;
    pthread_cond_signal(&x->changed);
    pthread_mutex_unlock(&x->lock);
    pthread_join(x->thread, NULL);
    d->older = NULL;
    dispose(x);
}
