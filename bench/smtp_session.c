/* What one message costs in the SMTP server itself: pipelined MAIL, RCPT, DATA with 5 kB on the
 * test driver, with a queue and accounts that only pretend. Prints microseconds per message,
 * without and with the log lines of level debug. */
#include "smtp_fakes.h"

#include <stdio.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "conf/conf.h"
#include "log/log.h"
#include "net/conn_test.h"
#include "server/smtp/smtp_server.h"

enum { MESSAGES = 200000, BODY = 5000 };

static double cpu_us(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return 1e6 * (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void run(const char *name, enum log_level level, struct sv transaction)
{
    struct smtp_server srv = { 0 };
    const struct conn_test facts = { .peer_ip = "192.0.2.1", .local_ip = "192.0.2.25" };
    struct conn *c = conn_test_open(&smtp_ops, &srv, &facts);
    struct buf log;
    buf_init(&log, 16 * MiB);
    log_test_capture(&log);
    log_set_level(LOG_SMTP, level);
    conn_test_input(c, SV("EHLO client.example\r\n"));
    double start = cpu_us();
    for (int i = 0; i < MESSAGES; i++) {
        conn_test_input(c, transaction);
        conn_test_take(c);
        if (i % 1000 == 0)
            buf_reset(&log);
    }
    printf("%-12s %.2f us/message, %u accepted\n", name, (cpu_us() - start) / MESSAGES,
           fake_accepted);
    conn_test_free(c, CLOSE_PEER);
    log_test_capture(NULL);
    buf_done(&log);
}

int main(void)
{
    struct buf t;
    buf_init(&t, 64 * KiB);
    if (buf_add_str(
            &t, "MAIL FROM:<alice@example.net> SIZE=5100\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n"
                "Received: from a by b; Tue, 14 Nov 2023 22:13:20 +0000\r\nSubject: x\r\n\r\n") < 0)
        return 1;
    while (t.n < BODY)
        if (buf_add_str(
                &t,
                "The quick brown fox jumps over the lazy dog and goes on to the next line.\r\n") <
            0)
            return 1;
    if (buf_add_str(&t, ".\r\n") < 0)
        return 1;
    run("log none", LOG_NONE, buf_sv(&t));
    run("log debug", LOG_DEBUG, buf_sv(&t));
    buf_done(&t);
    return 0;
}
