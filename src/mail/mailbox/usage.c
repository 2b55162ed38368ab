/* What all mailboxes of a domain hold together, for domains that are counted: those of which the
 * file <mail>/_usage/<domain> is there. Each mailbox has a slot in it, mapped by every process,
 * with the bytes that it holds; their sum is read from memory. Slots hold amounts and not
 * differences, so nothing that happens to one of them stays: the next change of the mailbox puts it
 * right.
 *
 * A slot is written with the mailbox's OFD lock. Around a commit it is marked: a process that is
 * killed there leaves the mark, and a boot marks them all. Who counts the domain next
 * (mailstore_count) asks those mailboxes again. */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "mail/mailbox/mailbox_priv.h"
#include "os/file.h"

#define USAGE_MAGIC UINT64_C(0x31306573556f5450) /* "PToUse01" */
#define MARK        (UINT64_C(1) << 63)

enum {
    MAPPED = 16 * MiB, /* a million mailboxes; the file has what is used of it */
    STEP = 4096,
};

struct usage_page {
    uint64_t magic;
    _Atomic uint64_t boot;
    _Atomic uint64_t whole; /* 1 = each mailbox has a slot */
    _Atomic uint64_t n;     /* slots, free ones included; grows */
    struct usage_slot {
        _Atomic uint64_t key; /* hash of the address; 0 = free */
        _Atomic uint64_t bytes;
    } slots[];
};

struct usage {
    int fd;
    struct usage_page *page;
};

static struct sv domain_of(const char *address)
{
    const char *at = strrchr(address, '@');
    return sv_c(at ? at + 1 : "");
}

static uint64_t key_of(const char *address)
{
    uint64_t h = fnv1a64(address, strlen(address));
    return h ? h : 1;
}

/* --- the file --- */

static int file_path(const struct mailstore *s, struct sv domain, struct buf *ret)
{
    buf_init(ret, 4000);
    buf_addf(ret, "%s/_usage", s->opts.root);
    int r = path_component(ret, domain);
    return r < 0 ? r : buf_terminate(ret);
}

/* With blocks: a store into a hole would end the process when the disk is full. */
static int extend(int fd, off_t size)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    return st.st_size >= size ? 0 : -posix_fallocate(fd, 0, size);
}

/* With its lock. What was not written by this boot may have come to disk or not. */
static int settle_page(struct usage *u, uint64_t boot)
{
    struct usage_page *p = u->page;
    struct stat st;
    if (fstat(u->fd, &st) < 0)
        return -errno;
    uint64_t room = ((uint64_t)st.st_size - sizeof(*p)) / sizeof(p->slots[0]);
    if (p->magic != USAGE_MAGIC) {
        atomic_store(&p->n, 0);
        atomic_store(&p->whole, 0);
    } else if (atomic_load(&p->boot) != boot) {
        if (atomic_load(&p->n) > room)
            atomic_store(&p->n, room);
        for (uint64_t i = 0; i < atomic_load(&p->n); i++)
            atomic_fetch_or(&p->slots[i].bytes, MARK);
        atomic_store(&p->whole, 0);
    }
    atomic_store(&p->boot, boot);
    p->magic = USAGE_MAGIC;
    return 0;
}

static int open_page(struct usage *u, const char *path, bool create, uint64_t boot)
{
    u->fd = open(path, O_RDWR | O_CLOEXEC | (create ? O_CREAT : 0), 0600);
    int r = u->fd < 0 ? -errno : page_ofd_lock(u->fd, F_WRLCK);
    if (r < 0)
        return r;
    r = extend(u->fd, STEP);
    void *p = r < 0 ? MAP_FAILED : mmap(NULL, MAPPED, PROT_READ | PROT_WRITE, MAP_SHARED, u->fd, 0);
    if (r == 0 && p == MAP_FAILED)
        r = -errno;
    if (r == 0) {
        u->page = p;
        r = settle_page(u, boot);
    }
    page_ofd_lock(u->fd, F_UNLCK);
    return r;
}

