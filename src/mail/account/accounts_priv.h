/* Inside of the account room: the handle, the cached objects, the frame of a change. */
#pragma once

#include <pthread.h>

#include "conf/conf.h"
#include "mail/account/account.h"
#include "mail/account/address.h"
#include "mail/account/cache.h"
#include "mail/account/ids.h"
#include "mail/account/scram.h"

/* Kinds of cache keys. */
enum {
    KEY_DOMAIN = 'd',          /* name -> struct domain_obj */
    KEY_PRIMARY = 'p',         /* "" -> struct domain_obj */
    KEY_ADDRESS = 'a',         /* account's address -> struct account_obj */
    KEY_ID = 'i',              /* 8 bytes -> struct account_obj */
    KEY_RESOLVED = 'r',        /* recipient -> struct resolved_obj */
    KEY_PASSWORD = 'w',        /* 8 bytes -> struct password_obj */
    KEY_SCRAM = 's',           /* mechanism and login -> struct scram_obj */
    KEY_PATTERN = 'P',         /* name -> its items */
    KEY_PATTERN_ALIASES = 'A', /* domain -> addresses of its aliases that are patterns */
    KEY_FILTERS = 'F',         /* level and owner, 16 bytes -> rules */
    KEY_SENDERS = 'L',         /* domain's id, 8 bytes; 0 = the server -> struct senders_obj */
    KEY_NAMED_SCRIPT = 'N',    /* 8 bytes and name -> struct script_obj */
    KEY_SCRIPT = 'S',          /* 8 bytes -> struct script_obj: the active one */
};

struct domain_obj {
    struct obj o;
    struct domain d;
};

struct account_obj {
    struct obj o;
    struct account acc;
    bool domain_enabled; /* else it cannot log in */
};

struct resolved_obj {
    struct obj o;
    struct resolved r; /* r.hold is not used here */
    bool by_rule;      /* a catch-all or the stand-in for postmaster, not the address itself */
};

struct app_password {
    int64_t id;
    uint8_t salt[16], hash[32];
    atomic_int_least64_t used_s;
};

struct password_obj {
    struct obj o;
    int64_t account_id, version;
    char *scheme, *hash;                       /* "" = no password */
    char *plain;                               /* kept plain-text equivalent or NULL */
    struct scram_keys scram[SCRAM_HASH_COUNT]; /* iterations 0 = none */
    size_t n_app;
    struct app_password *app;
};

struct verified;
struct filter_hits;
struct later;
struct mimic;

struct accounts {
    struct db *db;
    struct cache *found;   /* entries that exist */
    struct cache *missing; /* NULL entries: a flood of unknown names stays in here */
    struct verified *verified;
    struct later *later;
    struct mimic *mimic;
    struct filter_hits *filter_hits;
    pthread_mutex_t lock; /* guards the five below */
    pthread_cond_t hash_free;
    int64_t hashes_running;
    bool have_secret;
    void *gsasl;        /* Gsasl *, made at first use */
    uint8_t secret[32]; /* constant once have_secret */
};

/* The generation of cached lookups: changes with EPOCH_ACCOUNTS and the settings that shape
 * lookups. */
uint64_t accounts_stamp(const struct conf *cf);
/* Looks into both caches. 1 = known: *ret counted, or NULL for "does not exist"; 0 = ask the
 * database. */
int accounts_cached(struct accounts *a, char kind, struct sv key, uint64_t stamp, struct obj **ret);
void accounts_remember(struct accounts *a, char kind, struct sv key, uint64_t stamp, struct obj *o);
static inline struct sv key_id(const int64_t *id)
{
    return sv_n(id, sizeof(*id));
}
/* The installation's secret; made at first use. E_TEMP, E_DB. */
int accounts_secret(struct accounts *a, uint8_t ret[32], struct errinfo *ei);
/* A key made of it, so that nothing that is seen of one purpose says anything about others. */
int accounts_key(struct accounts *a, const char *purpose, uint8_t ret[32], struct errinfo *ei);
void accounts_hmac(const uint8_t key[32], struct sv text, uint8_t ret[32]);

/* load.c: from the database through the caches. 0 and a counted object, E_NOTFOUND, or E_TEMP for
 * any trouble of the database. A view holds at most one connection, taken when first needed. */
