/* Checkpoints: what still waits in full segments gets spool files, the mail store is synced, and
 * the segments are given back. One thread; it also makes spare segments, and syncs the mail store
 * some time after the last delivery, so that a power cut repeats little.
 *
 * The order is what makes it safe: (1) write files, those of states under temporary names, (2) sync
 * the file systems: files and all local deliveries so far are durable, mark the end of `states`,
 * (3) give the states' files their names and remove those of settled messages, (4) sync the
 * directory, (5) write the mark, (6) give segments back. A crash between any two leaves either the
 * records or the files, or both: a content file does not count while the record is there. */
#include "base/buf.h"
#include "base/clock.h"
#include "conf/conf.h"
#include "log/log.h"
#include "mail/queue/many.h"
#include "mail/queue/queue_priv.h"
#include "os/proc.h"

#include <time.h>
#include <unistd.h>

enum {
    FULL_TOLERATED = 1,    /* full segments that do not start a checkpoint by themselves */
    SPARES = 1,            /* ready besides the active one */
    MOST_FULL = 8,         /* no spares beyond: who writes waits for the checkpoints */
    SAVED_AT_ONCE = 20000, /* items; some seconds, so that spares are made between */
    AFTER_ERROR_MS = 1000,
    STILL_DUE_MS = 100, /* somebody reads a segment that could be given back */
    REMOVED_AT_ONCE = 1000,
    ADOPTED_AT_ONCE = 64, /* while others wait for the lock */
    CLOSING_MS = 4000,    /* well within what the supervisor gives a module */
};

/* --- (1) --- */

struct collected {
    struct item *chain;
    size_t n, most;
    uint64_t last_gen; /* of the last segment of which everything is in it */
};

/* False: it has more than was wanted. */
static bool collect_entries(struct list *entries, struct collected *c)
{
    list_for_each(l, entries)
    {
        struct item *it = container_of(l, struct jent, link)->owner;
        struct records *rec = item_records(it); /* perhaps only a child has one here */
        if (rec->saving)
            continue;
        if (c->n == c->most)
            return false;
        rec->saving = true;
        rec->saved_content = rec->saved_state = false;
        item_ref(it);
        rec->saved_next = c->chain;
        c->chain = it;
        c->n++;
    }
    return true;
}

/* What needs one of the full segments, those of the oldest first. A segment that is only partly in
 * it is not given back: what of it is settled meanwhile would not be covered by this checkpoint's
 * sync. False: there is more. Locked, as all below. */
static bool collect(struct queue *q, struct collected *c)
{
    list_for_each(l, &q->journal.full)
    {
        struct jseg *s = container_of(l, struct jseg, link);
        while (s->inflight)
            pthread_cond_wait(&q->journal.changed, &q->lock);
        if (!collect_entries(&s->entries, c))
            return false;
        c->last_gen = s->gen;
    }
    return true;
}

static int save_content(struct queue *q, struct item *it, const struct rec *rec)
{
    struct sv content = sv_skip(rec->payload, rec->aux);
    it->records->saved_content = it->in_file; /* somebody may be reading it */
    if (it->in_file)
        return 0;
    pthread_mutex_unlock(&q->lock);
    int r = spool_write(q, it->m->item, ".tms", content, SV_NULL);
    pthread_mutex_lock(&q->lock);
    it->records->saved_content = r >= 0;
    return r;
}

static int save_state(struct queue *q, struct item *it, struct sv env, uint32_t version)
{
    it->records->saved_version = version;
    pthread_mutex_unlock(&q->lock);
    int r = spool_write_env(q, it->m->item, it->m->key, version, env);
    if (r >= 0)
        states_add(q, it->m->key, version, env);
    pthread_mutex_lock(&q->lock);
    it->records->saved_state = r >= 0;
    return r;
}

static int save_item(struct queue *q, struct item *it, struct buf *a, struct buf *b)
{
    struct records *own = it->records;
    struct rec rec, state;
    int r = 0;
    if (it->finished)
        return 0;
    /* The newest state may be in the content's own record. */
    bool in_msg = !item_state_in_journal(it) && !it->has_env;
    uint32_t version = it->version;
    if (own->content.seg) {
        r = journal_read_record(&q->journal, &own->content, a, &rec);
        if (r >= 0)
            r = save_content(q, it, &rec);
        if (r >= 0 && in_msg && !it->finished && !item_state_in_journal(it))
            return save_state(q, it, rec_envelope(&rec), version);
    }
    if (r < 0 || it->finished || !item_state_in_journal(it))
        return r;
    version = it->version;
    r = journal_read_record(&q->journal, &own->state[own->cur], b, &state);
    if (r < 0)
        return r;
    return save_state(q, it, rec_envelope(&state), version);
}

