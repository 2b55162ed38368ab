/* What is found at start: first the .tm$ files, then the journal in order on top of them.
 *
 * Local deliveries are not synced one by one. When the process alone died, the kernel still has
 * them and every record counts. After a power cut (the segment carries another boot id) "delivered
 * to a mailbox" counts only where a mark says that the mail store was synced since; otherwise the
 * recipient waits again, and the mailbox recognises the key if it has the message. What another
 * server took is believed always. */
#include "base/clock.h"
#include "base/hash.h"
#include "event/event.h"
#include "mail/queue/found.h"
#include "mail/queue/queue_priv.h"
#include "mail/queue/scan.h"
#include "os/file.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

struct recovery {
    struct queue *q;
    struct founds found;
    uint64_t mark_gen, mark_off;
    uint64_t records, repeated;
    size_t n_contents, n_unfinished; /* .tms and .new files that were there */
    size_t n_kept;                   /* .tms files of messages that wait */
};

static struct found *add(struct recovery *rc, struct message *m)
{
    struct found *f = founds_add(&rc->found, m->key);
    f->it = item_new(m);
    message_ids_above(m->item);
    return f;
}

/* --- .tm$ files --- */

static void set_aside(struct queue *q, const char *item, const char *why)
{
    char from[4096], to[4096];
    spool_path(q, item, ".tm$", from);
    spool_path(q, item, ".tm$.bad", to);
    q->io->rename(q->io->arg, from, to);
    log_error("Queue: %s: %s; it was renamed to %s.tm$.bad", from, why, item);
}

/* For the next start. */
static void remember(struct queue *q, const struct item *it)
{
    struct buf env;
    buf_init(&env, 256 * MiB);
    if (message_envelope_encode(it->m, &env) >= 0)
        states_add(q, it->m->key, it->version, buf_sv(&env));
    buf_done(&env);
}

static void add_env(struct recovery *rc, const struct spooled *s)
{
    const struct message *m = s->m;
    if (!sv_eq(sv_c(s->item), sv_c(m->item)) || founds_get(&rc->found, m->key)) {
        set_aside(rc->q, s->item, "the envelope belongs to another item");
        return;
    }
    struct found *f = add(rc, s->m);
    f->content_file = s->content;
    f->it->version = s->version;
    f->from_states = s->from_states;
    f->it->in_file = f->it->has_env = true;
    if (!s->from_states)
        remember(rc->q, f->it);
}

/* A second look at what gave no envelope says why. */
static bool read_env(struct queue *q, struct spooled *s)
{
    struct errinfo ei = { 0 };
    if (s->m)
        return true;
    s->m = message_new_without_key();
    if (spool_read_env(q, s->item, s->m, &s->version, &ei) >= 0) {
        s->content = spool_has_content(q, s->m);
        return true;
    }
    set_aside(q, s->item, ei.text);
    return false;
}

static int load_envs(struct recovery *rc, struct errinfo *ei)
{
    struct scan scan;
    int r = scan_run(rc->q, &scan, ei);
    for (size_t i = 0; i < scan.n && r >= 0; i++) {
        if (scan.v[i].env && read_env(rc->q, &scan.v[i]))
            add_env(rc, &scan.v[i]);
        message_unref(scan.v[i].m);
        scan.v[i].m = NULL;
    }
    rc->n_contents = scan.n_contents;
    rc->n_unfinished = scan.n_unfinished;
    scan_done(&scan);
    if (r >= 0)
        r = states_commit(rc->q);
    return r;
}

/* --- the journal --- */

static void note(struct found *f, const struct jseg *s, const struct rec *rec, bool foreign)
{
    f->gen = s->gen;
    f->off = rec->off;
    f->foreign_boot = foreign;
    f->in_journal = true;
}

static void link_entry(struct jent *e, struct jseg *s, const struct rec *rec)
{
    if (e->seg)
        jent_drop(e);
    e->seg = s;
    e->off = rec->off;
    e->len = (uint32_t)rec->payload.n;
    list_add_tail(&s->entries, &e->link);
}

static void replace_message(struct found *f, struct message *m)
{
    struct item *it = f->it;
    it->m->queue_data = NULL;
    message_unref(it->m);
    it->m = message_ref(m);
    m->queue_data = it;
}

/* Accepted once more under the same key, after an acceptance that failed: nothing of that counts.
 */
static void begin_again(struct found *f, struct message *m)
{
    item_drop_records(f->it);
    replace_message(f, m);
    f->it->version = 0;
    f->it->has_env = f->content_file = false;
    f->it->has_local |= message_waiting(m, RCPT_LOCAL) > 0;
    f->done = f->revoked = f->in_journal = false;
}

