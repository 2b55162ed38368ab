/* The db API on every database there is: values, errors, transactions, statements, logs. */
#include "db_suite.h"
#include "base/rand.h"
#include "log/log.h"
#include "stats/shm.h"

static const char insert_item[] =
    "INSERT INTO item (id, name, body, data, n) VALUES (?, ?, ?, ?, ?)";

static int64_t value(struct dbc *c, const char *sql)
{
    int64_t v = 0;
    OK(db_value(c, &v, EI, sql, NULL));
    return v;
}

static void numbers_keep_64_bits_and_null_is_null(void **state)
{
    (void)state;
    static const int64_t numbers[] = { 0, -1, 255, 65536, INT64_MAX, INT64_MIN };
    struct db *db = suite_fresh("");
    struct dbc *c;
    struct db_stmt *s;
    OK(db_get_writer(db, &c, EI));
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        OK(db_run(c, EI, insert_item, "innni", (int64_t)i, numbers[i]));
        OK(db_query(c, &s, EI, "SELECT n, name, body, data FROM item WHERE id = ?", "i",
                    (int64_t)i));
        assert_int_equal(db_step(s, EI), 1);
        assert_true(db_col_int(s, 0) == numbers[i]);
        assert_false(db_col_null(s, 0));
        for (int k = 1; k < 4; k++) {
            assert_true(db_col_null(s, k));
            assert_int_equal(db_col_text(s, k).n, 0);
            assert_int_equal(db_col_int(s, k), 0);
        }
        assert_int_equal(db_step(s, EI), 0);
        assert_int_equal(db_step(s, EI), 0);
        db_reset(s);
    }
    assert_int_equal(value(c, "SELECT COUNT(*) FROM item WHERE n IS NULL"), 0);
    db_put(c);
    db_close(db);
}

static void sums_and_numbers_read_as_text(void **state)
{
    (void)state;
    struct db *db = suite_fresh("");
    struct dbc *c;
    struct db_stmt *s;
    OK(db_get_writer(db, &c, EI));
    for (int64_t i = 0; i < 10; i++)
        OK(db_run(c, EI, insert_item, "innni", i, INT64_C(123456789012) * i));
    assert_int_equal(value(c, "SELECT SUM(n) FROM item"), INT64_C(123456789012) * 45);
    assert_int_equal(value(c, "SELECT -SUM(n) FROM item"), INT64_C(-123456789012) * 45);
    assert_int_equal(value(c, "SELECT COALESCE(SUM(n), 0) FROM item WHERE id > 100"), 0);
    assert_int_equal(value(c, "SELECT COUNT(*) FROM item"), 10);
    OK(db_query(c, &s, EI, "SELECT n, id FROM item WHERE id = 7", NULL));
    assert_int_equal(db_step(s, EI), 1);
    assert_true(sv_eq(db_col_text(s, 0), SV("864197523084")));
    assert_true(sv_eq(db_col_text(s, 1), SV("7")));
    db_put(c);
    db_close(db);
}

static void text_and_blobs_come_back_byte_for_byte(void **state)
{
    (void)state;
    static const struct sv texts[] = {
        { "", 0 },
        { "plain", 5 },
        { "it's a \"quote\" \\ back ? slash -- no comment %s", 45 },
        { "Gr\xc3\xbc\xc3\x9f"
          "e \xf0\x9f\x93\xaf \xe6\x97\xa5\xe6\x9c\xac",
          19 },
        { "trailing space ", 15 },
    };
    struct db *db = suite_fresh("");
    struct dbc *c;
    struct db_stmt *s;
    size_t big = MiB + 17;
    _cleanup_(freep) char *blob = xmalloc(big);
    rand_bytes(blob, big);
    memset(blob + 1000, 0, 500);
    OK(db_get_writer(db, &c, EI));
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        OK(db_run(c, EI, insert_item, "ivvbn", (int64_t)i, texts[i], texts[i], sv_n(blob, i * 3)));
    OK(db_run(c, EI, insert_item, "insbn", (int64_t)99, "big", sv_n(blob, big)));
    OK(db_run(c, EI, insert_item, "invbn", (int64_t)100, SV_NULL, SV_NULL));
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        OK(db_query(c, &s, EI, "SELECT name, body, data FROM item WHERE name = ?", "v", texts[i]));
        assert_int_equal(db_step(s, EI), 1);
        assert_true(sv_eq(db_col_text(s, 0), texts[i]));
        assert_true(sv_eq(db_col_text(s, 1), texts[i]));
        assert_true(sv_eq(db_col_blob(s, 2), sv_n(blob, i * 3)));
        assert_false(db_col_null(s, 2));
        assert_int_equal(db_step(s, EI), 0);
        db_reset(s);
    }
    OK(db_query(c, &s, EI, "SELECT data FROM item WHERE id = ?", "i", (int64_t)99));
    assert_int_equal(db_step(s, EI), 1);
    assert_int_equal(db_col_blob(s, 0).n, big);
    assert_memory_equal(db_col_blob(s, 0).p, blob, big);
    db_reset(s);
    OK(db_query(c, &s, EI, "SELECT body, data FROM item WHERE id = 100", NULL));
    assert_int_equal(db_step(s, EI), 1);
    assert_false(db_col_null(s, 0));
    assert_false(db_col_null(s, 1));
    db_put(c);
    db_close(db);
}

