/* Domains, accounts, aliases, passwords: who may receive and who may log in. Lookups come from a
 * cache that EPOCH_ACCOUNTS invalidates; changes go to the system database and bump the epoch.
 * Addresses are stored lower case (ASCII), domains as A-labels; both the U-label and A-label forms
 * resolve. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/sv.h"
#include "db/db.h"

struct accounts; /* the room's handle, one per process */

int accounts_open(struct db *db, struct accounts **ret, struct errinfo *ei); /* runs no migration */
void accounts_close(struct accounts *a);
/* Rows of the system schema that this room owns. */
extern const struct db_migration account_migrations[];
extern const size_t account_migrations_count;

enum unknown_action { UNKNOWN_REJECT, UNKNOWN_FORWARD, UNKNOWN_DELETE };

/* A backup domain has no accounts: mail for any address of it is accepted, queued, and passed on to
 * the domain's own server. */
enum domain_type { DOMAIN_LOCAL, DOMAIN_BACKUP };
extern const char *const domain_type_names[]; /* "local", "backup"; ended by NULL */

/* How much may be sent and kept; 0 = any amount. */
enum domain_limit {
    DOMAIN_MAX_MESSAGES_HOUR, /* by each account */
    DOMAIN_MAX_MESSAGES_DAY,
    DOMAIN_MAX_RECIPIENTS_HOUR,
    DOMAIN_MAX_RECIPIENTS_DAY,
    DOMAIN_TOTAL_MESSAGES_HOUR, /* by all accounts together */
    DOMAIN_TOTAL_MESSAGES_DAY,
    DOMAIN_TOTAL_RECIPIENTS_HOUR,
    DOMAIN_TOTAL_RECIPIENTS_DAY,
    DOMAIN_TOTAL_QUOTA, /* bytes in all mailboxes */
    DOMAIN_LIMITS,
};
extern const char *const domain_limit_names[DOMAIN_LIMITS];

struct domain {
    int64_t id;
    char *name; /* "example.org" */
    bool enabled, primary;
    enum unknown_action unknown;
    char *unknown_to;          /* catch-all: address for UNKNOWN_FORWARD, else "" */
    int64_t quota_bytes;       /* default for accounts; 0 = the server's */
    int64_t max_message_bytes; /* 0 = none */
    enum domain_type type;
    char *backup_host; /* that takes a backup domain's mail, "host[:port]"; "" = by routes and MX */
    int64_t fetched_by_id; /* the account that may fetch it by ATRN; 0 = none */
    char *fetched_by;      /* its address; "" */
    int64_t limit[DOMAIN_LIMITS];
};

/* What an account may administer; each includes what stands before it. */
enum account_role { ROLE_USER, ROLE_DOMAIN_ADMIN, ROLE_SYSTEM_ADMIN };
extern const char *const account_role_names[]; /* "user", "domain-admin", "system-admin" */

/* Fields that most accounts leave at their defaults. */
enum account_option {
    OPT_FORWARD_TO,    /* addresses that get all mail */
    OPT_KEEP_COPY,     /* forwarded mail stays in the mailbox too */
    OPT_COPY_INCOMING, /* addresses that get copies, whatever the two above say */
    OPT_COPY_OUTGOING, /* of what the account sends */
    OPT_NULL_MAILBOX,  /* nothing is stored, ever */
    OPT_KIND,          /* members.h */
    OPT_LIST_POST,     /* who may send to a list */
    OPT_LIST_OWNER,
    OPT_LIST_MODERATORS,
    OPT_LIST_QUERY,        /* members besides those listed: patterns of our addresses */
    OPT_LIST_MODERATE,     /* whose posts wait for a moderator */
    OPT_LIST_ONE_CLICK,    /* members elsewhere get a URL that ends their membership */
    OPT_MAX_MESSAGES_HOUR, /* that it may send; 0 = any number */
    OPT_MAX_MESSAGES_DAY,
    OPT_MAX_RECIPIENTS_HOUR,
    OPT_MAX_RECIPIENTS_DAY,
    OPT_OLDER_TO,     /* addresses that get what has become old */
    OPT_OLDER_DAYS,   /* older than that; 0 = nothing */
    OPT_OLDER_DELETE, /* is deleted then */
    OPT_AUTO_REPLY,   /* text of the automatic reply; "" = none */
    OPT_AUTO_REPLY_SUBJECT,
    OPT_AUTO_REPLY_FROM, /* first and last day, "2026-03-12"; "" = open */
    OPT_AUTO_REPLY_UNTIL,
    OPT_AUTO_REPLY_DAYS, /* no second reply to one sender for so long */
    ACCOUNT_OPTIONS,
};
enum option_kind {
    OPTION_ADDRESSES,
    OPTION_RECIPIENTS, /* addresses and names of patterns, [name] */
    OPTION_SWITCH,
    OPTION_CHOICE,
    OPTION_NUMBER,
    OPTION_TEXT,
    OPTION_DATE,
    OPTION_PATTERNS, /* of addresses */
};
struct option_info {
    const char *name;
    enum option_kind kind;
    const char *fallback; /* canonical: "yes", "no"; addresses with ; between them */
    const char *choices;  /* "user|list|group" */
    int64_t max;          /* largest number; longest text in bytes */
};
extern const struct option_info account_options[ACCOUNT_OPTIONS];