/* A crash after the mark in `states`, before the .tm$ file got its name? */
static bool env_is_current(struct queue *q, const struct found *f)
{
    uint32_t version = 0;
    if (!f->from_states)
        return true;
    _cleanup_(message_unrefp) struct message *m = message_new_without_key();
    return spool_read_env(q, f->it->m->item, m, &version, NULL) >= 0 && version >= f->it->version;
}

static void on_message(struct recovery *rc, struct jseg *s, const struct rec *rec, bool foreign)
{
    struct found *f = founds_get(&rc->found, rec->key);
    _cleanup_(message_unrefp) struct message *m = message_new_without_key();
    struct errinfo ei;
    if (message_envelope_decode(rec_envelope(rec), m, &ei) < 0 || m->key != rec->key) {
        log_error("Queue: a record of the journal cannot be used: %s", ei.text);
        return;
    }
    bool state = rec->type == REC_STATE, fresh = !f;
    if (fresh) {
        f = add(rc, m);
    } else if (!state && strcmp(f->it->m->item, m->item) != 0) {
        begin_again(f, m);
        fresh = true;
    }
    struct item *it = f->it;
    if (rec->type == REC_MSG) {
        struct records *own = item_records(it);
        link_entry(&own->content, s, rec);
        own->content_at = rec->aux;
        it->in_file = false; /* files that may be there, too, are written again */
        return;
    }
    bool same = state && rec->aux == it->version;
    if (fresh)
        it->in_file = true; /* REC_MSG_FILE, or its record was given back and REC_STATE remains */
    else if (!state || rec->aux < it->version || (same && env_is_current(rc->q, f)))
        return; /* the .tm$ file is at least as new */
    if (state && !same) {
        note(f, s, rec, foreign);
        replace_message(f, m);
        it->version = rec->aux;
        f->done = false; /* brought back to life after a power cut */
    }
    struct records *own = item_records(it);
    link_entry(&own->state[own->cur], s, rec);
}

static void on_done(struct recovery *rc, struct jseg *s, const struct rec *rec, bool foreign)
{
    struct found *f = founds_get(&rc->found, rec->key);
    /* A .tm$ file may be newer: of a message that was settled, then brought back to life by the
     * recovery from a power cut. The segment of this record was not given back yet. */
    if (!f || rec->aux <= f->it->version)
        return;
    note(f, s, rec, foreign);
    f->done = true;
    f->it->version = rec->aux;
    struct message *m = f->it->m;
    for (size_t i = 0; i < m->n_rcpts && i < rec->payload.n; i++)
        if ((unsigned char)rec->payload.p[i] <= RCPT_RELAYED)
            m->rcpts[i].state = (enum rcpt_state)rec->payload.p[i];
}

static void on_mark(struct recovery *rc, const struct rec *rec)
{
    uint64_t off = 0;
    for (size_t i = 0; i < 8 && i < rec->payload.n; i++)
        off |= (uint64_t)(unsigned char)rec->payload.p[i] << (8 * i);
    if (rec->key > rc->mark_gen || (rec->key == rc->mark_gen && off > rc->mark_off)) {
        rc->mark_gen = rec->key;
        rc->mark_off = off;
    }
}

static void replay_record(struct recovery *rc, struct jseg *s, const struct rec *rec, bool foreign)
{
    rc->records++;
    switch (rec->type) {
    case REC_MSG:
    case REC_MSG_FILE:
    case REC_STATE:
        on_message(rc, s, rec, foreign);
        return;
    case REC_DONE:
        on_done(rc, s, rec, foreign);
        return;
    case REC_REVOKE: {
        struct found *f = founds_get(&rc->found, rec->key);
        bool other = rec->payload.n && f && !sv_eq(rec->payload, sv_c(f->it->m->item));
        if (f && !other)
            f->revoked = true;
        return;
    }
    case REC_MARK:
        on_mark(rc, rec);
        return;
    case REC_TYPE_COUNT:
        return;
    }
}

static int replay_segment(void *arg, struct jseg *s, const struct seg_head *h)
{
    struct recovery *rc = arg;
    struct queue *q = rc->q;
    bool foreign = !q->journal.boot_known || strcmp(h->boot, q->journal.boot) != 0;
    char *p = malloc(s->size);
    if (!p)
        return -ENOMEM;
    int r = queue_io_read(q->io, s->fd, p, s->size, 0);
    struct rec rec;
    uint64_t off = SEG_HEAD;
    while (r >= 0 && rec_next(sv_n(p, s->size), s->salt, &off, &rec)) {
        replay_record(rc, s, &rec, foreign);
        s->tail = off;
    }
    free(p);
    return r;
}

