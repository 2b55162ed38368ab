/* What only the SQLite driver promises: options of the DSN, files, readers that cannot write, cheap
 * opening and closing. */
#include <sys/stat.h>

#include "db_suite.h"

static const char table[] = "CREATE TABLE item (id INTEGER PRIMARY KEY, t TEXT)";

static int64_t value(struct dbc *c, const char *sql)
{
    int64_t v = 0;
    OK(db_value(c, &v, EI, sql, NULL));
    return v;
}

static off_t size_of(const char *end)
{
    char path[272];
    struct stat st;
    snprintf(path, sizeof(path), "%s%s", suite_file, end);
    return stat(path, &st) == 0 ? st.st_size : -1;
}

static int mode_of(const char *end)
{
    char path[272];
    struct stat st;
    snprintf(path, sizeof(path), "%s%s", suite_file, end);
    assert_int_equal(stat(path, &st), 0);
    return (int)(st.st_mode & 07777);
}

static struct db *fresh(const char *options)
{
    suite_drop_file();
    return suite_open(options);
}

static void connections_have_the_settings_of_the_dsn(void **state)
{
    (void)state;
    struct db *db = fresh("");
    struct dbc *c;
    OK(db_get_writer(db, &c, EI));
    assert_int_equal(value(c, "PRAGMA synchronous"), 2);
    assert_int_equal(value(c, "PRAGMA foreign_keys"), 1);
    assert_int_equal(value(c, "PRAGMA busy_timeout"), 5000);
    assert_int_equal(value(c, "SELECT journal_mode = 'wal' FROM pragma_journal_mode"), 1);
    OK(db_exec(c, table, EI));
    assert_int_equal(mode_of(""), 0600);
    assert_int_equal(mode_of("-wal"), 0600);
    assert_int_equal(mode_of("-shm"), 0600);
    db_put(c);
    db_close(db);
    db = fresh("sync=normal&cache=100&timeout_ms=77&mode=0640&autockpt=9&lookaside=0");
    OK(db_get_writer(db, &c, EI));
    assert_int_equal(value(c, "PRAGMA synchronous"), 1);
    assert_int_equal(value(c, "PRAGMA cache_size"), -100);
    assert_int_equal(value(c, "PRAGMA busy_timeout"), 77);
    assert_int_equal(value(c, "PRAGMA wal_autocheckpoint"), 9);
    assert_int_equal(mode_of(""), 0640);
    db_put(c);
    OK(db_get(db, &c, EI));
    assert_int_equal(value(c, "PRAGMA synchronous"), 1);
    db_put(c);
    db_close(db);
}

static void readers_cannot_write_and_see_one_view(void **state)
{
    (void)state;
    struct db *db = fresh("");
    struct dbc *w, *r;
    OK(db_get_writer(db, &w, EI));
    OK(db_exec(w, table, EI));
    OK(db_get(db, &r, EI));
    assert_int_equal(db_run(r, EI, "INSERT INTO item (id) VALUES (1)", NULL), E_DB);
    assert_non_null(strstr(suite_ei.text, "db_get_writer"));
    OK(db_begin(r, EI));
    assert_int_equal(value(r, "SELECT COUNT(*) FROM item"), 0);
    OK(db_run(w, EI, "INSERT INTO item (id) VALUES (1)", NULL));
    assert_int_equal(value(r, "SELECT COUNT(*) FROM item"), 0);
    OK(db_commit(r, EI));
    assert_int_equal(value(r, "SELECT COUNT(*) FROM item"), 1);
    db_put(r);
    db_put(w);
    db_close(db);
}

static void a_missing_file_is_an_error_with_create_0(void **state)
{
    (void)state;
    struct dbc *c;
    struct db *db = fresh("create=0");
    assert_int_equal(db_get(db, &c, EI), E_DB);
    assert_non_null(strstr(suite_ei.text, suite_file));
    assert_int_equal(size_of(""), -1);
    db_close(db);
    OK(db_open("sqlite:/nowhere/at/all.db", &db, EI));
    assert_int_equal(db_get_writer(db, &c, EI), -ENOENT);
    assert_non_null(strstr(suite_ei.text, "/nowhere/at/all.db"));
    db_close(db);
}

static void one_connection_serves_both_with_single_1(void **state)
{
    (void)state;
    struct dbc *c, *other;
    struct db *db = fresh("single=1&wait_ms=20");
    OK(db_get(db, &c, EI));
    OK(db_exec(c, table, EI));
    assert_int_equal(db_get_writer(db, &other, EI), E_TEMP);
    db_put(c);
    OK(db_get_writer(db, &other, EI));
    assert_ptr_equal(c, other);
    db_put(other);
    db_close(db);
}

static void closing_leaves_the_wal_when_asked(void **state)
{
    (void)state;
    struct dbc *c;
    struct db *db = fresh("single=1&wal_nockpt_on_close=1");
    OK(db_get(db, &c, EI));
    OK(db_exec(c, table, EI));
    db_put(c);
    db_close(db);
    assert_true(size_of("-wal") > 0);
    db = suite_open("");
    OK(db_get_writer(db, &c, EI));
    assert_int_equal(value(c, "SELECT COUNT(*) FROM item"), 0);
    OK(db_checkpoint(c, true, EI));
    assert_int_equal(size_of("-wal"), 0);
    db_put(c);
    db_close(db);
    assert_int_equal(size_of("-wal"), -1);
}

