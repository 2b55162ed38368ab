/* Mail that was left for a mailbox whose index is closed. Opening an index costs ten times what the
 * delivery itself does, so a message to many only puts its file into each mailbox and notes it in
 * <dir>/_incoming; whoever opens the index next, in whatever process, adds the rows. The file is
 * written and read with the account's OFD lock. docs/adr/0021-incoming-file.md.
 *
 * Nothing is synced: as for other deliveries, the queue's journal has the messages until all this
 * is durable. The rows' transaction also keeps how far the file was read (table meta), so the file
 * may stay until that is durable, too, and nothing is added twice. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/hash.h"
#include "base/rand.h"
#include "log/log.h"
#include "mail/mailbox/mailbox_priv.h"
#include "mail/notify/notify.h"
#include "os/file.h"
#include "stats/shm.h"

enum {
    SEQ_BITS = 20, /* the rest of a number tells which file it is of */
    TELL_MS = 60000,
};

/* All of a file are valid unless the power was cut, or the disk was full. */
struct record {
    uint64_t seq, boot, key, size;
    int64_t date_s;
    uint64_t check;
};

static uint64_t check_of(const struct record *r)
{
    return fnv1a64(r, offsetof(struct record, check));
}

/* No account's directory has a name like this one (path.c). */
static char *file_path(const struct mailbox *m)
{
    return xasprintf("%s/_incoming", m->dir);
}

/* --- leaving --- */

/* What the next record's number is. E_LIMIT: the file takes no more, and the index has to be
 * opened: it is full, or not sound, or of an earlier boot. Power loss may have taken records from
 * its end that the index has, and their numbers must not come again. */
static int next_seq(const struct mailbox *m, int fd, size_t n, uint64_t *ret, off_t *ret_end)
{
    struct record last;
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    *ret_end = st.st_size;
    if (st.st_size == 0) {
        *ret = (rand_u64() | 1) << SEQ_BITS;
        return 0;
    }
    if (st.st_size % (off_t)sizeof(last) != 0 ||
        (size_t)st.st_size / sizeof(last) + n > INCOMING_MAX)
        return E_LIMIT;
    if (pread(fd, &last, sizeof(last), st.st_size - (off_t)sizeof(last)) != sizeof(last) ||
        last.check != check_of(&last) || last.boot != m->store->boot)
        return E_LIMIT;
    *ret = last.seq + 1;
    return 0;
}

static int note(const struct mailbox *m, const struct mailbox_add *adds, size_t n)
{
    _cleanup_(freep) char *path = file_path(m);
    _cleanup_(freep) struct record *v = xcalloc(n, sizeof(*v));
    _cleanup_(closep) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    uint64_t seq = 0;
    off_t end = 0;
    int r = fd < 0 ? -errno : next_seq(m, fd, n, &seq, &end);
    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++) {
        v[i] = (struct record){ .seq = seq + i,
                                .boot = m->store->boot,
                                .key = adds[i].key,
                                .size = adds[i].size,
                                .date_s = adds[i].internal_date_s };
        v[i].check = check_of(&v[i]);
    }
    r = os_pwrite_all(fd, v, n * sizeof(*v), end);
    if (r < 0 && ftruncate(fd, end) < 0)
        return r; /* the file's end is not sound then: the next one sees it */
    return r;
}

static bool within_quota(struct mailbox *m, const struct mailbox_add *adds, size_t n,
                         const struct mailbox_quota *quota)
{
    const struct lockpage *p = m->page;
    bool counted = usage_counted(m);
    uint64_t was = atomic_load(&p->used), bytes = was;
    if (!counted && (!quota || quota->mailbox == 0))
        return true;
    if (atomic_load(&p->boot) != m->store->boot ||
        atomic_load(&p->used_gen) != atomic_load(&p->gen))
        return false; /* not known without the index */
    for (size_t i = 0; i < n; i++)
        bytes += adds[i].size;
    if (quota && quota->mailbox > 0 && bytes > quota->mailbox)
        return false;
    if (counted)
        usage_mark(m);
    return !counted || !quota || usage_reserve(m, bytes, was, quota->domain);
}