static void text_compares_and_sorts_by_bytes(void **state)
{
    (void)state;
    static const char *const names[] = { "B", "a", "A ", "A", "\xc3\xa4" };
    static const char *const sorted[] = { "A", "A ", "B", "a", "\xc3\xa4" };
    struct db *db = suite_fresh("");
    struct dbc *c;
    struct db_stmt *s;
    OK(db_get_writer(db, &c, EI));
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        OK(db_run(c, EI, insert_item, "isnnn", (int64_t)i, names[i]));
    OK(db_query(c, &s, EI, "SELECT name FROM item ORDER BY name", NULL));
    for (size_t i = 0; i < ARRAY_LEN(sorted); i++) {
        assert_int_equal(db_step(s, EI), 1);
        assert_true(sv_eq(db_col_text(s, 0), sv_c(sorted[i])));
    }
    db_put(c);
    db_close(db);
}

static void violated_constraints_are_conflicts(void **state)
{
    (void)state;
    struct db *db = suite_fresh("");
    struct dbc *c;
    OK(db_get_writer(db, &c, EI));
    OK(db_run(c, EI, insert_item, "isnnn", (int64_t)1, "one"));
    assert_int_equal(db_run(c, EI, insert_item, "isnnn", (int64_t)2, "one"), E_CONFLICT);
    assert_non_null(strstr(suite_ei.text, "INSERT INTO item"));
    assert_int_equal(db_run(c, EI, insert_item, "isnnn", (int64_t)1, "two"), E_CONFLICT);
    assert_int_equal(
        db_run(c, EI, "INSERT INTO child (id, item) VALUES (?, ?)", "ii", (int64_t)1, (int64_t)77),
        E_CONFLICT);
    assert_int_equal(db_run(c, EI, "INSERT INTO child (id, item) VALUES (?, ?)", "in", (int64_t)1),
                     E_CONFLICT);
    OK(db_run(c, EI, "INSERT INTO child (id, item) VALUES (?, ?)", "ii", (int64_t)1, (int64_t)1));
    assert_int_equal(db_run(c, EI, "DELETE FROM item WHERE id = ?", "i", (int64_t)1), E_CONFLICT);
    assert_int_equal(value(c, "SELECT COUNT(*) FROM item"), 1);
    db_put(c);
    db_close(db);
}

static void put_rolls_back_and_commit_keeps(void **state)
{
    (void)state;
    struct db *db = suite_fresh("");
    struct dbc *c;
    OK(db_get_writer(db, &c, EI));
    OK(db_begin(c, EI));
    OK(db_run(c, EI, insert_item, "isnnn", (int64_t)1, "one"));
    assert_int_equal(value(c, "SELECT COUNT(*) FROM item"), 1);
    assert_int_equal(db_begin(c, EI), E_DB);
    db_put(c);
    OK(db_get_writer(db, &c, EI));
    assert_int_equal(value(c, "SELECT COUNT(*) FROM item"), 0);
    OK(db_begin(c, EI));
    OK(db_run(c, EI, insert_item, "isnnn", (int64_t)2, "two"));
    OK(db_commit(c, EI));
    assert_int_equal(db_commit(c, EI), E_DB);
    db_rollback(c);
    db_put(c);
    OK(db_get(db, &c, EI));
    assert_int_equal(value(c, "SELECT MAX(id) FROM item"), 2);
    db_put(c);
    db_close(db);
}