struct view {
    struct accounts *a;
    const struct conf *cf; /* pinned */
    uint64_t stamp;        /* read before any query, so that what is remembered is never too new */
    struct dbc *c;
    bool fresh; /* of a change: the cache knows nothing of what it has written */
};
void view_init(struct view *v, struct accounts *a);
void view_done(struct view *v);
int view_db(struct view *v, struct errinfo *ei);
/* Codes of the database become E_TEMP; E_NOTFOUND passes. */
int view_error(int r, struct errinfo *ei);
int load_domain(struct view *v, struct sv name, struct domain_obj **ret, struct errinfo *ei);
int load_primary(struct view *v, struct domain_obj **ret, struct errinfo *ei);
int load_account(struct view *v, struct sv address, struct account_obj **ret, struct errinfo *ei);
int load_account_id(struct view *v, int64_t id, struct account_obj **ret, struct errinfo *ei);
/* The enabled account with the lowest id. */
int load_first_account(struct view *v, int64_t domain_id, struct account_obj **ret,
                       struct errinfo *ei);
int load_password(struct view *v, int64_t account_id, struct password_obj **ret,
                  struct errinfo *ei);
/* Past the cache; replaces what is there. */
int load_password_fresh(struct view *v, int64_t account_id, struct password_obj **ret,
                        struct errinfo *ei);
struct change;
/* pattern_fit.c: calls fn with each alias [name]@domain that stands for the address; it returns 1
 * when that led to something. 1 = one did. */
int pattern_aliases(struct view *v, const struct addr *a,
                    int (*fn)(const struct addr *alias, void *arg), void *arg, struct errinfo *ei);
int pattern_fits_view(struct view *v, struct sv name, struct sv address, struct errinfo *ei);
/* Items that are whole addresses, those of patterns in it included, each once: what is in seen is
 * passed over, and put into it. fn: < 0 ends it. name: without brackets, small letters. */
struct map;
int pattern_recipients(struct view *v, struct sv name, struct map *seen,
                       int (*fn)(struct sv address, void *arg), void *arg, struct errinfo *ei);
/* pattern.c: 0, or E_NOTFOUND and why. name: without brackets, small letters. */
int pattern_exists(struct change *ch, struct sv name);
/* pattern_use.c. name: "[name]", small letters. walk: all users, until fn returns false; the others
 * inside of a change. find: one that would miss the pattern, "" = none. check: can those that use
 * it do so still? E_CONFLICT. recipients: can an account have the list, canonical, for its mail?
 * E_CONFLICT, E_NOTFOUND. */
struct pattern_user;
int pattern_walk_users(struct dbc *c, const char *name,
                       bool (*fn)(const struct pattern_user *, void *arg), void *arg,
                       struct errinfo *ei);
int pattern_find_user(struct change *ch, const char *name, char *ret, size_t cap);
int pattern_check_users(struct change *ch, const char *name);
int pattern_check_recipients(struct change *ch, struct sv self, const char *field, struct sv list);
/* In the order of enum domain_limit; of: "d." or "". */
#define DOMAIN_LIMIT_COLUMNS(of)                                                                   \
    of "max_messages_hour, " of "max_messages_day, " of "max_recipients_hour, " of                 \
       "max_recipients_day, " of "total_messages_hour, " of "total_messages_day, " of              \
       "total_recipients_hour, " of "total_recipients_day, " of "total_quota"
#define DOMAIN_COLUMNS                                                                             \
    "SELECT id, name, enabled, is_primary, unknown_action, unknown_to, quota_bytes,"               \
    " max_message_bytes, kind, backup_host, fetched_by,"                                           \
    " COALESCE((SELECT address FROM account WHERE account.id = domain.fetched_by), ''),"           \
    " " DOMAIN_LIMIT_COLUMNS("") " FROM domain"
void domain_from_row(struct db_stmt *s, struct domain *d); /* of DOMAIN_COLUMNS */
void domain_fields_free(struct domain *d);
/* Limits of the domain hold where the account has none, those of the settings where it has none. */
#define ACCOUNT_COLUMNS                                                                            \
    "SELECT a.id, a.domain_id, a.address, a.name, a.enabled, a.quota_bytes, a.soft_quota_bytes,"   \
    " a.max_message_bytes, a.local_only, d.quota_bytes, d.max_message_bytes,"                      \
    " d.enabled, a.role, (SELECT o.value FROM account_option o WHERE o.account_id = a.id"          \
    " AND o.name = 'kind'), " DOMAIN_LIMIT_COLUMNS(                                                \
        "d.") " FROM account a JOIN domain d ON d.id = a.domain_id"
struct account_obj *account_from_row(struct db_stmt *s); /* of ACCOUNT_COLUMNS */

static inline void domain_objp(struct domain_obj **p)
{
    if (*p)
        obj_unref(&(*p)->o);
}
static inline void account_objp(struct account_obj **p)
{
    if (*p)
        obj_unref(&(*p)->o);
}
static inline void password_objp(struct password_obj **p)
{
    if (*p)
        obj_unref(&(*p)->o);
}

/* lookup.c: login name -> account, as account_find_login. *ret_key is the canonical name that
 * failures are counted under, filled whenever the name has a canonical form. */
int lookup_login(struct view *v, struct sv login, struct addr *ret_key, struct account_obj **ret,
                 struct errinfo *ei);
