/* Names of patterns, and what their items are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/pattern_item.h"

static const struct {
    const char *item;
    enum pattern_item kind;
} rows[] = {
    { "info", PATTERN_ITEM_ADDRESS },
    { "abcdef", PATTERN_ITEM_ADDRESS },
    { "2024", PATTERN_ITEM_ADDRESS },
    { "@10.0.0.1", PATTERN_ITEM_ADDRESS },
    { "v1.2.3.4", PATTERN_ITEM_ADDRESS },
    { "*2024/05*", PATTERN_ITEM_ADDRESS },
    { "sales-*@example.org", PATTERN_ITEM_ADDRESS },
    { "\"a:b\"@example.org", PATTERN_ITEM_ADDRESS },
    { "1.2.3", PATTERN_ITEM_ADDRESS },
    { "192.0.2.7", PATTERN_ITEM_IP },
    { "10.0.0.0/8", PATTERN_ITEM_IP },
    { "0.0.0.0/0", PATTERN_ITEM_IP },
    { "192.168.*.*", PATTERN_ITEM_IP },
    { "192-193.*.*.7", PATTERN_ITEM_IP },
    { "::1", PATTERN_ITEM_IP },
    { "2001:DB8::/32", PATTERN_ITEM_IP },
    { "::ffff:10.1.2.3", PATTERN_ITEM_IP },
    { "192.0.2.256", PATTERN_ITEM_BAD_IP },
    { "10.0.0.0/33", PATTERN_ITEM_BAD_IP },
    { "10.0.0.0/", PATTERN_ITEM_BAD_IP },
    { "10.0/8", PATTERN_ITEM_BAD_IP },
    { "193-192.*.*.*", PATTERN_ITEM_BAD_IP },
    { "1.2.3.*4", PATTERN_ITEM_BAD_IP },
    { "2001:db8:::1", PATTERN_ITEM_BAD_IP },
    { "2001:db8::/129", PATTERN_ITEM_BAD_IP },
    { "[Staff]", PATTERN_ITEM_NAME },
    { "[a b]", PATTERN_ITEM_BAD_NAME },
    { "[]", PATTERN_ITEM_BAD_NAME },
    { "[192.0.2.1]", PATTERN_ITEM_BAD_NAME },
    { "[staff", PATTERN_ITEM_BAD_NAME },
};

static void test_kinds(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (pattern_item_kind(sv_c(rows[i].item)) != rows[i].kind)
            fail_msg("%s: %d, not %d", rows[i].item, pattern_item_kind(sv_c(rows[i].item)),
                     rows[i].kind);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_kinds) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