static void an_error_fails_the_whole_transaction(void **state)
{
    (void)state;
    struct db *db = suite_fresh("");
    struct dbc *c;
    OK(db_get_writer(db, &c, EI));
    OK(db_run(c, EI, insert_item, "isnnn", (int64_t)1, "one"));
    OK(db_begin(c, EI));
    OK(db_run(c, EI, insert_item, "isnnn", (int64_t)2, "two"));
    assert_int_equal(db_run(c, EI, insert_item, "isnnn", (int64_t)3, "one"), E_CONFLICT);
    assert_int_equal(db_run(c, EI, insert_item, "isnnn", (int64_t)4, "four"), E_CONFLICT);
    assert_int_equal(db_exec(c, "DELETE FROM item", EI), E_CONFLICT);
    assert_int_equal(db_commit(c, EI), E_CONFLICT);
    assert_int_equal(value(c, "SELECT COUNT(*) FROM item"), 1);
    OK(db_begin(c, EI));
    OK(db_run(c, EI, insert_item, "isnnn", (int64_t)2, "two"));
    OK(db_commit(c, EI));
    assert_int_equal(value(c, "SELECT COUNT(*) FROM item"), 2);
    db_put(c);
    db_close(db);
}

static void changes_count_rows_found(void **state)
{
    (void)state;
    struct db *db = suite_fresh("");
    struct dbc *c;
    OK(db_get_writer(db, &c, EI));
    for (int64_t i = 1; i <= 5; i++)
        OK(db_run(c, EI, insert_item, "innni", i, i));
    assert_int_equal(db_changes(c), 1);
    OK(db_run(c, EI, "UPDATE item SET n = ? WHERE id <= ?", "ii", (int64_t)3, (int64_t)4));
    assert_int_equal(db_changes(c), 4);
    /* Nothing becomes different, and still the row is there: update-then-insert relies on it. */
    OK(db_run(c, EI, "UPDATE item SET n = ? WHERE id <= ?", "ii", (int64_t)3, (int64_t)4));
    assert_int_equal(db_changes(c), 4);
    OK(db_run(c, EI, "UPDATE item SET n = ? WHERE id = ?", "ii", (int64_t)3, (int64_t)44));
    assert_int_equal(db_changes(c), 0);
    OK(db_run(c, EI, "DELETE FROM item WHERE n = ?", "i", (int64_t)3));
    assert_int_equal(db_changes(c), 4);
    db_put(c);
    db_close(db);
}

static void statements_may_be_nested(void **state)
{
    (void)state;
    static const char by_id[] = "SELECT n FROM item WHERE id = ?";
    struct db *db = suite_fresh("");
    struct dbc *c;
    struct db_stmt *outer, *inner, *twin;
    OK(db_get_writer(db, &c, EI));
    OK(db_begin(c, EI));
    for (int64_t i = 0; i < 50; i++)
        OK(db_run(c, EI, insert_item, "innni", i, i * i));
    OK(db_query(c, &outer, EI, "SELECT id FROM item ORDER BY id", NULL));
    int rows = 0;
    while (db_step(outer, EI) > 0) {
        int64_t id = db_col_int(outer, 0);
        OK(db_query(c, &inner, EI, by_id, "i", id));
        assert_int_equal(db_step(inner, EI), 1);
        OK(db_query(c, &twin, EI, by_id, "i", (int64_t)7));
        assert_ptr_not_equal(inner, twin);
        assert_int_equal(db_step(twin, EI), 1);
        assert_int_equal(db_col_int(twin, 0), 49);
        assert_int_equal(db_col_int(inner, 0), id * id);
        db_reset(twin);
        db_reset(inner);
        OK(db_run(c, EI, "INSERT INTO counter (id, n) VALUES (?, ?)", "ii", id, id));
        rows++;
    }
    assert_int_equal(rows, 50);
    db_reset(outer);
    OK(db_commit(c, EI));
    assert_int_equal(value(c, "SELECT COUNT(*) FROM counter"), 50);
    db_put(c);
    db_close(db);
}

