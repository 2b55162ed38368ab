/* The mail store: per account a directory with the messages as plain files and an index (SQLite
 * through db/), shared by several processes. Messages are immutable files <account dir>/msg/<16 hex
 * key>.eml in wire form, one file however many folders or accounts hold it (hard links). The index
 * knows folders, uids, flags, dates, the parsed ENVELOPE and BODYSTRUCTURE.
 *
 * Writing: one writer per account at a time over all processes (an in-process mutex, then an OFD
 * lock on <dir>/lock), each change one transaction. The index is in WAL mode with sync=normal:
 * killed processes lose nothing; power loss may lose the newest changes (flags), but never an
 * acknowledged message: deliveries are replayed from the journal, and appends are synced. UIDs
 * below the durable ceiling that is reserved ahead are never given twice, also after power loss.
 * UIDVALIDITYs are each given once in the store.
 *
 * An index that was damaged or lost is made anew under another UIDVALIDITY. Whoever has the mailbox
 * open then gets -ESTALE from every call: uids and folder ids that he knows mean something else
 * now. mailbox_open gives the new one.
 *
 * Threads: everything may be called by any thread that may block. Directory: <mail>/<domain>/<alpha
 * dirs>/<local>. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/sv.h"

struct mailstore;
struct mailbox; /* one account's store; counted */

struct mailstore_opts {
    const char *root;     /* <mail> */
    const char *temp_dir; /* <temp>/POP3, where the caller collects large appends; emptied by the
                             owner process */
    int alpha_prefix, alpha_group;
};
int mailstore_open(const struct mailstore_opts *o, struct mailstore **ret, struct errinfo *ei);
/* All mailboxes must have been given back; snapshots may live on. */
void mailstore_close(struct mailstore *s);
/* Path of an account's directory (rows dir.alpha): "john", 4/2 -> jo/hn/john. Pure; ret is
 * appended. */
int mailstore_account_dir(const struct mailstore_opts *o, struct sv address, struct buf *ret);

/* Opens or creates (with INBOX and the default folders). Cheap when cached. */
int mailbox_open(struct mailstore *s, int64_t account_id, struct sv address, struct mailbox **ret,
                 struct errinfo *ei);
void mailbox_unref(struct mailbox *m);
DEFINE_CLEANUP(struct mailbox, mailbox_unref)
int64_t mailbox_account(const struct mailbox *m);
/* 0, or what every call would fail with: E_NOTFOUND when it was removed, -ESTALE. Nearly free. */
int mailbox_check(const struct mailbox *m, struct errinfo *ei);
/* Removes everything of a deleted account. Whoever has the mailbox open, in any process, gets
 * E_NOTFOUND from then on; a new mailbox of the address may be opened at once. Nothing there is no
 * error. */
int mailstore_remove(struct mailstore *s, struct sv address, struct errinfo *ei);

/* --- flags --- */
#define FLAG_SEEN     (1ull << 0)
#define FLAG_ANSWERED (1ull << 1)
#define FLAG_FLAGGED  (1ull << 2)
#define FLAG_DELETED  (1ull << 3)
#define FLAG_DRAFT    (1ull << 4)
#define FLAG_SYSTEM   0x1full
#define FLAG_KEYWORD0 8 /* bits 8..63: the folder's keywords, in order of first use */
#define MAX_KEYWORDS  56

/* --- snapshots: what a session sees --- */

struct snap_msg {
    uint32_t uid;
    uint32_t size; /* RFC822.SIZE; larger than 4 GiB is refused at the door */
    uint64_t flags;
};
/* Immutable, counted, shared by all sessions that see the same state. Index i is sequence number i
 * + 1. */
struct snap {
    int64_t folder_id;
    uint32_t uidvalidity, uidnext;
    uint64_t modseq;                    /* of the newest change in it */
    uint32_t n, n_unseen, first_unseen; /* first_unseen: sequence number, 0 = none */
    uint32_t n_keywords;
    const char *const *keywords;
    struct snap_msg m[];
};
/* Newest state. Nearly free when nothing in the account has changed, in whatever process (prev is
 * the newest: returns prev, counted again). prev may be NULL. A snapshot may outlive its mailbox.
 * E_NOTFOUND: the folder is gone. */
int mailbox_snapshot(struct mailbox *m, int64_t folder_id, const struct snap *prev,
                     const struct snap **ret, struct errinfo *ei);
