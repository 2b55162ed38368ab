/* All mailboxes of this process: found by address, kept while somebody uses them and for a while
 * after. How many indexes are open at once is bounded (mailbox.open_indexes). Any thread. */
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/slab.h"
#include "conf/conf.h"
#include "log/log.h"
#include "mail/mailbox/mailbox_priv.h"
#include "os/file.h"

enum { LOOKED_AT = 8 };

static struct slab mailboxes = SLAB_OF(struct mailbox);

int mailstore_open(const struct mailstore_opts *o, struct mailstore **ret, struct errinfo *ei)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    int r = os_mkdirs(o->root, 0700, ei);
    if (r < 0)
        return r;
    uint64_t boot = 0;
    r = page_boot_hash(&boot, ei);
    if (r < 0)
        return r;
    struct mailstore *s = xcalloc(1, sizeof(*s));
    s->opts = *o;
    s->opts.root = xstrdup(o->root);
    s->opts.temp_dir = xstrdup(o->temp_dir ? o->temp_dir : "");
    s->boot = boot;
    s->max_open = (unsigned)cf->mailbox.open_indexes;
    s->by_address = map_new_over();
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->template_lock, NULL);
    pthread_mutex_init(&s->validity_lock, NULL);
    s->validity_fd = -1;
    pthread_mutex_init(&s->usage_lock, NULL);
    s->usages = map_new();
    list_init(&s->all);
    list_init(&s->unused);
    list_init(&s->open);
    maintain_start(s);
    *ret = s;
    return 0;
}

static void mailbox_free(struct mailbox *m)
{
    index_close(m);
    page_close(m);
    snapcache_unref(m->snaps);
    pthread_mutex_destroy(&m->op_lock);
    slab_text_free(m->address);
    slab_text_free(m->dir);
    slab_free(&mailboxes, m);
}

/* Takes m out of all tables; store->lock held, refs == 0. Then free it without the lock. */
static void evict_locked(struct mailbox *m)
{
    struct mailstore *s = m->store;
    if (!m->detached)
        map_del(s->by_address, sv_c(m->address));
    m->detached = true;
    if (!list_empty(&m->unused_link))
        s->n_unused--;
    if (!list_empty(&m->open_link))
        s->n_open--;
    list_del(&m->unused_link);
    list_del(&m->open_link);
    list_del(&m->all_link);
}

