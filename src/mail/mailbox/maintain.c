/* The store's maintenance thread: moves the WAL into the index (never in the way of writers),
 * removes files of expunged messages, closes indexes that nobody used lately. Sleeps without a time
 * limit when there is nothing to do. */
#include <malloc.h>
#include <time.h>

#include "base/clock.h"
#include "base/deadline.h"
#include "log/log.h"
#include "mail/mailbox/mailbox_priv.h"
#include "os/proc.h"

#define ROUND_MS      250
#define WAL_PAGES_BIG 1024 /* 4 MiB */
#define WAL_IDLE_MS   30000
/* An open index holds 100 kB; opening it again takes 0.5 ms. A few may stay for longer. */
#define INDEX_IDLE_MS 1000
#define FEW_INDEXES   16
#define FEW_IDLE_MS   10000
#define TRASH_BATCH   256
#define TRIM_FROM     16 /* closed indexes in a round that make it worth to give memory back */

enum { DO_CHECKPOINT = 1, DO_TRUNCATE = 2, DO_TRASH = 4, DO_CLOSE = 8 };

struct job {
    struct mailbox *m;
    unsigned what;
};

struct round {
    struct job *jobs;
    size_t n, cap;
    bool pending; /* something will be due later */
};

static int64_t idle_limit_locked(const struct mailstore *s)
{
    return s->n_open > FEW_INDEXES ? INDEX_IDLE_MS : FEW_IDLE_MS;
}

/* With store->lock. */
static unsigned due(struct mailbox *m, bool open, int64_t now, bool *pending)
{
    unsigned what = 0;
    uint32_t pages = atomic_load(&m->wal_pages);
    bool quiet = now - atomic_load(&m->last_write_ms) >= WAL_IDLE_MS;
    if (pages >= WAL_PAGES_BIG || (pages > 0 && quiet))
        what |= DO_CHECKPOINT;
    if (pages > 0 && quiet)
        what |= DO_TRUNCATE;
    if (atomic_load(&m->trash))
        what |= DO_TRASH;
    if (open && now - atomic_load(&m->last_use_ms) >= idle_limit_locked(m->store))
        what |= DO_CLOSE;
    *pending |= open || pages > 0;
    return what;
}

static void plan(struct mailstore *s, struct round *r)
{
    int64_t now = clock_mono_ms();
    list_for_each(it, &s->all)
    {
        struct mailbox *m = container_of(it, struct mailbox, all_link);
        unsigned what = due(m, !list_empty(&m->open_link), now, &r->pending);
        if (!what)
            continue;
        if (r->n == r->cap) {
            r->cap = r->cap ? r->cap * 2 : 16;
            r->jobs = xrealloc(r->jobs, r->cap * sizeof(*r->jobs));
        }
        r->jobs[r->n++] = (struct job){ store_ref_locked(m), what };
    }
}

/* A connection of its own, opened while nobody can replace the index: SQLite finds the WAL by name.
 */
static int open_beside(struct mailbox *m, struct db **ret, struct dbc **ret_c)
{
    _cleanup_(freep) char *dsn =
        xasprintf("sqlite:%s/index.db?sync=normal&cache=64&lookaside=0&single=1"
                  "&autockpt=0&wal_nockpt_on_close=1&create=0&timeout_ms=50",
                  m->dir);
    pthread_mutex_lock(&m->op_lock);
    int r = page_lock(m, NULL);
    if (r == 0) {
        r = db_open(dsn, ret, NULL);
        if (r == 0 && (r = db_get_writer(*ret, ret_c, NULL)) < 0)
            db_close(*ret);
        page_unlock(m);
    }
    pthread_mutex_unlock(&m->op_lock);
    return r;
}

static void checkpoint(struct mailbox *m, bool truncate)
{
    struct db *db;
    struct dbc *c;
    if (open_beside(m, &db, &c) < 0)
        return;
    uint32_t before = atomic_load(&m->wal_pages);
    int r = db_checkpoint(c, false, NULL);
    if (r == 0 && before > 0)
        atomic_fetch_sub(&m->wal_pages, before - 1); /* not to 0: it is to be truncated yet */
    if (r == 0 && truncate) {
        pthread_mutex_lock(&m->op_lock);
        if (page_lock(m, NULL) == 0) {
            if (db_checkpoint(c, true, NULL) == 0) {
                atomic_store(&m->page->wal_dirty, 0);
                atomic_store(&m->wal_pages, 0);
                incoming_drop(m);
            }
            page_unlock(m);
        }
        pthread_mutex_unlock(&m->op_lock);
    }
    db_put(c);
    db_close(db);
}

static int trash_keys(struct mailbox *m, uint64_t keys[TRASH_BATCH], size_t *n, struct errinfo *ei)
{
    struct op o;
    struct db_stmt *s = NULL;
    int r = op_read(m, &o, ei);
    if (r < 0)
        return r;
    *n = 0;
    r = db_query(o.c, &s, ei, "SELECT key FROM trash LIMIT ?", "i", (int64_t)TRASH_BATCH);
    while (r == 0 && (r = db_step(s, ei)) > 0) {
        keys[(*n)++] = (uint64_t)db_col_int(s, 0);
        r = 0;
    }
    db_resetp(&s);
    return op_finish(&o, r, ei);
}