static int find_sizes(struct mailbox_add *adds, size_t n)
{
    struct stat st;
    for (size_t i = 0; i < n; i++) {
        if (!adds[i].content.p && stat(adds[i].path, &st) < 0)
            return -errno;
        adds[i].size = adds[i].content.p ? adds[i].content.n : (uint64_t)st.st_size;
        if (adds[i].size > UINT32_MAX || adds[i].flags || adds[i].keywords)
            return E_UNSUPPORTED;
        adds[i].ret_uid = 0;
        adds[i].ret_duplicate = false;
        adds[i].ret_error = 0;
    }
    return 0;
}

/* The same order as in op_commit: who sees the new generation looks for what was left. */
static int note_for_all(struct mailbox *m, const struct mailbox_add *adds, size_t n)
{
    struct lockpage *p = m->page;
    uint64_t before = atomic_load(&p->gen), odd = before | 1, bytes = 0;
    bool counted = atomic_load(&p->used_gen) == before;
    for (size_t i = 0; i < n; i++)
        bytes += adds[i].size;
    atomic_store(&p->gen, odd);
    atomic_store(&p->incoming, 1);
    int r = note(m, adds, n);
    if (r == 0 && counted) {
        atomic_fetch_add(&p->used, bytes);
        atomic_store(&p->used_gen, odd + 1);
    }
    atomic_store(&p->gen, odd + 1);
    return r;
}

/* With the OFD lock. A file that is there already may be anything: that is for who has the index.
 */
static int leave_locked(struct mailbox *m, const struct mailbox_add *adds, size_t n,
                        const struct mailbox_quota *quota)
{
    size_t made = 0;
    if (!within_quota(m, adds, n, quota))
        return E_QUOTA;
    int r = 0;
    while (r == 0 && made < n) {
        r = blob_new(m, &adds[made]);
        made += r == 0;
    }
    if (r == 0)
        r = note_for_all(m, adds, n);
    while (r < 0 && made > 0)
        blob_drop(m, adds[--made].key);
    if (usage_counted(m))
        usage_set(m, atomic_load(&m->page->used));
    return r;
}

int incoming_leave(struct mailstore *s, int64_t account_id, const char *lower,
                   struct mailbox_add *adds, size_t n, const struct mailbox_quota *quota)
{
    _cleanup_(buf_done) struct buf dir = { .p = NULL };
    struct mailbox m = { .store = s, .account_id = account_id, .lock_fd = -1 };
    buf_init(&dir, 4000);
    if (mailstore_account_dir(&s->opts, sv_c(lower), &dir) < 0 || buf_terminate(&dir) < 0 ||
        find_sizes(adds, n) < 0)
        return 0;
    m.address = (char *)(uintptr_t)lower;
    m.dir = dir.p;
    if (page_open_locked(&m, NULL) < 0)
        return 0;
    int r = leave_locked(&m, adds, n, quota);
    page_close(&m); /* and with it the lock */
    if (r < 0)
        return 0;
    ctr_add(CTR_mailbox_messages_added, n);
    notify_changed(account_id, INBOX_ID, 0);
    return 1;
}

int mailbox_leave(struct mailstore *s, int64_t account_id, struct sv address,
                  struct mailbox_add *adds, size_t n, const struct mailbox_quota *quota)
{
    _cleanup_(freep) char *lower = sv_dup(address);
    for (char *p = lower; *p; p++)
        *p = ascii_lower(*p);
    if (store_has_open(s, sv_c(lower)))
        return 0;
    return incoming_leave(s, account_id, lower, adds, n, quota);
}

/* --- adding what was left --- */

struct waiting {
    struct record *v;
    size_t n;
    uint64_t last; /* number of the last one in the file */
};

static int read_up_to(struct op *o, uint64_t *ret, struct errinfo *ei)
{
    int64_t v = 0;
    int r = db_value(o->c, &v, ei, "SELECT COALESCE(MAX(v), 0) FROM meta WHERE k = 'incoming'", "");
    *ret = (uint64_t)v;
    return r;
}

