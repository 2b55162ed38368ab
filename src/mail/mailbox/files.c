/* An account's message files as a whole: walking them, removing them with the account. Only names
 * that are ours are touched: with alphabetical sorting other accounts' directories may lie between.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "mail/mailbox/mailbox_priv.h"

#define LEFTOVER_AGE_S 3600

/* "<16 hex>.eml.new" */
static bool is_leftover(const char *name)
{
    uint64_t key;
    char stem[21];
    if (strlen(name) != 24 || strcmp(name + 20, ".new") != 0)
        return false;
    memcpy(stem, name, 20);
    stem[20] = '\0';
    return blob_name_key(stem, &key);
}

static void remove_old(const char *path)
{
    struct stat st;
    if (stat(path, &st) == 0 && st.st_ctime + LEFTOVER_AGE_S < clock_wall_s())
        unlink(path);
}

static bool each_in_dir(const char *dir, bool clean, file_fn *fn, void *arg, int *ret)
{
    DIR *d = opendir(dir);
    bool more = true;
    if (!d) {
        *ret = errno == ENOENT ? 0 : -errno;
        return *ret == 0;
    }
    for (struct dirent *e; more && (e = readdir(d));) {
        _cleanup_(freep) char *path = xasprintf("%s/%s", dir, e->d_name);
        uint64_t key;
        if (blob_name_key(e->d_name, &key))
            more = fn(key, path, arg);
        else if (clean && is_leftover(e->d_name))
            remove_old(path);
    }
    closedir(d);
    return more;
}

int files_each(const struct mailbox *m, bool clean, file_fn *fn, void *arg)
{
    int r = 0;
    for (unsigned i = 0; i < BLOB_DIRS; i++) {
        _cleanup_(freep) char *dir = xasprintf("%s/msg/%02x", m->dir, i);
        if (!each_in_dir(dir, clean, fn, arg, &r))
            break;
    }
    return r;
}

static void remove_dir(const char *dir)
{
    DIR *d = opendir(dir);
    if (!d)
        return;
    for (struct dirent *e; (e = readdir(d));) {
        uint64_t key;
        if (blob_name_key(e->d_name, &key) || is_leftover(e->d_name))
            unlinkat(dirfd(d), e->d_name, 0);
    }
    closedir(d);
    rmdir(dir);
}

void files_remove_all(const struct mailbox *m)
{
    for (unsigned i = 0; i < BLOB_DIRS; i++) {
        _cleanup_(freep) char *dir = xasprintf("%s/msg/%02x", m->dir, i);
        remove_dir(dir);
    }
    _cleanup_(freep) char *msg = xasprintf("%s/msg", m->dir);
    rmdir(msg);
}
