/* UIDVALIDITYs (RFC 3501 2.3.1.1). A store gives each one once, to one folder of one account, and
 * they only grow: what power loss made undone, and what was deleted, is made anew under a larger
 * one, however fast the machine comes back and whatever its clock says then. The time alone would
 * not do for that. It is a lower bound, so that a store whose file was lost goes on above.
 *
 * <root>/_uidvalidity holds the next one and a limit, which is on stable storage before the first
 * one below it is given: one sync for 4096 of them or, with the time running on, for an hour. After
 * a boot the limit is what goes on. A folder's name that was used before is in table meta of the
 * index, because RENAME brings a folder with the UIDVALIDITY that it has. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "log/log.h"
#include "mail/mailbox/mailbox_priv.h"
#include "os/file.h"

#define RECORD_MAGIC UINT64_C(0x3130767861426f54) /* "ToBaxv01" */
#define STEP         4096
/* A clock that is this wrong (the year 2097) must not use up what there is. */
#define LATEST_TIME INT64_C(0xf0000000)
#define KEEP_NAMES  200

/* Of 32 bytes at the begin of a file: a disk writes them as one. boot 0: limit is not known to be
 * durable, its writer was killed. */
struct record {
    uint64_t magic, boot, next, limit;
};

static int read_record(struct mailstore *s, struct record *ret)
{
    ssize_t n;
    do
        n = pread(s->validity_fd, ret, sizeof(*ret), 0);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    if (n != sizeof(*ret) || ret->magic != RECORD_MAGIC) {
        if (n > 0)
            log_error("mail store: %s/_uidvalidity is damaged; new folders are numbered by the "
                      "time",
                      s->opts.root);
        *ret = (struct record){ .magic = RECORD_MAGIC };
    }
    return 0;
}

static int write_record(struct mailstore *s, const struct record *rec)
{
    return os_pwrite_all(s->validity_fd, rec, sizeof(*rec), 0);
}

/* Others may be killed in the midst of it, too: they leave boot 0. */
static int reserve(struct mailstore *s, struct record *rec)
{
    bool first = rec->boot != s->boot;
    rec->boot = 0;
    rec->limit = MIN(rec->next + STEP, (uint64_t)UINT32_MAX + 1);
    int r = write_record(s, rec);
    if (r == 0 && fdatasync(s->validity_fd) < 0)
        r = -errno;
    if (r == 0 && first) /* the file may be new, and the store's directory */
        r = os_fsync_dir(s->opts.root);
    if (r == 0 && first && (r = os_fsync_parent(s->opts.root)) == -EACCES)
        r = 0; /* not ours: so it is somebody else's who made the store's directory */
    rec->boot = s->boot;
    return r;
}

static int take(struct mailstore *s, int64_t at_least, uint32_t *ret, struct errinfo *ei)
{
    struct record rec;
    int r = read_record(s, &rec);
    if (r < 0)
        return err_set_errno(ei, r, "cannot read %.150s/_uidvalidity", s->opts.root);
    bool resumed = rec.boot != s->boot;
    int64_t v = (int64_t)(resumed ? rec.limit : rec.next);
    v = MAX(MAX(v, at_least), MIN(MAX(clock_wall_s(), 1), LATEST_TIME));
    if (v > (int64_t)UINT32_MAX)
        return err_set(ei, E_LIMIT, "the mail store has no UIDVALIDITY left for a new folder");
    rec.next = (uint64_t)v;
    if (resumed || rec.next >= rec.limit)
        r = reserve(s, &rec);
    rec.next++;
    if (r == 0)
        r = write_record(s, &rec);
    if (r < 0)
        return err_set_errno(ei, r, "cannot write %.150s/_uidvalidity", s->opts.root);
    *ret = (uint32_t)v;
    return 0;
}

static int open_file(struct mailstore *s, struct errinfo *ei)
{
    if (s->validity_fd >= 0)
        return 0;
    _cleanup_(freep) char *path = xasprintf("%s/_uidvalidity", s->opts.root);
    s->validity_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return s->validity_fd < 0 ? err_set_errno(ei, -errno, "cannot open %.150s", path) : 0;
}

static int next(struct mailstore *s, int64_t at_least, uint32_t *ret, struct errinfo *ei)
{
    int r = open_file(s, ei);
    if (r < 0)
        return r;
    r = page_ofd_lock(s->validity_fd, F_WRLCK);
    if (r < 0)
        return err_set_errno(ei, r, "cannot lock %.150s/_uidvalidity", s->opts.root);
    r = take(s, at_least, ret, ei);
    page_ofd_lock(s->validity_fd, F_UNLCK);
    return r;
}

int validity_next(struct op *o, uint32_t *ret, struct errinfo *ei)
{
    struct mailstore *s = o->m->store;
    int64_t last = 0; /* an account that came from another store may be ahead of this one */
    int r = db_value(o->c, &last, ei, "SELECT v FROM meta WHERE k = 'uidvalidity'", "");
    if (r < 0 && r != E_NOTFOUND)
        return r;
    pthread_mutex_lock(&s->validity_lock);
    r = next(s, last + 1, ret, ei);
    pthread_mutex_unlock(&s->validity_lock);
    return r < 0 ? r
                 : db_run(o->c, ei, "INSERT OR REPLACE INTO meta(k, v) VALUES('uidvalidity', ?)",
                          "i", (int64_t)*ret);
}

/* The last KEEP_NAMES names are remembered one by one; a number for all that were left before. */
int validity_name_left(struct op *o, struct sv name, uint32_t uidvalidity, struct errinfo *ei)
{
    int64_t was = 0;
    int r = db_value(o->c, &was, ei, "SELECT COALESCE(MAX(v), 0) FROM meta WHERE k = 'was'", "");
    if (r < 0 || uidvalidity <= was)
        return r;
    r = db_run(o->c, ei, "INSERT OR REPLACE INTO meta(k, v) VALUES('was ' || ?, ?)", "vi", name,
               (int64_t)uidvalidity);
    if (r < 0)
        return r;
    r = db_value(o->c, &was, NULL,
                 "SELECT v FROM meta WHERE k > 'was ' AND k < 'was!' ORDER BY v DESC"
                 " LIMIT 1 OFFSET ?",
                 "i", (int64_t)KEEP_NAMES);
    if (r < 0)
        return r == E_NOTFOUND ? 0 : err_set(ei, r, "cannot look for earlier folder names");
    r = db_run(o->c, ei, "INSERT OR REPLACE INTO meta(k, v) VALUES('was', ?)", "i", was);
    return r < 0 ? r
                 : db_run(o->c, ei, "DELETE FROM meta WHERE k > 'was ' AND k < 'was!' AND v <= ?",
                          "i", was);
}

int validity_for_name(struct op *o, struct sv name, uint32_t *uidvalidity, struct errinfo *ei)
{
    int64_t was = 0;
    int r = db_value(o->c, &was, ei,
                     "SELECT COALESCE(MAX(v), 0) FROM meta WHERE k = 'was' OR k = 'was ' || ?", "v",
                     name);
    if (r == 0 && *uidvalidity < was) /* the same: it comes back to its own name */
        r = validity_next(o, uidvalidity, ei);
    return r;
}
