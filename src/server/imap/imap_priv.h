/* Inside of the IMAP server: the session, a command in progress, jobs (commands whose output is
 * made piece by piece). A session belongs to one worker at a time (net/conn.h), so nothing here
 * locks. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "conf/conf.h"
#include "event/event.h"
#include "mail/account/auth.h"
#include "mail/mailbox/mailbox.h"
#include "net/conn.h"
#include "proto/imap_format.h"
#include "proto/imap_framer.h"
#include "proto/imap_parse.h"
#include "server/imap/imap_server.h"
#include "server/imap/snap_diff.h"

enum imap_state { ST_NOT_AUTH = 1, ST_AUTH = 2, ST_SELECTED = 4, ST_LOGOUT = 8 };
#define ST_LOGGED_IN (ST_AUTH | ST_SELECTED)
#define ST_ANY       (ST_NOT_AUTH | ST_AUTH | ST_SELECTED)

/* Uids that are \Recent in this session: sorted ranges. */
struct recent {
    struct imap_range *r;
    uint32_t n;
};

struct pending;  /* a command whose literals are still arriving: input.c */
struct upload;   /* APPEND: cmd_append.c */
struct arrival { /* of a command in pieces */
    int64_t started_us;
    uint64_t bytes;
};
struct auth_try; /* AUTHENTICATE: cmd_auth.c */

/* Thousands are parked: what only active sessions need hangs on pointers. */
struct session {
    struct conn *c;
    struct imap_server *srv;
    struct logctx log;
    struct imap_framer framer;
    uint8_t state; /* enum imap_state */
    bool read_only;
    bool idling;
    bool tell_idle;             /* subscribed to notify */
    bool logged_out, timed_out; /* how it ends, in the log */
    uint8_t auth_failures;
    uint16_t bad_in_row;
    uint32_t commands, errors;
    const struct account *acc;
    struct mailbox *mb;
    const struct snap *snap; /* what the client has been told; NULL = nothing selected */
    struct recent recent;
    uint32_t fetched, appended; /* messages, for the log */
    uint32_t recent_told;       /* uids below have been asked for */
    uint32_t retell_lo,
        retell_hi; /* uids whose flags the client may know newer than snap has them */
    struct pending *pending;
    struct upload *upload;
    struct auth_try *auth;
    char *wait_tag;               /* of IDLE and AUTHENTICATE */
    int64_t active_ms;            /* the client's last command, monotonic */
    int64_t timer_ms, timeout_ms; /* when the idle timeout was set, and to what */
};

enum cmd_flags {
    CMD_UID = 1, /* has a UID variant */
    CMD_USES_SEQ =
        2, /* no EXPUNGE may be sent while it runs (RFC 3501 7.4.1), except its UID variant */
    CMD_NO_SYNC = 4, /* tells nothing about the selected mailbox at its end */
    CMD_JOB = 8,     /* parsed data outlives the frame: it is copied to the arena */
    CMD_SLOW = 16,   /* POOL_SLOW unless cmd_auth.c knows better */
};

struct cmd;
struct cmd_def {
    const char *name;
    unsigned states, flags;
    void (*run)(struct cmd *c);
};
extern const struct cmd_def imap_cmds[];
extern const size_t imap_cmds_count;
const struct cmd_def *cmd_find(struct sv name, bool uid);

enum cmd_result { RES_OK, RES_NO, RES_BAD };

struct cmd {
    struct session *s;
    const struct cmd_def *def;
    struct sv tag;
    bool uid;
    struct imap_in in; /* arguments: at the end or at the space behind the name */
    struct arena *a;
    struct buf out;   /* untagged responses so far */
    struct buf final; /* the tagged line; empty until cmd_done */
    enum cmd_result result;
    bool detached; /* a job, IDLE or an exchange goes on: nothing is completed here */
    bool no_sync;
    struct imap_expect expect; /* changes of flags that the client knows of */
};
#define CMD_ARENA_CAP (16 * MiB)

/* --- session.c --- */
void session_select(struct session *s, const struct snap *snap,
                    bool read_only); /* takes the reference */
void session_unselect(struct session *s);
void session_login(struct session *s, const struct account *acc,
                   struct mailbox *mb);                /* takes both */
void session_bye(struct session *s, const char *text); /* writes "* BYE text" and closes */
void session_bad(struct session *s); /* one more wrong command in a row; ends the session of 20 */
void session_write(struct session *s,
                   struct buf *out); /* takes the content: large output goes in slices */
