/* The empty index. Made once per process by SQLite and then written as a file for each new account:
 * that is many times faster than letting SQLite make each one, with its syncs. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mail/mailbox/mailbox_priv.h"
#include "os/file.h"

const char index_schema[] =
    "CREATE TABLE meta(k TEXT PRIMARY KEY, v) WITHOUT ROWID;"
    "CREATE TABLE folder(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE,"
    " special_use TEXT NOT NULL, uidvalidity INTEGER NOT NULL, uidnext INTEGER NOT NULL,"
    " uid_ceiling INTEGER NOT NULL, recent_uid INTEGER NOT NULL, modseq INTEGER NOT NULL,"
    " flag_modseq INTEGER NOT NULL, gone_modseq INTEGER NOT NULL, gone_floor INTEGER NOT NULL,"
    " messages INTEGER NOT NULL, unseen INTEGER NOT NULL, bytes INTEGER NOT NULL,"
    " keywords TEXT NOT NULL);"
    "CREATE TABLE msg(folder_id INTEGER NOT NULL, uid INTEGER NOT NULL, flags INTEGER NOT NULL,"
    " size INTEGER NOT NULL, key INTEGER NOT NULL, modseq INTEGER NOT NULL,"
    " changed INTEGER NOT NULL, date INTEGER NOT NULL, parsed INTEGER NOT NULL,"
    " PRIMARY KEY(folder_id, uid)) WITHOUT ROWID;"
    "CREATE INDEX msg_key ON msg(key);"
    "CREATE INDEX msg_changed ON msg(folder_id, modseq) WHERE changed = 1;"
    "CREATE TABLE parsed(id INTEGER PRIMARY KEY, data BLOB NOT NULL);"
    "CREATE TABLE gone(folder_id INTEGER NOT NULL, modseq INTEGER NOT NULL, uids BLOB NOT NULL,"
    " PRIMARY KEY(folder_id, modseq)) WITHOUT ROWID;"
    "CREATE TABLE subscription(name TEXT PRIMARY KEY) WITHOUT ROWID;"
    "CREATE TABLE trash(key INTEGER PRIMARY KEY);"
    "CREATE TABLE handled(folder_id INTEGER NOT NULL, key INTEGER NOT NULL, at INTEGER NOT NULL,"
    " PRIMARY KEY(folder_id, key)) WITHOUT ROWID;";

static int build(const char *path, struct buf *ret, struct errinfo *ei)
{
    _cleanup_(freep) char *dsn = xasprintf("sqlite:%s?sync=off&single=1&lookaside=0", path);
    struct db *db = NULL;
    struct dbc *c = NULL;
    int r = db_open(dsn, &db, ei);
    if (r < 0)
        return r;
    r = db_get_writer(db, &c, ei);
    if (r == 0) {
        r = db_exec(c, index_schema, ei);
        if (r == 0)
            r = index_set_version(c, ei);
        if (r == 0)
            r = db_checkpoint(c, true, ei);
        db_put(c);
    }
    db_close(db);
    buf_init(ret, MiB);
    return r < 0 ? r : os_read_file(path, ret, ei);
}

/* With store->template_lock. In the directory that its owner empties: who is killed here leaves
 * nothing for good. */
static int make(struct mailstore *s, struct errinfo *ei)
{
    const char *temp = *s->opts.temp_dir ? s->opts.temp_dir : s->opts.root;
    _cleanup_(freep) char *dir = xasprintf("%s/.template-XXXXXX", temp);
    _cleanup_(buf_done) struct buf b = { .p = NULL };
    int made = os_mkdirs(temp, 0700, ei);
    if (made < 0)
        return made;
    if (!mkdtemp(dir))
        return err_set_errno(ei, -errno, "cannot make %.150s", dir);
    _cleanup_(freep) char *path = xasprintf("%s/index.db", dir);
    int r = build(path, &b, ei);
    os_remove_tree(dir, NULL);
    if (r == 0)
        s->template = buf_take(&b, &s->template_n);
    return r;
}

static int get(struct mailstore *s, struct errinfo *ei)
{
    pthread_mutex_lock(&s->template_lock);
    int r = s->template ? 0 : make(s, ei);
    pthread_mutex_unlock(&s->template_lock);
    return r;
}

/* An index that was there before may have left its WAL, which SQLite would take for the new one's.
 */
static int drop_old_wal(struct mailbox *m)
{
    _cleanup_(buf_done) struct buf wal = { .p = NULL }, shm = { .p = NULL };
    index_path(m, "-wal", &wal);
    index_path(m, "-shm", &shm);
    unlink(shm.p);
    if (unlink(wal.p) < 0)
        return errno == ENOENT ? 0 : -errno;
    return os_fsync_dir(m->dir);
}

static int place(struct mailbox *m, const char *path, const char *tmp)
{
    int r = drop_old_wal(m);
    _cleanup_(closep) int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    if (r == 0)
        r = os_write_all(fd, m->store->template, m->store->template_n);
    if (r == 0 && rename(tmp, path) < 0)
        r = -errno;
    if (r < 0)
        unlink(tmp);
    return r;
}

int template_place(struct mailbox *m, struct errinfo *ei)
{
    _cleanup_(buf_done) struct buf path = { .p = NULL }, tmp = { .p = NULL };
    struct stat st;
    int r = index_path(m, "", &path);
    if (r == 0)
        r = index_path(m, ".new", &tmp);
    if (r < 0)
        return err_set_errno(ei, r, "mailbox path %.100s", m->dir);
    if (stat(path.p, &st) == 0 && st.st_size > 0)
        return 0; /* an empty one is what power loss left of a new one */
    r = get(m->store, ei);
    if (r == 0 && (r = place(m, path.p, tmp.p)) < 0)
        err_set_errno(ei, r, "cannot make %.150s", path.p);
    return r;
}
