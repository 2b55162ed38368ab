/* Policies of MTA-STS on disk, without network: what is kept holds until its time is over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "mail/deliver/sts.h"
#include "net/dns.h"
#include "os/file.h"

static char dir[64];

static int no_record(const char *name, enum dns_type type, struct dns_answer **ret)
{
    (void)name, (void)type, (void)ret;
    return E_NXDOMAIN;
}

static void keep(const char *domain, int64_t fetched_s, int64_t retry_s, const char *policy)
{
    char path[128], text[512];
    snprintf(path, sizeof(path), "%s/%s", dir, domain);
    snprintf(text, sizeof(text), "id 1\nfetched %" PRId64 "\nretry %" PRId64 "\n\n%s", fetched_s,
             retry_s, policy);
    assert_int_equal(os_write_file_atomic(path, sv_c(text), 0600, NULL), 0);
}

static bool is_kept(const char *domain)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", dir, domain);
    return access(path, F_OK) == 0;
}

static enum mta_sts_mode mode_of(const char *domain)
{
    static struct sts found;
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    sts_find(cf, dir, sv_c(domain), &found);
    assert_true(found.asked);
    return found.policy.mode;
}

#define ENFORCE "version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 1000\n"

static int set_up(void **state)
{
    (void)state;
    struct conf *c;
    snprintf(dir, sizeof(dir), "/tmp/posthorn-sts-XXXXXX");
    assert_non_null(mkdtemp(dir));
    assert_int_equal(conf_build(NULL, 0, &c, NULL), 0);
    conf_publish(c);
    dns_test_hook(no_record);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    dns_test_hook(NULL);
    return os_remove_tree(dir, NULL);
}

static void test_kept_policies_hold(void **state)
{
    (void)state;
    int64_t now = clock_wall_s();
    keep("good.test", now - 900, 0, ENFORCE);
    keep("old.test", now - 1001, 0, ENFORCE);
    keep("none.test", 0, now + 300, "");
    keep("damaged.test", now, 0, "version: STSv1\nmode: enforce\n");
    assert_int_equal(mode_of("good.test"), MTA_STS_ENFORCE);
    assert_int_equal(mode_of("GOOD.test"), MTA_STS_ENFORCE);
    assert_int_equal(mode_of("old.test"), MTA_STS_NONE);
    assert_int_equal(mode_of("none.test"), MTA_STS_NONE);
    assert_int_equal(mode_of("damaged.test"), MTA_STS_NONE);
    assert_int_equal(mode_of("unknown.test"), MTA_STS_NONE);
    static const char *const hostile[] = {
        "", ".", "..", "../good.test", "a/../good.test", "good.test.", "[127.0.0.1]"
    };
    for (size_t i = 0; i < ARRAY_LEN(hostile); i++)
        assert_int_equal(mode_of(hostile[i]), MTA_STS_NONE);
}

static void test_sweep(void **state)
{
    (void)state;
    int64_t now = clock_wall_s();
    keep("good.test", now - 900, 0, ENFORCE);
    keep("old.test", now - 1001, 0, ENFORCE);
    keep("failed.test", 0, now + 300, "");
    keep("failed-before.test", 0, now - 1, "");
    sts_sweep(dir);
    assert_true(is_kept("good.test"));
    assert_true(is_kept("failed.test"));
    assert_false(is_kept("old.test"));
    assert_false(is_kept("failed-before.test"));
    sts_sweep("/nonexistent");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_kept_policies_hold, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sweep, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
