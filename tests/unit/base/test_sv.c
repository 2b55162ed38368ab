/* Tests of base/sv.h, each also with the null slice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "base/sv.h"

#define assert_sv(got, lit)                                                                        \
    do {                                                                                           \
        struct sv _got = (got);                                                                    \
        assert_int_equal(_got.n, sizeof(lit) - 1);                                                 \
        assert_memory_equal(_got.p, lit, sizeof(lit) - 1);                                         \
    } while (0)

static void test_compare(void **state)
{
    (void)state;
    assert_true(sv_eq(SV("abc"), sv_c("abc")));
    assert_false(sv_eq(SV("abc"), SV("abd")));
    assert_false(sv_eq(SV("abc"), SV("ab")));
    assert_true(sv_eq(SV_NULL, SV("")));
    assert_true(sv_eq(SV_NULL, SV_NULL));
    assert_true(sv_eq(sv_c(NULL), SV_NULL));
    assert_true(sv_eq(SV("a\0b"), SV("a\0b")));
    assert_false(sv_eq(SV("a\0b"), SV("a\0c")));

    assert_true(sv_ieq(SV("MAIL From"), SV("mail fROM")));
    assert_false(sv_ieq(SV("[x"), SV("{x"))); /* 0x20 apart, and no letters */
    assert_false(sv_ieq(SV("@"), SV("`")));
    assert_false(sv_ieq(SV("\xc4"), SV("\xe4"))); /* ASCII only */
    assert_true(sv_ieq(SV_NULL, SV("")));

    assert_true(sv_cmp(SV("a"), SV("b")) < 0);
    assert_true(sv_cmp(SV("b"), SV("a")) > 0);
    assert_int_equal(sv_cmp(SV("a"), SV("a")), 0);
    assert_true(sv_cmp(SV("a"), SV("ab")) < 0);
    assert_true(sv_cmp(SV("ab"), SV("b")) < 0);
    assert_true(sv_cmp(SV("\xff"), SV("a")) > 0); /* unsigned */
    assert_true(sv_cmp(SV_NULL, SV("a")) < 0);
    assert_int_equal(sv_cmp(SV_NULL, SV("")), 0);

    assert_int_equal(sv_icmp(SV("AbC"), SV("aBc")), 0);
    assert_true(sv_icmp(SV("a"), SV("B")) < 0);
    assert_true(sv_icmp(SV("A"), SV("ab")) < 0);
    assert_true(sv_icmp(SV("_"), SV("A")) < 0); /* folds to lower case */
    assert_true(sv_icmp(SV("\xff"), SV("a")) > 0);
    assert_int_equal(sv_icmp(SV_NULL, SV_NULL), 0);
}

static void test_affixes(void **state)
{
    (void)state;
    assert_true(sv_starts(SV("hello"), SV("he")));
    assert_true(sv_starts(SV("hello"), SV("hello")));
    assert_true(sv_starts(SV("hello"), SV("")));
    assert_true(sv_starts(SV_NULL, SV_NULL));
    assert_false(sv_starts(SV("hello"), SV("He")));
    assert_false(sv_starts(SV("he"), SV("hello")));
    assert_true(sv_istarts(SV("hello"), SV("HE")));
    assert_false(sv_istarts(SV("h"), SV("HE")));
    assert_true(sv_iends(SV("file.EML"), SV(".eml")));
    assert_true(sv_iends(SV("x"), SV_NULL));
    assert_true(sv_iends(SV_NULL, SV_NULL));
    assert_false(sv_iends(SV("eml"), SV(".eml")));
}

static void test_cuts(void **state)
{
    (void)state;
    assert_sv(sv_skip(SV("hello"), 2), "llo");
    assert_sv(sv_skip(SV("hello"), 99), "");
    assert_sv(sv_skip(SV("hello"), SIZE_MAX), "");
    assert_null(sv_skip(SV_NULL, 3).p);
    assert_sv(sv_take(SV("hello"), 2), "he");
    assert_sv(sv_take(SV("hello"), 99), "hello");
    assert_sv(sv_trim(SV(" \t\r\n a b \r\n")), "a b");
    assert_sv(sv_trim(SV(" \t ")), "");
    assert_sv(sv_trim(SV("\va")), "\va");
    assert_int_equal(sv_trim(SV_NULL).n, 0);
}

