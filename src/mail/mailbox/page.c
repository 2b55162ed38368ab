/* The lock file of an account. Its OFD lock admits one writer over all processes; its first bytes
 * are mapped and tell readers in nanoseconds that nothing has changed. A removed account leaves
 * PAGE_REMOVED for those who still have the old file open. A writer that is killed leaves an odd
 * generation: readers then ask the index until the next change. */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "mail/mailbox/mailbox_priv.h"
#include "os/file.h"

#define PAGE_MAGIC UINT64_C(0x31307861426f5450) /* "PToBax01" */
#define PAGE_BYTES 4096
#define BOOT_ID    "/proc/sys/kernel/random/boot_id"

int page_boot_hash(uint64_t *ret, struct errinfo *ei)
{
    _cleanup_(buf_done) struct buf b = { .p = NULL };
    buf_init(&b, 128);
    int r = os_read_file(BOOT_ID, &b, NULL);
    if (r == 0 && b.n == 0)
        r = -ENODATA;
    if (r < 0)
        return err_set_errno(ei, r,
                             "cannot read " BOOT_ID ", without which power loss goes unnoticed and "
                             "UIDs would be given twice; mount /proc");
    uint64_t h = fnv1a64(b.p, b.n);
    *ret = h > 1 ? h : 2;
    return 0;
}

int page_ofd_lock(int fd, short type)
{
    struct flock fl = { .l_type = type, .l_whence = SEEK_SET };
    while (fcntl(fd, F_OFD_SETLKW, &fl) < 0) {
        if (errno != EINTR)
            return -errno;
    }
    return 0;
}

void page_close(struct mailbox *m)
{
    if (m->page)
        munmap(m->page, PAGE_BYTES);
    m->page = NULL;
    closep(&m->lock_fd);
}

static int map_file(struct mailbox *m)
{
    struct stat st;
    if (fstat(m->lock_fd, &st) < 0)
        return -errno;
    /* With blocks: a store into a hole would end the process when the disk is full. */
    if (st.st_size < PAGE_BYTES) {
        int e = posix_fallocate(m->lock_fd, 0, PAGE_BYTES);
        if (e != 0)
            return -e;
    }
    void *p = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, m->lock_fd, 0);
    if (p == MAP_FAILED)
        return -errno;
    m->page = p;
    if (m->page->magic != PAGE_MAGIC) {
        *m->page = (struct lockpage){ .gen = 2, .usage_slot = PAGE_SLOT_UNKNOWN };
        m->page->magic = PAGE_MAGIC;
    }
    return 0;
}

/* Who removes an account has the lock to the end: he was killed, or power loss brought the file
 * back. What he left must not become the next owner's. */
static int finish_removal(struct mailbox *m)
{
    return atomic_load(&m->page->incarnation) == PAGE_REMOVED ? remove_contents(m, NULL) : 1;
}

/* 1 = open and locked, 0 = the file was removed while we waited, or now: again. */
static int try_open(struct mailbox *m, const char *path)
{
    struct stat st;
    m->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (m->lock_fd < 0)
        return -errno;
    int r = page_ofd_lock(m->lock_fd, F_WRLCK);
    if (r == 0 && fstat(m->lock_fd, &st) < 0)
        r = -errno;
    if (r == 0 && st.st_nlink > 0) {
        r = map_file(m);
        if (r == 0)
            r = finish_removal(m);
    }
    if (r <= 0)
        page_close(m);
    return r;
}

int page_open_locked(struct mailbox *m, struct errinfo *ei)
{
    _cleanup_(freep) char *path = xasprintf("%s/lock", m->dir);
    for (int i = 0; i < 100; i++) {
        int r = try_open(m, path);
        if (r == -ENOENT)
            r = os_mkdirs(m->dir, 0700, NULL) < 0 ? r : 0;
        if (r < 0)
            return err_set_errno(ei, r, "mailbox lock file %.150s", path);
        if (r > 0)
            return 0;
    }
    return err_set(ei, E_TEMP, "mailbox of %.100s is being removed", m->address);
}

int page_open(struct mailbox *m, struct errinfo *ei)
{
    if (m->page)
        return 0;
    int r = page_open_locked(m, ei);
    if (r == 0)
        page_unlock(m);
    return r;
}

int page_lock(struct mailbox *m, struct errinfo *ei)
{
    int r = page_ofd_lock(m->lock_fd, F_WRLCK);
    if (r < 0)
        return err_set_errno(ei, r, "cannot lock the mailbox of %.100s", m->address);
    if (atomic_load(&m->page->incarnation) == PAGE_REMOVED) {
        page_unlock(m);
        return err_set(ei, E_NOTFOUND, "the mailbox of %.100s was removed", m->address);
    }
    return 0;
}

void page_unlock(struct mailbox *m)
{
    page_ofd_lock(m->lock_fd, F_UNLCK);
}
