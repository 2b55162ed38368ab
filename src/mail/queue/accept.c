/* Durable acceptance. Runs on the SMTP session's worker, which waits here for the disk. */
#include "base/clock.h"
#include "conf/conf.h"
#include "mail/queue/look.h"
#include "mail/queue/queue_priv.h"

#include <sys/statvfs.h>
#include <unistd.h>

enum { SPACE_EVERY_MS = 500, MAX_ENVELOPE = 64 * 1024 * 1024 };

bool queue_has_space(struct queue *q)
{
    int64_t now = clock_mono_ms() + 1; /* never 0: 0 = not looked yet */
    int64_t last = atomic_load_explicit(&q->space_checked_ms, memory_order_relaxed);
    if (last && now - last < SPACE_EVERY_MS)
        return atomic_load_explicit(&q->space_ok, memory_order_relaxed);
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    struct statvfs v;
    bool ok = statvfs(q->dir, &v) == 0 &&
              (uint64_t)v.f_bavail * v.f_frsize >= (uint64_t)cf->queue.min_free_space;
    atomic_store_explicit(&q->space_ok, ok, memory_order_relaxed);
    atomic_store_explicit(&q->space_checked_ms, now, memory_order_relaxed);
    return ok;
}

static void settle_discards(struct message *m)
{
    for (size_t i = 0; i < m->n_rcpts; i++)
        if (m->rcpts[i].kind == RCPT_DISCARD)
            m->rcpts[i].state = RCPT_DELIVERED;
}

static void remove_spool(struct queue *q, struct message *m)
{
    if (*m->spool_path)
        q->io->unlink(q->io->arg, m->spool_path);
    message_set(&m->spool_path, SV(""));
}

/* Content that is too much for the journal, or arrived in a temporary file, gets its own file. */
static int prepare_content(struct queue *q, struct message *m, struct errinfo *ei)
{
    if (*m->spool_path)
        return spool_adopt(q, m, ei);
    if (!m->content.p)
        return err_set(ei, -EINVAL, "message %s has no content", m->id);
    if (m->content.n > q->journal.seg_size / 4)
        return spool_from_memory(q, m, ei);
    return 0;
}

/* It names the item: the same message may be accepted again, by another delivery of its parent. */
static bool write_revoke(struct queue *q, const struct revoked *v)
{
    struct jwrite w = { .type = REC_REVOKE, .key = v->key, .payload = { sv_c(v->item), SV_NULL } };
    struct jwrite *list[] = { &w };
    jwrite_prepare(&w);
    return journal_write(&q->journal, list, 1) >= 0;
}

/* Makes recovery forget a record whose commit failed: it may have reached the disk. The second try
 * goes into the next segment; if there is none yet, it follows the next message. */
static void revoke_record(struct queue *q, const struct message *m)
{
    struct revoked v = { .key = m->key };
    memcpy(v.item, m->item, sizeof(v.item));
    if (!write_revoke(q, &v) && !write_revoke(q, &v) && q->n_unrevoked < ARRAY_LEN(q->unrevoked))
        q->unrevoked[q->n_unrevoked++] = v;
}

/* Taken off first: the lock is open while it is written. */
static void revoke_what_is_left(struct queue *q)
{
    while (q->n_unrevoked) {
        struct revoked v = q->unrevoked[--q->n_unrevoked];
        if (write_revoke(q, &v))
            continue;
        if (q->n_unrevoked < ARRAY_LEN(q->unrevoked))
            q->unrevoked[q->n_unrevoked++] = v;
        return;
    }
}

static void keep_or_drop_memory(struct queue *q, struct item *it, uint64_t limit)
{
    if (!it->m->content.p)
        return;
    it->counted = it->m->content.n;
    q->mem_used += it->counted;
    if (q->mem_used > limit)
        item_drop_content(q, it);
}

static int commit(struct queue *q, struct item *parent, struct message *m, struct sv envelope)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    struct item *it = item_new(m);
    struct child *child = parent ? child_new(parent, m->key) : NULL;
    it->in_file = *m->spool_path;
    struct records *rec = item_records(it);
    rec->content_at = (uint32_t)envelope.n;
    struct jwrite w = {
        .type = it->in_file ? REC_MSG_FILE : REC_MSG,
        .key = m->key,
        .aux = (uint32_t)envelope.n,
        .payload = { envelope, it->in_file ? SV_NULL : m->content },
        .ent = it->in_file ? &rec->state[0] : &rec->content,
        .also = child ? child_record(child) : NULL,
    };
    jwrite_prepare(&w);
    pthread_mutex_lock(&q->lock);
    totals_add(q, it);
    int r = journal_commit(&q->journal, &w);
    if (r < 0) {
        revoke_record(q, m);
        m->queue_data = NULL;
        item_forget(q, it);
        if (child)
            child_drop(child);
    } else {
        if (child)
            child_add(parent, child);
        it->committed = true;
        keep_or_drop_memory(q, it, (uint64_t)cf->queue.memory_total);
        sched_place(q, it);
        revoke_what_is_left(q);
    }
    pthread_mutex_unlock(&q->lock);
    return r;
}

static int accept_spooled(struct queue *q, struct item *parent, struct message *m,
                          struct errinfo *ei)
{
    struct buf env;
    buf_init(&env, MIN((size_t)MAX_ENVELOPE, (size_t)q->journal.seg_size / 2));
    int r = message_envelope_encode(m, &env);
    if (r < 0)
        r = err_set(ei, E_LIMIT, "message %s has too many recipients (%u)", m->id, m->n_rcpts);
    if (r >= 0)
        r = prepare_content(q, m, ei);
    if (r >= 0) {
        r = commit(q, parent, m, buf_sv(&env));
        if (r < 0)
            err_set_errno(ei, r, "the queue cannot store message %s", m->id);
    }
    buf_done(&env);
    return r;
}

static int accept(struct queue *q, struct item *parent, struct message *m, struct errinfo *ei)
{
    settle_discards(m);
    if (!message_waiting(m, RCPT_LOCAL) && !message_waiting(m, RCPT_REMOTE)) {
        remove_spool(q, m);
        return 0;
    }
    int r = queue_has_space(q)
                ? 0
                : err_set(ei, E_FULL, "less than queue.min_free_space is free in %s", q->dir);
    if (r >= 0) {
        look_at_header(m);
        r = accept_spooled(q, parent, m, ei);
    }
    if (r < 0)
        remove_spool(q, m);
    return r;
}

int queue_accept(struct queue *q, struct message *m, struct errinfo *ei)
{
    return accept(q, NULL, m, ei);
}

int queue_accept_child(struct queue *q, struct message *parent, struct message *m,
                       struct errinfo *ei)
{
    if (queue_has_child(q, parent, m->key)) {
        remove_spool(q, m);
        return E_EXISTS;
    }
    m->parent = parent->key;
    return accept(q, parent->queue_data, m, ei);
}
