/* Group commit. The first writer that finds nobody writing leads: it takes everything that waits as
 * one batch, writes it with one pwritev and one fdatasync, and wakes the others. Who arrived
 * meanwhile forms the next batch, whose first member is woken to lead it. A single session thus
 * pays exactly one write and one sync on its own thread, and under load batches grow by themselves.
 */
#include "mail/queue/journal.h"

#include "base/buf.h"
#include "base/hash.h"
#include "mail/queue/futex.h"
#include "stats/shm.h"

#include <limits.h>

enum { TURN_WAIT, TURN_LEAD, TURN_DONE };
enum {
    BATCH_RECORDS = 256,
    BATCH_BYTES = 4 * 1024 * 1024,
    IOV_PER_RECORD = 4, /* head, two payloads, padding */
};

static const char zeros[REC_ALIGN];

void jwrite_prepare(struct jwrite *w)
{
    w->length = w->payload[0].n + w->payload[1].n;
    w->crc = crc32c(crc32c(0, w->payload[0].p, w->payload[0].n), w->payload[1].p, w->payload[1].n);
    w->next = NULL;
    w->result = 0;
    atomic_init(&w->turn, TURN_WAIT);
}

void jent_init(struct jent *e, void *owner)
{
    list_init(&e->link);
    e->owner = owner;
    e->seg = NULL;
}

void jent_drop(struct jent *e)
{
    list_del(&e->link);
    e->seg = NULL;
}

static bool has_room(const struct jseg *s, size_t bytes)
{
    return s && s->size - s->tail >= bytes;
}

static void retire_active(struct journal *j)
{
    if (!j->active)
        return;
    list_add_tail(&j->full, &j->active->link);
    j->n_full++;
    j->active = NULL;
    j->need_work(j->need_arg);
}

/* Makes the active segment one with room, waiting for a spare. */
static int make_room(struct journal *j, size_t bytes)
{
    if (bytes > j->seg_size - SEG_HEAD)
        return E_QUOTA;
    while (!has_room(j->active, bytes)) {
        retire_active(j);
        if (!list_empty(&j->spares)) {
            j->active = container_of(j->spares.next, struct jseg, link);
            list_del(&j->active->link);
            j->n_spares--;
            j->need_work(j->need_arg);
            continue;
        }
        j->need_work(j->need_arg);
        if (j->spare_error)
            return j->spare_error;
        pthread_cond_wait(&j->changed, j->lock);
    }
    return 0;
}

static void mark_bad(struct journal *j, struct jseg *s)
{
    s->bad = true;
    if (j->active == s)
        retire_active(j);
    else
        j->need_work(j->need_arg);
}

/* Gives w its place in the active segment. */
static void place(struct journal *j, struct jwrite *w)
{
    struct jseg *s = j->active;
    w->off = s->tail;
    s->tail += rec_size(w->length);
    rec_head(w->head, s->salt, w->type, w->key, w->aux, w->length, w->crc);
}

static void keep(struct jwrite *w, struct jseg *s)
{
    struct jent *const list[] = { w->ent, w->also };
    for (size_t i = 0; i < ARRAY_LEN(list); i++) {
        struct jent *e = list[i];
        if (!e)
            continue;
        e->seg = s;
        e->off = w->off;
        e->len = (uint32_t)w->length;
        list_add_tail(&s->entries, &e->link);
    }
}

static int to_iov(const struct jwrite *w, struct iovec *iov)
{
    int n = 0;
    size_t pad = rec_size(w->length) - REC_HEAD - w->length;
    iov[n++] = (struct iovec){ (void *)w->head, REC_HEAD };
    for (int i = 0; i < 2; i++)
        if (w->payload[i].n)
            iov[n++] = (struct iovec){ (void *)w->payload[i].p, w->payload[i].n };
    if (pad)
        iov[n++] = (struct iovec){ (void *)zeros, pad };
    return n;
}

static void count(size_t records, size_t bytes)
{
    ctr_add(CTR_queue_journal_records, records);
    ctr_add(CTR_queue_journal_bytes, bytes);
}

/* Cuts the next batch off the waiting list: as many as have room. */
static struct jwrite *take_batch(struct journal *j)
{
    struct jwrite *batch = j->first, *w = batch;
    uint64_t start = j->active->tail;
    for (size_t n = 0;; w = w->next) {
        place(j, w);
        if (!w->next || ++n == BATCH_RECORDS || j->active->tail - start > BATCH_BYTES ||
            !has_room(j->active, rec_size(w->next->length)))
            break;
    }
    j->first = w->next;
    if (!j->first)
        j->last = &j->first;
    w->next = NULL;
    return batch;
}

static int write_batch(struct journal *j, struct jseg *s, const struct jwrite *batch)
{
    struct iovec iov[BATCH_RECORDS * IOV_PER_RECORD];
    int n = 0;
    size_t records = 0, bytes = 0;
    for (const struct jwrite *w = batch; w; w = w->next) {
        n += to_iov(w, iov + n);
        records++;
        bytes += rec_size(w->length);
    }
    count(records, bytes);
    ctr_inc(CTR_queue_journal_syncs);
    int r = queue_io_write(j->io, s->fd, iov, n, (off_t)batch->off);
    return r < 0 ? r : j->io->datasync(j->io->arg, s->fd);
}

/* The disk's reasons as the callers know them: no space is E_FULL, all else is temporary. */
static int commit_error(int r)
{
    return r == -ENOSPC || r == -EDQUOT || r == E_FULL ? E_FULL : E_TEMP;
}

