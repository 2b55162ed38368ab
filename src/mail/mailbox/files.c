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
#define OLD_PARTS      16 /* of version 1 */

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

int files_each(const struct mailbox *m, bool clean, file_fn *fn, void *arg)
{
    _cleanup_(freep) char *dir = xasprintf("%s/msg", m->dir);
    DIR *d = opendir(dir);
    bool more = true;
    if (!d)
        return errno == ENOENT ? 0 : -errno;
    for (struct dirent *e; more && (e = readdir(d));) {
        _cleanup_(freep) char *path = xasprintf("%s/%s", dir, e->d_name);
        uint64_t key;
        if (blob_name_key(e->d_name, &key))
            more = fn(key, path, arg);
        else if (clean && is_leftover(e->d_name))
            remove_old(path);
    }
    closedir(d);
    return 0;
}

static bool remove_dir(const char *dir)
{
    DIR *d = opendir(dir);
    if (!d)
        return errno == ENOENT;
    for (struct dirent *e; (e = readdir(d));) {
        uint64_t key;
        if (blob_name_key(e->d_name, &key) || is_leftover(e->d_name))
            unlinkat(dirfd(d), e->d_name, 0);
    }
    closedir(d);
    return rmdir(dir) == 0;
}

void files_remove_all(const struct mailbox *m)
{
    _cleanup_(freep) char *dir = xasprintf("%s/msg", m->dir);
    if (!remove_dir(dir) && files_flatten(m, NULL) == 0)
        remove_dir(dir);
}

/* One that is there already came later. */
static int move_up(int part, const char *name, int msg)
{
    int r = faccessat(msg, name, F_OK, 0) == 0 ? unlinkat(part, name, 0)
                                               : renameat(part, name, msg, name);
    return r < 0 ? -errno : 0;
}

/* 1 = there was such a part. */
static int flatten_part(const char *path, int msg)
{
    DIR *d = opendir(path);
    int r = 0;
    if (!d)
        return errno == ENOENT ? 0 : -errno;
    for (struct dirent *e; r == 0 && (e = readdir(d));) {
        uint64_t key;
        if (blob_name_key(e->d_name, &key))
            r = move_up(dirfd(d), e->d_name, msg);
        else if (is_leftover(e->d_name))
            unlinkat(dirfd(d), e->d_name, 0);
    }
    closedir(d);
    if (r == 0)
        rmdir(path); /* stays when there is something in it that is not ours */
    return r < 0 ? r : 1;
}

int files_flatten(const struct mailbox *m, struct errinfo *ei)
{
    _cleanup_(freep) char *dir = xasprintf("%s/msg", m->dir);
    _cleanup_(closep) int msg = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (msg < 0 && errno == ENOENT)
        return 0;
    int r = msg < 0 ? -errno : 0, parts = 0;
    for (unsigned i = 0; r >= 0 && i < OLD_PARTS; i++) {
        _cleanup_(freep) char *part = xasprintf("%s/%02x", dir, i);
        r = flatten_part(part, msg);
        parts += r > 0;
    }
    if (r >= 0 && parts > 0 && fsync(msg) < 0) /* a new mailbox has none, and is not synced */
        r = -errno;
    return r < 0 ? err_set_errno(ei, r, "cannot move the messages in %.150s", dir) : 0;
}
