/* MTA-STS: records, policies, names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/mta_sts.h"

static void test_record(void **state)
{
    (void)state;
    static const struct {
        const char *txt, *id;
    } rows[] = {
        { "v=STSv1; id=20160831085700Z;", "20160831085700Z" },
        { "v=STSv1;id=a", "a" },
        { "v=STSv1; x=1; id=b2 ;", "b2" },
        { "v=STSv1; id=;", NULL },
        { "v=STSv1;", NULL },
        { "v=STSv1", NULL },
        { "v=STSv1; id=has-hyphen", NULL },
        { "v=STSv1; id=123456789012345678901234567890123", NULL },
        { "v=STSv2; id=a", NULL },
        { "id=a; v=STSv1", NULL },
        { "v=spf1 -all", NULL },
        { "", NULL },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char id[33] = "";
        if (mta_sts_record(sv_c(rows[i].txt), id) != (rows[i].id != NULL))
            fail_msg("'%s'", rows[i].txt);
        if (rows[i].id)
            assert_string_equal(id, rows[i].id);
    }
}

static void test_policy(void **state)
{
    (void)state;
    static struct mta_sts_policy p;
    assert_int_equal(mta_sts_parse(SV("version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\n"
                                      "mx: *.example.net\r\nmax_age: 604800\r\nnew: thing\r\n"),
                                   &p, NULL),
                     0);
    assert_int_equal(p.mode, MTA_STS_ENFORCE);
    assert_int_equal(p.max_age_s, 604800);
    assert_int_equal(p.n, 2);
    assert_true(mta_sts_names(&p, SV("MAIL.example.com")));
    assert_true(mta_sts_names(&p, SV("a.example.net")));
    assert_false(mta_sts_names(&p, SV("example.net")));
    assert_false(mta_sts_names(&p, SV("a.b.example.net")));
    assert_false(mta_sts_names(&p, SV("mail.example.com.evil.test")));
    assert_int_equal(mta_sts_parse(SV("max_age:9999999999\nmode:none\nversion:STSv1"), &p, NULL),
                     0);
    assert_int_equal(p.max_age_s, MTA_STS_MAX_AGE_S);
    /* The first of two counts. */
    assert_int_equal(mta_sts_parse(SV("version: STSv1\nmode: testing\nmode: enforce\nmx: a.test\n"
                                      "max_age: 1\n"),
                                   &p, NULL),
                     0);
    assert_int_equal(p.mode, MTA_STS_TESTING);
    static const char *const bad[] = {
        "",
        "mode: enforce\nmx: a.test\nmax_age: 1",
        "version: STSv1\nmx: a.test\nmax_age: 1",
        "version: STSv1\nmode: enforce\nmax_age: 1",
        "version: STSv1\nmode: enforce\nmx: a.test",
        "version: STSv2\nmode: none\nmax_age: 1",
        "version: STSv1\nmode: ENFORCE\nmx: a.test\nmax_age: 1",
        "version: STSv1\nmode: enforce\nmx: a test\nmax_age: 1",
        "version: STSv1\nmode: enforce\nmx: *.\nmax_age: 1",
        "version: STSv1\nmode: enforce\nmx: a.test\nmax_age: -1",
        "version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 1\n<html>",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (mta_sts_parse(sv_c(bad[i]), &p, NULL) != E_PARSE)
            fail_msg("'%s' was taken", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_record),
        cmocka_unit_test(test_policy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