/* With the lock: nobody can add the message again between the look and the unlink. */
static int unlink_files(struct mailbox *m, const uint64_t *keys, size_t n, struct errinfo *ei)
{
    struct op o;
    int r = op_write(m, &o, ei);
    if (r < 0)
        return r;
    if (atomic_load(&m->page->incoming)) /* what waits may be of such a key */
        r = err_set(ei, E_TEMP, "new messages have to be added to the index first");
    for (size_t i = 0; r == 0 && i < n; i++) {
        int64_t used = 0;
        r = db_value(o.c, &used, ei, "SELECT EXISTS(SELECT 1 FROM msg WHERE key = ?)", "i",
                     (int64_t)keys[i]);
        if (r == 0 && !used)
            blob_drop(m, keys[i]); /* what cannot be removed stays in trash for another time */
    }
    return op_finish(&o, r, ei);
}

static int forget_keys(struct mailbox *m, const uint64_t *keys, size_t n, struct errinfo *ei)
{
    struct op o;
    int r = op_write(m, &o, ei);
    if (r < 0)
        return r;
    for (size_t i = 0; r == 0 && i < n; i++) {
        uint64_t size;
        int64_t used = 0;
        r = db_value(o.c, &used, ei, "SELECT EXISTS(SELECT 1 FROM msg WHERE key = ?)", "i",
                     (int64_t)keys[i]);
        if (r == 0 && (used || blob_size(m, keys[i], &size) == E_NOTFOUND))
            r = db_run(o.c, ei, "DELETE FROM trash WHERE key = ?", "i", (int64_t)keys[i]);
    }
    return op_finish(&o, r, ei);
}

/* The order is for power loss: the file goes when it is certain that no row comes back, and is
 * forgotten when it is certain that the file does not come back. */
static int drop_keys(struct mailbox *m, const uint64_t *keys, size_t n, struct errinfo *ei)
{
    int r = index_sync(m, ei);
    if (r == 0)
        r = unlink_files(m, keys, n, ei);
    if (r == 0 && (r = blob_sync(m, ei)) == -ENOENT)
        r = 0; /* a power cut took the directory, and the files with it */
    return r < 0 ? r : forget_keys(m, keys, n, ei);
}

int maintain_trash(struct mailbox *m, struct errinfo *ei)
{
    uint64_t keys[TRASH_BATCH];
    size_t n = 0;
    atomic_store(&m->trash, false);
    for (;;) {
        int r = trash_keys(m, keys, &n, ei);
        if (r == 0 && n == 0)
            return 0;
        if (r == 0)
            r = drop_keys(m, keys, n, ei);
        if (r < 0 || n < TRASH_BATCH)
            return r;
    }
}

static bool close_idle(struct mailbox *m)
{
    if (pthread_mutex_trylock(&m->op_lock) != 0)
        return false;
    bool idle = m->db && clock_mono_ms() - atomic_load(&m->last_use_ms) >=
                             INDEX_IDLE_MS; /* was used meanwhile? */
    if (idle)
        index_close(m);
    pthread_mutex_unlock(&m->op_lock);
    return idle;
}

static void run(struct round *r)
{
    size_t closed = 0;
    for (size_t i = 0; i < r->n; i++) {
        struct mailbox *m = r->jobs[i].m;
        struct errinfo ei = { .text = "" };
        unsigned what = r->jobs[i].what;
        bool ready = atomic_load(&m->ready), usable = ready && mailbox_check(m, NULL) == 0;
        if (ready && !usable) { /* what there was to do is up to who opens it anew */
            atomic_store(&m->trash, false);
            atomic_store(&m->wal_pages, 0);
        }
        if (usable && what & DO_TRASH && maintain_trash(m, &ei) < 0)
            log_warn("mailbox %s: removing expunged messages: %s", m->address, ei.text);
        if (usable && what & DO_CHECKPOINT)
            checkpoint(m, what & DO_TRUNCATE);
        if (what & DO_CLOSE)
            closed += close_idle(m);
        mailbox_unref(m);
    }
    if (closed >= TRIM_FROM)
        malloc_trim(0);
}

static void wait_round(struct mailstore *s, bool pending)
{
    if (!pending) {
        s->thread_idle = true;
        pthread_cond_wait(&s->wake, &s->lock);
        s->thread_idle = false;
        return;
    }
    struct timespec until = deadline_in(ROUND_MS);
    deadline_wait(&s->wake, &s->lock, &until);
}

static void *maintain(void *arg)
{
    struct mailstore *s = arg;
    os_thread_name("mailstore");
    pthread_mutex_lock(&s->lock);
    while (!s->stop) {
        struct round r = { .n = 0 };
        plan(s, &r);
        pthread_mutex_unlock(&s->lock);
        run(&r);
        free(r.jobs);
        pthread_mutex_lock(&s->lock);
        if (!s->stop)
            wait_round(s, r.pending || r.n > 0);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

void maintain_start(struct mailstore *s)
{
    pthread_cond_init(&s->wake, NULL);
    if (pthread_create(&s->thread, NULL, maintain, s) != 0)
        panic("mail store: cannot start the maintenance thread");
}

void maintain_stop(struct mailstore *s)
{
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    pthread_cond_destroy(&s->wake);
}
