/* Lost connections: made again without the caller noticing where nothing can be lost or done twice,
 * a temporary error elsewhere. Needs the servers; SQLite has no connections to lose. */
#include <pthread.h>

#include "db_suite.h"

static const char insert_item[] =
    "INSERT INTO item (id, name, body, data, n) VALUES (?, ?, ?, ?, ?)";

static int64_t value(struct dbc *c, const char *sql)
{
    int64_t v = 0;
    OK(db_value(c, &v, EI, sql, NULL));
    return v;
}

/* Ends the server's side of c's connection by way of another one. */
static void cut(struct db *db, struct dbc *c)
{
    bool pg = db_kind(db) == DB_PGSQL;
    int64_t id = value(c, pg ? "SELECT pg_backend_pid()" : "SELECT CONNECTION_ID()"), n = 1;
    struct dbc *other;
    char sql[96];
    OK(db_get(db, &other, EI));
    if (pg)
        snprintf(sql, sizeof(sql), "SELECT pg_terminate_backend(%d)", (int)id);
    else
        snprintf(sql, sizeof(sql), "KILL %d", (int)id);
    OK(db_exec(other, sql, EI));
    for (int i = 0; i < 500 && n > 0; i++) {
        usleep(10000);
        OK(db_value(other, &n, EI,
                    pg ? "SELECT COUNT(*) FROM pg_stat_activity WHERE pid = ?"
                       : "SELECT COUNT(*) FROM information_schema.processlist WHERE id = ?",
                    "i", id));
    }
    assert_int_equal(n, 0);
    usleep(20000);
    db_put(other);
}

static void a_lost_connection_is_made_again(void **state)
{
    (void)state;
    struct db *db = suite_fresh("");
    struct dbc *c;
    OK(db_get_writer(db, &c, EI));
    OK(db_run(c, EI, insert_item, "isnnn", (int64_t)1, "one"));
    cut(db, c);
    OK(db_run(c, EI, insert_item, "isnnn", (int64_t)2, "two"));
    cut(db, c);
    assert_int_equal(value(c, "SELECT COUNT(*) FROM item"), 2);
    cut(db, c);
    OK(db_begin(c, EI));
    OK(db_run(c, EI, insert_item, "isnnn", (int64_t)3, "three"));
    OK(db_commit(c, EI));
    cut(db, c);
    OK(db_exec(c, "DELETE FROM item WHERE id = 3", EI));
    OK(db_begin(c, EI));
    OK(db_run(c, EI, insert_item, "isnnn", (int64_t)4, "four"));
    cut(db, c);
    assert_int_equal(db_run(c, EI, insert_item, "isnnn", (int64_t)5, "five"), E_TEMP);
    assert_int_equal(db_commit(c, EI), E_TEMP);
    OK(db_begin(c, EI));
    OK(db_run(c, EI, insert_item, "isnnn", (int64_t)6, "six"));
    cut(db, c);
    assert_int_equal(db_commit(c, EI), E_TEMP);
    OK(db_begin(c, EI));
    cut(db, c);
    db_put(c);
    OK(db_get_writer(db, &c, EI));
    assert_int_equal(value(c, "SELECT MAX(id) FROM item"), 2);
    db_put(c);
    db_close(db);
}

static void rows_read_before_a_cut_give_an_error_not_a_crash(void **state)
{
    (void)state;
    struct db *db = suite_fresh("");
    struct dbc *c;
    struct db_stmt *s;
    OK(db_get_writer(db, &c, EI));
    for (int64_t i = 0; i < 5; i++)
        OK(db_run(c, EI, insert_item, "innni", i, i));
    OK(db_query(c, &s, EI, "SELECT id, body FROM item", NULL));
    assert_int_equal(db_step(s, EI), 1);
    cut(db, c);
    assert_int_equal(value(c, "SELECT COUNT(*) FROM item"), 5);
    int r = db_step(s, EI);
    assert_true(r == 1 || r == E_TEMP);
    db_col_text(s, 0);
    db_reset(s);
    assert_int_equal(value(c, "SELECT COUNT(*) FROM item"), 5);
    db_put(c);
    db_close(db);
}

struct slow {
    struct dbc *c;
    const char *sql;
    int r;
    int64_t value;
};

static void *run_slow(void *arg)
{
    struct slow *j = arg;
    if (strncmp(j->sql, "SELECT", 6) == 0)
        j->r = db_value(j->c, &j->value, EI, j->sql, NULL);
    else
        j->r = db_run(j->c, EI, j->sql, NULL);
    return NULL;
}

