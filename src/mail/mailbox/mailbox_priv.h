/* Inside of the mail store: the store (all accounts of this process), one account's mailbox, the
 * page that processes share about an account, and the operation (one transaction or read).
 *
 * Locks, outermost first: mailbox.op_lock (the index connection and the account's OFD lock; held
 * while SQLite or the disk works), mailstore.lock (tables of the store; never held while blocking),
 * snapcache.lock (the snapshots of one account). */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "db/db.h"
#include "mail/mailbox/mailbox.h"

struct map;

/* First bytes of <account dir>/lock, mapped by every process that has the account open. After power
 * loss its content is worthless and recognised by `boot`. */
struct lockpage {
    uint64_t magic;
    _Atomic uint64_t boot; /* hash of the kernel's boot id that the rest is about */
    _Atomic uint64_t gen;  /* odd while a change is under way; even: grows with each change */
    _Atomic uint64_t incarnation;      /* of index.db: changes when it is rebuilt; PAGE_REMOVED */
    _Atomic uint64_t wal_dirty;        /* 1 = the WAL holds commits that index.db lacks */
    _Atomic uint64_t synced_dirs;      /* PAGE_..._SYNCED */
    _Atomic uint64_t raises;           /* of uid_ceilings; the index has the number, too */
    _Atomic uint64_t ceiling_unsynced; /* 1 = the last one may not be durable */
    _Atomic uint64_t incoming;         /* 1 = messages were left that the index may lack */
    _Atomic uint64_t used, used_gen; /* bytes in all folders, as of that generation; 0 = unknown */
    _Atomic uint64_t usage_slot;     /* where its slot may be (usage.c), from 1 on; 0 = has none */
};
#define PAGE_SLOT_UNKNOWN UINT64_MAX
#define PAGE_REMOVED      UINT64_MAX
#define PAGE_DIR_SYNCED   (UINT64_C(1) << 63) /* msg and what leads to it have durable entries */
#define PAGE_INDEX_SYNCED (UINT64_C(1) << 62) /* index.db itself was synced since it was made */

struct snapcache;
struct usage;

struct mailstore {
    struct mailstore_opts opts; /* strings owned */
    uint64_t boot;
    unsigned max_open;             /* mailbox.open_indexes */
    pthread_mutex_t template_lock; /* guards the next two until they are set; then constant */
    char *template;                /* an empty index.db */
    size_t template_n;
    pthread_mutex_t validity_lock; /* guards the next; innermost, as is the file's OFD lock */
    int validity_fd;               /* -1 before the first use */
    pthread_mutex_t usage_lock;    /* guards the next; held while the files of usage.c are opened */
    struct map *usages;            /* domain -> struct usage, to the end */
    pthread_mutex_t lock;          /* guards all below */
    struct map *by_address;
    struct list all;    /* struct mailbox.all_link */
    struct list unused; /* struct mailbox.unused_link with refs == 0, least recently used first */
    struct list open;   /* struct mailbox.open_link with an open index */
    unsigned n_unused, n_open;
    bool stop, thread_idle; /* idle: waits without a time limit */
    pthread_cond_t wake;
    pthread_t thread; /* maintenance */
};

struct mailbox {
    struct mailstore *store;
    char *address, *dir;
    int64_t account_id;
    /* store->lock */
    unsigned refs;
    bool detached; /* no longer in by_address */
    struct list all_link, unused_link, open_link;
    /* op_lock */
    pthread_mutex_t op_lock;
    int lock_fd;           /* -1 before the first use */
    struct lockpage *page; /* mapped; constant once set */
    struct db *db;         /* NULL = index closed */
    uint64_t incarnation;  /* of the open index */
    uint64_t born;         /* the incarnation that this mailbox is of; constant when ready */
    struct usage *usage;   /* NULL = the domain is not counted, as far as is known */
    bool corrupt;          /* SQLite says so: the next operation rebuilds */
    int64_t told_ms;       /* that messages wait which cannot be added; 0 = never */
    /* written under op_lock, read without it */
    atomic_bool ready;               /* was opened once: page and born are set */
    atomic_uint_least32_t wal_pages; /* estimate of what was written since the last checkpoint */
    atomic_int_least64_t last_use_ms, last_write_ms;
    atomic_bool trash;       /* table trash may have rows */
    struct snapcache *snaps; /* constant */
};