void mailstore_close(struct mailstore *s)
{
    maintain_stop(s);
    pthread_mutex_lock(&s->lock);
    while (!list_empty(&s->all)) {
        struct mailbox *m = container_of(s->all.next, struct mailbox, all_link);
        if (m->refs >
            0) { /* at the end of the process: better left than pulled away from somebody */
            log_error("mail store: closed while the mailbox of %s is in use", m->address);
            pthread_mutex_unlock(&s->lock);
            return;
        }
        evict_locked(m);
        pthread_mutex_unlock(&s->lock);
        mailbox_free(m);
        pthread_mutex_lock(&s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->template_lock);
    pthread_mutex_destroy(&s->validity_lock);
    closep(&s->validity_fd);
    usage_close_all(s);
    pthread_mutex_destroy(&s->usage_lock);
    free(s->template);
    map_free(s->by_address, NULL);
    free((char *)(uintptr_t)s->opts.root);
    free((char *)(uintptr_t)s->opts.temp_dir);
    free(s);
}

struct mailbox *store_ref_locked(struct mailbox *m)
{
    if (m->refs++ == 0 && !list_empty(&m->unused_link)) {
        list_del(&m->unused_link);
        m->store->n_unused--;
    }
    return m;
}

/* With work left for maintenance a mailbox stays a little longer. */
static bool has_work(struct mailbox *m)
{
    return atomic_load(&m->wal_pages) > 0 || atomic_load(&m->trash);
}

/* Something to evict: of those that were not used for longest, one that may go. A message to many
 * leaves work in all of them: then it is not looked for in vain each time. */
static struct mailbox *pick_unused(struct mailstore *s)
{
    if (s->n_unused <= s->max_open)
        return NULL;
    bool must = s->n_unused > 8 * s->max_open;
    unsigned left = LOOKED_AT;
    list_for_each(it, &s->unused)
    {
        struct mailbox *m = container_of(it, struct mailbox, unused_link);
        if (must || !has_work(m))
            return m;
        if (--left == 0)
            break;
    }
    return NULL;
}

void mailbox_unref(struct mailbox *m)
{
    struct mailstore *s = m->store;
    struct mailbox *gone = NULL;
    pthread_mutex_lock(&s->lock);
    if (--m->refs == 0) {
        if (m->detached) {
            gone = m;
        } else {
            list_add_tail(&s->unused, &m->unused_link);
            s->n_unused++;
            gone = pick_unused(s);
        }
        if (gone)
            evict_locked(gone);
    }
    pthread_mutex_unlock(&s->lock);
    if (gone)
        mailbox_free(gone);
}

void store_detach(struct mailbox *m)
{
    struct mailstore *s = m->store;
    pthread_mutex_lock(&s->lock);
    if (!m->detached)
        map_del(s->by_address, sv_c(m->address));
    m->detached = true;
    pthread_mutex_unlock(&s->lock);
}

static struct mailbox *mailbox_new(struct mailstore *s, int64_t account_id, struct sv address,
                                   struct sv dir)
{
    struct mailbox *m = slab_alloc(&mailboxes);
    m->store = s;
    m->address = slab_text(address);
    m->dir = slab_text(dir);
    m->account_id = account_id;
    m->lock_fd = -1;
    pthread_mutex_init(&m->op_lock, NULL);
    list_init(&m->all_link);
    list_init(&m->unused_link);
    list_init(&m->open_link);
    m->snaps = snapcache_new();
    return m;
}

/* Counted, in the table, maybe not opened yet. */
struct mailbox *store_take(struct mailstore *s, int64_t account_id, struct sv address,
                           struct errinfo *ei)
{
    _cleanup_(freep) char *lower = sv_dup(address);
    _cleanup_(buf_done) struct buf dir = { .p = NULL };
    for (char *p = lower; *p; p++)
        *p = ascii_lower(*p);
    buf_init(&dir, 4000);
    if (mailstore_account_dir(&s->opts, sv_c(lower), &dir) < 0) {
        err_set(ei, E_RANGE, "'%.100s' cannot be the address of a mailbox", lower);
        return NULL;
    }
    pthread_mutex_lock(&s->lock);
    struct mailbox *m = map_get(s->by_address, sv_c(lower));
    if (m && account_id != 0 && m->account_id != account_id) {
        map_del(s->by_address, sv_c(lower)); /* the address has a new owner */
        m->detached = true;
        m = NULL;
    }
    if (!m) {
        m = mailbox_new(s, account_id, sv_c(lower), buf_sv(&dir));
        map_put(s->by_address, sv_c(m->address), m);
        list_add_tail(&s->all, &m->all_link);
    }
    store_ref_locked(m);
    pthread_mutex_unlock(&s->lock);
    return m;
}

static int open_first(struct mailbox *m, struct errinfo *ei)
{
    int r = 0;
    pthread_mutex_lock(&m->op_lock);
    if (!atomic_load(&m->ready)) {
        r = index_open(m, ei);
        m->born = m->incarnation;
        if (r == 0)
            atomic_store(&m->ready, true);
    }
    pthread_mutex_unlock(&m->op_lock);
    return r;
}

int mailbox_check(const struct mailbox *m, struct errinfo *ei)
{
    if (!m->page)
        return 0;
    uint64_t now = atomic_load(&m->page->incarnation);
    if (now == PAGE_REMOVED)
        return err_set(ei, E_NOTFOUND, "the mailbox of %.100s was removed", m->address);
    if (atomic_load(&m->ready) && now != m->born)
        return err_set(ei, -ESTALE, "the index of %.100s was made anew: connect again", m->address);
    return 0;
}

int mailbox_open(struct mailstore *s, int64_t account_id, struct sv address, struct mailbox **ret,
                 struct errinfo *ei)
{
    for (int i = 0;; i++) {
        struct mailbox *m = store_take(s, account_id, address, ei);
        if (!m)
            return E_RANGE;
        int r = atomic_load(&m->ready) ? 0 : open_first(m, ei);
        bool gone = mailbox_check(m, NULL) < 0;
        if (r == 0 && !gone) {
            *ret = m;
            return 0;
        }
        if (gone)
            store_detach(m);
        mailbox_unref(m);
        if (!gone || i == 3)
            return r < 0 ? r : err_set(ei, E_TEMP, "the mailbox is being removed");
    }
}

int64_t mailbox_account(const struct mailbox *m)
{
    return m->account_id;
}

void store_wake(struct mailstore *s)
{
    pthread_mutex_lock(&s->lock);
    if (s->thread_idle)
        pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
}

void store_index_closed(struct mailbox *m)
{
    struct mailstore *s = m->store;
    pthread_mutex_lock(&s->lock);
    if (!list_empty(&m->open_link)) {
        list_del(&m->open_link);
        s->n_open--;
    }
    pthread_mutex_unlock(&s->lock);
}

bool store_has_open(struct mailstore *s, struct sv lower)
{
    pthread_mutex_lock(&s->lock);
    const struct mailbox *m = map_get(s->by_address, lower);
    bool open = m && !list_empty(&m->open_link);
    pthread_mutex_unlock(&s->lock);
    return open;
}

/* The longest unused open index, locked and counted; NULL when it is in use just now. */
static struct mailbox *pick_open(struct mailstore *s, const struct mailbox * not )
{
    struct mailbox *best = NULL;
    list_for_each(it, &s->open)
    {
        struct mailbox *m = container_of(it, struct mailbox, open_link);
        if (m != not &&(!best || atomic_load(&m->last_use_ms) < atomic_load(&best->last_use_ms)))
            best = m;
    }
    if (!best || pthread_mutex_trylock(&best->op_lock) != 0)
        return NULL;
    return store_ref_locked(best);
}

void store_index_opened(struct mailbox *m)
{
    struct mailstore *s = m->store;
    struct mailbox *victim = NULL;
    pthread_mutex_lock(&s->lock);
    list_add_tail(&s->open, &m->open_link);
    if (++s->n_open > s->max_open)
        victim = pick_open(s, m);
    if (s->thread_idle)
        pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
    if (!victim)
        return;
    index_close(victim);
    pthread_mutex_unlock(&victim->op_lock);
    mailbox_unref(victim);
}