/* Immutable, counted. */
struct account {
    int64_t id, domain_id;
    char *address; /* "user@example.org": identity, login and mailbox */
    char *local;   /* "user" */
    char *domain;
    char *name; /* display name */
    bool enabled;
    int64_t quota_bytes;       /* effective: account, else domain, else server; 0 = none */
    int64_t soft_quota_bytes;  /* receives above it, may not send; 0 = none */
    int64_t max_message_bytes; /* smaller of account's and domain's, for sending; 0 = none */
    bool local_only;           /* may send to local domains only */
    enum account_role role;
    int64_t domain_limit[DOMAIN_LIMITS]; /* its domain's */
    char *option[ACCOUNT_OPTIONS]; /* canonical; NULL = the default; lists of accounts have OPT_KIND
                                      only */
    char **recipients;             /* the same with addresses in place of patterns; NULL: no option
                                      has any */
};
/* Canonical text, never NULL; a switch. */
const char *account_option(const struct account *a, enum account_option o);
bool account_is(const struct account *a, enum account_option o);
/* Of one that may name patterns: addresses only, each once, never the account's own. */
const char *account_recipients(const struct account *a, enum account_option o);
int64_t account_number(const struct account *a, enum account_option o);
void account_unref(const struct account *a);
DEFINE_CLEANUP(const struct account, account_unref)

/* --- lookups; hot, cached, any thread --- */

/* Exists, enabled, mail for it stays here: 1, else 0. E_TEMP: the database cannot tell now. */
int account_domain_is_local(struct accounts *a, struct sv domain);
int account_domain_is_backup(struct accounts *a, struct sv domain); /* and enabled; the same */
/* The backup domains that an account may fetch by ATRN (RFC 2645), enabled ones in order, appended
 * with a comma between them. Asks the database. E_TEMP. */
int account_fetches(struct accounts *a, int64_t account_id, struct buf *ret, struct errinfo *ei);
/* Its id, enabled or not; 0: it is none of ours. E_TEMP. */
int account_domain_id(struct accounts *a, struct sv domain, int64_t *ret);
/* Login name or address -> account. Applies auth.login_policy and the primary domain. E_NOTFOUND.
 */
int account_find_login(struct accounts *a, struct sv login, const struct account **ret,
                       struct errinfo *ei);
int account_find_address(struct accounts *a, struct sv address, const struct account **ret,
                         struct errinfo *ei);
int account_find_id(struct accounts *a, int64_t id, const struct account **ret, struct errinfo *ei);