/* store.c */
struct mailbox *store_ref_locked(struct mailbox *m); /* with store->lock */
struct mailbox *store_take(struct mailstore *s, int64_t account_id, struct sv address,
                           struct errinfo *ei);
void store_detach(struct mailbox *m); /* the next mailbox_open of the address makes a new one */
void store_wake(struct mailstore *s);
void store_index_opened(
    struct mailbox *m); /* with m->op_lock; closes another one when there are too many */
void store_index_closed(struct mailbox *m);
bool store_has_open(struct mailstore *s,
                    struct sv lower); /* the address's index, in this process */

/* path.c */
int path_component(struct buf *ret, struct sv s); /* appends "/name"; E_RANGE */
void blob_name(uint64_t key, char ret[24]);       /* "<16 hex>.eml" */
char *blob_path(const struct mailbox *m, uint64_t key);
bool blob_name_key(const char *name, uint64_t *ret); /* the reverse; false for other names */

/* page.c: the lock file and its page */
int page_boot_hash(uint64_t *ret, struct errinfo *ei);
int page_open(struct mailbox *m, struct errinfo *ei);        /* with op_lock */
int page_open_locked(struct mailbox *m, struct errinfo *ei); /* of a page that is not open: leaves
                                                                the OFD lock to the caller */
void page_close(struct mailbox *m);
int page_lock(struct mailbox *m,
              struct errinfo *ei); /* OFD lock; E_NOTFOUND when the account was removed */
void page_unlock(struct mailbox *m);
int page_ofd_lock(int fd, short type); /* F_WRLCK (waits) or F_UNLCK, of the whole file */

/* index.c */
#define INBOX_ID 1
int index_open(struct mailbox *m, struct errinfo *ei); /* with op_lock; creates, repairs */
void index_close(struct mailbox *m);                   /* with op_lock */
int index_path(const struct mailbox *m, const char *suffix, struct buf *ret);
/* All commits so far are on stable storage after this. Waits for no lock, but the first time: not
 * within an op. */
int index_sync(struct mailbox *m, struct errinfo *ei);
/* Enough where the loss of a new index does no harm; no lock needed. */
int index_sync_wal(const struct mailbox *m, struct errinfo *ei);
char *index_dsn(const struct mailbox *m);
int index_set_version(struct dbc *c, struct errinfo *ei); /* to SCHEMA_VERSION */

/* template.c */
#define SCHEMA_VERSION 2
extern const char index_schema[];
int template_place(struct mailbox *m,
                   struct errinfo *ei); /* index.db, when it is missing; with the OFD lock */

/* validity.c */
struct op;
/* One that no folder of the store had before, larger than all of them. */
int validity_next(struct op *o, uint32_t *ret, struct errinfo *ei);
/* A folder that had this name is deleted or renamed. */
int validity_name_left(struct op *o, struct sv name, uint32_t uidvalidity, struct errinfo *ei);
/* An existing folder takes the name: replaces its UIDVALIDITY when the name had a larger one. */
int validity_for_name(struct op *o, struct sv name, uint32_t *uidvalidity, struct errinfo *ei);

/* op.c */
#define OP_MAX_CHANGED 4
struct op {
    struct mailbox *m;
    struct dbc *c;
    bool write, locked;
    uint32_t pages; /* estimate for wal_pages */
    bool trashed;
    bool used_known; /* used: bytes in all folders behind this change */
    int64_t used;
    bool was_known; /* was: the same before it */
    int64_t was;
    unsigned n_changed;
    int64_t changed[OP_MAX_CHANGED]; /* folders to notify */
};
int op_read(struct mailbox *m, struct op *o, struct errinfo *ei);
/* A read of several statements that must see one state. */
int op_read_tx(struct mailbox *m, struct op *o, struct errinfo *ei);
int op_write(struct mailbox *m, struct op *o, struct errinfo *ei);
/* Ends the operation: r < 0 rolls back, else commits. Unlocks, tells the waiting
 * sessions. Returns r or the error of the commit. */
int op_finish(struct op *o, int r, struct errinfo *ei);
/* Commits what is done so far and goes on in a new transaction. */
int op_restart(struct op *o, struct errinfo *ei);
int op_commit(struct op *o, struct errinfo *ei); /* of a transaction that op_write did not begin */
void op_changed(struct op *o, int64_t folder_id);