void snap_unref(const struct snap *s);
DEFINE_CLEANUP(const struct snap, snap_unref)
const struct snap *snap_ref(const struct snap *s);
ssize_t snap_find_uid(const struct snap *s, uint32_t uid); /* index or -1 */
/* First uid that is \Recent for the caller, who claims all up to now: later callers get uidnext. */
int mailbox_claim_recent(struct mailbox *m, int64_t folder_id, uint32_t *ret_first_uid,
                         struct errinfo *ei);

/* --- folders. Names are UTF-8, hierarchy separator '/', INBOX in any case is INBOX. --- */
struct folder {
    int64_t id;
    const char *name;
    const char *special_use; /* "\\Sent", "" */
    bool subscribed, exists; /* !exists: only subscribed, or a parent of existing folders */
    bool has_children;
    uint32_t uidvalidity, uidnext, messages, unseen, recent;
    uint64_t modseq, bytes;
};
/* All folders and subscriptions in name order, INBOX first; counts are only filled with
 * with_counts. */
int mailbox_folders(struct mailbox *m, bool with_counts,
                    bool (*fn)(const struct folder *, void *arg), void *arg, struct errinfo *ei);
/* E_NOTFOUND. Strings of *ret belong to a; */
struct arena;
int mailbox_folder(struct mailbox *m, struct sv name, struct arena *a, struct folder *ret,
                   struct errinfo *ei);
int mailbox_create_folder(struct mailbox *m, struct sv name, const char *special_use,
                          struct errinfo *ei); /* parents too; E_EXISTS, E_RANGE (name), E_LIMIT */
int mailbox_delete_folder(struct mailbox *m, struct sv name,
                          struct errinfo *ei); /* E_NOTFOUND, E_PERM (INBOX) */
int mailbox_rename_folder(
    struct mailbox *m, struct sv from, struct sv to,
    struct errinfo *ei); /* children too; INBOX: moves its messages (RFC 3501 6.3.5) */
int mailbox_subscribe(struct mailbox *m, struct sv name, bool on, struct errinfo *ei);

/* --- messages --- */

/* Bytes that may be in the mailbox, and in all of its domain; 0 = any amount. */
struct mailbox_quota {
    uint64_t mailbox, domain;
};
struct mailbox_add {
    uint64_t key; /* message key; added once per folder: a second add of the key is a no-op, without
                   * `durable` also when the message was moved or expunged meanwhile (ret_uid 0) */
    struct sv content; /* p != NULL: write it */
    const char *path;  /* else hard link (or copy) this file */
    uint64_t size;
    int64_t internal_date_s;
    uint64_t flags;              /* system flags */
    const char *const *keywords; /* NULL-terminated or NULL */
    /* filled: */
    uint32_t ret_uid;
    bool ret_duplicate;
    int ret_error; /* per message: 0, E_QUOTA ... */
};
/* Adds several messages in one transaction. durable: synced before return (APPEND); else the
 * caller's journal covers it. quota: refuse with E_QUOTA what would exceed it (NULL = none).
 * ret_uidvalidity may be NULL. A message that could not be added has ret_error; the function fails
 * only when nothing was done. parsed (may be NULL): ENVELOPE and BODYSTRUCTURE made before by
 * mailbox_parse, so that a message to many is parsed once. */
struct mailbox_parsed;
int mailbox_add(struct mailbox *m, int64_t folder_id, struct mailbox_add *adds, size_t n,
                bool durable, const struct mailbox_quota *quota,
                struct mailbox_parsed *const *parsed, uint32_t *ret_uidvalidity,
                struct errinfo *ei);
/* For a message to many: adds to INBOX, not durable, without flags, and without opening the index.
 * The files are put into the account's directory and noted there; rows and uids come when the index
 * is opened next, by whatever process, so ret_uid is 0. 1 = done; 0 = nothing was done, as it must
 * go by mailbox_add: the index is open here, a file of the key is there already, the quota (or what
 * is used of it) is in question, too much waits already, or an error. */
int mailbox_leave(struct mailstore *s, int64_t account_id, struct sv address,
                  struct mailbox_add *adds, size_t n, const struct mailbox_quota *quota);
struct mailbox_parsed *mailbox_parse(struct sv content);
void mailbox_parsed_free(struct mailbox_parsed *p);
/* Path of a stored message, for hard links to further accounts. */
int mailbox_message_path(struct mailbox *m, uint64_t key, struct buf *ret);
int mailstore_message_path(struct mailstore *s, struct sv address, uint64_t key, struct buf *ret);
int64_t mailbox_inbox_id(struct mailbox *m);

