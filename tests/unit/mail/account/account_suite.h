/* Shared by the tests of the account room: an empty system database for each test, on SQLite always
 * and on the servers that POSTHORN_TEST_PGSQL and POSTHORN_TEST_MYSQL name. */
#pragma once

#include <setjmp.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "conf/conf.h"
#include "log/log.h"
#include "mail/account/account.h"
#include "mail/account/auth.h"
#include "stats/shm.h"

#include "../../sql_servers.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        suite_ei.text[0] = '\0';                                                                   \
        int _r = (call);                                                                           \
        if (_r < 0)                                                                                \
            fail_msg("%s: %d %s", #call, _r, suite_ei.text);                                       \
    } while (0)
/* The call fails with this code and a text that contains part. */
#define BAD(code, part, call)                                                                      \
    do {                                                                                           \
        suite_ei.text[0] = '\0';                                                                   \
        int _r = (call);                                                                           \
        if (_r != (code) || !strstr(suite_ei.text, part))                                          \
            fail_msg("%s: %d '%s', wanted %d '%s'", #call, _r, suite_ei.text, (int)(code), part);  \
    } while (0)
#define EI (&suite_ei)

static _Thread_local struct errinfo suite_ei;
static const char *suite_dsn;
static char suite_file[64];
static struct db *suite_db;
static struct accounts *acc;  /* of the running test */
static struct shm *suite_shm; /* the same: failed logins are counted there */

static inline void suite_drop_file(void)
{
    static const char *const ends[] = { "", "-wal", "-shm", "-journal" };
    char path[80];
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        snprintf(path, sizeof(path), "%s%s", suite_file, ends[i]);
        unlink(path);
    }
}

static inline void suite_sql(const char *sql)
{
    struct dbc *c;
    OK(db_get_writer(suite_db, &c, EI));
    OK(db_exec(c, sql, EI));
    db_put(c);
}

static inline int64_t suite_number(const char *sql)
{
    struct dbc *c;
    int64_t n = -1;
    OK(db_get(suite_db, &c, EI));
    OK(db_value(c, &n, EI, sql, ""));
    db_put(c);
    return n;
}

static inline void suite_clean(void)
{
    static const char *const tables[] = {
        "id_sequence",    "domain",         "account",     "alias",        "password",
        "app_password",   "audit",          "setting",     "auth_secret",  "admin_domain",
        "web_session",    "api_token",      "annotation",  "sieve_script", "sieve_seen",
        "mail_route",     "account_option", "list_member", "tls_count",    "mail_filter",
        "pattern_item",   "remote_account", "remote_seen", "job",          "sender_list",
        "secure_adapted", "schema_version"
    };
    if (strncmp(suite_dsn, "sqlite:", 7) == 0) {
        suite_drop_file();
        return;
    }
    OK(db_open(suite_dsn, &suite_db, EI));
    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        char sql[64];
        snprintf(sql, sizeof(sql), "DROP TABLE IF EXISTS %s", tables[i]);
        suite_sql(sql);
    }
    db_close(suite_db);
}

/* Publishes the defaults with cheap hashes and these pairs ("name=value;name=value"). */
static inline void suite_conf(const char *pairs)
{
    struct conf_pair p[16] = { { "auth.argon2_memory", "1MiB" }, { "auth.argon2_passes", "1" } };
    size_t n = 2;
    char *text = xstrdup(pairs);
    for (char *at = text; at && *at;) {
        char *end = strchr(at, ';');
        char *eq = strchr(at, '=');
        if (end)
            *end++ = '\0';
        *eq = '\0';
        p[n++] = (struct conf_pair){ at, eq + 1 };
        at = end;
    }
    struct conf *c = NULL;
    OK(conf_build(p, n, &c, EI));
    conf_publish(c);
    free(text);
}

static inline int suite_setup(void **state)
{
    (void)state;
    int fd = -1;
    OK(shm_create(&fd, &suite_shm, EI));
    close(fd);
    shm_use(suite_shm, MOD_ACCESS);
    suite_clean();
    suite_conf("");
    log_set_level(LOG_MAINTENANCE, LOG_NONE);
    log_set_level(LOG_AUTH, LOG_NONE);
    OK(db_open(suite_dsn, &suite_db, EI));
    OK(db_migrate(suite_db, account_migrations, account_migrations_count, EI));
    OK(accounts_open(suite_db, &acc, EI));
    return 0;
}

static inline int suite_teardown(void **state)
{
    (void)state;
    accounts_close(acc);
    db_close(suite_db);
    shm_detach(suite_shm);
    return 0;
}

static inline void mk_domain(const char *name)
{
    OK(domain_create(acc, "t", &(struct domain_spec){ .name = name }, EI));
}

static inline void mk_account(const char *address, const char *password)
{
    OK(account_create(acc, "t", sv_c(address), &(struct account_spec){ .password = password }, EI));
}

static inline int suite_run(const char *name, int (*group)(const char *))
{
    char dsn[96], label[64];
    const char *dir = getenv("TMPDIR");
    snprintf(suite_file, sizeof(suite_file), "%.20s/posthorn-acc-%d.db", dir ? dir : "/tmp",
             (int)getpid());
    snprintf(dsn, sizeof(dsn), "sqlite:%s?sync=off", suite_file);
    snprintf(label, sizeof(label), "%s on sqlite", name);
    suite_dsn = dsn;
    int failed = group(label);
    suite_drop_file();
    for (size_t i = 0; i < ARRAY_LEN(sql_servers); i++) {
        suite_dsn = sql_server_dsn(&sql_servers[i], name, &failed);
        if (!suite_dsn)
            continue;
        snprintf(label, sizeof(label), "%s on %s", name, sql_servers[i].label);
        failed += group(label);
    }
    return failed;
}

#define SUITE_TEST(f) cmocka_unit_test_setup_teardown(f, suite_setup, suite_teardown)
#define SUITE_MAIN(name)                                                                           \
    static int group(const char *label)                                                            \
    {                                                                                              \
        return _cmocka_run_group_tests(label, tests, ARRAY_LEN(tests), NULL, NULL);                \
    }                                                                                              \
    int main(void)                                                                                 \
    {                                                                                              \
        return suite_run(name, group);                                                             \
    }
