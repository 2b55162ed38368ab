/* Connections over real loopback sockets: framing, pools, large output, many idle ones. */
#include "net_fixture.h"

static int setup(void **state)
{
    (void)state;
    fx_start(NULL, 0, false);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fx_stop();
    return 0;
}

static void test_echo_and_facts(void **state)
{
    (void)state;
    int fd = fx_dial();
    char want[128];
    struct sockaddr_in a;
    socklen_t n = sizeof(a);
    getsockname(fd, (struct sockaddr *)&a, &n);
    fx_expect(fd, "hello plain");
    fx_send(fd, "ECHO one two\r\n");
    fx_expect(fd, "one two");
    fx_send(fd, "INFO\r\n");
    snprintf(want, sizeof(want), "127.0.0.1 %u 127.0.0.1 %u 0 1 []", ntohs(a.sin_port), fx.port);
    fx_expect(fd, want);
    fx_send(fd, "QUIT\r\n");
    fx_expect(fd, "bye");
    assert_true(fx_at_end(fd));
    close(fd);
    fx_wait(&fx.closed, 1);
    assert_int_equal(fx.why[CLOSE_QUIT], 1);
}

static void test_ipv6(void **state)
{
    (void)state;
    struct errinfo ei = { 0 };
    struct net_listener l = { .service = SVC_POP3, .ops = &fx_ops };
    struct sockaddr_in6 a;
    socklen_t n = sizeof(a);
    char want[128];
    if (net_bind("[::1]:0", &l.fd, &ei) == -EADDRNOTAVAIL) {
        print_message("no IPv6 loopback\n");
        skip();
    }
    assert_int_equal(getsockname(l.fd, (struct sockaddr *)&a, &n), 0);
    assert_int_equal(net_listen(fx.net, &l, &ei), 0);
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    uint16_t port = ntohs(a.sin6_port);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    fx_expect(fd, "hello plain");
    fx_send(fd, "INFO\r\n");
    snprintf(want, sizeof(want), "::1 %u ::1 %u 0 1 []", ntohs(a.sin6_port), port);
    fx_expect(fd, want);
    close(fd);
}

static void test_pipelining(void **state)
{
    (void)state;
    enum { N = 500 };
    struct buf b;
    int fd = fx_dial();
    buf_init(&b, 64 * KiB);
    for (int i = 0; i < N; i++)
        assert_int_equal(buf_addf(&b, i % 50 == 7 ? "SLOW 1\r\n" : "ECHO %d\r\n", i), 0);
    assert_int_equal(buf_terminate(&b), 0);
    fx_send(fd, b.p);
    buf_done(&b);
    fx_expect(fd, "hello plain");
    for (int i = 0; i < N; i++) {
        char want[16];
        snprintf(want, sizeof(want), "%d", i);
        fx_expect(fd, i % 50 == 7 ? "slow" : want);
    }
    assert_int_equal(fx.pool_slow_seen, N / 50);
    close(fd);
}

static void test_partial_frames(void **state)
{
    (void)state;
    int fd = fx_dial();
    fx_expect(fd, "hello plain");
    for (const char *p = "ECHO in pieces\r\nECHO next\r"; *p; p++) {
        assert_int_equal(send(fd, p, 1, MSG_NOSIGNAL), 1);
        usleep(500);
    }
    fx_expect(fd, "in pieces");
    fx_send(fd, "\n");
    fx_expect(fd, "next");
    close(fd);
    fx_wait(&fx.closed, 1);
    assert_int_equal(fx.why[CLOSE_PEER], 1);
}

static void test_oversized_frame_is_bad(void **state)
{
    (void)state;
    int fd = fx_dial();
    fx_expect(fd, "hello plain");
    for (int i = 0; i < 3000; i++)
        fx_send(fd, "x");
    fx_expect(fd, "bad");
    assert_true(fx_at_end(fd));
    close(fd);
    fx_wait(&fx.closed, 1);
    assert_int_equal(fx.why[CLOSE_ERROR], 1);
}

static void test_bad_frame_may_be_skipped(void **state)
{
    (void)state;
    int fd = fx_dial();
    fx_expect(fd, "hello plain");
    fx_send(fd, "BADSKIP\r\nECHO after\r\n");
    fx_expect(fd, "bad");
    fx_expect(fd, "after");
    fx_send(fd, "BAD\r\nECHO never\r\n");
    fx_expect(fd, "bad");
    assert_true(fx_at_end(fd));
    close(fd);
}

static void test_half_close_is_answered(void **state)
{
    (void)state;
    int fd = fx_dial();
    fx_expect(fd, "hello plain");
    fx_send(fd, "SLOW 30\r\nECHO last\r\nECHO no end");
    shutdown(fd, SHUT_WR);
    fx_expect(fd, "slow");
    fx_expect(fd, "last");
    assert_true(fx_at_end(fd));
    close(fd);
}

static void test_early_input_is_seen(void **state)
{
    (void)state;
    /* Accepting waits until the listener is there: the bytes are in the socket before open(). */
    struct errinfo ei = { 0 };
    struct net_listener l = { .service = SVC_POP3, .ops = &fx_ops };
    struct sockaddr_in a;
    socklen_t n = sizeof(a);
    assert_int_equal(net_bind("127.0.0.1:0", &l.fd, &ei), 0);
    assert_int_equal(getsockname(l.fd, (struct sockaddr *)&a, &n), 0);
    int early = fx_dial_from(NULL, ntohs(a.sin_port));
    fx_send(early, "ECHO early\r\n");
    usleep(20000);
    assert_int_equal(net_listen(fx.net, &l, &ei), 0);
    fx_expect(early, "hello plain");
    fx_expect(early, "early");
    assert_int_equal(fx.early, 1);
    fx_send(early, "INPUT\r\nINPUT\r\n");
    fx_expect(early, "yes");
    fx_expect(early, "no");
    close(early);
}