static int save_all(struct queue *q, struct item *chain)
{
    struct buf a, b;
    int result = 0;
    buf_init(&a, (size_t)q->journal.seg_size);
    buf_init(&b, (size_t)q->journal.seg_size);
    for (struct item *it = chain; it; it = it->records->saved_next) {
        if (clock_mono_ms() > q->save_until) {
            result = -ETIME;
            break;
        }
        int r = save_item(q, it, &a, &b);
        if (r >= 0)
            continue;
        result = r;
        bool full = r == -ENOSPC || r == -EDQUOT;
        if (!full || q->last_result != r)
            log_error("Queue: cannot write the spool files of %s: %s", it->m->item, err_name(r));
        if (full)
            break;
    }
    buf_done(&a);
    buf_done(&b);
    return result;
}

/* --- (3) --- */

static bool name_state(struct queue *q, const char *item)
{
    char from[4096], to[4096];
    spool_path(q, item, ".tm$.new", from);
    spool_path(q, item, ".tm$", to);
    int r = q->io->rename(q->io->arg, from, to);
    if (r < 0)
        log_error("Queue: cannot rename %s: %s", from, err_name(r));
    q->names_dirty = true;
    q->n_named++;
    return r >= 0;
}

static void remove_saved_content(struct queue *q, struct item *it)
{
    char path[4096];
    if (it->records->saved_content && !it->in_file) {
        spool_path(q, it->m->item, ".tms", path);
        q->io->unlink(q->io->arg, path);
        q->names_dirty = true;
    }
    it->records->saved_content = false;
}

static void remove_saved(struct queue *q, struct item *it)
{
    char path[4096];
    remove_saved_content(q, it);
    spool_path(q, it->m->item, ".tm$.new", path);
    q->io->unlink(q->io->arg, path);
}

/* Locked: the item cannot be settled between the look at it and the renames. The content's record
 * is kept until the envelope has a file, too: without one recovery would not know the item. */
static void adopt_files(struct queue *q, struct item *it)
{
    struct records *rec = it->records;
    if (!rec->saved_state && !it->has_env)
        remove_saved_content(q, it);
    if (rec->saved_state && name_state(q, it->m->item)) {
        it->has_env = true;
        if (rec->saved_version == it->version)
            jent_drop(&rec->state[rec->cur]);
    }
    if (rec->saved_content) {
        it->in_file = true;
        q->names_dirty = true;
        q->n_named++;
        if (it->has_env)
            jent_drop(&rec->content);
    }
}

/* Settled after the sync had begun: its deliveries to mailboxes may not be durable, so it must not
 * vanish with its record. It keeps files until the next sync. */
static void adopt_finished(struct queue *q, struct item *it)
{
    if (!it->has_local || it->records->finished_epoch < q->sync_epoch) {
        remove_saved(q, it);
        item_drop_records(it);
        return;
    }
    bool had_files =
        it->in_file || it->has_env; /* these are on the list of the next sync already */
    adopt_files(q, it);
    if (!had_files)
        item_remove_files(q, it, true);
}

/* An unlock alone would give it to nobody: whoever waits has to wake up first. */
static void let_others_in(struct queue *q)
{
    static const struct timespec moment = { .tv_nsec = 100000 };
    pthread_mutex_unlock(&q->lock);
    nanosleep(&moment, NULL);
    pthread_mutex_lock(&q->lock);
}

/* Each is done under the lock, all together would hold it for seconds. What is settled meanwhile is
 * as if it had been before, or after all of it. */
static void adopt_all(struct queue *q, struct item *chain, bool synced)
{
    size_t n = 0;
    for (struct item *it = chain; it; it = it->records->saved_next) {
        if (!synced)
            remove_saved(q, it);
        else if (it->finished)
            adopt_finished(q, it);
        else
            adopt_files(q, it);
        if (++n % ADOPTED_AT_ONCE == 0)
            let_others_in(q);
    }
}

/* Segments were given back. Who was settled after adopt_all had looked at it kept its records until
 * here: neither its deliveries nor the removal of its files are durable before the next sync. */
static void release(struct item *chain)
{
    while (chain) {
        struct item *it = chain;
        chain = it->records->saved_next;
        it->records->saving = false;
        if (it->finished)
            item_drop_records(it);
        else
            children_drop(it, false);
        item_trim(it);
        item_unref(it);
    }
}

struct removing {
    const struct queue *q;
    struct doomed *v[REMOVED_AT_ONCE];
};

static void remove_one(void *arg, size_t i)
{
    const struct removing *r = arg;
    item_unlink(r->q, r->v[i]->item);
    free(r->v[i]);
}

