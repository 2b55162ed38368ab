/* Listening sockets: addresses, families, errors that name what is wrong. */
#include "net_fixture.h"

static void test_address_forms(void **state)
{
    (void)state;
    struct errinfo ei = { 0 };
    static const char *const good[] = { "127.0.0.1:0", "0.0.0.0:0", " 127.0.0.1:0 ", "[::1]:0",
                                        "[::]:0" };
    static const char *const bad[] = {
        "",        "127.0.0.1",      "127.0.0.1:",   ":25",   "127.0.0.1:65536", "::1:25",
        "[::1]25", "[127.0.0.1]:25", "localhost:25", "[]:25", "127.0.0.1:25 x",  "1.2.3:25"
    };
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        int fd = -1, v6only = 0;
        socklen_t n = sizeof(v6only);
        if (net_bind(good[i], &fd, &ei) < 0)
            fail_msg("%s: %s", good[i], ei.text);
        if (strchr(good[i], '[')) {
            assert_int_equal(getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, &n), 0);
            assert_int_equal(v6only, 1);
        }
        close(fd);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        int fd = -1;
        assert_int_equal(net_bind(bad[i], &fd, &ei), E_PARSE);
        assert_int_equal(fd, -1);
        assert_non_null(strstr(ei.text, bad[i]));
    }
}

static void test_errors_name_the_remedy(void **state)
{
    (void)state;
    struct errinfo ei = { 0 };
    struct sockaddr_in a;
    socklen_t n = sizeof(a);
    char addr[32];
    int fd, second = -1;
    assert_int_equal(net_bind("127.0.0.1:0", &fd, &ei), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    snprintf(addr, sizeof(addr), "127.0.0.1:%u", ntohs(a.sin_port));
    assert_int_equal(net_bind(addr, &second, &ei), -EADDRINUSE);
    assert_non_null(strstr(ei.text, addr));
    assert_non_null(strstr(ei.text, "another program"));
    assert_int_equal(net_bind("203.0.113.77:0", &second, &ei), -EADDRNOTAVAIL);
    assert_non_null(strstr(ei.text, "203.0.113.77"));
    assert_int_equal(second, -1);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_address_forms),
        cmocka_unit_test(test_errors_name_the_remedy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
