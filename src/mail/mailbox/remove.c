/* Removal of an account's whole mailbox. Other processes may have it open: the page of the lock
 * file tells them, and the file itself goes last, so that a new mailbox of the same address cannot
 * be mixed up with the old. */
#include <sys/stat.h>
#include <unistd.h>

#include "mail/mailbox/mailbox_priv.h"
#include "os/file.h"

static void remove_index(const struct mailbox *m)
{
    static const char *const suffixes[] = {
        "", "-wal", "-shm", ".new", ".corrupt", ".corrupt-wal"
    };
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        _cleanup_(buf_done) struct buf path = { .p = NULL };
        if (index_path(m, suffixes[i], &path) == 0)
            unlink(path.p);
    }
    os_fsync_dir(m->dir); /* the WAL must not come back beside a new index */
}

/* The account's directory and the groups above it, as far as they are empty. */
static void remove_dirs(const struct mailbox *m)
{
    _cleanup_(freep) char *dir = xstrdup(m->dir);
    size_t root = strlen(m->store->opts.root);
    while (strlen(dir) > root && rmdir(dir) == 0) {
        char *slash = strrchr(dir, '/');
        if (!slash)
            break;
        *slash = '\0';
    }
}

int remove_contents(struct mailbox *m, struct errinfo *ei)
{
    _cleanup_(freep) char *lock = xasprintf("%s/lock", m->dir);
    remove_index(m);
    incoming_remove(m);
    usage_forget(m);
    files_remove_all(m);
    return unlink(lock) < 0 ? err_set_errno(ei, -errno, "cannot remove %.150s", lock) : 0;
}

static int remove_locked(struct mailbox *m, struct errinfo *ei)
{
    struct stat st;
    index_close(m);
    if (stat(m->dir, &st) < 0)
        return errno == ENOENT ? 0 : err_set_errno(ei, -errno, "mailbox %.150s", m->dir);
    int r = page_open(m, ei);
    if (r == 0)
        r = page_lock(m, ei);
    if (r < 0)
        return r == E_NOTFOUND ? 0 : r;
    atomic_fetch_or(&m->page->gen, 1);
    atomic_store(&m->page->incarnation, PAGE_REMOVED);
    atomic_fetch_add(&m->page->gen, 1);
    r = remove_contents(m, ei);
    page_unlock(m);
    remove_dirs(m);
    return r;
}

int mailstore_remove(struct mailstore *s, struct sv address, struct errinfo *ei)
{
    _cleanup_(mailbox_unrefp) struct mailbox *m = store_take(s, 0, address, ei);
    if (!m)
        return E_RANGE;
    store_detach(m);
    pthread_mutex_lock(&m->op_lock);
    int r = remove_locked(m, ei);
    atomic_store(&m->trash, false);
    atomic_store(&m->wal_pages, 0);
    pthread_mutex_unlock(&m->op_lock);
    return r;
}