static void usage_free(void *value)
{
    struct usage *u = value;
    if (u->page)
        munmap(u->page, MAPPED);
    closep(&u->fd);
    free(u);
}

void usage_close_all(struct mailstore *s)
{
    map_free(s->usages, usage_free);
}

/* A domain that is not counted costs a look for its file; one that is stays mapped. */
static int usage_find(struct mailstore *s, struct sv domain, bool create, struct usage **ret)
{
    _cleanup_(buf_done) struct buf path = { .p = NULL };
    int r = 0;
    pthread_mutex_lock(&s->usage_lock);
    struct usage *u = map_get(s->usages, domain);
    if (!u && (r = file_path(s, domain, &path)) == 0) {
        u = xcalloc(1, sizeof(*u));
        r = open_page(u, path.p, create, s->boot);
        if (r < 0) {
            usage_free(u);
            u = NULL;
        } else {
            map_put(s->usages, domain, u);
        }
    }
    pthread_mutex_unlock(&s->usage_lock);
    *ret = u;
    return r;
}

/* --- sums --- */

static uint64_t sum(const struct usage *u, bool *ret_marked)
{
    uint64_t bytes = 0, marks = 0, n = atomic_load(&u->page->n);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t v = atomic_load_explicit(&u->page->slots[i].bytes, memory_order_relaxed);
        bytes += v & ~MARK;
        marks |= v;
    }
    *ret_marked = marks & MARK;
    return bytes;
}

int mailstore_domain_usage(struct mailstore *s, struct sv domain, uint64_t *ret)
{
    struct usage *u;
    bool marked;
    int r = usage_find(s, domain, false, &u);
    if (r < 0)
        return r == -ENOENT ? E_NOTFOUND : r;
    *ret = sum(u, &marked);
    return 0;
}

bool mailstore_domain_full(struct mailstore *s, struct sv domain, uint64_t quota, uint64_t more)
{
    uint64_t used = 0;
    return quota > 0 && mailstore_domain_usage(s, domain, &used) == 0 && used + more > quota;
}

bool mailbox_domain_full(struct mailbox *m, uint64_t quota, uint64_t more)
{
    return mailstore_domain_full(m->store, domain_of(m->address), quota, more);
}

/* --- a mailbox's slot --- */

/* With the mailbox's OFD lock. That its domain is not counted is known from its page: the file is
 * looked for once by each new page, and by who counts the domain. */
static struct usage *usage_of(struct mailbox *m)
{
    if (m->usage || !atomic_load(&m->page->usage_slot))
        return m->usage;
    if (usage_find(m->store, domain_of(m->address), false, &m->usage) == -ENOENT)
        atomic_store(&m->page->usage_slot, 0);
    return m->usage;
}

static struct usage_slot *slot_find(const struct usage *u, uint64_t key)
{
    uint64_t n = atomic_load(&u->page->n);
    for (uint64_t i = 0; i < n; i++)
        if (atomic_load_explicit(&u->page->slots[i].key, memory_order_relaxed) == key)
            return &u->page->slots[i];
    return NULL;
}

/* NULL: a domain of a million, or a full disk. */
static struct usage_slot *slot_new(struct mailstore *s, struct usage *u, uint64_t key)
{
    struct usage_slot *found = NULL;
    pthread_mutex_lock(&s->usage_lock);
    if (page_ofd_lock(u->fd, F_WRLCK) == 0) {
        uint64_t n = atomic_load(&u->page->n);
        size_t end = sizeof(*u->page) + (n + 1) * sizeof(*found);
        found = slot_find(u, 0);
        if (!found && end <= MAPPED && extend(u->fd, (off_t)((end + STEP - 1) / STEP * STEP)) == 0)
            found = &u->page->slots[n];
        if (found) {
            atomic_store(&found->bytes, MARK);
            atomic_store(&found->key, key);
        }
        if (found == &u->page->slots[n])
            atomic_store(&u->page->n, n + 1);
        page_ofd_lock(u->fd, F_UNLCK);
    }
    pthread_mutex_unlock(&s->usage_lock);
    return found;
}