static void a_checkpoint_says_when_readers_hold_it_up(void **state)
{
    (void)state;
    struct db *db = fresh("timeout_ms=20");
    struct dbc *w, *r;
    OK(db_get_writer(db, &w, EI));
    OK(db_exec(w, table, EI));
    OK(db_get(db, &r, EI));
    OK(db_begin(r, EI));
    assert_int_equal(value(r, "SELECT COUNT(*) FROM item"), 0);
    OK(db_run(w, EI, "INSERT INTO item (id) VALUES (1)", NULL));
    assert_int_equal(db_checkpoint(w, true, EI), E_TEMP);
    assert_int_equal(db_checkpoint(w, false, EI), E_TEMP);
    db_put(r);
    OK(db_checkpoint(w, false, EI));
    db_put(w);
    db_close(db);
}

static void another_process_that_writes_makes_us_wait_then_fail(void **state)
{
    (void)state;
    struct db *a = fresh("timeout_ms=30"), *b = suite_open("timeout_ms=30");
    struct dbc *ca, *cb;
    OK(db_get_writer(a, &ca, EI));
    OK(db_exec(ca, table, EI));
    OK(db_get_writer(b, &cb, EI));
    OK(db_begin(ca, EI));
    assert_int_equal(db_begin(cb, EI), E_TEMP);
    assert_int_equal(db_run(cb, EI, "INSERT INTO item (id) VALUES (1)", NULL), E_TEMP);
    OK(db_commit(ca, EI));
    OK(db_begin(cb, EI));
    db_put(cb);
    db_put(ca);
    db_close(b);
    db_close(a);
}

static void a_damaged_file_is_corrupt(void **state)
{
    (void)state;
    suite_drop_file();
    FILE *f = fopen(suite_file, "w");
    assert_non_null(f);
    for (int i = 0; i < 1000; i++)
        fputs("this is no database. ", f);
    fclose(f);
    struct db *db = suite_open("");
    struct dbc *c;
    assert_int_equal(db_get_writer(db, &c, EI), E_CORRUPT);
    db_close(db);
}

static void memory_databases_work(void **state)
{
    (void)state;
    struct db *db;
    struct dbc *c;
    OK(db_open("sqlite::memory:", &db, EI));
    OK(db_get_writer(db, &c, EI));
    OK(db_exec(c, table, EI));
    OK(db_begin(c, EI));
    OK(db_run(c, EI, "INSERT INTO item (t) VALUES (?)", "s", "x"));
    OK(db_commit(c, EI));
    db_put(c);
    OK(db_get(db, &c, EI));
    assert_int_equal(value(c, "SELECT COUNT(*) FROM item"), 1);
    db_put(c);
    db_close(db);
}

static void paths_are_taken_literally(void **state)
{
    (void)state;
    char dir[] = "/tmp/posthorn-db-XXXXXX", path[96];
    struct stat st;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "sqlite:%s/a%%20b?c d.db?single=1", dir);
    struct db *db;
    struct dbc *c;
    OK(db_open(path, &db, EI));
    OK(db_get(db, &c, EI));
    db_put(c);
    db_close(db);
    snprintf(path, sizeof(path), "%s/a%%20b?c d.db", dir);
    assert_int_equal(stat(path, &st), 0);
    unlink(path);
    assert_int_equal(rmdir(dir), 0);
}

static void two_threads_of_control_may_create_at_once(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct db *a = fresh(""), *b = suite_open("");
        struct dbc *ca, *cb;
        OK(db_get(a, &ca, EI));
        OK(db_get_writer(b, &cb, EI));
        OK(db_exec(cb, table, EI));
        assert_int_equal(value(ca, "SELECT COUNT(*) FROM item"), 0);
        db_put(ca);
        db_put(cb);
        db_close(a);
        db_close(b);
    }
}

static void what_is_idle_is_closed_but_one_reader(void **state)
{
    (void)state;
    struct db *db = fresh("");
    struct dbc *w, *a, *b;
    OK(db_get_writer(db, &w, EI));
    OK(db_exec(w, table, EI));
    OK(db_get(db, &a, EI));
    OK(db_get(db, &b, EI));
    assert_false(db_tidy(db, 0)); /* all in use */
    db_put(w);
    db_put(a);
    assert_false(db_tidy(db, 60000));
    assert_true(db_tidy(db, 0));
    assert_int_equal(value(b, "SELECT COUNT(*) FROM item"), 0);
    db_put(b);
    assert_true(size_of("-wal") > 0); /* a last connection would have removed it */
    assert_true(db_tidy(db, 0));      /* it stays, without its cache */
    assert_false(db_tidy(db, 0));
    assert_true(size_of("-wal") > 0);
    OK(db_get_writer(db, &w, EI)); /* opened anew */
    OK(db_exec(w, "INSERT INTO item (t) VALUES ('x')", EI));
    db_put(w);
    OK(db_get(db, &a, EI));
    assert_int_equal(value(a, "SELECT COUNT(*) FROM item"), 1);
    db_put(a);
    assert_true(db_tidy(db, 0));
    db_close(db);
}

static int group(const char *label)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_have_the_settings_of_the_dsn),
        cmocka_unit_test(readers_cannot_write_and_see_one_view),
        cmocka_unit_test(a_missing_file_is_an_error_with_create_0),
        cmocka_unit_test(one_connection_serves_both_with_single_1),
        cmocka_unit_test(closing_leaves_the_wal_when_asked),
        cmocka_unit_test(a_checkpoint_says_when_readers_hold_it_up),
        cmocka_unit_test(another_process_that_writes_makes_us_wait_then_fail),
        cmocka_unit_test(a_damaged_file_is_corrupt),
        cmocka_unit_test(memory_databases_work),
        cmocka_unit_test(paths_are_taken_literally),
        cmocka_unit_test(two_threads_of_control_may_create_at_once),
        cmocka_unit_test(what_is_idle_is_closed_but_one_reader),
    };
    return _cmocka_run_group_tests(label, tests, ARRAY_LEN(tests), NULL, NULL);
}

int main(void)
{
    return suite_run_sqlite("files", group);
}
