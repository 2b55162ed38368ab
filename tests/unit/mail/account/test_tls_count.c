/* Counts of TLS with other servers, on each database: what is equal is added up, and it stays until
 * it is deleted. */
#include "account_suite.h"

#include "mail/account/tls_count.h"

static bool see(const struct tls_count *c, void *arg)
{
    char *text = arg;
    size_t n = strlen(text);
    snprintf(text + n, 2000 - n, "%d %s %s %s %s %s %s=%d;", (int)c->day, c->domain, c->policy_type,
             c->policy, c->result, c->mx, c->reason, (int)c->sessions);
    return true;
}

static const char *seen(const char *domain, int64_t day)
{
    static char text[2000];
    text[0] = '\0';
    OK(tls_counts_each(acc, domain, day, see, text, EI));
    return text;
}

static struct tls_count count(int64_t day, const char *domain, int64_t n)
{
    return (struct tls_count){ day,   domain, "sts", domain, "version: STSv1\nmode: testing",
                               "*.x", "",     "",    "",     "",
                               "",    n };
}

static void test_adding(void **state)
{
    (void)state;
    struct tls_count v[] = { count(10, "b.test", 2), count(10, "a.test", 1), count(11, "a.test", 7),
                             count(10, "a.test", 4) };
    v[3].result = "certificate-expired";
    v[3].mx = "mx.a.test";
    v[3].reason = "it's \xc3\xa4";
    OK(tls_counts_add(acc, v, 4, EI));
    OK(tls_counts_add(acc, v, 2, EI));
    OK(tls_counts_add(acc, v, 0, EI));
    assert_string_equal(seen("b.test", -1), "10 b.test sts version: STSv1\nmode: testing   =4;");
    assert_string_equal(seen("a.test", 11), "11 a.test sts version: STSv1\nmode: testing   =7;");
    assert_non_null(strstr(seen("a.test", 10), "certificate-expired mx.a.test it's \xc3\xa4=4;"));
    assert_non_null(strstr(seen("a.test", 10), "testing   =2;"));
    assert_int_equal(suite_number("SELECT COUNT(*) FROM tls_count"), 4);
    char text[2000] = "";
    OK(tls_counts_pending(acc, see, text, EI));
    assert_string_equal(text, "10 a.test     =2;10 b.test     =1;11 a.test     =1;");
    OK(tls_counts_delete(acc, "a.test", 10, EI));
    assert_string_equal(seen("a.test", 10), "");
    assert_non_null(strstr(seen("", -1), "10 b.test"));
    assert_non_null(strstr(seen("", -1), "11 a.test"));
}

static const struct CMUnitTest tests[] = { SUITE_TEST(test_adding) };
SUITE_MAIN("counts of TLS")
