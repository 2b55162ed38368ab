/* Limits, timeouts, delays, notes, kills and the end of the net. */
#include "net_fixture.h"

#include <sys/resource.h>

static int teardown(void **state)
{
    (void)state;
    fx_stop();
    fx_conf(NULL, 0);
    return 0;
}

static int plain(void **state)
{
    (void)state;
    fx_start(NULL, 0, false);
    return 0;
}

static int untrusted(void **state)
{
    (void)state;
    static const struct conf_pair p[] = { { "net.trusted_ips", "127.0.0.9" },
                                          { "pop3.per_ip", "2" } };
    fx_start(p, ARRAY_LEN(p), false);
    return 0;
}

static int dial_hello(void)
{
    int fd = fx_dial();
    fx_expect(fd, "hello plain");
    return fd;
}

static void test_per_ip(void **state)
{
    (void)state;
    int a = dial_hello(), b = dial_hello(), c = fx_dial();
    fx_expect(c, "421 ip");
    assert_true(fx_at_end(c));
    close(c);
    /* Another address has its own count; the trusted one has none. */
    int d = fx_dial_from("127.0.0.2", fx.port), e[4];
    fx_expect(d, "hello plain");
    for (int i = 0; i < 4; i++) {
        e[i] = fx_dial_from("127.0.0.9", fx.port);
        fx_expect(e[i], "hello plain");
    }
    close(a);
    fx_wait(&fx.closed, 1);
    /* The place is free when the socket is closed, a moment after closed(). */
    for (int i = 0; i < 200; i++) {
        a = fx_dial();
        if (strcmp(fx_line(a), "hello plain") == 0)
            break;
        close(a);
        usleep(10000);
    }
    fx_send(a, "ECHO free again\r\n");
    fx_expect(a, "free again");
    close(a);
    close(b);
    close(d);
    for (int i = 0; i < 4; i++)
        close(e[i]);
    fx_wait(&fx.closed, 8);
}

static int three(void **state)
{
    (void)state;
    static const struct conf_pair p[] = { { "net.max_connections", "3" } };
    fx_start(p, 1, false);
    return 0;
}

static void test_module_limit(void **state)
{
    (void)state;
    int fd[3];
    for (int i = 0; i < 3; i++)
        fd[i] = dial_hello();
    int more = fx_dial();
    /* The refused peer talks; its reply must not be lost to a reset. */
    fx_send(more, "ECHO hello\r\n");
    fx_expect(more, "421 module");
    assert_true(fx_at_end(more));
    close(more);
    static const struct conf_pair p[] = { { "net.max_connections", "10" } };
    fx_conf(p, 1);
    net_reload(fx.net);
    int now = dial_hello();
    close(now);
    for (int i = 0; i < 3; i++)
        close(fd[i]);
}

static int access_deny(void **state)
{
    (void)state;
    static const struct conf_pair p[] = { { "net.access_mode", "deny" },
                                          { "net.access_ips", "127.0.0.3-4" } };
    fx_start(p, ARRAY_LEN(p), false);
    return 0;
}

static void test_access_lists(void **state)
{
    (void)state;
    int fd = fx_dial_from("127.0.0.3", fx.port);
    fx_expect(fd, "421 access");
    close(fd);
    fd = dial_hello();
    close(fd);
    static const struct conf_pair p[] = { { "net.access_mode", "grant" },
                                          { "net.access_ips", "127.0.0.3-4" } };
    fx_conf(p, ARRAY_LEN(p));
    fd = fx_dial_from("127.0.0.3", fx.port);
    fx_expect(fd, "hello plain");
    close(fd);
    fd = fx_dial();
    fx_expect(fd, "421 access");
    close(fd);
}

static void test_open_may_refuse(void **state)
{
    (void)state;
    fx.refuse_all = true;
    int fd = dial_hello();
    assert_true(fx_at_end(fd));
    assert_int_equal(fx.closed, 0);
    close(fd);
}

