/* What an administrator can do, as operations on JSON: {"op": "domain.create", "args": {...}} ->
 * {"ok": true, ...} or {"error": {"code": -1003, "text": "..."}}. One table of operations
 * (admin_ops.c) serves the local socket of module control and the command line tool, which runs the
 * same operations itself while no server runs. */
#pragma once

#include <jansson.h>

#include "mail/account/account.h"
#include "stats/shm.h"

struct mailstore;

struct admin {
    struct db *db;
    struct accounts *accounts;
    struct mailstore *store; /* mailboxes of deleted accounts, verify */
    /* Asks a running module; new reference. NULL while no server runs: such operations then answer
     * E_CLOSED. */
    json_t *(*ask)(void *arg, enum module m, const char *op, json_t *args);
    /* EPOCH_SETTINGS was bumped: makes everybody take the settings over and waits until they are in
     * force. E_TIMEOUT names who has not within the time. NULL while no server runs. */
    int (*changed)(void *arg, struct errinfo *ei);
    void *arg;
    const char *data_dir; /* whose events are read */
    struct shm *shm;      /* NULL while no server runs */
    bool dry_run; /* check and tell what would change ("effect" in the reply), change nothing */
};

/* who: named in audit and maintenance log. request is borrowed. New reference, never NULL. Any
 * thread. */
json_t *admin_run(struct admin *a, const char *who, json_t *request);
/* Before reading events: what was acknowledged so far is written, so that it is part of the answer.
 */
void admin_write_events(struct admin *a);
/* Names and help of all operations: [{"op", "args", "help"}]. New reference. */
json_t *admin_describe(void);
json_t *admin_error(int code, const char *fmt, ...) _printf_(2, 3);
/* Changes settings, all or none, and waits until they are in force. values: names to texts, whole
 * numbers, true or false, or to null for the default. {"ok"}, with "effect" of a dry run; an error
 * has "setting" when it is about one of them. New reference. */
json_t *admin_change_settings(struct admin *a, const char *who, json_t *values);
/* The settings of who may connect to a service. False: nobody connects to it, or there is none. */
bool admin_access_settings(const char *service, const char **ret_mode, const char **ret_ips);
/* The fields of an account or a domain as lists show them. New references. */
json_t *admin_account_row(const struct account *acc);
json_t *admin_domain_row(const struct domain *d);
/* Bytes that its mailboxes hold; null: it has no quota, and they are not counted. */
json_t *admin_domain_used(const struct admin *a, const struct domain *d);
json_t *admin_text(const char *s); /* JSON string from text that may not be UTF-8 */