void session_timeout_reset(struct session *s);
void session_log_out(struct session *s, struct sv out);
void session_sync_now(struct session *s); /* tells all news at once (IDLE) */
static inline struct mailbox_quota session_quota(const struct session *s)
{
    return (struct mailbox_quota){ (uint64_t)s->acc->quota_bytes,
                                   (uint64_t)s->acc->domain_limit[DOMAIN_TOTAL_QUOTA] };
}

/* --- input.c: frames to commands --- */
void input_frame(struct session *s, const struct frame *f);
void input_drop(struct session *s); /* frees what has come of a command */
/* The text of the command that ends with this frame: *tmp is used when it came in pieces. */
struct sv input_text(struct session *s, const struct frame *f, struct buf *tmp);
enum pool input_pool(struct session *s, const struct frame *f);

/* --- run.c: the loop around a command --- */
void cmd_run(struct session *s, struct sv text);
/* The tagged line: "tag OK text". text may begin with a "[CODE]". */
void cmd_done(struct cmd *c, enum cmd_result r, const char *fmt, ...) _printf_(3, 4);
static inline void cmd_completed(struct cmd *c)
{
    cmd_done(c, RES_OK, "%s%s completed", c->uid ? "UID " : "", c->def->name);
}
void cmd_bad_args(struct cmd *c, const char *expected); /* "BAD ... expected" */
/* "NO [CODE] ..." for an error code; missing_code: what E_NOTFOUND means here ("TRYCREATE"). */
void cmd_error(struct cmd *c, int err, const struct errinfo *ei, const char *missing_code);
/* 0 when no arguments are left; else answers BAD. */
int cmd_no_args(struct cmd *c);
/* Space and mailbox name -> UTF-8 in the arena. Answers on failure. */
int cmd_mailbox(struct cmd *c, struct sv *ret);
int cmd_mailbox_name(struct cmd *c, struct sv wire, struct sv *ret);
void put_mailbox(struct buf *out, struct sv name); /* as modified UTF-7 astring */
/* Writes out, news and the tagged line of a detached command that ends without a job. */
void cmd_finish(struct cmd *c);
/* Completes a detached command later, from another callback. */
void cmd_end_detached(struct session *s, struct sv tag, const char *fmt, ...) _printf_(3, 4);

/* --- job.c --- */
struct job {
    struct session *s;
    struct arena arena;                          /* holds the command's text and what was parsed */
    int (*step)(struct job *j, struct buf *out); /* 1 = more, 0 = done, negative = close */
    void (*done)(struct job *j); /* frees what is beyond struct job's own; may be NULL */
    const struct cmd_def *def;
    struct sv tag;
    bool uid;
    char *failed; /* "[CODE] text" of a tagged NO instead of OK; heap */
    char *final;  /* the tagged line, when it is known already; heap, "" = none */
    struct sync *sync;
    bool first_logged;
};
/* Starts a job for c, which it detaches; takes over c->arena's content and c->out. j: heap, zeroed,
 * with step and done set. */
void job_start(struct cmd *c, struct job *j);
/* Goes on telling the news that began with y, then writes final (takes it; "" = nothing). Takes *y
 * and, when a is not NULL, what the arena holds. */
void job_news(struct session *s, struct sync *y, char *final, struct arena *a);
#define JOB_CHUNK (64 * KiB)
#define NEWS_MAX  (256 * KiB) /* more news than this are told by a job */

/* --- sync.c --- */
struct sync {
    struct imap_diff diff;
    const struct snap *old, *new;
    bool with_uid;
};
/* Takes the newest snapshot as the client's. 1 = *ret tells the difference, 0 = nothing to tell,
 * negative = the mailbox is gone or not readable. may_expunge false: waits for another time when
 * messages are gone. */
int sync_begin(struct session *s, bool may_expunge, const struct imap_expect *expect, bool with_uid,
               struct sync *ret);
/* 1 = more. */
int sync_put(struct session *s, struct sync *y, struct buf *out, size_t limit);
void sync_end(struct sync *y);
/* The flags that the client has asked for when sync_begin had to wait: with the numbers it knows.
 */
void sync_put_expected(struct session *s, const struct imap_expect *expect, bool with_uid,
                       struct buf *out);
void sync_claim_recent(struct session *s,
                       const struct snap **snap); /* may replace *snap by a newer one */
bool recent_has(const struct recent *r, uint32_t uid);
uint32_t recent_count(const struct recent *r, const struct snap *s);
void put_flags_response(struct buf *out, const struct snap *snap,
                        bool read_only); /* FLAGS, PERMANENTFLAGS */

/* --- set.c --- */
struct index_range {
    uint32_t lo, hi; /* indexes in the snapshot, both included */
};
struct index_set {
    struct index_range *r;
    size_t n;
    uint32_t count;
};
/* Sorted, merged. Numbers beyond the end: E_RANGE when !uid. */
int index_set_resolve(const struct imap_set *set, bool uid, const struct snap *snap,
                      struct arena *a, struct index_set *ret);
