/* Opening an account's index: schema, the uid ceiling after power loss, the rebuild of a damaged
 * index. All with the mailbox's op_lock and the account's OFD lock. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "conf/conf.h"
#include "log/log.h"
#include "mail/mailbox/mailbox_priv.h"
#include "os/file.h"

/* After power loss modseqs that clients saw may be lost: the next ones start well behind them. */
#define MODSEQ_JUMP "1000000"

int index_path(const struct mailbox *m, const char *suffix, struct buf *ret)
{
    buf_init(ret, 8192);
    int r = buf_addf(ret, "%s/index.db%s", m->dir, suffix);
    return r < 0 ? r : buf_terminate(ret);
}

char *index_dsn(const struct mailbox *m)
{
    return xasprintf("sqlite:%s/index.db?sync=normal&cache=64&lookaside=0&single=1&autockpt=0"
                     "&wal_nockpt_on_close=1&stmts=64&timeout_ms=10000",
                     m->dir);
}

/* Not through SQLite, so that nobody has to wait for a lock meanwhile. Without a WAL file a
 * checkpoint has synced everything. */
int index_sync_wal(const struct mailbox *m, struct errinfo *ei)
{
    _cleanup_(buf_done) struct buf path = { .p = NULL };
    if (index_path(m, "-wal", &path) < 0)
        return err_set(ei, -ENAMETOOLONG, "mailbox path %.100s", m->dir);
    _cleanup_(closep) int fd = open(path.p, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0 || fdatasync(fd) < 0)
        return err_set_errno(ei, -errno, "cannot sync %.150s", path.p);
    return 0;
}

/* A checkpoint makes the index grow, which a full disk does not allow; and expunged messages, which
 * would make room, go only after a sync. */
