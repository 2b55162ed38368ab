/* Many sessions at once on the shared rooms, as the workers run them: every 250 is a message in the
 * queue. Meant for the thread sanitizer too. */
#include "fixture.h"

#include <pthread.h>

enum { THREADS = 6, SESSIONS = 5, MESSAGES = 10 };

static struct fixture *fixture;

static void feed(struct conn *c, const char *line)
{
    conn_test_input(c, sv_c(line));
}

static void *run_sessions(void *arg)
{
    const struct conn_test facts = { .peer_ip = "192.0.2.1", .local_ip = "192.0.2.25" };
    size_t accepted = 0;
    for (int s = 0; s < SESSIONS; s++) {
        struct conn *c = conn_test_open(&smtp_ops, &fixture->srv, &facts);
        feed(c, "EHLO c.example\r\n");
        for (int i = 0; i < MESSAGES; i++) {
            feed(c, "MAIL FROM:<a@example.net> SIZE=20\r\nRCPT TO:<bob@example.org>\r\n"
                    "RCPT TO:<eve@example.org>\r\nDATA\r\n");
            feed(c, "Subject: x\r\n\r\n");
            feed(c, "x\r\n.\r\n");
        }
        feed(c, "QUIT\r\n");
        struct sv out = conn_test_output(c);
        for (ssize_t at; (at = sv_find_sv(out, SV("accepted for delivery"))) >= 0; accepted++)
            out = sv_skip(out, (size_t)at + 1);
        conn_test_free(c, CLOSE_PEER);
    }
    *(size_t *)arg = accepted;
    return NULL;
}

static void test_parallel_sessions(void **state)
{
    pthread_t threads[THREADS];
    size_t accepted[THREADS], sum = 0;
    struct errinfo ei = { 0 };
    const struct account_spec quota = { .quota = "1GiB" };
    fixture = *state;
    add_account(fixture, "example.org", "bob@example.org", "secret");
    add_account(fixture, "example.org", "eve@example.org", "secret");
    must(account_update(fixture->srv.accounts, "test", SV("eve@example.org"), &quota, &ei), &ei);
    const struct mailstore_opts so = { .root = fixture->dir,
                                       .temp_dir = fixture->dir,
                                       .alpha_group = 2 };
    must(mailstore_open(&so, &fixture->srv.store, &ei), &ei);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_sessions, &accepted[i]), 0);
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        sum += accepted[i];
    }
    assert_int_equal(sum, THREADS * SESSIONS * MESSAGES);
    assert_int_equal(queue_count(fixture->srv.queue), sum);
    mailstore_close(fixture->srv.store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_parallel_sessions, fixture_open, fixture_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
