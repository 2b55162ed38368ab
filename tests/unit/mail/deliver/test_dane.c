/* DANE records as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "mail/deliver/dane.h"

static void test_tlsa(void **state)
{
    (void)state;
    struct tlsa t;
    assert_true(dane_parse(SV("3 1 1 00fF"), &t));
    assert_int_equal(t.usage * 100 + t.selector * 10 + t.matching, 311);
    assert_int_equal(t.n, 2);
    assert_memory_equal(t.data, "\x00\xff", 2);
    static const char *const bad[] = { "",           "3",         "3 1 1",
                                       "3 1 1 ",     "3 1 1 0",   "3 1 1 0g",
                                       "256 1 1 00", "-1 1 1 00", "3 1 1 00 00" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (dane_parse(sv_c(bad[i]), &t))
            fail_msg("'%s' was taken", bad[i]);
    char longest[4200] = "2 0 0 ";
    memset(longest + 6, 'a', sizeof(longest) - 7);
    longest[sizeof(longest) - 1] = '\0';
    assert_false(dane_parse(sv_c(longest), &t));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_tlsa) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
