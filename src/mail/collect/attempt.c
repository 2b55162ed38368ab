/* One attempt at a remote account: what is new goes to the queue, then it is written down as taken,
 * and only then may it be deleted there.
 *
 * The key of a message follows from where it lies. When we end between the queue's word and ours,
 * it is collected again under the same key: the queue tells that it has it, and the mailbox that it
 * had it. */
#include "base/clock.h"
#include "base/hash.h"
#include "mail/collect/collect_priv.h"

#define LEFT_ALONE INT64_MAX /* of listed.since_ms: neither taken nor deleted */

struct matching {
    struct attempt *x;
    struct map *by_id;
    struct changed { /* rows whose state of being listed has changed */
        char id[REMOTE_SEEN_ID + 1];
        bool there;
    } * v;
    size_t n;
};

static void on_seen(struct sv id, int64_t since_ms, bool gone, void *arg)
{
    struct matching *m = arg;
    struct listed *l = map_get(m->by_id, id);
    if (l)
        l->since_ms = MAX(since_ms, 1);
    if (gone != !l && id.n == REMOTE_SEEN_ID) {
        if (m->n % 64 == 0)
            m->v = xrealloc(m->v, (m->n + 64) * sizeof(*m->v));
        m->v[m->n].there = l;
        sv_copy(m->v[m->n++].id, sizeof(m->v->id), id);
    }
}

/* Which of the listed were taken before. */
static int match_seen(struct attempt *x, struct errinfo *ei)
{
    struct matching m = { .x = x, .by_id = map_new() };
    for (size_t i = 0; i < x->n; i++) {
        struct listed *same = map_put(m.by_id, sv_c(x->v[i].id), &x->v[i]);
        if (same)
            same->since_ms = LEFT_ALONE; /* a server that lists it twice */
    }
    int64_t now = clock_wall_ms();
    int r = remote_seen_each(x->c->o.accounts, x->r->id, on_seen, &m, ei);
    for (size_t i = 0; i < m.n && r == 0; i++)
        r = remote_seen_listed(x->c->o.accounts, x->r->id, m.v[i].id, m.v[i].there, now, ei);
    if (r == 0)
        r = remote_seen_prune(x->c->o.accounts, x->r->id, now, ei);
    map_free(m.by_id, NULL);
    free(m.v);
    return r;
}

static void match_queue(struct attempt *x)
{
    uint64_t *keys = xcalloc(x->n + 1, sizeof(*keys));
    bool *found = xcalloc(x->n + 1, sizeof(*found));
    size_t n = 0;
    for (size_t i = 0; i < x->n; i++)
        if (!x->v[i].since_ms)
            keys[n++] = x->v[i].key;
    if (n)
        queue_find_keys(x->c->o.queue, keys, n, found);
    for (size_t i = 0, k = 0; i < x->n; i++)
        if (!x->v[i].since_ms)
            x->v[i].queued = found[k++];
    free(keys);
    free(found);
}

static int note_taken(struct attempt *x, struct listed *l, struct errinfo *ei)
{
    l->since_ms = clock_wall_ms();
    int r = remote_seen_add(x->c->o.accounts, x->r->id, l->id, l->since_ms, ei);
    return r == E_CONFLICT ? 0 : r; /* the server lists it twice */
}

static void tell_skipped(struct attempt *x, const char *reason)
{
    event(remote_skipped, &x->log, F_ADDR(rcpt, x->acc->address), F_STR(host, x->r->host),
          F_STR(reason, reason));
}

static int take(struct attempt *x, const struct collect_protocol *p, struct listed *l,
                struct errinfo *ei)
{
    struct sink to;
    if (l->queued)
        return note_taken(x, l, ei);
    sink_begin(&to, x, l);
    int r = p->fetch(x, l, &to, ei);
    bool endless = r == E_RANGE && to.total > 0;
    if (r == 0 && !to.too_large)
        r = sink_end(&to, ei);
    if (endless || (r == 0 && (to.too_large || to.circles))) {
        int noted = note_taken(x, l, ei);
        tell_skipped(x, to.circles     ? "it has been sent in circles"
                        : to.too_large ? "it is larger than smtp.max_message_size"
                                       : "a line of it is too long");
        r = r < 0 ? r : noted; /* after an endless one the connection is of no use */
        l->since_ms = LEFT_ALONE;
    } else if (r == 0) {
        struct logctx log = x->log;
        log.message = to.m->key;
        log.message_id = to.m->id;
        event(remote_message, &log, F_ADDR(sender, to.m->sender), F_ADDR(rcpt, x->acc->address),
              F_STR(host, x->r->host), F_BYTES(bytes, to.m->size));
        x->collected++;
        r = note_taken(x, l, ei);
    }
    sink_done(&to);
    return r == E_NOTFOUND ? 0 : r; /* somebody else was faster there */
}