static void test_idle_timeout(void **state)
{
    (void)state;
    int fd = dial_hello(), other = dial_hello();
    int64_t start = clock_mono_ms();
    fx_send(fd, "TIMEOUT 1500\r\n");
    fx_expect(fd, "ok");
    /* Bytes that complete no frame do not keep a session alive. */
    for (int i = 0; i < 3; i++) {
        usleep(400000);
        (void)!send(fd, "x", 1, MSG_NOSIGNAL);
    }
    fx_expect(fd, "timeout");
    assert_true(clock_mono_ms() - start >= 1490);
    assert_true(fx_at_end(fd));
    close(fd);
    fx_wait(&fx.closed, 1);
    assert_int_equal(fx.why[CLOSE_TIMEOUT], 1);
    fx_send(other, "ECHO alive\r\n");
    fx_expect(other, "alive");
    close(other);
}

static void test_timeout_may_be_renewed(void **state)
{
    (void)state;
    fx.stay_on_timeout = true;
    int fd = dial_hello();
    fx_send(fd, "TIMEOUT 50\r\n");
    fx_expect(fd, "ok");
    fx_expect(fd, "still there?");
    fx_send(fd, "ECHO yes\r\n");
    fx_expect(fd, "yes");
    assert_int_equal(fx.timeouts, 1);
    close(fd);
}

static void test_peer_that_does_not_read_times_out(void **state)
{
    (void)state;
    int fd = dial_hello();
    fx_send(fd, "TIMEOUT 200\r\n");
    fx_expect(fd, "ok");
    fx_send(fd, "GEN 50000000\r\n");
    fx_wait(&fx.closed, 1);
    assert_int_equal(fx.why[CLOSE_TIMEOUT], 1);
    assert_int_equal(fx.gens_done, 1);
    assert_int_equal(fx.timeouts, 0);
    close(fd);
}