/* resolve.c */
int resolve_view(struct view *v, const struct addr *address, struct resolved_obj **ret,
                 struct errinfo *ei);

/* change.c: a change with its audit rows in one transaction of the writing connection. */
struct change {
    struct accounts *a;
    struct dbc *c;
    const char *admin;
    char object[16 + ADDR_MAX]; /* "account user@example.org" */
    bool changed;
    struct errinfo *ei;
};
/* Runs fn in a transaction, again when the database asks for it; then the maintenance log and the
 * epoch, when something changed. */
int change_run(struct accounts *a, const char *admin, const char *kind, struct sv object,
               int (*fn)(struct change *ch, void *arg), void *arg, struct errinfo *ei);
/* An audit row of ch->object (or another) when old and new differ; NULL = none. */
int change_note(struct change *ch, const char *field, const char *old_value, const char *new_value);
int change_note_other(struct change *ch, const char *object, const char *field,
                      const char *old_value, const char *new_value);
int change_note_int(struct change *ch, const char *field, int64_t old_value, int64_t new_value);
int change_note_bool(struct change *ch, const char *field, bool old_value, bool new_value);

/* gone.c: an account, or all accounts of a domain, with everything that belongs to them. */
int account_rows_delete(struct change *ch, int64_t account_id);
int domain_accounts_delete(struct change *ch, int64_t domain_id);
/* references.c. E_CONFLICT, when they are refused and there are any. */
int domain_references_end(struct change *ch, int64_t id, struct sv domain,
                          enum domain_references what);

/* domain_limit.c: what a domain may send and keep. from_row: of DOMAIN_LIMIT_COLUMNS, from that
 * column on.
 */
void domain_limits_from_row(struct db_stmt *s, int column, int64_t ret[DOMAIN_LIMITS]);
int domain_limits_apply(const struct domain_spec *s, struct domain *d, struct errinfo *ei);
int domain_limits_write(struct change *ch, const struct domain *was, const struct domain *is);
int domain_limits_note(struct change *ch, const struct domain *was, const struct domain *is);

/* listing.c: what a lower-case text that contains q is like, for LIKE ... ESCAPE '!'; free() it. */
char *like_pattern(struct sv q);

/* value.c: texts of the specs. Errors name field and value. */
int value_bool(const char *field, const char *text, bool *ret, struct errinfo *ei);
/* *ret: place in names, which end with NULL; -1 with the error. */
int value_choice(const char *field, const char *const *names, const char *text, int *ret,
                 struct errinfo *ei);
int value_number(const char *field, const char *text, int64_t max, int64_t *ret,
                 struct errinfo *ei);
int value_size(const char *field, const char *text, int64_t *ret, struct errinfo *ei);
/* r, the error of a rule that is not of this field alone: its text begins with the field then, as
 * those of fields do. Errors of the database and of the system stay as they are. */
int value_fault(struct errinfo *ei, const char *field, int r);

/* member_query.c: list_query, patterns of addresses with ; between. The functions that read stop at
 * an error, or when fn says so (1). has: 1 = found. */
struct member;
int member_query_canonical(const char *field, const char *text, struct buf *out,
                           struct errinfo *ei);
int member_query_each(struct dbc *c, struct sv query, bool (*fn)(const struct member *m, void *arg),
                      void *arg, struct errinfo *ei);
int member_query_has(struct dbc *c, struct sv query, const char *address, struct errinfo *ei);

/* option.c. options_load: from a row of accounts, by the view's connection; E_TEMP. options_write:
 * those that the spec names, inside of the account's change. */
int options_load(struct view *v, struct account *acc, struct errinfo *ei);
void options_free(struct account *acc);
int options_write(struct change *ch, int64_t account_id, const struct addr *self,
                  const struct account_spec *s);

/* domains.c: E_CONFLICT for a backup domain: nobody is in it. */
int domain_must_be_local(struct change *ch, int64_t domain_id);

/* role.c: the domains of a domain admin, inside its account's change. list: ;-separated. */
int value_role(const char *text, enum account_role *ret, struct errinfo *ei);
int admin_domains_replace(struct change *ch, int64_t account_id, const char *list);

/* web_auth.c: ends the console's sessions of an account but the one of hash keep (may be NULL),
 * inside its change. ret: how many; may be NULL. */
int web_sessions_end(struct change *ch, int64_t account_id, const char *keep, int64_t *ret);

/* alias.c: the alias rows of an account, inside its change. list: ;-separated. */
int alias_replace_for_account(struct change *ch, int64_t account_id, const struct addr *self,
                              const char *list);
/* ;-separated, in order of creation; appended to ret. */
int alias_list_for_account(struct dbc *c, int64_t account_id, struct buf *ret, struct errinfo *ei);
