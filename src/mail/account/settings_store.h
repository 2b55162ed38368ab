/* The rows of table `setting`: values that differ from their defaults; and the routes of outgoing
 * mail, which are part of a snapshot. The tables are part of account_migrations. Changes are
 * audited, named in the maintenance log and bump EPOCH_SETTINGS; they reach a process when it calls
 * settings_load and conf_publish. */
#pragma once

#include "conf/conf.h"
#include "db/db.h"

/* Reads all rows and builds a snapshot. A row that conf does not know or accept any more (older or
 * newer program) is left out and named in warnings (one line each; may be NULL). E_TEMP, E_DB. */
int settings_load_warn(struct db *db, struct conf **ret, struct buf *warnings, struct errinfo *ei);
/* The same; warnings go to the error log. */
int settings_load(struct db *db, struct conf **ret, struct errinfo *ei);

struct setting_value {
    const char *name;  /* setting or API variable */
    const char *value; /* NULL: back to the default */
};
/* All of them in one transaction, or none. A value equal to the default removes the row.
 * *ret_failed (may be NULL): which one was refused; n: none of them, the database failed.
 * E_NOTFOUND (no such setting), E_PARSE or E_RANGE (conf_check's text), E_TEMP, E_DB. */
int settings_change(struct db *db, const char *admin, const struct setting_value *v, size_t n,
                    size_t *ret_failed, struct errinfo *ei);
/* The same of one. */
int settings_set(struct db *db, const char *admin, struct sv name, struct sv value,
                 struct errinfo *ei);
int settings_reset(struct db *db, const char *admin, struct sv name, struct errinfo *ei);