static int sync_file_system(const struct mailbox *m)
{
    _cleanup_(closep) int fd = open(m->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 || syncfs(fd) < 0 ? -errno : 0;
}

/* A new index was made without any sync, and opening it here to sync it would drop SQLite's locks
 * on it. A checkpoint syncs it, if no reader stands in its way. */
static int sync_new(struct mailbox *m, struct errinfo *ei)
{
    struct op o;
    int r = op_read(m, &o, ei);
    if (r < 0)
        return r;
    r = page_lock(m, ei);
    if (r == 0) {
        for (int i = 0; (r = db_checkpoint(o.c, false, ei)) == E_TEMP && i < 200; i++)
            usleep(5000);
        if (r == 0)
            r = os_fsync_dir(m->dir);
        else if (r == -ENOSPC)
            r = sync_file_system(m);
        if (r == 0)
            atomic_fetch_or(&m->page->synced_dirs, PAGE_INDEX_SYNCED);
        page_unlock(m);
    }
    return op_finish(&o, r, ei);
}

int index_sync(struct mailbox *m, struct errinfo *ei)
{
    if (!(atomic_load(&m->page->synced_dirs) & PAGE_INDEX_SYNCED)) {
        int r = sync_new(m, ei);
        if (r < 0)
            return r;
    }
    return index_sync_wal(m, ei);
}

void index_close(struct mailbox *m)
{
    if (!m->db)
        return;
    db_close(m->db);
    m->db = NULL;
    store_index_closed(m);
}

static int open_db(struct mailbox *m, struct dbc **ret, struct errinfo *ei)
{
    _cleanup_(freep) char *dsn = index_dsn(m);
    int r = template_place(m, ei);
    if (r == 0)
        r = db_open(dsn, &m->db, ei);
    if (r < 0)
        return r;
    r = db_get_writer(m->db, ret, ei);
    if (r < 0) {
        db_close(m->db);
        m->db = NULL;
    }
    return r;
}

static bool wal_lost(const struct mailbox *m)
{
    _cleanup_(buf_done) struct buf path = { .p = NULL };
    struct stat st;
    if (!atomic_load(&m->page->wal_dirty) || index_path(m, "-wal", &path) < 0)
        return false;
    return stat(path.p, &st) < 0 || st.st_size <= 32;
}

/* Uids below the ceiling may have been given to messages whose rows are lost now. */
static int raise_uids(struct op *o, struct errinfo *ei)
{
    int r = row_note_raise(o, ei);
    return r < 0 ? r
                 : db_run(o->c, ei,
                          "UPDATE folder SET uidnext = MAX(uidnext, uid_ceiling),"
                          " uid_ceiling = MAX(uidnext, uid_ceiling) + 1000, modseq = modseq "
                          "+ " MODSEQ_JUMP ", flag_modseq = modseq + " MODSEQ_JUMP
                          ", gone_modseq = modseq + " MODSEQ_JUMP
                          ", gone_floor = modseq + " MODSEQ_JUMP,
                          "");
}

/* A ceiling was in what is lost: no uid is safe. */
static int renumber(struct op *o, struct errinfo *ei)
{
    int64_t id = 0;
    int r = raise_uids(o, ei);
    while (r == 0 &&
           (r = db_value(o->c, &id, NULL, "SELECT id FROM folder WHERE id > ? ORDER BY id LIMIT 1",
                         "i", id)) == 0) {
        uint32_t v = 0;
        r = validity_next(o, &v, ei);
        if (r == 0)
            r = db_run(o->c, ei, "UPDATE folder SET uidvalidity = ? WHERE id = ?", "ii", (int64_t)v,
                       id);
    }
    return r == E_NOTFOUND ? 0 : r;
}

static int fill(struct op *o, struct errinfo *ei)
{
    int64_t inbox = 0;
    int r = folder_insert(o, SV("INBOX"), "", &inbox, ei);
    if (r == 0 && inbox != INBOX_ID)
        r = err_set(ei, E_DB, "new index of %.100s: INBOX has id %" PRId64, o->m->address, inbox);
    if (r == 0)
        r = folder_defaults(o, ei);
    if (r == 0)
        r = files_flatten(o->m, ei);
    if (r == 0) /* with their dates, which the files alone do not tell */
        r = incoming_add(o, ei);
    if (r == 0)
        r = verify_adopt_files(o, ei);
    return r;
}

int index_set_version(struct dbc *c, struct errinfo *ei)
{
    _cleanup_(freep) char *sql = xasprintf("PRAGMA user_version = %d", SCHEMA_VERSION);
    return db_exec(c, sql, ei);
}

static int upgrade(struct op *o, struct errinfo *ei)
{
    int r = files_flatten(o->m, ei);
    return r < 0 ? r : index_set_version(o->c, ei);
}

static int settle(struct op *o, int (*change)(struct op *o, struct errinfo *ei), struct errinfo *ei)
{
    int r = db_begin(o->c, ei);
    if (r < 0)
        return r;
    r = change(o, ei);
    o->pages += 20;
    if (r == 0)
        return op_commit(o, ei);
    db_rollback(o->c);
    return r;
}

/* Without any sync: a new mailbox would cost seven. Power loss then leaves it out or incomplete,
 * and it is made anew, with a larger UIDVALIDITY. There is no older WAL whose frames could get
 * mixed up with the new ones. */
static int settle_new(struct op *o, struct errinfo *ei)
{
    atomic_fetch_and(&o->m->page->synced_dirs, ~PAGE_INDEX_SYNCED);
    atomic_store(&o->m->page->raises, 0);
    int r = db_exec(o->c, "PRAGMA synchronous=OFF", ei);
    if (r == 0)
        r = settle(o, fill, ei);
    if (r == 0)
        r = db_exec(o->c, "PRAGMA synchronous=NORMAL", ei);
    atomic_fetch_add(&o->m->page->incarnation, 1); /* in case that there was one before */
    return r;
}

static int settle_after_loss(struct op *o, struct errinfo *ei)
{
    int r = settle(o, raise_uids, ei);
    return r < 0 ? r : row_sync_ceiling(o->m, ei);
}

/* The WAL was taken away within this boot: a copy of index.db alone, say. Mostly nothing of
 * importance was in it; but if a ceiling was raised in it, clients may have seen uids that come
 * back, and who has the mailbox open must open it again, as behind a rebuild. */
static int settle_without_wal(struct op *o, struct errinfo *ei)
{
    uint64_t known = 0;
    int r = row_raises(o->c, &known, ei);
    if (r < 0 || known == atomic_load(&o->m->page->raises))
        return r < 0 ? r : settle_after_loss(o, ei);
    log_error("mailbox %s: index.db-wal is missing, and with it the newest changes; the folders "
              "get new UIDVALIDITYs",
              o->m->address);
    r = settle(o, renumber, ei);
    atomic_fetch_add(&o->m->page->incarnation, 1);
    return r < 0 ? r : row_sync_ceiling(o->m, ei);
}

static int settle_after_boot(struct op *o, struct errinfo *ei)
{
    uint64_t known = 0;
    int r = row_raises(o->c, &known, ei);
    atomic_store(&o->m->page->raises, known);
    return r < 0 ? r : settle_after_loss(o, ei);
}

static int has_inbox(struct dbc *c, bool *ret, struct errinfo *ei)
{
    int64_t n = 0;
    int r = db_value(c, &n, ei, "SELECT EXISTS(SELECT 1 FROM folder WHERE id = ?)", "i",
                     (int64_t)INBOX_ID);
    *ret = n;
    return r;
}

/* Brings a just opened index up to date. */
static int prepare(struct mailbox *m, struct dbc *c, struct errinfo *ei)
{
    struct op o = { .m = m, .c = c, .write = true };
    bool rebooted = atomic_load(&m->page->boot) != m->store->boot;
    int64_t version = 0, trash = 0;
    bool filled = false;
    int r = db_value(c, &version, ei, "PRAGMA user_version", "");
    if (r == 0 && version > SCHEMA_VERSION) {
        return err_set(ei, E_UNSUPPORTED,
                       "the index of %.100s has version %" PRId64
                       ", this program knows %d: update it",
                       m->address, version, SCHEMA_VERSION);
    }
    if (r < 0)
        return r;
    if (version == 0)
        return err_set(ei, E_CORRUPT, "the index of %.100s has no tables", m->address);
    if (rebooted) { /* what is read now has come from disk */
        atomic_store(&m->page->synced_dirs, PAGE_INDEX_SYNCED);
        atomic_store(&m->page->used_gen, 0);
    }
    r = has_inbox(c, &filled, ei);
    if (r == 0 && !filled)
        r = settle_new(&o, ei);
    else if (r == 0 && rebooted)
        r = settle_after_boot(&o, ei);
    else if (r == 0 && wal_lost(m))
        r = settle_without_wal(&o, ei);
    if (r == 0 && version < SCHEMA_VERSION)
        r = settle(&o, upgrade, ei);
    if (r == 0)
        r = incoming_settle(&o);
    if (r < 0)
        return r;
    if (o.pages > 0 || rebooted) {
        atomic_store(&m->page->boot, m->store->boot);
        atomic_fetch_add(&m->wal_pages, 20);
        atomic_store(&m->last_write_ms, clock_mono_ms());
    }
    r = db_value(c, &trash, ei, "SELECT EXISTS(SELECT 1 FROM trash)", "");
    if (r == 0 && trash)
        atomic_store(&m->trash, true);
    return r;
}

static bool is_sound(struct dbc *c)
{
    struct db_stmt *s = NULL;
    bool ok = db_query(c, &s, NULL, "PRAGMA quick_check(1)", "") == 0 && db_step(s, NULL) == 1 &&
              sv_eq(db_col_text(s, 0), SV("ok"));
    db_resetp(&s);
    return ok;
}

static void move_aside(struct mailbox *m)
{
    _cleanup_(buf_done) struct buf from = { .p = NULL }, to = { .p = NULL }, wal = { .p = NULL },
                                   shm = { .p = NULL }, aside_wal = { .p = NULL };
    index_path(m, "", &from);
    index_path(m, ".corrupt", &to);
    index_path(m, "-wal", &wal);
    index_path(m, ".corrupt-wal", &aside_wal);
    index_path(m, "-shm", &shm);
    rename(from.p, to.p);
    if (rename(wal.p, aside_wal.p) < 0)
        unlink(aside_wal.p);
    unlink(shm.p);
    os_fsync_dir(m->dir); /* the old WAL must never come back beside the new index */
}

/* Every message goes to INBOX under a new UIDVALIDITY; folders and flags are lost. The old index
 * stays beside as index.db.corrupt. */
static int rebuild(struct mailbox *m, struct dbc **c, const char *why, struct errinfo *ei)
{
    log_error("mailbox %s: the index is damaged (%s); it is rebuilt from the message files, all "
              "messages go to INBOX; the old one is kept as %s/index.db.corrupt",
              m->address, why, m->dir);
    move_aside(m);
    atomic_fetch_add(&m->page->incarnation, 1);
    atomic_fetch_add(&m->page->gen, 2);
    int r = open_db(m, c, ei);
    return r < 0 ? r : prepare(m, *c, ei);
}

/* After the machine was started anew, too: an index that was young then was not synced, and may
 * lack pages that nobody reads for a while. */
static int open_sound(struct mailbox *m, struct dbc **c, struct errinfo *ei)
{
    struct errinfo why = { .text = "pages of it are not what they should be" };
    bool suspect = m->corrupt && m->incarnation == atomic_load(&m->page->incarnation);
    bool rebooted = atomic_load(&m->page->boot) != m->store->boot;
    int r = open_db(m, c, &why);
    if (r == 0 && (suspect || rebooted) && !is_sound(*c))
        r = E_CORRUPT;
    else if (r == 0)
        r = prepare(m, *c, &why);
    if (r == E_CORRUPT) {
        if (*c)
            db_put(*c);
        if (m->db)
            db_close(m->db);
        m->db = NULL;
        *c = NULL;
        return rebuild(m, c, why.text, ei);
    }
    return r < 0 ? err_set(ei, r, "%s", why.text) : 0;
}

int index_open(struct mailbox *m, struct errinfo *ei)
{
    struct dbc *c = NULL;
    int r = page_open(m, ei);
    if (r == 0)
        r = page_lock(m, ei);
    if (r < 0)
        return r;
    r = open_sound(m, &c, ei);
    if (c)
        db_put(c);
    if (r < 0 && m->db) {
        db_close(m->db);
        m->db = NULL;
    }
    m->incarnation = atomic_load(&m->page->incarnation);
    page_unlock(m);
    if (r < 0)
        return r;
    m->corrupt = false;
    atomic_store(&m->last_use_ms, clock_mono_ms());
    store_index_opened(m);
    return 0;
}