static void prepared_statements_are_used_again(void **state)
{
    (void)state;
    struct db *db = suite_fresh("stmts=4");
    struct dbc *c;
    struct db_stmt *a, *b;
    char text[64];
    OK(db_get_writer(db, &c, EI));
    OK(db_prepare(c, "SELECT 1", &a, EI));
    db_reset(a);
    OK(db_prepare(c, "SELECT 1", &b, EI));
    assert_ptr_equal(a, b);
    db_reset(b);
    snprintf(text, sizeof(text), "SELECT 1");
    OK(db_prepare(c, text, &b, EI));
    assert_ptr_equal(a, b);
    db_reset(b);
    /* The same address with another text is another statement. */
    snprintf(text, sizeof(text), "SELECT 2");
    assert_int_equal(value(c, text), 2);
    snprintf(text, sizeof(text), "SELECT 1");
    assert_int_equal(value(c, text), 1);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 20; i++) {
            snprintf(text, sizeof(text), "SELECT %d", i);
            assert_int_equal(value(c, text), i);
        }
    }
    db_put(c);
    db_close(db);
}

static void parameters_may_change_their_type(void **state)
{
    (void)state;
    struct db *db = suite_fresh("");
    struct dbc *c;
    OK(db_get_writer(db, &c, EI));
    OK(db_run(c, EI, insert_item, "innnn", (int64_t)1));
    OK(db_run(c, EI, insert_item, "issbi", (int64_t)2, "x", "y", SV("z"), (int64_t)3));
    OK(db_run(c, EI, insert_item, "innnn", (int64_t)3));
    OK(db_run(c, EI, "INSERT INTO item (id, n) SELECT id + ?, ? FROM item", "ii", (int64_t)10,
              (int64_t)5));
    assert_int_equal(value(c, "SELECT COUNT(*) FROM item WHERE n = 5"), 3);
    assert_int_equal(value(c, "SELECT COUNT(*) FROM item LIMIT 1"), 6);
    db_put(c);
    db_close(db);
}

static void bad_sql_names_the_statement(void **state)
{
    (void)state;
    struct db *db = suite_fresh("");
    struct dbc *c;
    struct db_stmt *s;
    uint64_t before = ctr_get(shm_current(), CTR_db_errors);
    OK(db_get_writer(db, &c, EI));
    assert_int_equal(db_run(c, EI, "SELECT nonsense FROM item", NULL), E_DB);
    assert_non_null(strstr(suite_ei.text, "SELECT nonsense FROM item"));
    assert_int_equal(db_exec(c, "CREATE TROUBLE", EI), E_DB);
    assert_non_null(strstr(suite_ei.text, "CREATE TROUBLE"));
    OK(db_prepare(c, "SELECT id FROM item WHERE id = ?", &s, EI));
    db_bind_int(s, 2, 1);
    assert_int_equal(db_step(s, EI), E_DB);
    assert_non_null(strstr(suite_ei.text, "parameter 2"));
    db_reset(s);
    int64_t v;
    assert_int_equal(db_value(c, &v, EI, "SELECT id FROM item WHERE id = ?", "i", (int64_t)5),
                     E_NOTFOUND);
    assert_true(ctr_get(shm_current(), CTR_db_errors) >= before + 3);
    db_put(c);
    db_close(db);
}

static void several_statements_run_in_one_exec(void **state)
{
    (void)state;
    struct db *db = suite_fresh("");
    struct dbc *c;
    OK(db_get_writer(db, &c, EI));
    OK(db_exec(c,
               "INSERT INTO item (id, name) VALUES (1, 'a;b?');\n"
               "-- a comment; with a semicolon\n"
               "INSERT INTO item (id, name) VALUES (2, 'it''s; fine');;",
               EI));
    assert_int_equal(value(c, "SELECT COUNT(*) FROM item WHERE name = 'it''s; fine'"), 1);
    assert_int_equal(value(c, "SELECT id FROM item WHERE name = 'a;b?'"), 1);
    int64_t id = 0;
    OK(db_value(c, &id, EI,
                "SELECT id /* is it? */ FROM item -- which?\nWHERE name = 'a;b?' AND id = ?", "i",
                (int64_t)1));
    assert_int_equal(id, 1);
    db_put(c);
    db_close(db);
}