/* --- what follows from it --- */

static bool trusted(const struct recovery *rc, const struct found *f)
{
    return !f->in_journal || !f->foreign_boot || f->gen < rc->mark_gen ||
           (f->gen == rc->mark_gen && f->off < rc->mark_off);
}

static void distrust(struct recovery *rc, struct found *f)
{
    struct message *m = f->it->m;
    uint64_t before = rc->repeated;
    for (size_t i = 0; i < m->n_rcpts; i++) {
        struct rcpt *r = &m->rcpts[i];
        if (r->kind == RCPT_LOCAL && r->state == RCPT_DELIVERED) {
            r->state = RCPT_WAITING;
            rc->repeated++;
        }
    }
    f->it->revived |= rc->repeated != before;
}

/* What the delivery of a message has queued is known from the records of that, until a state of the
 * message names it: now, as these records may go with the next checkpoint. */
static void adopt_children(struct recovery *rc)
{
    for (size_t i = 0; i < rc->found.n; i++) {
        const struct found *f = founds_at(&rc->found, i);
        const struct message *m = f->it->m;
        struct found *p = m->parent && !f->revoked ? founds_get(&rc->found, m->parent) : NULL;
        if (!p || p == f || message_has_child(p->it->m, m->key))
            continue;
        message_add_child(p->it->m, m->key);
        p->adopted = true;
    }
}

/* A later mark would make the old results count again: what lives again is recorded before there
 * can be one. */
static int record_revived(struct queue *q, struct item *it, struct errinfo *ei)
{
    struct journal *j = &q->journal;
    struct records *own = item_records(it);
    struct buf env;
    buf_init(&env, 64 * MiB);
    int r = message_envelope_encode(it->m, &env);
    struct jwrite w = { .type = REC_STATE,
                        .key = it->m->key,
                        .aux = it->version + 1,
                        .payload = { buf_sv(&env), SV_NULL },
                        .ent = &own->state[own->cur ^ 1] };
    struct jwrite *list[] = { &w };
    jwrite_prepare(&w);
    bool room = j->active && j->active->size - j->active->tail >= rec_size(w.length);
    if (r >= 0 && !room)
        r = journal_make_spares(j, 1, ei);
    pthread_mutex_lock(&q->lock);
    if (r >= 0)
        r = journal_write(j, list, 1);
    if (r >= 0) {
        jent_drop(&own->state[own->cur]);
        own->cur ^= 1;
        it->version++;
    }
    pthread_mutex_unlock(&q->lock);
    buf_done(&env);
    return r;
}

static int record_all_revived(struct queue *q, struct errinfo *ei)
{
    int r = 0;
    list_for_each(l, &q->items)
    {
        struct item *it = container_of(l, struct item, link);
        if (it->revived && r >= 0)
            r = record_revived(q, it, ei);
        it->revived = false;
    }
    return r;
}

static bool content_is_there(struct queue *q, struct found *f)
{
    if (!f->content_file && !item_content_in_journal(f->it))
        f->content_file = spool_has_content(q, f->it->m);
    return f->content_file || item_content_in_journal(f->it);
}

static void give_up(struct queue *q, struct item *it)
{
    log_error("Queue: message %s (item %s) from <%s> is lost: its content is missing or incomplete",
              it->m->id, it->m->item, it->m->sender);
    struct logctx c = { .type = LOG_MAILFLOW, .message = it->m->key, .message_id = it->m->id };
    event(message_lost, &c, F_ADDR(sender, it->m->sender),
          F_STR(reason, "its content is missing or incomplete"));
    if (it->has_env)
        set_aside(q, it->m->item, "its content is missing or incomplete");
}

/* Destinations that did not take a message before rest until a probe succeeds: else all that waits
 * would be tried at once after a start. */
static void set_due(struct queue *q, struct item *it, int64_t due)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    char key[DEST_KEY];
    for (size_t i = 0; i < it->m->n_rcpts; i++) {
        struct rcpt *r = &it->m->rcpts[i];
        r->due_ms = due;
        if (r->kind != RCPT_REMOTE || r->state != RCPT_WAITING || *r->remote_mta || !*r->answer ||
            it->m->held)
            continue; /* a server that answered is there; the answer of what is held may be ours */
        sched_destination(q, cf, r->address, key);
        dests_distrust(q->dests, sv_c(key), r->answer);
    }
}

/* What rests now rested before the start, too: whoever waits behind it was told then, at the latest
 * before the message had a file. Else each start told so of a million messages. */
