/* Arguments of ManageSieve commands, and strings in answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/managesieve.h"

static int parse(struct sv text, const char *form, struct managesieve_args *ret, struct arena *a)
{
    arena_init(a, KiB);
    struct imap_in in = imap_in_sv(text, a);
    return managesieve_args(&in, form, ret);
}

static void wrong(struct sv text, const char *form)
{
    struct managesieve_args args;
    struct arena a;
    if (parse(text, form, &args, &a) == 0)
        fail_msg("'" SV_FMT "' fits %s", SV_ARG(text), form);
    arena_done(&a);
}

static void arguments(void **state _unused_)
{
    struct managesieve_args x;
    struct arena a;
    assert_int_equal(parse(SV(" \"a b\" {3+}\r\n\"\r\n"), "ss", &x, &a), 0);
    assert_int_equal(x.n, 2);
    assert_true(sv_eq(x.string[0], SV("a b")) && sv_eq(x.string[1], SV("\"\r\n")));
    arena_done(&a);
    assert_int_equal(parse(SV(" \"\\\"\\\\\" 17 "), "sn", &x, &a), 0);
    assert_true(sv_eq(x.string[0], SV("\"\\")) && x.number == 17);
    arena_done(&a);
    assert_int_equal(parse(SV(" \"\xc3\xa4\""), "s?s", &x, &a), 0);
    assert_true(x.n == 1 && sv_eq(x.string[0], SV("\xc3\xa4")));
    arena_done(&a);
    assert_int_equal(parse(SV(""), "?s", &x, &a), 0);
    assert_int_equal(x.n, 0);
    arena_done(&a);
    assert_int_equal(parse(SV(""), "", &x, &a), 0);
    arena_done(&a);
}

static void wrong_arguments(void **state _unused_)
{
    wrong(SV(""), "s");
    wrong(SV("\"a\""), "s");
    wrong(SV(" a"), "s");
    wrong(SV(" 5"), "s");
    wrong(SV(" \"5\""), "n");
    wrong(SV(" -5"), "n");
    wrong(SV(" 99999999999999999999"), "n");
    wrong(SV(" \"a\" \"b\""), "s");
    wrong(SV(" \"a\"\"b\""), "ss");
    wrong(SV(" \"a"), "s");
    wrong(SV(" \"a\\b\""), "s");
    wrong(SV(" {5+}\r\nab"), "s");
    wrong(SV(" {1+}\r\n\0"), "s");
    wrong(SV(" x"), "");
    wrong(SV(" x"), "?s");
}

static void put(struct sv s, struct sv want)
{
    _cleanup_(buf_done) struct buf b = { 0 };
    buf_init(&b, 8 * KiB);
    managesieve_put_string(&b, s);
    assert_true(sv_eq(buf_sv(&b), want));
}

static void strings(void **state _unused_)
{
    char long_one[1025];
    _cleanup_(buf_done) struct buf b = { 0 };
    put(SV(""), SV("\"\""));
    put(SV("a\"b\\c"), SV("\"a\\\"b\\\\c\""));
    put(SV("a\r\nb"), SV("{4}\r\na\r\nb"));
    put(SV("a\nb"), SV("{3}\r\na\nb"));
    memset(long_one, 'x', sizeof(long_one));
    buf_init(&b, 8 * KiB);
    managesieve_put_string(&b, sv_n(long_one, 1024));
    assert_true(b.n == 1026 && b.p[0] == '"');
    buf_reset(&b);
    managesieve_put_string(&b, sv_n(long_one, 1025));
    assert_true(sv_starts(buf_sv(&b), SV("{1025}\r\nx")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arguments),
        cmocka_unit_test(wrong_arguments),
        cmocka_unit_test(strings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