/* The records that are not added yet. ret->v: heap. */
static int read_new(struct op *o, struct waiting *ret, struct errinfo *ei)
{
    _cleanup_(freep) char *path = file_path(o->m);
    _cleanup_(buf_done) struct buf b = { .p = NULL };
    uint64_t seen = 0;
    *ret = (struct waiting){ .n = 0 };
    buf_init(&b, MiB);
    int r = os_read_file(path, &b, ei);
    if (r == -ENOENT)
        return 0;
    if (r == 0)
        r = read_up_to(o, &seen, ei);
    if (r < 0)
        return r;
    ret->v = xcalloc(b.n / sizeof(*ret->v) + 1, sizeof(*ret->v));
    for (size_t at = 0; at + sizeof(*ret->v) <= b.n; at += sizeof(*ret->v)) {
        struct record *x = &ret->v[ret->n];
        memcpy(x, b.p + at, sizeof(*x));
        if (x->check != check_of(x) || (x->seq >> SEQ_BITS == seen >> SEQ_BITS && x->seq <= seen))
            continue;
        ret->last = x->seq;
        ret->n++;
    }
    return 0;
}

static int add_all(struct op *o, const struct waiting *w, struct errinfo *ei)
{
    _cleanup_(row_done) struct folder_row f = { .id = 0 };
    int r = row_load(o, INBOX_ID, &f, ei);
    if (r == 0)
        r = row_reserve_uids(o, &f, w->n, ei);
    for (size_t i = 0; r == 0 && i < w->n; i++)
        r = add_left(o, &f, w->v[i].key, w->v[i].size, w->v[i].date_s, ei);
    if (r == 0 && f.new_modseq > 0)
        r = row_save(o, &f, ei);
    if (r >= 0)
        r = db_run(o->c, ei, "INSERT OR REPLACE INTO meta(k, v) VALUES('incoming', ?)", "i",
                   (int64_t)w->last);
    return MIN(r, 0);
}

int incoming_add(struct op *o, struct errinfo *ei)
{
    struct waiting w;
    int r = read_new(o, &w, ei);
    if (r == 0 && w.n > 0)
        r = add_all(o, &w, ei);
    free(w.v);
    return r;
}

static int add_in_tx(struct op *o, const struct waiting *w, struct errinfo *ei)
{
    int64_t messages = 0;
    int r = db_begin(o->c, ei);
    if (r < 0)
        return r;
    r = add_all(o, w, ei);
    if (r == 0 && atomic_load(&o->m->page->used_gen) != 0) {
        r = usage_load(o, &o->used, &messages, ei);
        o->used_known = r == 0;
    }
    if (r == 0)
        return op_commit(o, ei);
    db_rollback(o->c);
    return r;
}

static void complain(struct mailbox *m, const char *why)
{
    int64_t now = clock_mono_ms();
    if (m->told_ms != 0 && now - m->told_ms < TELL_MS)
        return;
    m->told_ms = now;
    log_warn("mailbox %s: new messages cannot be added to the index yet: %s", m->address, why);
}

int incoming_settle(struct op *o)
{
    struct errinfo ei = { .text = "" };
    struct waiting w;
    int r = read_new(o, &w, &ei);
    if (r == 0 && w.n > 0)
        r = add_in_tx(o, &w, &ei);
    free(w.v);
    atomic_store(&o->m->page->incoming, r < 0);
    if (r < 0 && r != E_CORRUPT)
        complain(o->m, ei.text);
    return r == E_CORRUPT ? r : 0;
}

void incoming_drop(struct mailbox *m)
{
    _cleanup_(freep) char *path = file_path(m);
    if (atomic_load(&m->page->incoming) || access(path, F_OK) < 0)
        return;
    if (!(atomic_load(&m->page->synced_dirs) & PAGE_INDEX_SYNCED)) {
        if (os_fsync_dir(m->dir) < 0)
            return;
        atomic_fetch_or(&m->page->synced_dirs, PAGE_INDEX_SYNCED);
    }
    unlink(path);
}

void incoming_remove(const struct mailbox *m)
{
    _cleanup_(freep) char *path = file_path(m);
    unlink(path);
}
