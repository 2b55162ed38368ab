/* One operation on an account's index: who may, in which transaction, and what others learn of it.
 * Readers hold op_lock only; writers also the account's OFD lock, so that processes never meet
 * inside of SQLite. Any thread. */
#include "base/clock.h"
#include "mail/mailbox/mailbox_priv.h"
#include "mail/notify/notify.h"

/* The index may have been closed by maintenance, or be rebuilt here. */
static int ensure_open(struct mailbox *m, struct errinfo *ei)
{
    int r = mailbox_check(m, ei);
    if (r == 0 && m->db && !m->corrupt)
        return 0;
    index_close(m);
    if (r == 0)
        r = index_open(m, ei);
    if (r == 0 && (r = mailbox_check(m, ei)) < 0)
        index_close(m);
    return r;
}

static int enter(struct mailbox *m, struct op *o, struct errinfo *ei)
{
    *o = (struct op){ .m = m };
    pthread_mutex_lock(&m->op_lock);
    int r = ensure_open(m, ei);
    if (r == 0)
        r = db_get_writer(m->db, &o->c, ei);
    if (r < 0) {
        if (r == E_CORRUPT)
            m->corrupt = true;
        pthread_mutex_unlock(&m->op_lock);
        return r;
    }
    atomic_store_explicit(&m->last_use_ms, clock_mono_ms(), memory_order_relaxed);
    return 0;
}

static void note_written(struct op *o)
{
    struct mailbox *m = o->m;
    atomic_fetch_add_explicit(&m->wal_pages, o->pages + 4, memory_order_relaxed);
    atomic_store_explicit(&m->last_write_ms, clock_mono_ms(), memory_order_relaxed);
    if (o->trashed)
        atomic_store(&m->trash, true);
    o->pages = 0;
    store_wake(m->store);
}

/* Also a reader adds what was left for the mailbox. */
static int add_incoming(struct op *o)
{
    struct mailbox *m = o->m;
    struct op w = { .m = m, .c = o->c, .write = true };
    int r = 0;
    if (!atomic_load(&m->page->incoming) || page_lock(m, NULL) < 0)
        return 0;
    if (atomic_load(&m->page->incoming) && m->incarnation == atomic_load(&m->page->incarnation))
        r = incoming_settle(&w);
    if (w.pages > 0)
        note_written(&w);
    page_unlock(m);
    return r;
}

int op_read(struct mailbox *m, struct op *o, struct errinfo *ei)
{
    int r = enter(m, o, ei);
    if (r == 0 && (r = add_incoming(o)) < 0)
        return op_finish(o, err_set(ei, r, "the index of %.100s is damaged", m->address), NULL);
    return r;
}

int op_read_tx(struct mailbox *m, struct op *o, struct errinfo *ei)
{
    int r = op_read(m, o, ei);
    if (r < 0)
        return r;
    r = db_run(o->c, ei, "BEGIN", ""); /* deferred: db_begin would take SQLite's write lock */
    if (r < 0)
        return op_finish(o, r, NULL);
    o->locked = true;
    return 0;
}

int op_write(struct mailbox *m, struct op *o, struct errinfo *ei)
{
    for (int i = 0;; i++) {
        int r = enter(m, o, ei);
        if (r < 0)
            return r;
        r = page_lock(m, ei);
        if (r < 0)
            return op_finish(o, r, NULL);
        o->write = true;
        /* Only now nobody can replace the index any more. */
        if (m->incarnation == atomic_load(&m->page->incarnation))
            break;
        r = err_set(ei, E_TEMP, "the index of %.100s is being rebuilt", m->address);
        op_finish(o, r, NULL);
        if (i == 3)
            return r;
    }
    int r = atomic_load(&m->page->incoming) ? incoming_settle(o) : 0;
    if (o->pages > 0)
        note_written(o);
    r = r < 0 ? err_set(ei, r, "the index of %.100s is damaged", m->address) : db_begin(o->c, ei);
    return r < 0 ? op_finish(o, r, NULL) : 0;
}

/* The mark stays when we are killed before the amount is set. */
static bool count_for_domain(struct op *o)
{
    int64_t messages = 0;
    if (!usage_counted(o->m))
        return false;
    if (!o->used_known)
        o->used_known = usage_load(o, &o->used, &messages, NULL) == 0;
    usage_mark(o->m);
    return true;
}

/* Readers in other processes trust an even generation without asking the index. */
int op_commit(struct op *o, struct errinfo *ei)
{
    struct lockpage *p = o->m->page;
    uint64_t odd = atomic_load(&p->gen) | 1;
    atomic_store(&p->gen, odd);
    atomic_store(&p->wal_dirty, 1);
    bool counted = count_for_domain(o);
    int r = db_commit(o->c, ei);
    if (r == 0 && o->used_known) {
        atomic_store(&p->used, (uint64_t)MAX(o->used, 0));
        atomic_store(&p->used_gen, odd + 1);
        if (counted)
            usage_set(o->m, (uint64_t)MAX(o->used, 0));
    }
    o->used_known = false;
    atomic_store(&p->gen, odd + 1);
    return r;
}

void op_changed(struct op *o, int64_t folder_id)
{
    for (unsigned i = 0; i < o->n_changed; i++) {
        if (o->changed[i] == folder_id)
            return;
    }
    if (o->n_changed < OP_MAX_CHANGED)
        o->changed[o->n_changed++] = folder_id;
}

int op_restart(struct op *o, struct errinfo *ei)
{
    int r = op_commit(o, ei);
    note_written(o);
    return r < 0 ? r : db_begin(o->c, ei);
}

int op_finish(struct op *o, int r, struct errinfo *ei)
{
    struct mailbox *m = o->m;
    if (o->write) {
        if (r < 0)
            db_rollback(o->c);
        else
            r = op_commit(o, ei);
        if (r == 0)
            note_written(o);
        else if (o->was_known)
            usage_set(m, (uint64_t)MAX(o->was, 0));
        page_unlock(m);
    } else if (o->locked && db_run(o->c, NULL, r < 0 ? "ROLLBACK" : "COMMIT", "") < 0) {
        m->corrupt = true; /* a connection that cannot even end a read is of no use */
    }
    if (r == E_CORRUPT)
        m->corrupt = true;
    db_put(o->c);
    int64_t account = m->account_id;
    pthread_mutex_unlock(&m->op_lock);
    for (unsigned i = 0; r >= 0 && i < o->n_changed; i++)
        notify_changed(account, o->changed[i], 0);
    return r;
}
