/* Shared by the tests of the db room: a list of databases to run on (SQLite always, the servers
 * when POSTHORN_TEST_PGSQL and POSTHORN_TEST_MYSQL name them) and an empty database for each test.
 * One thread unless a test says otherwise. */
#pragma once

#include <setjmp.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>

#include "db/db.h"

#include "../sql_servers.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        struct errinfo *_e = &suite_ei;                                                            \
        _e->text[0] = '\0';                                                                        \
        int _r = (call);                                                                           \
        if (_r < 0)                                                                                \
            fail_msg("%s: %d %s", #call, _r, _e->text);                                            \
    } while (0)

#define EI (&suite_ei)

static _Thread_local struct errinfo suite_ei;
static const char *suite_dsn; /* of the database the current group runs on */
static char suite_file[256];

static inline void suite_drop_file(void)
{
    static const char *const ends[] = { "", "-wal", "-shm", "-journal" };
    char path[272];
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        snprintf(path, sizeof(path), "%s%s", suite_file, ends[i]);
        unlink(path);
    }
}

/* The suite's DSN with further options. free() it. */
static inline char *suite_with(const char *options)
{
    return xasprintf("%s%c%s", suite_dsn, strchr(suite_dsn, '?') ? '&' : '?', options);
}

static inline struct db *suite_open(const char *options)
{
    struct db *db = NULL;
    _cleanup_(freep) char *dsn = *options ? suite_with(options) : xstrdup(suite_dsn);
    OK(db_open(dsn, &db, EI));
    return db;
}

/* Removes what an earlier test left. */
static inline void suite_clean(void)
{
    static const char *const tables[] = { "child", "item",  "counter",       "alpha",
                                          "beta",  "gamma", "schema_version" };
    if (strncmp(suite_dsn, "sqlite:", 7) == 0) {
        suite_drop_file();
        return;
    }
    struct db *db = suite_open("");
    struct dbc *c;
    OK(db_get_writer(db, &c, EI));
    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        char sql[64];
        snprintf(sql, sizeof(sql), "DROP TABLE IF EXISTS %s", tables[i]);
        OK(db_exec(c, sql, EI));
    }
    db_put(c);
    db_close(db);
}

static const struct db_migration suite_tables[] = {
    { 1, "items",
      "CREATE TABLE item (id {BIGINT_PK}, name {TEXT_KEY} UNIQUE, body {TEXT}, data {BLOB}, "
      "n BIGINT);"
      "CREATE TABLE child (id {BIGINT_PK}, item BIGINT NOT NULL REFERENCES item (id))" },
    { 2, "counter", "CREATE TABLE counter (id {BIGINT_PK}, n BIGINT NOT NULL)" },
};

/* A database with the tables above. */
static inline struct db *suite_fresh(const char *options)
{
    suite_clean();
    struct db *db = suite_open(options);
    OK(db_migrate(db, suite_tables, ARRAY_LEN(suite_tables), EI));
    return db;
}

/* The programs share the server's database: one at a time, also under `ctest -j`. The lock goes
 * with the connection. */
static inline struct dbc *suite_lock(struct db *db)
{
    struct dbc *c = NULL;
    OK(db_get(db, &c, EI));
    OK(db_exec(c,
               db_kind(db) == DB_PGSQL ? "SELECT pg_advisory_lock(7308332045571024)"
                                       : "SELECT GET_LOCK('posthorn tests', 100)",
               EI));
    return c;
}

/* Runs the tests once for each server there is; returns the sum of failures. */
static inline int suite_run_servers(const char *name, int (*group)(const char *))
{
    char label[64];
    int failed = 0;
    for (size_t i = 0; i < ARRAY_LEN(sql_servers); i++) {
        suite_dsn = sql_server_dsn(&sql_servers[i], name, &failed);
        if (!suite_dsn)
            continue;
        snprintf(label, sizeof(label), "%s on %s", name, sql_servers[i].label);
        struct db *db = suite_open("timeout_ms=100000");
        struct dbc *lock = suite_lock(db);
        failed += group(label);
        suite_clean();
        db_put(lock);
        db_close(db);
    }
    return failed;
}

/* The same on SQLite. */
static inline int suite_run_sqlite(const char *name, int (*group)(const char *))
{
    char dsn[272], label[64];
    const char *dir = getenv("TMPDIR");
    snprintf(suite_file, sizeof(suite_file), "%.200s/posthorn-db-%d.db", dir ? dir : "/tmp",
             (int)getpid());
    snprintf(dsn, sizeof(dsn), "sqlite:%s", suite_file);
    snprintf(label, sizeof(label), "%s on sqlite", name);
    suite_dsn = dsn;
    int failed = group(label);
    suite_drop_file();
    return failed;
}

static inline int suite_run(const char *name, int (*group)(const char *))
{
    int failed = suite_run_sqlite(name, group);
    return failed + suite_run_servers(name, group);
}