/* With the mailbox's OFD lock; its page remembers where the slot is. */
static struct usage_slot *slot_of(struct mailbox *m, bool make)
{
    struct usage *u = usage_of(m);
    uint64_t key = key_of(m->address);
    if (!u)
        return NULL;
    uint64_t at = atomic_load(&m->page->usage_slot);
    if (at > 0 && at <= atomic_load(&u->page->n) && atomic_load(&u->page->slots[at - 1].key) == key)
        return &u->page->slots[at - 1];
    struct usage_slot *slot = slot_find(u, key);
    if (!slot && make)
        slot = slot_new(m->store, u, key);
    if (slot)
        atomic_store(&m->page->usage_slot, (uint64_t)(slot - u->page->slots) + 1);
    return slot;
}

bool usage_counted(struct mailbox *m)
{
    return usage_of(m) != NULL;
}

void usage_mark(struct mailbox *m)
{
    struct usage_slot *slot = slot_of(m, true);
    if (slot)
        atomic_fetch_or(&slot->bytes, MARK);
}

void usage_set(struct mailbox *m, uint64_t bytes)
{
    struct usage_slot *slot = slot_of(m, true);
    if (slot)
        atomic_store(&slot->bytes, bytes & ~MARK);
}

bool usage_reserve(struct mailbox *m, uint64_t bytes, uint64_t was, uint64_t quota)
{
    struct usage_slot *slot = quota > 0 ? slot_of(m, true) : NULL;
    bool marked;
    if (!slot)
        return true;
    atomic_store(&slot->bytes, bytes | MARK);
    if (sum(m->usage, &marked) <= quota)
        return true;
    atomic_store(&slot->bytes, was | MARK);
    return false;
}

void usage_forget(struct mailbox *m)
{
    struct usage_slot *slot = slot_of(m, false);
    if (!slot)
        return;
    atomic_store(&slot->bytes, 0);
    atomic_store(&slot->key, 0);
}

/* --- counting a domain --- */

int mailstore_count_begin(struct mailstore *s, struct sv domain, struct errinfo *ei)
{
    _cleanup_(freep) char *dir = xasprintf("%s/_usage", s->opts.root);
    struct usage *u;
    bool marked;
    int r = os_mkdirs(dir, 0700, ei);
    if (r == 0 && (r = usage_find(s, domain, true, &u)) < 0)
        err_set_errno(ei, r, "cannot write %.100s/" SV_FMT, dir, SV_ARG(domain));
    if (r < 0)
        return r;
    sum(u, &marked);
    return marked || !atomic_load(&u->page->whole);
}

int mailstore_count(struct mailstore *s, int64_t account_id, struct sv address, struct errinfo *ei)
{
    _cleanup_(buf_done) struct buf dir = { .p = NULL };
    _cleanup_(mailbox_unrefp) struct mailbox *m = NULL;
    struct usage *u;
    struct op o;
    buf_init(&dir, 4000);
    int r = mailstore_account_dir(&s->opts, address, &dir);
    if (r == 0)
        r = buf_terminate(&dir);
    if (r < 0 || access(dir.p, F_OK) < 0)
        return r;
    _cleanup_(freep) char *text = sv_dup(address);
    for (char *p = text; *p; p++)
        *p = ascii_lower(*p);
    if ((r = usage_find(s, domain_of(text), false, &u)) < 0)
        return err_set_errno(ei, r, "%.200s: its domain is not counted", text);
    const struct usage_slot *slot = slot_find(u, key_of(text));
    if (slot && !(atomic_load(&slot->bytes) & MARK))
        return 0;
    r = mailbox_open(s, account_id, address, &m, ei);
    if (r == 0)
        r = op_write(m, &o, ei);
    if (r < 0)
        return r;
    m->usage = u;
    return op_finish(&o, 0, ei); /* the commit counts it */
}

void mailstore_count_end(struct mailstore *s, struct sv domain)
{
    struct usage *u;
    if (usage_find(s, domain, false, &u) == 0)
        atomic_store(&u->page->whole, 1);
}