/* Reads index rows of messages uid_lo..uid_hi in uid order. fields: what is needed. */
#define MSG_META      1 /* key, internal date */
#define MSG_ENVELOPE  2
#define MSG_STRUCTURE 4 /* BODYSTRUCTURE and BODY */
struct msg_row {
    uint32_t uid;
    uint64_t key, modseq, flags, size;
    int64_t internal_date_s;
    struct sv envelope, bodystructure, body; /* IMAP texts; valid during the callback */
};
int mailbox_rows(struct mailbox *m, int64_t folder_id, uint32_t uid_lo, uint32_t uid_hi,
                 unsigned fields, bool (*fn)(const struct msg_row *, void *arg), void *arg,
                 struct errinfo *ei);
/* The same in an order, of the whole folder or behind a message. Pages of a large folder need no
 * snapshot of it; by uid they cost what they show, else a look at each row. */
enum msg_order { ORDER_UID, ORDER_DATE, ORDER_SIZE, ORDER_COUNT };
struct msg_walk {
    enum msg_order by;
    bool down;
    bool behind;   /* begin behind the message with: */
    int64_t value; /* its date or size; with ORDER_UID not looked at */
    uint32_t uid;
};
int mailbox_walk(struct mailbox *m, int64_t folder_id, const struct msg_walk *from, unsigned fields,
                 bool (*fn)(const struct msg_row *, void *arg), void *arg, struct errinfo *ei);
/* Opens a message for reading: fd (caller closes) and size. E_NOTFOUND when it was expunged
 * meanwhile. */
int mailbox_open_message(struct mailbox *m, uint64_t key, int *ret_fd, uint64_t *ret_size,
                         struct errinfo *ei);

enum store_mode { STORE_ADD, STORE_REMOVE, STORE_REPLACE };
/* Changes flags of uids (sorted). keywords: names to add to the folder's list when new; E_LIMIT
 * when it is full. System flags in `flags`. Uids that are gone are skipped. */
int mailbox_store(struct mailbox *m, int64_t folder_id, const uint32_t *uids, size_t n,
                  enum store_mode mode, uint64_t flags, const char *const *keywords,
                  struct errinfo *ei);
/* Removes messages for good: of uids (sorted; NULL = all) those with \Deleted when only_deleted.
 * Files go when no folder and no account holds them. ret_n may be NULL. */
int mailbox_expunge(struct mailbox *m, int64_t folder_id, const uint32_t *uids, size_t n,
                    bool only_deleted, size_t *ret_n, struct errinfo *ei);
/* Copies or moves within the account; ret_uids (n entries, 0 = was gone) and ret_uidvalidity for
 * COPYUID. Flags and dates are kept. */
int mailbox_copy(struct mailbox *m, int64_t from, const uint32_t *uids, size_t n, int64_t to,
                 bool move, const struct mailbox_quota *quota, uint32_t *ret_uids,
                 uint32_t *ret_uidvalidity, struct errinfo *ei);
int mailbox_usage(struct mailbox *m, uint64_t *ret_bytes, uint64_t *ret_messages,
                  struct errinfo *ei);

/* What all mailboxes of a domain hold, for domains that are counted; a sum in memory. E_NOTFOUND:
 * it is not. full: with so much more it would be beyond the quota (0 = any amount). domain: as in
 * addresses, in small letters. */
int mailstore_domain_usage(struct mailstore *s, struct sv domain, uint64_t *ret);
bool mailstore_domain_full(struct mailstore *s, struct sv domain, uint64_t quota, uint64_t more);
bool mailbox_domain_full(struct mailbox *m, uint64_t quota, uint64_t more);
/* A domain is counted from here on. 1 = what its mailboxes hold already is not, or may be wrong
 * behind a crash or a boot: mailstore_count for each, then _end. 0 = all is known. count: only what
 * has a mailbox and is in question costs anything. */
int mailstore_count_begin(struct mailstore *s, struct sv domain, struct errinfo *ei);
int mailstore_count(struct mailstore *s, int64_t account_id, struct sv address, struct errinfo *ei);
void mailstore_count_end(struct mailstore *s, struct sv domain);

/* Compares the index with the message files and with itself. Returns the number of faults found;
 * each is told to report (may be NULL). repair: rows without a file go, files without a row come to
 * INBOX, sums are corrected, a damaged index is rebuilt. Holds the account's lock all the time. */
int mailbox_verify(struct mailbox *m, bool repair, void (*report)(const char *text, void *arg),
                   void *arg, struct errinfo *ei);
