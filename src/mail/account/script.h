/* The accounts' Sieve scripts: several by name, at most one active; and what scripts remember from
 * message to message. In the system database; changes are audited and durable when the call
 * returns. Any thread; the active script of an account comes from the cache. */
#pragma once

#include "mail/account/account.h"
#include "proto/sieve/sieve.h"

#define SCRIPT_NAME_MAX 128 /* bytes */
/* In place of an account's address: the server's own scripts, which those of accounts may include
 * (RFC 6609, :global). None of them is active. */
#define SCRIPT_GLOBAL    "global"
#define SCRIPT_GLOBAL_ID 0
/* Scripts of the server that run for all accounts, before and after that of the account. */
#define SCRIPT_BEFORE "before"
#define SCRIPT_AFTER  "after"

struct script_info {
    const char *name;
    uint64_t bytes;
    bool active;
    int64_t changed_ms;
};
/* By name; stops when fn returns false. E_NOTFOUND: no such account. */
int account_script_each(struct accounts *a, struct sv address,
                        bool (*fn)(const struct script_info *, void *arg), void *arg,
                        struct errinfo *ei);
/* Content, appended. E_NOTFOUND. */
int account_script_get(struct accounts *a, struct sv address, struct sv name, struct buf *ret,
                       struct errinfo *ei);
/* Stores a script, new or in place of the one of that name, which stays active. Only checked ones
 * are stored: E_PARSE, and ei names line, column and remedy. E_RANGE: name or size; E_QUOTA: too
 * many. */
int account_script_put(struct accounts *a, const char *admin, struct sv address, struct sv name,
                       struct sv content, struct errinfo *ei);
/* E_CONFLICT: it is active. */
int account_script_delete(struct accounts *a, const char *admin, struct sv address, struct sv name,
                          struct errinfo *ei);
/* E_EXISTS: the new name is taken; E_RANGE: it is no name. An active script stays active. */
int account_script_rename(struct accounts *a, const char *admin, struct sv address, struct sv name,
                          struct sv new_name, struct errinfo *ei);
/* Could a script of this name be stored? E_RANGE: no name; E_QUOTA: too many scripts. */
int account_script_room(struct accounts *a, struct sv address, struct sv name, struct errinfo *ei);
/* name empty: none is active any more. */
int account_script_activate(struct accounts *a, const char *admin, struct sv address,
                            struct sv name, struct errinfo *ei);

/* The account's active script; counted, immutable. */
struct active_script {
    const char *name;
    struct sieve_script script;
};
/* 0, E_NOTFOUND (there is none), E_TEMP, or E_CORRUPT: it is there and cannot be read. */
int account_script_active(struct accounts *a, int64_t account_id, const struct active_script **ret,
                          struct errinfo *ei);
/* One by its name; account_id: SCRIPT_GLOBAL_ID for the server's. The same errors. */
int account_script_named(struct accounts *a, int64_t account_id, struct sv name,
                         const struct active_script **ret, struct errinfo *ei);
void active_script_unref(const struct active_script *s);
DEFINE_CLEANUP(const struct active_script, active_script_unref)

/* Memory. kind keeps uses apart. 1 = remembered by another message than this one and not yet
 * expired, 0 = not. */
int account_script_seen(struct accounts *a, int64_t account_id, char kind, struct sv id,
                        uint64_t message_key, struct errinfo *ei);
/* Durable. E_EXISTS: remembered already by another message (only with `once`). */
int account_script_remember(struct accounts *a, int64_t account_id, char kind, struct sv id,
                            uint64_t message_key, int64_t expires_ms, bool once,
                            struct errinfo *ei);