enum resolve_kind {
    RESOLVE_REMOTE,   /* the domain is not ours, or a backup domain: `backup` */
    RESOLVE_LOCAL,    /* targets are local accounts */
    RESOLVE_FORWARD,  /* alias or catch-all to addresses, maybe remote: targets hold them */
    RESOLVE_DISCARD,  /* accepted and dropped (unknown-account action delete) */
    RESOLVE_UNKNOWN,  /* our domain, no such user */
    RESOLVE_DISABLED, /* account exists, is disabled */
};
struct resolved {
    enum resolve_kind kind;
    bool backup;                     /* anybody may send to it */
    size_t n;                        /* local accounts */
    const struct account **accounts; /* counted */
    size_t n_forward;
    char **forward;   /* addresses that are not local accounts */
    const void *hold; /* private: keeps the arrays alive until resolved_done */
};
/* Recipient address -> what becomes of it: aliases (several targets, chains up to 10 deep, loops
 * cut), catch-all, unknown-account action. `postmaster` without a domain resolves in the primary
 * domain and to the domain's first enabled account when there is no such account or alias (RFC
 * 5321 4.5.1). address: "local@domain" without brackets. E_PARSE, E_TEMP (database). */
int account_resolve(struct accounts *a, struct sv address, struct resolved *ret,
                    struct errinfo *ei);
void resolved_done(struct resolved *r);
/* 1 when address is the account's own (with or without a subaddress) or one of its aliases, else 0;
 * the catch-all and the stand-in for postmaster do not count. E_TEMP: the database cannot tell. */
int account_owns_address(struct accounts *a, const struct account *acc, struct sv address);

/* Mail stays here: it has a mailbox that takes what arrives. */
bool account_stores(const struct account *acc);
/* False: a null mailbox whose mail leads nowhere. */
bool account_can_receive(struct accounts *a, const struct account *acc);

/* SRS (proto/srs.h) with the installation's key, which is made at first use and kept with the other
 * keys of the system database. Forward: appends the address of `domain` that stands for sender.
 * Reverse: appends the address behind the local part of one of ours. E_PARSE (no address that SRS
 * can take), E_PERM (forged), E_TIMEOUT (too old), E_TEMP. */
int account_srs_forward(struct accounts *a, struct sv sender, struct sv domain, struct buf *out,
                        struct errinfo *ei);
int account_srs_reverse(struct accounts *a, struct sv local, int64_t max_age_ms, struct buf *out,
                        struct errinfo *ei);

/* Signature of a text with the installation's key: small letters and digits, SIGNATURE of them
 * (100 bits). One for another purpose does not fit. E_TEMP. */
enum { SIGNATURE = 20 };
int account_sign(struct accounts *a, const char *purpose, struct sv text, char ret[SIGNATURE + 1],
                 struct errinfo *ei);
/* 1 = the signature is that of the text, in letters of any case; 0 = not. In constant time. */
int account_signed(struct accounts *a, const char *purpose, struct sv text, struct sv signature,
                   struct errinfo *ei);

/* --- changes; admin is who is named in the audit and maintenance log --- */

struct domain_spec {
    const char *name; /* NULL members = unchanged on update / default on create */
    const char *enabled, *primary, *unknown, *unknown_to, *quota, *max_message;
    const char *type, *backup_host, *fetched_by;
    const char *limit[DOMAIN_LIMITS];
};
int domain_create(struct accounts *a, const char *admin, const struct domain_spec *s,
                  struct errinfo *ei);
int domain_update(struct accounts *a, const char *admin, struct sv name,
                  const struct domain_spec *s, struct errinfo *ei);
/* What is done about aliases, members of lists, options of accounts and catch-alls of other domains
 * that lead to a domain which goes. */
enum domain_references { REFERENCES_REFUSE, REFERENCES_REMOVE, REFERENCES_KEEP };
extern const char *const domain_references_names[]; /* ended by NULL */
/* E_CONFLICT: it has accounts, is the primary one, or something leads to it; ei names what. */
int domain_delete(struct accounts *a, const char *admin, struct sv name, bool with_accounts,
                  enum domain_references references, struct errinfo *ei);
int domain_each(struct accounts *a, bool (*fn)(const struct domain *, void *arg), void *arg,
                struct errinfo *ei);