static void test_find(void **state)
{
    (void)state;
    assert_int_equal(sv_find(SV("a,b,c"), ','), 1);
    assert_int_equal(sv_rfind(SV("a,b,c"), ','), 3);
    assert_int_equal(sv_find(SV("abc"), ','), -1);
    assert_int_equal(sv_rfind(SV("abc"), ','), -1);
    assert_int_equal(sv_find(SV_NULL, 'a'), -1);
    assert_int_equal(sv_rfind(SV_NULL, 'a'), -1);
    assert_int_equal(sv_find(SV("ab\0c"), '\0'), 2);
    assert_int_equal(sv_find(SV("a\xffz"), '\xff'), 1);
    assert_int_equal(sv_find(sv_n("abc", 2), 'c'), -1);

    assert_int_equal(sv_find_sv(SV("aab aaab"), SV("aaab")), 4);
    assert_int_equal(sv_find_sv(SV("abc"), SV("abcd")), -1);
    assert_int_equal(sv_find_sv(SV("abc"), SV("")), 0);
    assert_int_equal(sv_find_sv(SV_NULL, SV("a")), -1);
    assert_int_equal(sv_find_sv(SV_NULL, SV_NULL), 0);
    assert_int_equal(sv_find_sv(SV("abc"), SV("B")), -1);
    assert_int_equal(sv_ifind_sv(SV("abc"), SV("B")), 1);
    assert_int_equal(sv_ifind_sv(SV("xxBoUnDaRy"), SV("boundary")), 2);
    assert_int_equal(sv_ifind_sv(SV("boundar"), SV("boundary")), -1);
    assert_int_equal(sv_ifind_sv(SV("abcdef"), SV("xy")), -1);
    assert_int_equal(sv_ifind_sv(sv_n("abc", 2), SV("C")), -1);
    assert_int_equal(sv_ifind_sv(SV("bbbx"), SV("BX")), 2);
    assert_int_equal(sv_ifind_sv(SV_NULL, SV_NULL), 0);
    assert_int_equal(sv_ifind_sv(SV_NULL, SV("a")), -1);
    /* Every length and place around the blocks that are looked at together; memory that ends where
     * the slice does, for the sanitizer. */
    static const char needle[] = "Zq9[x]-Q.zQ9Zq9[X]@";
    for (size_t n = 1; n < sizeof(needle); n++)
        for (size_t len = n; len < n + 140; len++) {
            char *p = xmalloc(len);
            memset(p, needle[0], len);
            struct sv s = sv_n(p, len), want = sv_n(needle, n);
            assert_int_equal(sv_ifind_sv(s, want), n == 1 ? 0 : -1);
            memset(p, '.', len);
            for (size_t at = 0; at + n <= len; at++) {
                for (size_t i = 0; i < n; i++)
                    p[at + i] = at & 1 ? ascii_upper(needle[i]) : ascii_lower(needle[i]);
                assert_int_equal(sv_ifind_sv(s, want), (ssize_t)at);
                memset(p + at, '.', n);
            }
            free(p);
        }
    assert_int_equal(sv_ifind_sv(SV("{`@"), SV("[@`")), -1); /* no letters, no other case */
    assert_int_equal(sv_ifind_sv(SV("\xc3\xa9"), SV("\xe3")), -1);
}

static int count_parts(struct sv rest, char sep)
{
    int n = 0;
    while (rest.p) {
        sv_split(&rest, sep);
        n++;
    }
    return n;
}

static void test_split(void **state)
{
    (void)state;
    struct sv rest = SV("a,,bc");
    assert_sv(sv_split(&rest, ','), "a");
    assert_sv(sv_split(&rest, ','), "");
    assert_sv(sv_split(&rest, ','), "bc");
    assert_null(rest.p);
    assert_null(sv_split(&rest, ',').p);
    assert_int_equal(count_parts(SV_NULL, ','), 0);
    assert_int_equal(count_parts(SV(""), ','), 1);
    assert_int_equal(count_parts(SV(","), ','), 2);
    assert_int_equal(count_parts(SV("a,b,"), ','), 3);
}

