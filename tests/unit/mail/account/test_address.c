/* Canonical addresses. */
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>

#include "mail/account/address.h"

static void good(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        { "User@Example.ORG", "user@example.org" },
        { "user@example.org.", "user@example.org" },
        { "postmaster", "postmaster" },
        { "\"user\"@a.test", "user@a.test" },
        { "\"U\\ser\"@a.test", "user@a.test" },
        { "\"a b\"@a.test", "\"a b\"@a.test" },
        { "\"a\\\"b\\\\c\"@a.test", "\"a\\\"b\\\\c\"@a.test" },
        { "\"a@b\"@a.test", "\"a@b\"@a.test" },
        { "\"a.\"@a.test", "\"a.\"@a.test" },
        { "\"quoted\"", "quoted" },
        { "a..b@a.test", "a..b@a.test" }, /* to be looked up, not to be created */
        { "J\xc3\xb6rg@B\xc3\xbc"
          "cher.example",
          "j\xc3\xb6rg@xn--bcher-kva.example" },
        { "x@stra\xc3\x9f"
          "e.example",
          "x@xn--strae-oqa.example" },
        { "x@b\xc3\xbc"
          "cher\xe3\x80\x82"
          "example\xe3\x80\x82",
          "x@xn--bcher-kva.example" },
        { "x@XN--BCHER-KVA.example", "x@xn--bcher-kva.example" },
        { "x@[IPv6:2001:DB8::1]", "x@[ipv6:2001:db8::1]" },
        { "o'neil+x/y=z@a.test", "o'neil+x/y=z@a.test" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct addr a;
        struct errinfo ei = { 0 };
        if (addr_parse(sv_c(rows[i][0]), &a, &ei) < 0)
            fail_msg("%s: %s", rows[i][0], ei.text);
        assert_string_equal(a.text, rows[i][1]);
        assert_int_equal(a.n, strlen(a.text));
        struct addr again; /* canonical text is a fixed point */
        assert_int_equal(addr_parse(addr_sv(&a), &again, NULL), 0);
        assert_string_equal(again.text, a.text);
        assert_true(a.at == a.n || a.text[a.at] == '@');
    }
}

static void bad(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "@",
        "a@",
        "@b",
        "a b@c",
        "a\tb@c",
        "a\"b@c",
        "\"ab@c",
        "\"ab\"c@d",
        "\"\"@a",
        "\"a\x01\"@b",
        "\"a\\",
        "a@b c",
        "a@b..c",
        "a@.b",
        "a@b/c",
        "a@b:c",
        "a<b@c",
        "a\\b@c",
        "a@\xc3\x28.test",
        "\xc3\x28@a.test",
        "a@b\xf0",
        "a@b\xc3\xbc.ex\032mple",
        "a@b..",
        "a@.",
        "a@..",
        "a@b\xc3\xbc..",
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct addr a;
        if (addr_parse(sv_c(rows[i]), &a, NULL) != E_PARSE)
            fail_msg("'%s' was not refused", rows[i]);
    }
}

static void lengths(void **state)
{
    (void)state;
    char text[600];
    struct addr a;
    for (size_t local = 1; local < 300; local++) {
        memset(text, 'l', local);
        snprintf(text + local, sizeof(text) - local, "@d.test");
        assert_int_equal(addr_parse(sv_c(text), &a, NULL), local <= ADDR_LOCAL_MAX ? 0 : E_RANGE);
    }
    for (size_t n = 1; n < 300; n++) {
        text[0] = 'l';
        text[1] = '@';
        for (size_t i = 0; i < n; i++)
            text[2 + i] = i % 2 ? '.' : 'd';
        text[2 + n] = '\0';
        int want = n - (n % 2 == 0 && n > 1) <= ADDR_DOMAIN_MAX ? 0 : E_RANGE;
        assert_int_equal(addr_parse(sv_c(text), &a, NULL), want);
    }
    /* Quotes that all need a backslash. */
    text[0] = '"';
    for (size_t i = 0; i < 100; i++)
        memcpy(text + 1 + 2 * i, "\\\"", 2);
    snprintf(text + 201, 20, "\"@d.test");
    assert_int_equal(addr_parse(sv_c(text), &a, NULL), E_RANGE);
    assert_int_equal(addr_parse(sv_n("a\0b@c", 5), &a, NULL), E_PARSE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good),
        cmocka_unit_test(bad),
        cmocka_unit_test(lengths),
    };
    return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
