/* The setting table: storing, defaults, refusals, audit, rows of other versions. */
#include "account_suite.h"
#include "base/buf.h"
#include "mail/account/audit.h"
#include "mail/account/settings_store.h"

static char audit_text[4000];

static bool add_audit(const struct audit_row *r, void *arg)
{
    size_t n = strlen(audit_text);
    (void)arg;
    snprintf(audit_text + n, sizeof(audit_text) - n, "%s: %s %s: %s -> %s\n", r->admin, r->object,
             r->field, r->old_value ? r->old_value : "-", r->new_value ? r->new_value : "-");
    assert_true(r->at_ms > 0 && r->id > 0);
    return true;
}

static void set_and_reset(void **state)
{
    (void)state;
    struct conf *c;
    struct buf log;
    buf_init(&log, 64 * KiB);
    log_test_capture(&log);
    log_set_level(LOG_MAINTENANCE, LOG_SUMMARY);
    uint64_t before = epoch_get(EPOCH_SETTINGS);
    OK(settings_set(suite_db, "root", SV("smtp.max_errors"), SV("7"), EI));
    OK(settings_set(suite_db, "root", SV("C_Mail_SMTP_Other_MaxHopCount"), SV("50"), EI));
    OK(settings_set(suite_db, "root", SV("smtp.max_errors"), SV("8"), EI));
    OK(settings_set(suite_db, "root", SV("smtp.max_errors"), SV("8"), EI)); /* nothing new */
    assert_int_equal(epoch_get(EPOCH_SETTINGS), before + 3);
    OK(settings_load(suite_db, &c, EI));
    assert_int_equal(c->smtp.max_errors, 8);
    assert_int_equal(c->smtp.max_hops, 50);
    conf_unref(c);
    OK(settings_reset(suite_db, "root", SV("smtp.max_errors"), EI));
    OK(settings_reset(suite_db, "root", SV("smtp.max_errors"), EI));
    OK(settings_set(suite_db, "root", SV("smtp.max_hops"), SV("30"), EI)); /* the default */
    assert_int_equal(suite_number("SELECT COUNT(*) FROM setting"), 0);
    audit_text[0] = '\0';
    OK(audit_each(suite_db, 0, add_audit, NULL, EI));
    assert_string_equal(audit_text, "root: setting smtp.max_hops value: 50 -> 30\n"
                                    "root: setting smtp.max_errors value: 8 -> 20\n"
                                    "root: setting smtp.max_errors value: 7 -> 8\n"
                                    "root: setting smtp.max_hops value: 30 -> 50\n"
                                    "root: setting smtp.max_errors value: 20 -> 7\n");
    log_test_capture(NULL);
    buf_terminate(&log);
    assert_non_null(strstr(log.p, "'smtp.max_errors' updated 'root': '20' -> '7'"));
    buf_done(&log);
}

static void several_at_once(void **state)
{
    (void)state;
    const struct setting_value good[] = { { "smtp.max_errors", "9" },
                                          { "C_Mail_SMTP_Other_MaxHopCount", "50" },
                                          { "smtp.max_recipients", NULL } };
    const struct setting_value bad[] = { { "smtp.max_errors", "11" }, { "smtp.max_hops", "0" } };
    const struct setting_value unknown[] = { { "smtp.max_errors", "11" }, { "smtp.no", "1" } };
    const struct setting_value back[] = { { "smtp.max_errors", NULL }, { "smtp.max_hops", NULL } };
    struct conf *c;
    size_t failed = 77;
    uint64_t before = epoch_get(EPOCH_SETTINGS);
    OK(settings_change(suite_db, "root", good, ARRAY_LEN(good), &failed, EI));
    assert_int_equal(epoch_get(EPOCH_SETTINGS), before + 1);
    assert_true(settings_change(suite_db, "root", bad, ARRAY_LEN(bad), &failed, EI) < 0);
    assert_int_equal(failed, 1);
    BAD(E_NOTFOUND, "smtp.no",
        settings_change(suite_db, "root", unknown, ARRAY_LEN(unknown), &failed, EI));
    assert_int_equal(failed, 1);
    OK(settings_change(suite_db, "root", NULL, 0, &failed, EI));
    assert_int_equal(epoch_get(EPOCH_SETTINGS), before + 1);
    OK(settings_load(suite_db, &c, EI));
    assert_int_equal(c->smtp.max_errors, 9);
    assert_int_equal(c->smtp.max_hops, 50);
    conf_unref(c);
    OK(settings_change(suite_db, "root", back, ARRAY_LEN(back), NULL, EI));
    assert_int_equal(suite_number("SELECT COUNT(*) FROM setting"), 0);
}

static void refused(void **state)
{
    (void)state;
    BAD(E_NOTFOUND, "no setting 'smtp.nothing'",
        settings_set(suite_db, "t", SV("smtp.nothing"), SV("1"), EI));
    BAD(E_NOTFOUND, "no setting", settings_reset(suite_db, "t", SV(""), EI));
    assert_true(settings_set(suite_db, "t", SV("smtp.max_errors"), SV("0"), EI) < 0);
    assert_non_null(strstr(suite_ei.text, "smtp.max_errors"));
    assert_true(settings_set(suite_db, "t", SV("smtp.max_errors"), SV("many"), EI) < 0);
    assert_true(settings_set(suite_db, "t", SV("auth.login_policy"), SV("none"), EI) < 0);
    assert_int_equal(suite_number("SELECT COUNT(*) FROM setting"), 0);
    assert_int_equal(suite_number("SELECT COUNT(*) FROM audit"), 0);
}

static void foreign_rows(void **state)
{
    (void)state;
    struct conf *c;
    struct buf warnings;
    buf_init(&warnings, 4096);
    suite_sql("INSERT INTO setting (name, value) VALUES ('smtp.max_errors', 'a lot')");
    suite_sql("INSERT INTO setting (name, value) VALUES ('future.thing', '1')");
    suite_sql("INSERT INTO setting (name, value) VALUES ('smtp.max_hops', '44')");
    OK(settings_load_warn(suite_db, &c, &warnings, EI));
    assert_int_equal(c->smtp.max_errors, 20);
    assert_int_equal(c->smtp.max_hops, 44);
    conf_unref(c);
    buf_terminate(&warnings);
    assert_non_null(
        strstr(warnings.p, "setting future.thing is ignored: this version has no such setting\n"));
    assert_non_null(
        strstr(warnings.p, "setting smtp.max_errors is ignored: smtp.max_errors: 'a lot'"));
    buf_done(&warnings);
    OK(settings_load_warn(suite_db, &c, NULL, EI));
    conf_unref(c);
    /* The damaged row can be mended. */
    OK(settings_set(suite_db, "t", SV("smtp.max_errors"), SV("20"), EI));
    OK(settings_reset(suite_db, "t", SV("smtp.max_hops"), EI));
    assert_int_equal(suite_number("SELECT COUNT(*) FROM setting"), 1);
}

static const struct CMUnitTest tests[] = {
    SUITE_TEST(set_and_reset),
    SUITE_TEST(several_at_once),
    SUITE_TEST(refused),
    SUITE_TEST(foreign_rows),
};
SUITE_MAIN("settings")