static void wait_until_it_sleeps(struct dbc *other, bool pg, int64_t id)
{
    int64_t n = 0;
    for (int i = 0; i < 6000 && n == 0; i++) {
        usleep(10000);
        OK(db_value(other, &n, EI,
                    pg ? "SELECT COUNT(*) FROM pg_stat_activity WHERE pid = ?"
                         " AND wait_event = 'PgSleep'"
                       : "SELECT COUNT(*) FROM information_schema.processlist WHERE id = ?"
                         " AND state = 'User sleep'",
                    "i", id));
    }
    assert_int_equal(n, 1);
}

/* Cuts the connection while the statement runs. */
static struct slow cut_in_the_middle(struct db *db, struct dbc *c, const char *sql)
{
    bool pg = db_kind(db) == DB_PGSQL;
    struct slow j = { .c = c, .sql = sql, .value = -1 };
    char kill_sql[96];
    pthread_t t;
    struct dbc *other;
    int id = (int)value(c, pg ? "SELECT pg_backend_pid()" : "SELECT CONNECTION_ID()");
    OK(db_get(db, &other, EI));
    assert_int_equal(pthread_create(&t, NULL, run_slow, &j), 0);
    wait_until_it_sleeps(other, pg, id);
    snprintf(kill_sql, sizeof(kill_sql), pg ? "SELECT pg_terminate_backend(%d)" : "KILL %d", id);
    OK(db_exec(other, kill_sql, EI));
    pthread_join(t, NULL);
    db_put(other);
    return j;
}

static void only_reading_statements_are_sent_twice(void **state)
{
    (void)state;
    struct db *db = suite_fresh("");
    struct dbc *c;
    bool pg = db_kind(db) == DB_PGSQL;
    OK(db_get_writer(db, &c, EI));
    OK(db_run(c, EI, insert_item, "innni", (int64_t)1, (int64_t)5));
    struct slow j = cut_in_the_middle(
        db, c, pg ? "SELECT 7 FROM (SELECT pg_sleep(2)) AS s" : "SELECT SLEEP(2) + 7");
    assert_int_equal(j.r, 0);
    assert_int_equal(j.value, 7);
    j = cut_in_the_middle(db, c,
                          pg ? "UPDATE item SET n = 6 FROM (SELECT pg_sleep(60)) AS s"
                             : "UPDATE item SET n = 6 + SLEEP(60)");
    assert_int_equal(j.r, E_TEMP);
    assert_int_equal(value(c, "SELECT n FROM item"), 5);
    db_put(c);
    db_close(db);
}

/* The server ends it: what it holds is free at once. */
static void a_statement_without_an_end_is_given_up(void **state)
{
    (void)state;
    struct db *db = suite_fresh("timeout_ms=50");
    struct dbc *c;
    bool pg = db_kind(db) == DB_PGSQL;
    OK(db_get_writer(db, &c, EI));
    OK(db_run(c, EI, insert_item, "innni", (int64_t)1, (int64_t)5));
    OK(db_begin(c, EI));
    OK(db_run(c, EI, "UPDATE item SET n = 6", NULL));
    int r = db_run(c, EI,
                   pg ? "UPDATE item SET n = 7 FROM (SELECT pg_sleep(600)) AS s"
                      : "UPDATE item SET n = 7 + SLEEP(600)",
                   NULL);
    assert_int_equal(r, E_TEMP);
    db_put(c);
    OK(db_get_writer(db, &c, EI));
    assert_int_equal(value(c, "SELECT n FROM item"), 5);
    OK(db_run(c, EI, "UPDATE item SET n = 8", NULL));
    assert_int_equal(value(c, "SELECT n FROM item"), 8);
    db_put(c);
    db_close(db);
}

static void a_dead_server_is_a_temporary_error(void **state)
{
    (void)state;
    static const char *const dsns[] = {
        "postgresql://u:secret@127.0.0.1:1/x?timeout_ms=500",
        "mysql://u:secret@127.0.0.1:1/x?timeout_ms=500",
    };
    for (size_t i = 0; i < ARRAY_LEN(dsns); i++) {
        struct db *db;
        struct dbc *c;
        OK(db_open(dsns[i], &db, EI));
        assert_int_equal(db_get(db, &c, EI), E_TEMP);
        assert_true(suite_ei.text[0] != '\0');
        assert_null(strstr(suite_ei.text, "secret"));
        db_close(db);
    }
}

static int group(const char *label)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lost_connection_is_made_again),
        cmocka_unit_test(rows_read_before_a_cut_give_an_error_not_a_crash),
        cmocka_unit_test(only_reading_statements_are_sent_twice),
        cmocka_unit_test(a_statement_without_an_end_is_given_up),
    };
    return _cmocka_run_group_tests(label, tests, ARRAY_LEN(tests), NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest once[] = {
        cmocka_unit_test(a_dead_server_is_a_temporary_error),
    };
    int failed = _cmocka_run_group_tests("dead servers", once, ARRAY_LEN(once), NULL, NULL);
    return failed + suite_run_servers("reconnect", group);
}
