/* What the peer is told when the queue or the database fails, and which workers run what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "../../../fuzz/smtp_fakes.h"

#include "conf/conf.h"
#include "log/log.h"
#include "net/conn_test.h"
#include "server/smtp/smtp_server.h"

static struct smtp_server srv;
static struct conn *c;

/* A copy of smtp_ops that notes the pool of the last frame. */
static enum pool last_pool;

static enum pool note_pool(void *session, const struct frame *f)
{
    return last_pool = smtp_ops.pool(session, f);
}

static void set(const char *name, const char *value)
{
    const struct conf_pair pairs[] = { { "system.hostname", "mx.example" },
                                       { "queue.memory_limit", "4096" },
                                       { name, value } };
    struct conf *cf;
    struct errinfo ei;
    assert_int_equal(conf_build(pairs, ARRAY_LEN(pairs), &cf, &ei), 0);
    conf_publish(cf);
}

static int dial(void **state)
{
    static struct proto_ops ops;
    (void)state;
    log_set_level(LOG_SMTP, LOG_NONE);
    set("smtp.vrfy", "no");
    ops = smtp_ops;
    ops.pool = note_pool;
    fake_accept_result = fake_spool_result = 0;
    fake_accepted = 0;
    c = conn_test_open(&ops, &srv, &(struct conn_test){ .peer_ip = "192.0.2.1" });
    conn_test_input(c, SV("EHLO c.example\r\n"));
    return 0;
}

static int hang_up(void **state)
{
    (void)state;
    conn_test_free(c, CLOSE_PEER);
    return 0;
}

static void expect(struct sv input, const char *reply)
{
    conn_test_take(c);
    conn_test_input(c, input);
    struct sv out = conn_test_output(c);
    if (!sv_starts(out, sv_c(reply)))
        fail_msg("expected '%s', got '" SV_FMT "'", reply, SV_ARG(out));
}

static void start_data(void)
{
    expect(SV("MAIL FROM:<a@example.net>\r\n"), "250 2.1.0 ");
    expect(SV("RCPT TO:<bob@example.org>\r\n"), "250 2.1.5 ");
    expect(SV("DATA\r\n"), "354 ");
}

static void test_queue_full(void **state)
{
    (void)state;
    start_data();
    fake_accept_result = E_FULL;
    expect(SV("x\r\n.\r\n"), "452 4.3.1 Insufficient system storage\r\n");
    fake_accept_result = 0;
    start_data();
    expect(SV("x\r\n.\r\n"), "250 2.6.0 3 bytes received in 00:00:00; Message id ");
    assert_int_equal(fake_accepted, 1);
}

static void test_queue_failure(void **state)
{
    (void)state;
    start_data();
    fake_accept_result = -EIO;
    expect(SV("x\r\n.\r\n"), "451 4.3.0 Temporary failure, try again later\r\n");
    assert_int_equal(fake_accepted, 0);
}

static void feed_large(void)
{
    char line[102];
    memset(line, 'x', 100);
    memcpy(line + 100, "\r\n", 2);
    for (int i = 0; i < 100; i++)
        conn_test_input(c, sv_n(line, sizeof(line)));
}

static void test_spool_failure(void **state)
{
    (void)state;
    start_data();
    fake_spool_result = E_FULL;
    feed_large();
    expect(SV(".\r\n"), "452 4.3.1 ");
    start_data();
    fake_spool_result = E_TEMP;
    feed_large();
    expect(SV(".\r\n"), "451 4.3.0 ");
    expect(SV("NOOP\r\n"), "250 ");
}

static void test_database_failure(void **state)
{
    (void)state;
    expect(SV("MAIL FROM:<a@example.net>\r\n"), "250 2.1.0 ");
    expect(SV("RCPT TO:<db@example.com>\r\n"), "451 4.3.0 Temporary failure, try again later\r\n");
}

static void test_pools(void **state)
{
    (void)state;
    expect(SV("NOOP\r\n"), "250 ");
    assert_int_equal(last_pool, POOL_FAST);
    /* The pretended accounts call a password fast that is shorter than the name. */
    expect(SV("AUTH PLAIN AGJvYgBzZWNyZXQ=\r\n"), "235 ");
    assert_int_equal(last_pool, POOL_SLOW);
    expect(SV("MAIL FROM:<bob@example.org>\r\n"), "250 ");
    assert_int_equal(last_pool, POOL_FAST);
    expect(SV("RCPT TO:<bob@example.org>\r\nDATA\r\n"), "250 ");
    feed_large();
    assert_int_equal(last_pool, POOL_BULK);
    expect(SV(".\r\n"), "250 2.6.0 10200 ");
}

static void test_fast_login_and_slow_mail(void **state)
{
    (void)state;
    expect(SV("AUTH PLAIN AGJvYgBi\r\n"), "");
    assert_int_equal(last_pool, POOL_FAST);
    conn_test_advance(c, 2000);
    set("smtp.reject_no_rdns", "yes");
    expect(SV("MAIL FROM:<a@example.net>\r\n"), "451 4.4.3 ");
    assert_int_equal(last_pool, POOL_SLOW);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_queue_full, dial, hang_up),
        cmocka_unit_test_setup_teardown(test_queue_failure, dial, hang_up),
        cmocka_unit_test_setup_teardown(test_spool_failure, dial, hang_up),
        cmocka_unit_test_setup_teardown(test_database_failure, dial, hang_up),
        cmocka_unit_test_setup_teardown(test_pools, dial, hang_up),
        cmocka_unit_test_setup_teardown(test_fast_login_and_slow_mail, dial, hang_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