/* Under the lock, which it gives up: there may be very many. */
static void remove_doomed(struct queue *q, struct doomed *d)
{
    struct removing r = { .q = q };
    if (!d)
        return;
    q->names_dirty = true;
    pthread_mutex_unlock(&q->lock);
    while (d) {
        size_t n = 0;
        for (; d && n < ARRAY_LEN(r.v); d = d->next)
            r.v[n++] = d;
        many_do(n, remove_one, &r);
    }
    pthread_mutex_lock(&q->lock);
}

static void put_back_doomed(struct queue *q, struct doomed *d)
{
    while (d) {
        struct doomed *next = d->next;
        d->next = q->doomed;
        q->doomed = d;
        d = next;
    }
}

/* --- the whole --- */

static int sync_stores(struct queue *q)
{
    pthread_mutex_unlock(&q->lock);
    int r = q->io->syncfs(q->io->arg, q->sync_fd);
    if (r >= 0 && !q->one_fs) /* also for the records of what is going to be removed */
        r = q->io->syncfs(q->io->arg, q->dir_fd);
    int marked = r >= 0 ? states_commit(q) : 0;
    pthread_mutex_lock(&q->lock);
    if (marked < 0)
        log_error("Queue: %s/states cannot be written or removed: %s. Nothing is discarded; look "
                  "for errors of the disk",
                  q->dir, err_name(marked));
    if (marked < 0)
        return marked;
    if (r < 0)
        log_error("Queue: the mail store could not be synced: %s. Nothing is discarded; look for "
                  "errors of the disk",
                  err_name(r));
    return r;
}

static int sync_names(struct queue *q)
{
    if (!q->names_dirty)
        return 0;
    q->names_dirty = false;
    pthread_mutex_unlock(&q->lock);
    int r = q->io->sync_dir(q->io->arg, q->dir);
    pthread_mutex_lock(&q->lock);
    if (r < 0)
        q->names_dirty = true;
    return r;
}

/* Never waits for room: this thread is the one that makes it. Without sync: when the mark is lost,
 * more is repeated. (A sync from here could also take the error report that a leader's sync must
 * see.) */
static void write_mark(struct queue *q, uint64_t gen, uint64_t off)
{
    char bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (char)(off >> (8 * i));
    struct jwrite w = { .type = REC_MARK, .key = gen, .payload = { sv_n(bytes, 8), SV_NULL } };
    struct jwrite *list[] = { &w };
    struct jseg *s = q->journal.active;
    jwrite_prepare(&w);
    if (s && s->size - s->tail >= rec_size(w.length))
        (void)journal_write(&q->journal, list, 1);
}

/* Positions after which records may concern deliveries that this checkpoint does not cover. */
static void position(const struct queue *q, uint64_t *gen, uint64_t *off)
{
    const struct journal *j = &q->journal;
    *gen = *off = 0;
    if (j->active) {
        *gen = j->active->gen;
        *off = j->active->tail;
    } else if (!list_empty(&j->full)) {
        *gen = container_of(j->full.prev, struct jseg, link)->gen + 1;
    }
}

static void recycle(struct queue *q, uint64_t last_gen)
{
    list_for_each_safe(l, tmp, &q->journal.full)
    {
        struct jseg *s = container_of(l, struct jseg, link);
        /* In order: a record that ends an item must outlive the one that began it. */
        if (s->gen > last_gen || s->inflight || s->readers || !list_empty(&s->entries))
            return;
        journal_recycle(&q->journal, s);
    }
}

static void retire(struct queue *q)
{
    struct journal *j = &q->journal;
    if (!j->active || j->active->tail == SEG_HEAD)
        return;
    list_add_tail(&j->full, &j->active->link);
    j->n_full++;
    j->active = NULL;
}

/* Locked. everything: also what is in the active segment; afterwards no segment is needed. Else
 * work_due is set when it has to go on. */
static int run_locked(struct queue *q, bool everything)
{
    struct collected c = { .most = everything ? SIZE_MAX : SAVED_AT_ONCE };
    uint64_t gen, off;
    if (everything)
        retire(q);
    q->work_due |= !collect(q, &c);
    struct item *chain = c.chain;
    int saved = save_all(q, chain);
    struct doomed *doomed = q->doomed;
    q->doomed = NULL;
    uint64_t unmarked = q->unmarked;
    position(q, &gen, &off);
    q->sync_epoch++;
    int r = sync_stores(q);
    adopt_all(q, chain, r >= 0);
    if (r >= 0)
        remove_doomed(q, doomed);
    else
        put_back_doomed(q, doomed);
    if (r >= 0)
        r = sync_names(q);
    if (r >= 0) {
        q->unmarked -= unmarked;
        q->unmarked_since = clock_mono_ms();
        if (gen && unmarked)
            write_mark(q, gen, off);
        recycle(q, c.last_gen);
    }
    release(chain);
    return r < 0 ? r : saved;
}