static void test_u64(void **state)
{
    (void)state;
    static const struct {
        const char *s;
        int r;
        uint64_t v;
    } cases[] = {
        { "0", 0, 0 },
        { "00012", 0, 12 },
        { "18446744073709551615", 0, UINT64_MAX },
        { "0000000000018446744073709551615", 0, UINT64_MAX },
        { "18446744073709551616", E_RANGE, 0 },
        { "18446744073709551620", E_RANGE, 0 },
        { "99999999999999999999999", E_RANGE, 0 },
        { "99999999999999999999999x", E_PARSE, 0 },
        { "", E_PARSE, 0 },
        { "-1", E_PARSE, 0 },
        { "+1", E_PARSE, 0 },
        { " 1", E_PARSE, 0 },
        { "1 ", E_PARSE, 0 },
        { "0x10", E_PARSE, 0 },
        { "\xb2", E_PARSE, 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t v = 77;
        assert_int_equal(sv_to_u64(sv_c(cases[i].s), &v), cases[i].r);
        assert_true(v == (cases[i].r ? 77 : cases[i].v)); /* untouched on failure */
    }
    uint64_t v;
    assert_int_equal(sv_to_u64(SV_NULL, &v), E_PARSE);
    assert_int_equal(sv_to_u64(SV("1\0"), &v), E_PARSE);
}

static void test_u32_i64(void **state)
{
    (void)state;
    uint32_t u = 77;
    assert_int_equal(sv_to_u32(SV("4294967296"), &u), E_RANGE);
    assert_int_equal(sv_to_u32(SV("-1"), &u), E_PARSE);
    assert_int_equal(u, 77);
    assert_int_equal(sv_to_u32(SV("4294967295"), &u), 0);
    assert_true(u == UINT32_MAX);

    int64_t v = 77;
    assert_int_equal(sv_to_i64(SV("9223372036854775808"), &v), E_RANGE);
    assert_int_equal(sv_to_i64(SV("-9223372036854775809"), &v), E_RANGE);
    assert_int_equal(sv_to_i64(SV("-"), &v), E_PARSE);
    assert_int_equal(sv_to_i64(SV("--1"), &v), E_PARSE);
    assert_int_equal(sv_to_i64(SV("+1"), &v), E_PARSE);
    assert_int_equal(sv_to_i64(SV_NULL, &v), E_PARSE);
    assert_true(v == 77);
    assert_int_equal(sv_to_i64(SV("9223372036854775807"), &v), 0);
    assert_true(v == INT64_MAX);
    assert_int_equal(sv_to_i64(SV("-9223372036854775808"), &v), 0);
    assert_true(v == INT64_MIN);
    assert_int_equal(sv_to_i64(SV("-0"), &v), 0);
    assert_true(v == 0);
    assert_int_equal(sv_to_i64(SV("-12"), &v), 0);
    assert_true(v == -12);
}

static void test_copies(void **state)
{
    (void)state;
    _cleanup_(freep) char *a = sv_dup(sv_n("hello", 4));
    assert_string_equal(a, "hell");
    _cleanup_(freep) char *b = sv_dup(SV_NULL);
    assert_string_equal(b, "");

    char d[4] = "zzz";
    assert_true(sv_copy(d, sizeof(d), SV("abc")));
    assert_string_equal(d, "abc");
    assert_false(sv_copy(d, sizeof(d), SV("wxyz")));
    assert_string_equal(d, "wxy");
    assert_true(sv_copy(d, sizeof(d), SV_NULL));
    assert_string_equal(d, "");
    assert_false(sv_copy(d, 1, SV("a")));
    assert_string_equal(d, "");
    assert_false(sv_copy(NULL, 0, SV("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compare), cmocka_unit_test(test_affixes), cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_find),    cmocka_unit_test(test_split),   cmocka_unit_test(test_u64),
        cmocka_unit_test(test_u32_i64), cmocka_unit_test(test_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
