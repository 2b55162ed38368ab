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

/* name: setting or API variable. A value equal to the default removes the row.
 * E_NOTFOUND (no such setting), E_PARSE or E_RANGE (conf_check's text), E_TEMP, E_DB. */
int settings_set(struct db *db, const char *admin, struct sv name, struct sv value,
                 struct errinfo *ei);
int settings_reset(struct db *db, const char *admin, struct sv name, struct errinfo *ei);