/* Space and set -> indexes. Answers on failure. */
int cmd_index_set(struct cmd *c, struct index_set *ret);
/* The uids of a set in the arena; NULL when the arena is full. */
uint32_t *index_set_uids(const struct index_set *set, const struct snap *snap, struct arena *a);
static inline bool index_set_has(const struct index_set *set, uint32_t i)
{
    size_t lo = 0, hi = set->n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (set->r[mid].hi < i)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < set->n && set->r[lo].lo <= i;
}

/* Walks the indexes of a set in order. */
struct set_iter {
    const struct index_set *set;
    size_t r;
    uint32_t i;
};
static inline bool set_iter_end(const struct set_iter *it)
{
    return it->r >= it->set->n;
}
static inline void set_iter_next(struct set_iter *it)
{
    if (it->i < it->set->r[it->r].hi)
        it->i++;
    else if (++it->r < it->set->n)
        it->i = it->set->r[it->r].lo;
}
static inline struct set_iter set_iter_begin(const struct index_set *set)
{
    return (struct set_iter){ set, 0, set->n ? set->r[0].lo : 0 };
}
/* Last index of a span that is read with one range query: small gaps are read too and left out. */
uint32_t set_iter_span(const struct set_iter *it);

/* --- flags.c --- */
struct flag_list {
    uint64_t system;
    const char **keywords; /* NULL-terminated; in the arena */
    size_t n_keywords;
};
/* "(\Seen $X)" or, with bare, also without parentheses. E_PARSE, E_LIMIT. */
int flag_list_parse(struct imap_in *in, bool bare, struct flag_list *ret);
/* Bits of the list's keywords in a snapshot; unknown ones are left out. */
uint64_t flag_list_bits(const struct flag_list *l, const struct snap *snap);

/* --- capability.c, cmd_*.c --- */
void put_capability(struct session *s, struct buf *out); /* "IMAP4rev1 ..." */
bool session_plain_allowed(struct session *s);

/* "(MESSAGES UNSEEN ...)" -> bits for put_status. */
int status_items(struct imap_in *in, unsigned *ret);
void put_status(struct buf *out, struct sv name, const struct folder *f, unsigned items);

void cmd_capability(struct cmd *c);
void cmd_noop(struct cmd *c);
void cmd_logout(struct cmd *c);
void cmd_starttls(struct cmd *c);
void cmd_login(struct cmd *c);
void cmd_authenticate(struct cmd *c);
void cmd_id(struct cmd *c);
void cmd_enable(struct cmd *c);
void cmd_namespace(struct cmd *c);
void cmd_select(struct cmd *c);
void cmd_close(struct cmd *c);
void cmd_unselect(struct cmd *c);
void cmd_list(struct cmd *c);
void cmd_lsub(struct cmd *c);
void cmd_status(struct cmd *c);
void cmd_create(struct cmd *c);
void cmd_delete(struct cmd *c);
void cmd_rename(struct cmd *c);
void cmd_subscribe(struct cmd *c);
void cmd_append(struct cmd *c);
void cmd_fetch(struct cmd *c);
void cmd_search(struct cmd *c);
void cmd_store(struct cmd *c);
void cmd_copy(struct cmd *c);
void cmd_expunge(struct cmd *c);
void cmd_idle(struct cmd *c);
void cmd_getquota(struct cmd *c);
void cmd_getquotaroot(struct cmd *c);
void cmd_setquota(struct cmd *c);

/* Lines inside of IDLE and AUTHENTICATE. */
void idle_line(struct session *s, struct sv line);
void idle_stop(struct session *s); /* ends the waiting without an answer */
void auth_line(struct session *s, struct sv line);
void auth_drop(struct session *s);
bool auth_line_is_fast(struct session *s, struct sv line);
bool cmd_auth_is_fast(struct session *s,
                      struct sv text); /* LOGIN, AUTHENTICATE with initial response */

/* APPEND: text is the command so far, ending in the announcement of a literal. False: the literal
 * is an argument. True: it is the message; either it is taken over, and a continuation was sent
 * when the client waits for one, or *ret_why says why not ("NO [TOOBIG] ..."). */
bool append_begin(struct session *s, struct sv text, uint64_t size, bool nonsync,
                  const char **ret_why);
struct arrival *append_arrival(struct session *s); /* of s->upload */
void append_chunk(struct session *s, struct sv bytes);
/* The rest of the line behind a message; literal: it announces another message. */
void append_line(struct session *s, struct sv line, bool literal, uint64_t size, bool nonsync);
void append_drop(struct session *s);
