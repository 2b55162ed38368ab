/* Tests of base/err.h: names of codes, cutting of sentences. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(err_name(0), "success");
    assert_string_equal(err_name(17), "success");
    assert_string_equal(err_name(-ENOENT), "No such file or directory");
    assert_string_equal(err_name(-999), "unknown error");
    assert_string_equal(err_name(-1000), "unknown error");
    assert_string_equal(err_name(-5000), "unknown error");
    assert_string_equal(err_name(INT_MIN), "unknown error");
    for (int c = E_PARSE; c >= E_FULL; c--) {
        assert_string_not_equal(err_name(c), "unknown error");
        for (int d = E_PARSE; d > c; d--)
            assert_string_not_equal(err_name(c), err_name(d));
    }
}

static void test_set(void **state)
{
    (void)state;
    assert_int_equal(err_set(NULL, E_AUTH, "x %d", 1), E_AUTH);
    assert_int_equal(err_set_errno(NULL, -EIO, "x"), -EIO);

    struct errinfo ei;
    assert_int_equal(err_set(&ei, E_PARSE, "line %d", 3), E_PARSE);
    assert_int_equal(ei.code, E_PARSE);
    assert_string_equal(ei.text, "line 3");
    assert_int_equal(err_set_errno(&ei, -ENOENT, "open %s", "/x"), -ENOENT);
    assert_int_equal(ei.code, -ENOENT);
    assert_string_equal(ei.text, "open /x: No such file or directory");
    err_set_errno(&ei, E_TLS, "starttls");
    assert_string_equal(ei.text, "starttls: TLS failure");
}

static void test_wrap(void **state)
{
    (void)state;
    struct errinfo ei;
    err_set(&ei, E_PARSE, "inner");
    err_set(&ei, ei.code, "outer: %s", ei.text);
    assert_string_equal(ei.text, "outer: inner");
}

static void test_long(void **state)
{
    (void)state;
    struct errinfo ei;
    char big[500];
    memset(big, 'a', sizeof(big));
    big[sizeof(big) - 1] = '\0';
    err_set(&ei, E_PARSE, "%s", big);
    assert_int_equal(strlen(ei.text), sizeof(ei.text) - 1);
    err_set_errno(&ei, -ENOENT, "%s", big);
    assert_int_equal(strlen(ei.text), sizeof(ei.text) - 1);
    assert_non_null(strstr(ei.text, "aaa: No such file or directory"));

    /* Whatever the position of the cut, no character is halved and no whole one is dropped. */
    static const char *const chars[] = { "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80" };
    for (size_t k = 0; k < ARRAY_LEN(chars); k++) {
        size_t len = strlen(chars[k]);
        for (size_t shift = 0; shift < len; shift++) {
            size_t n = shift;
            memset(big, 'a', shift);
            for (; n + len < sizeof(big); n += len)
                memcpy(big + n, chars[k], len);
            big[n] = '\0';
            err_set(&ei, E_PARSE, "%s", big);
            n = strlen(ei.text);
            assert_true(n + len > sizeof(ei.text) - 1);
            assert_int_equal((n - shift) % len, 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_wrap),
        cmocka_unit_test(test_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
