/* What has to be known before the database can be read: directories, the database's name, the user.
 */
#pragma once

#include "base/err.h"
#include "conf/conf.h"
#include "db/db.h"

struct boot {
    char *data; /* data directory, absolute */
    char *dsn;  /* system database */
    char *user; /* "" = keep the current user */
};

/* As root, before boot_init: the data directory (dir as there) exists and belongs to user. An empty
 * one of root's is given to him; one that holds files is not touched. E_NOTFOUND, E_PERM. */
int boot_give_data(const char *dir, const char *user, struct errinfo *ei);
/* dir NULL: $POSTHORN_DATA, else /var/lib/posthorn. dsn NULL: first line of <data>/config/database,
 * else sqlite:<data>/config/system.db. Creates the directories. */
int boot_init(struct boot *b, const char *dir, const char *dsn, struct errinfo *ei);
void boot_done(struct boot *b);
/* Opens the system database, brings its schema up to date, loads and publishes the settings. */
int boot_open_db(const struct boot *b, struct db **ret, struct errinfo *ei);
int boot_load_settings(struct db *db, struct errinfo *ei);

/* Paths; free() them. "" settings give the default below the data directory. */
char *boot_mail_path(const struct boot *b, const struct conf *c);
char *boot_temp_path(const struct boot *b, const struct conf *c);
char *boot_log_path(const struct boot *b, const struct conf *c);
char *boot_path(const struct boot *b, const char *below); /* <data>/<below> */
/* system.hostname or the machine's name; free() it. */
char *boot_hostname(const struct conf *c);
