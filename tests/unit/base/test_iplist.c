/* Address lists of settings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/iplist.h"

static const struct {
    const char *ip, *list;
    bool in;
} rows[] = {
    { "10.1.2.3", "10.1.2.3", true },
    { "10.1.2.3", "10.1.2.4", false },
    { "10.1.2.3", "", false },
    { "10.1.2.3", ";;", false },
    { "10.1.2.3", " 192.168.1.1 ; 10.1.2.3 ;", true },
    { "10.1.2.3", "10.0.0.0/8", true },
    { "11.1.2.3", "10.0.0.0/8", false },
    { "10.1.2.3", "10.1.2.3/32", true },
    { "10.1.2.2", "10.1.2.3/32", false },
    { "10.1.2.2", "10.1.2.3/31", true },
    { "10.1.2.3", "0.0.0.0/0", true },
    { "::1", "0.0.0.0/0", false },
    { "10.1.2.3", "10.0.0.0/33", false },
    { "10.1.2.3", "10.0.0.0/4294967295", false },
    { "10.1.2.3", "10.0.0.0/", false },
    { "10.1.2.3", "/8", false },
    { "192.168.7.9", "192.168.*.*", true },
    { "192.169.7.9", "192.168.*.*", false },
    { "192.168.7.9", "192.168.*", false },
    { "192.168.7.9", "192.168.*.*.*", false },
    { "192.168.7.9", "192-193.*.*.*", true },
    { "193.168.7.9", "192-193.*.*.*", true },
    { "194.168.7.9", "192-193.*.*.*", false },
    { "10.0.0.5", "10.0.0.1-10.0.0.9", true },
    { "10.0.0.10", "10.0.0.1-10.0.0.9", false },
    { "10.0.0.5", "10.0.0.1-9", true },
    { "10.0.0.10", "10.0.0.1-9", false },
    { "10.0.0.5", "10.0.0.x", false },
    { "10.0.0.5", "10.0.0.256", false },
    { "::ffff:10.1.2.3", "10.0.0.0/8", true },
    { "10.1.2.3", "::ffff:10.0.0.0/104", true },
    { "2001:db8::1", "2001:db8::/32", true },
    { "2001:db9::1", "2001:db8::/32", false },
    { "2001:db8::1", "2001:DB8:0:0::1", true },
    { "2001:db8::1", "2001:db8::/129", false },
    { "2001:db8::5", "2001:db8::1-2001:db8::9", true },
    { "fe80::1", "192.168.*.*;fe80::/10", true },
    { "::1", "127.0.0.0/8;::1", true },
    { "127.9.9.9", "127.0.0.0/8;::1", true },
    { "not an address", "0.0.0.0/0;::/0", false },
    { "", "0.0.0.0/0", false },
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ip_set *set = ip_set_new(sv_c(rows[i].list));
        if (ip_set_has(set, rows[i].ip) != rows[i].in)
            fail_msg("%s in a set of '%s'", rows[i].ip, rows[i].list);
        ip_set_free(set);
        if (ip_in_list(rows[i].ip, sv_c(rows[i].list)) != rows[i].in)
            fail_msg("'%s' in '%s' should be %d", rows[i].ip, rows[i].list, rows[i].in);
    }
}

static void test_the_entry_that_decides(void **state)
{
    struct sv list = SV("192.168.*.*; 10.0.0.0/8;::1");
    (void)state;
    assert_true(sv_eq(ip_list_find("10.1.2.3", list), SV("10.0.0.0/8")));
    assert_true(sv_eq(ip_list_find("::1", list), SV("::1")));
    assert_null(ip_list_find("11.1.2.3", list).p);
    assert_null(ip_list_find("x", list).p);
}

static void test_networks(void **state)
{
    bool v4;
    (void)state;
    assert_int_equal(ip_net_bits(SV("10.1.2.3"), &v4), 32);
    assert_true(v4);
    assert_int_equal(ip_net_bits(SV("10.0.0.0/8"), &v4), 8);
    assert_int_equal(ip_net_bits(SV("2001:db8::/32"), &v4), 32);
    assert_false(v4);
    assert_int_equal(ip_net_bits(SV("2001:db8::1"), &v4), 128);
    assert_int_equal(ip_net_bits(SV("10.0.0.0/33"), &v4), -1);
    assert_int_equal(ip_net_bits(SV("10.0.0.0/"), &v4), -1);
    assert_int_equal(ip_net_bits(SV("10.0.*.*"), &v4), -1);
    assert_int_equal(ip_net_bits(SV(""), &v4), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_the_entry_that_decides),
        cmocka_unit_test(test_networks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