static void wake_batch(struct jwrite *batch, const struct jwrite *self)
{
    while (batch) {
        struct jwrite *w = batch;
        batch = w->next; /* w belongs to its owner again once its turn is set */
        if (w != self)
            futex_set_and_wake(&w->turn, TURN_DONE);
    }
}

static void hand_over(struct journal *j)
{
    if (j->first)
        futex_set_and_wake(&j->first->turn, TURN_LEAD);
    else
        j->leading = false;
}

/* self is the first that waits. Returns with its result set. */
static void lead(struct journal *j, struct jwrite *self)
{
    int r = make_room(j, rec_size(self->length));
    if (r < 0) {
        j->first = self->next;
        if (!j->first)
            j->last = &j->first;
        self->result = r == E_QUOTA ? r : commit_error(r);
        hand_over(j);
        return;
    }
    struct jseg *s = j->active;
    struct jwrite *batch = take_batch(j);
    s->inflight++;
    pthread_mutex_unlock(j->lock);
    r = write_batch(j, s, batch);
    pthread_mutex_lock(j->lock);
    s->inflight--;
    if (r < 0)
        mark_bad(j, s);
    for (struct jwrite *w = batch; w; w = w->next) {
        w->result = r < 0 ? commit_error(r) : 0;
        if (r >= 0)
            keep(w, s);
    }
    pthread_cond_broadcast(&j->changed);
    hand_over(j);
    pthread_mutex_unlock(j->lock);
    wake_batch(batch, self);
    pthread_mutex_lock(j->lock);
}

/* w is in the list. first: nobody led when it came there. */
static void wait_or_lead(struct journal *j, struct jwrite *w, bool first)
{
    if (!first) {
        pthread_mutex_unlock(j->lock);
        uint32_t turn = futex_wait_while(&w->turn, TURN_WAIT);
        pthread_mutex_lock(j->lock);
        if (turn == TURN_DONE)
            return;
    }
    j->leading = true;
    lead(j, w);
}

int journal_commit(struct journal *j, struct jwrite *w)
{
    *j->last = w;
    j->last = &w->next;
    wait_or_lead(j, w, !j->leading);
    return w->result;
}

int journal_commit_all(struct journal *j, struct jwrite *const *w, size_t n)
{
    bool first = !j->leading;
    int r = 0;
    for (size_t i = 0; i < n; i++) {
        *j->last = w[i];
        j->last = &w[i]->next;
    }
    for (size_t i = 0; i < n; i++) {
        wait_or_lead(j, w[i], first && i == 0);
        if (r >= 0)
            r = w[i]->result;
    }
    return r;
}

/* Places as many of w as fit into the active segment. */
static size_t place_some(struct journal *j, struct jwrite *const *w, size_t n)
{
    size_t k = 0;
    while (k < n && k < BATCH_RECORDS && (k == 0 || has_room(j->active, rec_size(w[k]->length))))
        place(j, w[k++]);
    return k;
}

static int write_some(struct journal *j, struct jseg *s, struct jwrite *const *w, size_t n)
{
    struct iovec iov[BATCH_RECORDS * IOV_PER_RECORD];
    int k = 0;
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++) {
        k += to_iov(w[i], iov + k);
        bytes += rec_size(w[i]->length);
    }
    count(n, bytes);
    return queue_io_write(j->io, s->fd, iov, k, (off_t)w[0]->off);
}

int journal_write(struct journal *j, struct jwrite *const *w, size_t n)
{
    while (n > 0) {
        int r = make_room(j, rec_size(w[0]->length));
        if (r < 0)
            return r;
        struct jseg *s = j->active;
        size_t k = place_some(j, w, n);
        s->inflight++;
        pthread_mutex_unlock(j->lock);
        r = write_some(j, s, w, k);
        pthread_mutex_lock(j->lock);
        s->inflight--;
        pthread_cond_broadcast(&j->changed);
        if (r < 0) {
            mark_bad(j, s);
            return r;
        }
        for (size_t i = 0; i < k; i++)
            keep(w[i], s);
        w += k;
        n -= k;
    }
    return 0;
}

int journal_read(struct journal *j, const struct jent *e, uint32_t from, void *p, size_t n)
{
    struct jseg *s = e->seg;
    off_t off = (off_t)(e->off + REC_HEAD + from);
    s->readers++;
    pthread_mutex_unlock(j->lock);
    int r = queue_io_read(j->io, s->fd, p, n, off);
    pthread_mutex_lock(j->lock);
    s->readers--;
    pthread_cond_broadcast(&j->changed);
    return r;
}

int journal_read_record(struct journal *j, const struct jent *e, struct buf *buf, struct rec *ret)
{
    struct jseg *s = e->seg;
    size_t n = REC_HEAD + (size_t)e->len;
    uint64_t off = e->off;
    buf_reset(buf);
    if (buf_reserve(buf, n) < 0)
        return -ENOMEM;
    s->readers++;
    pthread_mutex_unlock(j->lock);
    int r = queue_io_read(j->io, s->fd, buf->p, n, (off_t)off);
    pthread_mutex_lock(j->lock);
    s->readers--;
    pthread_cond_broadcast(&j->changed);
    if (r < 0)
        return r;
    buf->n = n;
    return rec_at(buf_sv(buf), s->salt, 0, ret) ? 0 : E_CORRUPT;
}