static bool is_over(const struct attempt *x, const struct listed *l)
{
    return x->r->leave_days != REMOTE_FOREVER && l->since_ms && l->since_ms != LEFT_ALONE &&
           clock_wall_ms() - l->since_ms >= x->r->leave_days * 86400000LL;
}

static int work(struct attempt *x, const struct collect_protocol *p, struct errinfo *ei)
{
    int r = p->begin(x, ei);
    if (r == 0)
        r = p->list(x, ei);
    if (r == 0)
        r = match_seen(x, ei);
    if (r == 0)
        match_queue(x);
    for (size_t i = 0; i < x->n && r == 0; i++) {
        struct listed *l = &x->v[i];
        if (!l->since_ms)
            r = take(x, p, l, ei);
        if (r == 0 && is_over(x, l)) {
            r = p->drop(x, l, ei);
            x->deleted += r == 0;
        }
    }
    /* What is marked is made final also when something failed later: it is safe here. */
    struct errinfo late = { 0 };
    bool lost = r == E_TIMEOUT || r == E_CLOSED || r == E_CANCELLED || r == E_RANGE;
    int ended = r == 0 || (x->deleted && !lost) ? p->end(x, &late) : 0;
    if (r == 0 && ended < 0) {
        r = ended;
        *ei = late;
    }
    return r;
}

/* Mail that the account has no room for stays there. */
static int check_room(struct attempt *x, struct errinfo *ei)
{
    _cleanup_(mailbox_unrefp) struct mailbox *mb = NULL;
    uint64_t bytes = 0, messages = 0;
    const struct account *a = x->acc;
    uint64_t domain = (uint64_t)a->domain_limit[DOMAIN_TOTAL_QUOTA];
    if ((!a->quota_bytes && !domain) || !account_stores(a))
        return 0;
    int r = mailbox_open(x->c->o.store, x->acc->id, sv_c(x->acc->address), &mb, ei);
    if (r == 0)
        r = mailbox_usage(mb, &bytes, &messages, ei);
    if (r == 0 && a->quota_bytes && bytes >= (uint64_t)a->quota_bytes)
        r = err_set(ei, E_QUOTA, "the mailbox of %s is full", a->address);
    if (r == 0 && mailbox_domain_full(mb, domain, 1))
        r = err_set(ei, E_QUOTA, "the mailboxes of %s are full", a->domain);
    return r;
}

/* Clear text is refused before there is a connection. */
static int check_secure(struct attempt *x, struct errinfo *ei)
{
    x->is_secure =
        secure_find(sv_c(x->cf->deliver.secure_destinations), sv_c(x->r->host), SV(""), &x->secure);
    return x->is_secure && x->r->tls == REMOTE_CLEAR
               ? session_insecure(x, "tls=never asks for clear text; set tls or starttls", ei)
               : 0;
}

int attempt_run(struct attempt *x, struct errinfo *ei)
{
    const struct collect_protocol *p =
        x->r->protocol == REMOTE_IMAP ? &collect_imap : &collect_pop3;
    bool turn = x->r->protocol == REMOTE_ATRN;
    int r = turn ? 0 : check_room(x, ei);
    if (r == 0)
        r = check_secure(x, ei);
    if (r == 0)
        r = session_connect(x, ei);
    if (r == 0) {
        r = turn ? collect_atrn(x, ei) : work(x, p, ei);
        client_close(x->client);
        event(session_end, &x->log, F_STR(outcome, r == 0 ? "success" : "failed"),
              F_STR(host, x->r->host), F_MS(duration, clock_mono_ms() - x->began_ms),
              F_INT(messages, x->collected));
    }
    free(x->v);
    return r;
}