static void logs_show_statements_but_no_values(void **state)
{
    (void)state;
    struct buf log;
    buf_init(&log, MiB);
    struct db *db = suite_fresh("");
    struct dbc *c;
    log_test_capture(&log);
    log_set_level(LOG_SQL, LOG_EXTENDED);
    OK(db_get_writer(db, &c, EI));
    OK(db_run(c, EI, insert_item, "isnnn", (int64_t)1, "hunter2"));
    assert_int_equal(db_run(c, EI, insert_item, "isnnn", (int64_t)2, "hunter2"), E_CONFLICT);
    assert_null(strstr(suite_ei.text, "hunter2"));
    db_run(c, EI, "SELECT id FROM item WHERE n = ?", "s", "hunter2");
    log_set_level(LOG_SQL, LOG_SUMMARY);
    db_run(c, EI, "SELECT nonsense FROM item", NULL);
    OK(db_run(c, EI, "DELETE FROM item WHERE id = 33", NULL));
    log_set_level(LOG_SQL, LOG_NONE);
    db_run(c, EI, "SELECT silence FROM item", NULL);
    log_test_capture(NULL);
    buf_terminate(&log);
    assert_non_null(strstr(log.p, insert_item));
    assert_non_null(strstr(log.p, "SELECT nonsense"));
    assert_non_null(strstr(log.p, "failed: "));
    assert_null(strstr(log.p, "hunter2"));
    assert_null(strstr(log.p, "DELETE FROM item WHERE id = 33"));
    assert_null(strstr(log.p, "SELECT silence"));
    assert_null(strstr(log.p, "posthorn:posthorn"));
    db_put(c);
    db_close(db);
    buf_done(&log);
}

static void bad_dsns_are_refused_with_a_reason(void **state)
{
    (void)state;
    static const struct {
        const char *dsn, *word;
    } cases[] = {
        { "oracle://x", "sqlite:" },
        { "sqlite:", "path" },
        { "sqlite:/tmp/x?sync=never", "never" },
        { "sqlite:/tmp/x?readers=0", "readers" },
        { "sqlite:/tmp/x?colour=red", "colour" },
        { "sqlite:/tmp/x?mode=9", "mode" },
        { "mysql://u@h", "database name" },
        { "mysql://u@h:99999/x", "port" },
        { "mysql://u@h/x?colour=red", "colour" },
        { "mysql://u@[::1/x", "]" },
        { "postgresql://u@h/x?colour=red", "colour" },
        { "postgresql://u@h/x?timeout_ms=no", "timeout_ms" },
    };
    struct db *db;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_true(db_open(cases[i].dsn, &db, EI) < 0);
        if (!strstr(suite_ei.text, cases[i].word))
            fail_msg("'%s' gives '%s'", cases[i].dsn, suite_ei.text);
    }
}

static int group(const char *label)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_keep_64_bits_and_null_is_null),
        cmocka_unit_test(sums_and_numbers_read_as_text),
        cmocka_unit_test(text_and_blobs_come_back_byte_for_byte),
        cmocka_unit_test(text_compares_and_sorts_by_bytes),
        cmocka_unit_test(violated_constraints_are_conflicts),
        cmocka_unit_test(put_rolls_back_and_commit_keeps),
        cmocka_unit_test(an_error_fails_the_whole_transaction),
        cmocka_unit_test(changes_count_rows_found),
        cmocka_unit_test(statements_may_be_nested),
        cmocka_unit_test(prepared_statements_are_used_again),
        cmocka_unit_test(parameters_may_change_their_type),
        cmocka_unit_test(bad_sql_names_the_statement),
        cmocka_unit_test(several_statements_run_in_one_exec),
        cmocka_unit_test(logs_show_statements_but_no_values),
    };
    return _cmocka_run_group_tests(label, tests, ARRAY_LEN(tests), NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest once[] = {
        cmocka_unit_test(bad_dsns_are_refused_with_a_reason),
    };
    int failed = _cmocka_run_group_tests("database names", once, ARRAY_LEN(once), NULL, NULL);
    return failed + suite_run("db", group);
}