/* row.c: a folder's row */
struct folder_row {
    int64_t id;
    uint32_t uidvalidity, uidnext, uid_ceiling, recent_uid;
    uint64_t modseq;      /* of the newest change */
    uint64_t flag_modseq; /* of the newest change of flags */
    uint64_t gone_modseq; /* of the newest expunge */
    uint64_t gone_floor;  /* expunges up to this modseq are forgotten */
    int64_t messages, unseen, bytes;
    struct buf keywords; /* names separated by one space */
    uint64_t new_modseq; /* set by row_touch: the modseq of this operation */
    bool keywords_changed;
};
int row_load(struct op *o, int64_t folder_id, struct folder_row *f,
             struct errinfo *ei); /* E_NOTFOUND */
void row_done(struct folder_row *f);
uint64_t row_touch(struct op *o, struct folder_row *f); /* this operation's modseq for the folder */
int row_save(struct op *o, struct folder_row *f, struct errinfo *ei);
/* Makes sure that n uids may be given; may commit and begin anew, so before any
 * change. */
int row_reserve_uids(struct op *o, struct folder_row *f, size_t n, struct errinfo *ei);
/* For each transaction that raises a uid_ceiling; behind its commit, before the first uid is seen,
 * the sync. A process that is killed in between leaves a mark for the next writer. */
int row_note_raise(struct op *o, struct errinfo *ei);
int row_sync_ceiling(struct mailbox *m, struct errinfo *ei);
int row_raises(struct dbc *c, uint64_t *ret, struct errinfo *ei); /* that the index knows of */
/* Bit of a keyword, added to the list when `add`. E_NOTFOUND, E_LIMIT, E_RANGE (not
 * an atom). */
int row_keyword(struct folder_row *f, struct sv name, bool add, uint64_t *ret_bit,
                struct errinfo *ei);
unsigned keyword_count(struct sv list);

/* gone.c: sets of expunged uids, sorted, as a compact text of ranges */
int gone_encode(const uint32_t *uids, size_t n, struct buf *out);
struct gone_range {
    uint32_t lo, hi;
};
bool gone_next(struct sv *in, struct gone_range *r); /* r: zeroed before the first call */
int gone_record(struct op *o, struct folder_row *f, const uint32_t *uids, size_t n,
                struct errinfo *ei);

/* parsed.c */
struct mailbox_parsed {
    size_t n;
    char data[];
};
void parsed_split(struct sv data, struct msg_row *ret);
struct mailbox_parsed *parsed_from_file(const char *path);

/* blob.c */
/* Makes the file of a->key from a's content or path. A file that is there (left by a
 * crash) is replaced at once with `replace`, else when it turns up. durable: the
 * content is synced. */
int blob_put(struct mailbox *m, const struct mailbox_add *a, bool replace, bool durable,
             struct errinfo *ei);
int blob_new(struct mailbox *m, const struct mailbox_add *a); /* -EEXIST; not synced */
int blob_sync(struct mailbox *m, struct errinfo *ei);         /* the directory entries of all */
/* 1 = the stored file has exactly a's content, 0 = it has not, or is missing. */
int blob_matches(struct mailbox *m, const struct mailbox_add *a);
int blob_size(const struct mailbox *m, uint64_t key, uint64_t *ret); /* E_NOTFOUND */
int blob_drop(struct mailbox *m, uint64_t key);

/* A message's row of table msg without the folder's part. */
struct msg_data {
    uint32_t uid;
    uint64_t key, flags, size;
    int64_t parsed_id, date;
};

/* add.c */
/* Inserts a row with the folder's next uid, which the caller has reserved. */
int msg_insert(struct op *o, struct folder_row *f, const struct msg_data *g, struct errinfo *ei);
/* Adds a message whose file is in place already (verify, rebuild). */
int add_adopt(struct op *o, struct folder_row *f, uint64_t key, struct errinfo *ei);
/* Adds a message that was left with its file, as mailbox_add would: not twice, not when the user
 * has dealt with it. Without its file it is none: power loss took that, and the delivery is
 * repeated. */
int add_left(struct op *o, struct folder_row *f, uint64_t key, uint64_t size, int64_t date_s,
             struct errinfo *ei);

/* usage.c: what the domain holds; all with the account's OFD lock but the first. Nothing happens to
 * mailboxes of domains that are not counted. */
void usage_close_all(struct mailstore *s);
bool usage_counted(struct mailbox *m);
void usage_mark(struct mailbox *m); /* its bytes are about to change */
void usage_set(struct mailbox *m, uint64_t bytes);
/* Before a change to so many bytes, from `was`: false when the domain would hold more than quota
 * (0 = any amount) with it. */
