/* Migrations on every database there is: order, repetition, failure, newer databases, several
 * processes at once. */
#include <sys/wait.h>

#include "db_suite.h"

static int64_t value(struct dbc *c, const char *sql)
{
    int64_t v = 0;
    OK(db_value(c, &v, EI, sql, NULL));
    return v;
}

static int64_t count(struct db *db, const char *sql)
{
    struct dbc *c;
    OK(db_get(db, &c, EI));
    int64_t n = value(c, sql);
    db_put(c);
    return n;
}

static const struct db_migration steps[] = {
    { 1, "alpha",
      "CREATE TABLE alpha (id {BIGINT_PK}, t {TEXT}); "
      "INSERT INTO alpha (id, t) VALUES (1, '{not a word}; {TEXTURE')" },
    { 2, "beta",
      "CREATE TABLE beta (id {BIGINT_PK}, k {TEXT_KEY} NOT NULL, b {BLOB}); "
      "CREATE INDEX beta_k ON beta (k); "
      "INSERT INTO beta (id, k) VALUES (1, 'x'); "
      "INSERT INTO beta (id, k) VALUES (2, 'y')" },
    { 5, "gamma",
      "CREATE TABLE gamma (a {TEXT_KEY} NOT NULL, b {TEXT_KEY} NOT NULL, n BIGINT NOT "
      "NULL, PRIMARY KEY (a, b)); INSERT INTO alpha (id) VALUES (2)" },
};

static void each_migration_runs_once(void **state)
{
    (void)state;
    suite_clean();
    struct db *db = suite_open("");
    OK(db_migrate(db, steps, 1, EI));
    assert_int_equal(count(db, "SELECT COUNT(*) FROM alpha"), 1);
    assert_int_equal(count(db, "SELECT COUNT(*) FROM alpha WHERE t = '{not a word}; {TEXTURE'"), 1);
    OK(db_migrate(db, steps, 3, EI));
    OK(db_migrate(db, steps, 3, EI));
    assert_int_equal(count(db, "SELECT COUNT(*) FROM alpha"), 2);
    assert_int_equal(count(db, "SELECT COUNT(*) FROM beta"), 2);
    assert_int_equal(count(db, "SELECT MAX(version) FROM schema_version"), 5);
    assert_int_equal(count(db, "SELECT COUNT(*) FROM schema_version"), 3);
    assert_int_equal(db_migrate(db, steps, 2, EI), E_CONFLICT);
    assert_non_null(strstr(suite_ei.text, "version 5"));
    db_close(db);
}

static void sets_count_by_themselves(void **state)
{
    (void)state;
    static const struct db_migration other[] = {
        { 1, "counter", "CREATE TABLE counter (id {BIGINT_PK})" },
    };
    suite_clean();
    struct db *db = suite_open("");
    OK(db_migrate(db, steps, 2, EI));
    OK(db_migrate_set(db, "mailbox", other, 1, EI));
    OK(db_migrate_set(db, "mailbox", other, 1, EI));
    OK(db_migrate(db, steps, 3, EI));
    assert_int_equal(count(db, "SELECT COUNT(*) FROM schema_version"), 4);
    assert_int_equal(count(db, "SELECT COUNT(*) FROM counter"), 0);
    db_close(db);
}

static void a_failed_migration_leaves_the_version_and_can_go_on(void **state)
{
    (void)state;
    static const struct db_migration broken[] = {
        { 1, "alpha", "CREATE TABLE alpha (id {BIGINT_PK})" },
        { 2, "beta",
          "CREATE TABLE beta (id {BIGINT_PK}); INSERT INTO beta (id) VALUES (1); "
          "INSERT INTO nowhere (id) VALUES (1); INSERT INTO beta (id) VALUES (2)" },
    };
    static const struct db_migration mended[] = {
        { 1, "alpha", "CREATE TABLE alpha (id {BIGINT_PK})" },
        { 2, "beta",
          "CREATE TABLE beta (id {BIGINT_PK}); INSERT INTO beta (id) VALUES (1); "
          "INSERT INTO alpha (id) VALUES (1); INSERT INTO beta (id) VALUES (2)" },
    };
    suite_clean();
    struct db *db = suite_open("");
    assert_int_equal(db_migrate(db, broken, 2, EI), E_DB);
    assert_non_null(strstr(suite_ei.text, "migration 2 (beta)"));
    assert_int_equal(count(db, "SELECT MAX(version) FROM schema_version WHERE steps = -1"), 1);
    assert_int_equal(db_migrate(db, broken, 2, EI), E_DB);
    OK(db_migrate(db, mended, 2, EI));
    assert_int_equal(count(db, "SELECT COUNT(*) FROM beta"), 2);
    assert_int_equal(count(db, "SELECT COUNT(*) FROM alpha"), 1);
    assert_int_equal(count(db, "SELECT COUNT(*) FROM schema_version WHERE steps = -1"), 2);
    db_close(db);
}

static int migrate_in_child(int start_fd)
{
    struct db *db;
    struct errinfo ei = { 0 };
    char go;
    if (read(start_fd, &go, 1) < 0)
        return 3;
    int r = db_open(suite_dsn, &db, &ei);
    if (r == 0) {
        r = db_migrate(db, steps, 3, &ei);
        db_close(db);
    }
    if (r < 0)
        fprintf(stderr, "child: %s\n", ei.text);
    return r < 0;
}

static void processes_migrate_one_after_the_other(void **state)
{
    (void)state;
    for (int round = 0; round < 5; round++) {
        pid_t pids[4];
        int start[2];
        suite_clean();
        assert_int_equal(pipe(start), 0);
        for (size_t i = 0; i < ARRAY_LEN(pids); i++) {
            pids[i] = fork();
            assert_true(pids[i] >= 0);
            if (pids[i] == 0) {
                close(start[1]);
                _exit(migrate_in_child(start[0]));
            }
        }
        /* All wait for the end of the pipe, so that they start together. */
        close(start[0]);
        close(start[1]);
        for (size_t i = 0; i < ARRAY_LEN(pids); i++) {
            int status = 0;
            assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
            assert_int_equal(status, 0);
        }
        struct db *db = suite_open("");
        assert_int_equal(count(db, "SELECT COUNT(*) FROM alpha"), 2);
        assert_int_equal(count(db, "SELECT COUNT(*) FROM beta"), 2);
        assert_int_equal(count(db, "SELECT COUNT(*) FROM schema_version"), 3);
        db_close(db);
    }
}

static int group(const char *label)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_migration_runs_once),
        cmocka_unit_test(sets_count_by_themselves),
        cmocka_unit_test(a_failed_migration_leaves_the_version_and_can_go_on),
        cmocka_unit_test(processes_migrate_one_after_the_other),
    };
    return _cmocka_run_group_tests(label, tests, ARRAY_LEN(tests), NULL, NULL);
}

int main(void)
{
    return suite_run("migrations", group);
}