struct account_spec {
    const char *name, *password, *enabled, *quota, *soft_quota, *max_message, *local_only;
    const char *aliases;       /* ;-separated local parts or addresses; replaces all */
    const char *role;          /* account_role_names */
    const char *admin_domains; /* ;-separated: of a domain admin; replaces all */
    const char
        *keep_session; /* hash of the session that a new password does not end; may be NULL */
    const char *option[ACCOUNT_OPTIONS];
};
/* password: plain text (hashed here) or an imported hash with a {SCHEME} prefix as Dovecot writes
 * it: {PLAIN}, {ARGON2ID}, {SHA512-CRYPT}, {BLF-CRYPT}, {CRYPT}, {SSHA}, {SSHA256}, {SSHA512},
 * {SHA256}, ... Text that users type themselves must not reach this unchecked: "{" at its start
 * means a scheme. NULL or "" on create: an account that receives mail but cannot log in. */
int account_create(struct accounts *a, const char *admin, struct sv address,
                   const struct account_spec *s, struct errinfo *ei);
/* A new password ends the console's sessions of the account; tokens and app passwords stay, they
 * are withdrawn one by one or by account_sign_out. */
int account_update(struct accounts *a, const char *admin, struct sv address,
                   const struct account_spec *s, struct errinfo *ei);
int account_delete(struct accounts *a, const char *admin, struct sv address, struct errinfo *ei);
int account_each(struct accounts *a, struct sv domain,
                 bool (*fn)(const struct account *, void *arg), void *arg, struct errinfo *ei);
int account_aliases(struct accounts *a, int64_t account_id, struct buf *ret,
                    struct errinfo *ei); /* ;-separated */
struct account_query {
    struct sv domain;  /* canonical; p == NULL = all */
    int64_t admin_id;  /* accounts of the domains that this domain admin administers; 0 = all */
    const char *q;     /* part of address or name; "" = all */
    const char *after; /* accounts behind this address; "" = from the first */
    size_t max;
};
/* Accounts in order of their addresses: at most max, read by one query. */
int account_page(struct accounts *a, const struct account_query *q,
                 bool (*fn)(const struct account *, void *arg), void *arg, struct errinfo *ei);
/* How many there are, whatever after and max. */
int account_count(struct accounts *a, const struct account_query *q, int64_t *ret,
                  struct errinfo *ei);
/* Account and domain are enabled. */
bool account_may_sign_in(const struct account *a);
/* The domains that a domain admin administers, in order. */
int account_admin_domains(struct accounts *a, int64_t account_id,
                          bool (*fn)(const char *domain, void *arg), void *arg, struct errinfo *ei);
/* Changes by this thread are checked, run and rolled back from now on; what they would have changed
 * goes to `note` (field and values as in the audit; NULL = none). NULL ends it. A change that is
 * outside of the database must ask account_dry_run. */
struct dry_run {
    void (*note)(void *arg, const char *object, const char *field, const char *old_value,
                 const char *new_value);
    void *arg;
};
void account_set_dry_run(const struct dry_run *d);
const struct dry_run *account_dry_run(void);

/* An alias by itself: one address of ours to any addresses, local or remote. account_spec.aliases
 * are rows of the same table; an address may have both kinds. targets: ;-separated addresses,
 * replaces those of earlier calls; "" removes them. E_CONFLICT when a chain of aliases would come
 * back to address or become too long. alias_delete removes both kinds. */
int alias_set(struct accounts *a, const char *admin, struct sv address, const char *targets,
              struct errinfo *ei);
int alias_delete(struct accounts *a, const char *admin, struct sv address, struct errinfo *ei);
/* targets: ;-separated, those of accounts included. domain: SV_NULL = all. */
int alias_each(struct accounts *a, struct sv domain,
               bool (*fn)(const char *address, const char *targets, void *arg), void *arg,
               struct errinfo *ei);
/* App passwords: random, shown once, each with a label; accepted wherever the password is. */
int account_app_password_create(struct accounts *a, const char *admin, struct sv address,
                                const char *label, char ret[40], struct errinfo *ei);
int account_app_password_delete(struct accounts *a, const char *admin, struct sv address,
                                const char *label, struct errinfo *ei);
int account_app_password_each(struct accounts *a, struct sv address,
                              bool (*fn)(const char *label, int64_t created_s, int64_t used_s,
                                         void *arg),
                              void *arg, struct errinfo *ei);