bool usage_reserve(struct mailbox *m, uint64_t bytes, uint64_t was, uint64_t quota);
void usage_forget(struct mailbox *m);

/* incoming.c: all with the account's OFD lock but the first */
#define INCOMING_MAX 256 /* messages that wait at most */
/* mailbox_leave, whoever has the index open here. */
int incoming_leave(struct mailstore *s, int64_t account_id, const char *lower,
                   struct mailbox_add *adds, size_t n, const struct mailbox_quota *quota);
int incoming_add(struct op *o, struct errinfo *ei); /* what waits; within a transaction */
/* The same in a transaction of its own. What cannot be done now (a full disk) waits on, and is
 * logged; people can read on. Returns 0 or E_CORRUPT. */
int incoming_settle(struct op *o);
void incoming_drop(struct mailbox *m); /* the file, when the index is durable as it is */
void incoming_remove(const struct mailbox *m);

/* expunge.c */
/* Collects messages in uid order: those of uids (sorted; NULL = all) behind
 * after_uid that have all flags of `having`; at most max. */
int msgs_collect(struct op *o, int64_t folder_id, const uint32_t *uids, size_t n, uint64_t having,
                 uint32_t after_uid, size_t max, struct msg_data **ret, size_t *ret_n,
                 struct errinfo *ei);
/* Removes rows (sorted by uid) from f and its sums; drop_blobs: with the contents
 * that only they held. The caller saves f. */
int msgs_remove(struct op *o, struct folder_row *f, const struct msg_data *g, size_t n,
                bool drop_blobs, struct errinfo *ei);

/* handled.c: messages that left the folder by the user's will, so that a delivery that is repeated
 * does not bring them back. has: 1 = yes. */
int handled_record(struct op *o, const struct folder_row *f, const struct msg_data *g, size_t n,
                   struct errinfo *ei);
int handled_has(struct op *o, int64_t folder_id, uint64_t key, struct errinfo *ei);

/* copy.c */
int msgs_move_all(struct op *o, struct folder_row *from, struct folder_row *to, struct errinfo *ei);

/* folder.c */
/* Checks and normalises a folder name into ret. */
int folder_name(struct sv name, struct buf *ret, struct errinfo *ei);
int folder_insert(struct op *o, struct sv name, const char *special_use, int64_t *ret_id,
                  struct errinfo *ei);
/* The folder and its missing parents, within the limit of folders. E_EXISTS,
 * E_LIMIT. */
int folder_create_path(struct op *o, struct sv name, const char *special_use, int64_t *ret_id,
                       struct errinfo *ei);
int folder_defaults(struct op *o, struct errinfo *ei);
/* NULL when it limits nothing. */
static inline const struct mailbox_quota *quota_set(const struct mailbox_quota *q)
{
    return q && (q->mailbox > 0 || q->domain > 0) ? q : NULL;
}
/* E_QUOTA: with so much more there would be too much in the mailbox, or in its domain. quota: NULL
 * = none. Of a write, behind which the mailbox holds `used` so far. */
int quota_check(struct op *o, const struct mailbox_quota *quota, int64_t used, uint64_t more,
                struct errinfo *ei);
int usage_load(struct op *o, int64_t *ret_bytes, int64_t *ret_messages, struct errinfo *ei);

/* snap.c */
struct snapcache *snapcache_new(void);
void snapcache_unref(struct snapcache *sc);

/* maintain.c */
void maintain_start(struct mailstore *s);
void maintain_stop(struct mailstore *s);
int maintain_trash(struct mailbox *m, struct errinfo *ei);

/* files.c: walks an account's message files */
typedef bool file_fn(uint64_t key, const char *path, void *arg);
/* Calls fn for each message file; leftovers of interrupted writes are removed when
 * `clean`. */
int files_each(const struct mailbox *m, bool clean, file_fn *fn, void *arg);
void files_remove_all(const struct mailbox *m);
/* With the OFD lock. Up to version 1 of the index the files lay in 16 directories, msg/00 to
 * msg/0f: moves them to msg, durably. */
int files_flatten(const struct mailbox *m, struct errinfo *ei);

/* remove.c: with the OFD lock, the page says removed: index, messages and the lock file go */
int remove_contents(struct mailbox *m, struct errinfo *ei);

/* verify.c */
int verify_adopt_files(struct op *o, struct errinfo *ei); /* all files without rows go to INBOX */
