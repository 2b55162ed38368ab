/* TLS reports: what becomes of the counts of a day that is over, and when. The peers are those of
 * tests/integration/test_tlsrpt.py. */
#include "house.h"

#include "mail/deliver/tls_outcome.h"
#include "mail/deliver/tlsrpt_send.h"

enum { DAY_S = 86400, SPREAD_S = 4 * 3600 };

static const struct name names_of_reports[] = {
    { "_smtp._tls.mail.test", DNS_TXT, 0, 0, "v=TLSRPTv1; rua=mailto:r@far.test" },
    { "_smtp._tls.here.test", DNS_TXT, 0, 0, "v=TLSRPTv1; rua=mailto:bob@home.test" },
    { "_smtp._tls.nobody.test", DNS_TXT, 0, 0, "v=TLSRPTv1; rua=mailto:none@home.test" },
    { "_smtp._tls.other.test", DNS_TXT, 0, 0, "v=TLSRPTv1; rua=ftp://far.test/" },
    { "_smtp._tls.twice.test", DNS_TXT, 0, 0, "v=TLSRPTv1; rua=mailto:r@far.test" },
    { "_smtp._tls.twice.test", DNS_TXT, 0, 0, "v=TLSRPTv1; rua=mailto:s@far.test" },
    { "_smtp._tls.dead.test", DNS_TXT, E_TIMEOUT, 0, NULL },
};

static void count(const char *domain, int64_t day)
{
    const struct tls_count c = { day, domain, "sts", domain, "version: STSv1", "mx.test", "", "",
                                 "",  "",     "",    5 };
    OK(tls_counts_add(house.accounts, &c, 1, &ei));
}

static bool see(const struct tls_count *c, void *arg)
{
    (void)c;
    ++*(int *)arg;
    return true;
}

static int counts(const char *domain)
{
    int n = 0;
    OK(tls_counts_each(house.accounts, domain, -1, see, &n, &ei));
    return n;
}

static int send_it(const char *domain, int64_t day, struct tlsrpt_done *done)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    return tlsrpt_send(house.deliver, cf, domain, day, done);
}

static void open_house(void)
{
    house_open((const struct conf_pair[]){ { "deliver.tls_reports", "yes" },
                                           { "deliver.remote_workers", "1" } },
               2);
    use_names(names_of_reports, ARRAY_LEN(names_of_reports));
    house_start();
}

static void test_who_gets_one(void **state)
{
    (void)state;
    struct tlsrpt_done done = { 0 };
    open_house();
    count("here.test", 100);
    count("here.test", 101);
    assert_int_equal(send_it("here.test", 100, &done), 0);
    assert_int_equal(counts("here.test"), 1);
    WAIT_FOR(inbox_count("bob@home.test") == 1);
    _cleanup_(freep) char *got = inbox_newest("bob@home.test", NULL);
    assert_contains(got, "From: <postmaster@mx.home.test>\r\nTo: <bob@home.test>\r\n");
    assert_contains(got, "Report-ID: <8726399.here.test@mx.home.test>\r\n");
    assert_contains(got, "filename=\"mx.home.test!here.test!8640000!8726399.json.gz\"");
    /* Who has it does not get it again. */
    count("here.test", 100);
    assert_int_equal(done.n, 1);
    assert_int_equal(send_it("here.test", 100, &done), 0);
    assert_int_equal(counts("here.test"), 1);
    assert_int_equal(inbox_count("bob@home.test"), 1);
    house_close();
}

static void test_who_gets_none(void **state)
{
    (void)state;
    static const char *const domains[] = { "other.test", "twice.test", "unknown.test",
                                           "nobody.test" };
    open_house();
    for (size_t i = 0; i < ARRAY_LEN(domains); i++) {
        struct tlsrpt_done done = { 0 };
        count(domains[i], 100);
        assert_int_equal(send_it(domains[i], 100, &done), 0);
        assert_int_equal(counts(domains[i]), 0);
    }
    assert_int_equal(queue_first().n, 0);
    house_close();
}

static void test_kept_while_names_do_not_resolve(void **state)
{
    (void)state;
    struct tlsrpt_done done = { 0 };
    open_house();
    count("dead.test", 100);
    assert_int_equal(send_it("dead.test", 100, &done), E_TIMEOUT);
    assert_int_equal(counts("dead.test"), 1);
    house_close();
}

static void test_counted_sessions_are_written_at_the_end(void **state)
{
    (void)state;
    open_house();
    const struct tls_count c = { 100, "a.test", "tlsa", "mx.a.test", "3 1 1 aa", "",
                                 "",  "",       "",     "",          "",         1 };
    tlsrpt_count(house.deliver, &c);
    tlsrpt_count(house.deliver, &c);
    house_stop();
    assert_int_equal(counts("a.test"), 1);
    house_close();
}

static void test_when(void **state)
{
    (void)state;
    int64_t first = tlsrpt_due_s(100, "a.test", "mx.test");
    bool differs = false;
    assert_int_equal(first, tlsrpt_due_s(100, "a.test", "mx.test"));
    for (int i = 0; i < 1000; i++) {
        char domain[20];
        snprintf(domain, sizeof(domain), "d%d.test", i);
        int64_t due = tlsrpt_due_s(100, domain, "mx.test");
        assert_true(due >= 101 * DAY_S && due < 101 * DAY_S + SPREAD_S);
        differs |= due != first;
    }
    assert_true(differs);
}

static void test_results(void **state)
{
    (void)state;
    assert_string_equal(tls_outcome_of(10), "certificate-expired");
    assert_string_equal(tls_outcome_of(62), "certificate-host-mismatch");
    assert_string_equal(tls_outcome_of(18), "certificate-not-trusted");
    assert_string_equal(tls_outcome_of(65), "certificate-not-trusted");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_gets_one),
        cmocka_unit_test(test_who_gets_none),
        cmocka_unit_test(test_kept_while_names_do_not_resolve),
        cmocka_unit_test(test_counted_sessions_are_written_at_the_end),
        cmocka_unit_test(test_when),
        cmocka_unit_test(test_results),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
