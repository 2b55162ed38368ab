/* Speed of the log reader: a day's SMTP log is searched for a text without regard to case, from the
 * page cache. Prints GB/s, the best of five searches, for texts that stand nowhere or in each tenth
 * session.
 *   bench_log_search [MiB [DIRECTORY]]        1024, /var/tmp */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "os/file.h"
#include "server/api/log_reader.h"

enum { ROUNDS = 5 };

/* A session of 14 lines. */
static void add_session(struct buf *b, unsigned n)
{
    static const char *const lines[] = {
        "Connected, local IP=192.0.2.1:25",
        ">>> 220 mail.bench.test ESMTP Posthorn; Thu, 26 Nov 2026 10:47:13 +0000",
        "<<< EHLO client.example.org",
        ">>> 250-mail.bench.test Hello client.example.org [198.51.100.7], pleased to meet you.\n"
        "250-ENHANCEDSTATUSCODES\n250-SIZE 52428800\n250-8BITMIME\n250 HELP",
        "<<< MAIL FROM:<sender@example.org> SIZE=2345",
        ">>> 250 2.1.0 <sender@example.org>... Sender ok",
        "<<< RCPT TO:<user@bench.test>",
        ">>> 250 2.1.5 <user@bench.test>... Recipient ok",
        "<<< 2345 bytes (overall data transfer speed=293275 B/s)",
        "Start of mail processing",
        "<<< QUIT",
        ">>> 221 2.0.0 mail.bench.test closing connection",
        "Disconnected",
    };
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        buf_addf(b, "198.51.100.%-5u[%04X] %02u:%02u:%02u %s\n", n % 250, n & 0xffff, n / 3600 % 24,
                 n / 60 % 60, n % 60, lines[i]);
    buf_addf(b,
             "198.51.100.%-5u[%04X] %02u:%02u:%02u *** <s@example.org> <u@bench.test> 1 2345 "
             "00:00:00 OK %s%05u\n",
             n % 250, n & 0xffff, n / 3600 % 24, n / 60 % 60, n % 60, n % 10 ? "ABC" : "XYZ",
             n % 100000);
}

static uint64_t make_log(const char *path, uint64_t bytes)
{
    FILE *f = fopen(path, "we");
    uint64_t size = 0;
    struct buf b;
    buf_init(&b, MiB);
    if (!f)
        panic("cannot write %s", path);
    for (unsigned n = 0; size < bytes; n++) {
        buf_reset(&b);
        add_session(&b, n);
        size += fwrite(b.p, 1, b.n, f);
    }
    if (fclose(f) != 0)
        panic("cannot write %s", path);
    buf_done(&b);
    return size;
}

static void count(void *arg, struct sv line)
{
    (void)line;
    ++*(uint64_t *)arg;
}

static void measure(const char *dir, uint64_t bytes, const char *what, struct log_search s)
{
    int64_t best = INT64_MAX;
    uint64_t found = 0;
    for (int i = 0; i < ROUNDS + 1; i++) { /* the first one warms */
        struct log_search one = s;
        one.dir = dir;
        one.type = LOG_SMTP;
        one.ymd = 20261126;
        one.max = SIZE_MAX;
        one.budget_ms = 600000;
        found = 0;
        int64_t t0 = clock_mono_us();
        if (log_search(&one, count, &found) != 0)
            panic("the search failed");
        if (i > 0)
            best = MIN(best, clock_mono_us() - t0);
    }
    printf("%-44s %6.2f GB/s  %10" PRIu64 " lines found\n", what,
           (double)bytes / 1000 / (double)MAX(best, 1), found);
}

int main(int argc, char **argv)
{
    uint64_t mib = argc > 1 ? strtoull(argv[1], NULL, 10) : 1024;
    _cleanup_(freep) char *dir =
        xasprintf("%s/posthorn-bench-XXXXXX", argc > 2 ? argv[2] : "/var/tmp");
    if (!mkdtemp(dir))
        panic("cannot make %s", dir);
    _cleanup_(freep) char *path = xasprintf("%s/s20261126-00.log", dir);
    uint64_t bytes = make_log(path, mib * MiB);
    measure(dir, bytes, "an id that is nowhere", (struct log_search){ .filter = "OSA88513" });
    measure(dir, bytes, "an address that is nowhere",
            (struct log_search){ .filter = "nobody@elsewhere.example" });
    measure(dir, bytes, "three letters that are nowhere", (struct log_search){ .filter = "qua" });
    measure(
        dir, bytes, "an id that is nowhere, from 10:00 to 11:00",
        (struct log_search){ .filter = "OSA88513", .from = SV("10:00:00"), .to = SV("10:59:59") });
    measure(dir, bytes, "one line in each tenth session", (struct log_search){ .filter = "xyz" });
    return os_remove_tree(dir, NULL) < 0;
}
