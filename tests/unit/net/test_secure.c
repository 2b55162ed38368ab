/* Secure destinations: patterns and certificates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "net/secure.h"

static bool secured(const char *list, const char *host, const char *domain)
{
    struct secure_destination d;
    return secure_find(sv_c(list), sv_c(host), sv_c(domain), &d);
}

static void test_patterns(void **state)
{
    (void)state;
    assert_true(secured("*.x.test", "a.x.test", "other.test"));
    assert_true(secured("*.x.test", "A.B.X.TEST", "other.test"));
    assert_false(secured("*.x.test", "x.test", "other.test"));
    assert_false(secured("*.x.test", ".x.test", "other.test"));
    assert_false(secured("*.x.test", "ax.test", "other.test"));
    assert_true(secured("a.test; b.test", "mx.elsewhere.test", "b.test"));
    assert_true(secured("*", "mx.any.test", "any.test"));
    assert_false(secured("", "mx.any.test", "any.test"));
    assert_false(secured("b.test", "mx.b.test", "c.test"));
    struct secure_destination d;
    assert_true(secure_parse(SV("a.test | sha256=AA:BB | subject=CN=a, O=b"), &d));
    assert_true(sv_eq(d.sha256, SV("AA:BB")) && sv_eq(d.subject, SV("CN=a, O=b")) && !d.issuer.n);
    assert_false(secure_parse(SV("a.test|md5=AA"), &d));
    assert_false(secure_parse(SV("a.test|sha256="), &d));
    assert_false(secure_parse(SV("|sha256=AA"), &d));
}

static void expect(const char *item, long verify, bool fits)
{
    struct secure_destination d;
    struct client_tls_result found = {
        .verify = verify,
        .peer = { .sha256 = "AA:BB:CC", .subject = "CN = mx, O = Corp", .issuer = "CN = Test CA" }
    };
    assert_true(secure_parse(sv_c(item), &d));
    if (!secure_check(&d, &found) != fits)
        fail_msg("%s with %ld", item, verify);
}

static void test_certificates(void **state)
{
    (void)state;
    expect("a.test", 0, true);
    expect("a.test", 18, false);
    expect("a.test|sha256=AA:BB:CC", 18, true);
    expect("a.test|sha256=AA:BB:CD", 0, false);
    expect("a.test|sha256=AA:BB", 0, false);
    expect("a.test|subject=CN=mx,O=Corp", 18, true);
    expect("a.test|subject=CN=mx", 0, false);
    expect("a.test|issuer=CN = Test CA|sha256=aabbcc", 18, true);
    expect("a.test|issuer=CN=Another CA|sha256=aabbcc", 0, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_certificates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