int checkpoint_run(struct queue *q, bool everything)
{
    pthread_mutex_lock(&q->lock);
    int r = run_locked(q, everything);
    pthread_mutex_unlock(&q->lock);
    return r;
}

/* --- the thread --- */

static int64_t interval_ms(void)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    return cf->queue.sync_interval;
}

static int64_t mark_due_in(const struct queue *q)
{
    return q->unmarked_since + interval_ms() - clock_mono_ms();
}

static void sleep_until_work(struct queue *q, int64_t ms)
{
    if (ms < 0) {
        pthread_cond_wait(&q->work, &q->lock);
        return;
    }
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    ts.tv_nsec += ms % 1000 * 1000000;
    ts.tv_sec += ms / 1000 + ts.tv_nsec / 1000000000;
    ts.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&q->work, &q->lock, &ts);
}

static bool has_bad(const struct queue *q)
{
    list_for_each(l, &q->journal.full) if (container_of(l, struct jseg, link)->bad) return true;
    return false;
}

static bool checkpoint_due(const struct queue *q)
{
    return q->forced != q->forced_done || q->journal.n_full > FULL_TOLERATED || has_bad(q) ||
           (q->unmarked && mark_due_in(q) <= 0);
}

static void make_spares(struct queue *q)
{
    struct errinfo ei;
    unsigned want = SPARES + (q->journal.active ? 0 : 1);
    bool failed_before = q->journal.spare_error != 0;
    if (q->journal.n_spares >= want || q->journal.n_full >= MOST_FULL)
        return;
    pthread_mutex_unlock(&q->lock);
    int r = journal_make_spares(&q->journal, want, &ei);
    if (r < 0 && !failed_before)
        log_error("Queue: %s; mail is refused until this works", ei.text);
    if (r >= 0 && failed_before)
        log_warn("Queue: the journal has space again, mail is accepted");
    pthread_mutex_lock(&q->lock);
}

/* What failed would fail again at once, at the cost of everybody who needs the disk: so not with
 * every message that comes. */
static void rest_after_error(struct queue *q)
{
    int64_t until = clock_mono_ms() + AFTER_ERROR_MS;
    for (int64_t left = AFTER_ERROR_MS; left > 0; left = until - clock_mono_ms()) {
        if (q->thread_ends || q->forced != q->forced_done)
            return;
        sleep_until_work(q, left);
    }
}

static void *run(void *arg)
{
    struct queue *q = arg;
    os_thread_name("queue");
    os_thread_yields(); /* who sends too fast for it waits for a segment (MOST_FULL) */
    pthread_mutex_lock(&q->lock);
    while (!q->thread_ends) {
        q->work_due = false;
        int r = 0;
        make_spares(q);
        if (checkpoint_due(q)) {
            uint64_t forced = q->forced;
            r = run_locked(q, forced != q->forced_done);
            q->last_result = r;
            q->forced_done = forced;
            pthread_cond_broadcast(&q->work_done);
            pthread_mutex_unlock(&q->lock);
            states_tidy(q);
            pthread_mutex_lock(&q->lock);
            make_spares(q);
        }
        if (r < 0 || q->journal.spare_error)
            rest_after_error(q);
        else if (!q->thread_ends && !q->work_due && q->forced == q->forced_done)
            sleep_until_work(q, checkpoint_due(q) ? STILL_DUE_MS
                                : q->unmarked     ? MAX(mark_due_in(q), 1)
                                                  : -1);
    }
    pthread_mutex_unlock(&q->lock);
    return NULL;
}

int checkpoint_start(struct queue *q, struct errinfo *ei)
{
    int r = pthread_create(&q->thread, NULL, run, q);
    if (r)
        return err_set_errno(ei, -r, "cannot start the queue's thread");
    q->thread_runs = true;
    return 0;
}

void checkpoint_stop(struct queue *q)
{
    if (!q->thread_runs)
        return;
    pthread_mutex_lock(&q->lock);
    q->thread_ends = true;
    q->save_until = clock_mono_ms() + CLOSING_MS;
    pthread_cond_signal(&q->work);
    pthread_mutex_unlock(&q->lock);
    pthread_join(q->thread, NULL);
    q->thread_runs = false;
}

bool checkpoint_keeps_up(const struct queue *q)
{
    return q->journal.n_full <= FULL_TOLERATED + 1 || !q->thread_runs || q->thread_ends ||
           q->last_result < 0 || q->journal.spare_error;
}

int queue_checkpoint(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    uint64_t want = ++q->forced;
    pthread_cond_signal(&q->work);
    while (q->forced_done < want)
        pthread_cond_wait(&q->work_done, &q->lock);
    int r = q->last_result;
    pthread_mutex_unlock(&q->lock);
    return r;
}
