/* Notes beside the charts, and the changes of settings that stand beside them, on each database. */
#include "account_suite.h"

#include "mail/account/annotation.h"
#include "mail/account/audit.h"
#include "mail/account/settings_store.h"

struct seen {
    size_t n, want;
    char texts[200];
};

static bool see_note(const struct annotation *a, void *arg)
{
    struct seen *s = arg;
    size_t at = strlen(s->texts);
    snprintf(s->texts + at, sizeof(s->texts) - at, "%s/%s;", a->text, a->who);
    return ++s->n != s->want;
}

static bool see_setting(const struct audit_row *r, void *arg)
{
    struct seen *s = arg;
    size_t at = strlen(s->texts);
    snprintf(s->texts + at, sizeof(s->texts) - at, "%s=%s;", r->object, r->new_value);
    s->n++;
    return true;
}

static void notes_of_a_span(void **state)
{
    (void)state;
    struct seen s = { 0 }, two = { .want = 2 };
    int64_t id = 0, first = 0;
    OK(annotation_add(suite_db, "r@a.test", 1000, "begin \xc3\xa4", &first, EI));
    OK(annotation_add(suite_db, "r@a.test", 3000, "late", &id, EI));
    OK(annotation_add(suite_db, "s@a.test", 2000, "middle", &id, EI));
    OK(annotation_each(suite_db, 1000, 3000, 10, see_note, &s, EI)); /* its end is not in it */
    assert_string_equal(s.texts, "begin \xc3\xa4/r@a.test;middle/s@a.test;");
    OK(annotation_each(suite_db, 0, INT64_MAX, 10, see_note, &two, EI));
    assert_int_equal(two.n, 2);
    OK(annotation_delete(suite_db, "s@a.test", first, EI));
    BAD(E_NOTFOUND, "does not exist", annotation_delete(suite_db, "s@a.test", first, EI));
    assert_int_equal(suite_number("SELECT COUNT(*) FROM annotation"), 2);
    /* Each change has its row, and the refused one has none. */
    assert_int_equal(suite_number("SELECT COUNT(*) FROM audit WHERE object LIKE 'annotation %'"),
                     4);
    assert_int_equal(suite_number("SELECT COUNT(*) FROM audit WHERE old_value LIKE 'begin%'"), 1);
}

static void settings_of_a_span(void **state)
{
    (void)state;
    struct seen s = { 0 }, one = { 0 }, none = { 0 };
    int64_t now = clock_wall_ms();
    OK(settings_set(suite_db, "t", SV("smtp.max_errors"), SV("7"), EI));
    OK(settings_set(suite_db, "t", SV("smtp.max_hops"), SV("44"), EI));
    mk_domain("a.test"); /* audited too, and no setting */
    OK(audit_settings(suite_db, now, now + 60000, 10, see_setting, &s, EI));
    assert_string_equal(s.texts, "setting smtp.max_hops=44;setting smtp.max_errors=7;");
    OK(audit_settings(suite_db, now, now + 60000, 1, see_setting, &one, EI));
    assert_int_equal(one.n, 1);
    OK(audit_settings(suite_db, 0, now - 60000, 10, see_setting, &none, EI));
    assert_int_equal(none.n, 0);
}

static const struct CMUnitTest tests[] = {
    SUITE_TEST(notes_of_a_span),
    SUITE_TEST(settings_of_a_span),
};
SUITE_MAIN("annotation")