static long rss_kib(void)
{
    long pages = 0, total = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_int_equal(fscanf(f, "%ld %ld", &total, &pages), 2);
    fclose(f);
    return pages * sysconf(_SC_PAGESIZE) / 1024;
}

static void slow_reader(const char *cmd)
{
    enum { N = 8 << 20, PEERS = 8 };
    int fd[PEERS];
    long before = rss_kib();
    for (int i = 0; i < PEERS; i++) {
        fd[i] = fx_dial();
        fx_expect(fd[i], "hello plain");
        fx_send(fd[i], cmd);
        fx_send(fd[i], "ECHO behind\r\n");
    }
    usleep(300000);
    /* Eight peers that do not read cost a buffer each, not a worker, and not the whole output. */
    int other = fx_dial();
    fx_expect(other, "hello plain");
    fx_send(other, "ECHO quick\r\n");
    fx_expect(other, "quick");
    close(other);
    long grown = rss_kib() - before;
    assert_true(fx.gen_calls < PEERS * N / 8192 / 2);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_true(grown < 4096);
#else
    (void)grown;
#endif
    for (int i = 0; i < PEERS; i++) {
        fx_pattern(fd[i], N);
        fx_expect(fd[i], "end");
        fx_expect(fd[i], "behind");
        close(fd[i]);
    }
}

static void test_slow_reader_of_a_generator(void **state)
{
    (void)state;
    slow_reader("GEN 8388608\r\n");
    fx_wait(&fx.gens_done, 8);
}

static void test_slow_reader_of_a_file(void **state)
{
    (void)state;
    slow_reader("FILE 8388608\r\n");
}

static void test_generator_of_a_lost_peer_is_freed(void **state)
{
    (void)state;
    int fd = fx_dial();
    fx_expect(fd, "hello plain");
    fx_send(fd, "GEN 100000000\r\n");
    usleep(50000);
    close(fd);
    fx_wait(&fx.gens_done, 1);
    fx_wait(&fx.closed, 1);
    assert_int_equal(fx.why[CLOSE_PEER], 1);
}

static void test_short_file_ends_the_connection(void **state)
{
    (void)state;
    int fd = fx_dial();
    fx_expect(fd, "hello plain");
    fx_send(fd, "SHORTFILE 100\r\nECHO never\r\n");
    fx_wait(&fx.closed, 1);
    assert_int_equal(fx.why[CLOSE_ERROR], 1);
    close(fd);
}

static void test_plain_output_is_bounded(void **state)
{
    (void)state;
    int fd = fx_dial();
    fx_expect(fd, "hello plain");
    fx_send(fd, "BIG 1048577\r\n");
    fx_expect(fd, "full");
    fx_send(fd, "BIG 1000000\r\n");
    char block[65536];
    for (size_t got = 0; got < 1000002;) {
        ssize_t r = recv(fd, block, sizeof(block), 0);
        assert_true(r > 0);
        got += (size_t)r;
    }
    close(fd);
}

static void test_many_idle_connections(void **state)
{
    (void)state;
    enum { N = 2000 };
    static int fd[N];
    for (int i = 0; i < N; i++) {
        fd[i] = fx_dial();
        fx_expect(fd[i], "hello plain");
    }
    for (int i = 0; i < N; i += 7) {
        fx_send(fd[i], "ECHO awake\r\n");
        fx_expect(fd[i], "awake");
    }
    assert_int_equal(fx.opened, N);
    for (int i = 0; i < N; i++)
        close(fd[i]);
    fx_wait(&fx.closed, N);
}

static void *busy_client(void *arg)
{
    (void)arg;
    for (int k = 0; k < 20; k++) {
        int fd = fx_dial();
        fx_expect(fd, "hello plain");
        for (int i = 0; i < 20; i++) {
            fx_send(fd, i % 5 == 0 ? "SLOW 0\r\n" : "ECHO a\r\nECHO b\r\n");
            if (i % 5 == 0) {
                fx_expect(fd, "slow");
                continue;
            }
            fx_expect(fd, "a");
            fx_expect(fd, "b");
        }
        close(fd);
    }
    return NULL;
}

static void test_concurrent_clients(void **state)
{
    (void)state;
    pthread_t t[8];
    for (int i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&t[i], NULL, busy_client, NULL), 0);
    for (int i = 0; i < 8; i++)
        pthread_join(t[i], NULL);
    fx_wait(&fx.closed, 160);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_echo_and_facts),
        T(test_ipv6),
        T(test_pipelining),
        T(test_partial_frames),
        T(test_oversized_frame_is_bad),
        T(test_bad_frame_may_be_skipped),
        T(test_half_close_is_answered),
        T(test_early_input_is_seen),
        T(test_slow_reader_of_a_generator),
        T(test_slow_reader_of_a_file),
        T(test_generator_of_a_lost_peer_is_freed),
        T(test_short_file_ends_the_connection),
        T(test_plain_output_is_bounded),
        T(test_many_idle_connections),
        T(test_concurrent_clients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