static void test_delay_holds_output_and_frames(void **state)
{
    (void)state;
    int fd = dial_hello();
    int64_t start = clock_mono_ms();
    char early;
    fx_send(fd, "ECHO at once\r\nDELAY 3000\r\nECHO after\r\n");
    fx_expect(fd, "at once");
    assert_true(recv(fd, &early, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
    fx_expect(fd, "delayed");
    assert_true(clock_mono_ms() - start >= 2980);
    fx_expect(fd, "after");
    close(fd);
}

static void test_greeting_delay(void **state)
{
    (void)state;
    fx.greet_delay_ms = 100;
    int64_t start = clock_mono_ms(); /* before the server knows of it */
    int fd = dial_hello();
    assert_true(clock_mono_ms() - start >= 80);
    close(fd);
}

static int slow_line(void **state)
{
    (void)state;
    static const struct conf_pair p[] = { { "net.trusted_ips", "127.0.0.9" },
                                          { "net.bandwidth", "1000000" } };
    fx_start(p, ARRAY_LEN(p), false);
    return 0;
}

static void test_bandwidth(void **state)
{
    (void)state;
    int fd = dial_hello(), trusted = fx_dial_from("127.0.0.9", fx.port);
    fx_expect(trusted, "hello plain");
    int64_t start = clock_mono_ms();
    fx_send(fd, "GEN 500000\r\n");
    fx_pattern(fd, 500000);
    int64_t took = clock_mono_ms() - start;
    assert_true(took >= 350);
    start = clock_mono_ms();
    fx_send(trusted, "GEN 20000000\r\n"); /* 20 s if it were limited too */
    fx_pattern(trusted, 20000000);
    assert_true(clock_mono_ms() - start < 18000);
    close(fd);
    close(trusted);
}

static void test_notes(void **state)
{
    (void)state;
    int fd = dial_hello();
    fx_send(fd, "HANDLE\r\n");
    fx_expect(fd, "ok");
    conn_handle h = fx.handle;
    usleep(20000);
    assert_int_equal(conn_note(h, (struct note){ .type = 1, .a = 7 }), 0);
    fx_expect(fd, "note 1 7");
    /* To a busy one: after its frame. */
    fx_send(fd, "BLOCK 1000\r\n");
    fx_wait(&fx.busy, 1);
    assert_int_equal(conn_note(h, (struct note){ .type = 2, .a = 8 }), 0);
    assert_int_equal(conn_note(h, (struct note){ .type = 2, .a = 8 }), 0);
    fx_expect(fd, "slow");
    fx_expect(fd, "note 2 8");
    assert_int_equal(fx.notes, 2);
    close(fd);
    fx_wait(&fx.closed, 1);
    assert_int_equal(conn_note(h, (struct note){ .type = 1 }), E_CLOSED);
    assert_int_equal(conn_note(0xffffffffffffffffULL, (struct note){ .type = 1 }), E_CLOSED);
}

static void spin(unsigned n)
{
    for (volatile unsigned i = 0; i < n; i++)
        ;
}

/* Each wakes a connection that is about to park, by a note and by input in turn: none may be lost
 * between the two looks at the state. */
static void test_each_wakes_one_that_parks(void **state)
{
    (void)state;
    int fd = fx_dial();
    char want[40];
    fx_expect(fd, "hello plain");
    fx_send(fd, "HANDLE\r\n");
    fx_expect(fd, "ok");
    for (int i = 0; i < 30000; i++) {
        spin((unsigned)i * 7 % 3000);
        if (i % 2) {
            assert_int_equal(conn_note(fx.handle, (struct note){ .type = 5, .a = i }), 0);
            snprintf(want, sizeof(want), "note 5 %d", i);
        } else {
            fx_send(fd, "ECHO on\r\n");
            snprintf(want, sizeof(want), "on");
        }
        fx_expect(fd, want);
    }
    close(fd);
}

static void *note_sender(void *arg)
{
    int64_t base = *(int64_t *)arg;
    for (int i = 0; i < 2000; i++) {
        struct note n = { .type = 3, .a = base + i };
        while (conn_note(fx.handle, n) == E_FULL)
            usleep(100);
    }
    return NULL;
}

static void *drain(void *arg)
{
    char block[4096];
    int fd = *(int *)arg;
    while (recv(fd, block, sizeof(block), 0) > 0)
        ;
    return NULL;
}

/* Notes race with parking, frames and each other; none may be lost. */
static void test_notes_under_fire(void **state)
{
    (void)state;
    enum { SENDERS = 3 };
    pthread_t t[SENDERS], d;
    int64_t base[SENDERS];
    int fd = dial_hello();
    fx_send(fd, "HANDLE\r\n");
    fx_expect(fd, "ok");
    pthread_create(&d, NULL, drain, &fd);
    for (int i = 0; i < SENDERS; i++) {
        base[i] = i * 1000000;
        assert_int_equal(pthread_create(&t[i], NULL, note_sender, &base[i]), 0);
    }
    for (int i = 0; i < 500; i++) {
        fx_send(fd, "ECHO x\r\n");
        if (i % 16 == 0)
            usleep(200);
    }
    for (int i = 0; i < SENDERS; i++)
        pthread_join(t[i], NULL);
    fx_wait(&fx.notes, SENDERS * 2000);
    assert_int_equal(fx.notes, SENDERS * 2000);
    assert_int_equal(fx.note_sum, 3000000LL * 2000 + 3LL * 1999 * 1000);
    fx_send(fd, "QUIT\r\n");
    pthread_join(d, NULL);
    close(fd);
}

static void test_kill(void **state)
{
    (void)state;
    int fd = dial_hello();
    fx_send(fd, "HANDLE\r\n");
    fx_expect(fd, "ok");
    assert_int_equal(conn_kill_id(fx.id), 0);
    assert_true(fx_at_end(fd));
    fx_wait(&fx.closed, 1);
    assert_int_equal(conn_kill_id(fx.id), E_NOTFOUND);
    close(fd);
    /* A busy one: the peer sees the end now, the session ends with its frame. */
    fd = dial_hello();
    fx_send(fd, "HANDLE\r\n");
    fx_expect(fd, "ok");
    fx_send(fd, "BLOCK 2000\r\n");
    fx_wait(&fx.busy, 1);
    assert_int_equal(conn_kill_id(fx.id), 0);
    assert_true(fx_at_end(fd));
    assert_int_equal(fx.closed, 1);
    fx_wait(&fx.closed, 2);
    assert_int_equal(fx.why[CLOSE_KILLED], 2);
    close(fd);
    /* One that sends for ever. */
    fd = dial_hello();
    fx_send(fd, "HANDLE\r\n");
    fx_expect(fd, "ok");
    fx_send(fd, "GEN 1000000000\r\n");
    usleep(30000);
    assert_int_equal(conn_kill_id(fx.id), 0);
    fx_wait(&fx.closed, 3);
    fx_wait(&fx.gens_done, 1);
    close(fd);
}

static void *killer(void *arg)
{
    atomic_bool *end = arg;
    for (uint32_t i = 0; !atomic_load(end); i++) {
        (void)conn_kill_id(fx.id);
        (void)conn_note(fx.handle, (struct note){ .type = 4, .a = i });
    }
    return NULL;
}

static void test_kills_race_with_everything(void **state)
{
    (void)state;
    atomic_bool end = false;
    pthread_t t;
    pthread_create(&t, NULL, killer, &end);
    for (int i = 0; i < 300; i++) {
        int fd = fx_dial();
        (void)!send(fd, "HANDLE\r\nECHO x\r\nHANDLE\r\n", 24, MSG_NOSIGNAL);
        while (!fx_at_end(fd))
            ;
        close(fd);
    }
    end = true;
    pthread_join(t, NULL);
    fx_wait(&fx.closed, 300);
}

static void test_reply_survives_unread_input(void **state)
{
    (void)state;
    int fd = dial_hello();
    struct buf b;
    buf_init(&b, MiB);
    assert_int_equal(buf_add_str(&b, "QUIT\r\n"), 0);
    for (int i = 0; i < 20000; i++)
        assert_int_equal(buf_add_str(&b, "more\r\n"), 0);
    assert_true(send(fd, b.p, b.n, MSG_NOSIGNAL) > 0);
    usleep(50000);
    fx_expect(fd, "bye");
    buf_done(&b);
    close(fd);
}

static void test_descriptors_run_out(void **state)
{
    (void)state;
    enum { MAX_FDS = 300 };
    int held[MAX_FDS], n = 0, fd = dial_hello();
    int peer = socket(AF_INET, SOCK_STREAM, 0);
    struct rlimit before, few;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = MAX_FDS;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    while (n < MAX_FDS && (held[n] = dup(fd)) >= 0)
        n++;
    assert_true(n < MAX_FDS);
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(fx.port) };
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(peer, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_true(fx_at_end(peer));
    fx_send(fd, "ECHO served\r\n");
    fx_expect(fd, "served");
    for (int i = 0; i < n; i++)
        close(held[i]);
    close(peer);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    usleep(150000);
    peer = dial_hello();
    close(peer);
    close(fd);
}

int main(void)
{
#define T(setup, f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(untrusted, test_per_ip),
        T(three, test_module_limit),
        T(access_deny, test_access_lists),
        T(plain, test_open_may_refuse),
        T(plain, test_idle_timeout),
        T(plain, test_timeout_may_be_renewed),
        T(plain, test_peer_that_does_not_read_times_out),
        T(plain, test_delay_holds_output_and_frames),
        T(plain, test_greeting_delay),
        T(slow_line, test_bandwidth),
        T(plain, test_notes),
        T(plain, test_each_wakes_one_that_parks),
        T(plain, test_notes_under_fire),
        T(plain, test_kill),
        T(plain, test_kills_race_with_everything),
        T(plain, test_reply_survives_unread_input),
        T(plain, test_descriptors_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
