/* net_stop with idle, busy and stuck connections and jobs. */
#include "net_fixture.h"

#include <fcntl.h>

static int setup(void **state)
{
    (void)state;
    fx_start(NULL, 0, false);
    return 0;
}

static atomic_int jobs_done;

static void job(void *arg)
{
    usleep((useconds_t)(uintptr_t)arg * 1000);
    jobs_done++;
}

static void test_idle_peers_are_told(void **state)
{
    (void)state;
    int fd[20];
    for (int i = 0; i < 20; i++) {
        fd[i] = fx_dial();
        fx_expect(fd[i], "hello plain");
    }
    fx_stop();
    for (int i = 0; i < 20; i++) {
        fx_expect(fd[i], "shutdown");
        assert_true(fx_at_end(fd[i]));
        close(fd[i]);
    }
    assert_int_equal(fx.why[CLOSE_SHUTDOWN], 20);
    assert_int_equal(conn_note(1, (struct note){ 0 }), E_CLOSED);
    assert_int_equal(net_job(POOL_FAST, job, NULL), E_CLOSED);
}

static void test_busy_ones_finish(void **state)
{
    (void)state;
    int fd = fx_dial();
    fx_expect(fd, "hello plain");
    fx_send(fd, "BLOCK 300\r\n");
    jobs_done = 0;
    for (int i = 0; i < 5; i++)
        assert_int_equal(net_job(POOL_SLOW, job, (void *)(uintptr_t)200), 0);
    fx_wait(&fx.busy, 1);
    net_stop(fx.net, 60000);
    assert_int_equal(jobs_done, 5);
    fx_expect(fd, "slow");
    fx_expect(fd, "shutdown");
    close(fd);
}

static void test_transfers_are_cut_at_the_deadline(void **state)
{
    (void)state;
    int fd = fx_dial();
    fx_expect(fd, "hello plain");
    fx_send(fd, "GEN 1000000000\r\n");
    while (fx.gen_calls == 0)
        usleep(1000);
    int64_t start = clock_mono_ms();
    net_stop(fx.net, 300);
    int64_t took = clock_mono_ms() - start;
    assert_true(took >= 290);
    assert_int_equal(fx.closed, 1);
    assert_int_equal(fx.why[CLOSE_KILLED], 1);
    assert_int_equal(fx.gens_done, 1);
    close(fd);
}

static void test_silent_handshakes_do_not_hold_up(void **state)
{
    (void)state;
    uint16_t port =
        fx_listen(&(struct net_listener){ .service = SVC_POP3, .ops = &fx_ops, .tls = true });
    int fd = fx_dial_from(NULL, port);
    usleep(20000);
    int64_t start = clock_mono_ms();
    net_stop(fx.net, 60000);
    assert_true(clock_mono_ms() - start < 50000);
    close(fd);
}

/* An answer that is held back comes before the end, and now. */
static void test_delays_do_not_hold_up(void **state)
{
    (void)state;
    int fd = fx_dial();
    fx_expect(fd, "hello plain");
    fx_send(fd, "ECHO first\r\nDELAY 60000\r\n");
    fx_expect(fd, "first");
    fx_wait(&fx.delayed, 1);
    int64_t start = clock_mono_ms();
    net_stop(fx.net, 60000);
    assert_true(clock_mono_ms() - start < 50000);
    fx_expect(fd, "delayed");
    fx_expect(fd, "shutdown");
    assert_true(fx_at_end(fd));
    assert_int_equal(fx.why[CLOSE_SHUTDOWN], 1);
    close(fd);
}

static void test_start_again(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        int fd = fx_dial();
        fx_expect(fd, "hello plain");
        close(fd);
        net_stop(fx.net, 1000);
        fx_start(NULL, 0, false);
    }
    fx_stop();
}

/* A listening socket that its maker shuts down is closed by us too, and its place is used again;
 * the sessions go on until they are ended. */
static void test_a_service_ends_and_begins(void **state)
{
    (void)state;
    struct net_listener imap = { .service = SVC_IMAP, .ops = &fx_ops };
    int other = fx_dial();
    fx_expect(other, "hello plain");
    for (int i = 0; i < 200; i++) { /* more than there are places */
        struct errinfo ei = { 0 };
        struct sockaddr_in a;
        socklen_t n = sizeof(a);
        assert_int_equal(net_bind("127.0.0.1:0", &imap.fd, &ei), 0);
        int ours = fcntl(imap.fd, F_DUPFD_CLOEXEC, 0);
        assert_int_equal(getsockname(ours, (struct sockaddr *)&a, &n), 0);
        if (net_listen(fx.net, &imap, &ei) < 0)
            fail_msg("%s", ei.text);
        int fd = fx_dial_from(NULL, ntohs(a.sin_port));
        fx_expect(fd, "hello plain");
        shutdown(ours, SHUT_RDWR);
        /* Nobody listens any more: the port is free for the next one at once. */
        int again = -1;
        char addr[40];
        snprintf(addr, sizeof(addr), "127.0.0.1:%u", ntohs(a.sin_port));
        assert_int_equal(net_bind(addr, &again, &ei), 0);
        close(again);
        close(ours);
        fx_send(fd, "ECHO still\r\n");
        fx_expect(fd, "still");
        net_end_sessions(fx.net, SVC_IMAP, true); /* nobody was told to go yet */
        fx_send(fd, "ECHO there\r\n");
        fx_expect(fd, "there");
        net_end_sessions(fx.net, SVC_IMAP, false);
        fx_expect(fd, "shutdown");
        assert_true(fx_at_end(fd));
        close(fd);
        while (fcntl(imap.fd, F_GETFD) >= 0)
            usleep(1000);
    }
    fx_send(other, "ECHO unharmed\r\n");
    fx_expect(other, "unharmed");
    close(other);
    fx_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_idle_peers_are_told, setup),
        cmocka_unit_test_setup(test_busy_ones_finish, setup),
        cmocka_unit_test_setup(test_transfers_are_cut_at_the_deadline, setup),
        cmocka_unit_test_setup(test_silent_handshakes_do_not_hold_up, setup),
        cmocka_unit_test_setup(test_delays_do_not_hold_up, setup),
        cmocka_unit_test_setup(test_start_again, setup),
        cmocka_unit_test_setup(test_a_service_ends_and_begins, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