static void place(struct queue *q, struct item *it)
{
    it->told_behind = it->has_env;
    sched_place(q, it);
    bool rests = it->wait.flow && !dests_backlog(q->dests, &it->wait);
    it->told_behind = it->told_behind && rests;
}

static void settle_found(struct recovery *rc, struct found *f)
{
    struct queue *q = rc->q;
    struct item *it = f->it;
    totals_add(q, it);
    if (f->revoked) {
        item_remove_files(q, it, false);
        item_forget(q, it);
        return;
    }
    /* The content of a settled message is removed only after its deliveries were synced. */
    if (!trusted(rc, f) && (!f->done || content_is_there(q, f)))
        distrust(rc, f);
    it->revived |= f->adopted;
    item_refresh(it);
    bool waits = it->waiting[RCPT_LOCAL] || it->waiting[RCPT_REMOTE];
    if (!waits)
        item_remove_files(q, it, true);
    if (waits && !content_is_there(q, f)) {
        give_up(q, it);
        waits = false;
    }
    if (!waits) {
        item_forget(q, it);
        return;
    }
    it->committed = it->old = true;
    rc->n_kept += f->content_file;
    set_due(q, it, f->done ? 0 : it->m->next_try_ms);
    place(q, it);
}

static int by_age(const void *a, const void *b)
{
    const struct found *x = *(struct found *const *)a, *y = *(struct found *const *)b;
    if (x->received_ms != y->received_ms)
        return x->received_ms < y->received_ms ? -1 : 1;
    return strcmp(x->it->m->item, y->it->m->item);
}

/* Files without an item: unfinished ones, content whose acceptance did not complete, and what a
 * checkpoint had written of content that the journal still has. */
static void remove_orphans(struct queue *q)
{
    DIR *d = opendir(q->dir);
    struct dirent *e;
    struct map *names = map_new();
    list_for_each(l, &q->items)
    {
        struct item *it = container_of(l, struct item, link);
        if (it->in_file || it->has_env)
            map_put(names, sv_c(it->m->item), it);
    }
    for (struct doomed *x = q->doomed; x; x = x->next)
        map_put(names, sv_c(x->item), x);
    while (d && (e = readdir(d))) {
        struct sv name = sv_c(e->d_name);
        bool fresh = sv_iends(name, SV(".new"));
        if (!fresh && !sv_iends(name, SV(".tms")))
            continue;
        if (!fresh && map_get(names, sv_take(name, name.n - 4)))
            continue;
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s", q->dir, e->d_name);
        q->io->unlink(q->io->arg, path);
        q->names_dirty = true;
    }
    if (d)
        closedir(d);
    map_free(names, NULL);
}

/* Oldest first. Returns an array of the caller's. */
static struct found **in_order(const struct founds *fs)
{
    struct found **v = xmalloc((fs->n + 1) * sizeof(*v));
    for (size_t i = 0; i < fs->n; i++) {
        v[i] = founds_at(fs, i);
        v[i]->received_ms = v[i]->it->m->received_ms;
    }
    qsort(v, fs->n, sizeof(*v), by_age);
    return v;
}

static int settle_all(struct recovery *rc, struct errinfo *ei)
{
    struct found **v = in_order(&rc->found);
    adopt_children(rc);
    for (size_t i = 0; i < rc->found.n; i++)
        settle_found(rc, v[i]);
    free(v);
    int r = record_all_revived(rc->q, ei);
    if (r >= 0 && (rc->n_unfinished || rc->n_contents != rc->n_kept))
        remove_orphans(rc->q);
    return r;
}

int recover_run(struct queue *q, struct errinfo *ei)
{
    struct recovery rc = { .q = q };
    int r = load_envs(&rc, ei);
    if (r >= 0)
        r = journal_scan(&q->journal, replay_segment, &rc, ei);
    if (r < 0) {
        for (size_t i = 0; i < rc.found.n; i++)
            item_unref(founds_at(&rc.found, i)->it);
        founds_done(&rc.found);
        return err_set_errno(ei, r, "cannot read the journal in %s", q->journal.dir);
    }
    r = settle_all(&rc, ei);
    founds_done(&rc.found);
    if (r < 0)
        return r;
    if (rc.records) { /* deliveries before the restart are not synced yet */
        q->unmarked = 1;
        q->unmarked_since = clock_mono_ms();
    }
    if (q->n_items)
        log_warn("Queue: %zu messages wait, %" PRIu64
                 " records were read from the journal, %" PRIu64
                 " local deliveries are repeated because the machine was restarted",
                 q->n_items, rc.records, rc.repeated);
    return 0;
}
