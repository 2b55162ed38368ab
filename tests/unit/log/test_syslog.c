/* Tests of the copy to the system log: form, a system log that does not read, one that restarts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "log/sink_priv.h"
#include "stats/shm.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char path[64];

static int listen_at(void)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    sv_copy(a.sun_path, sizeof(a.sun_path), sv_c(path));
    unlink(path);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

static void expect(int fd, int prio, const char *text)
{
    char got[4000], want[4000];
    ssize_t n = recv(fd, got, sizeof(got) - 1, 0);
    assert_true(n > 0);
    got[n] = '\0';
    snprintf(want, sizeof(want), "<%d>posthorn[%d]: %s", prio, (int)getpid(), text);
    assert_string_equal(got, want);
}

static uint64_t lost(void)
{
    return ctr_get(shm_current(), CTR_syslog_lines_lost);
}

static void test_all(void **state)
{
    (void)state;
    snprintf(path, sizeof(path), "/tmp/posthorn-syslog-%d", (int)getpid());
    struct log_syslog s = { .path = path, .fd = -1 };
    uint64_t before = lost();
    clock_test_freeze(1700000000000);
    unlink(path);
    log_syslog_send(&s, LOG_SMTP, SV("nobody listens\n"));
    int fd = listen_at();
    log_syslog_send(&s, LOG_SMTP, SV("too early to try again\n"));
    assert_int_equal(s.fd, -1);
    assert_int_equal(lost() - before, 2);
    clock_test_advance(1000);
    log_syslog_send(&s, LOG_SMTP, SV("a line\n"));
    expect(fd, 22, "a line"); /* mail.info */
    log_syslog_send(&s, LOG_ERRORS, SV("Error: x\n"));
    expect(fd, 19, "Error: x");    /* mail.err */
    for (int i = 0; i < 5000; i++) /* nobody reads: lines are dropped, nothing blocks */
        log_syslog_send(&s, LOG_SMTP, SV("many\n"));
    assert_true(s.fd >= 0);
    int waiting = 0;
    char mem[100];
    while (recv(fd, mem, sizeof(mem), 0) > 0)
        waiting++;
    assert_true(waiting > 0 && waiting < 5000);
    assert_int_equal(lost() - before, 2 + 5000 - waiting);
    /* It restarts: one line is lost, then it goes on. */
    close(fd);
    fd = listen_at();
    log_syslog_send(&s, LOG_SMTP, SV("lost\n"));
    assert_int_equal(s.fd, -1);
    clock_test_advance(1000);
    log_syslog_send(&s, LOG_SMTP, SV("back\n"));
    expect(fd, 22, "back");
    close(fd);
    close(s.fd);
    unlink(path);
    clock_test_freeze(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_all) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
